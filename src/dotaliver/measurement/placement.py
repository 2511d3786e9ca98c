"""Where masks lie on the PET.

Uptake is read on the PET's own grid and in the PET's position. A mask drawn there is taken as it is; a mask
drawn on CT is moved by the mismatch that breathing makes, and brought to the PET as the share of each PET
voxel inside it. The PET itself is never interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.errors import GeometryError
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import Share, VoxelSet, own_labels, share_on, shift_between

__all__ = [
    "Placement",
    "place",
]

# The liver's box on the PET reaches this far beyond the liver: hot neighbours are looked for there.
_LIVER_MARGIN_MM = 30.0


@dataclass(frozen=True, eq=False)
class Placement:
    """Liver and lesions in the position and on the grid of the PET."""

    geometry: Geometry
    liver: Share | None
    lesions: dict[int, VoxelSet]
    liver_seen: float = 1.0
    """Share of the liver's volume that lies on the PET, 0 to 1."""

    def liver_share_of(self, label: int) -> float | None:
        """Share of a lesion's voxels that lie in the liver, 0 to 1; None where there is no liver.

        A voxel lies in the liver where at least half of it does. Weighting each voxel by its part inside would
        count a lesion under the capsule too small: of the voxels that border and lesion cut, it would take part of
        those in the lesion's mask away without giving the others anything.
        """
        lesion = self.lesions.get(label)
        if self.liver is None or lesion is None:
            return None
        common = lesion.common_with(self.liver.box)
        inside = 0 if common is None else np.count_nonzero(common.mask & self.liver.inside[common.box])
        return int(inside) / int(np.count_nonzero(lesion.mask))

    def lesion_voxels(self, labels: tuple[int, ...]) -> BoolArray:
        """Voxels of some lesions, in the liver's box."""
        if self.liver is None:
            msg = "there is no liver whose box could be asked for"
            raise GeometryError(msg)
        voxels = np.zeros(self.liver.part.shape, dtype=bool)
        for label in labels:
            common = self.lesions[label].common_with(self.liver.box) if label in self.lesions else None
            if common is not None:
                voxels[common.box] |= common.mask
        return voxels


def _lesion_voxels(share: Share) -> VoxelSet | None:
    """Voxels at least half inside; where there is none, those that hold most of the lesion."""
    highest = float(share.part.max())
    if highest <= 0:
        return None
    return VoxelSet(share.box, np.asarray(share.part >= min(0.5, highest)))


def _seen(whole: LabelMap, share: Share | None, pet: Geometry, shift_lps_mm: Vector) -> float:
    """Share of a mask's volume that lies on the PET once it is moved, 0 to 1."""
    if share is None:
        return 0.0
    if bool(pet.contains(whole.geometry.moved(shift_lps_mm).corners_lps_mm()).all()):
        return 1.0
    placed_ml = float(share.part.sum(dtype=np.float64)) * pet.voxel_volume_ml
    return min(placed_ml / whole.volume_ml(), 1.0)


def place(segmentations: Segmentations, pet: Geometry) -> Placement:
    """Bring liver and lesions to the PET.

    A lesion on another grid takes the PET voxels that lie at least half inside it; a lesion too small for any
    takes those that hold the largest share of it. A lesion that lies outside the PET has no voxels there.
    """
    liver, seen = None, 1.0
    if segmentations.liver is not None:
        whole = own_labels(segmentations.liver.labels)
        if whole is not None:
            shift = shift_between(segmentations.liver.drawn_on, "pet", segmentations.mismatch)
            liver = share_on(whole, pet, shift, _LIVER_MARGIN_MM)
            seen = _seen(whole, liver, pet, shift)
    lesions: dict[int, VoxelSet] = {}
    layer = segmentations.lesions
    if layer is not None:
        shift = shift_between(layer.drawn_on, "pet", segmentations.mismatch)
        same_grid = layer.labels.geometry.moved(shift).is_close(pet)
        for label, box in layer.labels.boxes():
            if same_grid:
                lesions[label] = VoxelSet(box, np.asarray(layer.labels.array[box] == label))
                continue
            own = LabelMap((layer.labels.array[box] == label).astype(np.uint8), layer.labels.geometry.crop(box))
            share = share_on(own, pet, shift, 0.0)
            voxels = None if share is None else _lesion_voxels(share)
            if voxels is not None:
                lesions[label] = voxels
    return Placement(pet, liver, lesions, seen)
