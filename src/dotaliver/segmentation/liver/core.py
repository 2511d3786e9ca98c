"""Find the liver: the broadest warm organ, grown on CT and PET together against its neighbours.

On the coarse grid, the deepest point of warm soft tissue on the right lies in the liver, whatever its shape; uptake and
density around it are those of this patient's liver. Seeds of the liver and of everything else then compete in a random
walk over both images, so that a leak stops at a neighbour's seed rather than at a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import box_mean
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.parenchyma import NormalLiver, background_uptake, normal_liver
from dotaliver.segmentation.liver.random_walk import Feature, random_walk
from dotaliver.segmentation.organs.kidneys import find_kidneys
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import WarmParts, find_spleen_like, warm_parts

__all__ = ["LiverCore", "find_core", "liver_probability"]

# Reading normal uptake around the core: bowel lies further down, the spleen further left.
_BELOW_CORE_MM = 60.0
_LEFT_OF_SPINE_MM = 60.0

# Calcium and embolic agent: denser than any organ with contrast agent but vessels and the renal cortex. Bone and
# vessels are as dense but cold; deposits in tumour take up nearly as much as liver, or more.
_DEPOSIT_HU = 220.0
_DEPOSIT_UPTAKE_RATIO = 0.8

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

# A fissure divides the lobes by up to 12 mm of fat and vessels: parts that face each other across it touch.
_FISSURE_MM = 12.0
_LEAST_FACING_CM2 = 1.5

# Which warm parts belong to the liver, see `_belongs`. Ratios are over normal uptake, densities from normal liver's.
_HALF_LIVER_HEIGHT_MM = 200.0
_IN_FRONT_MM = 15.0
_BEHIND_MM = 60.0
_NORMAL_RATIO = (0.75, 1.35)
_NORMAL_HU = 12.0
_TUMOUR_HU = (-60.0, 30.0)
_LARGER_THAN_A_KIDNEY_ML = 300.0
_LARGER_THAN_BOWEL_ML = 100.0
_MIDLINE_MM = 20.0
_LEFT_LOBE_MM = 130.0
_RIGHT_LOBE_MM = -30.0
_TUMOUR_LEFT_LOBE_MM = 80.0
_TUMOUR_BELOW_CORE_MM = 60.0
_SHARED_SURFACE_IN_FRONT = 0.1
_SHARED_SURFACE_BEHIND = 0.25

# The prior. The highest of about thirty neighbours with 5 to 7 % noise is a tenth above their mean.
_TOP_BIAS = 0.9
_NEIGHBOURHOOD_MM = 8.0
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


@dataclass(frozen=True)
class LiverCore:
    """The deepest part of the liver, this patient's normal liver, and the uptake that counts as warm."""

    seed: tuple[int, int, int]
    normal: NormalLiver
    warm_uptake: float


def find_core(images: CoarseImages, around: Surroundings, config: LiverConfig) -> LiverCore | None:
    """Find the liver's core; None where no warm organ on the right is broad enough."""
    import cc3d
    from scipy.ndimage import binary_dilation

    background = background_uptake(images)
    if background <= 0:
        return None
    smooth = box_mean(images.uptake)
    spacing = (images.spacing_mm,) * 3
    for ratio in config.warm_ratios:
        warm = around.soft & (smooth > ratio * background)
        depth = distance_inside_mm(warm, spacing)
        on_right = np.where(around.right, depth, 0.0)
        seed = tuple(int(n) for n in np.unravel_index(int(on_right.argmax()), depth.shape))
        if on_right[seed] >= config.core_radius_mm:
            break
    else:
        return None
    # Connected deep inside only: bowel and kidney are joined to the liver by thin bridges at most.
    parts = cc3d.connected_components(depth > config.core_depth_mm, connectivity=6)
    region = binary_dilation(parts == parts[seed], iterations=2) & (depth > images.spacing_mm)
    region &= _upper_abdomen(images, around, seed)
    normal = normal_liver(images, images.uptake, region, background, config)
    return LiverCore((seed[0], seed[1], seed[2]), normal, ratio * background)


def _upper_abdomen(images: CoarseImages, around: Surroundings, seed: tuple[int, ...]) -> BoolArray:
    """The region without bowel and spleen, which may be connected to the liver, to measure the liver's uptake."""
    height = (np.arange(images.geometry.shape[0]) - seed[0])[:, None, None] * images.spacing_mm
    return np.asarray((height > -_BELOW_CORE_MM) & (around.lateral_mm < _LEFT_OF_SPINE_MM)[None, None, :])


def liver_probability(
    images: CoarseImages, around: Surroundings, core: LiverCore, uptake: Float32Array, config: LiverConfig
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
    """
    from scipy.ndimage import binary_dilation

    smooth = box_mean(uptake)
    liver_hu = 0.0 if core.normal.hu is None else core.normal.hu
    kidneys = find_kidneys(images, around, uptake, liver_hu, core.normal.uptake)
    images, around = _without_deposits(images, around, core, smooth)
    spleen = find_spleen_like(images, around, smooth, core.normal.uptake)
    warm = around.soft & (smooth > config.warm_share * core.normal.uptake) & ~binary_dilation(kidneys | spleen)
    parts = warm_parts(warm, images.spacing_mm)
    chosen = _liver_parts(images, around, core, parts, smooth)
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
    region = (binary_dilation(in_chosen, iterations=reach) & around.body) | inside
    floor = np.maximum(_LEAST_UPTAKE_RATIO * core.normal.uptake, _SPILL_FLOOR * half)
    features = [Feature(np.log(np.maximum(uptake, floor)), config.uptake_log_scale)]
    if images.hu is not None:
        features.append(Feature(images.hu, config.hu_scale))
    prior = _prior(images, core, uptake, smooth, config)
    probability = random_walk(region, inside & region, background & region, features, prior, config.prior_weight)
    return probability, kidneys


def _without_deposits(
    images: CoarseImages, around: Surroundings, core: LiverCore, smooth: Float32Array
) -> tuple[CoarseImages, Surroundings]:
    """The images with calcium and embolic agent in the liver's tumours given the density of liver."""
    if images.hu is None or core.normal.hu is None:
        return images, around
    deposits = around.body & (images.hu > _DEPOSIT_HU) & (smooth > _DEPOSIT_UPTAKE_RATIO * core.normal.uptake)
    hu = np.where(deposits, np.float32(core.normal.hu), images.hu)
    return replace(images, hu=hu), replace(around, soft=around.soft | deposits)


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
    near = 2 * max(1, round(_NEIGHBOURHOOD_MM / images.spacing_mm)) + 1
    nearby = np.minimum(uptake, _TOP_BIAS * maximum_filter(smooth, near))
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
    from scipy.ndimage import binary_dilation

    step = max(1, round(_COLD_MARGIN_MM / images.spacing_mm))
    least = np.minimum(config.cold_share / config.warm_share * half, _COLD_NEXT_TO_TUMOUR * core.normal.uptake)
    return np.asarray(around.body & (smooth < least) & ~binary_dilation(smooth > half, iterations=step))


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


def _liver_parts(
    images: CoarseImages, around: Surroundings, core: LiverCore, parts: WarmParts, smooth: Float32Array
) -> set[int]:
    """The part that holds the core, and the parts that face it broadly and look like liver or tumour."""
    from scipy.ndimage import binary_dilation

    on_right = np.where(around.right, parts.depth_mm, 0.0)
    first = int(parts.labels[core.seed]) or int(parts.labels[np.unravel_index(int(on_right.argmax()), on_right.shape)])
    chosen, grown = {first}, True
    reach = max(1, round(_FISSURE_MM / images.spacing_mm))
    face_cm2 = images.spacing_mm**2 / 100.0
    while grown:
        current = np.isin(parts.labels, sorted(chosen))
        near = np.bincount(parts.labels[binary_dilation(current, iterations=reach) & ~current])
        touching = np.bincount(parts.labels[binary_dilation(current) & ~current], minlength=len(near))
        new = {
            int(part)
            for part in np.flatnonzero(near * face_cm2 / reach > _LEAST_FACING_CM2)
            if part and part not in chosen
            if _belongs(images, around, core, parts.labels == part, smooth, float(touching[part] * face_cm2))
        }
        chosen |= new
        grown = bool(new)
    return chosen


def _belongs(
    images: CoarseImages,
    around: Surroundings,
    core: LiverCore,
    part: BoolArray,
    smooth: Float32Array,
    contact_cm2: float,
) -> bool:
    """Whether a warm part that faces the liver is liver.

    * No part of a liver has its middle more than 200 mm above or below the core.
    * Warm tissue on the right, in front of the spine's level and larger than any other organ there (300 ml; a kidney
      has 250 at most) is liver, however tumour and its cores change its uptake and density.
    * A left lobe, often cut off from the right one at the porta, looks the same: within 12 HU and 0.75 to 1.35 of
      normal uptake; a long one reaches over the spleen (which takes up far more). It lies in front of the spine's
      level; further back there is liver on the right alone.
    * Hot parts (tumour) have a density that tumours in this liver may have. In front of the spine's level, where the
      left lobe is and neither spleen nor kidney, they are larger than hot bowel (100 ml) or share a tenth of their
      surface with the liver. Behind it they lie on the right and share a quarter of their surface with the liver.
    """
    from scipy.ndimage import binary_erosion

    places = np.nonzero(part)
    ratio = float(np.median(smooth[part])) / core.normal.uptake
    lateral = float(around.lateral_mm[places[2]].mean())
    difference = 0.0
    if images.hu is not None and core.normal.hu is not None:
        difference = float(np.median(images.hu[part])) - core.normal.hu
    volume_ml = float(part.sum()) * images.voxel_ml
    height = float(places[0].mean() - core.seed[0]) * images.spacing_mm
    posterior = float(around.posterior_mm[places[1]].mean())
    if abs(height) > _HALF_LIVER_HEIGHT_MM:
        return False
    # Marrow and muscle along the spine, as warm as liver on some scans, are larger still.
    in_front = posterior < -_IN_FRONT_MM
    like_tumour = _TUMOUR_HU[0] < difference < _TUMOUR_HU[1]
    large = volume_ml > _LARGER_THAN_A_KIDNEY_ML
    if ratio > _NORMAL_RATIO[0] and like_tumour and lateral < _MIDLINE_MM and large and in_front:
        return True
    if _NORMAL_RATIO[0] < ratio < _NORMAL_RATIO[1]:
        return abs(difference) < _NORMAL_HU and lateral < _LEFT_LOBE_MM and (in_front or lateral < _RIGHT_LOBE_MM)
    if ratio < _NORMAL_RATIO[1] or not like_tumour:
        return False
    surface_cm2 = float((part & ~binary_erosion(part)).sum()) * images.spacing_mm**2 / 100.0
    if posterior < -_BEHIND_MM:
        broad = volume_ml > _LARGER_THAN_BOWEL_ML or contact_cm2 > _SHARED_SURFACE_IN_FRONT * surface_cm2
        return lateral < _TUMOUR_LEFT_LOBE_MM and height > -_TUMOUR_BELOW_CORE_MM and broad
    return lateral < _MIDLINE_MM and contact_cm2 > _SHARED_SURFACE_BEHIND * surface_cm2


def _prior(
    images: CoarseImages, core: LiverCore, uptake: Float32Array, smooth: Float32Array, config: LiverConfig
) -> Float32Array:
    """Probability of liver from a voxel's own values: uptake above half the step around it, density like liver.

    The border of a blurred step lies at half its height. Next to a hot lesion that half lies far above normal
    liver, so the level follows the highest and lowest uptake within 8 mm wherever one of them is clearly cold.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    normal = core.normal.uptake
    size = 2 * max(1, round(_NEIGHBOURHOOD_MM / images.spacing_mm)) + 1
    highest, lowest = maximum_filter(smooth, size), minimum_filter(smooth, size)
    half = 0.5 * (np.maximum(_TOP_BIAS * highest, normal) + lowest)
    level = np.where(lowest < config.cold_share * normal, half, _USUAL_LEVEL_RATIO * normal)
    # Normal parenchyma may lie between a nearby lesion and the border: the level counts half there.
    trust = np.where(highest > _NEAR_LESION_RATIO * normal, _TRUST_NEAR_LESION, 1.0)
    log_ratio = np.log(np.maximum(uptake, _PRIOR_FLOOR_RATIO * normal) / level)
    logit = np.clip(trust * log_ratio / config.prior_log_scale, -_LARGEST_PRIOR_LOGIT, _LARGEST_PRIOR_LOGIT)
    if images.hu is not None and core.normal.hu is not None:
        logit = np.where(uptake > _HOT_RATIO * normal, np.minimum(logit, _LARGEST_HOT_LOGIT), logit)
        mean = box_mean(images.hu)
        below, above = np.clip(core.normal.hu - mean, 0.0, None), np.clip(mean - core.normal.hu, 0.0, None)
        # Lesions may be less or more dense than liver; tissue with normal uptake must have normal density too.
        lesion_like = smooth > _LESION_LIKE_RATIO * normal
        tight = max(_DENSITY_SDS * (core.normal.hu_sd or _USUAL_SD_HU), _LEAST_SCALE_HU)
        scale_below = np.where(lesion_like, _LESION_SCALE_BELOW_HU, tight)
        scale_above = np.where(lesion_like, _LESION_SCALE_ABOVE_HU, tight)
        density = 1.0 - (below / scale_below) ** 2 - (above / scale_above) ** 2
        logit = logit + _DENSITY_WEIGHT * np.clip(density, _LEAST_DENSITY_LOGIT, 1.0)
    return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float32)
