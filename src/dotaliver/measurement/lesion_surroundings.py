"""Where a lesion lies in the liver: its distance to the capsule, and hot organs next to it; on the PET's grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dotaliver.config.criteria import Inc7Config
from dotaliver.errors import GeometryError
from dotaliver.image.distance import depth_mm, distance_to_mm
from dotaliver.image.geometry import FloatArray, Vector, grow_box
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.measurement.placement import Placement
from dotaliver.records.positions import Share, VoxelSet

__all__ = ["LiverSurroundings"]


@dataclass(frozen=True, eq=False)
class LiverSurroundings:
    """The liver's box on the PET with what lesions are compared with there; there must be a liver."""

    pet: Volume
    placement: Placement
    config: Inc7Config

    @property
    def liver(self) -> Share:
        """The liver's part of each voxel of its box."""
        if self.placement.liver is None:
            msg = "there is no liver whose surroundings could be looked at"
            raise GeometryError(msg)
        return self.placement.liver

    @cached_property
    def depth_mm(self) -> FloatArray:
        """Depth of each voxel in the liver."""
        return depth_mm(self.liver.inside, self.liver.geometry.spacing_mm)

    @cached_property
    def uptake(self) -> FloatArray:
        """Uptake in the box."""
        return np.asarray(self.pet.crop(self.liver.box).array, dtype=np.float64)

    @cached_property
    def others(self) -> BoolArray:
        """Voxels farther than one resolution outside the liver that belong to no lesion."""
        spacing, reach = self.liver.geometry.spacing_mm, self.config.resolution_mm
        outside = distance_to_mm(self.liver.inside, spacing, within_mm=reach) > reach
        return np.asarray(outside & ~self.placement.lesion_voxels(tuple(self.placement.lesions)))

    def voxels(self, label: int) -> VoxelSet | None:
        """A lesion's voxels in the box, in a box of their own within it; None where it has none there."""
        lesion = self.placement.lesions.get(label)
        own = None if lesion is None else lesion.common_with(self.liver.box)
        return own if own is not None and own.mask.any() else None

    def _least_depth_mm(self, own: VoxelSet) -> float:
        return float(self.depth_mm[own.box][own.mask].min())

    def at_border(self, label: int, border_uncertainty_mm: float) -> bool:
        """Whether a lesion comes nearer to the liver's border than its own border is certain, plus one voxel."""
        own = self.voxels(label)
        reach = border_uncertainty_mm + max(self.liver.geometry.spacing_mm)
        return own is not None and self._least_depth_mm(own) <= reach

    def capsule_distance_mm(self, label: int) -> float | None:
        """Shortest distance from a lesion's border to the liver's, in mm.

        The least distance from the lesion's voxel centres to those outside the liver, less half a voxel's mean edge
        (half on each side would be right for planes; of round borders the nearest corners are met already), so good
        to about half a voxel. 0 where a voxel of the lesion touches the border.
        """
        own = self.voxels(label)
        if own is None:
            return None
        least, spacing = self._least_depth_mm(own), self.liver.geometry.spacing_mm
        return 0.0 if least <= max(spacing) else least - _half_a_voxel(spacing)

    def merges_with_neighbour(self, label: int, suv_mean: float) -> bool:
        """Whether an organ outside the liver within ``hot_neighbour_margin_mm`` exceeds the lesion's mean.

        Only the liver's box is searched (30 mm around it).
        """
        own = self.voxels(label)
        if own is None:
            return False
        margin, spacing = self.config.hot_neighbour_margin_mm, self.liver.geometry.spacing_mm
        shape = self.liver.geometry.shape
        near = grow_box(own.box, np.ceil(margin / np.asarray(spacing)), shape)
        hotter = self.others[near] & (self.uptake[near] > suv_mean)
        # Most lesions have no such organ in their box, and their distances need not be known
        if not hotter.any():
            return False
        away = distance_to_mm(own.within(near), spacing, within_mm=margin)
        return bool((hotter & (away < margin)).any())


def _half_a_voxel(spacing_mm: Vector) -> float:
    return 0.5 * float(np.mean(spacing_mm))
