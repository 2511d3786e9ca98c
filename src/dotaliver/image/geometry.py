"""Grids of voxels in patient coordinates, without pixels.

Array axes are ``[slice, row, column]``; world coordinates are DICOM patient coordinates (LPS: x towards the
patient's left, y towards the back, z towards the head) in millimetres. The affine maps
``(slice, row, column, 1)`` to ``(x, y, z, 1)``; indices are those of voxel centres (DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dotaliver.errors import GeometryError

__all__ = ["Box", "FloatArray", "Geometry", "Vector", "as_vector", "box_within", "grow_box"]

FloatArray = npt.NDArray[np.float64]
Vector = tuple[float, float, float]
Box = tuple[slice, slice, slice]

# Direction cosines are stored in DICOM as decimal strings of up to 16 characters; scanners round them to
# about six digits, so two axes count as orthogonal within this cosine (0.006 degrees).
_COSINE_TOLERANCE = 1e-4
# A field that holds a whole number of voxels but for rounding gets no further one.
_ROUNDING = 1e-6
# Corners of one grid in two files: decimal strings round them by less than this.
_SAME_CORNER_MM = 1e-2


def as_vector(values: npt.ArrayLike) -> Vector:
    """Three numbers, such as the coordinates of a place, as a tuple of float."""
    x, y, z = (float(v) for v in np.asarray(values, dtype=np.float64).ravel())
    return (x, y, z)


def grow_box(box: Box, voxels: npt.ArrayLike, shape: tuple[int, int, int]) -> Box:
    """A box grown by a number of voxels on each side, as far as the grid reaches."""
    margins = np.asarray(voxels, dtype=int)
    k, j, i = (
        slice(max(part.start - int(m), 0), min(part.stop + int(m), n))
        for part, m, n in zip(box, margins, shape, strict=True)
    )
    return (k, j, i)


def box_within(outer: Box, inner: Sequence[slice]) -> Box:
    """A box that is given within another one, such as that of its used voxels, on the grid of the outer one."""
    k, j, i = (slice(o.start + n.start, o.start + n.stop) for o, n in zip(outer, inner, strict=True))
    return (k, j, i)


@dataclass(frozen=True)
class Geometry:
    """A regular grid of voxels in patient coordinates.

    Parameters
    ----------
    shape : tuple of int
        Number of slices, rows and columns.
    origin_lps_mm : tuple of float
        Patient coordinates of the centre of voxel (0, 0, 0), in mm.
    spacing_mm : tuple of float
        Distance between voxel centres along slices, rows and columns, in mm.
    directions : tuple of tuple of float
        Unit vectors in patient coordinates along increasing slice, row and column index.
    frame_of_reference_uid : str or None
        DICOM (0020,0052); None if the source does not say.

    Raises
    ------
    GeometryError
        Where a size is not positive, a number not finite, or the axes are not orthonormal.

    Examples
    --------
    Ten slices of 5 mm, 4 mm pixels; slices run towards the head:

    >>> grid = Geometry((10, 64, 64), (-126.0, -126.0, 0.0), (5.0, 4.0, 4.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    >>> grid.index_to_lps((2, 0, 1)).tolist()
    [-122.0, -126.0, 10.0]
    >>> grid.voxel_volume_ml
    0.08
    """

    shape: tuple[int, int, int]
    origin_lps_mm: Vector
    spacing_mm: Vector
    directions: tuple[Vector, Vector, Vector]
    frame_of_reference_uid: str | None = None

    def __post_init__(self) -> None:
        """Refuse an impossible grid."""
        if len(self.shape) != 3 or any(int(n) < 1 for n in self.shape):
            msg = f"a grid needs three sizes of at least 1, not {self.shape}"
            raise GeometryError(msg)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        numbers = np.array([*self.origin_lps_mm, *self.spacing_mm, *np.ravel(self.directions)])
        if not np.isfinite(numbers).all():
            msg = "a grid's origin, spacing and directions must be finite numbers"
            raise GeometryError(msg)
        if min(self.spacing_mm) <= 0:
            msg = f"voxel spacing must be positive, not {self.spacing_mm} mm"
            raise GeometryError(msg)
        axes = np.asarray(self.directions, dtype=np.float64)
        if np.abs(axes @ axes.T - np.eye(3)).max() > _COSINE_TOLERANCE:
            msg = f"the grid's axes are not orthogonal unit vectors: {axes.round(5).tolist()}"
            raise GeometryError(msg)

    @classmethod
    def from_affine(
        cls, shape: Sequence[int], affine: npt.ArrayLike, frame_of_reference_uid: str | None = None
    ) -> Geometry:
        """Make a grid from a 4 x 4 matrix that maps (slice, row, column, 1) to LPS millimetres."""
        matrix = np.asarray(affine, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            msg = "an affine must be a 4 x 4 matrix of finite numbers"
            raise GeometryError(msg)
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if spacing.min() <= 0:
            msg = "an affine with a zero column describes no grid"
            raise GeometryError(msg)
        axes = (matrix[:3, :3] / spacing).T
        slices, rows, columns = shape
        return cls(
            (int(slices), int(rows), int(columns)),
            as_vector(matrix[:3, 3]),
            as_vector(spacing),
            (as_vector(axes[0]), as_vector(axes[1]), as_vector(axes[2])),
            frame_of_reference_uid,
        )

    @cached_property
    def affine(self) -> FloatArray:
        """4 x 4 matrix from (slice, row, column, 1) to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.directions).T * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_lps_mm
        matrix.setflags(write=False)
        return matrix

    @cached_property
    def inverse_affine(self) -> FloatArray:
        """4 x 4 matrix from LPS millimetres to (slice, row, column, 1)."""
        matrix = np.asarray(np.linalg.inv(self.affine), dtype=np.float64)
        matrix.setflags(write=False)
        return matrix

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return math.prod(self.spacing_mm) / 1000.0

    @property
    def size_mm(self) -> Vector:
        """Extent of the grid along each axis, from voxel edge to voxel edge, in mm."""
        return as_vector(np.asarray(self.shape) * np.asarray(self.spacing_mm))

    @property
    def centre_lps_mm(self) -> Vector:
        """Patient coordinates of the middle of the grid, in mm."""
        return as_vector(self.index_to_lps((np.asarray(self.shape) - 1) / 2.0))

    def box_of(self, points_lps_mm: npt.ArrayLike, margin_voxels: int = 0) -> Box | None:
        """The box of voxels around some points (shape (..., 3), in mm), with a margin; None if it lies off the grid."""
        index = self.lps_to_index(points_lps_mm).reshape(-1, 3)
        low = np.clip(np.floor(index.min(axis=0)).astype(int) - margin_voxels, 0, self.shape)
        high = np.clip(np.ceil(index.max(axis=0)).astype(int) + margin_voxels + 1, 0, self.shape)
        if (high <= low).any():
            return None
        k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return (k, j, i)

    def index_to_lps(self, index: npt.ArrayLike) -> FloatArray:
        """Patient coordinates (mm) of indices, shape (..., 3) in the order slice, row, column."""
        points: FloatArray = np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return points

    def lps_to_index(self, point_lps_mm: npt.ArrayLike) -> FloatArray:
        """Fractional indices (slice, row, column) of patient coordinates in mm, shape (..., 3)."""
        inverse = self.inverse_affine
        index: FloatArray = np.asarray(point_lps_mm, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return index

    def contains(self, point_lps_mm: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether points lie within the voxels of the grid, edges included; shape (...)."""
        index = self.lps_to_index(point_lps_mm)
        inside = (index >= -0.5) & (index <= np.asarray(self.shape) - 0.5)
        return np.asarray(inside.all(axis=-1))

    def corners_lps_mm(self) -> FloatArray:
        """The eight outer corners (voxel edges) of the grid, shape (8, 3), in mm."""
        ends = [(-0.5, n - 0.5) for n in self.shape]
        index = np.array([(k, j, i) for k in ends[0] for j in ends[1] for i in ends[2]])
        return self.index_to_lps(index)

    def overlap_fraction(self, other: Geometry) -> float:
        """Share of `other`'s bounding box (in LPS axes) that lies within this grid's, 0 to 1."""
        mine, theirs = self.corners_lps_mm(), other.corners_lps_mm()
        low = np.maximum(mine.min(axis=0), theirs.min(axis=0))
        high = np.minimum(mine.max(axis=0), theirs.max(axis=0))
        size = theirs.max(axis=0) - theirs.min(axis=0)
        return float(np.prod(np.clip(high - low, 0.0, None) / size))

    def crop(self, box: Box) -> Geometry:
        """The grid of ``array[box]``; slices need start and stop within the shape, and step 1."""
        starts, shape = [], []
        for part, size in zip(box, self.shape, strict=True):
            start, stop, step = part.indices(size)
            if step != 1 or stop <= start:
                msg = f"a box must hold at least one voxel along each axis and step by 1, not {box}"
                raise GeometryError(msg)
            starts.append(start)
            shape.append(stop - start)
        # A part of a grid that was checked needs no check, which takes longer than the rest of this
        grid = object.__new__(Geometry)
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        grid.__dict__.update(own, shape=tuple(shape), origin_lps_mm=as_vector(self.index_to_lps(starts)))
        return grid

    def with_spacing(self, spacing_mm: Vector) -> Geometry:
        """A grid over the same field, edges at the same first corner, with another voxel spacing."""
        old, new = np.asarray(self.spacing_mm), np.asarray(spacing_mm, dtype=np.float64)
        counts = np.maximum(np.ceil(np.asarray(self.size_mm) / new - _ROUNDING), 1).astype(int)
        first = -0.5 + 0.5 * new / old
        return replace(
            self,
            shape=(int(counts[0]), int(counts[1]), int(counts[2])),
            origin_lps_mm=as_vector(self.index_to_lps(first)),
            spacing_mm=as_vector(new),
        )

    def moved(self, shift_lps_mm: npt.ArrayLike) -> Geometry:
        """The same grid, displaced in patient coordinates by a vector in mm."""
        origin = np.asarray(self.origin_lps_mm) + np.asarray(shift_lps_mm, dtype=np.float64)
        return replace(self, origin_lps_mm=as_vector(origin))

    def is_close(self, other: Geometry, tolerance_mm: float = _SAME_CORNER_MM) -> bool:
        """Whether both grids have the same shape and no corner lies further apart than the tolerance.

        Frames of reference must be equal where both are known.
        """
        if self.shape != other.shape:
            return False
        frames = {self.frame_of_reference_uid, other.frame_of_reference_uid} - {None}
        if len(frames) > 1:
            return False
        # Compared in order, so that a flipped grid with the same corners differs.
        gap = np.linalg.norm(self.corners_lps_mm() - other.corners_lps_mm(), axis=1)
        return bool(gap.max() <= tolerance_mm)

    def axis_towards(self, direction_lps: Vector) -> tuple[int, int]:
        """Array axis most nearly along a direction, and +1 or -1 for the sense of increasing index.

        ``axis_towards((0, 0, 1))`` is (0, 1) for an axial series whose slices ascend towards the head.
        """
        cosines = np.asarray(self.directions) @ np.asarray(direction_lps, dtype=np.float64)
        axis = int(np.abs(cosines).argmax())
        return axis, 1 if cosines[axis] >= 0 else -1
