"""Small lesions: spots of the PET's own resolution that stand out from the liver around them, not from all of it.

A lesion of 9 mm and twice normal uptake shows a third of its excess, no more than uptake drifts across a real liver and
less than the highest noise on one smoothed image. Against the mean of its own surroundings, which no drift changes, it
stands out. What is found so is a spot: at half its height it is closed, small, and apart from anything hotter.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap

import numpy as np

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.morphology import box_around
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.lesions.basins import LabelArray
from dotaliver.segmentation.lesions.faint_lesions import FROM_LESIONS_MM, LEAST_NORMAL_ML, in_sds, mean_within

__all__ = ["small_lesions"]

# Filters for spots of 8 to 13 mm, blur included, each with the width of the surroundings it is compared with: narrow
# ones where uptake drifts, wide ones where noise is all.
_FILTERS_MM = ((5.0, 25.0), (6.0, 30.0), (6.0, 14.0))
# SDs by which a spot exceeds its surroundings in one of them. Smooth random fields over a liver of 1.5 l exceed it in
# about 1 % (see `LesionConfig.detect_sd`). On 150 phantom and hybrid studies it finds 22 lesions, and four false spots:
# two of noise (5.5), two of tissue that is no liver (5.8 and 7.9).
_LEAST_SD = 5.5
# Spill-in that the outlines of hot lesions leave is no part of a spot (half an FWHM), nor of surroundings (1.3 FWHM).
_SPOT_FROM_LESIONS_MM, _SURROUNDINGS_FROM_LESIONS_MM = 3.0, 8.0
# A lesion of 13 mm, blurred, measures 2 ml at half its height; what is larger is found by filters of its own size.
_MOST_ML = 4.0
# A spot's share outside the liver at most; a vessel or an organ beside the liver lies outside.
_MOST_OUTSIDE_SHARE = 0.35
# How far from its top a spot is followed; one that reaches as far is none.
_REACH_MM = 15.0


def small_lesions(
    uptake: Float32Array,
    smooth: Float32Array,
    inside: BoolArray,
    owners: LabelArray,
    config: LesionConfig,
    grid: Geometry,
) -> LabelArray:
    """Label small lesions in what is left of the liver, from 1 on; 0 elsewhere.

    Parameters
    ----------
    uptake, smooth : ndarray
        On the PET's grid, as measured and smoothed for detection.
    inside : ndarray of bool
        The liver.
    owners : ndarray of int
        What is outlined already or hot beside the liver, 0 elsewhere.
    config : LesionConfig
        Depth from which the liver's border is out of reach of blur, and the least volume.
    grid : Geometry
        Of the arrays.
    """
    labels = np.zeros(owners.shape, dtype=np.int32)
    depth = distance_inside_mm(inside, grid.spacing_mm, within_mm=config.capsule_mm + 1.0)
    away = np.full(owners.shape, np.inf, dtype=np.float32)
    if (owners > 0).any():
        away = distance_to_mm(owners > 0, grid.spacing_mm, within_mm=FROM_LESIONS_MM + 1.0)
    normal = (depth > config.capsule_mm) & (away > FROM_LESIONS_MM)
    if np.count_nonzero(normal) * grid.voxel_volume_ml < LEAST_NORMAL_ML:
        return labels
    stands_out = _stands_out(uptake, inside, away, normal, grid) > _LEAST_SD
    base = float(np.median(smooth[normal]))
    number = 0
    for box, spot in _spots(smooth, stands_out & (depth > config.capsule_mm) & (owners == 0), base, grid):
        ml = np.count_nonzero(spot) * grid.voxel_volume_ml
        outside = np.count_nonzero(spot & ~inside[box]) / np.count_nonzero(spot)
        if config.minimum_ml <= ml <= _MOST_ML and outside < _MOST_OUTSIDE_SHARE and not owners[box][spot].any():
            number += 1
            labels[box][spot & inside[box] & (labels[box] == 0)] = number
    return labels


def _stands_out(
    uptake: Float32Array, inside: BoolArray, away: Float32Array, normal: BoolArray, grid: Geometry
) -> Float32Array:
    """By how many SDs of this liver the mean over a spot exceeds that of its surroundings, by the best filter."""
    near, around = inside & (away > _SPOT_FROM_LESIONS_MM), inside & (away > _SURROUNDINGS_FROM_LESIONS_MM)

    def excess(size_mm: float, surroundings_mm: float) -> Float32Array:
        mean = mean_within(uptake, near, size_mm, grid)[0]
        return in_sds(mean - mean_within(uptake, around, surroundings_mm, grid)[0], normal)

    return np.asarray(np.maximum.reduce(list(starmap(excess, _FILTERS_MM))))


def _spots(smooth: Float32Array, where: BoolArray, base: float, grid: Geometry) -> Iterator[tuple[Box, BoolArray]]:
    """Box and mask of each spot with its top there: what lies above half its height, if nothing of it is higher."""
    import cc3d
    from scipy.ndimage import maximum_filter

    for top in np.argwhere(where & (smooth == maximum_filter(smooth, 3))):
        mask = np.zeros(smooth.shape, dtype=bool)
        mask[tuple(top)] = True
        box = box_around(mask, grid, _REACH_MM)
        part, peak = smooth[box], float(smooth[tuple(top)])
        regions = cc3d.connected_components(part > base + 0.5 * (peak - base), connectivity=6)
        spot = regions == regions[mask[box]][0]
        if float(part[spot].max()) <= peak:
            yield box, spot
