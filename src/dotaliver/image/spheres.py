"""Spheres on a grid: how much of each voxel lies inside, and means over spheres.

A voxel counts by the part of it inside the sphere, taken from ``subsamples`` probes along each axis, evenly
spread inside the voxel. Nothing is interpolated: a sphere's mean is a weighted mean of voxel values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dotaliver.errors import GeometryError, MaskError
from dotaliver.image.geometry import Box, FloatArray, Geometry, Vector, grow_box
from dotaliver.image.volume import BoolArray, Volume

__all__ = [
    "WeightedBox",
    "ball",
    "sphere_box",
    "sphere_kernel",
    "sphere_mask",
    "sphere_means",
    "sphere_offsets",
    "sphere_on",
    "sphere_radius_mm",
    "voxels_within",
]


# Sums of weights may differ by rounding where a sphere is whole.
_ROUNDING = 1e-9
_AXES: tuple[Vector, Vector, Vector] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class WeightedBox:
    """Voxels of a box with the weight of each, 0 to 1."""

    box: Box
    weights: FloatArray


def sphere_radius_mm(volume_ml: float) -> float:
    """Radius of a sphere: r = (3 V / 4π)^(1/3); 1 ml gives 6.2035 mm."""
    return float((3000.0 * volume_ml / (4.0 * math.pi)) ** (1.0 / 3.0))


def _weights(
    centre: npt.NDArray[np.float64], spacing: npt.NDArray[np.float64], radius_mm: float, subsamples: int
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """First index and weights of the voxels that a sphere around a fractional index reaches."""
    reach = radius_mm / spacing
    first = np.ceil(centre - reach - 0.5).astype(np.int64)
    last = np.floor(centre + reach + 0.5).astype(np.int64)
    probes = (2 * np.arange(subsamples) + 1 - subsamples) / (2.0 * subsamples)
    squares = []
    for axis in range(3):
        index = np.arange(first[axis], last[axis] + 1)
        offsets = ((index - centre[axis])[:, None] + probes).ravel() * spacing[axis]
        squares.append(offsets**2)
    inside = squares[0][:, None, None] + squares[1][:, None] + squares[2] <= radius_mm**2
    shape = tuple(int(n) for n in last - first + 1)
    blocks = inside.reshape(shape[0], subsamples, shape[1], subsamples, shape[2], subsamples)
    return first, np.asarray(blocks.mean(axis=(1, 3, 5)), dtype=np.float64)


@lru_cache(maxsize=16)
def sphere_kernel(spacing_mm: Vector, radius_mm: float, subsamples: int) -> FloatArray:
    """Fraction of each voxel inside a sphere centred on a voxel; sizes are odd, the middle is the centre."""
    _, weights = _weights(np.zeros(3), np.asarray(spacing_mm), radius_mm, subsamples)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(weights.any(axis=others))
        weights = weights.take(np.arange(used[0], used[-1] + 1), axis=axis)
    weights.setflags(write=False)
    return weights


def sphere_on(
    geometry: Geometry, centre_lps_mm: Vector, radius_mm: float, subsamples: int, *, name: str
) -> WeightedBox:
    """A sphere anywhere on a grid.

    Raises
    ------
    GeometryError
        Where the sphere leaves the image; the text names it.
    """
    centre = geometry.lps_to_index(centre_lps_mm)
    first, weights = _weights(centre, np.asarray(geometry.spacing_mm), radius_mm, subsamples)
    used = np.argwhere(weights > 0)
    low, high = first + used.min(axis=0), first + used.max(axis=0) + 1
    if (low < 0).any() or (high > np.asarray(geometry.shape)).any():
        x, y, z = centre_lps_mm
        msg = (
            f"the {name} sphere of {2 * radius_mm:g} mm at ({x:.1f}, {y:.1f}, {z:.1f}) mm leaves the PET; "
            "place it wholly inside the image"
        )
        raise GeometryError(msg)
    start, stop = low - first, high - first
    kept = weights[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
    return WeightedBox(box, kept)


def sphere_means(image: Volume, box: Box, kernel: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Mean over a sphere centred on each voxel of a box.

    Parameters
    ----------
    image : Volume
        The whole image.
    box : Box
        Where means are wanted.
    kernel : ndarray
        From `sphere_kernel`.

    Returns
    -------
    means : ndarray of float64
        Σ w x / Σ w over the voxels that exist; of the box's shape.
    cut : ndarray of bool
        Where part of the sphere lies outside the image.
    """
    from scipy.ndimage import correlate

    half = np.asarray(kernel.shape) // 2
    grown = grow_box(box, half, image.geometry.shape)
    part = image.crop(grown).array.astype(np.float64)
    inner = tuple(slice(b.start - g.start, b.stop - g.start) for b, g in zip(box, grown, strict=True))
    sums = correlate(part, kernel, mode="constant", cval=0.0)[inner]
    total = float(kernel.sum())
    wanted = [b.stop - b.start + 2 * int(h) for b, h in zip(box, half, strict=True)]
    if list(part.shape) == wanted:
        return sums / total, np.zeros(sums.shape, dtype=bool)
    weights = correlate(np.ones_like(part), kernel, mode="constant", cval=0.0)[inner]
    return sums / weights, weights < total * (1 - _ROUNDING)


def voxels_within(
    grid: Geometry, middle: Sequence[float] | FloatArray, radius_mm: float, box: Box | None = None
) -> BoolArray:
    """Voxels of a grid, or of a box of it, whose centre lies within a radius of a place.

    Parameters
    ----------
    grid : Geometry
        The grid.
    middle : sequence of float
        The place, by its index of slice, row and column.
    radius_mm : float
        The radius in mm.
    box : Box, optional
        The part of the grid that is asked about.

    Returns
    -------
    ndarray of bool
        Of the shape of the grid or the box.
    """
    spans = [(0, n) for n in grid.shape] if box is None else [(part.start, part.stop) for part in box]
    offsets_mm = [(np.arange(*span) - m) * s for span, m, s in zip(spans, middle, grid.spacing_mm, strict=True)]
    k, j, i = np.meshgrid(*offsets_mm, indexing="ij", sparse=True)
    return np.asarray(k**2 + j**2 + i**2 <= radius_mm**2)


def ball(radius_mm: float, spacing_mm: Vector) -> BoolArray:
    """A sphere as a structuring element: sizes are odd, the middle voxel is its centre."""
    k, j, i = (int(radius_mm / s) for s in spacing_mm)
    around = Geometry((2 * k + 1, 2 * j + 1, 2 * i + 1), (0.0, 0.0, 0.0), spacing_mm, _AXES)
    return voxels_within(around, (k, j, i), radius_mm)


def sphere_offsets(radius_mm: float, spacing_mm: Vector) -> npt.NDArray[np.int64]:
    """Steps in voxels from a sphere's centre to all voxels whose centre lies in it: integers of shape (n, 3)."""
    inside = ball(radius_mm, spacing_mm)
    return np.asarray(np.argwhere(inside) - np.asarray(inside.shape) // 2, dtype=np.int64)


def sphere_box(grid: Geometry, centre_lps_mm: Sequence[float], diameter_mm: float) -> tuple[Box, BoolArray] | None:
    """The box of a grid around a sphere, and the sphere's voxels in it; None if it holds no voxel centre."""
    reach = 0.5 * diameter_mm / np.asarray(grid.spacing_mm)
    middle = grid.lps_to_index(centre_lps_mm)
    low = np.clip(np.ceil(middle - reach), 0, grid.shape).astype(int)
    high = np.clip(np.floor(middle + reach) + 1, 0, grid.shape).astype(int)
    if (high <= low).any():
        return None
    box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
    inside = voxels_within(grid, middle, 0.5 * diameter_mm, box)
    return (box, inside) if inside.any() else None


def sphere_mask(grid: Geometry, centre_lps_mm: Sequence[float], diameter_mm: float) -> BoolArray:
    """Voxels of a grid whose centre lies inside a sphere; bool, of the grid's shape.

    Raises
    ------
    MaskError
        Where no voxel centre lies inside.
    """
    found = sphere_box(grid, centre_lps_mm, diameter_mm)
    if found is None:
        msg = f"a reference sphere of {diameter_mm:g} mm holds no voxel of the image; make it larger or move it"
        raise MaskError(msg)
    mask = np.zeros(grid.shape, dtype=bool)
    box, inside = found
    mask[box] = inside
    return mask
