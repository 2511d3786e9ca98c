"""Where a lesion may lie around one place on CT: regions as dense as that place, cut free of what they touch.

Density near the place is compared with that of the liver around it. What lies nearer to the first and is joined to the
place is a first guess of the lesion; vessels and neighbours that join it through a neck are cut off by opening it with
balls of several radii. Each guess is only a start: the border itself is fitted to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dotaliver.config.clicks import ClickSearch, CtClickConfig
from dotaliver.image.distance import Float32Array, distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.volume import BoolArray, Volume

__all__ = ["Regions", "regions_around"]

# Density beyond these is metal, bone or air, and not to be smeared over its neighbours.
_HU_RANGE = (-60.0, 260.0)
_SD_PER_MAD = 1.4826
_ROUNDS = 3
_LEAST_SAMPLES = 100
# Two regions that share this much (Dice) are one guess.
_SAME_SHARE = 0.93
# How far from the place the part of an opened region may begin, beyond the ball that opened it.
_OFF_PLACE_MM = 4.0


@dataclass(frozen=True)
class _Densities:
    """Near the place and of the liver around it, with the spread of the liver, in HU."""

    lesion: float
    liver: float
    spread: float


@dataclass(frozen=True, eq=False)
class Regions:
    """Guesses of a lesion, and whether one was left out because it reaches farther than is looked."""

    likeliest_first: tuple[BoolArray, ...]
    reaches_farther: bool


def regions_around(
    ct: Volume, usable: BoolArray, place: FloatArray, search: ClickSearch, config: CtClickConfig
) -> Regions:
    """Guess the lesion that holds a place.

    Parameters
    ----------
    ct : Volume
        In HU, on a coarse grid.
    usable : ndarray of bool
        Liver that no other lesion fills.
    place : ndarray
        The place, in voxels.
    search : ClickSearch
        How far is looked, and for which contrast.
    config : CtClickConfig
        Scales and limits.
    """
    grid = ct.geometry
    distance = _distance_from(place, grid)
    usable = usable & (distance <= search.reach_mm)
    kept: list[BoolArray] = []
    farther = False
    for guess in _guesses(ct, usable, distance, search, config):
        if float(distance[guess].max()) > search.reach_mm - max(grid.spacing_mm):
            farther = True
        elif all(_dice(guess, other) < _SAME_SHARE for other in kept):
            kept.append(guess)
    # What density separates and reaches farther is no ball here: the next search looks at it.
    if search.balls and (kept or not farther):
        kept += [np.asarray(usable & (distance <= radius)) for radius in config.ball_radii_mm]
    return Regions(tuple(kept), farther)


def _guesses(
    ct: Volume, usable: BoolArray, distance: Float32Array, search: ClickSearch, config: CtClickConfig
) -> Iterator[BoolArray]:
    grid = ct.geometry
    hu = np.clip(ct.array, *_HU_RANGE).astype(np.float32)
    for fwhm_mm in config.smooth_fwhm_mm:
        sigma = fwhm_mm / FWHM_PER_SIGMA
        weight = gaussian(usable.astype(np.float32), sigma, grid)
        total = gaussian(np.where(usable, hu, 0).astype(np.float32), sigma, grid)
        calm = np.asarray(total / np.maximum(weight, 1e-3), dtype=np.float32)
        found = _densities(calm, usable, distance, max(config.core_mm, 0.6 * grid.spacing_mm[0]))
        if found is None:
            continue
        contrast = found.lesion - found.liver
        if abs(contrast) < max(config.least_contrast_hu, search.least_contrast_sd * found.spread):
            continue
        region = np.asarray(usable & ((calm - found.liver) / contrast > 0.5))
        yield from _opened(region, distance, grid, config)


def _densities(calm: Float32Array, usable: BoolArray, distance: Float32Array, core_mm: float) -> _Densities | None:
    """Both densities; what lies nearer to that of the place is not liver."""
    core = usable & (distance <= core_mm)
    if not core.any():
        return None
    lesion, around = float(np.median(calm[core])), calm[usable]
    liver, kept = float(np.median(around)), around
    for _ in range(_ROUNDS):
        nearer = around[np.abs(around - liver) < np.abs(around - lesion)]
        if len(nearer) < _LEAST_SAMPLES:
            return None
        kept, liver = nearer, float(np.median(nearer))
    return _Densities(lesion, liver, _SD_PER_MAD * float(np.median(np.abs(kept - liver))))


def _opened(region: BoolArray, distance: Float32Array, grid: Geometry, config: CtClickConfig) -> Iterator[BoolArray]:
    """The part of a region at the place, opened with balls."""
    import cc3d

    depth = distance_inside_mm(region, grid.spacing_mm)
    for radius in config.opening_radii_mm:
        inner = depth > radius
        if not inner.any():
            return
        to_inner = np.where(inner, distance, np.inf)
        nearest = np.unravel_index(int(to_inner.argmin()), inner.shape)
        if to_inner[nearest] > radius + _OFF_PLACE_MM:
            continue
        parts = cc3d.connected_components(inner, connectivity=6)
        own = np.asarray(parts == parts[nearest])
        grown = (distance_to_mm(own, grid.spacing_mm, within_mm=radius + 1) <= radius + 1e-2) & region
        yield np.asarray(grown)


def _distance_from(place: FloatArray, grid: Geometry) -> Float32Array:
    k, j, i = (((np.arange(n) - p) * s) ** 2 for n, p, s in zip(grid.shape, place, grid.spacing_mm, strict=True))
    return np.asarray(np.sqrt(k[:, None, None] + j[:, None] + i).astype(np.float32))


def _dice(one: BoolArray, other: BoolArray) -> float:
    both, all_of_both = int(np.count_nonzero(one & other)), int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * both / max(all_of_both, 1)
