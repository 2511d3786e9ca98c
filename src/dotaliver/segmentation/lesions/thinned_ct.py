"""A part of the CT on coarser pixels, on which a click's border is looked for in a fraction of a second."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import Float32Array, signed_distance_mm
from dotaliver.image.geometry import Box, FloatArray, grow_box
from dotaliver.image.volume import BoolArray, Volume, used_box

__all__ = ["Surroundings", "ThinnedCt", "on_fine_grid", "thinned"]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What bounds an outline, on the CT's grid."""

    liver: BoolArray
    """The liver with its tumours."""
    lesions: npt.NDArray[np.integer]
    """Labels of the known lesions."""
    free: frozenset[int] = frozenset()
    """Lesions that the outline may fill: the one that is measured, and those that the CT does not bound."""
    uptake: BoolArray | None = None
    """Where the uptake of the lesion that is measured falls, if the PET shows it."""

    def crop(self, box: Box) -> Surroundings:
        """What lies in a box."""
        uptake = None if self.uptake is None else self.uptake[box]
        return Surroundings(self.liver[box], self.lesions[box], self.free, uptake)

    def thinned(self, where: tuple[slice, ...]) -> tuple[BoolArray, BoolArray]:
        """Where the outline may run, and the other lesions, at some voxels."""
        labels = self.lesions[where]
        filled = labels != 0
        own = np.isin(labels, sorted(self.free)) if self.free and filled.any() else np.zeros_like(filled)
        return np.asarray(self.liver[where] | own), np.asarray(filled & ~own)


@dataclass(frozen=True, eq=False)
class ThinnedCt:
    """A part of the CT on coarser pixels, with the liver and the other lesions in it."""

    ct: Volume
    liver: BoolArray
    others: BoolArray
    uptake: BoolArray | None
    times: tuple[int, int, int]
    """Voxels of the CT per pixel."""

    @property
    def usable(self) -> BoolArray:
        """Liver that no other lesion fills."""
        return np.asarray(self.liver & ~self.others)

    def place(self, on_fine: FloatArray) -> FloatArray:
        """A place in voxels of the fine grid, in those of this one."""
        times = np.asarray(self.times)
        return np.asarray((on_fine - (times - 1) / 2) / times)


def thinned(ct: Volume, around: Surroundings, pixel_mm: float) -> ThinnedCt:
    """Means over blocks of about a pixel's size; in masks the middle voxel of each block counts."""
    grid = ct.geometry
    times: tuple[int, int, int] = tuple(  # type: ignore[assignment]
        max(1, min(int(pixel_mm / s + 0.25), n)) for s, n in zip(grid.spacing_mm, grid.shape, strict=True)
    )
    counts: tuple[int, int, int] = tuple(n // t for n, t in zip(grid.shape, times, strict=True))  # type: ignore[assignment]
    whole = tuple(slice(0, n * t) for n, t in zip(counts, times, strict=True))
    hu = _block_means(ct.array[whole], times)
    origin = grid.index_to_lps((np.asarray(times) - 1) / 2)
    spacing = tuple(s * t for s, t in zip(grid.spacing_mm, times, strict=True))
    coarse = replace(
        grid,
        shape=counts,
        origin_lps_mm=tuple(float(v) for v in origin),  # type: ignore[arg-type]
        spacing_mm=spacing,  # type: ignore[arg-type]
    )
    middles = tuple(slice(t // 2, n * t, t) for n, t in zip(counts, times, strict=True))
    uptake = None if around.uptake is None else around.uptake[middles]
    return ThinnedCt(Volume(hu, coarse, ct.quantity), *around.thinned(middles), uptake, times)


def _block_means(hu: npt.NDArray[np.number], times: tuple[int, int, int]) -> Float32Array:
    """Means over blocks, one axis after the other: several times faster than one mean over all three."""
    means = np.asarray(hu)
    for axis, count in enumerate(times):
        if count > 1:
            part = [slice(None)] * 3
            part[axis] = slice(0, None, count)
            total = means[tuple(part)].astype(np.float32)
            for first in range(1, count):
                part[axis] = slice(first, None, count)
                total += means[tuple(part)]
            total /= np.float32(count)
            means = total
    return means.astype(np.float32, copy=False)


def on_fine_grid(mask: BoolArray, times: tuple[int, int, int], shape: tuple[int, int, int]) -> BoolArray:
    """A mask of blocks on the finer grid, its border interpolated between the blocks."""
    if times == (1, 1, 1):
        return mask
    fine = np.zeros(shape, dtype=bool)
    used = used_box(mask)
    if used is None:
        return fine
    box = grow_box(used, (2, 2, 2), mask.shape)
    level = signed_distance_mm(mask[box], tuple(float(t) for t in times))  # type: ignore[arg-type]
    # Distances run between voxel centres: the border lies half a voxel short of the nearest one outside.
    level -= 0.5 * np.sign(level) * min(times)
    target: Box = tuple(  # type: ignore[assignment]
        slice(b.start * t, min(b.stop * t, n)) for b, t, n in zip(box, times, shape, strict=True)
    )
    for axis, (part, t, b) in enumerate(zip(target, times, box, strict=True)):
        line = (np.arange(part.start, part.stop) - (t - 1) / 2) / t - b.start
        level = _along(level, line, axis)
    fine[target] = level > 0
    return fine


def _along(level: Float32Array, line: npt.NDArray[np.float64], axis: int) -> Float32Array:
    """Linear interpolation along one axis at places in voxels; beyond the ends, the ends."""
    last = level.shape[axis] - 1
    place = np.clip(line, 0, last)
    low = np.minimum(place.astype(np.intp), max(last - 1, 0))
    shape = [1, 1, 1]
    shape[axis] = len(line)
    weight = (place - low).astype(np.float32).reshape(shape)
    below, above = level.take(low, axis=axis), level.take(np.minimum(low + 1, last), axis=axis)
    return np.asarray(below + weight * (above - below), dtype=np.float32)
