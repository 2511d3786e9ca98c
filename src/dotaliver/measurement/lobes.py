"""Right and left lobe: the liver cut by a plane, with the tumour in each part.

Volumes are counted: the liver on its own grid, tumour on the PET's in the PET's position, where the plane is moved
with the liver. So both lobes' tumour is that of the whole, but for the cold cores and the lesions' parts outside.
"""

from __future__ import annotations

import numpy as np

from dotaliver.image.geometry import FloatArray, Geometry, Vector
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.burden import counts_for_burden
from dotaliver.measurement.placement import Placement
from dotaliver.records.masks import LobePlane, Segmentations
from dotaliver.records.measurements import Burden, Lesion, Lobe, Lobes
from dotaliver.records.positions import own_labels, shift_between

__all__ = ["heights_to_the_left", "measure_lobes"]


def measure_lobes(
    segmentations: Segmentations, placement: Placement, lesions: tuple[Lesion, ...], burden: Burden
) -> Lobes:
    """Volume and burden of each lobe, or why they are unknown.

    The whole's tumour volume is shared out by where its lesions' voxels lie, so that the lobes add up to it.
    """
    if segmentations.liver is None or placement.liver is None:
        return Lobes(reason="the liver was not found")
    whole = own_labels(segmentations.liver.labels)
    if segmentations.lobes is None or whole is None:
        return Lobes(reason=segmentations.reasons.get("lobes", "the lobes were not looked for"))
    shift = shift_between("ct", "pet", segmentations.mismatch)
    on_liver = shift_between("ct", segmentations.liver.drawn_on, segmentations.mismatch)
    left_ml = _left_share(segmentations.lobes, whole, on_liver) * whole.volume_ml()
    right_ml = whole.volume_ml() - left_ml
    counted = tuple(lesion.label for lesion in lesions if counts_for_burden(lesion))
    voxels = placement.lesion_voxels(counted) & placement.liver.inside
    tumour = LabelMap(voxels.astype(np.uint8), placement.liver.geometry)
    share = _left_share(segmentations.lobes, tumour, shift) if voxels.any() else 0.0
    sides = []
    for liver_ml, part in ((right_ml, 1.0 - share), (left_ml, share)):
        tumour_ml = None if burden.tumour_ml is None else min(part * burden.tumour_ml, liver_ml)
        fraction = None if tumour_ml is None or liver_ml <= 0 else tumour_ml / liver_ml
        sides.append(Lobe(liver_ml=liver_ml, tumour_ml=tumour_ml, fraction=fraction))
    return Lobes(right=sides[0], left=sides[1], landmark=segmentations.lobes.landmark)


def heights_to_the_left(
    plane: LobePlane, shift_lps_mm: Vector, grid: Geometry
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], float]:
    """Heights of voxels along the plane's normal, and that of the plane, moved by a shift; all in mm.

    Returns
    -------
    tuple of ndarray, float
        Parts of the height along slices, rows and columns, and the level: a voxel lies on the left where the parts
        add up to more.
    """
    normal = np.asarray(plane.normal_lps)
    level = float(normal @ (np.asarray(plane.point_lps_mm) + np.asarray(shift_lps_mm)))
    corner = float(normal @ grid.index_to_lps((0.0, 0.0, 0.0)))
    steps = [float(normal @ np.asarray(d)) * s for d, s in zip(grid.directions, grid.spacing_mm, strict=True)]
    k, j, i = (np.arange(n, dtype=np.float64) * step for n, step in zip(grid.shape, steps, strict=True))
    return (corner + k, j, i), level


def _left_share(plane: LobePlane, labels: LabelMap, shift: Vector) -> float:
    """Share of a mask's voxels to the left of the shifted plane."""
    (heights, j, i), level = heights_to_the_left(plane, shift, labels.geometry)
    count = left = 0
    for part, height in zip(labels.array, heights, strict=True):
        mask = part != 0
        count += int(np.count_nonzero(mask))
        left += int(np.count_nonzero(mask & (height + j[:, None] + i[None, :] > level)))
    return left / count if count else 0.0
