"""Masks in the position of CT or PET, on either grid.

Breathing puts the liver at different places on CT and PET. `Mismatch` is the shift between the two; every step that
brings a mask, or a place, from one image to the other takes it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Box, Geometry, Vector, grow_box
from dotaliver.image.itk import occupancy_on
from dotaliver.image.volume import BoolArray, LabelMap, as_mask, used_box
from dotaliver.records.masks import DrawnOn, MaskLayer, Mismatch

__all__ = ["Share", "VoxelSet", "box_on", "in_position_of", "own_labels", "share_on", "shift_between"]


def shift_between(source: DrawnOn, target: DrawnOn, mismatch: Mismatch | None) -> Vector:
    """Shift from a place on the source image to the same anatomy on the target image, in LPS mm.

    Parameters
    ----------
    source, target : {"ct", "pet"}
        The image whose position a place is in, and the one whose position it is wanted in.
    mismatch : Mismatch or None
        Where the liver lies on the PET, from its place on CT; None counts as no shift.
    """
    if source == target or mismatch is None:
        return (0.0, 0.0, 0.0)
    x, y, z = mismatch.shift_lps_mm
    return (x, y, z) if target == "pet" else (-x, -y, -z)


def in_position_of(image: DrawnOn, layer: MaskLayer, mismatch: Mismatch | None) -> LabelMap:
    """A layer's labels moved to where an image shows them; their voxels stay as they are."""
    if layer.drawn_on == image or mismatch is None:
        return layer.labels
    shift = shift_between(layer.drawn_on, image, mismatch)
    return layer.labels.placed(layer.labels.geometry.moved(shift))


@dataclass(frozen=True, eq=False)
class Share:
    """Fraction of each PET voxel inside a mask, 0 to 1, in a box of the PET."""

    box: Box
    geometry: Geometry
    part: npt.NDArray[np.float32]

    @cached_property
    def inside(self) -> BoolArray:
        """Voxels at least half inside the mask, read-only."""
        inside = np.asarray(self.part >= 0.5)
        inside.setflags(write=False)
        return inside


@dataclass(frozen=True, eq=False)
class VoxelSet:
    """A set of PET voxels, as a mask in a box."""

    box: Box
    mask: BoolArray

    def within(self, box: Box) -> BoolArray:
        """The same voxels in another box of the image; those outside it are left out."""
        seen = np.zeros(tuple(b.stop - b.start for b in box), dtype=bool)
        common = self.common_with(box)
        if common is not None:
            seen[common.box] = common.mask
        return seen

    def common_with(self, box: Box) -> VoxelSet | None:
        """What of them lies in another box of the image, by its indices there; None where the boxes do not overlap."""
        low = [max(a.start, b.start) for a, b in zip(self.box, box, strict=True)]
        high = [min(a.stop, b.stop) for a, b in zip(self.box, box, strict=True)]
        if not all(a < b for a, b in zip(low, high, strict=True)):
            return None
        k, j, i = (slice(a - b.start, c - b.start) for a, c, b in zip(low, high, box, strict=True))
        here = tuple(slice(a - s.start, c - s.start) for a, c, s in zip(low, high, self.box, strict=True))
        return VoxelSet((k, j, i), self.mask[here])


def own_labels(labels: LabelMap, label: int | None = None) -> LabelMap | None:
    """One label, or all, as a binary map cropped to it; None if there is none."""
    return labels.once(_own_labels, label) if label is None else _own_labels(labels, label)


def _own_labels(labels: LabelMap, label: int | None) -> LabelMap | None:
    if labels.used is None:
        return None
    part = labels.crop(labels.used)
    mask = as_mask(part.array) if label is None else part.array == label
    box = used_box(mask)
    return None if box is None else LabelMap(mask[box], part.geometry.crop(box))


def box_on(geometry: Geometry, onto: Geometry, margin_mm: float) -> Box | None:
    """Box of `onto` around another grid, with a margin; None where they do not overlap."""
    corners = onto.lps_to_index(geometry.corners_lps_mm())
    # A thousandth of a voxel keeps rounding of touching edges from adding a layer.
    low = np.floor(corners.min(axis=0) + 0.5 + 1e-3).astype(int)
    high = np.ceil(corners.max(axis=0) + 0.5 - 1e-3).astype(int)
    size = np.asarray(onto.shape)
    if (high <= 0).any() or (low >= size).any():
        return None
    margin = np.ceil(margin_mm / np.asarray(onto.spacing_mm)).astype(int)
    clipped = [slice(max(int(a), 0), min(int(b), int(n))) for a, b, n in zip(low, high, size, strict=True)]
    return grow_box((clipped[0], clipped[1], clipped[2]), margin, onto.shape)


def share_on(labels: LabelMap, onto: Geometry, shift_lps_mm: Vector, margin_mm: float) -> Share | None:
    """Fraction of each PET voxel inside a binary map moved by a shift; None if it lies outside the PET."""
    return labels.once(_share_on, onto, shift_lps_mm, margin_mm)


def _share_on(labels: LabelMap, onto: Geometry, shift_lps_mm: Vector, margin_mm: float) -> Share | None:
    moved = labels.placed(labels.geometry.moved(shift_lps_mm))
    box = box_on(moved.geometry, onto, margin_mm)
    if box is None:
        return None
    part_of = onto.crop(box)
    return Share(box, part_of, occupancy_on(moved, part_of))
