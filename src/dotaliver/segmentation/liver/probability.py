"""Probability of liver on the coarse grid: grown on CT and PET together against the liver's neighbours.

Seeds of the liver and of everything else compete in a random walk over both images, so that a leak stops at a
neighbour's seed rather than at a threshold.
"""

from __future__ import annotations

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import dilated, eroded
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.liver.deposits import without_deposits, without_enclosed_deposits
from dotaliver.segmentation.liver.enclosed import enclosed_cores
from dotaliver.segmentation.liver.parts import liver_parts
from dotaliver.segmentation.liver.prior import NEIGHBOURHOOD_MM, TOP_BIAS, prior_probability
from dotaliver.segmentation.liver.random_walk import Feature, random_walk
from dotaliver.segmentation.organs.kidneys import find_kidneys
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import find_spleen_like, warm_parts

__all__ = ["liver_probability"]

# Seeds of the background keep this distance from warm tissue: blur reaches about one FWHM.
_COLD_MARGIN_MM = 8.0
# Uptake of broad tumour is the mean of the warm tissue within this reach. Steps of uptake under this share of its half
# are blur.
_BROAD_REACH_MM = 14.0
_SPILL_FLOOR = 0.3
# The most that cold tissue next to it takes up, over normal uptake.
_COLD_NEXT_TO_TUMOUR = 0.75
# Keeps the mean finite where no liver is near.
_LEAST_AMOUNT = 1e-3
# Soft tissue that is neither liver nor its blurred border: uptake is flat over 12 mm, and clearly below the liver's.
_FLAT_RANGE_RATIO = 0.3
_LUKEWARM_RATIO = 0.7
# Below this share of normal uptake the log of uptake follows noise.
_LEAST_UPTAKE_RATIO = 0.1

# A mean over 12 mm of tissue that is thinner than this depends on what lies around it.
_THIN_MM = 16.0

# A kidney with contrast agent; up to this share of the step to it is liver, with blur and noise; the least mean over
# 12 mm, against liver, of a place without fat.
_KIDNEY_DENSER_HU, _LIKE_LIVER_SHARE, _NO_FAT_NEAR_HU = 25.0, 0.4, 15.0

# Necrosis is darker than liver, and has no fat. What encloses it takes up more than normal liver, beyond its noise.
_CORE_HU_ABOVE, _CORE_HU_BELOW_LIVER = 0.0, 10.0
_AVID_RATIO = 1.3
# Enough for the outline on CT to decide by density.
_CORE_PROBABILITY = 0.95


def liver_probability(
    images: CoarseImages,
    around: Surroundings,
    core: LiverCore,
    uptake: Float32Array,
    config: LiverConfig,
    seen_kidneys: BoolArray | None = None,
) -> tuple[Float32Array, BoolArray]:
    """Probability of liver on the coarse grid, and the kidneys.

    Parameters
    ----------
    images, around, core
        From the steps before.
    uptake : ndarray
        Uptake brought to the CT's position.
    config : LiverConfig
        Seeds, scales and weights.
    seen_kidneys : ndarray of bool, optional
        Kidneys found at another position of the PET. They count where fewer are found now.
    """
    smooth = box_mean(uptake)
    images = without_enclosed_deposits(images, around, core, smooth)
    liver_hu = 0.0 if core.normal.hu is None else core.normal.hu
    kidneys = find_kidneys(images, around, uptake, liver_hu, core.normal.uptake)
    if seen_kidneys is not None and np.count_nonzero(seen_kidneys) > np.count_nonzero(kidneys):
        kidneys = seen_kidneys
    found_kidneys, kidneys = kidneys, _without_liver_at_rim(images, kidneys, core)
    images, around = without_deposits(images, around, core, smooth)
    spleen = find_spleen_like(images, around, smooth, core.normal.uptake)
    warm = around.soft & (smooth > config.warm_share * core.normal.uptake) & ~dilated(kidneys | spleen)
    parts = warm_parts(warm, images.spacing_mm)
    parts, chosen = liver_parts(images, around, core, parts, smooth, spleen)
    in_chosen = np.isin(parts.labels, sorted(chosen))
    half = _half_of_nearby(images, warm & in_chosen, smooth, core, config)
    inside = in_chosen & (parts.depth_mm > config.seed_depth_mm) & ~kidneys
    inside &= distance_inside_mm(warm & (smooth > half), (images.spacing_mm,) * 3) > config.seed_depth_mm
    inside &= _looks_like_liver(images, core, config)
    others = (parts.labels > 0) & ~in_chosen & (parts.depth_mm > config.neighbour_depth_mm)
    background = others | kidneys | spleen | _never_liver(images, around, config)
    background |= _cold(images, around, core, smooth, half, config) | _lukewarm(around, core, smooth)
    background &= ~inside
    reach = max(1, round(config.reach_mm / images.spacing_mm))
    region = (dilated(in_chosen, times=reach) & around.body) | inside
    floor = np.maximum(_LEAST_UPTAKE_RATIO * core.normal.uptake, _SPILL_FLOOR * half)
    features = [Feature(np.log(np.maximum(uptake, floor)), config.uptake_log_scale)]
    if images.hu is not None:
        features.append(Feature(images.hu, config.hu_scale))
    thin = _thin(in_chosen & (smooth > half), images.spacing_mm)
    prior = prior_probability(images, core.normal, uptake, smooth, thin, config)
    probability = random_walk(region, inside & region, background & region, features, prior, config.prior_weight)
    never = others | kidneys | spleen | _never_liver(images, around, config)
    return _with_cores(images, core, probability, smooth, around.soft & ~never), found_kidneys


def _without_liver_at_rim(images: CoarseImages, kidneys: BoolArray, core: LiverCore) -> BoolArray:
    """The kidneys without rim that is as dense as liver, where they are clearly denser: seeds must be kidney alone.

    A kidney's hot rim blurs into the liver next to it, and its mirror image is not exact. Where fat is near, such a
    density is a mixture of kidney and fat.
    """
    if images.hu is None or core.normal.hu is None or not kidneys.any():
        return kidneys
    difference_hu = float(np.median(images.hu[kidneys])) - core.normal.hu
    if difference_hu < _KIDNEY_DENSER_HU:
        return kidneys
    like_liver = images.hu < core.normal.hu + _LIKE_LIVER_SHARE * difference_hu
    like_liver &= box_mean(images.hu) > core.normal.hu - _NO_FAT_NEAR_HU
    return np.asarray(kidneys & (eroded(kidneys) | ~like_liver))


def _with_cores(
    images: CoarseImages, core: LiverCore, probability: Float32Array, smooth: Float32Array, possible: BoolArray
) -> Float32Array:
    """The probability with cores of tumour that take up nothing: less dense than liver, no fat, and enclosed."""
    if images.hu is None or core.normal.hu is None:
        return probability
    mean_hu = box_mean(images.hu)
    possible = possible & (mean_hu > _CORE_HU_ABOVE) & (mean_hu < core.normal.hu - _CORE_HU_BELOW_LIVER)
    liver = probability > 0.5
    cores = enclosed_cores(
        liver, liver & (smooth > _AVID_RATIO * core.normal.uptake), possible, (images.spacing_mm,) * 3
    )
    return np.where(cores, np.maximum(probability, np.float32(_CORE_PROBABILITY)), probability)


def _thin(warm: BoolArray, spacing_mm: float) -> BoolArray:
    """Parts of the liver by uptake that hold no ball of `_THIN_MM`, such as a flat left lobe."""
    radius = max(1, round(_THIN_MM / 2 / spacing_mm))
    return np.asarray(warm & ~dilated(eroded(warm, times=radius), times=radius))


def _looks_like_liver(images: CoarseImages, core: LiverCore, config: LiverConfig) -> BoolArray:
    if images.hu is None or core.normal.hu is None:
        return np.ones(images.geometry.shape, dtype=bool)
    mean = box_mean(images.hu)
    return np.asarray(
        (mean > core.normal.hu - config.lesion_hu_below) & (mean < core.normal.hu + config.lesion_hu_above)
    )


def _half_of_nearby(
    images: CoarseImages, liver: BoolArray, smooth: Float32Array, core: LiverCore, config: LiverConfig
) -> Float32Array:
    """Half of the uptake of the warm liver nearby, at least half of normal uptake.

    The border of a blurred step lies at half its height. With broad tumour of five times normal uptake inside, half of
    normal uptake lies 6 mm outside. Small foci hardly raise the mean: parenchyma between them and the border stays.
    """
    from scipy.ndimage import maximum_filter, uniform_filter

    size = 2 * round(_BROAD_REACH_MM / images.spacing_mm) + 1
    amount = uniform_filter(liver.astype(np.float32), size)
    uptake = uniform_filter(np.where(liver, smooth, 0.0).astype(np.float32), size) / np.maximum(amount, _LEAST_AMOUNT)
    near = 2 * max(1, round(NEIGHBOURHOOD_MM / images.spacing_mm)) + 1
    nearby = np.minimum(uptake, TOP_BIAS * maximum_filter(smooth, near))
    return np.asarray(config.warm_share * np.maximum(nearby, core.normal.uptake), dtype=np.float32)


def _cold(
    images: CoarseImages,
    around: Surroundings,
    core: LiverCore,
    smooth: Float32Array,
    half: Float32Array,
    config: LiverConfig,
) -> BoolArray:
    """Tissue of clearly less uptake than the liver nearby, out of the reach of blur."""
    step = max(1, round(_COLD_MARGIN_MM / images.spacing_mm))
    least = np.minimum(config.cold_share / config.warm_share * half, _COLD_NEXT_TO_TUMOUR * core.normal.uptake)
    return np.asarray(around.body & (smooth < least) & ~dilated(smooth > half, times=step))


def _never_liver(images: CoarseImages, around: Surroundings, config: LiverConfig) -> BoolArray:
    """Air, lung, fat, bone, and what lies outside the body."""
    never = ~around.body | around.lungs
    if images.hu is not None:
        never |= (images.hu < config.fat_hu) | (images.hu > config.bone_hu)
    return np.asarray(never)


def _lukewarm(around: Surroundings, core: LiverCore, smooth: Float32Array) -> BoolArray:
    """Soft tissue of level uptake, clearly below the liver's: stomach, bowel or blood, not a blurred border."""
    from scipy.ndimage import maximum_filter, minimum_filter

    flat = maximum_filter(smooth, 3) - minimum_filter(smooth, 3) < _FLAT_RANGE_RATIO * core.normal.uptake
    return np.asarray(around.soft & flat & (smooth < _LUKEWARM_RATIO * core.normal.uptake))
