"""Focal liver lesions on CT: round places less dense than the parenchyma around them.

Slow variation of the liver's density (fat, perfusion) is removed first, by a mean over parenchyma in a window far
larger than the lesions. Hypodense places are then found at several sizes, each compared with the noise of this CT at
that size. The contour at half the contrast of a place must close: that of a vessel does not, and that of a fissure or
the gallbladder lies at the liver's border or near water. The search also reports what was detectable: the contrast at
which a lesion of 15 mm exceeds the noise of this CT.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import CtFociConfig
from dotaliver.image.arrays import Array
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import gaussian, gaussian_reach
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.lazy import lazily_filtered
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.spheres import voxels_within
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.masks import CtSearch
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["find_ct_foci"]

# 1.4826 x MAD is the SD of a normal distribution.
_SD_PER_MAD = 1.4826
# Share of a ball's contrast that a Gaussian of half its radius as sigma sees: the chi distribution of 3 degrees at 2.
_SEEN_SHARE = 0.739
_MARGIN_MM = 6.0
# Densities that may be averaged: beyond lie lung, gas, bone and metal.
_JUDGED_HU = (-150, 350)
# A Gaussian of this part of the search grid's spacing, so that sampling does not add noise.
_SAMPLING_SIGMA_RATIO = 0.4
# Parenchyma's own density is averaged over what lies within so many SDs of it, where there is enough of it around.
_PARENCHYMA_SDS, _LEAST_WEIGHT = 2.5, 0.02
# A shortfall below this is rounding on any CT.
_LEAST_SD_HU = 0.1
# Shortfall beyond which a voxel is fat, gas or calcium and would outweigh its neighbours.
_SHORTFALL_RANGE_HU = (-80.0, 120.0)
# How far beyond its size a contour may run before it counts as open.
_CLOSED_MARGIN_MM = 4.0
# Of a find's radius: the Gaussian on which its contour is drawn, and the core in which its contrast is read.
_CONTOUR_SIGMA_RATIO, _CORE_RATIO, _CORE_PERCENTILE = 0.25, 0.4, 60.0
# The inner part of a focus that is drawn a little wide: its rim of partial volume lies above.
_INNER_PERCENTILE = 35.0
# A ball of diameter d has variance d²/20 along each axis, an ellipsoid a²/5 along a half axis a; a voxel of size s
# adds s²/12.
_HALF_AXIS2_PER_VARIANCE = 5.0
_VOXEL2_PER_VARIANCE = 12.0
# Keeps divisions finite where weights are zero.
_TINY, _TINY_WEIGHT = 1e-6, 1e-3


@dataclass(frozen=True, eq=False)
class _Search:
    """The liver on the search grid, and how far each voxel lies below the parenchyma around it, in HU."""

    grid: Geometry
    hu: Float32Array
    liver: BoolArray
    depth_mm: Float32Array
    short_hu: Float32Array
    config: CtFociConfig


def find_ct_foci(ct: Volume, liver: LabelMap, avid: LabelMap | None, config: CtFociConfig) -> tuple[LabelMap, CtSearch]:
    """Look for focal lesions on CT.

    Parameters
    ----------
    ct : Volume
        In HU.
    liver : LabelMap
        The liver in the CT's position, not empty.
    avid : LabelMap, optional
        Lesions that the PET shows, in the CT's position: a focus that lies in one is not listed.
    config : CtFociConfig
        Sizes, limits and tolerances.

    Returns
    -------
    labels : LabelMap
        On the CT's grid, numbered from ``config.first_label``, in the order of their places from the feet up.
    search : CtSearch
        What could be seen.
    """
    from scipy.ndimage import binary_dilation

    ct.require(Quantity.HU)
    whole = resample_labels(liver, ct.geometry)
    labels = sparse_zeros(ct.geometry.shape, np.uint16)
    if whole.used is None:
        return LabelMap(labels, ct.geometry), CtSearch(
            diameter_mm=config.reference_diameter_mm, reason="no liver on CT"
        )
    box = grow_box(whole.used, np.ceil(_MARGIN_MM / np.asarray(ct.geometry.spacing_mm)), ct.geometry.shape)
    search = _prepare(ct, box, whole.crop(box), avid, config)
    if search is None:
        why = "too little of the liver is free of lesions"
        return LabelMap(labels, ct.geometry), CtSearch(diameter_mm=config.reference_diameter_mm, reason=why)
    shortfalls = [(radius, *_shortfall(search, radius)) for radius in config.radii_mm]
    found = _foci(search, shortfalls)
    if avid is not None:
        hot = resample_labels(avid, search.grid).mask
        # With its surroundings: the cold core of an avid lesion belongs to that lesion.
        found = [f for f in found if hot[binary_dilation(f, iterations=2)].mean() < config.avid_share]
    small = np.zeros(search.grid.shape, dtype=np.uint16)
    for number, focus in enumerate(found):
        small[focus] = config.first_label + number
    fine = resample_labels(LabelMap(small, search.grid), ct.geometry.crop(box))
    if fine.used is not None:
        labels[box][fine.used] = fine.array[fine.used]
    return LabelMap(labels, ct.geometry), _what_could_be_seen(search, config)


def _prepare(ct: Volume, box: Box, liver: LabelMap, avid: LabelMap | None, config: CtFociConfig) -> _Search | None:
    """Resample the liver's box onto the search grid and remove slow variation of density."""
    own = ct.geometry.crop(box)

    def smooth(hu: Array) -> Float32Array:
        return gaussian(np.clip(hu, *_JUDGED_HU).astype(np.float32), sigma_mm, own)

    sigma_mm = _SAMPLING_SIGMA_RATIO * config.grid_mm
    smoothed = lazily_filtered(ct, box, smooth, gaussian_reach(sigma_mm, own.spacing_mm[0]))
    step = (max(own.spacing_mm[0], config.grid_mm), *(max(s, config.grid_mm) for s in own.spacing_mm[1:]))
    counts = [max(int(n * s / t), 1) for n, s, t in zip(own.shape, own.spacing_mm, step, strict=True)]
    grid = replace(own, shape=(counts[0], counts[1], counts[2]), spacing_mm=(step[0], step[1], step[2]))
    hu = resample(smoothed, grid).array.astype(np.float32, copy=False)
    inside = resample_labels(liver, grid).mask
    depth = distance_inside_mm(inside, grid.spacing_mm)
    normal = inside & (depth > config.edge_mm)
    if avid is not None:
        normal &= ~resample_labels(avid, grid).mask
    if float(normal.sum()) * grid.voxel_volume_ml < config.parenchyma_min_ml:
        return None
    middle = float(np.median(hu[normal]))
    typical: npt.NDArray[np.floating] = np.full(hu.shape, middle, dtype=np.float32)
    spread = _SD_PER_MAD * float(np.median(np.abs(hu[normal] - middle)))
    for _ in range(2):
        alike = normal & (np.abs(hu - typical) < _PARENCHYMA_SDS * spread)
        weight = gaussian(alike.astype(np.float32), config.window_mm, grid)
        around = gaussian(np.where(alike, hu, 0.0), config.window_mm, grid) / np.maximum(weight, _TINY)
        typical = np.where(weight > _LEAST_WEIGHT, around, typical)
    return _Search(grid, hu, inside, depth, np.asarray(typical - hu, dtype=np.float32), config)


def _shortfall(search: _Search, radius_mm: float) -> tuple[Float32Array, float]:
    """Hypodensity averaged over a Gaussian as wide as a ball of this radius, in the liver, and its SD by noise."""
    smooth = _within(search.short_hu, search.liver, radius_mm / 2, search.grid)
    deep = search.depth_mm > search.config.edge_mm + radius_mm / 2
    sample = smooth[deep] if deep.any() else smooth[search.liver]
    centre = float(np.median(sample))
    # Vessels and lesions widen one half of the distribution; the narrower half gives the noise.
    below, above = sample[sample <= centre], sample[sample >= centre]
    sd = _SD_PER_MAD * min(float(np.median(np.abs(part - centre))) for part in (below, above))
    return np.where(search.liver, smooth - centre, -np.inf).astype(np.float32), max(sd, _LEAST_SD_HU)


def _foci(search: _Search, shortfalls: list[tuple[float, Float32Array, float]]) -> list[BoolArray]:
    """Closed round places, ordered from the feet up; where two overlap, the one of higher contrast to noise."""
    from scipy.ndimage import maximum_filter

    config = search.config
    seeds = []
    for radius, smooth, sd in shortfalls:
        size = [max(1, round(radius / s)) | 1 for s in search.grid.spacing_mm]
        peak = (smooth == maximum_filter(smooth, size)) & (search.depth_mm > config.edge_mm)
        peak &= (smooth > config.detect_sd * sd) & (smooth > _SEEN_SHARE * config.least_contrast_hu)
        seeds += [(float(smooth[tuple(p)] / sd), radius, tuple(p)) for p in np.argwhere(peak)]
    kept: list[BoolArray] = []
    taken = np.zeros(search.grid.shape, dtype=bool)
    for _, radius, place in sorted(seeds, reverse=True):
        if taken[place]:
            continue
        focus = _closed_focus(search, radius, place)
        if focus is not None and not (focus & taken).any():
            taken |= focus
            kept.append(focus)
    return sorted(kept, key=lambda f: tuple(np.argwhere(f).mean(axis=0)))


def _closed_focus(search: _Search, radius_mm: float, place: tuple[int, ...]) -> BoolArray | None:
    """The place inside the contour at half its contrast, if the contour closes and the shape is a lesion's; else None.

    Where a lesion touches another or a vein, the contour at half leaks into it, and a higher one closes; no contour of
    a vein closes, since its density is the same all along.
    """
    import cc3d
    from scipy.ndimage import binary_erosion

    config, grid = search.config, search.grid
    reach = config.closed_within * radius_mm + _CLOSED_MARGIN_MM
    low = [max(int(p - np.ceil(reach / s)), 0) for p, s in zip(place, grid.spacing_mm, strict=True)]
    high = [min(int(p + np.ceil(reach / s)) + 1, n) for p, s, n in zip(place, grid.spacing_mm, grid.shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = replace(grid, shape=tuple(b - a for a, b in zip(low, high, strict=True)))  # type: ignore[arg-type]
    middle = tuple(p - a for p, a in zip(place, low, strict=True))
    sigma_mm = max(config.contour_mm, _CONTOUR_SIGMA_RATIO * radius_mm)
    smoothed = _within(search.short_hu[box], search.liver[box], sigma_mm, part)
    contrast = float(
        np.percentile(
            smoothed[voxels_within(part, middle, max(_CORE_RATIO * radius_mm, min(grid.spacing_mm)))], _CORE_PERCENTILE
        )
    )
    inner = search.depth_mm[box] > config.edge_mm
    for share in config.contour_shares:
        pieces = cc3d.connected_components((smoothed > share * contrast) & inner, connectivity=6)
        own = pieces == pieces[middle]
        if pieces[middle] and not (own & ~voxels_within(part, middle, reach)).any():
            break
    else:
        return None
    surface = own & ~binary_erosion(own)
    at_edge = search.depth_mm[box][surface] <= config.edge_mm + max(grid.spacing_mm)
    if float(at_edge.mean()) > config.border_share:
        return None
    if not _looks_like_lesion(search, own, search.hu[box][own], contrast, part):
        return None
    focus = np.zeros(grid.shape, dtype=bool)
    focus[box] = own
    return focus


def _within(values: Float32Array, where: BoolArray, sigma_mm: float, grid: Geometry) -> Float32Array:
    """Gaussian mean over the voxels of a mask alone."""
    weight = gaussian(where.astype(np.float32), sigma_mm, grid)
    total = gaussian(np.clip(values, *_SHORTFALL_RANGE_HU) * where, sigma_mm, grid)
    return np.asarray(total / np.maximum(weight, _TINY_WEIGHT), dtype=np.float32)


def _looks_like_lesion(
    search: _Search, own: BoolArray, hu: npt.NDArray[np.floating], contrast_hu: float, grid: Geometry
) -> bool:
    """Whether size, density and roundness are those of a lesion: no dot, no fluid, no tube."""
    config = search.config
    volume_mm3 = float(own.sum()) * grid.voxel_volume_ml * 1000.0
    diameter_mm = (6.0 * volume_mm3 / np.pi) ** (1.0 / 3.0)
    if diameter_mm < config.least_diameter_mm or contrast_hu < config.least_contrast_hu:
        return False
    # An outline of water drawn slightly too wide has a rim of partial volume, so only its inner part is read.
    if float(np.percentile(hu, _INNER_PERCENTILE)) < config.water_hu:
        return False
    places = np.argwhere(own) * np.asarray(grid.spacing_mm)
    of_a_voxel = np.diag(np.asarray(grid.spacing_mm) ** 2) / _VOXEL2_PER_VARIANCE
    variances = np.linalg.eigvalsh(np.cov(places.T) + of_a_voxel)
    if np.sqrt(variances[-1] / variances[0]) > config.longest_ratio:
        return False
    fill = volume_mm3 / (4.0 / 3.0 * np.pi * float(np.sqrt(np.prod(_HALF_AXIS2_PER_VARIANCE * variances))))
    return bool(fill > config.fill)


def _what_could_be_seen(search: _Search, config: CtFociConfig) -> CtSearch:
    """What this CT could show: the contrast at which a lesion of the reference diameter is detected."""
    _, sd = _shortfall(search, config.reference_diameter_mm / 2)
    deep = search.depth_mm > 2 * config.edge_mm
    noise = search.short_hu[deep] if deep.any() else search.short_hu[search.liver]
    return CtSearch(
        diameter_mm=config.reference_diameter_mm,
        liver_hu=float(np.median(search.hu[search.liver])),
        noise_hu=_SD_PER_MAD * float(np.median(np.abs(noise - np.median(noise)))),
        visible_contrast_hu=max(config.detect_sd * sd / _SEEN_SHARE, config.least_contrast_hu),
    )
