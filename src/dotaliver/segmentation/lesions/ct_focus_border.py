"""Places at the liver's border: what tells a lesion that the capsule cuts off from a rim that is merely blurred.

The outer millimetres of the liver are not searched, so a lesion at the capsule shows only its inner part. A rim that
is dark because fat or another organ lies beside it is as dark all along the border, darkest at the border itself, and
shallow. A lesion is darker than liver at the same depth beside it, as dark inside as outside, and as deep as wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import Float32Array
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage
from dotaliver.segmentation.lesions.ct_focus_shape import Shape

__all__ = ["BorderSigns", "border_signs"]

# Liver equally deep is compared in layers of this thickness, of which the deepest has no end; a layer needs so many
# voxels for a mean.
_LAYER_MM, _LAYERS, _LEAST_VOXELS = 2.0, 16, 5
# Of a place's radius and in mm: the ring in which liver beside it is read.
_RING_RATIOS, _RING_MARGINS_MM = (1.25, 2.2), (1.0, 5.0)


@dataclass(frozen=True)
class BorderSigns:
    """How a place at the border differs from a blurred rim."""

    mean_hu: float
    """Mean difference to parenchyma, positive."""
    lateral_hu: float
    """The same against liver as deep beside it."""
    outer_excess_hu: float
    """How much more its outer half differs than its inner half."""
    searched_depth_mm: float
    """Of its deepest voxel below the outer layer that is not searched."""


def border_signs(image: LiverImage, shape: Shape, edge_mm: float) -> BorderSigns:
    """Compare a place with liver at the same depth, and its outer half with its inner half.

    Parameters
    ----------
    image : LiverImage
        The liver on the search grid.
    shape : Shape
        A place of it.
    edge_mm : float
        Thickness of the outer layer that is not searched.
    """
    part = image.crop(shape.box)
    values, depth = part.difference(shape.seed.sign), part.depth_mm
    own_depth, own = depth[shape.mask], values[shape.mask]
    middle = float(np.median(own_depth))
    inner, outer = own[own_depth >= middle], own[own_depth < middle]
    mean = float(own.mean())
    excess = float(outer.mean() - inner.mean()) if outer.size else 0.0
    beside = _as_deep(values, depth, shape.mask, _ring(part, shape))
    return BorderSigns(mean, mean - beside, excess, float(own_depth.max()) - edge_mm)


def _ring(part: LiverImage, shape: Shape) -> BoolArray:
    """Liver around a place, without the place itself."""
    k, j, i = (
        ((np.arange(n) - (c - b.start)) * s) ** 2
        for n, c, b, s in zip(part.grid.shape, shape.centre, shape.box, part.grid.spacing_mm, strict=True)
    )
    away2 = k[:, None, None] + j[:, None] + i
    near, far = (r * 0.5 * shape.diameter_mm + m for r, m in zip(_RING_RATIOS, _RING_MARGINS_MM, strict=True))
    return np.asarray(part.inner & ~shape.mask & (away2 > near**2) & (away2 < far**2))


def _as_deep(values: Float32Array, depth_mm: Float32Array, mask: BoolArray, ring: BoolArray) -> float:
    """Mean of a ring whose depths are weighted as those of the mask; 0 where no layer of it is known."""

    def layers(where: BoolArray) -> npt.NDArray[np.intp]:
        return np.minimum((depth_mm[where] / _LAYER_MM).astype(np.intp), _LAYERS - 1)

    wanted = np.bincount(layers(mask), minlength=_LAYERS)
    there = layers(ring)
    counts = np.bincount(there, minlength=_LAYERS)
    sums = np.bincount(there, weights=values[ring], minlength=_LAYERS)
    weights = wanted * (counts >= _LEAST_VOXELS)
    total = int(weights.sum())
    return float((weights * sums / np.maximum(counts, 1)).sum() / total) if total else 0.0
