"""A lesion outlined from one place on the PET, at the edge of its uptake or at another level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.errors import MaskError
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Vector, grow_box
from dotaliver.image.spheres import voxels_within
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.editing.uptake_edge import EDGE, edge_height, surrounding_uptake
from dotaliver.segmentation.lesions.basins import basins_of, merged

__all__ = ["HIGHEST_LEVEL", "LOWEST_LEVEL", "PlaceOnPet", "place_on_pet"]

LOWEST_LEVEL, HIGHEST_LEVEL = 0.1, 0.9
"""Levels, as heights over the surroundings (`dotaliver.segmentation.editing.uptake_edge`), that can be chosen."""

# How far a lesion may reach from the place that was clicked, and how far its maximum is looked for
_REACH_MM, _SNAP_MM = 70.0, 6.0
# A maximum that rises less over its surroundings has no border to find.
_LEAST_CONTRAST = 1.2


@dataclass(frozen=True, eq=False)
class PlaceOnPet:
    """What is found around a place once, so that every level is quick.

    Attributes
    ----------
    box : tuple of slice
        The part of the PET that was looked at.
    maximum : float
        Highest uptake of the lesion, in the PET's unit.
    surroundings : float
        Uptake around it.
    """

    box: Box
    maximum: float
    surroundings: float
    _height: Float32Array
    _own: BoolArray
    _peak: tuple[int, ...]

    def outline(self, level: float = EDGE) -> BoolArray:
        """The lesion in the box: what reaches a level and hangs together with the maximum; `EDGE` is the edge rule."""
        import cc3d

        hot = (self._height > level) & self._own
        hot[self._peak] = True
        parts = cc3d.connected_components(np.ascontiguousarray(hot), connectivity=18)
        return np.asarray(parts == parts[self._peak])

    def percent_of_maximum(self, level: float = EDGE) -> float:
        """The level at the lesion's maximum, in percent of that."""
        return 100.0 * (self.surroundings + level * (self.maximum - self.surroundings)) / self.maximum


def place_on_pet(
    pet: Volume,
    place_lps_mm: Vector,
    taken: npt.NDArray[np.bool_],
    normal_uptake: float | None,
    config: LesionConfig,
    at_capsule: BoolArray | None = None,
) -> PlaceOnPet:
    """Look at a place that a reader clicked.

    Parameters
    ----------
    pet : Volume
        The PET.
    place_lps_mm : tuple of float
        The place, in the position of the PET.
    taken : ndarray of bool
        Voxels of other lesions, on the PET's grid.
    normal_uptake : float or None
        That of normal liver, where the place is in the liver; None: the median around the place.
    config : LesionConfig
        The edge rule's settings.
    at_capsule : ndarray of bool, optional
        Voxels of the PET near the liver's border, where the other side of an edge is cold.

    Raises
    ------
    MaskError
        For a place off the PET, in another lesion, or where the uptake does not rise over its surroundings.
    """
    if not bool(pet.geometry.contains(place_lps_mm)):
        msg = "the place lies outside the PET; click on a focus of uptake"
        raise MaskError(msg)
    middle = np.rint(pet.geometry.lps_to_index(place_lps_mm)).astype(int)
    k, j, i = (slice(int(n), int(n) + 1) for n in middle)
    box = grow_box((k, j, i), np.ceil(_REACH_MM / np.asarray(pet.geometry.spacing_mm)), pet.geometry.shape)
    part, others = pet.crop(box), np.asarray(taken[box])
    index = part.geometry.lps_to_index(place_lps_mm)
    near = voxels_within(part.geometry, index, _SNAP_MM) & ~others
    near[tuple(np.rint(index).astype(int))] |= not others[tuple(np.rint(index).astype(int))]
    if not near.any():
        msg = "another lesion is there already; select it to change its outline"
        raise MaskError(msg)
    base = surrounding_uptake(part, near, others) if normal_uptake is None else normal_uptake
    smooth = gaussian(part.array, config.smooth_fwhm_mm / FWHM_PER_SIGMA, part.geometry)
    warm = (smooth > 1.05 * base) | near
    everywhere = np.ones(warm.shape, dtype=bool)
    structures = merged(basins_of(smooth, warm), smooth, base, everywhere, everywhere, config.saddle_share).labels
    peak = np.unravel_index(int(np.where(near, part.array, -np.inf).argmax()), near.shape)
    own = (structures == structures[peak]) & ~others
    # The basin's own maximum may lie beyond the few mm that a click is off.
    maximum = float(part.array[own].max())
    if float(part.array[peak]) < _LEAST_CONTRAST * base or maximum <= 0:
        msg = "the uptake there does not rise over its surroundings; paint the lesion with the brush"
        raise MaskError(msg)
    top = np.unravel_index(int(np.where(own, part.array, -np.inf).argmax()), own.shape)
    capsule = None if at_capsule is None else np.asarray(at_capsule[box])
    height = edge_height(part, base, config, at_capsule=capsule, fwhm_mm=config.edge_fwhm_mm)
    return PlaceOnPet(box, maximum, base, height, own, tuple(int(n) for n in top))
