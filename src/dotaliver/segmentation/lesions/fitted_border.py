"""The smooth surface that fits one lesion's CT and uptake best, found from several densities and sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import FloatArray
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.border_fit import (
    STEP_MM,
    Densities,
    Fit,
    Prior,
    Rays,
    cast_rays,
    fit_surface,
    ray_log_ratio,
)
from dotaliver.segmentation.lesions.ct_site import NotSeenError, Site, largest_part
from dotaliver.segmentation.lesions.star_surface import direction_grid

__all__ = [
    "FittedBorder",
    "capsule_directions",
    "denser_part",
    "farthest_mm",
    "fitted_again",
    "fitted_border",
    "rim_depth_mm",
    "seen_directions",
    "steps_at_border",
]

# Parts of the way from the middle to the border of the uptake at which a lesion's density is first read: its outer
# half, its core, the whole. A necrotic lesion has another core than rim.
_FIRST_ZONES = ((0.45, 0.9), (0.0, 0.55), (0.0, 0.9))
# First densities closer to each other than this are one, in HU.
_SAME_HU = 3.0
_FIRST_SIZES = (0.9, 1.1)
_ROUNDS = 3
# How often a fit is repeated from its own middle.
_MOST_MOVES = 2
# The middle of a body whose surface lies at r(u) is the mean of r⁴ u / 4 over that of r³ / 3.
_MOMENT = 3 / 4
# Of two fits, another one is better only beyond rounding, in nats.
_TIE_NATS = 1e-9
# Rays reach beyond whatever surface the prior allows: from a middle that lies off, half of the extent more.
_EXTENTS, _REACHES = 1.5, 2.0
# A median of fewer samples (of 512 directions every half millimetre) is not read.
_LEAST_SAMPLES = 20
# A fit is given up below this part of the least contrast that is believed in the end.
_HOPELESS_SHARE = 0.5
# The lesion's density is read within this depth below the border, as mm and as shares of the mean radius: below what
# blur reaches, and above a core that may be necrotic. Chosen on the tuning families of scripts/benchmark_diameters.py.
_BELOW_BORDER_MM, _BELOW_BORDER_SHARE = 1.0, 0.2
_ABOVE_CORE_MM, _ABOVE_CORE_SHARE = 5.0, 0.35
# On both sides of the border, half a ray's step is left out.
_STEP_GAP_MM = 0.25
# So near to the liver's edge, a border is that edge: outlines of livers are off by about as much.
_CAPSULE_MM = 2.0
# A place that is farther from liver and lesion than this, in contrasts, is a vessel or fat, and counts as so far off.
_WAY_RANGE = (-1.5, 2.5)


@dataclass(frozen=True, eq=False)
class FittedBorder:
    """A fitted border with what it was fitted to."""

    site: Site
    centre: FloatArray
    rays: Rays
    prior: Prior
    fit: Fit
    densities: Densities

    @property
    def radii_mm(self) -> FloatArray:
        """From the centre to the border, one for each direction."""
        return np.maximum(direction_grid().basis @ self.fit.coefficients, 2 * STEP_MM)


def fitted_border(site: Site, config: CtLesionConfig) -> FittedBorder:
    """The best border, looked for once more from its own middle where that lies off the uptake's."""
    centre = site.centre
    border = _fitted_around(site, centre, config)
    grid = direction_grid()
    nearest, limit = config.recentre_mm
    for _ in range(_MOST_MOVES):
        radii = border.radii_mm
        moment = ((grid.weights * radii**4) @ grid.unit) * _MOMENT / (grid.weights @ radii**3)
        if float(np.linalg.norm(moment)) < nearest:
            break
        centre = centre + np.clip(moment, -limit, limit) / np.asarray(site.grid.spacing_mm)
        border = _fitted_around(site, centre, config)
        nearest = limit
    return border


def denser_part(border: FittedBorder, config: CtLesionConfig) -> Site | None:
    """The surroundings with only the largest part of the uptake in which density is the lesion's.

    None where that is nearly all of it, or too little to be the lesion.
    """
    site, densities = border.site, border.densities
    if abs(densities.contrast) < config.weak_contrast_sd * densities.noise:
        return None
    hu = gaussian(site.hu, config.part_fwhm_mm / FWHM_PER_SIGMA, site.grid)
    part = largest_part(site.uptake & ((hu - densities.liver) / densities.contrast > 0.5))
    low, high = config.part_share_range
    if not low <= np.count_nonzero(part) / np.count_nonzero(site.uptake) <= high:
        return None
    return replace(site, uptake=part)


def _fitted_around(site: Site, centre: FloatArray, config: CtLesionConfig) -> FittedBorder:
    spacing = site.grid.spacing_mm
    images = (site.hu, site.beyond_liver, site.foreign)
    rays = cast_rays(images, site.uptake, centre, spacing, _EXTENTS * site.extent_mm + _REACHES * config.reach_mm)
    uptake_mm = np.maximum(rays.uptake.sum(axis=1) * STEP_MM, 2 * STEP_MM)
    prior = _prior(uptake_mm, config)
    best: FittedBorder | None = None
    for hu in _first_densities(rays, uptake_mm):
        found = _fitted_from(site, centre, rays, prior, hu, config)
        if found is not None and (best is None or found.fit.gain > best.fit.gain + _TIE_NATS):
            best = found
    if best is None:
        msg = (
            f"its density does not stand out from the liver around it ({site.liver_hu:.0f} HU, SD {site.noise_hu:.0f})"
        )
        raise NotSeenError(msg)
    return best


def _prior(uptake_mm: FloatArray, config: CtLesionConfig) -> Prior:
    """What the outline of the uptake says: its coarse shape, and how far the border may lie from it."""
    grid = direction_grid()
    degree = grid.degrees
    mean = (grid.weights * uptake_mm) @ grid.basis
    mean[degree > config.uptake_degree] = 0.0
    radius = float(mean[0])
    begin, whole = config.uptake_shape_radius_mm
    mean[degree >= 2] *= np.clip((radius - begin) / (whole - begin), 0, 1)
    sd = np.empty(len(degree))
    sd[degree == 0] = config.size_sd_mm + config.size_sd_share * radius
    sd[degree == 1] = config.place_sd_mm / np.sqrt(3)
    fine = degree >= 2
    variance = (degree[fine] * (degree[fine] + 1.0)) ** -config.roughness_power
    sd[fine] = (config.roughness_mm + config.roughness_share * radius) * np.sqrt(variance / variance.sum())
    return Prior(mean, sd)


def farthest_mm(prior: Prior, config: CtLesionConfig) -> FloatArray:
    """How far from its middle a border may lie, in each direction: the uptake's shape there, and some way beyond."""
    grid = direction_grid()
    centred = np.where(grid.degrees == 1, 0.0, prior.mean)
    return np.asarray(grid.basis @ centred + config.reach_mm + config.reach_share * float(prior.mean[0]))


def _first_densities(rays: Rays, uptake_mm: FloatArray) -> list[float]:
    way = rays.distance_mm / uptake_mm[:, None]
    found: list[float] = []
    for low, high in _FIRST_ZONES:
        hu = _median_hu(rays, (way >= low) & (way < high))
        if hu is not None and all(abs(hu - other) > _SAME_HU for other in found):
            found.append(hu)
    return found


def _median_hu(rays: Rays, where: BoolArray) -> float | None:
    """Median density by volume; None for too few samples."""
    where = where & rays.usable
    if np.count_nonzero(where) < _LEAST_SAMPLES:
        return None
    hu, volume = rays.hu[where], rays.volumes[where]
    order = np.argsort(hu, kind="stable")
    filled = np.cumsum(volume[order])
    return float(hu[order][np.searchsorted(filled, filled[-1] / 2)])


def _fitted_from(
    site: Site, centre: FloatArray, rays: Rays, prior: Prior, hu: float, config: CtLesionConfig
) -> FittedBorder | None:
    """Fit and density of the lesion in turn, the density read just inside of the fit; None without contrast."""
    densities = Densities(hu, site.liver_hu, site.noise_hu)
    starts = [prior.mean * size for size in _FIRST_SIZES]
    border: FittedBorder | None = None
    for _ in range(_ROUNDS):
        if abs(densities.contrast) < _HOPELESS_SHARE * config.least_contrast_hu:
            return None
        ratio = _within_reach(site, rays, prior, densities, config)
        fit = fit_surface(rays, ratio, prior, starts, site.grain_mm3)
        border = FittedBorder(site, centre, rays, prior, fit, densities)
        radii = border.radii_mm
        depth = radii[:, None] - rays.distance_mm
        below = min(_BELOW_BORDER_MM, _BELOW_BORDER_SHARE * float(radii.mean()))
        inside = _median_hu(rays, (depth > below) & (depth < rim_depth_mm(border)))
        if inside is None:
            return None
        densities = replace(densities, lesion=inside)
        starts = [fit.coefficients]
    if border is None:
        return None
    border = replace(border, densities=densities)
    return replace(border, fit=_bridged(border, ratio, config))


def _within_reach(site: Site, rays: Rays, prior: Prior, densities: Densities, config: CtLesionConfig) -> FloatArray:
    """The log ratio along rays; beyond where a border may lie, what a place outside the liver has."""
    cap = config.outlier_nats * np.sqrt(site.grain_mm3 / site.white_grain_mm3)
    ratio = ray_log_ratio(
        rays, densities, cap, config.soft_border_share, config.outside_nats, cap * config.opposite_share
    )
    ratio[rays.distance_mm > farthest_mm(prior, config)[:, None]] = -config.outside_nats
    return ratio


def fitted_again(border: FittedBorder, densities: Densities, prior: Prior, config: CtLesionConfig) -> Fit:
    """The fit that a border becomes with other densities or another prior, its unseen directions bridged as before."""
    site, rays = border.site, border.rays
    weight = np.where(seen_directions(border, config), 1.0, config.unseen_weight)
    ratio = _within_reach(site, rays, prior, densities, config) * weight[:, None]
    return fit_surface(rays, ratio, prior, [border.fit.coefficients], site.grain_mm3)


def _bridged(border: FittedBorder, ratio: FloatArray, config: CtLesionConfig) -> Fit:
    """The fit without most of the evidence from directions in which no step is seen.

    There a vessel, another organ or another lesion of the same density hides the border, and density says nothing of
    where it runs: the seen parts and the uptake do.
    """
    weight = np.where(seen_directions(border, config), 1.0, config.unseen_weight)
    site = border.site
    fit = fit_surface(border.rays, ratio * weight[:, None], border.prior, [border.fit.coefficients], site.grain_mm3)
    return replace(fit, gain=border.fit.gain)


def rim_depth_mm(border: FittedBorder) -> float:
    """Depth below the border, in mm, down to which density is the lesion's; deeper may lie a necrotic core."""
    return max(_ABOVE_CORE_MM, _ABOVE_CORE_SHARE * float(border.radii_mm.mean()))


def capsule_directions(border: FittedBorder) -> BoolArray:
    """Directions in which the border lies at the liver's edge or beyond: the edge is the border there."""
    rays = border.rays
    last = rays.beyond_liver.shape[1] - 1
    at = np.clip(((border.radii_mm + _CAPSULE_MM) / STEP_MM).astype(np.intp), 0, last)
    return np.asarray(rays.beyond_liver[np.arange(len(at)), at] > 0.5)


def seen_directions(border: FittedBorder, config: CtLesionConfig) -> BoolArray:
    """Directions in which density steps at the border by a quarter of the whole step at least."""
    densities = border.densities
    args = (densities, config.outlier_nats, config.soft_border_share, config.outside_nats)
    step = _falls(border, ray_log_ratio(border.rays, *args), config)
    # From liver to lesion the log ratio rises by the squared contrast in SDs, and from cap to cap at most.
    whole = min((densities.contrast / densities.noise) ** 2, 2 * config.outlier_nats)
    return np.asarray(step > config.step_share * 0.5 * whole)


def steps_at_border(border: FittedBorder, config: CtLesionConfig) -> FloatArray:
    """Share of the contrast by which density falls at the border, in each direction: 1 from lesion to liver."""
    densities = border.densities
    way = (border.rays.hu - densities.liver) / densities.contrast
    return _falls(border, np.clip(way, *_WAY_RANGE), config)


def _falls(border: FittedBorder, along: FloatArray, config: CtLesionConfig) -> FloatArray:
    """By how much something along the rays is greater in a strip inside of the border than in one outside."""
    depth = border.radii_mm[:, None] - border.rays.distance_mm
    width = config.step_width_mm

    def mean(where: BoolArray) -> FloatArray:
        return np.asarray((along * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))

    return mean((depth > _STEP_GAP_MM) & (depth < width + _STEP_GAP_MM)) - mean(
        (depth < -_STEP_GAP_MM) & (depth > -width - _STEP_GAP_MM)
    )
