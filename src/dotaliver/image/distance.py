"""Euclidean distances from masks, in mm between voxel centres, computed only where they are needed.

The nearest voxel outside a mask lies in the smallest box around it or next to that box, so the depth of a mask needs no
more than its own box; distances up to a reach need no more than the box grown by that reach. The results are those of
the whole image to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray, Vector, grow_box
from dotaliver.image.volume import BoolArray, used_box

__all__ = [
    "Float32Array",
    "depth_mm",
    "distance_in_mask_mm",
    "distance_inside_mm",
    "distance_to_mm",
    "signed_distance_mm",
]

Float32Array = npt.NDArray[np.float32]

# Fewer are computed sooner than it is found out which need not be.
_LEAST_VOXELS = 4096
# Within so few voxels of a cubic grid, distances are squared whole numbers that fit into a byte. Beyond, a place counts
# as this far, to which the square of a step can be added.
_MOST_STEPS, _FAR = 7, 200
# A reach of a whole number of steps is not lost to rounding.
_ROUNDING = 1e-6


def distance_in_mask_mm(mask: BoolArray, spacing_mm: Sequence[float]) -> Float32Array:
    """As `distance_inside_mm`, for any number of axes, computed over the whole array."""
    import edt

    # edt takes three to four times as long for bool as for uint8, with the same result.
    numbers = np.ascontiguousarray(mask).view(np.uint8)
    return np.asarray(edt.edt(numbers, anisotropy=spacing_mm, black_border=False), dtype=np.float32)


def _shape(mask: BoolArray) -> tuple[int, int, int]:
    slices, rows, columns = mask.shape
    return (slices, rows, columns)


def distance_inside_mm(mask: BoolArray, spacing_mm: Vector, *, within_mm: float | None = None) -> Float32Array:
    """Distance from each voxel of a mask to the nearest voxel outside it, float32; 0 outside.

    The image's edge is not outside; infinite where the mask fills the image. Distances beyond ``within_mm`` may be
    returned as infinite, which is faster.
    """
    depth = np.zeros(mask.shape, dtype=np.float32)
    used = used_box(mask)
    if used is not None:
        box = grow_box(used, (1, 1, 1), _shape(mask))
        depth[box] = _distance_from(~mask[box], spacing_mm, within_mm)
    return depth


def distance_to_mm(mask: BoolArray, spacing_mm: Vector, *, within_mm: float | None = None) -> Float32Array:
    """Distance from each voxel to the nearest voxel of a mask, float32; infinite where the mask is empty.

    Parameters
    ----------
    mask : ndarray of bool
        ``[slice, row, column]``.
    spacing_mm : tuple of float
        Along slices, rows and columns.
    within_mm : float, optional
        Distances beyond this may be returned as infinite, which is faster.
    """
    used = used_box(mask)
    if used is None:
        return np.full(mask.shape, np.inf, dtype=np.float32)
    if within_mm is None:
        return distance_in_mask_mm(~mask, spacing_mm)
    distance = np.full(mask.shape, np.inf, dtype=np.float32)
    box = grow_box(used, np.ceil(within_mm / np.asarray(spacing_mm)) + 1, _shape(mask))
    distance[box] = _distance_from(mask[box], spacing_mm, within_mm)
    return distance


def _distance_from(mask: BoolArray, spacing_mm: Vector, within_mm: float | None) -> Float32Array:
    """Distance from a mask over a whole array; infinite beyond a reach, where it takes most of the time."""
    if within_mm is None or mask.size < _LEAST_VOXELS:
        return distance_in_mask_mm(~mask, spacing_mm)
    steps = int(within_mm / spacing_mm[0] + _ROUNDING)
    if len(set(spacing_mm)) == 1 and steps <= _MOST_STEPS:
        roots = _roots(steps, spacing_mm[0], within_mm)
        if roots is not None:
            return roots[_squared_steps(mask, steps)]
    # Blocks as wide as the reach: what lies within it of the mask is in a block with some of the mask or next to one.
    # From there it is further than the reach to what lies behind the blocks next to those: that is taken for the mask,
    # so that it need not be computed.
    sides = [max(int(within_mm / s), 1) for s in spacing_mm]
    near = _with_neighbours(_in_blocks(mask, sides))
    distance = np.where(mask, np.float32(0), np.float32(np.inf))
    unknown = used_box(near & _in_blocks(~mask, sides))
    if unknown is None:
        return distance
    blocks = grow_box(unknown, (1, 1, 1), _shape(near))
    k, j, i = (slice(part.start * n, part.stop * n) for part, n in zip(blocks, sides, strict=True))
    part = mask[k, j, i]
    wide = _in_voxels(_with_neighbours(near)[blocks], sides, part.shape)
    found = distance_in_mask_mm(wide & ~part, spacing_mm)
    within = _in_voxels(near[blocks], sides, part.shape) & (found <= within_mm)
    np.copyto(distance[k, j, i], found, where=within)
    return distance


def _squared_steps(mask: BoolArray, steps: int) -> npt.NDArray[np.uint8]:
    """Squared distance from a mask in voxels of a cube's edge, where no axis takes more steps; `_FAR` beyond."""
    squares = np.where(mask, np.uint8(0), np.uint8(_FAR))
    for axis in range(mask.ndim):
        nearest = squares.copy()
        for step in range(1, min(steps, mask.shape[axis] - 1) + 1):
            lower, upper = (
                tuple(part if a == axis else slice(None) for a in range(mask.ndim))
                for part in (slice(None, -step), slice(step, None))
            )
            farther = squares + np.uint8(step * step)
            np.minimum(nearest[lower], farther[upper], out=nearest[lower])
            np.minimum(nearest[upper], farther[lower], out=nearest[upper])
        squares = nearest
    return squares


@lru_cache(maxsize=16)
def _roots(steps: int, spacing_mm: float, within_mm: float) -> Float32Array | None:
    """Distance of each squared number of steps, infinite beyond a reach; None where single precision rounds squares."""
    squares = np.arange(256) * spacing_mm**2
    if not np.array_equal(squares[: 3 * steps**2 + 1], squares.astype(np.float32)[: 3 * steps**2 + 1]):
        return None
    roots = np.sqrt(squares.astype(np.float32))
    roots[(roots > within_mm) | (np.arange(256) >= _FAR)] = np.inf
    roots.setflags(write=False)
    return roots


def _in_blocks(mask: BoolArray, sides: Sequence[int]) -> BoolArray:
    """Whether any voxel of each block belongs to a mask; the last blocks may reach beyond it."""
    for axis, side in enumerate(sides):
        whole = np.zeros([-(-n // side) if a == axis else n for a, n in enumerate(mask.shape)], dtype=np.bool_)
        for first in range(min(side, mask.shape[axis])):
            every = mask[tuple(slice(first, None, side) if a == axis else slice(None) for a in range(mask.ndim))]
            whole[tuple(slice(0, n) for n in every.shape)] |= every
        mask = whole
    return mask


def _with_neighbours(blocks: BoolArray) -> BoolArray:
    """Blocks and all that touch them, by a corner too."""
    for axis in range(blocks.ndim):
        grown = blocks.copy()
        lower, upper = (
            tuple(part if a == axis else slice(None) for a in range(blocks.ndim))
            for part in (slice(None, -1), slice(1, None))
        )
        grown[lower] |= blocks[upper]
        grown[upper] |= blocks[lower]
        blocks = grown
    return blocks


def _in_voxels(blocks: BoolArray, sides: Sequence[int], shape: tuple[int, ...]) -> BoolArray:
    """The voxels of blocks."""
    for axis in reversed(range(blocks.ndim)):
        blocks = np.repeat(blocks, sides[axis], axis=axis)
    return blocks[tuple(slice(0, n) for n in shape)]


def signed_distance_mm(mask: BoolArray, spacing_mm: Vector) -> Float32Array:
    """Signed distance to the border of a mask, float32: `distance_inside_mm` minus `distance_to_mm`."""
    return distance_inside_mm(mask, spacing_mm) - distance_to_mm(mask, spacing_mm)


def depth_mm(mask: BoolArray, spacing_mm: Vector) -> FloatArray:
    """Distance (mm) from each voxel's centre to the nearest voxel centre outside the mask; 0 outside.

    What lies beyond the array counts as outside.
    """
    return distance_inside_mm(np.pad(mask, 1), spacing_mm)[1:-1, 1:-1, 1:-1].astype(np.float64)
