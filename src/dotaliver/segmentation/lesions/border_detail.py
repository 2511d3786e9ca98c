"""A fitted border drawn on the CT's grid, with the detail that density shows clearly."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import signed_distance_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box
from dotaliver.image.morphology import box_around, filled_in_slices
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.border_profile import STRAY_SD, STRAY_SHARE
from dotaliver.segmentation.lesions.fitted_border import FittedBorder, seen_directions
from dotaliver.segmentation.lesions.star_surface import StarSurface, direction_grid

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = ["drawn_with_detail"]


def drawn_with_detail(border: FittedBorder, level_hu: float, config: CtLesionConfig) -> BoolArray:
    """The surface on the CT's grid, its border following density where that is clear.

    Parameters
    ----------
    border : FittedBorder
        On its grid, with the densities of lesion and liver.
    level_hu : float
        Density at the border.
    config : CtLesionConfig
        How far and on which scale density moves the border.
    """
    grid = border.site.grid
    surface = StarSurface(border.centre, border.fit.coefficients)
    drawn = surface.drawn(grid.shape, grid.spacing_mm) & border.site.field
    if not drawn.any():
        return drawn
    part = box_around(drawn, grid, config.detail_mm + 1.5 * config.detail_fwhm_mm)
    mask = np.zeros_like(drawn)
    mask[part] = _detailed(border, (part, drawn[part]), level_hu, config)
    return mask


def _detailed(border: FittedBorder, where: tuple[Box, BoolArray], level_hu: float, config: CtLesionConfig) -> BoolArray:
    import cc3d

    site, densities = border.site, border.densities
    box, drawn = where
    grid = site.grid.crop(box)
    hu, beyond, foreign = site.hu[box], site.beyond_liver[box], site.foreign[box]
    depth = signed_distance_mm(drawn, grid.spacing_mm)
    depth -= 0.5 * grid.spacing_mm[1] * np.sign(depth)
    # Slope of the log likelihood ratio per HU, linear around the border's own density.
    slope = densities.contrast / densities.noise**2
    ratio = np.clip((hu - level_hu) * slope, -config.outlier_nats, config.outlier_nats)
    way = (hu - densities.liver) / densities.contrast
    ratio[way > STRAY_SHARE + STRAY_SD * densities.noise / abs(densities.contrast)] = 0.0
    ratio = ratio * (1 - beyond) - config.outside_nats * beyond
    ratio = ratio * (1 - foreign) - 0.5 * config.outside_nats * foreign
    ratio = gaussian(ratio.astype(np.float32), config.detail_fwhm_mm / FWHM_PER_SIGMA, grid)
    band = np.abs(depth) <= config.detail_mm
    ratio[band] *= _seen(border, np.argwhere(band) + [part.start for part in box], config)
    inside = config.detail_weight * ratio + depth > 0
    wanted = (inside & (depth > -config.detail_mm)) | (depth > config.detail_mm)
    parts = cc3d.connected_components(wanted & site.field[box], connectivity=6)
    counts = np.bincount(parts[drawn], minlength=2)
    counts[0] = 0
    return filled_in_slices(np.asarray(parts == counts.argmax())) if counts.any() else drawn


def _seen(border: FittedBorder, voxels: npt.NDArray[np.intp], config: CtLesionConfig) -> BoolArray:
    """Whether the border is seen in the directions of voxels: elsewhere density does not move it."""
    seen = seen_directions(border, config)
    if seen.all():
        return np.ones(len(voxels), dtype=bool)
    offsets = (voxels - border.centre) * np.asarray(border.site.grid.spacing_mm)
    offsets /= np.maximum(np.linalg.norm(offsets, axis=1, keepdims=True), 1e-9)
    return np.asarray(seen[_directions_in_space().query(offsets)[1]])


@cache
def _directions_in_space() -> cKDTree:
    from scipy.spatial import cKDTree

    return cKDTree(direction_grid().unit)
