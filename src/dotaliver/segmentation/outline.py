"""The liver's outline on the CT's own grid, from its probability on the coarse grid.

Inside the liver's box each voxel weighs what the coarse step says of its place against how its density compares
with the liver's and with what lies outside nearby. All kernels are finite, so the answer would be the same
block by block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.blocks import (
    ConnectedParts,
    LazyVolume,
    RunningSums,
    SlabCache,
    block_shape,
    lazily_filtered,
    map_overlap,
    slices_around,
    slices_at_once,
)
from dotaliver.config import LiverConfig
from dotaliver.errors import GeometryError
from dotaliver.geometry import Box, Geometry, grow_box
from dotaliver.itkimage import resample
from dotaliver.morphology import filled_in_slices
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.sparse import sparse_zeros
from dotaliver.volume import SLAB_SLICES, BoolArray, Quantity, Volume, used_box

__all__ = ["FWHM_PER_SIGMA", "box_around", "gaussian", "gaussian_reach", "outline_on_ct", "outline_on_grid"]

Moments = tuple[Float32Array, Float32Array]

# Full width at half maximum of a normal distribution over its SD: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.3548
_MARGIN_MM = 16.0
_DEPOSIT_HU = 220.0
_GAUSSIAN_REACH = 2.5


def box_around(mask: BoolArray, geometry: Geometry, margin_mm: float) -> Box:
    """The smallest box that holds a mask, which must not be empty, and a margin, within the grid."""
    used = used_box(mask)
    if used is None:
        msg = "an empty mask has no box around it"
        raise GeometryError(msg)
    return grow_box(used, np.ceil(margin_mm / np.asarray(geometry.spacing_mm)), geometry.shape)


def gaussian(array: npt.NDArray[np.floating], sigma_mm: float, geometry: Geometry) -> Float32Array:
    """Gaussian mean with a finite kernel (cut at 2.5 sigma)."""
    from scipy.ndimage import gaussian_filter

    sigma = [sigma_mm / s for s in geometry.spacing_mm]
    return np.asarray(gaussian_filter(array, sigma, mode="nearest", truncate=_GAUSSIAN_REACH), dtype=np.float32)


def gaussian_reach(sigma_mm: float, spacing_mm: float) -> int:
    """How many voxels that mean looks at on either side."""
    return int(_GAUSSIAN_REACH * (sigma_mm / spacing_mm) + 0.5)


def outline_on_grid(probability: Volume, onto: Geometry) -> BoolArray:
    """Where the probability, interpolated onto a grid, is at least one half."""
    found = sparse_zeros(onto.shape, np.uint8)
    for k in range(onto.shape[0]):
        place = resample(probability, onto, slices=slice(k, k + 1)).array[0]
        found[k] = (place >= 0.5) * _LIVER | (place > 0.9) * _SURE
    _mark_liver_pieces(found, onto)
    return np.asarray((found & _PIECE) != 0)


def outline_on_ct(ct: Volume, probability: Volume, liver_hu: float, config: LiverConfig) -> BoolArray:
    """Refine the outline on the CT's grid.

    The log odds of a voxel are those of the coarse step plus those of its density, the latter between a normal
    distribution of the liver and one of what lies outside, both measured within `outline_window_mm` of the voxel
    and cut at 4; they are averaged over `outline_smooth_mm`. Fat is never liver. Where fat or air parts the liver from
    its neighbour, the outline is then carried down that step.

    Parameters
    ----------
    ct : Volume
        In HU.
    probability : Volume
        Of liver, on the coarse grid in the CT's position.
    liver_hu : float
        Median density of the liver's core.
    config : LiverConfig
        Windows and scales.

    Returns
    -------
    ndarray of bool
        On the CT's grid, without holes in any slice.
    """
    ct.require(Quantity.HU)
    result = sparse_zeros(ct.geometry.shape, np.bool_)
    likely = used_box(probability.array > _LEAST_LIKELY)
    box = None if likely is None else _box_on(probability.geometry.crop(likely), ct.geometry)
    if box is None:
        return result
    grid = ct.geometry.crop(box)
    judged = _judged_in_blocks(ct, box, probability, liver_hu, config)
    _mark_liver_pieces(judged, grid)
    _mark_down_steps(judged, grid)
    for plane, found in zip(result[box], judged, strict=True):
        mask = (found & _GROWN) != 0
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size:
            # Beside the liver nothing is written: there the mask takes no memory
            plane[rows[0] : rows[-1] + 1] = filled_in_slices(mask[None])[0, rows[0] : rows[-1] + 1]
    return result


def _box_on(part: Geometry, onto: Geometry) -> Box | None:
    """The box of a grid that holds another one and the outline's margin."""
    box = onto.box_of(part.corners_lps_mm())
    return None if box is None else grow_box(box, np.ceil(_MARGIN_MM / np.asarray(onto.spacing_mm)), onto.shape)


# What was found of each voxel, a bit each since the liver's box is large on a fine grid: liver by its place and
# density, liver by its place, where an outline may grow, where liver may be at all; then the pieces that are taken for
# liver, and these grown.
_LIVER, _SURE, _ON_STEP, _POSSIBLE, _PIECE, _GROWN = (np.uint8(1 << n) for n in range(6))
_LEAST_LIKELY = 0.1
_LOOK = np.dtype([("odds", np.float32), ("found", np.uint8)])
# Memory that a voxel takes: what is found of it; while its odds are smoothed; while connected parts are looked for.
_BYTES_PER_VOXEL, _BYTES_PER_LOOK, _BYTES_PER_PART = 2, 24, 16


def _judged_in_blocks(
    ct: Volume, box: Box, probability: Volume, liver_hu: float, config: LiverConfig
) -> npt.NDArray[np.uint8]:
    """What is found of each voxel of the box, in blocks: a voxel looks no further than the kernels reach."""
    grid = ct.geometry.crop(box)
    sigmas = (config.outline_presmooth_mm, config.outline_smooth_mm)
    windows = zip(_window(config.outline_window_mm, grid), _lowest_window(grid), strict=True)
    halo = [
        2 + sum(gaussian_reach(sigma_mm, spacing_mm) for sigma_mm in sigmas) + max(window) // 2
        for spacing_mm, window in zip(grid.spacing_mm, windows, strict=True)
    ]
    _, rows, columns = grid.shape

    def hu(part: Box) -> Volume:
        k, j, i = (slice(p.start + b.start, p.stop + b.start) for p, b in zip(part, box, strict=True))
        return ct.part((k, j, i))

    def place_of(slices: range) -> Float32Array:
        # Whole slices: ITK's places differ in the last digit with where a grid begins.
        return resample(probability, grid, slices=slice(slices.start, slices.stop)).array

    kept = 4 * slices_around(_window(config.outline_window_mm, grid)[0] // 2) * rows * columns
    place = LazyVolume(SlabCache(place_of, grid.shape, np.float32, kept), np.float32, grid, Quantity.PROBABILITY)

    def judged(density: Volume, likely: Volume) -> npt.NDArray[np.uint8]:
        return _judged(_Look(_nearby(density, likely, config), liver_hu, config), config)

    out = np.empty(grid.shape, dtype=np.uint8)
    return map_overlap(judged, (hu, place.part), halo, block_shape(grid.shape, halo, _BYTES_PER_VOXEL), out)


def _judged(look: _Look, config: LiverConfig) -> npt.NDArray[np.uint8]:
    """What is found of each voxel of a block, going up through its slices."""
    grid = look.geometry
    _, rows, columns = grid.shape
    halo = 2 + gaussian_reach(config.outline_smooth_mm, grid.spacing_mm[0])
    at_once = slices_at_once(_BYTES_PER_LOOK * rows * columns, halo)
    kept = _LOOK.itemsize * (at_once + 2 * halo + SLAB_SLICES) * rows * columns
    looks = SlabCache(look.at, grid.shape, _LOOK, kept)

    def smoothed(seen: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        from scipy.ndimage import binary_opening

        found = seen["found"]
        mask = (gaussian(seen["odds"], config.outline_smooth_mm, grid) > 0) & ((found & _POSSIBLE) != 0)
        return np.asarray(binary_opening(mask) * _LIVER | found, dtype=np.uint8)

    out = np.empty(grid.shape, dtype=np.uint8)
    return map_overlap(smoothed, (looks,), (halo, 0, 0), (at_once, rows, columns), out, in_order=True)


@dataclass(frozen=True, eq=False)
class _Nearby:
    """What a voxel is judged by, made when it is read: calmed density, the lowest within reach, and its place."""

    density: Volume
    lowest: Volume
    place: Volume

    def of(self, what: Volume, k: int) -> Float32Array:
        """One slice of one of them."""
        _, rows, columns = what.geometry.shape
        return np.asarray(what.crop((slice(k, k + 1), slice(0, rows), slice(0, columns))).array[0])

    def to_be_summed(self, k: int, liver_hu: float, reach_hu: float) -> npt.NDArray[np.int64]:
        """Of a slice, for what lies inside and what lies outside: voxels, densities and their squares."""
        density, place = self.of(self.density, k), self.of(self.place, k)
        inside = (place > 0.8) & (np.abs(density - liver_hu) < reach_hu)
        # Whole numbers, whose sums are exact in any order
        parts = np.rint(density * np.float32(_PARTS_OF_HU)).astype(np.int64)
        summed = np.empty((6, *density.shape), dtype=np.int64)
        for n, where in ((0, inside), (3, place < 0.2)):
            summed[n] = where
            np.multiply(parts, where, out=summed[n + 1])
            np.multiply(summed[n + 1], parts, out=summed[n + 2])
        return summed


def _nearby(hu: Volume, place: Volume, config: LiverConfig) -> _Nearby:
    grid = hu.geometry
    low = _lowest_window(grid)

    def calmed(values: npt.NDArray[Any]) -> Float32Array:
        return gaussian(np.clip(values, -200, 300).astype(np.float32), config.outline_presmooth_mm, grid)

    def lowest_near(density: npt.NDArray[Any]) -> Float32Array:
        from scipy.ndimage import minimum_filter

        return np.asarray(minimum_filter(density, low))

    keep = slices_around(max(_window(config.outline_window_mm, grid)[0], low[0]) // 2)
    whole = (slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    reach = gaussian_reach(config.outline_presmooth_mm, grid.spacing_mm[0])
    density = lazily_filtered(hu, whole, calmed, reach, keep_slices=keep)
    return _Nearby(density, lazily_filtered(density, whole, lowest_near, low[0] // 2), place)


class _Look:
    """Each voxel's log odds of liver and what else its density and place tell, a few slices at a time."""

    def __init__(self, nearby: _Nearby, liver_hu: float, config: LiverConfig) -> None:
        self._nearby, self._liver_hu, self._config = nearby, liver_hu, config
        self.geometry = grid = nearby.place.geometry
        size, reach_hu = _window(config.outline_window_mm, grid), config.lesion_hu_below + 20.0
        self._sums = RunningSums(lambda k: nearby.to_be_summed(k, liver_hu, reach_hu), grid.shape[0], size)
        self._least = 1e-3 * float(np.prod(size))

    def at(self, slices: range) -> npt.NDArray[Any]:
        """The looks of some slices."""
        looks = np.empty((len(slices), *self.geometry.shape[1:]), dtype=_LOOK)
        for k in slices:
            self._look(k, looks[k - slices.start])
        return looks

    def _look(self, k: int, out: npt.NDArray[Any]) -> None:
        """The looks of one slice, written into their place."""
        nearby = self._nearby
        density, place = nearby.of(nearby.density, k), nearby.of(nearby.place, k)
        sums = self._sums.at(k)
        inner, outer = _moments(sums[:3], self._least), _moments(sums[3:], self._least)
        odds, own_density = _density_log_odds(density, inner, outer, self._liver_hu)
        # Deposits in tumours are denser than any organ: their density says nothing, the coarse step has judged them.
        odds[(density > _DEPOSIT_HU) & (place > 0.7)] = 0.0
        odds += np.log(np.clip(place, 1e-3, 1 - 1e-3) / np.clip(1 - place, 1e-3, 1 - 1e-3))
        odds[density < self._config.outline_fat_hu] = -6.0
        allowed = (place > 0.02) & (density > self._config.outline_fat_hu)
        allowed &= _on_step(density, own_density, nearby.of(nearby.lowest, k))
        out["odds"] = odds
        out["found"] = (place > 0.9) * _SURE | allowed * _ON_STEP | (place > 0.02) * _POSSIBLE


def _mark_liver_pieces(found: npt.NDArray[np.uint8], grid: Geometry) -> None:
    """Mark the largest part, and others of 20 ml that the coarse step was sure of (a lobe behind a fissure)."""
    thickness = slices_at_once(_BYTES_PER_PART * found.shape[1] * found.shape[2])
    parts = ConnectedParts(lambda part: (found[part] & _LIVER) != 0, found.shape[0], thickness)
    counts, certain = parts.sizes(), parts.sizes(lambda part: (found[part] & _SURE) != 0)
    large = (counts * grid.voxel_volume_ml >= 20.0) & (certain > 0.3 * counts)
    large[counts.argmax()] = counts.any()
    large[0] = False
    for part, chosen in parts.chosen(large):
        found[part] |= chosen * _PIECE


# How far the outline may lie inside a step, and the least step that is taken for one: fat beside any liver makes a
# larger one, muscle beside an unenhanced liver a smaller one. An ideal border lies halfway down; the lowest of many
# noisy voxels is too low and drawn outlines are tighter, so only the first tenth is followed (phantoms then come out
# about 2 % too small, the one real liver that was drawn about 2 % too large).
_STEP_REACH_MM = 2.5
_STEP_HU = 40.0
_STEP_SHARE = 0.1


def _lowest_window(grid: Geometry) -> list[int]:
    return [2 * max(1, round(1.5 * _STEP_REACH_MM / s)) + 1 for s in grid.spacing_mm]


def _on_step(density: Float32Array, own_density: Float32Array, lowest: Float32Array) -> BoolArray:
    """Where density is still near the liver's own, on a step down to something less dense.

    A thin layer of fat blurs into the wall or organ behind it, so the mean of what lies outside puts the border too
    far in. The lowest density within reach is that layer's.
    """
    lowest = np.maximum(lowest, -100.0)
    step = own_density - lowest > _STEP_HU
    return np.asarray(step & (density > own_density - _STEP_SHARE * (own_density - lowest)))


def _mark_down_steps(found: npt.NDArray[np.uint8], grid: Geometry) -> None:
    """Mark the pieces, grown by at most `_STEP_REACH_MM` down a step: they stop in the fat, before what lies behind."""
    from scipy.ndimage import binary_dilation, generate_binary_structure

    structure = generate_binary_structure(3, 1)
    for axis, spacing in enumerate(grid.spacing_mm):
        if spacing > _STEP_REACH_MM:
            # A neighbour that is further away than the reach is not next to the outline
            structure[tuple(slice(None) if a == axis else 1 for a in range(3))] = [False, True, False]
    steps = max(1, round(_STEP_REACH_MM / min(grid.spacing_mm)))

    def grown(part: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        own = (part & _PIECE) != 0
        allowed = own | ((part & _ON_STEP) != 0)
        more = binary_dilation(own, structure, iterations=steps, mask=allowed)
        return np.asarray(part | more * _GROWN, dtype=np.uint8)

    at_once = slices_at_once(16 * found.shape[1] * found.shape[2], steps)
    # What one block writes, no other looks at
    map_overlap(grown, (found,), (steps, 0, 0), (at_once, *found.shape[1:]), found)


def _density_log_odds(
    density: Float32Array, inner: Moments, outer: Moments, liver_hu: float
) -> tuple[Float32Array, Float32Array]:
    """Log odds of liver by density, and the density of the liver around each voxel."""
    mean_in, variance_in = inner
    mean_out, variance_out = outer
    mean_in = np.where(np.isnan(mean_in), liver_hu, mean_in)
    variance_in = np.clip(np.where(np.isnan(variance_in), 150.0, variance_in), 60.0, 600.0)
    mean_out = np.where(np.isnan(mean_out), 0.0, mean_out)
    variance_out = np.clip(np.where(np.isnan(variance_out), 400.0, variance_out), 100.0, 40000.0)
    unlike = _log_normal(density, mean_in, variance_in) - _log_normal(density, mean_out, variance_out)
    # Towards what lies outside, a voxel is a mixture, and the border is where half of it is liver: halfway between both
    # means. How unlike liver it looks would put the border further in, where the first tenth is fat.
    contrast = mean_in - mean_out
    spread = np.maximum(variance_in, (contrast / 4.0) ** 2)
    half = contrast * (density - 0.5 * (mean_in + mean_out)) / spread
    mixed = (density - mean_in) * contrast < 0
    odds = np.clip(np.where(mixed, half, unlike), -4.0, 4.0)
    return odds.astype(np.float32), mean_in.astype(np.float32)


def _log_normal(
    values: Float32Array, mean: npt.NDArray[np.floating], variance: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    return np.asarray(-((values - mean) ** 2) / (2 * variance) - 0.5 * np.log(variance))


# Densities are added up in sixteenths of a HU.
_PARTS_OF_HU = 16


def _window(window_mm: float, grid: Geometry) -> list[int]:
    return [max(1, round(window_mm / s)) | 1 for s in grid.spacing_mm]


def _moments(sums: npt.NDArray[np.int64], least: float) -> Moments:
    """Mean and variance from numbers of voxels, sums and sums of squares; NaN where there are fewer voxels."""
    count = sums[0].astype(np.float64)
    count[count < least] = np.nan
    mean = sums[1] / count
    variance = sums[2] / count
    variance -= mean * mean
    mean /= _PARTS_OF_HU
    variance /= _PARTS_OF_HU**2
    return mean.astype(np.float32), variance.astype(np.float32)
