"""One lesion, one label: parts of a necrotic rim join their lesion, and islands belong to the lesion they touch.

The rim of a necrotic lesion is uneven, so that uptake has several peaks along it, with deep saddles where the rim is
thin. The core that they share shows that they are one lesion.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, find_objects

from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.basins import LabelArray

__all__ = ["with_slivers_joined", "without_islands"]

# Half the thickness of a rim that is no lesion of its own: a PET of 6 mm FWHM shows the thinnest rim about 6 mm thick.
_SLIVER_MM = 6.5
# A part on a quarter of a core's surface reaches around it, by 60° to each side; a convex body beside it does not. Half
# of a rim lies within this distance of its core, or within the core's radius where the rim is 1.5 times as thick.
_RIM_CONTACT_SHARE, _RIM_MM = 0.25, 10.0
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def with_slivers_joined(owners: LabelArray, core: BoolArray, grid: Geometry) -> LabelArray:
    """Give parts of a rim, slivers and arcs, the label that has most of the contact with the core they share.

    Parameters
    ----------
    owners : ndarray of int
        Lesion of each voxel, 0 outside; cores still carry 0.
    core : ndarray of bool
        Cold cores.
    grid : Geometry
        Of both.
    """
    import cc3d

    joined = owners.copy()
    parts = cc3d.connected_components(core, connectivity=6)
    for number, box in enumerate(find_objects(parts), start=1):
        if box is None:
            continue
        near = _grown(box, owners.shape)
        rim = binary_dilation(parts[near] == number, _TOUCHING) & ~core[near]
        contacts = np.bincount(joined[near][rim])
        contacts[0] = 0
        touching = np.flatnonzero(contacts)
        if touching.size < 2:
            continue
        main = int(contacts.argmax())
        for label in touching:
            own = joined == label
            if label != main and (
                _is_sliver(own, grid) or _is_rim(own, parts == number, float(contacts[label] / contacts.sum()), grid)
            ):
                joined[own] = main
    return joined


def _is_sliver(own: BoolArray, grid: Geometry) -> bool:
    """Whether a part is nowhere thicker than a rim that is no lesion of its own."""
    return float(distance_inside_mm(own, grid.spacing_mm).max()) < _SLIVER_MM


def _is_rim(own: BoolArray, core: BoolArray, contact_share: float, grid: Geometry) -> bool:
    """Whether a part lies around a core: on more of its surface than a body beside it touches, and mostly near it."""
    if contact_share < _RIM_CONTACT_SHARE:
        return False
    radius_mm = float(distance_inside_mm(core, grid.spacing_mm).max())
    return float(np.median(distance_to_mm(core, grid.spacing_mm)[own])) < max(_RIM_MM, radius_mm)


def without_islands(owners: LabelArray, minimum_ml: float, grid: Geometry) -> LabelArray:
    """Give small parts of a lesion that lie apart from it to the lesion that they touch most, or to none.

    Parameters
    ----------
    owners : ndarray of int
        Lesion of each voxel, 0 outside.
    minimum_ml : float
        Parts from this size on are kept.
    grid : Geometry
        Of the labels.
    """
    import cc3d

    parts = cc3d.connected_components(owners, connectivity=26)
    sizes = np.bincount(parts.ravel())
    boxes = find_objects(parts)
    label_of = np.zeros(len(sizes), dtype=np.int64)
    label_of[parts.ravel()] = owners.ravel()
    largest = {int(label): 0 for label in np.unique(label_of) if label}
    for part in range(1, len(sizes)):
        label = int(label_of[part])
        if sizes[part] > sizes[largest[label]] or largest[label] == 0:
            largest[label] = part
    tidy = owners.copy()
    for part in range(1, len(sizes)):
        label, box = int(label_of[part]), boxes[part - 1]
        if box is None or part == largest[label] or sizes[part] * grid.voxel_volume_ml >= minimum_ml:
            continue
        near = _grown(box, owners.shape)
        own = parts[near] == part
        contacts = np.bincount(owners[near][binary_dilation(own, _TOUCHING) & ~own], minlength=1)
        contacts[0] = 0
        tidy[near][own] = int(contacts.argmax()) if contacts.any() else 0
    return tidy


def _grown(box: Box, shape: tuple[int, ...]) -> Box:
    return grow_box(box, np.ones(3), (shape[0], shape[1], shape[2]))
