"""Probability of liver from each voxel's own uptake and density, before its neighbours are asked."""

from __future__ import annotations

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.filters import box_mean
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.parenchyma import NormalLiver

__all__ = ["NEIGHBOURHOOD_MM", "TOP_BIAS", "prior_probability"]

# The highest of about thirty neighbours with 5 to 7 % noise is a tenth above their mean.
TOP_BIAS = 0.9
NEIGHBOURHOOD_MM = 8.0
# The half level between liver and background of a tenth of its uptake.
_USUAL_LEVEL_RATIO = 0.55
_NEAR_LESION_RATIO = 1.5
_TRUST_NEAR_LESION = 0.5
_PRIOR_FLOOR_RATIO = 0.004
_LARGEST_PRIOR_LOGIT = 4.0
# Uptake alone, however high, is no better evidence than this: kidneys and spleen are hot too.
_HOT_RATIO = 1.3
_LARGEST_HOT_LOGIT = 2.0
_LESION_LIKE_RATIO = 1.4
_DENSITY_SDS = 2.5
_USUAL_SD_HU = 8.0
_LEAST_SCALE_HU = 15.0
_LESION_SCALE_BELOW_HU = 40.0
_LESION_SCALE_ABOVE_HU = 30.0
_DENSITY_WEIGHT = 1.5
_LEAST_DENSITY_LOGIT = -4.0
# Weight of a voxel's own density against the mean over 12 mm: its noise is four times as high, its place exact.
_OWN_SHARE = 0.5


def prior_probability(
    images: CoarseImages,
    liver: NormalLiver,
    uptake: Float32Array,
    smooth: Float32Array,
    thin: BoolArray,
    config: LiverConfig,
) -> Float32Array:
    """Probability of liver from a voxel's own values: uptake above half the step around it, density like liver.

    The border of a blurred step lies at half its height. Next to a hot lesion that half lies far above normal
    liver, so the level follows the highest and lowest uptake within 8 mm wherever one of them is clearly cold.

    Parameters
    ----------
    images : CoarseImages
        For the density.
    liver : NormalLiver
        Uptake and density of this patient's normal liver.
    uptake, smooth : ndarray
        Uptake in the CT's position, and its mean over 12 mm.
    thin : ndarray of bool
        Parts of the liver so thin that the mean density over 12 mm holds fat or lung around them. There the voxel's own
        density counts where it is nearer to that of the liver.
    config : LiverConfig
        Scales.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    normal = liver.uptake
    size = 2 * max(1, round(NEIGHBOURHOOD_MM / images.spacing_mm)) + 1
    highest, lowest = maximum_filter(smooth, size), minimum_filter(smooth, size)
    half = 0.5 * (np.maximum(TOP_BIAS * highest, normal) + lowest)
    level = np.where(lowest < config.cold_share * normal, half, _USUAL_LEVEL_RATIO * normal)
    # Normal parenchyma may lie between a nearby lesion and the border: the level counts half there.
    trust = np.where(highest > _NEAR_LESION_RATIO * normal, _TRUST_NEAR_LESION, 1.0)
    log_ratio = np.log(np.maximum(uptake, _PRIOR_FLOOR_RATIO * normal) / level)
    logit = np.clip(trust * log_ratio / config.prior_log_scale, -_LARGEST_PRIOR_LOGIT, _LARGEST_PRIOR_LOGIT)
    if images.hu is not None and liver.hu is not None:
        logit = np.where(uptake > _HOT_RATIO * normal, np.minimum(logit, _LARGEST_HOT_LOGIT), logit)
        mean = box_mean(images.hu)
        nearer = thin & (np.abs(images.hu - liver.hu) < np.abs(mean - liver.hu))
        # At a border the mean holds what lies outside, so that a voxel of liver there would pass for something else
        mean = np.where(nearer, images.hu, _OWN_SHARE * images.hu + (1 - _OWN_SHARE) * mean)
        below, above = np.clip(liver.hu - mean, 0.0, None), np.clip(mean - liver.hu, 0.0, None)
        # Lesions may be less or more dense than liver; tissue with normal uptake must have normal density too.
        # Above half of the step as well: outside it, blur from tumour makes muscle as warm.
        lesion_like = (smooth > _LESION_LIKE_RATIO * normal) & (smooth > level)
        tight = max(_DENSITY_SDS * (liver.hu_sd or _USUAL_SD_HU), _LEAST_SCALE_HU)
        scale_below = np.where(lesion_like, _LESION_SCALE_BELOW_HU, tight)
        scale_above = np.where(lesion_like, _LESION_SCALE_ABOVE_HU, tight)
        density = 1.0 - (below / scale_below) ** 2 - (above / scale_above) ** 2
        logit = logit + _DENSITY_WEIGHT * np.clip(density, _LEAST_DENSITY_LOGIT, 1.0)
    return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float32)
