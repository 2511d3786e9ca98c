"""Filters with a finite kernel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dotaliver.image.arrays import Array
from dotaliver.image.distance import Float32Array
from dotaliver.image.geometry import FloatArray, Geometry

__all__ = [
    "FWHM_PER_SIGMA",
    "box_mean",
    "gaussian",
    "gaussian_reach",
    "highest_within",
    "wide_gaussian",
]


# Full width at half maximum of a normal distribution over its SD: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.3548
# A Gaussian kernel is cut at this many SDs: beyond lies 1 % of its weight.
_GAUSSIAN_REACH = 2.5
# A kernel that reaches further than this share of a line takes longer than the product of the line with a matrix.
_WIDE_SHARE = 1 / 16
# Of a longer line, so many voxels are averaged at a time, each with the weights of the voxels around them.
_AT_ONCE, _AT_ONCE_FROM = 32, 64


def gaussian(array: Array, sigma_mm: float, geometry: Geometry) -> Float32Array:
    """Gaussian mean with a finite kernel (cut at 2.5 sigma), edges repeated."""
    from scipy.ndimage import correlate1d

    result = array
    for axis, spacing_mm in enumerate(geometry.spacing_mm):
        result = correlate1d(result, _kernel(sigma_mm / spacing_mm), axis, mode="nearest")
    return np.asarray(result, dtype=np.float32)


def wide_gaussian(array: Float32Array, sigma_mm: float, geometry: Geometry) -> Float32Array:
    """The same, faster where the kernel reaches far or the array is small.

    Its sums are added up in another order, in double precision, so that a result may differ in the last digit of single
    precision, and by where the array begins: for whole images, not for blocks of one.
    """
    from scipy.ndimage import correlate1d

    result = array
    for axis, spacing_mm in enumerate(geometry.spacing_mm):
        kernel = _kernel(sigma_mm / spacing_mm)
        if len(kernel) // 2 < _WIDE_SHARE * array.shape[axis]:
            result = correlate1d(result, kernel, axis, mode="nearest")
        else:
            matrix = _banded(sigma_mm / spacing_mm, array.shape[axis])
            result = _times_matrix(result, matrix, len(kernel) // 2, axis)
    return result


def _times_matrix(array: Float32Array, matrix: FloatArray, reach: int, axis: int) -> Float32Array:
    """An array with a matrix applied along one of its three axes, in double precision.

    The matrix is zero further than ``reach`` from its diagonal; of a long line, what lies there is left out.
    """
    numbers, size = array.astype(np.float64), array.shape[axis]
    product = np.empty(array.shape, dtype=np.float32)
    at_once = size if size < _AT_ONCE_FROM else _AT_ONCE
    for first in range(0, size, at_once):
        last = min(first + at_once, size)
        near = slice(max(first - reach, 0), min(last + reach, size))
        weights = matrix[first:last, near]
        if axis == 0:
            part = numbers[near]
            product[first:last] = (weights @ part.reshape(len(part), -1)).reshape(-1, *array.shape[1:])
        elif axis == 1:
            product[:, first:last] = np.matmul(weights, numbers[:, near])
        else:
            product[:, :, first:last] = numbers[:, :, near] @ weights.T
    return product


@lru_cache(maxsize=64)
def _kernel(sigma: float) -> FloatArray:
    """Weights of a Gaussian of so many voxels, of sum 1."""
    reach = int(_GAUSSIAN_REACH * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    # Too narrow for a neighbour, or of no width: nothing is averaged
    weights = np.ones(1) if reach == 0 else np.exp(-0.5 / (sigma * sigma) * offsets**2)
    kernel: FloatArray = weights / weights.sum()
    kernel.setflags(write=False)
    return kernel


@lru_cache(maxsize=64)
def _banded(sigma: float, size: int) -> FloatArray:
    """The matrix that averages a line of voxels with the same weights, its ends repeated."""
    kernel = _kernel(sigma)
    reach = len(kernel) // 2
    matrix = np.zeros((size, size))
    lines = np.arange(size)
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        np.add.at(matrix, (lines, np.clip(lines + offset, 0, size - 1)), weight)
    matrix.setflags(write=False)
    return matrix


def gaussian_reach(sigma_mm: float, spacing_mm: float) -> int:
    """Voxels that `gaussian` looks at on either side."""
    return int(_GAUSSIAN_REACH * (sigma_mm / spacing_mm) + 0.5)


def box_mean(array: Array, size: int = 3) -> Float32Array:
    """Mean over a cube of `size` voxels, edges repeated."""
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(array, size, mode="nearest"), dtype=np.float32)


def highest_within(array: Float32Array, size: tuple[int, int, int]) -> Float32Array:
    """The highest value in a window of an odd size around each voxel, without what lies beyond the edges."""
    # The highest of two windows that overlap, of 2, 4, 8 ... voxels, and at last of the whole width
    for axis, width in enumerate(size):
        if width == 1:
            continue
        around = [(width // 2, width // 2) if a == axis else (0, 0) for a in range(array.ndim)]
        array = np.pad(array, around, constant_values=-np.inf)
        span = 1
        while span < width:
            step = min(span, width - span)
            array = np.maximum(_along(array, axis, 0, -step), _along(array, axis, step, None))
            span += step
    return array


def _along(array: npt.NDArray[np.float32], axis: int, start: int, stop: int | None) -> Float32Array:
    """A part of an array along one axis."""
    return array[tuple(slice(start, stop) if a == axis else slice(None) for a in range(array.ndim))]
