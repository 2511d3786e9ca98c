"""The border that fits one guess of a lesion around a place that a reader points at, and how far it is believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.clicks import CtClickConfig
from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.geometry import Box, FloatArray, Geometry
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.border_checks import require_contrast, seen_share
from dotaliver.segmentation.lesions.ct_outlines import BelievedBorder, believed_border, drawn_border, with_surroundings
from dotaliver.segmentation.lesions.ct_site import NotSeenError, site_of
from dotaliver.segmentation.lesions.fitted_border import fitted_border
from dotaliver.segmentation.lesions.thinned_ct import ThinnedCt

__all__ = ["Candidate", "fitted_to", "radius_ratio", "widest_mm"]

_OWN = 1
# Width is measured along so many directions: within half a percent of the longest diameter.
_DIRECTIONS = 16
# Half a 95 % interval over the SD of a normal distribution.
_Z95 = 1.96
# What a border's relative error takes from its clarity, chosen on scenes of tuning families.
_ERROR_WEIGHT = 0.5
# An outline may miss the place by the voxels that smoothing moves a border by.
_OFF_PLACE_MM = 2.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """An outline that holds the place, and how far it can be believed."""

    mask: BoolArray
    border: BorderEvidence
    longest_mm: float
    clarity: float
    """Agreement with its start times share of border seen, less half its relative error."""
    contrast_sd: float
    """Contrast against the liver around, in SDs of its density."""
    doubt: str | None = None
    """Why the automatic search would not measure it."""


def fitted_to(
    thin: ThinnedCt, start: BoolArray, place: FloatArray, click: CtClickConfig, fitting: CtLesionConfig
) -> Candidate | None:
    """The border fitted to a start; None where it does not hold the place.

    Raises
    ------
    NotSeenError
        Where density does not stand out from the liver's, with the reason.
    """
    used = used_box(start)
    if used is None:
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    strict, loose = _for_clicks(fitting, click), _without_limits(fitting, click)
    grid = thin.ct.geometry
    box = with_surroundings(used, grid, fitting)
    labels = np.where(thin.others[box], _OWN + 1, 0).astype(np.uint16)
    labels[start[box]] = _OWN
    site = site_of(thin.ct.crop(box), labels, thin.liver[box], _OWN, strict)
    border, doubt = fitted_border(site, strict), None
    require_contrast(border, strict)
    try:
        believed = believed_border(border, strict)
    except NotSeenError as reason:
        doubt, believed = str(reason), BelievedBorder(border, seen_share(border, strict))
    densities = believed.border.densities
    contrast_sd = abs(densities.contrast) / densities.noise
    drawn, evidence = drawn_border(believed, loose)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[box] = drawn
    if not _holds(mask, place, grid):
        return None
    agreement = 2 * np.count_nonzero(mask & start) / (np.count_nonzero(mask) + np.count_nonzero(start))
    longest = widest_mm(drawn, grid)
    relative = evidence.diameter_error_mm / max(longest, 1.0)
    if relative > _Z95 * strict.widest_spread_share and doubt is None:
        doubt = f"its size on CT is not sure: {longest:.0f} mm ± {evidence.diameter_error_mm:.0f} mm"
    return Candidate(
        mask, evidence, longest, float(believed.seen_share * agreement - _ERROR_WEIGHT * relative), contrast_sd, doubt
    )


def radius_ratio(mask: BoolArray, known_voxels: float) -> float:
    """Radius of an outline over that of a known number of voxels."""
    return float((np.count_nonzero(mask) / known_voxels) ** (1 / 3))


def _for_clicks(fitting: CtLesionConfig, click: CtClickConfig) -> CtLesionConfig:
    """The fit's settings without what only the outline of the uptake can say."""
    changed = {
        "size_sd_mm": click.size_sd_mm,
        "size_sd_share": click.size_sd_share,
        "place_sd_mm": click.place_sd_mm,
        "size_ratio_range": click.size_ratio_range,
        "reach_mm": click.border_reach_mm,
        "reach_share": click.border_reach_share,
        "least_seen_share": click.least_seen_share,
        "least_contrast_sd": click.least_contrast_sd,
        "uptake_trust": click.foot_trust,
        "most_shared_share": click.most_shared_share,
        "size_slack_mm": 0.0,
        "sure_filled_shares": (fitting.least_filled_shares[0], fitting.sure_filled_shares[1]),
        "spread_factor": click.spread_factor,
        "model_error_mm": click.model_error_mm,
        "model_error_share": click.model_error_share,
        "detail_mm": click.detail_mm,
        # Its weights were found for outlines that uptake started
        "interval_weights": None,
    }
    return CtLesionConfig.model_validate(fitting.model_dump() | changed)


def _without_limits(fitting: CtLesionConfig, click: CtClickConfig) -> CtLesionConfig:
    """The same, however wide the diameter's spread."""
    return _for_clicks(fitting, click).model_copy(update={"widest_spread_share": np.inf})


def widest_mm(mask: BoolArray, grid: Geometry) -> float:
    """Greatest width in a slice along 16 directions: within half a percent of the longest diameter."""
    slices, rows, columns = np.nonzero(mask)
    widest = 0.0
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        along = np.cos(angle) * grid.spacing_mm[1] * rows + np.sin(angle) * grid.spacing_mm[2] * columns
        high, low = np.full(mask.shape[0], -np.inf), np.full(mask.shape[0], np.inf)
        np.maximum.at(high, slices, along)
        np.minimum.at(low, slices, along)
        widest = max(widest, float((high - low).max()))
    return widest + 0.5 * float(grid.spacing_mm[1])


def _holds(mask: BoolArray, place: FloatArray, grid: Geometry) -> bool:
    """Whether an outline holds a place but for a voxel or two."""
    centre = np.rint(place).astype(int)
    around: Box = tuple(slice(max(int(c) - 2, 0), int(c) + 3) for c in centre)  # type: ignore[assignment]
    near = mask[around]
    if not near.any():
        return False
    offsets = (np.argwhere(near) + [a.start for a in around] - place) * np.asarray(grid.spacing_mm)
    return bool(np.linalg.norm(offsets, axis=1).min() <= max(_OFF_PLACE_MM, *grid.spacing_mm))
