"""Uptake of normal liver, measured where uptake is level: on plateaus, not on blurred borders.

In a healthy or moderately diseased liver the plateau that holds most of it is normal parenchyma. Where tumour has
replaced most of the liver, the largest plateau is tumour, and normal parenchyma is the lowest remaining one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.filters import box_mean
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.liver.plateaus import PLATEAU_LOG, LevelTissue, NormalPlateau, normal_plateau

__all__ = [
    "NormalLiver",
    "Parenchyma",
    "background_uptake",
    "measure_parenchyma",
    "normal_liver",
]

# Relative uptake that noise and texture of normal liver do not fall below.
_CLEARLY_LOWER = 0.75
# Nor does most of a whole block (of 36 mm, 47 ml, nearly all of it in the liver) lie on a level below that of normal
# liver, as what is left of it among faint confluent tumour does: at most 0.6 of a block in 9 phantoms with normal
# liver, blurred by breathing or with few counts; 0.97 and more where tumour takes up 1.27 and 1.4 times as much.
_BLOCK_MM, _BLOCK_WITHIN, _LOWER_LEVEL, _BLOCK_ON_LEVEL, _LEAST_BLOCKS = 36.0, 0.9, (0.68, 0.88), 0.8, 0.01
# Least percentage of a liver full of tumour that lies in the valleys between.
_VALLEY_PERCENT = 2.0
# Between fat and enhanced vessels.
_SOFT_HU = (-20.0, 200.0)
# Without a CT, soft tissue exceeds this share of the hottest uptake (its 99.5th percentile: beyond are single voxels).
_ABOVE_NOISE_SHARE, _HOTTEST_PERCENTILE = 0.02, 99.5
# The liver's density is read where uptake lies this near normal, in no fewer voxels than give a median.
_NEAR_NORMAL_RATIO, _LEAST_VOXELS = 0.35, 50
# The SD of a normal distribution over its median absolute deviation, which vessels and calcifications do not move.
_SD_PER_MAD = 1.4826

# Histogram of log uptake on the lightly smoothed PET: over what range of the expected uptake, its bins (4 % wide) and
# over how many of them it is smoothed.
_HISTOGRAM_RATIOS = (0.2, 8.0)
_HISTOGRAM_BIN_LOG, _SMOOTHED_BINS = 0.04, 5
# The coarse grid's reading of normal uptake is right within a fifth.
_NEAR_EXPECTED_LOG = 0.2
_AROUND_PEAK, _ROUNDS = 0.15, 5
# What takes up less is outside the liver, or a core.
_LEAST_PARENCHYMA_RATIO = 0.4
# The SD where there are too few voxels, and its upper bound: cold lesions and vessels widen the lower side, and no
# liver is noisier than this on the smoothed image.
_USUAL_SD_RATIO, _LARGEST_SD_RATIO = 0.1, 0.15
# Keeps a division or a logarithm finite where uptake is 0.
_TINY = 1e-6


@dataclass(frozen=True)
class NormalLiver:
    """Normal liver of one patient: uptake in the PET's unit; density and its SD on the coarse grid, in HU.

    ``lower_share`` is the liver volume of clearly lower uptake over that of assumed normal liver: vessels and cores
    make up to 3 %; more may be the true normal liver, and the plateau tumour. Where a whole block lies on a lower
    level, all that takes up as little counts. ``plateau`` is the one that the uptake is of; None where tumour left
    none.
    """

    uptake: float
    hu: float | None
    hu_sd: float | None
    lower_share: float = 0.0
    plateau: NormalPlateau | None = None


def background_uptake(images: CoarseImages) -> float:
    """Median uptake of soft tissue, mostly muscle: found by density, or without a CT by uptake above noise.

    0 where there is none.
    """
    if images.hu is not None:
        soft = (images.hu > _SOFT_HU[0]) & (images.hu < _SOFT_HU[1])
    else:
        soft = images.uptake > _ABOVE_NOISE_SHARE * float(np.percentile(images.uptake, _HOTTEST_PERCENTILE))
    return float(np.median(images.uptake[soft])) if soft.any() else 0.0


def normal_liver(
    images: CoarseImages, uptake: Float32Array, region: BoolArray, background: float, config: LiverConfig
) -> NormalLiver:
    """Measure normal liver inside a region that is mostly liver.

    Parameters
    ----------
    images : CoarseImages
        For the density.
    uptake : ndarray
        Uptake on the coarse grid, in the CT's position where there is a CT.
    region : ndarray of bool
        Liver, a little inside its border.
    background : float
        Uptake of soft tissue, which bounds what normal livers take up.
    config : LiverConfig
        Bounds and shares.
    """
    smooth = box_mean(uptake)
    region = _off_the_ends(region)
    alike = region
    mean_hu = None if images.hu is None else box_mean(images.hu)
    if images.hu is not None and mean_hu is not None:
        # Remaining bowel, kidney or fat in the region is less dense or much denser than liver and its tumours.
        typical = float(np.median(images.hu[region]))
        alike = region & (mean_hu > typical - config.alike_hu_below) & (mean_hu < typical + config.alike_hu_above)
    level = alike & (_relative_range(smooth) < config.plateau_range)
    plateau = normal_plateau(LevelTissue(smooth, mean_hu, level, images.spacing_mm, background), config)
    limit = config.uptake_limit_ratio * background
    found = None if plateau is None else plateau.uptake
    if found is None or found > limit:
        # No plateau in the normal range: tumour fills the liver, and normal liver is left in the valleys between.
        found, plateau = float(np.percentile(smooth[alike] if alike.any() else smooth[region], _VALLEY_PERCENT)), None
    normal = min(found, limit)
    relative = smooth[alike] / normal
    like_normal = int(np.count_nonzero(np.abs(relative - 1.0) < PLATEAU_LOG))
    lower = _LOWER_LEVEL[1] if _holds_lower_block(smooth / normal, alike, images.spacing_mm) else _CLEARLY_LOWER
    lower_share = int(np.count_nonzero(relative < lower)) / max(like_normal, 1)
    if images.hu is None:
        return NormalLiver(normal, None, None, lower_share, plateau)
    near = alike & (np.abs(smooth - normal) < _NEAR_NORMAL_RATIO * normal)
    sample = images.hu[near] if near.sum() > _LEAST_VOXELS else images.hu[region]
    hu = float(np.median(sample))
    return NormalLiver(normal, hu, float(_SD_PER_MAD * np.median(np.abs(sample - hu))), lower_share, plateau)


def _off_the_ends(region: BoolArray) -> BoolArray:
    """A region without the first and last slice of the grid; the whole where nothing else is left.

    Where a scan ends in the liver, blur from beyond may lower the uptake of its last slice evenly: it then looks like a
    plateau of its own, such as the normal liver that tumour has left.
    """
    inner = region.copy()
    inner[[0, -1]] = False
    return inner if inner.any() else region


def _holds_lower_block(relative: Float32Array, region: BoolArray, spacing_mm: float) -> bool:
    """Whether a whole block of the liver lies on a level below that of normal liver."""
    found = used_box(region)
    if found is None:
        return False
    reach = round(0.5 * _BLOCK_MM / spacing_mm)
    low, high = _LOWER_LEVEL
    on_level = region & (relative > low) & (relative < high)
    # Beyond the box there is no liver
    inside, lower = (np.pad(mask[found], reach).astype(np.float32) for mask in (region, on_level))
    within, share = (box_mean(part, 2 * reach + 1) for part in (inside, lower))
    whole = (inside > 0) & (within >= _BLOCK_WITHIN)
    return bool(whole.any()) and float(np.mean(share[whole] >= _BLOCK_ON_LEVEL * within[whole])) > _LEAST_BLOCKS


def _relative_range(smooth: Float32Array) -> Float32Array:
    from scipy.ndimage import maximum_filter, minimum_filter

    span = maximum_filter(smooth, 3) - minimum_filter(smooth, 3)
    return np.asarray(span / np.maximum(smooth, _TINY), dtype=np.float32)


@dataclass(frozen=True)
class Parenchyma:
    """Lesion-free liver on the lightly smoothed PET: the mode of its uptake and the SD around it."""

    uptake: float
    sd: float


def measure_parenchyma(smooth: Float32Array, inside: BoolArray, expected_uptake: float) -> Parenchyma:
    """Mode of uptake near the expected value, and the SD from the values below it, which lesions do not affect."""
    values = smooth[inside]
    if values.size < _LEAST_VOXELS:
        return Parenchyma(expected_uptake, _USUAL_SD_RATIO * expected_uptake)
    low, high = (np.log(ratio * expected_uptake) for ratio in _HISTOGRAM_RATIOS)
    edges = np.arange(low, high, _HISTOGRAM_BIN_LOG)
    counts = np.histogram(np.log(np.maximum(values, _TINY)), edges)[0]
    counts = np.convolve(counts, np.ones(_SMOOTHED_BINS) / _SMOOTHED_BINS, "same")
    centres = np.exp(edges[:-1] + _HISTOGRAM_BIN_LOG / 2)
    near = np.abs(np.log(centres / expected_uptake)) < _NEAR_EXPECTED_LOG
    uptake = float(centres[near][counts[near].argmax()])
    # Bins are wide: refine the mode by the mean of the values around it, which lesions hardly affect.
    for _ in range(_ROUNDS):
        uptake = float(values[np.abs(values / uptake - 1.0) < _AROUND_PEAK].mean())
    if abs(np.log(uptake / expected_uptake)) > _NEAR_EXPECTED_LOG:
        # Step by step, the mean has moved to a larger peak nearby: confluent tumour of 1.5 times normal liver.
        uptake = expected_uptake
    below = values[(values < uptake) & (values > _LEAST_PARENCHYMA_RATIO * uptake)]
    sd = float(np.sqrt(np.mean((below - uptake) ** 2))) if below.size > _LEAST_VOXELS else _USUAL_SD_RATIO * uptake
    return Parenchyma(uptake, min(sd, _LARGEST_SD_RATIO * uptake))
