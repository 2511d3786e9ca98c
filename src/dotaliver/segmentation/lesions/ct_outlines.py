"""Lesions as the CT shows them: each on its own box of the CT's grid, or the reason why it cannot be seen.

A lesion's border on CT is not that of its uptake, and RECIST 1.1 measures the first. The PET says where to look and
roughly how large a lesion is; the CT says where its border runs. A smooth closed surface is fitted to both: where
density steps, the step decides; where a vessel or a touching lesion hides the border, the surface bridges it. How sure
the longest diameter is follows from the spread of the surfaces that fit nearly as well. A lesion whose density does
not stand out, or whose fit contradicts its uptake, is refused with a reason: a diameter that was not seen is no
diameter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from dotaliver.config.segmentation import CtLesionConfig
from dotaliver.image.geometry import Box, FloatArray, Geometry, grow_box
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.border_detail import drawn_with_detail
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
from dotaliver.segmentation.lesions.border_profile import border_profile
from dotaliver.segmentation.lesions.ct_site import NotSeenError, Site, site_of
from dotaliver.segmentation.lesions.star_surface import StarSurface, direction_grid, longest_calipers_mm

__all__ = ["CtOutlines", "outline_lesions_on_ct", "with_surroundings"]

# Parts of the way from the middle to the border of the uptake at which a lesion's density is first read: its outer
# half, its core, the whole. A necrotic lesion has another core than rim.
_FIRST_ZONES = ((0.45, 0.9), (0.0, 0.55), (0.0, 0.9))
# First densities closer to each other than this are one, in HU.
_SAME_HU = 3.0
_FIRST_SIZES = (0.9, 1.1)
_ROUNDS = 3
# Two-sided 95 % of a normal distribution.
_Z95 = 1.96
_DRAWS = 48
_SEED = 20


@dataclass(frozen=True, eq=False)
class CtOutlines:
    """Outlines on the CT's grid under the lesions' labels, and for each other lesion why there is none."""

    labels: LabelMap
    unseen: dict[int, str]
    borders: dict[int, BorderEvidence] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Border:
    """A fitted border with what it was fitted to."""

    site: Site
    centre: FloatArray
    rays: Rays
    prior: Prior
    fit: Fit
    densities: Densities

    @property
    def radii_mm(self) -> FloatArray:
        return np.maximum(direction_grid().basis @ self.fit.coefficients, 2 * STEP_MM)


def with_surroundings(box: Box, grid: Geometry, config: CtLesionConfig) -> Box:
    """A lesion's box with all around it that is looked at."""
    margin = np.ceil((config.surroundings_mm[1] + config.capsule_mm) / np.asarray(grid.spacing_mm)) + 1
    return grow_box(box, margin, grid.shape)


def outline_lesions_on_ct(
    ct: Volume, placed: LabelMap, liver: BoolArray, config: CtLesionConfig, only: frozenset[int] | None = None
) -> CtOutlines:
    """Outline each lesion on CT where the CT shows it.

    Parameters
    ----------
    ct : Volume
        In HU.
    placed : LabelMap
        The lesions' outlines from PET, brought to their place on the CT's grid.
    liver : ndarray of bool
        The liver with its tumours on the CT's grid.
    config : CtLesionConfig
        What counts as seen.
    only : frozenset of int, optional
        Labels that are outlined; the others only limit them. None for all.

    Returns
    -------
    CtOutlines
        A label of ``placed`` (or of ``only``) is either in ``labels`` and ``borders`` or in ``unseen``.
    """
    ct.require(Quantity.HU)
    labels = sparse_zeros(ct.geometry.shape, np.uint16)
    unseen: dict[int, str] = {}
    borders: dict[int, BorderEvidence] = {}
    for label, own in placed.boxes():
        if only is not None and label not in only:
            continue
        box = with_surroundings(own, ct.geometry, config)
        try:
            site = site_of(ct.crop(box), placed.array[box], liver[box], label, config)
            mask, evidence = _outline(site, config)
        except NotSeenError as reason:
            unseen[label] = str(reason)
            continue
        view = labels[box]
        view[mask & (view == 0)] = label
        borders[label] = evidence
    return CtOutlines(LabelMap(labels, ct.geometry), unseen, borders)


def _outline(site: Site, config: CtLesionConfig) -> tuple[BoolArray, BorderEvidence]:
    border = _fitted(site, config)
    _require_contrast(border, config)
    seen = _seen_share(border, config)
    _require_agreement(border, seen, config)
    border, level = _moved_to_border(border, config)
    error = _diameter_error_mm(border, config)
    surface = StarSurface(border.centre, border.fit.coefficients)
    mask = drawn_with_detail(site, surface, border.densities, level, config)
    if not mask.any():
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    return mask, BorderEvidence(diameter_error_mm=round(error, 2), seen_share=round(seen, 2))


# --- the fit ---------------------------------------------------------------------------------------------------------


def _fitted(site: Site, config: CtLesionConfig) -> _Border:
    """The best border, looked for once more from its own middle where that lies off the uptake's."""
    centre = site.centre
    border = _fitted_around(site, centre, config)
    radii = border.radii_mm
    grid = direction_grid()
    moment = ((grid.weights * radii**4) @ grid.unit) * 0.75 / (grid.weights @ radii**3)
    if float(np.linalg.norm(moment)) < config.recentre_mm[0]:
        return border
    limit = config.recentre_mm[1]
    return _fitted_around(site, centre + np.clip(moment, -limit, limit) / np.asarray(site.grid.spacing_mm), config)


def _fitted_around(site: Site, centre: FloatArray, config: CtLesionConfig) -> _Border:
    spacing = site.grid.spacing_mm
    images = (site.hu, site.beyond_liver, site.foreign)
    rays = cast_rays(images, site.uptake, centre, spacing, 1.5 * site.extent_mm + 2 * config.reach_mm)
    uptake_mm = np.maximum(rays.uptake.sum(axis=1) * STEP_MM, 2 * STEP_MM)
    prior = _prior(uptake_mm, config)
    best: _Border | None = None
    for hu in _first_densities(rays, uptake_mm):
        found = _fitted_from(site, centre, rays, prior, hu, config)
        if found is not None and (best is None or found.fit.gain > best.fit.gain + 1e-9):
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


def _farthest_mm(prior: Prior, config: CtLesionConfig) -> FloatArray:
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
    if np.count_nonzero(where) < 20:
        return None
    hu, volume = rays.hu[where], rays.volumes[where]
    order = np.argsort(hu, kind="stable")
    filled = np.cumsum(volume[order])
    return float(hu[order][np.searchsorted(filled, filled[-1] / 2)])


def _fitted_from(
    site: Site, centre: FloatArray, rays: Rays, prior: Prior, hu: float, config: CtLesionConfig
) -> _Border | None:
    """Fit and density of the lesion in turn, the density read just inside of the fit; None without contrast."""
    densities = Densities(hu, site.liver_hu, site.noise_hu)
    starts = [prior.mean * size for size in _FIRST_SIZES]
    border: _Border | None = None
    farthest = _farthest_mm(prior, config)[:, None]
    cap = config.outlier_nats * np.sqrt(site.grain_mm3 / site.white_grain_mm3)
    for _ in range(_ROUNDS):
        if abs(densities.contrast) < config.least_contrast_hu / 2:
            return None
        ratio = ray_log_ratio(rays, densities, cap, config.soft_border_share, config.outside_nats)
        ratio[rays.distance_mm > farthest] = -config.outside_nats
        fit = fit_surface(rays, ratio, prior, starts, site.grain_mm3)
        border = _Border(site, centre, rays, prior, fit, densities)
        radii = border.radii_mm
        depth = radii[:, None] - rays.distance_mm
        mean = float(radii.mean())
        inside = _median_hu(rays, (depth > min(1.0, 0.2 * mean)) & (depth < max(5.0, 0.35 * mean)))
        if inside is None:
            return None
        densities = replace(densities, lesion=inside)
        starts = [fit.coefficients]
    return None if border is None else replace(border, densities=densities)


# --- what is believed ------------------------------------------------------------------------------------------------


def _require_contrast(border: _Border, config: CtLesionConfig) -> None:
    densities = border.densities
    contrast = abs(densities.contrast)
    radius = max(float(border.fit.coefficients[0]), 1.0)
    samples = 4 / 3 * np.pi * radius**3 / border.site.grain_mm3
    limits = (config.least_contrast_hu, config.least_contrast_sd * densities.noise)
    if contrast < max(limits) or contrast * np.sqrt(samples) < config.least_significance * densities.noise:
        msg = (
            f"its density ({densities.lesion:.0f} HU) does not stand out from the liver around it "
            f"({densities.liver:.0f} HU, SD {densities.noise:.0f})"
        )
        raise NotSeenError(msg)


def _seen_share(border: _Border, config: CtLesionConfig) -> float:
    """Share of the border at which density steps by a quarter of the whole step at least."""
    densities = border.densities
    args = (densities, config.outlier_nats, config.soft_border_share, config.outside_nats)
    ratio = ray_log_ratio(border.rays, *args)
    depth = border.radii_mm[:, None] - border.rays.distance_mm
    width = config.step_width_mm

    def mean(where: BoolArray) -> FloatArray:
        return np.asarray((ratio * where).sum(axis=1) / np.maximum(where.sum(axis=1), 1))

    step = mean((depth > 0.25) & (depth < width + 0.25)) - mean((depth < -0.25) & (depth > -width - 0.25))
    whole = min((densities.contrast / densities.noise) ** 2, 2 * config.outlier_nats)
    return float(direction_grid().weights @ (step > config.step_share * 0.5 * whole))


def _require_agreement(border: _Border, seen: float, config: CtLesionConfig) -> None:
    ratio = float(border.fit.coefficients[0] / border.prior.mean[0])
    low, high = config.size_ratio_range
    if not low <= ratio <= high:
        msg = f"its outline on CT has {ratio:.2f} times the radius of its uptake"
        raise NotSeenError(msg)
    beyond = float(direction_grid().weights @ (border.radii_mm > _farthest_mm(border.prior, config) - 1.0))
    if beyond > config.open_border_share:
        msg = f"{100 * beyond:.0f} % of its border on CT is open"
        raise NotSeenError(msg)
    rays = border.rays
    at = np.minimum((border.radii_mm / STEP_MM).astype(np.intp), rays.foreign.shape[1] - 1)
    shared = float(direction_grid().weights @ (rays.foreign[np.arange(len(at)), at] > 0.5))
    if shared > config.most_shared_share:
        msg = f"{100 * shared:.0f} % of its border lies against other lesions"
        raise NotSeenError(msg)
    if seen < config.least_seen_share:
        msg = f"only {100 * seen:.0f} % of its border shows as a step of density"
        raise NotSeenError(msg)


def _diameter_error_mm(border: _Border, config: CtLesionConfig) -> float:
    """Half the 95 % interval of the longest diameter: spread of the surfaces that fit, and what no fit shows."""
    fit = border.fit
    factor = np.linalg.cholesky(fit.precision)
    draws = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(fit.coefficients)))
    surfaces = fit.coefficients + np.linalg.solve(factor.T, draws.T).T
    slice_mm = border.site.grid.spacing_mm[0]
    sizes = longest_calipers_mm(float(border.centre[0]), np.vstack([fit.coefficients, surfaces]), slice_mm)
    spread, size = float(sizes[1:].std()), float(sizes[0])
    if size <= 0 or spread > config.widest_spread_share * size:
        msg = f"its size on CT is not sure: {max(size - _Z95 * spread, 0):.0f} to {size + _Z95 * spread:.0f} mm"
        raise NotSeenError(msg)
    parts = (config.spread_factor * spread, config.model_error_mm, config.model_error_share * size)
    return float(_Z95 * np.sqrt(sum(part**2 for part in parts)))


# --- the outline -----------------------------------------------------------------------------------------------------


def _moved_to_border(border: _Border, config: CtLesionConfig) -> tuple[_Border, float]:
    """The border moved to where density steps on average, and the density there.

    Where the step is gradual, it is the uptake that says how far out the border lies within the gradient.
    """
    densities = border.densities
    found = border_profile(border.rays, border.radii_mm, densities, config.foot_share)
    coefficients = border.fit.coefficients
    shift = 0.0
    if found.foot_mm is not None and abs(densities.contrast) > config.profile_contrast_sd * densities.noise:
        half = found.half_mm
        foot = max(half, found.foot_mm - config.edge_blur_mm)
        radius = float(coefficients[0])
        begin, whole = config.uptake_trust_radius_mm
        trust = config.uptake_trust * float(np.clip((radius - begin) / (whole - begin), 0, 1))
        wished = float(np.clip(border.prior.mean[0] - radius, half, foot))
        shift = float(np.clip(half + trust * (wished - half), *config.shift_range_mm))
    share = float(np.clip(found.share_at(shift), 0.1, 0.6))
    moved = coefficients.copy()
    moved[0] += shift
    return replace(border, fit=replace(border.fit, coefficients=moved)), densities.liver + share * densities.contrast
