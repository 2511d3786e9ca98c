"""The mean course of density across a fitted border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.image.geometry import FloatArray
from dotaliver.segmentation.lesions.border_fit import STEP_MM, Densities, Rays
from dotaliver.segmentation.lesions.star_surface import direction_grid

__all__ = ["STRAY_SD", "STRAY_SHARE", "BorderProfile", "border_profile"]

# So far beyond the lesion's own density, as a share of the contrast and in SDs of the noise, is a vessel or calcium.
STRAY_SHARE, STRAY_SD = 1.6, 3.0

_INNER_MM, _OUTER_MM = -6.0, 10.0
# Where the plateaus inside and outside are read.
_INSIDE_MM, _OUTSIDE_MM = (-4.0, -2.0), 5.0
# A direction counts only where what lies outside its border is liver: next to none of it is beyond the liver (which
# lowers its density at once), and less than a third nearer to another lesion.
_MOST_BEYOND, _MOST_FOREIGN = 0.01, 0.3
# Weight without which a place has no mean, and the least step between both plateaus that is one, in HU.
_LEAST_WEIGHT, _LEAST_STEP_HU = 1e-6, 1.0
# A place is interpolated between two samples, the first of which lies half a step out.
_FIRST_SAMPLE, _LAST_SAMPLE = 0.5, 1.001


@dataclass(frozen=True, eq=False)
class BorderProfile:
    """Places from the fitted border outwards, in mm, and the share of the contrast there.

    ``half_mm`` is where half the step is left, ``foot_mm`` where nearly nothing is; None where there is no step.
    """

    offsets_mm: FloatArray
    shares: FloatArray
    half_mm: float
    foot_mm: float | None

    def share_at(self, offset_mm: float) -> float:
        """Share of the contrast, lesion against liver, at a place."""
        return float(np.interp(offset_mm, self.offsets_mm, self.shares))


def border_profile(rays: Rays, radii_mm: FloatArray, densities: Densities, foot_share: float) -> BorderProfile:
    """Mean density over the directions in which liver borders the lesion, vessels left out."""
    offsets = np.arange(_INNER_MM, _OUTER_MM + STEP_MM / 2, STEP_MM)
    place = np.clip((radii_mm[:, None] + offsets) / STEP_MM - _FIRST_SAMPLE, 0, rays.hu.shape[1] - _LAST_SAMPLE)
    low = place.astype(np.intp)
    rows = np.arange(len(radii_mm))[:, None]
    hu = rays.hu[rows, low] * (1 - (place - low)) + rays.hu[rows, low + 1] * (place - low)
    stray = np.abs(hu - densities.liver) > STRAY_SHARE * abs(densities.contrast) + STRAY_SD * densities.noise
    bad = (rays.beyond_liver[rows, low + 1] > _MOST_BEYOND) | (rays.foreign[rows, low + 1] > _MOST_FOREIGN) | stray
    weights = np.where(bad, 0.0, direction_grid().weights[:, None])
    total = weights.sum(axis=0)
    profile = (hu * weights).sum(axis=0) / np.maximum(total, 1e-9)
    far = (offsets >= _OUTSIDE_MM) & (total > _LEAST_WEIGHT)
    near = (offsets >= _INSIDE_MM[0]) & (offsets <= _INSIDE_MM[1]) & (total > _LEAST_WEIGHT)
    shares = np.asarray((profile - densities.liver) / densities.contrast)
    if not far.any() or not near.any():
        return BorderProfile(offsets, shares, 0.0, None)
    outer = float((profile[far] * total[far]).sum() / total[far].sum())
    inner = float(profile[near].mean())
    if abs(inner - outer) <= _LEAST_STEP_HU:
        return BorderProfile(offsets, shares, 0.0, None)
    way = (profile - outer) / (inner - outer)
    half, foot = _crossing(offsets, way, 0.5), _crossing(offsets, way, foot_share)
    if half is None or foot is None:
        return BorderProfile(offsets, shares, 0.0, None)
    return BorderProfile(offsets, shares, half, foot)


def _crossing(offsets: FloatArray, way: FloatArray, level: float) -> float | None:
    """The place nearest to the fitted border at which the way falls through a level."""
    falls = np.flatnonzero((way[:-1] >= level) & (way[1:] < level))
    if not len(falls):
        return None
    k = int(falls[np.argmin(np.abs(offsets[falls]))])
    return float(offsets[k] + STEP_MM * (way[k] - level) / (way[k] - way[k + 1]))
