"""Whether a fitted border is believed: contrast, step, agreement with the uptake, and how sure the diameter is."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.segmentation.lesions.border_fit import STEP_MM
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.fitted_border import (
    FittedBorder,
    capsule_directions,
    farthest_mm,
    rim_depth_mm,
    seen_directions,
)
from dotaliver.segmentation.lesions.star_surface import direction_grid, longest_calipers_mm

__all__ = [
    "diameter_error_mm",
    "known_share",
    "least_filled_share",
    "require_agreement",
    "require_believable",
    "require_contrast",
    "require_more_than_core",
    "require_one_density",
    "seen_share",
    "shared_share",
    "size_and_spread_mm",
    "uptake_left_out",
]

# Two-sided 95 % of a normal distribution.
_Z95 = 1.96
_DRAWS = 48
# Corners of an icosahedron: twelve directions spread evenly.
_GOLDEN = (1 + np.sqrt(5)) / 2
_SECTOR_AXES = np.array(
    [axis for a in (-1, 1) for b in (-_GOLDEN, _GOLDEN) for axis in ((0, a, b), (a, b, 0), (b, 0, a))]
) / np.hypot(1, _GOLDEN)
# Nearer to the border than this, density is blurred by it.
_BORDER_ZONE_MM = 1.0
# A direction with fewer samples says nothing.
_LEAST_SAMPLES = 15
_SEED = 20


def require_believable(
    border: FittedBorder, config: CtLesionConfig, least_seen: float = 0.0, *, sure: bool = False
) -> None:
    """Refuse a border that does not stand out, contradicts the uptake or encloses more than one density.

    Parameters
    ----------
    border : FittedBorder
        As it was fitted.
    config : CtLesionConfig
        What counts as seen.
    least_seen : float
        Share of the border that must be known, where that is more than the settings ask.
    sure : bool
        Whether all signs are those of right diameters: then a large lesion may differ by less than one SD of the
        noise, and be uneven.

    Raises
    ------
    NotSeenError
        With the reason.
    """
    contrast = abs(border.densities.contrast)
    outweighed = sure and contrast >= config.sure_contrast_hu and _significance(border) >= config.sure_significance
    require_contrast(border, config, in_noise=outweighed)
    require_agreement(border, known_share(border, config), max(least_seen, config.least_seen_share), config)
    if not outweighed:
        require_one_density(border, config)


def require_contrast(border: FittedBorder, config: CtLesionConfig, *, in_noise: bool = False) -> None:
    """Refuse a lesion that differs from liver by no more than noise and texture do.

    ``in_noise`` takes one that differs by less than an SD, where its mean over so many places does not.
    """
    densities = border.densities
    limits = (config.least_contrast_hu, 0.0 if in_noise else config.least_contrast_sd * densities.noise)
    if abs(densities.contrast) < max(limits) or _significance(border) < config.least_significance:
        msg = (
            f"its density ({densities.lesion:.0f} HU) does not stand out from the liver around it "
            f"({densities.liver:.0f} HU, SD {densities.noise:.0f})"
        )
        raise NotSeenError(msg)


def _significance(border: FittedBorder) -> float:
    """Contrast in SDs of the mean over as much liver as the lesion fills."""
    radius = max(float(border.fit.coefficients[0]), 1.0)
    samples = 4 / 3 * np.pi * radius**3 / border.site.grain_mm3
    return float(abs(border.densities.contrast) * np.sqrt(samples) / border.densities.noise)


def seen_share(border: FittedBorder, config: CtLesionConfig) -> float:
    """Share of the border at which density steps clearly."""
    return float(direction_grid().weights @ seen_directions(border, config))


def known_share(border: FittedBorder, config: CtLesionConfig) -> float:
    """Share of the border at which density steps clearly or which is the liver's edge."""
    return float(direction_grid().weights @ (seen_directions(border, config) | capsule_directions(border)))


def require_agreement(border: FittedBorder, known: float, least_known: float, config: CtLesionConfig) -> None:
    """Refuse a border that contradicts the uptake, faces other lesions, or of which too little is seen."""
    ratio = float(border.fit.coefficients[0] / border.prior.mean[0])
    low, high = config.size_ratio_range
    if known >= config.known_all_around:
        high = max(high, 1 + config.size_slack_mm / float(border.prior.mean[0]))
    if not low <= ratio <= high:
        msg = f"its outline on CT has {ratio:.2f} times the radius of its uptake"
        raise NotSeenError(msg)
    beyond = float(direction_grid().weights @ (border.radii_mm > farthest_mm(border.prior, config) - 1.0))
    left_out = uptake_left_out(border)
    if left_out > _by_size(border, config.most_left_out_shares, config):
        msg = f"{100 * left_out:.0f} % of its uptake lies outside of what the CT shows"
        raise NotSeenError(msg)
    well_seen = known >= config.well_seen_share
    if beyond > (config.well_seen_open_share if well_seen else config.open_border_share):
        msg = f"{100 * beyond:.0f} % of its border on CT is open"
        raise NotSeenError(msg)
    shared = shared_share(border)
    if shared > config.most_shared_share:
        msg = f"{100 * shared:.0f} % of its border lies against other lesions"
        raise NotSeenError(msg)
    if known < least_known:
        msg = f"only {100 * known:.0f} % of its border shows as a step of density"
        raise NotSeenError(msg)


def shared_share(border: FittedBorder) -> float:
    """Share of the border that lies nearer to another lesion than to this one."""
    rays = border.rays
    at = np.minimum((border.radii_mm / STEP_MM).astype(np.intp), rays.foreign.shape[1] - 1)
    return float(direction_grid().weights @ (rays.foreign[np.arange(len(at)), at] > 0.5))


def _by_size(border: FittedBorder, shares: tuple[float, float], config: CtLesionConfig) -> float:
    """A limit between that of small and that of large lesions."""
    return float(np.interp(border.fit.coefficients[0], config.filled_radius_mm, shares))


def uptake_left_out(border: FittedBorder) -> float:
    """Share of the uptake's volume that lies outside the border."""
    rays = border.rays
    volume = np.where(rays.uptake, rays.volumes, 0.0)
    outside = rays.distance_mm > border.radii_mm[:, None]
    return float((volume * outside).sum() / max(float(volume.sum()), 1e-9))


def require_one_density(border: FittedBorder, config: CtLesionConfig) -> None:
    """Refuse a border whose outer half is like the liver in several directions.

    Two lesions that are one on PET, a vessel, or a faint lesion beside its uptake give such a border.
    """
    found = least_filled_share(border)
    least = _least_filled(border, config)
    if found < least:
        msg = (
            f"the density within its outline is not one: in parts {100 * max(found, 0):.0f} % of the way from liver "
            "to lesion"
        )
        raise NotSeenError(msg)


def least_filled_share(border: FittedBorder) -> float:
    """Share of the contrast that nearly every part of the outer half has.

    It is looked at in twelve directions, and the third least lesion-like decides: one or two may be a vessel. Below
    the rim, a large lesion may have a necrotic core, which is no part of the liver.
    """
    rays, densities = border.rays, border.densities
    radii = border.radii_mm[:, None]
    innermost = np.maximum(0.5 * radii, radii - rim_depth_mm(border))
    zone = (rays.distance_mm < radii - _BORDER_ZONE_MM) & (rays.distance_mm > innermost) & rays.usable
    volume = np.where(zone, rays.volumes, 0.0)
    way = (rays.hu - densities.liver) / densities.contrast
    sectors = _sectors()
    filled = np.ones(len(_SECTOR_AXES))
    for number in range(len(filled)):
        chosen = sectors == number
        if np.count_nonzero(zone[chosen]) > _LEAST_SAMPLES:
            filled[number] = (way[chosen] * volume[chosen]).sum() / volume[chosen].sum()
    return float(np.sort(filled)[2])


def _least_filled(border: FittedBorder, config: CtLesionConfig) -> float:
    """Least share of the contrast that every part of a lesion has."""
    least = _by_size(border, config.least_filled_shares, config)
    contrast_sd = abs(border.densities.contrast) / border.densities.noise
    if contrast_sd < config.weak_contrast_sd:
        return max(least, config.least_filled_shares[1])
    sure_sd, sure_known = config.sure_step
    if contrast_sd >= sure_sd and known_share(border, config) >= sure_known:
        return min(least, _by_size(border, config.sure_filled_shares, config))
    return least


def require_more_than_core(border: FittedBorder, config: CtLesionConfig) -> None:
    """Refuse a border around a core whose rim is as dense as liver: the uptake reaches farther than the core."""
    rays, densities = border.rays, border.densities
    inner = np.where((rays.distance_mm < 0.5 * border.radii_mm[:, None]) & rays.usable, rays.volumes, 0.0)
    total = float(inner.sum())
    if total <= 0:
        return
    core = float((inner * (rays.hu - densities.liver)).sum() / total / densities.contrast)
    left_out = uptake_left_out(border)
    if core > config.core_share and left_out > config.most_left_out_of_core:
        msg = f"the CT shows its core, and {100 * left_out:.0f} % of its uptake lies outside of that"
        raise NotSeenError(msg)


@cache
def _sectors() -> npt.NDArray[np.intp]:
    """For each direction, the nearest of the twelve axes."""
    return np.asarray((direction_grid().unit @ _SECTOR_AXES.T).argmax(axis=1))


def size_and_spread_mm(border: FittedBorder) -> tuple[float, float]:
    """Longest diameter of the surface, and the SD of those of the surfaces that fit nearly as well."""
    fit = border.fit
    factor = np.linalg.cholesky(fit.precision)
    draws = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(fit.coefficients)))
    surfaces = fit.coefficients + np.linalg.solve(factor.T, draws.T).T
    slice_mm = border.site.grid.spacing_mm[0]
    sizes = longest_calipers_mm(float(border.centre[0]), np.vstack([fit.coefficients, surfaces]), slice_mm)
    return float(sizes[0]), float(sizes[1:].std())


def diameter_error_mm(border: FittedBorder, config: CtLesionConfig) -> float:
    """Half the 95 % interval of the longest diameter: spread of the surfaces that fit, and what no fit shows."""
    size, spread = size_and_spread_mm(border)
    if size <= 0 or spread > config.widest_spread_share * size:
        msg = f"its size on CT is not sure: {max(size - _Z95 * spread, 0):.0f} to {size + _Z95 * spread:.0f} mm"
        raise NotSeenError(msg)
    parts = (config.spread_factor * spread, config.model_error_mm, config.model_error_share * size)
    return float(_Z95 * np.sqrt(sum(part**2 for part in parts)))
