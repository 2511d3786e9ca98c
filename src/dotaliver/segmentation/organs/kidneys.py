"""The kidneys, found by place, density and uptake."""

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


def find_kidneys(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, liver_hu: float, liver_uptake: float
) -> BoolArray:
    """Parts beside the spine that look like kidney and not like liver.

    No liver lies beside the left kidney: its density tells what this patient's right one looks like. With contrast
    agent a kidney is denser than the liver in every phase; without, it is less dense (25 to 40 HU against 50 to
    65), but not than a fatty liver. Where density cannot tell them apart, uptake, size and place must. A kidney's
    uptake is never far below the liver's, for receptor ligands (DOTATATE: 2 to 3 times the liver) as for FDG.
    """
    if images.hu is None:
        return _kidneys_by_uptake(images, around, uptake, liver_uptake)
    mean_hu, mean_uptake = box_mean(images.hu), box_mean(uptake)
    lateral = np.abs(around.lateral_mm)[None, None, :]
    posterior = around.posterior_mm[None, :, None]
    place = around.soft & (lateral > 16.0) & (lateral < 105.0) & (posterior > -75.0) & (posterior < 45.0)
    dense = place & (mean_hu > liver_hu + _DENSER_HU) & (mean_uptake > 0.7 * liver_uptake)
    beside = np.asarray(around.lateral_mm > 16.0)[None, None, :]
    if around.enhanced or _large_parts(dense & beside, images.voxel_ml, _KIDNEY_ML[0]).any():
        # On the right, tumours full of calcium or embolic agent are as dense: a kidney lies further back.
        right = _kidney_like(images, around, dense & around.right)
        kidneys = _filled(_large_parts(dense & ~around.right, images.voxel_ml, 25.0) | right, images.spacing_mm)
        if kidneys.any():
            return np.asarray(kidneys & place)
    left = _left_kidney(images, around, mean_uptake, liver_uptake)
    if left is None:
        look = (mean_hu > 5.0) & (mean_hu < min(45.0, liver_hu - 10.0)) & (mean_uptake > 0.5 * liver_uptake)
        return _large_parts(place & look, images.voxel_ml, 50.0)
    own_hu, own_uptake = float(np.median(mean_hu[left])), float(np.median(mean_uptake[left]))
    # Sinus fat and cortex differ; where density parts kidney and liver, the middle between them is the limit.
    tolerance_hu = float(np.clip(0.5 * abs(liver_hu - own_hu), 12.0, 25.0))
    look = np.abs(mean_hu - own_hu) < tolerance_hu
    look &= (mean_uptake > 0.6 * own_uptake) & (mean_uptake < 1.6 * own_uptake)
    right = place & look & around.right & _on_both_sides(left, around, images.spacing_mm)
    return np.asarray(left | _kidney_like(images, around, right))


def _left_kidney(
    images: CoarseImages, around: Surroundings, mean_uptake: Float32Array, liver_uptake: float
) -> BoolArray | None:
    """The warm parts beside the spine on the left: medial to the spleen, behind the bowel."""
    left = np.asarray(around.lateral_mm > 12.0)[None, None, :]
    parts = warm_parts(around.soft & left & (mean_uptake > 1.1 * liver_uptake), images.spacing_mm, neck_mm=1.5)
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
    """Near the left kidney, and where its mirror image lies on the right, give or take 28 mm."""
    middle = int(np.abs(around.lateral_mm).argmin())
    size = left.shape[2]
    mirrored = np.zeros_like(left)
    columns = 2 * middle - np.arange(size)
    seen = (columns >= 0) & (columns < size)
    mirrored[:, :, columns[seen]] = left[:, :, seen]
    return np.asarray(binary_dilation(left | mirrored, iterations=max(1, round(28.0 / spacing_mm))))


def _has_kidneys_place(mask: BoolArray, around: Surroundings) -> bool:
    _, rows, columns = np.nonzero(mask)
    lateral = abs(float(around.lateral_mm[columns].mean()))
    return 25.0 < lateral < 88.0 and -50.0 < float(around.posterior_mm[rows].mean()) < 50.0


def _filled(kidneys: BoolArray, spacing_mm: float) -> BoolArray:
    """In the arterial phase only the cortex is bright: the medulla within it has the density of liver."""
    step = max(1, round(8.0 / spacing_mm))
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
    """Without a CT: hot parts of a kidney's size (40 to 500 ml) beside and not in front of the spine."""
    parts = warm_parts(around.body & (box_mean(uptake) > 1.6 * liver_uptake), images.spacing_mm)
    kidneys = np.zeros_like(around.body)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if not 40.0 < mask.sum() * images.voxel_ml < 500.0:
            continue
        _, rows, columns = np.nonzero(mask)
        lateral = abs(float(around.lateral_mm[columns].mean()))
        if 25.0 < lateral < 110.0 and float(around.posterior_mm[rows].mean()) > -50.0:
            kidneys |= mask
    return kidneys


# How much denser than liver an enhanced kidney is at least.
_DENSER_HU = 25.0


_KIDNEY_ML = (40.0, 400.0)


# A kidney may be cut in two at its waist.
_KIDNEY_PART_ML = 15.0
