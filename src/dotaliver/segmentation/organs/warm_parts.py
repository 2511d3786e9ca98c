"""Parts of the body that take up as much as liver or more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.morphology import eroded, opened
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["WarmParts", "find_spleen_like", "warm_parts", "with_warmer_parts"]

# Thinner by this than the parts on both sides: less is the roughness of a mask on 4 mm voxels.
_NECK_MM = 3.0
# What is far hotter than liver (spleen on DOTATATE: 3 to 4 times), far left of the spine's middle and not far in front
# of it, and larger than bowel or a gland.
_SPLEEN_UPTAKE_RATIO = 1.8
_SPLEEN_LATERAL_MM, _SPLEEN_FRONT_MM = 60.0, 70.0
_SPLEEN_ML = 60.0
# A spleen that takes up less: it lies further back than a long left lobe reaches with so large a part.
_COOL_SPLEEN_RATIO, _COOL_SPLEEN_FRONT_MM, _COOL_SPLEEN_ML = 1.4, 45.0, 40.0
# A spleen goes on in front with the same uptake, down to a little less at its blurred rim.
_SAME_UPTAKE, _SPLEEN_TIP_MM = (0.85, 1.15), 120.0


@dataclass(frozen=True)
class WarmParts:
    """Warm soft tissue, divided at its necks into compact parts.

    ``labels`` numbers the parts, ``depth_mm`` is the distance to the nearest voxel that is not warm soft tissue.
    """

    labels: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    depth_mm: Float32Array


def warm_parts(warm: BoolArray, spacing_mm: float, neck_mm: float = _NECK_MM) -> WarmParts:
    """Divide a mask where it is at least `neck_mm` thinner than on both sides (watershed of its depth)."""
    depth = distance_inside_mm(warm, (spacing_mm, spacing_mm, spacing_mm))
    labels = np.zeros(warm.shape, dtype=np.int32)
    if warm.any():
        box = used_box(warm)
        peaks, _ = label(h_maxima(np.round(depth[box], 1), neck_mm), np.ones((3, 3, 3)))
        labels[box] = watershed(-depth[box], peaks, mask=warm[box])
    return WarmParts(labels, depth)


def with_warmer_parts(
    parts: WarmParts, among: set[int], smooth: Float32Array, level: float, least_voxels: float, spacing_mm: float
) -> WarmParts:
    """Parts of which some are divided by uptake: what is warmer than a level, in parts that mostly are not.

    A tip of the liver that lies broadly on bowel has no neck towards it, but bowel takes up less.
    """
    import cc3d

    labels, depth = parts.labels, parts.depth_mm
    warmer = np.isin(labels, [part for part in among if np.median(smooth[labels == part]) < level])
    warmer = opened(warmer & (smooth > level))
    found = cc3d.connected_components(warmer, connectivity=6)
    sizes = np.bincount(found.ravel())
    large = [n for n in range(1, len(sizes)) if sizes[n] >= least_voxels]
    if not large:
        return parts
    new = np.isin(found, large)
    numbers = np.zeros(len(sizes), dtype=np.int32)
    numbers[large] = np.arange(len(large)) + int(labels.max()) + 1
    own_depth = distance_inside_mm(new, (spacing_mm, spacing_mm, spacing_mm))
    return WarmParts(np.where(new, numbers[found], labels), np.where(new, own_depth, depth))


def _large_parts(mask: BoolArray, voxel_ml: float, minimum_ml: float) -> BoolArray:
    import cc3d

    parts = cc3d.connected_components(opened(mask), connectivity=6)
    volumes_ml = np.bincount(parts.ravel()) * voxel_ml
    return np.isin(parts, [n for n in range(1, len(volumes_ml)) if volumes_ml[n] > minimum_ml])


def find_spleen_like(
    images: CoarseImages, around: Surroundings, smooth: Float32Array, liver_uptake: float
) -> BoolArray:
    """Tissue far hotter than liver, far on the left and not in front: the spleen, which a long left lobe may touch.

    Without such tissue, less hot tissue further back is taken. What goes on in front with the same uptake is spleen
    too.
    It is only excluded from the liver here; a reference in the spleen needs more evidence (`spleen`).
    """
    left = around.soft & np.asarray(around.lateral_mm > _SPLEEN_LATERAL_MM)[None, None, :]
    found = np.zeros_like(left)
    for ratio, front_mm, least_ml in (
        (_SPLEEN_UPTAKE_RATIO, _SPLEEN_FRONT_MM, _SPLEEN_ML),
        (_COOL_SPLEEN_RATIO, _COOL_SPLEEN_FRONT_MM, _COOL_SPLEEN_ML),
    ):
        if not found.any():
            hot = left & _behind(around, front_mm) & (smooth > ratio * liver_uptake)
            found = _large_parts(hot, images.voxel_ml, least_ml)
    if not found.any():
        return found
    inner = eroded(found)
    relative = smooth / np.median(smooth[inner if inner.any() else found])
    same = left & _behind(around, _SPLEEN_TIP_MM) & (relative > _SAME_UPTAKE[0]) & (relative < _SAME_UPTAKE[1])
    parts, _ = label(found | opened(same))
    return np.asarray(np.isin(parts, np.unique(parts[found])))


def _behind(around: Surroundings, front_mm: float) -> BoolArray:
    return np.asarray(around.posterior_mm > -front_mm)[None, :, None]
