"""Outlines of candidates on the PET's own grid, delimited as lesions in the liver are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import resample_labels
from dotaliver.image.spheres import ball
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.segmentation.body.parts import HotPart, HotParts

__all__ = ["outline_on_pet"]

_MARGIN_MM = 8.0
# Below this share of the step from background to peak, uptake is the blur of the focus.
_FLOOR_SHARE = 0.25


def outline_on_pet(
    pet: Volume, part: HotPart, box: Box, found: HotParts, grid: Geometry, config: LesionConfig
) -> tuple[Box, BoolArray] | None:
    """Voxels of the PET above half the local step from the background; None where there are none.

    Parameters
    ----------
    pet : Volume
        The PET.
    part : HotPart
        The candidate.
    box : Box
        The smallest box of the coarse grid around its basin.
    found : HotParts
        All basins, on the coarse ``grid``.
    grid : Geometry
        The coarse grid.
    config : LesionConfig
        How lesions in the liver are delimited.
    """
    from scipy.ndimage import grey_dilation, label

    place = _box_on(pet.geometry, grid, box)
    if place is None:
        return None
    image = pet.crop(place)
    own = resample_labels(_owner(found, part.label, box, grid), image.geometry).mask
    if not own.any():
        return None
    sharp = gaussian(image.array, config.edge_fwhm_mm / FWHM_PER_SIGMA, image.geometry)
    plateau = gaussian(sharp, config.plateau_fwhm_mm / FWHM_PER_SIGMA, image.geometry)
    top = grey_dilation(np.where(own, plateau, 0.0), footprint=ball(config.blur_reach_mm, image.geometry.spacing_mm))
    peak = float(sharp[own].max())
    floor = part.background + _FLOOR_SHARE * (peak - part.background)
    mask = own & (sharp >= np.maximum(part.background + 0.5 * (top - part.background), floor))
    if not mask.any():
        return None
    pieces, _ = label(mask)
    highest = np.unravel_index(int(np.where(mask, sharp, -np.inf).argmax()), mask.shape)
    return place, np.asarray(pieces == pieces[highest])


def _owner(found: HotParts, label: int, box: Box, grid: Geometry) -> LabelMap:
    return LabelMap(np.asarray(found.owners[box] == label), grid.crop(box))


def _box_on(onto: Geometry, grid: Geometry, box: Box) -> Box | None:
    """The box of another grid around a box of the coarse grid, with a margin."""
    corners = grid.crop(box).corners_lps_mm()
    index: npt.NDArray[np.float64] = onto.lps_to_index(corners)
    margin = _MARGIN_MM / np.asarray(onto.spacing_mm)
    low = np.maximum(np.floor(index.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(index.max(axis=0) + margin) + 1, onto.shape).astype(int)
    if (high <= low).any():
        return None
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return (k, j, i)
