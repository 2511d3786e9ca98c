"""Which warm parts of the body are parts of the liver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dotaliver.image.geometry import grow_box
from dotaliver.image.morphology import closed, dilated, eroded, filled_in_slices
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import WarmParts, with_warmer_parts

__all__ = ["liver_parts"]

# A fissure divides the lobes by up to 12 mm of fat and vessels: parts that face each other across it touch.
_FISSURE_MM = 12.0
_LEAST_FACING_CM2 = 1.5
# Where a left lobe lies over a stomach full of gas, this hides nearly all of the bridge to its tip, which is large.
_LARGE_TIP_ML, _TIP_FACING_CM2 = 50.0, 0.2

# Which warm parts belong to the liver, see `_belongs`. Ratios are over normal uptake, densities from normal liver's.
_HALF_LIVER_HEIGHT_MM = 200.0
_IN_FRONT_MM = 15.0
_BEHIND_MM = 60.0
_LEAST_RATIO = 0.75
_NORMAL_RATIO = (0.85, 1.35)
# A thin lobe looks like liver in its innermost voxels, of at least this share of its depth: further out it is blurred,
# and mixed with fat. In a large one, vessels may lie in the middle.
_INNERMOST_SHARE = 0.7
_NORMAL_HU = 12.0
_TUMOUR_HU = (-60.0, 30.0)
_LARGER_THAN_A_KIDNEY_ML = 300.0
_LARGER_THAN_BOWEL_ML = 100.0
_MIDLINE_MM = 20.0
_LEFT_LOBE_MM = 130.0
_RIGHT_LOBE_MM = -30.0
_TUMOUR_LEFT_LOBE_MM = 80.0
_TUMOUR_BELOW_CORE_MM = 60.0
_LEVEL_WITH_CORE_MM = 10.0
# A lobe that hangs over the stomach has its middle lower than the core, and its upper end above it. Bowel ends below.
_HANGING_MM, _ENDS_ABOVE_CORE_MM = 30.0, 8.0
# A lobe's tip lies against the spleen, as does a part of the spleen that was not found: most of that takes up as much,
# and a tenth hardly more. Tumour varies.
_LIKE_SPLEEN_RATIO, _LARGEST_SPLEEN_RATIO, _NEARLY_ALL_PERCENT = 0.8, 1.2, 90.0
_NEXT_TO_SPLEEN_VOXELS = 2
_SHARED_SURFACE_IN_FRONT = 0.1
_SHARED_SURFACE_ON_RIGHT = 0.25
# Gas lowers a voxel's density beyond that of fat with its noise; a single voxel may be an artefact.
_GAS_HU, _LEAST_GAS_ML = -130.0, 0.1
# A tip of the liver that is looked for in a part of bowel.
_LEAST_TIP_ML = 20.0


def liver_parts(
    images: CoarseImages,
    around: Surroundings,
    core: LiverCore,
    parts: WarmParts,
    smooth: Float32Array,
    spleen: BoolArray | None = None,
) -> tuple[WarmParts, set[int]]:
    """The part that holds the core, and the parts that face it broadly and look like liver or tumour.

    Next to a spleen that was found, parts that take up as much as it are not. Lukewarm parts that touch the liver are
    divided by uptake then: where bowel takes up more than half as much as liver, a tip of the liver that lies on it is
    one part with it. Such a tip shares much of its surface with the liver.
    """
    on_right = np.where(around.right, parts.depth_mm, 0.0)
    first = int(parts.labels[core.seed]) or int(parts.labels[np.unravel_index(int(on_right.argmax()), on_right.shape)])
    face_cm2 = images.spacing_mm**2 / 100.0

    def belongs(parts: WarmParts, part: int, contact_cm2: float) -> bool:
        return _belongs(images, around, core, (parts.labels == part, parts.depth_mm), smooth, contact_cm2)

    of_spleen = _like_spleen(parts, smooth, spleen) - {first}
    chosen = _with_facing_parts(parts, {first}, of_spleen, images.spacing_mm, belongs)
    liver = np.isin(parts.labels, sorted(chosen))
    touching = {int(part) for part in np.unique(parts.labels[dilated(liver) & ~liver])} - {0}
    level, least_voxels = _LEAST_RATIO * core.normal.uptake, _LEAST_TIP_ML / images.voxel_ml
    divided = with_warmer_parts(parts, touching, smooth, level, least_voxels, images.spacing_mm)
    if divided is parts:
        return parts, chosen
    last_whole = int(parts.labels.max())

    def tip_belongs(parts: WarmParts, part: int, contact_cm2: float) -> bool:
        own = parts.labels == part
        broad = contact_cm2 > _SHARED_SURFACE_ON_RIGHT * float((own & ~eroded(own)).sum()) * face_cm2
        return part > last_whole and broad and belongs(parts, part, contact_cm2)

    return divided, _with_facing_parts(divided, chosen, of_spleen, images.spacing_mm, tip_belongs)


def _with_facing_parts(
    parts: WarmParts,
    chosen: set[int],
    never: set[int],
    spacing_mm: float,
    belongs: Callable[[WarmParts, int, float], bool],
) -> set[int]:
    """The chosen parts with those that face them and belong to the liver, one after the other."""
    chosen, grown = set(chosen), True
    reach = max(1, round(_FISSURE_MM / spacing_mm))
    face_cm2 = spacing_mm**2 / 100.0
    large = np.bincount(parts.labels.ravel()) * spacing_mm**3 / 1000.0 > _LARGE_TIP_ML
    least_cm2 = np.where(large, _TIP_FACING_CM2, _LEAST_FACING_CM2)
    while grown:
        current = np.isin(parts.labels, sorted(chosen))
        near = np.bincount(parts.labels[dilated(current, times=reach) & ~current])
        touching = np.bincount(parts.labels[dilated(current) & ~current], minlength=len(near))
        facing_cm2 = near * face_cm2 / reach
        facing = {int(part) for part in np.flatnonzero(facing_cm2 > least_cm2[: len(near)])} - {0}
        new = {part for part in facing - chosen - never if belongs(parts, part, float(touching[part] * face_cm2))}
        chosen |= new
        grown = bool(new)
    return chosen


def _like_spleen(parts: WarmParts, smooth: Float32Array, spleen: BoolArray | None) -> set[int]:
    """The parts next to the spleen whose innermost voxels take up as much as it."""
    if spleen is None or not spleen.any():
        return set()
    of_spleen, found = float(np.median(smooth[spleen])), set()
    near = np.unique(parts.labels[dilated(spleen, times=_NEXT_TO_SPLEEN_VOXELS)])
    for part in near[near > 0]:
        inner = smooth[_innermost(parts.labels == part, parts.depth_mm)]
        usual, high = (float(np.percentile(inner, p)) / of_spleen for p in (50.0, _NEARLY_ALL_PERCENT))
        if usual > _LIKE_SPLEEN_RATIO and high < _LARGEST_SPLEEN_RATIO:
            found.add(int(part))
    return found


def _innermost(part: BoolArray, depth_mm: Float32Array) -> BoolArray:
    return np.asarray(part & (depth_mm >= _INNERMOST_SHARE * float(depth_mm[part].max())))


def _belongs(
    images: CoarseImages,
    around: Surroundings,
    core: LiverCore,
    of_depth: tuple[BoolArray, Float32Array],
    smooth: Float32Array,
    contact_cm2: float,
) -> bool:
    """Whether a warm part that faces the liver is liver.

    * No part of a liver has its middle more than 200 mm above or below the core.
    * Warm tissue on the right, in front of the spine's level and larger than any other organ there (300 ml; a kidney
      has 250 at most) is liver, however tumour and its cores change its uptake and density.
    * A left lobe, often cut off from the right one at the porta, looks the same: within 12 HU and 0.85 to 1.35 of
      normal uptake (a warm stomach takes up less); a long one reaches over the spleen (which takes up far more). It
      lies in front of the spine's level; further back there is liver on the right alone. Where a part of a bowel's size
      encloses gas, it is a stomach as warm as liver.
    * Hot parts (tumour) have a density that tumours in this liver may have. Far in front of the spine there is neither
      spleen nor kidney. There, from the core's level upwards, only the left lobe is hot, as far left as it reaches:
      stomach and heart take up less, and hot bowel lies below. A lobe that hangs lower still ends above the core.
      Further down they are larger than hot bowel (100 ml) or share a tenth of their surface with the liver. Tumour in a
      long right lobe lies on the right, however far down, is larger than hot bowel and shares a quarter of its surface
      with the liver. Further back hot parts lie on the right and share a quarter of their surface with the liver.
    """
    part, depth_mm = of_depth
    places = np.nonzero(part)
    innermost = _innermost(part, depth_mm)
    ratio, inner_ratio = (float(np.median(smooth[where])) / core.normal.uptake for where in (part, innermost))
    lateral = float(around.lateral_mm[places[2]].mean())
    difference, inner_difference = 0.0, 0.0
    if images.hu is not None and core.normal.hu is not None:
        difference, inner_difference = (
            float(np.median(images.hu[where])) - core.normal.hu for where in (part, innermost)
        )
    volume_ml = float(part.sum()) * images.voxel_ml
    height = float(places[0].mean() - core.seed[0]) * images.spacing_mm
    posterior = float(around.posterior_mm[places[1]].mean())
    if abs(height) > _HALF_LIVER_HEIGHT_MM:
        return False
    # Marrow and muscle along the spine, as warm as liver on some scans, are larger still.
    in_front = posterior < -_IN_FRONT_MM
    like_tumour = _like_tumour(difference)
    large = volume_ml > _LARGER_THAN_A_KIDNEY_ML
    if ratio > _LEAST_RATIO and like_tumour and lateral < _MIDLINE_MM and large and in_front:
        return True
    looks = [(ratio, difference)]
    if inner_ratio > ratio:
        # Blur lowers the uptake of a lobe's edge; where it rises outwards, the part lies next to hotter organs
        looks.append((inner_ratio, inner_difference))
    like_normal = any(look < _NORMAL_RATIO[1] and abs(step_hu) < _NORMAL_HU for look, step_hu in looks)
    if like_normal and max(ratio, inner_ratio) > _NORMAL_RATIO[0]:
        is_gut = volume_ml < _LARGER_THAN_BOWEL_ML and _encloses_gas(images, around, part)
        return not is_gut and lateral < _LEFT_LOBE_MM and (in_front or lateral < _RIGHT_LOBE_MM)
    if not any(look >= _NORMAL_RATIO[1] and _like_tumour(step_hu) for look, step_hu in looks):
        return False
    surface_cm2 = float((part & ~eroded(part)).sum()) * images.spacing_mm**2 / 100.0
    on_right_at_liver = lateral < _MIDLINE_MM and contact_cm2 > _SHARED_SURFACE_ON_RIGHT * surface_cm2
    if posterior < -_BEHIND_MM:
        long_lobe = on_right_at_liver and volume_ml > _LARGER_THAN_BOWEL_ML
        broad = volume_ml > _LARGER_THAN_BOWEL_ML or contact_cm2 > _SHARED_SURFACE_IN_FRONT * surface_cm2
        low = lateral < _TUMOUR_LEFT_LOBE_MM and height > -_TUMOUR_BELOW_CORE_MM and broad
        top = float(places[0].max() - core.seed[0]) * images.spacing_mm
        level = height > -_LEVEL_WITH_CORE_MM or (height > -_HANGING_MM and top > _ENDS_ABOVE_CORE_MM)
        return long_lobe or low or (level and lateral < _LEFT_LOBE_MM)
    return on_right_at_liver


def _like_tumour(difference_hu: float) -> bool:
    return _TUMOUR_HU[0] < difference_hu < _TUMOUR_HU[1]


def _encloses_gas(images: CoarseImages, around: Surroundings, part: BoolArray) -> bool:
    """Whether a part has gas in its middle, as the lumen of stomach and bowel has: within its outline in a slice."""
    used = used_box(part)
    if images.hu is None or used is None:
        return False
    box = grow_box(used, (2, 2, 2), part.shape)
    gas = (images.hu[box] < _GAS_HU) & ~around.lungs[box]
    enclosed = filled_in_slices(closed(part[box])) & gas
    return float(enclosed.sum()) * images.voxel_ml >= _LEAST_GAS_ML
