"""The tissue around a lesion outside the liver on CT, against which its border shows: lung, fat or other soft tissue.

A node in fat or a nodule in lung differs from what surrounds it by 100 HU and more; what it touches besides (a vessel,
muscle, bowel) is as dense as the lesion, and its border does not show there. So the density of the surroundings is read
in the tissue that shows the border, and not in all that lies around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dotaliver.config.body_ct import BodyCtConfig
from dotaliver.image.distance import Float32Array, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.morphology import filled_in_slices
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.body.ct_region import soft_tissue_in, structure_of
from dotaliver.segmentation.lesions.ct_site import NotSeenError, Site, grain_mm3, largest_part, middle_and_noise

__all__ = ["HOST_WORDS", "Host", "host_of", "site_in_host"]

Host = Literal["lung", "fat", "soft_tissue"]

HOST_WORDS: dict[Host, str] = {"lung": "the lung", "fat": "the fat", "soft_tissue": "the soft tissue"}

# Density beyond these is metal, bone, calcium or gas, and not to be smeared over its neighbours.
_HU_RANGE: dict[Host, tuple[float, float]] = {
    "lung": (-1000.0, 160.0),
    "fat": (-160.0, 160.0),
    "soft_tissue": (-60.0, 220.0),
}
# A place next to bone or gas takes half of its density by blur.
_BLURRED_SHARE = 0.5
_LUNG_HU, _FAT_HU, _SOFT_HU = (-1000.0, -550.0), (-150.0, -50.0), (-20.0, 160.0)
_BONE_HU, _GAS_HU = 200.0, -250.0


@dataclass(frozen=True, eq=False)
class _Around:
    """Distances from the lesion and from what is known beside it, in mm, and the shell that surrounds it."""

    uptake: BoolArray
    outside: Float32Array
    other: Float32Array
    shell: BoolArray


def host_of(hu: npt.NDArray[np.number], shell: BoolArray, config: BodyCtConfig) -> Host:
    """Which tissue of a shell around a lesion shows its border: lung or fat where enough of the shell is, else soft."""
    around = hu[shell]
    if not around.size:
        return "soft_tissue"
    if float(_in_range(around, _LUNG_HU).mean()) >= config.least_lung_share:
        return "lung"
    return "fat" if float(_in_range(around, _FAT_HU).mean()) >= config.least_fat_share else "soft_tissue"


def site_in_host(
    ct: Volume, placed: npt.NDArray[np.integer], occupied: BoolArray, label: int, config: BodyCtConfig
) -> tuple[Site, Host]:
    """Look at the surroundings of a lesion outside the liver.

    Parameters
    ----------
    ct : Volume
        The part of the CT around the lesion, in HU.
    placed : ndarray
        Lesions and candidates outside the liver where their uptake falls, by label.
    occupied : ndarray of bool
        The liver with its lesions.
    label : int
        The lesion.
    config : BodyCtConfig
        What counts as lung or fat around it.

    Raises
    ------
    NotSeenError
        Where nothing of it lies on this part, or too little of one tissue surrounds it.
    """
    own = placed == label
    if not own.any():
        msg = "its place lies outside the CT"
        raise NotSeenError(msg)
    fit, grid = config.fitting, ct.geometry
    around = _around(own, occupied | ((placed != 0) & ~own), ct, config)
    host = host_of(ct.array, around.shell, config)
    limits = {"lung": _LUNG_HU, "fat": _FAT_HU, "soft_tissue": _SOFT_HU}[host]
    surroundings = around.shell & _in_range(ct.array, limits)
    if np.count_nonzero(surroundings) * grid.voxel_volume_ml < config.least_host_ml:
        msg = f"there is too little of {HOST_WORDS[host]} around it to compare it with"
        raise NotSeenError(msg)
    clipped = np.clip(ct.array, *_HU_RANGE[host]).astype(np.float32)
    hu = gaussian(clipped, fit.smooth_fwhm_mm / FWHM_PER_SIGMA, grid)
    middle, noise = middle_and_noise(hu[surroundings])
    noise = max(noise, config.least_noise_hu[host])
    white, grain = grain_mm3(hu, surroundings, (middle, noise), grid, fit)
    foreign = np.zeros(own.shape, np.float32)
    if np.isfinite(around.other).any():
        foreign = np.clip((around.outside - around.other) / fit.shared_border_mm + 0.5, 0, 1).astype(np.float32)
    beyond, start = _beyond(ct, host, around.uptake, fit.fat_blur_mm), around.uptake
    field = np.asarray(around.outside <= around.other)
    if host != "soft_tissue":
        soft = soft_tissue_in(hu, middle, start, config, host) & (beyond < 1) & field
        start = structure_of(soft, start, grid, config)
        foreign[soft & ~start] = 1.0
        field &= ~soft | start
    return Site(grid, hu, start, beyond, foreign, field, middle, noise, white, grain), host


def _around(own: BoolArray, others: BoolArray, ct: Volume, config: BodyCtConfig) -> _Around:
    spacing = ct.geometry.spacing_mm
    uptake = filled_in_slices(largest_part(own))
    outside, other = distance_to_mm(uptake, spacing), distance_to_mm(others, spacing)
    near, far = config.fitting.surroundings_mm
    return _Around(uptake, outside, other, (outside > near) & (outside <= far) & (other > near))


def _in_range(hu: npt.NDArray[np.number], limits: tuple[float, float]) -> BoolArray:
    return np.asarray((hu >= limits[0]) & (hu <= limits[1]))


def _beyond(ct: Volume, host: Host, uptake: BoolArray, blur_mm: float) -> Float32Array:
    """Share of each place that no lesion of soft tissue fills: bone, and gas where lung is not the host."""
    not_soft = ct.array > _BONE_HU
    if host != "lung":
        not_soft = not_soft | (ct.array < _GAS_HU)
    not_soft = _not_within(not_soft, uptake)
    if not not_soft.any():
        return np.zeros(not_soft.shape, np.float32)
    blurred = distance_to_mm(not_soft, ct.geometry.spacing_mm, within_mm=blur_mm) <= blur_mm
    return np.where(not_soft, 1.0, np.where(blurred, _BLURRED_SHARE, 0.0)).astype(np.float32)


def _not_within(mask: BoolArray, uptake: BoolArray) -> BoolArray:
    """The parts of a mask that do not lie wholly within the uptake: calcium of a lesion belongs to it."""
    import cc3d

    if not mask.any():
        return mask
    parts = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=6)
    outside = np.unique(parts[mask & ~uptake])
    return np.asarray(np.isin(parts, outside[outside > 0]))
