"""Tumours full of embolic agent or calcium, which are denser than any liver and may be as dense as a kidney.

A density of their own would keep them out of the liver, or make them kidneys. What tells them from an organ next to the
liver is that the liver surrounds them: against its surface, liver lies in half of all directions at most.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dotaliver.image.morphology import opened
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.liver.enclosed import share_of_directions
from dotaliver.segmentation.organs.kidneys import has_kidneys_place
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["without_deposits", "without_enclosed_deposits"]

# Calcium and embolic agent: denser than any organ with contrast agent but vessels and the renal cortex. Bone and
# vessels are as dense but cold; deposits in tumour take up nearly as much as liver, or more.
_DEPOSIT_HU = 220.0
_DEPOSIT_UPTAKE_RATIO = 0.8

# Above liver, its vessels and its tumours. Normal liver takes up this share of normal uptake at least, and tumours are
# this much less dense.
_DENSER_HU, _LESS_DENSE_HU, _LIVER_UPTAKE_RATIO = 30.0, 60.0, 0.75
# Blur makes a vessel in hot tumour warm, but not nearly as warm as its surroundings (the mean of what is warm within
# this reach).
_WARM_RATIO, _SURROUNDINGS_MM, _SHARE_OF_SURROUNDINGS = 0.5, 14.0, 0.64
# Share of directions with liver, in the mean of a place, and the least volume: a small place may be a vessel or the
# pole of a kidney. Over 20 phantoms and three real CTs kidneys reach 0.3, vessels 0.77 (5 ml) and embolised tumours
# 0.49 to 1. But a large liver may embrace a kidney: at its place, a large part is deposits only where liver lies all
# around.
_SMALL_SHARE, _SMALL_ML = 0.8, 0.8
_LARGE_SHARE, _LARGE_ML = 0.45, 10.0
# Keeps the mean finite where nothing is warm.
_LEAST_AMOUNT = 1e-3


def without_deposits(
    images: CoarseImages, around: Surroundings, core: LiverCore, smooth: Float32Array
) -> tuple[CoarseImages, Surroundings]:
    """The images with what only calcium and embolic agent can be given the density of liver.

    Parameters
    ----------
    images, around, core
        From the steps before.
    smooth : ndarray
        Uptake in the CT's position, as a mean over 12 mm.
    """
    if images.hu is None or core.normal.hu is None:
        return images, around
    deposits = around.body & (images.hu > _DEPOSIT_HU) & (smooth > _DEPOSIT_UPTAKE_RATIO * core.normal.uptake)
    hu = np.where(deposits, np.float32(core.normal.hu), images.hu)
    return replace(images, hu=hu), replace(around, soft=around.soft | deposits)


def without_enclosed_deposits(
    images: CoarseImages, around: Surroundings, core: LiverCore, smooth: Float32Array
) -> CoarseImages:
    """The images with dense places of high uptake that the liver surrounds given the density of liver.

    Parameters
    ----------
    images, around, core
        From the steps before.
    smooth : ndarray
        Uptake in the CT's position, as a mean over 12 mm.
    """
    import cc3d

    if images.hu is None or core.normal.hu is None:
        return images
    liver = _liver_of_usual_density(images.hu, around, core, smooth)
    box = used_box(liver)
    if box is None:
        return images
    least = _DEPOSIT_UPTAKE_RATIO * core.normal.uptake
    least = np.maximum(least, _SHARE_OF_SURROUNDINGS * _surroundings(images, around, core, smooth)[box])
    dense = around.soft[box] & (images.hu[box] > core.normal.hu + _DENSER_HU) & (smooth[box] > least)
    parts = cc3d.connected_components(dense, connectivity=6)
    sizes = np.bincount(parts.ravel())
    if not (sizes[1:] * images.voxel_ml >= _SMALL_ML).any():
        return images
    seen = share_of_directions(liver[box], (images.spacing_mm,) * 3)
    share, volume_ml = np.bincount(parts.ravel(), weights=seen.ravel()) / np.maximum(sizes, 1), sizes * images.voxel_ml
    is_deposit = (share >= _SMALL_SHARE) & (volume_ml >= _SMALL_ML)
    for part in np.flatnonzero((share >= _LARGE_SHARE) & (volume_ml >= _LARGE_ML) & ~is_deposit):
        whole = np.zeros_like(liver)
        whole[box] = parts == part
        is_deposit[part] = not has_kidneys_place(whole, around)
    is_deposit[0] = False
    hu = images.hu.copy()
    hu[box] = np.where(is_deposit[parts], np.float32(core.normal.hu), hu[box])
    return replace(images, hu=hu)


def _liver_of_usual_density(hu: Float32Array, around: Surroundings, core: LiverCore, smooth: Float32Array) -> BoolArray:
    """The largest warm piece of the density of liver and its tumours, without thin bridges."""
    import cc3d

    assert core.normal.hu is not None
    liver = around.soft & (smooth > _LIVER_UPTAKE_RATIO * core.normal.uptake)
    liver &= (hu > core.normal.hu - _LESS_DENSE_HU) & (hu < core.normal.hu + _DENSER_HU)
    parts = cc3d.connected_components(opened(liver), connectivity=6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    part = int(parts[core.seed]) or int(sizes.argmax())
    return np.asarray((parts == part) & (parts > 0))


def _surroundings(images: CoarseImages, around: Surroundings, core: LiverCore, smooth: Float32Array) -> Float32Array:
    """Mean uptake of the warm tissue around each voxel."""
    from scipy.ndimage import uniform_filter

    warm = around.soft & (smooth > _WARM_RATIO * core.normal.uptake)
    size = 2 * round(_SURROUNDINGS_MM / images.spacing_mm) + 1
    amount = uniform_filter(warm.astype(np.float32), size)
    total = uniform_filter(np.where(warm, smooth, 0.0).astype(np.float32), size)
    return np.asarray(total / np.maximum(amount, _LEAST_AMOUNT), dtype=np.float32)
