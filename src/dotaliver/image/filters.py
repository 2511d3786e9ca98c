"""Filters with a finite kernel, boxes around masks, and the largest connected part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, uniform_filter

from dotaliver.errors import GeometryError
from dotaliver.image.distance import Float32Array
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.volume import BoolArray, used_box

__all__ = ["FWHM_PER_SIGMA", "box_around", "box_mean", "gaussian", "gaussian_reach", "largest_component"]


def gaussian(array: npt.NDArray[np.floating], sigma_mm: float, geometry: Geometry) -> Float32Array:
    """Gaussian mean with a finite kernel (cut at 2.5 sigma)."""
    sigma = [sigma_mm / s for s in geometry.spacing_mm]
    return np.asarray(gaussian_filter(array, sigma, mode="nearest", truncate=_GAUSSIAN_REACH), dtype=np.float32)


def gaussian_reach(sigma_mm: float, spacing_mm: float) -> int:
    """Voxels that `gaussian` looks at on either side."""
    return int(_GAUSSIAN_REACH * (sigma_mm / spacing_mm) + 0.5)


_GAUSSIAN_REACH = 2.5


# Full width at half maximum of a normal distribution over its SD: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.3548


def box_around(mask: BoolArray, geometry: Geometry, margin_mm: float) -> Box:
    """The smallest box that holds a mask, which must not be empty, and a margin, within the grid."""
    used = used_box(mask)
    if used is None:
        msg = "an empty mask has no box around it"
        raise GeometryError(msg)
    return grow_box(used, np.ceil(margin_mm / np.asarray(geometry.spacing_mm)), geometry.shape)


def box_mean(array: npt.NDArray[np.floating], size: int = 3) -> Float32Array:
    """Mean over a cube of `size` voxels, edges repeated."""
    return np.asarray(uniform_filter(array, size, mode="nearest"), dtype=np.float32)


def largest_component(mask: BoolArray) -> BoolArray:
    """The largest face-connected part of a mask."""
    import cc3d

    if not mask.any():
        return mask
    parts = cc3d.connected_components(mask, connectivity=6)
    counts = np.bincount(parts.ravel())
    counts[0] = 0
    return np.asarray(parts == counts.argmax())
