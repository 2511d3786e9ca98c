"""Two bodies on CT under one uptake: neighbours that the PET's blur joins, and that density tells apart.

Two lesions side by side show on CT as two densities, or with liver between them. A density that divides the uptake
into two bodies is looked for. One lesion is not divided: its core lies within it, its texture is scattered, and the
blurred step at its border goes around it. Two bodies touch on a small part of their surface.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import Float32Array, distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Vector, grow_box
from dotaliver.image.volume import BoolArray, Volume, used_box
from dotaliver.segmentation.lesions.ct_site import middle_and_noise
from dotaliver.segmentation.lesions.thinned_ct import Surroundings, thinned

__all__ = ["Bodies", "bodies_on_ct"]

# Pixels and Gaussian on which bodies are looked for: 10 mm wide ones stay, and grain of 1.5 mm is averaged out.
_PIXEL_MM, _FWHM_MM = 1.7, 5.0
# Half of what the step around a body is wide, from half of its density to none, on that Gaussian.
_STEP_MM = 3.0
# A ball of 10 mm, the smallest lesion that RECIST measures.
_LEAST_ML = 0.5
# Nearer to the liver's border than this, fat and ribs blur into the uptake.
_CAPSULE_MM = 2.0
# Shares of the uptake's voxels below the densities that are tried.
_PERCENTILES = range(10, 91, 8)
# Density of each body against liver, and of both against each other: in HU, and in SDs of the smoothed liver.
_LEAST_CONTRAST, _LEAST_DIFFERENCE = (6.0, 1.0), (10.0, 3.0)
# Share of the smaller one's surface on which two bodies touch at most: two equal balls whose middles are 1.6 radii
# apart do on a fifth. The halves of one ball touch on a third.
_MOST_CONTACT_SHARE = 0.22
# Two densities leave little of the uptake to neither body, and explain a part of the variance.
_LEAST_COVERED_SHARE, _LEAST_EXPLAINED_SHARE = 0.5, 0.1
# What lies between two bodies is liver when it has less than half of their contrast.
_GAP_CONTRAST_SHARE = 0.5
# The gap is where the ways to both bodies are together little longer than the shortest: by half of it, and 6 mm.
_GAP_RATIO, _GAP_MM = 1.5, 6.0


@dataclass(frozen=True, eq=False)
class Bodies:
    """Two parts of an uptake, on the CT's grid, and how their densities differ from that of the liver around, in HU."""

    larger: BoolArray
    smaller: BoolArray
    contrast_hu: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Uptake:
    """An uptake on coarse pixels, and the density in its box against the liver around, in HU."""

    own: BoolArray
    contrast: Float32Array
    least_contrast: float
    least_difference: float
    spacing_mm: Vector


def bodies_on_ct(
    ct: Volume, placed: npt.NDArray[np.integer], liver: BoolArray, label: int, config: CtLesionConfig
) -> Bodies | None:
    """Divide an uptake into the two bodies that the CT shows under it.

    Parameters
    ----------
    ct : Volume
        In HU, with the surroundings of the uptake.
    placed : ndarray of int
        The lesions' outlines from PET at their place on the CT's grid.
    liver : ndarray of bool
        The liver with its tumours.
    label : int
        The lesion.
    config : CtLesionConfig
        What liver it is compared with.

    Returns
    -------
    Bodies or None
        None where the CT shows one body, or too little to tell.
    """
    uptake = placed == label
    if np.count_nonzero(uptake) * ct.geometry.voxel_volume_ml < 2 * _LEAST_ML:
        return None
    coarse = thinned(ct, Surroundings(liver, placed, uptake=uptake), _PIXEL_MM)
    if coarse.uptake is None:
        return None
    where = used_box(coarse.uptake)
    if where is None:
        return None
    grid = coarse.ct.geometry
    seen = _seen(coarse.ct, coarse.liver, coarse.others & ~coarse.uptake, coarse.uptake, config)
    box = grow_box(where, np.ones(3), grid.shape)
    found = None if seen is None else _two_bodies(_part(seen, box))
    if found is None:
        return None
    smaller, contrast_hu = found
    blocks = np.zeros(grid.shape, dtype=bool)
    blocks[box] = smaller
    for axis, times in enumerate(coarse.times):
        blocks = np.repeat(blocks, times, axis=axis)
    fine = np.zeros(uptake.shape, dtype=bool)
    fine[: blocks.shape[0], : blocks.shape[1], : blocks.shape[2]] = blocks
    fine &= uptake
    return Bodies(np.asarray(uptake & ~fine), fine, contrast_hu)


def _seen(ct: Volume, liver: BoolArray, others: BoolArray, own: BoolArray, config: CtLesionConfig) -> _Uptake | None:
    """The density of an uptake against the liver around it; None with too little liver."""
    grid = ct.geometry
    smooth = gaussian(ct.array.astype(np.float32), _FWHM_MM / FWHM_PER_SIGMA, grid)
    outside = distance_to_mm(own, grid.spacing_mm)
    near, far = config.surroundings_mm
    around = liver & ~own & ~others & (outside > near) & (outside <= far)
    if np.count_nonzero(around) * grid.voxel_volume_ml < config.least_parenchyma_ml:
        return None
    liver_hu, noise_hu = middle_and_noise(smooth[around])
    if not liver.all():
        own = own & (distance_inside_mm(liver, grid.spacing_mm) > _CAPSULE_MM)
    (contrast, contrast_sd), (difference, difference_sd) = _LEAST_CONTRAST, _LEAST_DIFFERENCE
    least = max(contrast, contrast_sd * noise_hu), max(difference, difference_sd * noise_hu)
    return _Uptake(own, smooth - np.float32(liver_hu), *least, grid.spacing_mm)


def _part(seen: _Uptake, box: Box) -> _Uptake:
    least = seen.least_contrast, seen.least_difference
    return _Uptake(seen.own[box], seen.contrast[box], *least, seen.spacing_mm)


def _two_bodies(seen: _Uptake) -> tuple[BoolArray, tuple[float, float]] | None:
    """The smaller of the two bodies that explain density best and touch least, and the contrast of both."""
    own = seen.own
    if np.count_nonzero(own) * _voxel_ml(seen) < 2 * _LEAST_ML:
        return None
    values = seen.contrast[own].astype(np.float64)
    whole = float(np.var(values)) * values.size
    best: tuple[float, BoolArray, tuple[float, float]] | None = None
    for first, second, gap in _pairs(seen):
        to_first = distance_to_mm(first, seen.spacing_mm)
        to_second = distance_to_mm(second, seen.spacing_mm)
        if gap and not _liver_between(seen, first, second, to_first + to_second):
            continue
        one = own & (to_first <= to_second)
        other = own & ~one
        contact = _contact_share(one, other, seen.spacing_mm)
        if contact > _MOST_CONTACT_SHARE:
            continue
        within = sum(float(np.var(seen.contrast[part].astype(np.float64))) * part.sum() for part in (one, other))
        explained = 1.0 - within / max(whole, 1e-9)
        if not gap and explained < _LEAST_EXPLAINED_SHARE:
            continue
        if best is None or explained - contact > best[0]:
            contrasts = float(seen.contrast[first].mean()), float(seen.contrast[second].mean())
            if other.sum() <= one.sum():
                best = explained - contact, other, contrasts
            else:
                best = explained - contact, one, contrasts[::-1]
    return None if best is None else best[1:]


def _pairs(seen: _Uptake) -> Iterator[tuple[BoolArray, BoolArray, bool]]:
    """Bodies of two densities, or of one with a gap between, at each of some densities."""
    own, contrast = seen.own, seen.contrast
    for level in np.percentile(contrast[own], list(_PERCENTILES)):
        below = own & (contrast < level)
        low, high = (_two_largest(_opened(side, seen.spacing_mm), seen) for side in (below, own & ~below))
        if low and high and _are_two_densities(seen, low[0], high[0]):
            yield low[0], high[0], False
        for bodies in (low, high):
            if len(bodies) > 1 and all(_stands_out(seen, body) for body in bodies):
                yield bodies[0], bodies[1], True


def _opened(mask: BoolArray, spacing_mm: Vector) -> BoolArray:
    """What of a mask balls fill that are wider than the blurred step around a body."""
    beyond = _STEP_MM + 1.0
    inner = distance_inside_mm(mask, spacing_mm, within_mm=beyond) > _STEP_MM
    if not inner.any():
        return inner
    return mask & (distance_to_mm(inner, spacing_mm, within_mm=beyond) <= _STEP_MM)


def _two_largest(mask: BoolArray, seen: _Uptake) -> list[BoolArray]:
    """The largest connected parts, without those that are too small to be measured."""
    import cc3d

    parts = cc3d.connected_components(mask, connectivity=6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")[:2]
    return [parts == n for n in order if sizes[n] * _voxel_ml(seen) >= _LEAST_ML]


def _stands_out(seen: _Uptake, body: BoolArray) -> bool:
    return abs(float(seen.contrast[body].mean())) >= seen.least_contrast


def _are_two_densities(seen: _Uptake, first: BoolArray, second: BoolArray) -> bool:
    if not (_stands_out(seen, first) and _stands_out(seen, second)):
        return False
    if first.sum() + second.sum() < _LEAST_COVERED_SHARE * seen.own.sum():
        return False
    difference = float(seen.contrast[second].mean()) - float(seen.contrast[first].mean())
    return abs(difference) >= seen.least_difference


def _liver_between(seen: _Uptake, first: BoolArray, second: BoolArray, way_mm: Float32Array) -> bool:
    """Whether what lies between two bodies is liver."""
    between = seen.own & ~first & ~second
    between &= way_mm < _GAP_RATIO * float(way_mm[seen.own].min()) + _GAP_MM
    if not between.any():
        return False
    contrasts = [abs(float(seen.contrast[body].mean())) for body in (first, second)]
    return abs(float(seen.contrast[between].mean())) <= _GAP_CONTRAST_SHARE * min(contrasts)


def _contact_share(one: BoolArray, other: BoolArray, spacing_mm: Vector) -> float:
    """Area on which two parts touch, over the surface of the one with less."""
    contact = 0.0
    surfaces = [0.0, 0.0]
    for axis, spacing in enumerate(spacing_mm):
        area = float(np.prod(spacing_mm)) / spacing
        width = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        first, second = (np.pad(part, width) for part in (one, other))
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        contact += area * np.count_nonzero((first[here] & second[there]) | (second[here] & first[there]))
        surfaces[0] += area * np.count_nonzero(first[here] != first[there])
        surfaces[1] += area * np.count_nonzero(second[here] != second[there])
    return contact / max(min(surfaces), 1e-9)


def _voxel_ml(seen: _Uptake) -> float:
    return float(np.prod(seen.spacing_mm)) / 1000.0
