"""Radiological views of an image: head up, patient's right on the left, anterior on top or on the left.

Pictures only: sampling here interpolates, and nothing is measured on what it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Box, FloatArray, Geometry, Vector
from dotaliver.image.volume import BoolArray, LabelMap, Volume

__all__ = [
    "Plane",
    "Projection",
    "axial_plane",
    "outlines_on",
    "project",
    "sample",
    "shadow_of",
]

View = Literal["coronal", "sagittal"]
# A picture that drifts from an axis of the grid by less than this over its size is laid along that axis.
_ALIGNED_VOXELS = 1e-6


@dataclass(frozen=True, eq=False)
class Projection:
    """A two-dimensional picture with the head up; ``array[row, column]``, pixel sizes in mm."""

    array: npt.NDArray[np.floating]
    row_mm: float
    column_mm: float

    @property
    def extent_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top edge for drawing, origin in the upper left corner."""
        rows, columns = self.array.shape
        return (0.0, columns * self.column_mm, rows * self.row_mm, 0.0)


def _axes(view: View) -> tuple[int, int]:
    """The viewing axis, and the axis that runs across the picture."""
    return (1, 2) if view == "coronal" else (2, 1)


def project(image: Volume, view: View) -> Projection:
    """The highest value along rows (coronal) or columns (sagittal) of an image with anatomical axes.

    Coronal: seen from the front, the patient's right on the left. Sagittal: seen from the patient's left, the
    front on the left.
    """
    axis, across = _axes(view)
    flat = np.concatenate([slab.array.max(axis=axis) for slab in image.slabs()])
    return Projection(flat[::-1], image.geometry.spacing_mm[0], image.geometry.spacing_mm[across])


def shadow_of(mask: BoolArray, box: Box, grid: Geometry, view: View) -> npt.NDArray[np.float32]:
    """Projection of a mask that covers a box of the image, 0 or 1, in the shape of the whole picture."""
    axis, across = _axes(view)
    shadow = np.zeros((grid.shape[0], grid.shape[across]), dtype=np.float32)
    shadow[box[0], box[across]] = mask.any(axis=axis)
    return shadow[::-1]


@dataclass(frozen=True, eq=False)
class Plane:
    """Pixels of a picture in patient coordinates: centre of the first, steps to its neighbours, and counts."""

    first_lps_mm: FloatArray
    down_lps_mm: FloatArray
    across_lps_mm: FloatArray
    shape: tuple[int, int]
    pixel_mm: float

    def pixels(self, places_lps_mm: npt.ArrayLike) -> FloatArray:
        """Rows and columns of positions, shape (..., 2); the centre of the first pixel is (0, 0)."""
        steps = np.stack([self.down_lps_mm, self.across_lps_mm]) / self.pixel_mm**2
        result: FloatArray = (np.asarray(places_lps_mm) - self.first_lps_mm) @ steps.T
        return result


def axial_plane(
    grid: Geometry, slice_index: int, centre_lps_mm: Vector, size_mm: tuple[float, float], pixels: int = 320
) -> Plane:
    """A picture of one slice of a grid with anatomical axes, centred on the point of the slice nearest a position.

    Parameters
    ----------
    grid : Geometry
        With anatomical axes.
    slice_index : int
        Which slice.
    centre_lps_mm : tuple of float
        Middle of the picture; only its place within the slice counts.
    size_mm : tuple of float
        Height and width of the picture.
    pixels : int
        How many its longer side gets.
    """
    pixel_mm = max(size_mm) / pixels
    rows, columns = (max(round(s / pixel_mm), 8) for s in size_mm)
    middle = grid.lps_to_index(centre_lps_mm)
    row_step, column_step = pixel_mm / grid.spacing_mm[1], pixel_mm / grid.spacing_mm[2]
    top, left = middle[1] - (rows - 1) / 2 * row_step, middle[2] - (columns - 1) / 2 * column_step
    corners = [(top, left), (top + row_step, left), (top, left + column_step)]
    first, below, right = grid.index_to_lps([(slice_index, *corner) for corner in corners])
    return Plane(first, below - first, right - first, (rows, columns), pixel_mm)


@dataclass(frozen=True, eq=False)
class _Places:
    """Pixels of a picture as grid indices: the first, and the steps to its neighbours."""

    first: FloatArray
    steps: FloatArray
    """Steps down and across, shape (2, 3)."""
    shape: tuple[int, int]

    def part(self, window: tuple[slice, slice]) -> _Places:
        """Indices of a part of the picture."""
        first = self.first + np.array([part.start for part in window]) @ self.steps
        return _Places(first, self.steps, (window[0].stop - window[0].start, window[1].stop - window[1].start))

    def along(self, axis: int) -> FloatArray:
        """Indices along one axis of the grid, in a shape that broadcasts to the picture."""
        down, across = self.steps[:, axis]
        result: FloatArray = (
            self.first[axis] + np.arange(self.shape[0])[:, None] * down + np.arange(self.shape[1]) * across
        )
        return result

    def box(self, shape: tuple[int, int, int]) -> Box | None:
        """Voxels of a grid that the picture touches, with their neighbours; None where it misses the grid."""
        ends = np.array([(r, c) for r in (0, self.shape[0] - 1) for c in (0, self.shape[1] - 1)])
        corners = self.first + ends @ self.steps
        low = np.clip(np.floor(corners.min(axis=0)) - 1, 0, shape).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 2, 0, shape).astype(int)
        if (high <= low).any():
            return None
        return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))

    def interpolated(self, values: npt.NDArray[np.float32], start: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Linearly interpolated values of a box that starts at an index; its edge values outside it."""
        first = self.first - np.asarray(start)
        axes = self._axes()
        if axes is not None:
            return _along_axes(values, first, axes, self)
        from scipy.ndimage import affine_transform

        matrix = np.column_stack([np.zeros(3), *self.steps])
        picture = affine_transform(values, matrix, first, (1, *self.shape), order=1, mode="nearest")
        return np.asarray(picture[0])

    def _axes(self) -> tuple[int, int] | None:
        """The axes of the grid that run down and across the picture; None where the picture is oblique to them."""
        moved = np.abs(self.steps) * np.asarray(self.shape)[:, None] > _ALIGNED_VOXELS
        if (moved.sum(axis=1) != 1).any():
            return None
        down, across = (int(axis) for axis in moved.argmax(axis=1))
        return None if down == across else (down, across)


def _along_axes(
    values: npt.NDArray[np.float32], first: FloatArray, axes: tuple[int, int], places: _Places
) -> npt.NDArray[np.float32]:
    """Linear interpolation one axis after the other, which is far quicker than all three at once."""
    down, across = axes
    through = 3 - down - across
    low, high, share = _neighbours(first[through : through + 1], values.shape[through])
    planes = values.take((low[0], high[0]), axis=through).astype(np.float64)
    plane = planes.take(0, axis=through) * (1 - share[0]) + planes.take(1, axis=through) * share[0]
    plane = plane if down < across else plane.T
    for axis, (grid_axis, count) in enumerate(zip(axes, places.shape, strict=True)):
        index = first[grid_axis] + np.arange(count) * places.steps[axis, grid_axis]
        low, high, share = _neighbours(index, values.shape[grid_axis])
        weight = share[:, None] if axis == 0 else share
        plane = plane.take(low, axis=axis) * (1 - weight) + plane.take(high, axis=axis) * weight
    return np.asarray(plane, dtype=np.float32)


def _neighbours(index: FloatArray, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """The voxels on both sides of places along an axis, and the share of the second; places beyond it are its ends."""
    held = np.clip(index, 0, count - 1)
    low = np.floor(held).astype(np.intp)
    return low, np.minimum(low + 1, count - 1), held - low


def _places(plane: Plane, grid: Geometry, offset: Vector) -> _Places:
    corners = np.stack([np.zeros(3), plane.down_lps_mm, plane.across_lps_mm]) + plane.first_lps_mm + np.asarray(offset)
    first, below, right = grid.lps_to_index(corners)
    return _Places(first, np.stack([below - first, right - first]), plane.shape)


def sample(volume: Volume, plane: Plane, offset: Vector, *, outside: float) -> npt.NDArray[np.float32]:
    """Values at a plane's points (moved by an offset in mm), linearly interpolated; shape (rows, columns)."""
    grid = volume.geometry
    places = _places(plane, grid, offset)
    box = places.box(grid.shape)
    if box is None:
        return np.full(plane.shape, outside, dtype=np.float32)
    part = volume.crop(box).array.astype(np.float32)
    # The outer half of the last voxel has the value of that voxel.
    result = places.interpolated(part, [b.start for b in box])
    for axis, n in enumerate(grid.shape):
        index = places.along(axis)
        result[(index < -0.5) | (index > n - 0.5)] = outside
    return result


def _window(plane: Plane, grid: Geometry, extent: Box, box: Box, offset: Vector) -> tuple[slice, slice] | None:
    """The part of a picture that a box of voxels can reach, so that the rest need not be computed."""
    ends = [(e.start - 1 + b.start, e.stop + b.start) for e, b in zip(extent, box, strict=True)]
    corners = grid.index_to_lps([(k, j, i) for k in ends[0] for j in ends[1] for i in ends[2]]) - np.asarray(offset)
    places = plane.pixels(corners)
    low = np.clip(np.floor(places.min(axis=0)), 0, plane.shape).astype(int)
    high = np.clip(np.ceil(places.max(axis=0)) + 1, 0, plane.shape).astype(int)
    if (high <= low).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def outlines_on(labels: LabelMap, plane: Plane, offset: Vector) -> dict[int, npt.NDArray[np.float32]]:
    """Interpolated occupancy of each label near a plane (0 to 1); its outline is the 0.5 contour."""
    from scipy.ndimage import find_objects

    places = _places(plane, labels.geometry, offset)
    box = places.box(labels.geometry.shape)
    if box is None:
        return {}
    part = labels.array[box]
    found = {}
    for label, extent in enumerate(find_objects(part.astype(np.int32)), start=1):
        window = None if extent is None else _window(plane, labels.geometry, extent, box, offset)
        if extent is None or window is None:
            continue
        inside = np.zeros(plane.shape, dtype=np.float32)
        # Pad by one empty voxel, so that the outline closes at the edge.
        own = np.pad((part[extent] == label).astype(np.float32), 1)
        start = [e.start + b.start - 1 for e, b in zip(extent, box, strict=True)]
        inside[window] = places.part(window).interpolated(own, start)
        if (inside > 0.5).any():
            found[label] = inside
    return found
