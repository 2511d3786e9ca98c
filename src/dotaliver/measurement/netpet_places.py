"""Places of one scan on the other: outlines carried between the receptor PET and the FDG PET of one patient.

An outline is moved from where its PET shows it to its CT (breathing), through the alignment of both CTs, and to where
the other PET shows it. Uptake is read there on that PET's own voxels, which are never interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Geometry, Vector, as_vector, box_within, grow_box
from dotaliver.image.itk import resample_through
from dotaliver.image.volume import LabelMap, used_box
from dotaliver.records.fdg import AlignedPart, FdgAlignment
from dotaliver.records.masks import Mismatch
from dotaliver.records.positions import VoxelSet

__all__ = ["Carrier", "grown", "middle_lps_mm"]

_MARGIN_VOXELS = 2


@dataclass(frozen=True, eq=False)
class Carrier:
    """Carries outlines between both PETs.

    ``mismatch`` and ``fdg_mismatch`` say how far each PET shows the liver from where its CT does; outside the liver
    none is applied.
    """

    alignment: FdgAlignment
    pet: Geometry
    fdg_pet: Geometry
    mismatch: Mismatch | None
    fdg_mismatch: Mismatch | None

    def part_of(self, place_lps_mm: Vector, *, in_liver: bool) -> AlignedPart | None:
        """The part of the body that holds a place of the receptor PET; None where it is not aligned."""
        part = self.alignment.liver if in_liver else self.alignment.part_at(place_lps_mm[2])
        return part if part is not None and part.aligned else None

    def part_of_fdg(self, place_lps_mm: Vector, *, in_liver: bool) -> AlignedPart | None:
        """The same for a place of the FDG PET."""
        if in_liver:
            return self.part_of(place_lps_mm, in_liver=True)
        for part in self.alignment.parts:
            height = float(part.places(place_lps_mm)[2])
            if part.aligned and part.low_mm <= height < part.high_mm:
                return part
        return None

    def to_fdg(self, labels: LabelMap, part: AlignedPart, *, in_liver: bool) -> VoxelSet | None:
        """Voxels of the FDG PET in an outline of the receptor PET; None where it lies off the FDG PET."""
        here, there = self._shifts(in_liver=in_liver)
        corners = labels.geometry.corners_lps_mm() - here
        return _carried(labels, self.fdg_pet, part.places_on_fdg(corners) + there, (here, there), part.transform())

    def to_receptor(self, labels: LabelMap, part: AlignedPart, *, in_liver: bool) -> VoxelSet | None:
        """Voxels of the receptor PET in an outline of the FDG PET; None where it lies off the receptor PET."""
        there, here = self._shifts(in_liver=in_liver)
        corners = labels.geometry.corners_lps_mm() - here
        inverse = part.transform().GetInverse()
        return _carried(labels, self.pet, part.places(corners) + there, (here, there), inverse)

    def _shifts(self, *, in_liver: bool) -> tuple[np.ndarray, np.ndarray]:
        return tuple(  # type: ignore[return-value]
            np.asarray((0.0, 0.0, 0.0) if found is None or not in_liver else found.shift_lps_mm)
            for found in (self.mismatch, self.fdg_mismatch)
        )


def _carried(
    labels: LabelMap,
    onto: Geometry,
    corners_lps_mm: np.ndarray,
    shifts: tuple[np.ndarray, np.ndarray],
    transform: sitk.Transform,
) -> VoxelSet | None:
    """An outline on another grid; a small one takes at least the voxel at its middle."""
    if not bool(onto.contains(corners_lps_mm.mean(axis=0))):
        return None
    box = onto.box_of(corners_lps_mm, _MARGIN_VOXELS)
    if box is None:
        return None
    here, there = shifts
    grid = onto.crop(box).moved(-there)
    source = labels.placed(labels.geometry.moved(-here))
    mask = resample_through(source, grid, transform).mask
    if not mask.any():
        mask = mask.copy()
        middle = np.rint(onto.lps_to_index(corners_lps_mm.mean(axis=0))).astype(int)
        place = [int(np.clip(m - p.start, 0, p.stop - p.start - 1)) for m, p in zip(middle, box, strict=True)]
        mask[tuple(place)] = True
    used = used_box(mask)
    assert used is not None
    return VoxelSet(box_within(box, used), mask[used])


def grown(voxels: VoxelSet, geometry: Geometry, reach_mm: float) -> VoxelSet:
    """The voxels within a distance of an outline, itself included."""
    margin = np.ceil(reach_mm / np.asarray(geometry.spacing_mm))
    box = grow_box(voxels.box, margin, geometry.shape)
    near = distance_to_mm(voxels.within(box), geometry.spacing_mm, within_mm=reach_mm) <= reach_mm
    return VoxelSet(box, np.asarray(near))


def middle_lps_mm(voxels: VoxelSet, geometry: Geometry) -> Vector:
    """Centre of mass of an outline."""
    index = np.argwhere(voxels.mask).mean(axis=0) + [part.start for part in voxels.box]
    return as_vector(geometry.index_to_lps(index))
