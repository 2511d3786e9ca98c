"""Filters with a finite kernel."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from dotaliver.image.arrays import Array
from dotaliver.image.distance import Float32Array
from dotaliver.image.geometry import Geometry

__all__ = ["FWHM_PER_SIGMA", "box_mean", "gaussian", "gaussian_reach"]


# Full width at half maximum of a normal distribution over its SD: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.3548
# A Gaussian kernel is cut at this many SDs: beyond lies 1 % of its weight.
_GAUSSIAN_REACH = 2.5


def gaussian(array: Array, sigma_mm: float, geometry: Geometry) -> Float32Array:
    """Gaussian mean with a finite kernel (cut at 2.5 sigma)."""
    sigma = [sigma_mm / s for s in geometry.spacing_mm]
    return np.asarray(gaussian_filter(array, sigma, mode="nearest", truncate=_GAUSSIAN_REACH), dtype=np.float32)


def gaussian_reach(sigma_mm: float, spacing_mm: float) -> int:
    """Voxels that `gaussian` looks at on either side."""
    return int(_GAUSSIAN_REACH * (sigma_mm / spacing_mm) + 0.5)


def box_mean(array: Array, size: int = 3) -> Float32Array:
    """Mean over a cube of `size` voxels, edges repeated."""
    return np.asarray(uniform_filter(array, size, mode="nearest"), dtype=np.float32)
