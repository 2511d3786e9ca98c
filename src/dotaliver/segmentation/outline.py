"""The liver's outline on the CT's own grid, from its probability on the coarse grid.

Inside the liver's box each voxel weighs what the coarse step says of its place against how its density compares
with the liver's and with what lies outside nearby. All kernels are finite, so the answer would be the same
block by block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config import LiverConfig
from dotaliver.errors import GeometryError
from dotaliver.geometry import Box, Geometry, grow_box
from dotaliver.itkimage import resample
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.volume import BoolArray, Quantity, Volume, used_box

__all__ = ["FWHM_PER_SIGMA", "box_around", "gaussian", "outline_on_ct", "outline_on_grid"]

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


def outline_on_grid(probability: Volume, onto: Geometry) -> BoolArray:
    """Where the probability, interpolated onto a grid, is at least one half."""
    place = resample(probability, onto).array
    return _liver_pieces(place >= 0.5, place, onto)


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
    from scipy.ndimage import binary_fill_holes, binary_opening

    ct.require(Quantity.HU)
    everywhere = resample(probability, ct.geometry).array
    result = np.zeros(ct.array.shape, dtype=bool)
    if not (everywhere > 0.1).any():
        return result
    box = box_around(everywhere > 0.1, ct.geometry, _MARGIN_MM)
    grid, place = ct.geometry.crop(box), everywhere[box]
    del everywhere
    density = gaussian(np.clip(ct.array[box], -200, 300).astype(np.float32), config.outline_presmooth_mm, grid)
    odds, own_density = _density_log_odds(density, place, liver_hu, grid, config)
    # Deposits in tumours are denser than any organ: their density says nothing, the coarse step has judged them.
    odds[(density > _DEPOSIT_HU) & (place > 0.7)] = 0.0
    odds += np.log(np.clip(place, 1e-3, 1 - 1e-3) / np.clip(1 - place, 1e-3, 1 - 1e-3))
    odds[density < config.outline_fat_hu] = -6.0
    mask = (gaussian(odds, config.outline_smooth_mm, grid) > 0) & (place > 0.02)
    mask = _liver_pieces(binary_opening(mask), place, grid)
    mask = _down_steps(mask, density, own_density, (place > 0.02) & (density > config.outline_fat_hu), grid)
    result[box] = np.stack([binary_fill_holes(part) for part in mask])
    return result


def _liver_pieces(mask: BoolArray, place: Float32Array, grid: Geometry) -> BoolArray:
    """The largest part, and others of 20 ml and more that the coarse step was sure of (a lobe behind a fissure)."""
    import cc3d

    parts = cc3d.connected_components(mask, connectivity=6)
    counts = np.bincount(parts.ravel())
    sure = np.bincount(parts[place > 0.9], minlength=len(counts))
    counts[0] = sure[0] = 0
    large = (counts * grid.voxel_volume_ml >= 20.0) & (sure > 0.3 * counts)
    large[counts.argmax()] = counts.any()
    return np.asarray(large[parts])


# How far the outline may lie inside a step, and the least step that is taken for one: fat beside any liver makes a
# larger one, muscle beside an unenhanced liver a smaller one. An ideal border lies halfway down; the lowest of many
# noisy voxels is too low and drawn outlines are tighter, so only the first tenth is followed (phantoms then come out
# about 2 % too small, the one real liver that was drawn about 2 % too large).
_STEP_REACH_MM = 2.5
_STEP_HU = 40.0
_STEP_SHARE = 0.1


def _down_steps(
    mask: BoolArray, density: Float32Array, own_density: Float32Array, allowed: BoolArray, grid: Geometry
) -> BoolArray:
    """Grow an outline by at most `_STEP_REACH_MM` down the step to something less dense.

    A thin layer of fat blurs into the wall or organ behind it, so the mean of what lies outside puts the border too
    far in. The lowest density within reach is that layer's, and growth stops in it before it meets what is behind.
    """
    from scipy.ndimage import binary_dilation, generate_binary_structure, minimum_filter

    size = [2 * max(1, round(1.5 * _STEP_REACH_MM / s)) + 1 for s in grid.spacing_mm]
    lowest = np.maximum(minimum_filter(density, size), -100.0)
    step = own_density - lowest > _STEP_HU
    above = allowed & step & (density > own_density - _STEP_SHARE * (own_density - lowest))
    structure = generate_binary_structure(3, 1)
    for axis, spacing in enumerate(grid.spacing_mm):
        if spacing > _STEP_REACH_MM:
            # A neighbour that is further away than the reach is not next to the outline
            structure[tuple(slice(None) if a == axis else 1 for a in range(3))] = [False, True, False]
    steps = max(1, round(_STEP_REACH_MM / min(grid.spacing_mm)))
    return np.asarray(binary_dilation(mask, structure, iterations=steps, mask=above | mask))


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


def _local_moments(
    values: Float32Array, where: BoolArray, grid: Geometry, window_mm: float
) -> tuple[Float32Array, Float32Array]:
    """Mean and variance of the values inside a mask, within a window around each voxel; NaN where it is empty."""
    from scipy.ndimage import uniform_filter

    size = [max(1, round(window_mm / s)) | 1 for s in grid.spacing_mm]
    weight = where.astype(np.float32)
    count = uniform_filter(weight, size, mode="constant")
    first = uniform_filter(weight * values, size, mode="constant")
    second = uniform_filter(weight * values * values, size, mode="constant")
    empty = count < 1e-3
    count[empty] = np.nan
    mean = first / count
    return mean, second / count - mean * mean
