"""The liver's outline on the CT's own grid, from its probability on the coarse grid.

Inside the liver's box each voxel weighs what the coarse step says of its place against how its density compares
with the liver's and with what lies outside nearby. All kernels are finite, so the answer would be the same
block by block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.blocks import ConnectedParts, block_shape, map_overlap, slices_at_once, window_sums
from dotaliver.config import LiverConfig
from dotaliver.errors import GeometryError
from dotaliver.geometry import Box, Geometry, grow_box
from dotaliver.itkimage import resample
from dotaliver.morphology import filled_in_slices
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.volume import BoolArray, Quantity, Volume, used_box

__all__ = ["FWHM_PER_SIGMA", "box_around", "gaussian", "gaussian_reach", "outline_on_ct", "outline_on_grid"]

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
    mask, sure = np.zeros(onto.shape, dtype=bool), np.zeros(onto.shape, dtype=bool)
    for k in range(onto.shape[0]):
        place = resample(probability, onto, slices=slice(k, k + 1)).array[0]
        mask[k], sure[k] = place >= 0.5, place > 0.9
    return _liver_pieces(mask, sure, onto)


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
    result = np.zeros(ct.geometry.shape, dtype=bool)
    likely = used_box(probability.array > _LEAST_LIKELY)
    box = None if likely is None else _box_on(probability.geometry.crop(likely), ct.geometry)
    if box is None:
        return result
    grid = ct.geometry.crop(box)
    judged = _judged_in_blocks(ct, box, probability, liver_hu, config)
    mask = _liver_pieces((judged & _LIVER) != 0, (judged & _SURE) != 0, grid)
    mask = _down_steps(mask, (judged & _ON_STEP) != 0, grid)
    result[box] = filled_in_slices(mask)
    return result


def _box_on(part: Geometry, onto: Geometry) -> Box | None:
    """The box of a grid that holds another one and the outline's margin."""
    box = onto.box_of(part.corners_lps_mm())
    return None if box is None else grow_box(box, np.ceil(_MARGIN_MM / np.asarray(onto.spacing_mm)), onto.shape)


# What was found of each voxel: liver by its place and density, liver by its place, and where an outline may grow.
_LIVER, _SURE, _ON_STEP = np.uint8(1), np.uint8(2), np.uint8(4)
_LEAST_LIKELY = 0.1
# Memory that a voxel takes while it is judged.
_BYTES_PER_VOXEL = 60


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
    block = block_shape(grid.shape, halo, _BYTES_PER_VOXEL)

    def density(part: Box) -> npt.NDArray[Any]:
        k, j, i = (slice(p.start + b.start, p.stop + b.start) for p, b in zip(part, box, strict=True))
        return ct.crop((k, j, i)).array

    def place(part: Box) -> npt.NDArray[Any]:
        # Cut afterwards: ITK's places differ in the last digit with where a grid begins.
        return resample(probability, grid, slices=part[0]).array[:, part[1], part[2]]

    def judged(hu: npt.NDArray[Any], likely: Float32Array) -> npt.NDArray[np.uint8]:
        return _judged(hu, likely, liver_hu, grid, config)

    out = np.empty(grid.shape, dtype=np.uint8)
    return map_overlap(judged, (density, place), halo, block, out)


def _judged(
    hu: npt.NDArray[Any], place: Float32Array, liver_hu: float, grid: Geometry, config: LiverConfig
) -> npt.NDArray[np.uint8]:
    """What is found of each voxel from its density and its place, both [slice, row, column]."""
    from scipy.ndimage import binary_opening

    density = gaussian(np.clip(hu, -200, 300).astype(np.float32), config.outline_presmooth_mm, grid)
    odds, own_density = _density_log_odds(density, place, liver_hu, grid, config)
    # Deposits in tumours are denser than any organ: their density says nothing, the coarse step has judged them.
    odds[(density > _DEPOSIT_HU) & (place > 0.7)] = 0.0
    odds += np.log(np.clip(place, 1e-3, 1 - 1e-3) / np.clip(1 - place, 1e-3, 1 - 1e-3))
    odds[density < config.outline_fat_hu] = -6.0
    mask = (gaussian(odds, config.outline_smooth_mm, grid) > 0) & (place > 0.02)
    judged = binary_opening(mask) * _LIVER
    judged |= (place > 0.9) * _SURE
    allowed = (place > 0.02) & (density > config.outline_fat_hu)
    judged |= (allowed & _on_step(density, own_density, grid)) * _ON_STEP
    return np.asarray(judged, dtype=np.uint8)


def _liver_pieces(mask: BoolArray, sure: BoolArray, grid: Geometry) -> BoolArray:
    """The largest part, and others of 20 ml and more that the coarse step was sure of (a lobe behind a fissure)."""
    parts = ConnectedParts(mask, slices_at_once(8 * mask.shape[1] * mask.shape[2]))
    counts, certain = parts.sizes(), parts.sizes(sure)
    large = (counts * grid.voxel_volume_ml >= 20.0) & (certain > 0.3 * counts)
    large[counts.argmax()] = counts.any()
    large[0] = False
    return parts.chosen(large)


# How far the outline may lie inside a step, and the least step that is taken for one: fat beside any liver makes a
# larger one, muscle beside an unenhanced liver a smaller one. An ideal border lies halfway down; the lowest of many
# noisy voxels is too low and drawn outlines are tighter, so only the first tenth is followed (phantoms then come out
# about 2 % too small, the one real liver that was drawn about 2 % too large).
_STEP_REACH_MM = 2.5
_STEP_HU = 40.0
_STEP_SHARE = 0.1


def _lowest_window(grid: Geometry) -> list[int]:
    return [2 * max(1, round(1.5 * _STEP_REACH_MM / s)) + 1 for s in grid.spacing_mm]


def _on_step(density: Float32Array, own_density: Float32Array, grid: Geometry) -> BoolArray:
    """Where density is still near the liver's own, on a step down to something less dense.

    A thin layer of fat blurs into the wall or organ behind it, so the mean of what lies outside puts the border too
    far in. The lowest density within reach is that layer's.
    """
    from scipy.ndimage import minimum_filter

    lowest = np.maximum(minimum_filter(density, _lowest_window(grid)), -100.0)
    step = own_density - lowest > _STEP_HU
    return np.asarray(step & (density > own_density - _STEP_SHARE * (own_density - lowest)))


def _down_steps(mask: BoolArray, above: BoolArray, grid: Geometry) -> BoolArray:
    """Grow an outline by at most `_STEP_REACH_MM` down a step: it stops in the fat, before what lies behind."""
    from scipy.ndimage import binary_dilation, generate_binary_structure

    structure = generate_binary_structure(3, 1)
    for axis, spacing in enumerate(grid.spacing_mm):
        if spacing > _STEP_REACH_MM:
            # A neighbour that is further away than the reach is not next to the outline
            structure[tuple(slice(None) if a == axis else 1 for a in range(3))] = [False, True, False]
    steps = max(1, round(_STEP_REACH_MM / min(grid.spacing_mm)))

    def grown(own: BoolArray, allowed: BoolArray) -> BoolArray:
        return np.asarray(binary_dilation(own, structure, iterations=steps, mask=allowed | own))

    at_once = slices_at_once(16 * mask.shape[1] * mask.shape[2], steps)
    out = np.empty(mask.shape, dtype=bool)
    return map_overlap(grown, (mask, above), (steps, 0, 0), (at_once, *mask.shape[1:]), out)


def _density_log_odds(
    density: Float32Array, place: Float32Array, liver_hu: float, grid: Geometry, config: LiverConfig
) -> tuple[Float32Array, Float32Array]:
    """Log odds of liver by density, and the density of the liver around each voxel."""
    reach = config.lesion_hu_below + 20.0
    inside = (place > 0.8) & (np.abs(density - liver_hu) < reach)
    mean_in, variance_in = _local_moments(density, inside, grid, config.outline_window_mm)
    mean_out, variance_out = _local_moments(density, place < 0.2, grid, config.outline_window_mm)
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


# Densities are added up in sixteenths of a HU: whole numbers, whose sums are exact in any order.
_PARTS_OF_HU = 16


def _window(window_mm: float, grid: Geometry) -> list[int]:
    return [max(1, round(window_mm / s)) | 1 for s in grid.spacing_mm]


def _local_moments(
    values: Float32Array, where: BoolArray, grid: Geometry, window_mm: float
) -> tuple[Float32Array, Float32Array]:
    """Mean and variance of the values inside a mask, within a window around each voxel; NaN where it is empty."""
    size = _window(window_mm, grid)
    whole = np.where(where, np.rint(values * np.float32(_PARTS_OF_HU)), 0).astype(np.int32)
    count = window_sums(where.astype(np.int32), size).astype(np.float64)
    count[count < 1e-3 * np.prod(size)] = np.nan
    mean = window_sums(whole, size) / count
    squares = whole.astype(np.int64)
    squares *= squares
    variance = window_sums(squares, size) / count
    variance -= mean * mean
    mean /= _PARTS_OF_HU
    variance /= _PARTS_OF_HU**2
    return mean.astype(np.float32), variance.astype(np.float32)
