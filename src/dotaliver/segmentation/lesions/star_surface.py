"""Closed surfaces around a point: the distance of the surface from the point as a function of direction.

A surface is a sum of real spherical harmonics (4π-normalised, so that each has a mean square of one over all
directions). Directions lie on rings around the slice axis, symmetric under a flip of any axis. Lengths are in mm
along the image's own axes ``[slice, row, column]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Box, FloatArray, Vector
from dotaliver.image.volume import BoolArray

__all__ = ["DEGREE", "DirectionGrid", "StarSurface", "direction_grid", "harmonics", "longest_calipers_mm"]

DEGREE = 8
_RINGS, _PER_RING = 16, 32
# Polar and azimuthal nodes between which a surface is interpolated where it is drawn on an image.
_POLAR_NODES, _AZIMUTH_NODES = 33, 64
_LEAST_RADIUS_MM = 0.5
# More than interpolation between radii can be off by rounding.
_ROUNDING_MM = 1e-6


def harmonics(polar: FloatArray, azimuth: FloatArray) -> FloatArray:
    """Real 4π-normalised spherical harmonics up to `DEGREE`, shape (n, (DEGREE + 1)²).

    Recurrences of the fully normalised associated Legendre functions: Holmes and Featherstone, J Geod 2002;76:279.
    """
    cos, sin = np.cos(polar), np.sin(polar)
    columns: dict[tuple[int, int], FloatArray] = {}
    sectoral = np.ones_like(cos)
    for m in range(DEGREE + 1):
        if m == 1:
            sectoral = np.sqrt(3.0) * sin
        elif m > 1:
            sectoral = np.sqrt((2 * m + 1) / (2 * m)) * sin * sectoral
        before, current = np.zeros_like(cos), sectoral
        for degree in range(m, DEGREE + 1):
            if degree > m:
                a = np.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
                top = (2 * degree + 1) * (degree + m - 1) * (degree - m - 1)
                b = np.sqrt(top / ((degree**2 - m**2) * (2 * degree - 3))) if degree > m + 1 else 0.0
                before, current = current, a * cos * current - b * before
            columns[degree, m] = current * np.cos(m * azimuth)
            if m:
                columns[degree, -m] = current * np.sin(m * azimuth)
    return np.stack([columns[n, m] for n in range(DEGREE + 1) for m in range(-n, n + 1)], axis=-1)


@dataclass(frozen=True, eq=False)
class DirectionGrid:
    """Directions with their shares of the sphere (sum one), harmonics there, and each harmonic's degree."""

    polar: FloatArray
    azimuth: FloatArray
    unit: FloatArray
    weights: FloatArray
    basis: FloatArray
    degrees: npt.NDArray[np.intp]


@cache
def direction_grid() -> DirectionGrid:
    """The directions in which surfaces are looked for."""
    nodes, gauss = np.polynomial.legendre.leggauss(_RINGS)
    azimuths = (np.arange(_PER_RING) + 0.5) * 2 * np.pi / _PER_RING
    polar, azimuth = (a.ravel() for a in np.meshgrid(np.arccos(nodes), azimuths, indexing="ij"))
    unit = np.stack([np.cos(polar), np.sin(polar) * np.sin(azimuth), np.sin(polar) * np.cos(azimuth)], axis=-1)
    weights = np.repeat(gauss / 2 / _PER_RING, _PER_RING)
    degrees = np.array([n for n in range(DEGREE + 1) for _ in range(2 * n + 1)])
    return DirectionGrid(polar, azimuth, unit, weights, harmonics(polar, azimuth), degrees)


@cache
def _drawing_basis() -> FloatArray:
    polar = np.linspace(0, np.pi, _POLAR_NODES)
    azimuth = np.linspace(-np.pi, np.pi, _AZIMUTH_NODES + 1)
    p, a = np.meshgrid(polar, azimuth, indexing="ij")
    return harmonics(p.ravel(), a.ravel())


@dataclass(frozen=True, eq=False)
class StarSurface:
    """A surface around a centre (in voxels of a grid) by its harmonics' coefficients in mm."""

    centre: FloatArray
    coefficients: FloatArray

    def drawn(self, shape: tuple[int, int, int], spacing_mm: Vector) -> BoolArray:
        """Voxels whose centres lie inside."""
        from scipy.ndimage import map_coordinates

        table = np.maximum(_drawing_basis() @ self.coefficients, _LEAST_RADIUS_MM)
        table = table.reshape(_POLAR_NODES, _AZIMUTH_NODES + 1)
        mask = np.zeros(shape, dtype=bool)
        box = self._box(float(table.max()), shape, spacing_mm)
        lines = [
            (np.arange(part.start, part.stop) - c) * s for part, c, s in zip(box, self.centre, spacing_mm, strict=True)
        ]
        z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
        distance = np.sqrt(z * z + y * y + x * x)
        # What lies nearer than every radius is inside, whatever its direction, and what lies farther than every one not
        inside = distance < float(table.min()) - _ROUNDING_MM
        doubtful = np.nonzero(~inside & (distance <= float(table.max()) + _ROUNDING_MM))
        k, j, i = doubtful
        z, y, x, distance = z[k, 0, 0], y[0, j, 0], x[0, 0, i], distance[doubtful]
        polar = np.arccos(np.clip(z / np.maximum(distance, 1e-9), -1, 1)) * ((_POLAR_NODES - 1) / np.pi)
        azimuth = (np.arctan2(y, x) + np.pi) * (_AZIMUTH_NODES / (2 * np.pi))
        radius = map_coordinates(table, [polar, azimuth], order=1, mode="nearest")
        inside[doubtful] = distance <= radius
        mask[box] = inside
        return mask

    def _box(self, reach_mm: float, shape: tuple[int, int, int], spacing_mm: Vector) -> Box:
        parts = []
        for c, s, n in zip(self.centre, spacing_mm, shape, strict=True):
            low, high = int(np.floor(c - reach_mm / s)), int(np.ceil(c + reach_mm / s)) + 1
            parts.append(slice(min(max(low, 0), n), min(max(high, 0), n)))
        return (parts[0], parts[1], parts[2])


def longest_calipers_mm(centre_slice: float, coefficients: FloatArray, slice_mm: float) -> FloatArray:
    """Longest distance between two points of a surface in one slice, for several surfaces around one centre.

    Parameters
    ----------
    centre_slice : float
        The centre's place along the slices, in slices.
    coefficients : ndarray
        Shape (n, harmonics), in mm.
    slice_mm : float
        From slice to slice.

    Returns
    -------
    ndarray
        Shape (n,), in mm; 0 where a surface meets no slice.
    """
    polar = np.linspace(0, np.pi, _POLAR_NODES)
    table = np.maximum(coefficients @ _drawing_basis().T, _LEAST_RADIUS_MM)
    table = table.reshape(len(coefficients), _POLAR_NODES, _AZIMUTH_NODES + 1)[:, :, ::2][:, :, :-1]
    azimuth = np.linspace(-np.pi, np.pi, _AZIMUTH_NODES + 1)[::2][:-1]
    height = table * np.cos(polar)[:, None]
    across = table * np.sin(polar)[:, None]
    low, high = float(height.min()), float(height.max())
    first = int(np.ceil(centre_slice + low / slice_mm))
    last = int(np.floor(centre_slice + high / slice_mm))
    best = np.zeros(len(coefficients))
    # From the middle outwards, since the widest slices rule out the others.
    for k in sorted(range(first, last + 1), key=lambda k: abs(k - centre_slice)):
        z = (k - centre_slice) * slice_mm
        # From pole to pole the height falls; the first crossing of the slice is the surface.
        above = height >= z
        crossing = above[:, :-1] & ~above[:, 1:]
        met = crossing.any(axis=1)
        n = crossing.shape[1] - 1 - crossing[:, ::-1].argmax(axis=1)
        rows, columns = np.ogrid[: len(table), : table.shape[2]]
        h0, h1 = height[rows, n, columns], height[rows, n + 1, columns]
        share = np.where(met, (h0 - z) / np.where(h0 == h1, 1.0, h0 - h1), 0.0)
        radius = across[rows, n, columns] * (1 - share) + across[rows, n + 1, columns] * share
        wider = 2 * np.where(met, radius, 0.0).max(axis=1) > best
        if not wider.any():
            continue
        radius = np.where(met, radius, np.nan)[wider]
        y, x = radius * np.sin(azimuth), radius * np.cos(azimuth)
        wide = (y[:, :, None] - y[:, None]) ** 2 + (x[:, :, None] - x[:, None]) ** 2
        best[wider] = np.fmax(best[wider], np.sqrt(np.where(np.isnan(wide), 0.0, wide).max(axis=(1, 2))))
    return best
