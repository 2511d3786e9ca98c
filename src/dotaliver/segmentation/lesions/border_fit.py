"""The smooth closed surface that best separates a lesion's density from the liver's, and how sure it is.

Along rays from the lesion's middle, each place is compared with both densities: the difference of the two squared
distances in SDs of the noise, halved, is its log likelihood ratio in nats. It is capped, so that a place that is like
neither (a vessel, fat, calcium) counts little. Noise is correlated, so a volume of tissue counts as often as it holds
the noise's grain. The surface with the greatest sum, less what it costs to leave the outline of the uptake and to be
rough, is found by Newton steps from several sizes. The curvature of the sum at that surface gives the spread of the
surfaces that fit nearly as well (Laplace's approximation).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import Float32Array
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.star_surface import direction_grid

__all__ = ["STEP_MM", "Densities", "Fit", "Prior", "Rays", "cast_rays", "fit_surface", "log_ratio", "ray_log_ratio"]

STEP_MM = 0.5
# Half widths over which the sum's slope is taken, one Newton step each: from coarse to fine.
_WIDTHS_MM = (4.0, 3.0, 2.0, 1.5, 1.0, 1.0)
_LARGEST_STEP_MM = 3.0
# What lies more than half in something belongs to it.
_HALF = 0.5
# Against another lesion's tissue weighs half of what tissue beyond the liver does: two lesions may share a border.
_FOREIGN_SHARE = 0.5
# Of two starts, another one is better only beyond rounding, in nats.
_TIE_NATS = 1e-9
# A place is interpolated between two samples: the last one has none beyond it.
_LAST_SAMPLE = 1.001


@dataclass(frozen=True, eq=False)
class Rays:
    """Samples along rays from a point, shape (directions, distances), but for the distances themselves in mm."""

    distance_mm: FloatArray
    hu: FloatArray
    beyond_liver: FloatArray
    """Share outside the liver, 0 to 1."""
    foreign: FloatArray
    """Share nearer to another lesion, 0 to 1."""
    uptake: BoolArray
    """Inside the outline of the uptake."""

    @property
    def usable(self) -> BoolArray:
        """In the liver and nearest to this lesion."""
        return np.asarray((self.beyond_liver < _HALF) & (self.foreign < _HALF))

    @cached_property
    def volumes(self) -> FloatArray:
        """Volume of tissue that each sample represents, in mm³."""
        shell = 4 * np.pi * self.distance_mm**2 * STEP_MM
        return np.asarray(direction_grid().weights[:, None] * shell)


@dataclass(frozen=True)
class Densities:
    """Of a lesion and of the liver around it, with the SD of the noise, in HU."""

    lesion: float
    liver: float
    noise: float

    @property
    def contrast(self) -> float:
        """Of the lesion against the liver."""
        return self.lesion - self.liver


@dataclass(frozen=True, eq=False)
class Prior:
    """The coefficients that the outline of the uptake suggests, and the SD of each, in mm."""

    mean: FloatArray
    sd: FloatArray


@dataclass(frozen=True, eq=False)
class Fit:
    """The best surface's coefficients in mm, their precision (inverse covariance) and the gain over no lesion."""

    coefficients: FloatArray
    precision: FloatArray
    gain: float


def cast_rays(
    images: tuple[Float32Array, Float32Array, Float32Array],
    uptake: BoolArray,
    centre: FloatArray,
    spacing_mm: Vector,
    reach_mm: float,
) -> Rays:
    """Sample density, share beyond the liver, share of other lesions and the outline of the uptake along rays."""
    from scipy.ndimage import map_coordinates

    distance = np.arange(0.5, np.ceil(reach_mm / STEP_MM)) * STEP_MM
    offsets = direction_grid().unit.T[:, :, None] * distance
    places = centre[:, None, None] + offsets / np.asarray(spacing_mm)[:, None, None]
    sampled = []
    for image in images:
        if image.min() == image.max():
            sampled.append(np.full(places.shape[1:], float(image.flat[0])))
        else:
            sampled.append(map_coordinates(image, places, order=1, mode="nearest", output=np.float64))
    k, j, i = (np.clip(np.rint(p).astype(np.intp), 0, n - 1) for p, n in zip(places, uptake.shape, strict=True))
    return Rays(distance, sampled[0], sampled[1], sampled[2], np.asarray(uptake[k, j, i]))


def log_ratio(
    hu: npt.NDArray[np.floating], densities: Densities, cap: float, softness: float, opposite: float = 0.0
) -> FloatArray:
    """How much more densities look like the lesion's than like the liver's, in nats.

    Parameters
    ----------
    hu : ndarray
        Density.
    densities : Densities
        What is compared with.
    cap : float
        Largest distance from either, in nats.
    softness : float
        SD of what lies between liver and lesion, as a share of the contrast: a lesion's border zone belongs to it.
    opposite : float
        What counts against a lesion where density departs from the liver's to the other side (a vessel, another
        lesion), in nats.
    """
    way = (np.asarray(hu, dtype=np.float64) - densities.liver) / densities.contrast
    sd = densities.noise / abs(densities.contrast)
    own_sd = np.where(way < 1, np.hypot(sd, softness), sd)
    as_liver = np.minimum(0.5 * (way / sd) ** 2, np.where(way < 0, cap - opposite, cap))
    as_lesion = np.minimum(0.5 * ((way - 1) / own_sd) ** 2, cap)
    return np.asarray(as_liver - as_lesion)


def ray_log_ratio(
    rays: Rays, densities: Densities, cap: float, softness: float, outside: float, opposite: float = 0.0
) -> FloatArray:
    """The same along rays; beyond the liver it is minus ``outside``, nearer to other lesions half of that."""
    ratio = log_ratio(rays.hu, densities, cap, softness, opposite)
    ratio = ratio * (1 - rays.beyond_liver) - outside * rays.beyond_liver
    return ratio * (1 - rays.foreign) - _FOREIGN_SHARE * outside * rays.foreign


def fit_surface(rays: Rays, ratio: FloatArray, prior: Prior, starts: list[FloatArray], grain_mm3: float) -> Fit:
    """The surface with the greatest gain, from several starts; of equal ones the first."""
    basis = direction_grid().basis
    gain_to = np.zeros((ratio.shape[0], ratio.shape[1] + 1))
    np.cumsum(ratio * rays.volumes / grain_mm3, axis=1, out=gain_to[:, 1:])
    stiffness = 1 / prior.sd**2
    best: Fit | None = None
    for start in starts:
        c = start
        for width in _WIDTHS_MM:
            slope, curvature = _derivatives(gain_to, basis @ c, width)
            precision = (basis * curvature[:, None]).T @ basis
            precision[np.diag_indices(len(c))] += stiffness
            step = np.linalg.solve(precision, basis.T @ slope - stiffness * (c - prior.mean))
            largest = float(np.abs(basis @ step).max())
            c = c + step * min(1.0, _LARGEST_STEP_MM / max(largest, 1e-9))
        gain = float(_at(gain_to, basis @ c).sum() - 0.5 * (stiffness * (c - prior.mean) ** 2).sum())
        if best is None or gain > best.gain + _TIE_NATS:
            best = Fit(c, precision, gain)
    assert best is not None
    return best


def _at(gain_to: FloatArray, radius_mm: FloatArray) -> FloatArray:
    place = np.clip(radius_mm / STEP_MM, 0, gain_to.shape[1] - _LAST_SAMPLE)
    low = place.astype(np.intp)
    rows = np.arange(len(radius_mm))
    return np.asarray(gain_to[rows, low] * (1 - (place - low)) + gain_to[rows, low + 1] * (place - low))


def _derivatives(gain_to: FloatArray, radius_mm: FloatArray, width_mm: float) -> tuple[FloatArray, FloatArray]:
    """The gain's slope at radii, averaged over ± a width, and how fast it falls, never below zero."""
    inner, middle, outer = (_at(gain_to, radius_mm + d) for d in (-width_mm, 0.0, width_mm))
    before, after = (middle - inner) / width_mm, (outer - middle) / width_mm
    return 0.5 * (before + after), np.maximum((before - after) / width_mm, 0.0)
