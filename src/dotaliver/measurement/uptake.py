"""Uptake of one lesion, on the PET's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.measurement import PeakConfig
from dotaliver.image.geometry import Vector
from dotaliver.image.spheres import sphere_kernel, sphere_means, sphere_radius_mm
from dotaliver.image.volume import Volume
from dotaliver.records.positions import VoxelSet

__all__ = ["Uptake", "lesion_uptake"]


@dataclass(frozen=True)
class Uptake:
    """A lesion's uptake in the PET's unit."""

    maximum: float
    mean: float
    peak: float
    peak_centre_lps_mm: Vector
    at_field_edge: bool


def lesion_uptake(pet: Volume, voxels: VoxelSet, config: PeakConfig) -> Uptake:
    """Maximum, mean and peak of a lesion.

    Maximum and mean are over the lesion's voxels. The peak (PERCIST 1.0, Wahl 2009) is the highest mean over a
    sphere of ``config.sphere_ml`` centred on any voxel of the lesion, voxels weighted by the part of them inside
    the sphere; it may hold voxels outside the lesion. Where the image ends within the sphere, the mean is over
    the voxels that exist, and ``at_field_edge`` is set.
    """
    values = pet.crop(voxels.box).array[voxels.mask].astype(np.float64)
    kernel = sphere_kernel(pet.geometry.spacing_mm, sphere_radius_mm(config.sphere_ml), config.subsamples)
    means, cut = sphere_means(pet, voxels.box, kernel)
    inside = np.where(voxels.mask, means, -np.inf)
    place = np.unravel_index(int(inside.argmax()), inside.shape)
    index = [int(p) + part.start for p, part in zip(place, voxels.box, strict=True)]
    x, y, z = (float(c) for c in pet.geometry.index_to_lps(index))
    at_edge = any(part.start == 0 or part.stop == n for part, n in zip(voxels.box, pet.geometry.shape, strict=True))
    return Uptake(
        maximum=float(values.max()),
        mean=float(values.mean()),
        peak=float(inside[place]),
        peak_centre_lps_mm=(x, y, z),
        at_field_edge=at_edge or bool(cut[place]),
    )
