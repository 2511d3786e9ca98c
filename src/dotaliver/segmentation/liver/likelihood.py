"""Log odds of liver for each voxel of the liver's box, from its density and position, slice by slice.

The density of a voxel is compared with that of the liver and that outside it, both measured in a window around the
voxel. The box is large on a fine grid, so only the slices within the window are in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.arrays import Array
from dotaliver.image.backends import SlabCache
from dotaliver.image.filters import gaussian, gaussian_reach
from dotaliver.image.geometry import Geometry
from dotaliver.image.lazy import slices_around
from dotaliver.image.volume import Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.liver.window_sums import Rectangle, RunningSums, grown

__all__ = [
    "LIKELY",
    "LIVER",
    "LOOK",
    "PIECE",
    "POSSIBLE",
    "PROBABLE",
    "SURE",
    "WHOLE",
    "LiverLikelihood",
    "density_window",
]

Moments = tuple[Float32Array, Float32Array]

# Findings of each voxel, one bit each to save memory: liver by position and density, and what of it is no thin part;
# certain, probable and possible by position; then the pieces taken for liver, and these with thin parts next to them.
LIKELY, LIVER, SURE, PROBABLE, POSSIBLE, PIECE, WHOLE = (np.uint8(1 << n) for n in range(7))
LOOK = np.dtype([("odds", np.float32), ("found", np.uint8)])
_DEPOSIT_HU = 220.0
# Densities are added up in sixteenths of a HU.
_PARTS_OF_HU = 16
# Their squares are added up in two parts, so that both sums fit 32 bits.
_SQUARE_BITS = 12
_SQUARE_PART = 1 << _SQUARE_BITS

# Densities beyond this range are clipped: lung and gas below, bone and dense contrast agent above.
_JUDGED_HU = (-200, 300)
# Pure fat: tissue of lower density next to the liver is lung or gas, whose step counts like that of fat.
_FAT_HU = -100.0
# Of what lies outside, the tissues that are neither fat, lung nor bone.
_SOFT_HU = (-30.0, 220.0)
# Probability of liver by the coarse step: where liver's own density is measured, and that of what lies outside; where
# the coarse step is believed about a deposit; where liver may be at all, where it is likelier than not, and where it is
# certain.
_INSIDE, _OUTSIDE = 0.8, 0.2
_DEPOSIT_IN_LIVER = 0.7
_POSSIBLE, _PROBABLE, _SURE = 0.02, 0.5, 0.9
_PROBABILITY_FLOOR = 1e-3
# The coarse step puts the border too far in where fat or lung lies outside: a coarse voxel that holds a part of them is
# no liver to it. On the true border of phantoms and real livers its log odds are -1.4 at lung, -1.1 at fat and -0.3 to
# 0.1 at muscle, bone and vessels; drawn outlines keep a little further in at fat.
_POSITION_LOG_ODDS, _POSITION_LOG_ODDS_AT_FAT = 0.0, 2.2
# Beyond the densities of lesions the liver's own variance would grow with what is no liver.
_BEYOND_LESION_HU = 20.0
# Share of a window that must be liver (or not) for its density to be measured there.
_LEAST_WINDOW_SHARE = 1e-3
# Log odds of fat, which is never liver, and the most that density may say.
_FAT_LOG_ODDS = -6.0
_LARGEST_LOG_ODDS = 4.0
# Variances in HU²: where they cannot be measured, and their bounds. The SD inside a liver is 8 to 25 HU with noise,
# that outside 10 HU in one organ and 50 HU over several.
_VARIANCE_INSIDE_HU2, _VARIANCE_INSIDE_RANGE_HU2 = 150.0, (60.0, 600.0)
_VARIANCE_OUTSIDE_HU2, _VARIANCE_OUTSIDE_RANGE_HU2 = 400.0, (100.0, 2500.0)
# Share of the liver's voxels near its border that may be mixed with fat; the least share of other soft tissue among
# what lies outside, since a thin layer of it may escape notice; how much of it is bone or contrast agent, up to 200 HU
# denser than liver.
_MIXED_SHARE, _LEAST_SOFT_SHARE, _DENSE_PER_HU = 0.5, 0.02, 0.1 / 200.0
# Densities that neither expects say nothing.
_LEAST_PER_HU = 1e-5
# Images that are summed over windows: see `_Nearby.to_be_summed`.
_SUMS = 9


class _WherePossible:
    """The part of each slice in which liver is possible; what lies far from it need not be looked at."""

    def __init__(self, place: Volume) -> None:
        self._place, self._shape = place, place.geometry.shape
        self._parts: dict[int, Rectangle | None] = {}

    def near(self, first: int, last: int, reach: Sequence[int]) -> Rectangle | None:
        """The part of a slice that holds what is possible from one slice to another, grown; None where nothing is.

        Parameters
        ----------
        first, last : int
            Slices; they may lie beyond the image.
        reach : sequence of int
            How many slices beyond these count too, and how many rows and columns the part is grown by.
        """
        beyond, *across = reach
        parts = [self._part(k) for k in range(max(first - beyond, 0), min(last + beyond + 1, self._shape[0]))]
        known = [part for part in parts if part is not None]
        if not known:
            return None
        rows, columns = (
            slice(min(part[axis].start for part in known), max(part[axis].stop for part in known)) for axis in range(2)
        )
        return grown((rows, columns), across, self._shape[1:])

    def _part(self, k: int) -> Rectangle | None:
        if k not in self._parts:
            possible = _plane(self._place, k, (slice(0, self._shape[1]), slice(0, self._shape[2]))) > _POSSIBLE
            rows, columns = (np.flatnonzero(possible.any(axis=axis)) for axis in (1, 0))
            found = (
                (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
                if (rows.size)
                else None
            )
            self._parts[k] = found
        return self._parts[k]


def _plane(volume: Volume, k: int, part: Rectangle) -> Float32Array:
    """A part of one slice."""
    return np.asarray(volume.crop((slice(k, k + 1), *part)).array[0])


def _filtered(
    volume: Volume,
    function: Callable[[Array], Float32Array],
    reach: Sequence[int],
    part_of: Callable[[range], Rectangle | None],
    keep_slices: int = 0,
) -> Volume:
    """An image after a filter, computed on demand and only in a part of each group of slices; 0 elsewhere.

    Parameters
    ----------
    reach : sequence of int
        How far the filter looks, in voxels.
    part_of : callable
        Gives the part of some slices that is needed.
    keep_slices : int
        How many slices are kept.
    """
    grid = volume.geometry

    def make(slices: range) -> Float32Array:
        result = np.zeros((len(slices), *grid.shape[1:]), dtype=np.float32)
        part = part_of(slices)
        if part is not None:
            low, high = max(slices.start - reach[0], 0), min(slices.stop + reach[0], grid.shape[0])
            wide = grown(part, reach[1:], grid.shape[1:])
            found = function(volume.crop((slice(low, high), *wide)).array)
            rows, columns = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, wide, strict=True))
            result[:, part[0], part[1]] = found[slices.start - low : slices.stop - low, rows, columns]
        return result

    keep_bytes = 4 * keep_slices * grid.shape[1] * grid.shape[2]
    return Volume(SlabCache(make, grid.shape, np.float32, keep_bytes), grid, volume.quantity)


@dataclass(frozen=True, eq=False)
class _Nearby:
    """Inputs for a voxel, computed on demand: smoothed density, and the prior."""

    density: Volume
    place: Volume
    possible: _WherePossible
    smoothed: tuple[int, int, int]
    """How far odds are averaged, in voxels: those further away from where liver is possible are of no use."""
    window: tuple[int, int, int]
    """Size of the window in which densities are measured."""

    def looked_at(self, k: int) -> Rectangle | None:
        """The part of a slice whose odds are of use."""
        return self.possible.near(k, k, self.smoothed)

    def to_be_summed(
        self, k: int, liver_hu: float, reach_hu: float
    ) -> tuple[Rectangle, npt.NDArray[np.integer]] | None:
        """Of the liver and of soft tissue outside it in a slice: voxel counts, densities, and squared densities.

        Squares are given in two parts. The last image counts all voxels outside.
        """
        part = self.possible.near(k, k, _sum_of(self.smoothed, [width // 2 for width in self.window]))
        if part is None:
            return None
        density, place = _plane(self.density, k, part), _plane(self.place, k, part)
        inside = (place > _INSIDE) & (np.abs(density - liver_hu) < reach_hu)
        outside = place < _OUTSIDE
        soft = outside & (density > _SOFT_HU[0]) & (density < _SOFT_HU[1])
        # Whole numbers, whose sums are exact in any order; the square of the highest density fits 32 bits
        parts = np.rint(density * np.float32(_PARTS_OF_HU)).astype(np.int32)
        squares = parts * parts
        images = (parts, squares & (_SQUARE_PART - 1), squares >> _SQUARE_BITS)
        summed = np.empty((_SUMS, *density.shape), dtype=_sum_type(self.window))
        for n, where in ((0, inside), (4, soft)):
            summed[n] = where
            for m, image in enumerate(images, start=n + 1):
                np.multiply(image, where, out=summed[m])
        summed[-1] = outside
        return part, summed


def _sum_of(*reaches: Sequence[int]) -> tuple[int, int, int]:
    slices, rows, columns = (sum(each) for each in zip(*reaches, strict=True))
    return (slices, rows, columns)


def _sum_type(window: Sequence[int]) -> type[np.int32 | np.int64]:
    """The smaller type, with which adding takes less time, unless sums over a window might not fit."""
    largest = max(_PARTS_OF_HU * max(map(abs, _JUDGED_HU)), _SQUARE_PART)
    return np.int32 if math.prod(window) * largest < np.iinfo(np.int32).max else np.int64


def _nearby_of(hu: Volume, place: Volume, config: LiverConfig) -> _Nearby:
    grid = hu.geometry
    window = density_window(grid, config)
    possible = _WherePossible(place)
    looked_at = _reach(config.outline_smooth_mm, grid)
    around = _sum_of(looked_at, [width // 2 for width in window])

    def smooth(values: Array) -> Float32Array:
        return gaussian(np.clip(values, *_JUDGED_HU).astype(np.float32), config.outline_presmooth_mm, grid)

    def part_of(slices: range) -> Rectangle | None:
        return possible.near(slices.start, slices.stop - 1, around)

    keep = slices_around(window[0] // 2)
    density = _filtered(hu, smooth, _reach(config.outline_presmooth_mm, grid), part_of, keep)
    return _Nearby(density, place, possible, looked_at, (window[0], window[1], window[2]))


def _reach(sigma_mm: float, grid: Geometry) -> tuple[int, int, int]:
    slices, rows, columns = (gaussian_reach(sigma_mm, spacing_mm) for spacing_mm in grid.spacing_mm)
    return (slices, rows, columns)


class LiverLikelihood:
    """Each voxel's log odds of liver and the findings from its density and position, a few slices at a time.

    The odds of voxels are 0 that are too far from where liver is possible to be averaged with any there.

    Parameters
    ----------
    hu : Volume
        Density.
    place : Volume
        Probability of liver by the coarse step, on the same grid.
    liver_hu : float
        Median density of the liver's core.
    config : LiverConfig
        Windows and scales.
    """

    def __init__(self, hu: Volume, place: Volume, liver_hu: float, config: LiverConfig) -> None:
        # The sums get no reference to this object, so that it is released when it is no longer used.
        nearby = _nearby_of(hu, place, config)
        self._nearby, self._liver_hu, self._config = nearby, liver_hu, config
        self.geometry = grid = hu.geometry
        size, reach_hu = nearby.window, config.lesion_hu_below + _BEYOND_LESION_HU
        self._sums = RunningSums(lambda k: nearby.to_be_summed(k, liver_hu, reach_hu), grid.shape, size)
        self._least = _LEAST_WINDOW_SHARE * float(math.prod(size))

    def at(self, slices: range) -> npt.NDArray[np.void]:
        """The findings of some slices."""
        looks = np.zeros((len(slices), *self.geometry.shape[1:]), dtype=LOOK)
        for k in slices:
            part = self._nearby.looked_at(k)
            if part is not None:
                self._look(k, part, looks[k - slices.start][part])
        return looks

    def _look(self, k: int, part: Rectangle, out: npt.NDArray[np.void]) -> None:
        """Write the findings of a part of one slice into an array."""
        nearby = self._nearby
        density, place = _plane(nearby.density, k, part), _plane(nearby.place, k, part)
        sums = self._sums.at(k, part)
        if sums is None:
            sums = np.zeros((_SUMS, *density.shape), dtype=np.int32)
        inner, soft = _moments(sums[:4], self._least), _moments(sums[4:8], self._least)
        soft_share = np.where(np.isnan(soft[0]), np.float32(0.0), sums[4] / np.maximum(sums[8], 1)).astype(np.float32)
        odds = _density_log_odds(density, inner, soft, soft_share, self._liver_hu)
        # Deposits in tumours are denser than any organ: only the coarse step decides about them.
        odds[(density > _DEPOSIT_HU) & (place > _DEPOSIT_IN_LIVER)] = 0.0
        low, high = _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR
        odds += np.log(np.clip(place, low, high) / np.clip(1 - place, low, high))
        odds += _POSITION_LOG_ODDS + _POSITION_LOG_ODDS_AT_FAT * np.square(1 - soft_share)
        odds[density < self._config.outline_fat_hu] = _FAT_LOG_ODDS
        out["odds"] = odds
        out["found"] = (place > _SURE) * SURE | (place > _PROBABLE) * PROBABLE | (place > _POSSIBLE) * POSSIBLE


def _density_log_odds(
    density: Float32Array, inner: Moments, soft: Moments, soft_share: Float32Array, liver_hu: float
) -> Float32Array:
    """Log odds of liver by density.

    Towards fat, lung or gas, a voxel is a mixture, and the border is where half of it is liver: halfway to fat. Other
    soft tissue outside has its own density. It must not be averaged with the fat behind it: muscle lies between both,
    and would count as a mixture that is mostly liver.
    """
    mean, variance = inner
    mean = np.where(np.isnan(mean), np.float32(liver_hu), mean)
    variance = np.where(np.isnan(variance), np.float32(_VARIANCE_INSIDE_HU2), variance)
    variance = np.clip(variance, *_VARIANCE_INSIDE_RANGE_HU2)
    other, other_variance = soft
    other_variance = np.where(np.isnan(other_variance), np.float32(_VARIANCE_OUTSIDE_HU2), other_variance)
    other_variance = np.clip(other_variance, *_VARIANCE_OUTSIDE_RANGE_HU2)
    share = np.where(np.isnan(other), np.float32(0.0), np.maximum(soft_share, np.float32(_LEAST_SOFT_SHARE)))
    half = 0.5 * (mean - _FAT_HU)
    is_fat, is_denser = density <= mean - half, density > mean
    liver = (1 - _MIXED_SHARE) * _normal(density, mean, variance)
    liver += np.where(is_fat | is_denser, np.float32(0.0), np.float32(_MIXED_SHARE) / half)
    outside = share * _normal(density, np.where(np.isnan(other), np.float32(0.0), other), other_variance)
    outside += np.where(is_fat, (1 - share) / half, np.float32(0.0))
    outside += np.float32(_DENSE_PER_HU) * is_denser
    odds = np.log((liver + np.float32(_LEAST_PER_HU)) / (outside + np.float32(_LEAST_PER_HU)))
    return np.clip(odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS).astype(np.float32)


def _normal(values: Float32Array, mean: Float32Array, variance: Float32Array) -> Float32Array:
    """Density of a normal distribution, per HU."""
    return np.asarray(np.exp((values - mean) ** 2 / (-2 * variance)) / np.sqrt(np.float32(2 * math.pi) * variance))


def density_window(grid: Geometry, config: LiverConfig) -> list[int]:
    """Size in voxels of the window in which densities are measured."""
    return [max(1, round(config.outline_window_mm / s)) | 1 for s in grid.spacing_mm]


def _moments(sums: npt.NDArray[np.integer], least: float) -> Moments:
    """Mean and variance from numbers of voxels, sums and sums of squares; NaN where there are fewer voxels."""
    count = sums[0].astype(np.float64)
    count[count < least] = np.nan
    mean = sums[1] / count
    # A whole number that fits a double: exact
    variance = sums[3] * float(_SQUARE_PART)
    variance += sums[2]
    variance /= count
    variance -= mean * mean
    mean /= _PARTS_OF_HU
    variance /= _PARTS_OF_HU**2
    return mean.astype(np.float32), variance.astype(np.float32)
