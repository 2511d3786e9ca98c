"""The kidneys, found by position, density and uptake."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_closing, binary_dilation, binary_erosion, binary_opening

from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import filled_in_slices
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import _large_parts, warm_parts

__all__ = ["find_kidneys"]

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
# A kidney may be cut in two at its waist.
_KIDNEY_PART_ML = 15.0
_ENHANCED_LEFT_ML = 25.0
_UNENHANCED_ML = 50.0
_WITHOUT_CT_ML = (40.0, 500.0)

# How much denser than liver a kidney with contrast agent is at least.
_DENSER_HU = 25.0
# A kidney without contrast agent has 25 to 40 HU; with its blurred rim, more than water and less than liver.
_UNENHANCED_HU = (5.0, 45.0)
_BELOW_LIVER_HU = 10.0
# Sinus fat and cortex differ by the lower limit at least; the upper one keeps other organs out.
_TOLERANCE_HU = (12.0, 25.0)

# Uptake over the liver's, and over that of the left kidney.
_ENHANCED_UPTAKE_RATIO = 0.7
_UNENHANCED_UPTAKE_RATIO = 0.5
_LEFT_KIDNEY_UPTAKE_RATIO = 1.1
_WITHOUT_CT_UPTAKE_RATIO = 1.6
_OTHER_KIDNEY_UPTAKE_RATIO = (0.6, 1.6)
_LEFT_KIDNEY_NECK_MM = 1.5

# How far the right kidney may lie from the mirror image of the left one: it is pushed down by the liver.
_MIRROR_TOLERANCE_MM = 28.0
# Half the width of the medulla, which the cortex encloses.
_MEDULLA_MM = 8.0


def find_kidneys(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_hu: float, liver_uptake: float
) -> BoolArray:
    """Find the parts on either side of the spine that look like kidney and not like liver.

    The left kidney has no liver next to it: its density shows what this patient's right kidney looks like. With
    contrast agent a kidney is denser than the liver in every phase; without, it is less dense (25 to 40 HU against 50
    to 65), but not less than a fatty liver. Where density does not separate them, uptake, size and position must. A
    kidney's uptake is never far below the liver's, for receptor ligands (DOTATATE: 2 to 3 times the liver) as for FDG.
    """
    if images.hu is None:
        return _kidneys_by_uptake(images, around, uptake, liver_uptake)
    mean_hu, mean_uptake = box_mean(images.hu), box_mean(uptake)
    lateral = np.abs(around.lateral_mm)[None, None, :]
    posterior = around.posterior_mm[None, :, None]
    place = around.soft & (lateral > _TISSUE_LATERAL_MM[0]) & (lateral < _TISSUE_LATERAL_MM[1])
    place &= (posterior > _TISSUE_POSTERIOR_MM[0]) & (posterior < _TISSUE_POSTERIOR_MM[1])
    dense = place & (mean_hu > liver_hu + _DENSER_HU) & (mean_uptake > _ENHANCED_UPTAKE_RATIO * liver_uptake)
    on_left = np.asarray(around.lateral_mm > _TISSUE_LATERAL_MM[0])[None, None, :]
    if around.enhanced or _large_parts(dense & on_left, images.voxel_ml, _KIDNEY_ML[0]).any():
        # On the right, tumours full of calcium or embolic agent are as dense: a kidney lies further back.
        right = _kidney_like(images, around, dense & around.right)
        others = _large_parts(dense & ~around.right, images.voxel_ml, _ENHANCED_LEFT_ML)
        kidneys = _filled(others | right, images.spacing_mm)
        if kidneys.any():
            return np.asarray(kidneys & place)
    left = _left_kidney(images, around, mean_uptake, liver_uptake)
    if left is None:
        look = (mean_hu > _UNENHANCED_HU[0]) & (mean_hu < min(_UNENHANCED_HU[1], liver_hu - _BELOW_LIVER_HU))
        look &= mean_uptake > _UNENHANCED_UPTAKE_RATIO * liver_uptake
        return _large_parts(place & look, images.voxel_ml, _UNENHANCED_ML)
    own_hu, own_uptake = float(np.median(mean_hu[left])), float(np.median(mean_uptake[left]))
    # Where density separates kidney and liver, the middle between them is the limit.
    tolerance_hu = float(np.clip(0.5 * abs(liver_hu - own_hu), *_TOLERANCE_HU))
    look = np.abs(mean_hu - own_hu) < tolerance_hu
    look &= mean_uptake > _OTHER_KIDNEY_UPTAKE_RATIO[0] * own_uptake
    look &= mean_uptake < _OTHER_KIDNEY_UPTAKE_RATIO[1] * own_uptake
    right = place & look & around.right & _on_both_sides(left, around, images.spacing_mm)
    return np.asarray(left | _kidney_like(images, around, right))


def _left_kidney(
    images: CoarseImages, around: Surroundings, mean_uptake: Float32Array, liver_uptake: float
) -> BoolArray | None:
    """The warm parts left of the spine: medial to the spleen, behind the bowel."""
    left = np.asarray(around.lateral_mm > _LEFT_OF_SPINE_MM)[None, None, :]
    warm = around.soft & left & (mean_uptake > _LEFT_KIDNEY_UPTAKE_RATIO * liver_uptake)
    parts = warm_parts(warm, images.spacing_mm, neck_mm=_LEFT_KIDNEY_NECK_MM)
    kidney = np.zeros_like(around.soft)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if _KIDNEY_PART_ML < float(mask.sum()) * images.voxel_ml < _KIDNEY_ML[1] and _has_kidneys_place(mask, around):
            kidney |= mask
    if not _KIDNEY_ML[0] < float(kidney.sum()) * images.voxel_ml < _KIDNEY_ML[1]:
        return None
    inner = binary_erosion(kidney)
    return np.asarray(inner if inner.any() else kidney)


def _on_both_sides(left: BoolArray, around: Surroundings, spacing_mm: float) -> BoolArray:
    """Near the left kidney, and near its mirror image on the right."""
    middle = int(np.abs(around.lateral_mm).argmin())
    size = left.shape[2]
    mirrored = np.zeros_like(left)
    columns = 2 * middle - np.arange(size)
    seen = (columns >= 0) & (columns < size)
    mirrored[:, :, columns[seen]] = left[:, :, seen]
    return np.asarray(binary_dilation(left | mirrored, iterations=max(1, round(_MIRROR_TOLERANCE_MM / spacing_mm))))


def _has_kidneys_place(mask: BoolArray, around: Surroundings) -> bool:
    _, rows, columns = np.nonzero(mask)
    lateral = abs(float(around.lateral_mm[columns].mean()))
    posterior = float(around.posterior_mm[rows].mean())
    front, back = _MIDDLE_POSTERIOR_MM
    return _MIDDLE_LATERAL_MM[0] < lateral < _MIDDLE_LATERAL_MM[1] and front < posterior < back


def _filled(kidneys: BoolArray, spacing_mm: float) -> BoolArray:
    """Kidneys with their medulla, which in the arterial phase has the density of liver inside a bright cortex."""
    step = max(1, round(_MEDULLA_MM / spacing_mm))
    closed = binary_closing(np.pad(kidneys, step), iterations=step)[step:-step, step:-step, step:-step]
    return filled_in_slices(closed)


def _kidney_like(images: CoarseImages, around: Surroundings, mask: BoolArray) -> BoolArray:
    """Parts of a kidney's size and place."""
    import cc3d

    parts = cc3d.connected_components(binary_opening(mask), connectivity=6)
    kidneys = np.zeros_like(mask)
    for part in range(1, int(parts.max(initial=0)) + 1):
        one = np.asarray(parts == part)
        if _KIDNEY_PART_ML < float(one.sum()) * images.voxel_ml < _KIDNEY_ML[1] and _has_kidneys_place(one, around):
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
