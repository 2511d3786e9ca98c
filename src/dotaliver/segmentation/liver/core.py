"""Find the liver's core: the deepest point of the broadest warm organ on the right.

On the coarse grid, the deepest point of warm soft tissue on the right lies in the liver, whatever its shape; uptake and
density around it are those of this patient's liver.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import dilated
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.parenchyma import NormalLiver, background_uptake, normal_liver
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["LiverCore", "find_core"]

# Reading normal uptake around the core: bowel lies further down, the spleen further left.
_BELOW_CORE_MM = 60.0
_LEFT_OF_SPINE_MM = 60.0


@dataclass(frozen=True)
class LiverCore:
    """The deepest part of the liver, this patient's normal liver, and the uptake that counts as warm."""

    seed: tuple[int, int, int]
    normal: NormalLiver
    warm_uptake: float


def find_core(images: CoarseImages, around: Surroundings, config: LiverConfig) -> LiverCore | None:
    """Find the liver's core; None where no warm organ on the right is broad enough."""
    import cc3d

    background = background_uptake(images)
    if background <= 0:
        return None
    smooth = box_mean(images.uptake)
    spacing = (images.spacing_mm,) * 3
    for ratio in config.warm_ratios:
        warm = around.soft & (smooth > ratio * background)
        depth = distance_inside_mm(warm, spacing)
        on_right = np.where(around.right, depth, 0.0)
        seed = tuple(int(n) for n in np.unravel_index(int(on_right.argmax()), depth.shape))
        if on_right[seed] >= config.core_radius_mm:
            break
    else:
        return None
    # Connected deep inside only: bowel and kidney are joined to the liver by thin bridges at most.
    parts = cc3d.connected_components(depth > config.core_depth_mm, connectivity=6)
    region = dilated(parts == parts[seed], times=2) & (depth > images.spacing_mm)
    region &= _upper_abdomen(images, around, seed)
    normal = normal_liver(images, images.uptake, region, background, config)
    return LiverCore((seed[0], seed[1], seed[2]), normal, ratio * background)


def _upper_abdomen(images: CoarseImages, around: Surroundings, seed: tuple[int, ...]) -> BoolArray:
    """The region without bowel and spleen, which may be connected to the liver, to measure the liver's uptake."""
    height = (np.arange(images.geometry.shape[0]) - seed[0])[:, None, None] * images.spacing_mm
    return np.asarray((height > -_BELOW_CORE_MM) & (around.lateral_mm < _LEFT_OF_SPINE_MM)[None, None, :])
