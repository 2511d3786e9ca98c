"""Uptake as a share of the local step at a lesion's edge: 0 in normal tissue, 1 on the plateau, 0.5 at the edge."""

from __future__ import annotations

import numpy as np

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.spheres import ball
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["EDGE", "edge_height", "surrounding_uptake"]

EDGE = 0.5
"""Height at which a blurred edge truly is: half the step."""

# A step lower than this share of normal uptake is noise: heights are not stretched to it.
_LEAST_STEP_SHARE = 0.2
# The same threshold at the capsule as the segmentation's: uptake 1.2 times normal liver.
_CAPSULE_RATIO = 1.2
_NEAR_MM, _FAR_MM = 8.0, 25.0


def edge_height(
    pet: Volume, normal_uptake: float, config: LesionConfig, *, at_capsule: BoolArray | None = None, fwhm_mm: float
) -> Float32Array:
    """Height of each voxel over normal tissue, as a share of the step to the highest uptake within reach of blur.

    Parameters
    ----------
    pet : Volume
        A part of the PET.
    normal_uptake : float
        Of the tissue around, in the PET's unit.
    config : LesionConfig
        Reach of blur and smoothing; the rule is that of `dotaliver.segmentation.lesions.extents`.
    at_capsule : ndarray of bool, optional
        Voxels so near the liver's border that the other side of an edge there is cold.
    fwhm_mm : float
        Gaussian by which the uptake is smoothed first; 0 for none.

    Returns
    -------
    ndarray of float32
        Of the PET part's shape; `EDGE` at the edge of a lesion.
    """
    from scipy.ndimage import grey_dilation

    grid = pet.geometry
    smooth = gaussian(pet.array, fwhm_mm / FWHM_PER_SIGMA, grid)
    plateau = gaussian(smooth, config.plateau_fwhm_mm / FWHM_PER_SIGMA, grid)
    top = grey_dilation(plateau, footprint=ball(config.blur_reach_mm, grid.spacing_mm))
    step = np.maximum(top - normal_uptake, max(_LEAST_STEP_SHARE * normal_uptake, 1e-6))
    height = (smooth - normal_uptake) / step
    if at_capsule is not None:
        over_cold = np.minimum(
            smooth / np.maximum(top, 1e-6), EDGE * smooth / max(_CAPSULE_RATIO * normal_uptake, 1e-6)
        )
        height = np.where(at_capsule, np.maximum(height, over_cold), height)
    return np.asarray(height, dtype=np.float32)


def surrounding_uptake(pet: Volume, region: BoolArray, taken: BoolArray) -> float:
    """Median uptake around a region, without other lesions and what is hot itself; 0 where nothing is left.

    Parameters
    ----------
    pet : Volume
        A part of the PET, with some 25 mm around the region.
    region : ndarray of bool
        The lesion, or the place that was clicked.
    taken : ndarray of bool
        Voxels of other lesions.
    """
    from edt import edt

    if not region.any():
        return 0.0
    outside = np.ascontiguousarray(~region).view(np.uint8)
    distance = np.asarray(edt(outside, anisotropy=pet.geometry.spacing_mm, black_border=False))
    top = float(pet.array[region].max())
    around = (distance > _NEAR_MM) & (distance <= _FAR_MM) & ~taken & (pet.array < 0.5 * top)
    return float(np.median(pet.array[around])) if around.any() else 0.0
