"""The kidneys, found by position, density and uptake."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import closed, dilated, eroded, filled_in_slices, largest_component, opened
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.kidney_pair import MirrorImage, mirror_image
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import _large_parts, warm_parts

__all__ = ["find_kidneys", "has_kidneys_place"]

# Distances are from the middle of the spine: lateral to either side, posterior positive to the back.
# Where the tissue of a kidney may lie.
_TISSUE_LATERAL_MM = (16.0, 105.0)
_TISSUE_POSTERIOR_MM = (-75.0, 45.0)
# Where the middle of a kidney, or of half of one, lies.
_MIDDLE_LATERAL_MM = (25.0, 88.0)
_MIDDLE_POSTERIOR_MM = (-50.0, 50.0)
# Without a CT the spine's place is a guess from the body's proportions: the limits are wider.
_MIDDLE_LATERAL_WITHOUT_CT_MM = (25.0, 110.0)
_MIDDLE_POSTERIOR_WITHOUT_CT_MM = -50.0
_LEFT_OF_SPINE_MM = 12.0

_KIDNEY_ML = (40.0, 400.0)
# A kidney may be cut in two at its waist, or by the field of view.
_KIDNEY_PART_ML = 15.0
_LEFT_KIDNEY_ML = 25.0
# Smaller parts of the left kidney that touch the larger ones.
_SMALL_PART_ML = 8.0
_UNENHANCED_ML = 50.0
_WITHOUT_CT_ML = (40.0, 500.0)

# How much denser than liver a kidney with contrast agent is at least.
_DENSER_HU = 25.0
# A kidney without contrast agent has 25 to 40 HU; with its blurred rim, more than water and less than liver.
_UNENHANCED_HU = (5.0, 45.0)
_BELOW_LIVER_HU = 10.0

# Uptake over the liver's. The cortex of the left kidney is looked for at these levels, in this order.
_ENHANCED_UPTAKE_RATIO = 0.7
_UNENHANCED_UPTAKE_RATIO = 0.5
_LEFT_KIDNEY_UPTAKE_RATIOS = (1.1, 0.7)
_WITHOUT_CT_UPTAKE_RATIO = 1.6
_LEFT_KIDNEY_NECK_MM = 1.5
# How much thinner than both, within a slice, the neck between a kidney and a spleen that touch is.
_SPLEEN_NECK_MM = 3.0
# Half the width of the medulla, which the cortex encloses.
_MEDULLA_MM = 8.0

# Kidney lies nearer to the spine than this, spleen and colon further out than a kidney reaches; between them the border
# runs where density or log uptake changes most, in units of these steps.
_MEDIAL_MM = 60.0
_STEP_HU, _STEP_LOG_UPTAKE = 25.0, 0.5
_FAT_HU, _LEAST_UPTAKE_RATIO = -100.0, 0.1

# The mirror image fits the right kidney at a mean difference of 0.12 to 0.4 on phantoms and a real CT.
_LARGEST_DIFFERENCE = 0.5
_GOOD_DIFFERENCE, _CLEARLY_BETTER = 0.4, 0.05
# How far the right kidney may reach beyond it where density separates kidney and liver; half as far by uptake alone.
_MIRROR_TOLERANCE_MM = 8.0
# Partial volume with fat makes the rim of a liver as dense as kidney.
_SOFT_HU = -30.0
# Density or uptake of the cortex (the hottest quarter) that separates kidney and liver.
_TELLING_HU, _TELLING_RATIO, _CORTEX_PERCENTILE = 15.0, 1.4, 75.0
# Tissue within these of the liver's density and uptake is liver, though the mirror image covers it.
_LIKE_LIVER_HU, _LIKE_LIVER_SHARE = 12.0, 0.25
# Tissue hotter than all of the left kidney (its 95th percentile) by this is tumour in the liver; less is enough where
# its density is the liver's rather than the kidney's.
_HOTTEST_PERCENTILE = 95.0
_HOTTER_RATIO, _HOTTER_AND_LIVER_HU_RATIO = 1.3, 1.05


def find_kidneys(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_hu: float, liver_uptake: float
) -> BoolArray:
    """Find the kidneys, each with its cortex, medulla and sinus.

    The left kidney has no liver next to it: it shows what this patient's kidneys look like. The right one is where its
    mirror image fits best, and what looks more like kidney than like liver next to it. With contrast agent a kidney is
    mostly denser than the liver; without, it is less dense (25 to 40 HU against 50 to 65), but not less than a fatty
    liver. Its cortex takes up as much as liver or more (DOTATATE: 2 to 3 times), its pelvis may be cold.
    """
    if images.hu is None:
        return _kidneys_by_uptake(images, around, uptake, liver_uptake)
    mean_hu, mean_uptake = box_mean(images.hu), box_mean(uptake)
    lateral = np.abs(around.lateral_mm)[None, None, :]
    posterior = around.posterior_mm[None, :, None]
    place = around.soft & (lateral > _TISSUE_LATERAL_MM[0]) & (lateral < _TISSUE_LATERAL_MM[1])
    place &= (posterior > _TISSUE_POSTERIOR_MM[0]) & (posterior < _TISSUE_POSTERIOR_MM[1])
    dense = place & (mean_hu > liver_hu + _DENSER_HU) & (mean_uptake > _ENHANCED_UPTAKE_RATIO * liver_uptake)
    parts, small = _left_parts(images, around, place, (uptake, dense), liver_uptake)
    if not parts:
        right = np.zeros_like(place)
        if around.enhanced:
            return _kidney_like(images, around, _filled(dense & around.right, images.spacing_mm))
        look = (mean_hu > _UNENHANCED_HU[0]) & (mean_hu < min(_UNENHANCED_HU[1], liver_hu - _BELOW_LIVER_HU))
        look &= mean_uptake > _UNENHANCED_UPTAKE_RATIO * liver_uptake
        return _large_parts(place & look, images.voxel_ml, _UNENHANCED_ML)
    left, found = _best_pair(images, around, uptake, parts, liver_uptake)
    whole = _with_small_parts(left, parts, small)
    if whole.sum() > left.sum():
        left, found = whole, mirror_image(images, around, uptake, whole, liver_uptake) or found
    right = np.zeros_like(place)
    if around.enhanced or float(np.median(mean_hu[left])) > liver_hu + 0.5 * _DENSER_HU:
        # On the right, tumours full of calcium or embolic agent are as dense: a kidney lies further back.
        right = _kidney_like(images, around, _filled(dense & around.right, images.spacing_mm))
    if found is not None and found.difference < _LARGEST_DIFFERENCE:
        right |= _around_mirror_image(images, place, found, left, uptake, (liver_hu, liver_uptake))
    return np.asarray(left | right)


def _best_pair(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, parts: list[BoolArray], liver_uptake: float
) -> tuple[BoolArray, MirrorImage | None]:
    """The left kidney of its parts and its mirror image.

    Where all parts together have no counterpart on the right, one of them is spleen or bowel, and is left out: one that
    lies further from the spine, or further in front, than what stays. A spleen's counterpart is the liver.
    """
    whole = np.any(parts, axis=0)
    best = (whole, mirror_image(images, around, uptake, whole, liver_uptake))
    if best[1] is None or best[1].difference < _GOOD_DIFFERENCE:
        return best
    for part in parts:
        rest = whole & ~part
        if float(rest.sum()) * images.voxel_ml < _LEFT_KIDNEY_ML or not _lies_beyond(part, rest, around):
            continue
        found = mirror_image(images, around, uptake, rest, liver_uptake)
        if found is not None and found.difference < best[1].difference - _CLEARLY_BETTER:
            best = (rest, found)
    return best


def _left_parts(
    images: CoarseImages,
    around: Surroundings,
    place: BoolArray,
    evidence: tuple[Float32Array, BoolArray],
    liver_uptake: float,
) -> tuple[list[BoolArray], list[BoolArray]]:
    """The left kidney in parts: medial to the spleen, behind the bowel, filled where its pelvis is cold.

    Returns its parts, and smaller ones that may belong to it.
    """
    uptake, dense = evidence
    left = around.soft & np.asarray(around.lateral_mm > _LEFT_OF_SPINE_MM)[None, None, :]
    left &= np.asarray(around.posterior_mm > _TISSUE_POSTERIOR_MM[0])[None, :, None]
    for ratio in _LEFT_KIDNEY_UPTAKE_RATIOS:
        warm = left & ((uptake > ratio * liver_uptake) | dense)
        warm = _without_spleen(images, around, warm, uptake, liver_uptake) & place
        parts = warm_parts(warm, images.spacing_mm, neck_mm=_LEFT_KIDNEY_NECK_MM)
        masks = [parts.labels == part for part in range(1, int(parts.labels.max(initial=0)) + 1)]
        sizes_ml = [float(mask.sum()) * images.voxel_ml for mask in masks]
        placed = [
            (mask, size_ml)
            for mask, size_ml in zip(masks, sizes_ml, strict=True)
            if _SMALL_PART_ML < size_ml < _KIDNEY_ML[1] and has_kidneys_place(mask, around)
        ]
        kidney = [mask for mask, size_ml in placed if size_ml > _KIDNEY_PART_ML]
        if _LEFT_KIDNEY_ML < sum(float(mask.sum()) for mask in kidney) * images.voxel_ml < _KIDNEY_ML[1]:
            return kidney, [mask for mask, size_ml in placed if size_ml <= _KIDNEY_PART_ML]
    return [], []


def _with_small_parts(left: BoolArray, parts: list[BoolArray], small: list[BoolArray]) -> BoolArray:
    """The left kidney with the small parts that touch it more than they touch a part that is not kidney."""
    near, near_others = dilated(left), dilated(np.any(parts, axis=0) & ~left)
    added = [mask for mask in small if (mask & near).sum() > (mask & near_others).sum()]
    return np.asarray(np.any([left, *added], axis=0))


def _without_spleen(
    images: CoarseImages, around: Surroundings, warm: BoolArray, uptake: Float32Array, liver_uptake: float
) -> BoolArray:
    """Warm tissue on the left, filled, on the kidney's side of its border with the spleen.

    The border runs where density or uptake changes most between what lies nearer to the spine than a spleen, and what
    lies further out than a kidney or has its middle there.
    """
    from skimage.segmentation import watershed

    assert images.hu is not None
    lateral = np.broadcast_to(around.lateral_mm[None, None, :], warm.shape)
    spleen = _lateral_in_slices(warm, lateral, images.spacing_mm)
    markers = np.zeros(warm.shape, dtype=np.int8)
    markers[warm & (lateral < _MEDIAL_MM)] = 2
    markers[spleen | (warm & (lateral > _TISSUE_LATERAL_MM[1]))] = 1
    features = (
        np.clip(images.hu, _FAT_HU, None) / np.float32(_STEP_HU),
        np.log(np.maximum(uptake / np.float32(liver_uptake), _LEAST_UPTAKE_RATIO)) / np.float32(_STEP_LOG_UPTAKE),
    )
    steps = np.zeros(warm.shape, dtype=np.float32)
    for feature in features:
        for slope in np.gradient(feature):
            steps += slope**2
    filled = _filled(warm & ~spleen, images.spacing_mm) & around.soft
    return np.asarray(watershed(steps, markers, mask=filled | spleen) == 2)


def _lateral_in_slices(warm: BoolArray, lateral: Float32Array, spacing_mm: float) -> BoolArray:
    """The parts of each slice whose middle lies further out than that of any kidney.

    Where kidney and spleen touch, the middle of both together says nothing: the slice is divided at its necks first.
    """
    from scipy.ndimage import label

    found = np.zeros_like(warm)
    for k in np.flatnonzero(warm.any(axis=(1, 2))):
        whole = _outer_parts(label(warm[k])[0], lateral[k])
        if whole.any():
            found[k] = _outer_parts(_divided(whole, spacing_mm), lateral[k])
    return found


def _divided(mask: BoolArray, spacing_mm: float) -> npt.NDArray[np.int32]:
    """The parts of a slice, divided where it is thinner than on both sides (watershed of its depth)."""
    from scipy.ndimage import distance_transform_edt, label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * spacing_mm
    peaks, _ = label(h_maxima(np.round(depth, 1), _SPLEEN_NECK_MM), np.ones((3, 3)))
    return np.asarray(watershed(-depth, peaks, mask=mask), dtype=np.int32)


def _outer_parts(parts: npt.NDArray[np.int32], lateral: Float32Array) -> BoolArray:
    sizes = np.bincount(parts.ravel())
    outer = np.bincount(parts.ravel(), weights=lateral.ravel()) > _MIDDLE_LATERAL_MM[1] * sizes
    outer[0] = False
    return np.asarray(outer[parts])


def _around_mirror_image(
    images: CoarseImages,
    place: BoolArray,
    found: MirrorImage,
    left: BoolArray,
    uptake: Float32Array,
    liver: tuple[float, float],
) -> BoolArray:
    """The right kidney: the mirror image without what looks like liver, and what looks like kidney next to it."""
    assert images.hu is not None
    (liver_hu, liver_uptake), mirrored = liver, found.mask
    mean_hu, mean_uptake = box_mean(images.hu), box_mean(uptake)
    inner = eroded(left)
    own_hu = float(np.median(mean_hu[inner if inner.any() else left]))
    cortex = float(np.percentile(uptake[left], _CORTEX_PERCENTILE))
    near = dilated(mirrored, times=max(1, round(_MIRROR_TOLERANCE_MM / images.spacing_mm)))
    close = dilated(mirrored, times=max(1, round(0.5 * _MIRROR_TOLERANCE_MM / images.spacing_mm)))
    off_fat = place & ~dilated(images.hu < _SOFT_HU)
    # Where density or uptake separates kidney and liver, the middle between them is the limit.
    middle_hu = 0.5 * (own_hu + liver_hu)
    denser = mean_hu > middle_hu
    by_density = abs(own_hu - liver_hu) > _TELLING_HU
    like_kidney = np.zeros_like(place)
    if by_density:
        like_kidney |= off_fat & near & (mean_uptake > _UNENHANCED_UPTAKE_RATIO * liver_uptake)
        like_kidney &= denser if own_hu > liver_hu else ~denser
    if cortex > _TELLING_RATIO * liver_uptake and not (by_density and own_hu > liver_hu):
        like_kidney |= place & close & (uptake > np.sqrt(cortex * liver_uptake))
    like_liver = np.abs(mean_uptake / liver_uptake - 1.0) < _LIKE_LIVER_SHARE
    like_liver &= np.abs(mean_hu - liver_hu) < _LIKE_LIVER_HU
    hottest = float(np.percentile(mean_uptake[left], _HOTTEST_PERCENTILE))
    tumour = mean_uptake > _HOTTER_RATIO * hottest
    if by_density:
        liver_side = ~denser if own_hu > liver_hu else denser
        tumour |= liver_side & (mean_uptake > _HOTTER_AND_LIVER_HU_RATIO * hottest)
        if own_hu < liver_hu:
            # Without contrast agent cortex and medulla are alike, and no part of a kidney is as dense as liver: what is
            # liver by density is liver, whatever blur from the cortex adds to its uptake.
            like_liver |= liver_side
            like_kidney &= ~liver_side
        else:
            hot = off_fat & (mean_uptake > np.sqrt(cortex * liver_uptake))
            tumour |= _hot_beside_cortex(hot, place & denser, images.spacing_mm)
    kidney = (mirrored & found.similar & ~like_liver) | like_kidney
    return largest_component(opened(_filled(kidney & ~tumour, images.spacing_mm) & near & ~tumour))


def _hot_beside_cortex(hot: BoolArray, dense: BoolArray, spacing_mm: float) -> BoolArray:
    """Hot tissue that is neither dense nor enclosed by what is: with contrast agent, a kidney's hot cortex is dense."""
    return np.asarray(hot & ~dense & ~_filled(dense, spacing_mm))


def _lies_beyond(part: BoolArray, rest: BoolArray, around: Surroundings) -> bool:
    """Whether a part lies further from the spine than the rest, or further in front."""
    (lateral, posterior), (rest_lateral, rest_posterior) = (_middle_mm(mask, around) for mask in (part, rest))
    return lateral > rest_lateral or posterior < rest_posterior


def _middle_mm(mask: BoolArray, around: Surroundings) -> tuple[float, float]:
    """How far the middle of a mask lies from the spine, to either side and towards the back."""
    _, rows, columns = np.nonzero(mask)
    return abs(float(around.lateral_mm[columns].mean())), float(around.posterior_mm[rows].mean())


def has_kidneys_place(mask: BoolArray, around: Surroundings) -> bool:
    """Whether the middle of a mask lies where that of a kidney, or of half of one, does."""
    lateral, posterior = _middle_mm(mask, around)
    front, back = _MIDDLE_POSTERIOR_MM
    return _MIDDLE_LATERAL_MM[0] < lateral < _MIDDLE_LATERAL_MM[1] and front < posterior < back


def _filled(kidneys: BoolArray, spacing_mm: float) -> BoolArray:
    """Kidneys with their medulla, which in the arterial phase has the density of liver inside a bright cortex."""
    step = max(1, round(_MEDULLA_MM / spacing_mm))
    whole = closed(np.pad(kidneys, step), step)[step:-step, step:-step, step:-step]
    return filled_in_slices(whole)


def _kidney_like(images: CoarseImages, around: Surroundings, mask: BoolArray) -> BoolArray:
    """Parts of a kidney's size and place."""
    import cc3d

    parts = cc3d.connected_components(opened(mask), connectivity=6)
    kidneys = np.zeros_like(mask)
    for part in range(1, int(parts.max(initial=0)) + 1):
        one = np.asarray(parts == part)
        if _KIDNEY_PART_ML < float(one.sum()) * images.voxel_ml < _KIDNEY_ML[1] and has_kidneys_place(one, around):
            kidneys |= one
    return kidneys


def _kidneys_by_uptake(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_uptake: float
) -> BoolArray:
    """Without a CT: hot parts of a kidney's size on either side of the spine, not in front of it."""
    parts = warm_parts(around.body & (box_mean(uptake) > _WITHOUT_CT_UPTAKE_RATIO * liver_uptake), images.spacing_mm)
    kidneys = np.zeros_like(around.body)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if not _WITHOUT_CT_ML[0] < mask.sum() * images.voxel_ml < _WITHOUT_CT_ML[1]:
            continue
        _, rows, columns = np.nonzero(mask)
        lateral = abs(float(around.lateral_mm[columns].mean()))
        near, far = _MIDDLE_LATERAL_WITHOUT_CT_MM
        behind = float(around.posterior_mm[rows].mean()) > _MIDDLE_POSTERIOR_WITHOUT_CT_MM
        if near < lateral < far and behind:
            kidneys |= mask
    return kidneys
