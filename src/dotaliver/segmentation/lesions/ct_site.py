"""What lies around one lesion on CT: density, where the uptake falls, where other lesions and the liver's end are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import Float32Array, distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.morphology import filled_in_slices
from dotaliver.image.volume import BoolArray, Volume, used_box

__all__ = ["NotSeenError", "Site", "grain_mm3", "largest_part", "middle_and_noise", "site_of"]

# Density beyond these is metal, bone or air, and not to be smeared over its neighbours.
_HU_RANGE = (-60.0, 260.0)
# Grain of CT noise in the plane, FWHM: what filtered back projection leaves.
_CT_GRAIN_MM = 1.5
# SD of a normal distribution over its median absolute deviation.
_SD_PER_MAD = 1.4826
# Densities farther from the middle than this are vessels or lesions, in SDs: for the middle itself, and for texture.
_VESSEL_SD, _TEXTURE_SD = 2.5, 3.0
# A CT without noise would make every step infinitely sure, in HU.
_LEAST_NOISE_HU = 1.0
# Fat near the liver's edge takes half of what it blurs into.
_BLURRED_SHARE = 0.5
# A broad mean counts where liver fills this part of it; from fewer places its spread is not read but assumed, as a
# share of the noise, and the grain is at most this share of the volume of the mean.
_MEAN_FILLED, _LEAST_MEANS, _ASSUMED_SHARE, _MOST_GRAIN_SHARE = 0.6, 50, 0.4, 0.5


class NotSeenError(Exception):
    """Carries the reason why one lesion has no outline; never leaves the search for outlines."""


@dataclass(frozen=True, eq=False)
class Site:
    """One lesion's surroundings on the CT's grid."""

    grid: Geometry
    hu: Float32Array
    """Lightly smoothed."""
    uptake: BoolArray
    """Where the PET's outline falls, its largest part."""
    beyond_liver: Float32Array
    """Share that lies outside the liver or is fat at its edge, 0 to 1."""
    foreign: Float32Array
    """Share that lies nearer to another lesion, 0 to 1."""
    field: BoolArray
    """Where the outline may run."""
    liver_hu: float
    noise_hu: float
    """SD of the smoothed density of the liver around."""
    white_grain_mm3: float
    """Volume over which noise is one, if it were that of the CT alone."""
    grain_mm3: float
    """The same with the liver's own texture."""

    @cached_property
    def centre(self) -> FloatArray:
        """Middle of the uptake, in voxels."""
        return np.asarray(self._voxels.mean(axis=0))

    @cached_property
    def extent_mm(self) -> float:
        """Greatest distance of the uptake from its middle."""
        offsets = (self._voxels - self.centre) * np.asarray(self.grid.spacing_mm)
        return float(np.linalg.norm(offsets, axis=1).max())

    @cached_property
    def _voxels(self) -> npt.NDArray[np.intp]:
        """Indices of the uptake's voxels."""
        return np.argwhere(self.uptake)


def site_of(ct: Volume, placed: npt.NDArray[np.integer], liver: BoolArray, label: int, config: CtLesionConfig) -> Site:
    """Look at a lesion's surroundings.

    Raises
    ------
    NotSeenError
        Where there is too little liver around it.
    """
    grid = ct.geometry
    spacing = grid.spacing_mm
    own, others = placed == label, (placed != 0) & (placed != label)
    uptake = filled_in_slices(largest_part(own))
    outside = distance_to_mm(uptake, spacing)
    other = distance_to_mm(others, spacing)
    whole = bool(liver.all())
    near, far = config.surroundings_mm
    begin, width = config.liver_edge_mm
    if whole:
        depth, off = np.full(liver.shape, np.inf, np.float32), np.zeros(liver.shape, np.float32)
    else:
        # Deeper in the liver and farther off it, nothing changes any more
        depth = distance_inside_mm(liver, spacing, within_mm=max(config.capsule_mm, config.fat_depth_mm))
        off = distance_to_mm(liver, spacing, within_mm=begin + width)
    around = (depth > config.capsule_mm) & (outside > near) & (outside <= far) & (other > near)
    if np.count_nonzero(around) * grid.voxel_volume_ml < config.least_parenchyma_ml:
        msg = "there is too little liver around it to compare it with"
        raise NotSeenError(msg)
    hu = gaussian(np.clip(ct.array, *_HU_RANGE).astype(np.float32), config.smooth_fwhm_mm / FWHM_PER_SIGMA, grid)
    liver_hu, noise_hu = middle_and_noise(hu[around])
    beyond = np.clip((off - begin) / width, 0, 1).astype(np.float32)
    if not whole:
        fat = (depth < config.fat_depth_mm) & (hu < liver_hu - config.fat_hu_below)
        blurred = distance_to_mm(fat, spacing, within_mm=config.fat_blur_mm) <= config.fat_blur_mm
        beyond = np.where(fat, 1.0, np.where(blurred, np.maximum(beyond, _BLURRED_SHARE), beyond)).astype(np.float32)
    foreign = np.zeros(liver.shape, np.float32)
    if others.any():
        foreign = np.clip((outside - other) / config.shared_border_mm + 0.5, 0, 1).astype(np.float32)
    white, grain = grain_mm3(hu, around, (liver_hu, noise_hu), grid, config)
    field = (outside <= other) & (off < begin)
    return Site(grid, hu, uptake, beyond, foreign, np.asarray(field), liver_hu, noise_hu, white, grain)


def largest_part(mask: BoolArray) -> BoolArray:
    """The largest connected part of a mask; of none, the empty mask."""
    import cc3d

    box = used_box(mask)
    if box is None:
        return mask
    own = mask[box]
    parts = cc3d.connected_components(own, connectivity=18)
    largest = np.zeros_like(mask)
    largest[box] = parts == 1 + np.bincount(parts[own])[1:].argmax()
    return largest


def middle_and_noise(hu: Float32Array) -> tuple[float, float]:
    """Median without vessels, and SD from the median absolute deviation."""
    middle = float(np.median(hu))
    noise = max(_SD_PER_MAD * float(np.median(np.abs(hu - middle))), _LEAST_NOISE_HU)
    return float(np.median(hu[np.abs(hu - middle) < _VESSEL_SD * noise])), noise


def grain_mm3(
    hu: Float32Array, around: BoolArray, levels: tuple[float, float], grid: Geometry, config: CtLesionConfig
) -> tuple[float, float]:
    """Volume over which noise is one: of the CT's noise alone, and with texture that a broad mean does not remove.

    The mean of Gaussian weights of SD s varies by the noise's SD times the root of grain over (4π)^1.5 s³.
    """
    liver_hu, noise_hu = levels
    in_plane = np.hypot(config.smooth_fwhm_mm, _CT_GRAIN_MM) / FWHM_PER_SIGMA
    white = 4 * np.pi * in_plane**2 * grid.spacing_mm[0]
    sigma = config.texture_fwhm_mm / FWHM_PER_SIGMA
    # A Gaussian narrower than a slice averages over one slice.
    broad = (4 * np.pi) ** 1.5 * sigma**2 * max(sigma, grid.spacing_mm[0] / np.sqrt(4 * np.pi))
    # A broad mean needs no finer pixels than the smoothed noise has grains.
    thin = tuple(slice(None, None, max(int(config.smooth_fwhm_mm / s), 1)) for s in grid.spacing_mm)
    hu, around = hu[thin], around[thin]
    spacing = tuple(s * part.step for s, part in zip(grid.spacing_mm, thin, strict=True))
    grid = replace(grid, shape=hu.shape, spacing_mm=(spacing[0], spacing[1], spacing[2]))
    kept = around & (np.abs(hu - liver_hu) < _TEXTURE_SD * noise_hu)
    weight = gaussian(kept.astype(np.float32), sigma, grid)
    mean = gaussian(np.where(kept, hu - liver_hu, 0).astype(np.float32), sigma, grid)
    inner = around & (weight > _MEAN_FILLED)
    varies = _ASSUMED_SHARE * noise_hu
    if np.count_nonzero(inner) > _LEAST_MEANS:
        varies = float(np.std((mean[inner] / weight[inner]).astype(np.float64)))
    grain = float(np.clip(broad * (varies / noise_hu) ** 2, white, _MOST_GRAIN_SHARE * broad))
    return white * config.grain_factor, grain * config.grain_factor
