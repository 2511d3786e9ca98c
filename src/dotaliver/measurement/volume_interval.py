"""The volume of an outline with its border moved in and out by how unsure it is."""

from __future__ import annotations

import numpy as np

from dotaliver.image.geometry import Geometry
from dotaliver.records.positions import VoxelSet

__all__ = ["surface_mm2", "volume_interval_ml"]

# Faces of voxels in random directions have 3/2 of the area of the surface that they step along (Cauchy: a surface's
# projections on three axes add up to 3/2 of it on average).
_STEPS_OVER_SURFACE = 1.5


def surface_mm2(voxels: VoxelSet, grid: Geometry) -> float:
    """Area of an outline's surface, from the faces of its voxels."""
    mask = np.pad(voxels.mask, 1).view(np.int8)
    spacing = grid.spacing_mm
    faces = 0.0
    for axis in range(3):
        others = [spacing[a] for a in range(3) if a != axis]
        faces += float(np.count_nonzero(np.diff(mask, axis=axis))) * others[0] * others[1]
    return faces / _STEPS_OVER_SURFACE


def volume_interval_ml(voxels: VoxelSet, grid: Geometry, uncertainty_mm: float) -> tuple[float, float]:
    """Volume in ml with the border moved in, and moved out, by a distance in mm.

    A PET voxel is larger than the distances in question, so none is taken away or added: with r = 3 V / S, the radius
    of a sphere with this ratio of volume V and surface S, the volumes are V (1 ± d / r)³.
    """
    volume_ml = float(np.count_nonzero(voxels.mask)) * grid.voxel_volume_ml
    area = surface_mm2(voxels, grid)
    if volume_ml <= 0 or area <= 0:
        return volume_ml, volume_ml
    moved = uncertainty_mm / (3000.0 * volume_ml / area)
    return volume_ml * max(0.0, 1.0 - moved) ** 3, volume_ml * (1.0 + moved) ** 3
