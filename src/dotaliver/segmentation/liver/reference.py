"""Normal-liver reference: the least variable sphere away from lesions and borders, or a fallback.

After Hirata 2014 (the 30 mm sphere in the liver whose uptake varies least agrees with physicians' choice), at a
distance from candidate lesions and from the liver's border, and consistent with the lower histogram peak of the
liver, because a homogeneous place inside a tumour is not normal liver.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.measurement import ReferenceConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.spheres import sphere_offsets
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.records.masks import ReferenceRegion
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.liver.parenchyma import Parenchyma

__all__ = [
    "find_liver_reference",
]

# Spill-out of a lesion reaches about one FWHM (6 mm) beyond its border.
_SPILL_MM = 6.0
# Sphere centres that are compared at a time.
_AT_ONCE = 4096
# The low mode reaches this many SDs, or this share of its uptake, to either side.
_LOW_MODE_SDS, _LOW_MODE_RATIO = 2.0, 0.2
# Keeps a ratio finite where uptake is 0.
_TINY = 1e-12


def find_liver_reference(
    pet: Volume, occupancy: Float32Array, lesions: BoolArray, parenchyma: Parenchyma, config: ReferenceConfig
) -> ReferenceRegion:
    """Place the normal-liver reference on the PET.

    Spheres of decreasing diameter are tried, first those with a mean close to the low mode, then those near it. Of
    those that fit, the one with the least coefficient of variation is taken (the first in scan order among equals).
    Uptake varies within a liver, so the least variable of all spheres may lie where uptake is not typical. Where none
    fits, the region is every voxel of lesion-free liver near the low mode; where that is too little, there is no
    reference, and the region gives the reason.

    Parameters
    ----------
    pet : Volume
        Uptake on its own grid.
    occupancy : ndarray
        Share of each voxel inside the liver.
    lesions : ndarray of bool
        Candidate lesions on the PET's grid.
    parenchyma : Parenchyma
        The liver's low mode.
    config : ReferenceConfig
        Diameters, margins and tolerances.
    """
    inside = occupancy >= 0.5
    spacing = pet.geometry.spacing_mm
    to_border = distance_inside_mm(inside, spacing)
    # The edge of the field of view counts as a border of the liver.
    to_border = np.minimum(to_border, _to_edge_mm(pet.geometry))
    to_lesion = distance_to_mm(lesions, spacing)
    for tolerance in (config.low_mode_tolerance, config.low_mode_loose_tolerance):
        for diameter in config.diameters_mm:
            radius = diameter / 2.0
            fits = (to_border >= radius + config.border_margin_mm) & (to_lesion >= radius + config.lesion_margin_mm)
            centre = _least_variable(pet, fits, radius, parenchyma, tolerance)
            if centre is not None:
                x, y, z = (float(c) for c in pet.geometry.index_to_lps(centre))
                largest = diameter == config.diameters_mm[0]
                return ReferenceRegion("liver", "sphere" if largest else "small_sphere", (x, y, z), diameter)
    return _low_mode_region(pet, inside, to_border, to_lesion, parenchyma, config)


def _to_edge_mm(grid: Geometry) -> Float32Array:
    along = []
    for size, spacing in zip(grid.shape, grid.spacing_mm, strict=True):
        index = np.arange(size)
        along.append((np.minimum(index, size - 1 - index) + 0.5) * spacing)
    return np.minimum(np.minimum(along[0][:, None, None], along[1][:, None]), along[2]).astype(np.float32)


def _least_variable(
    pet: Volume, fits: BoolArray, radius_mm: float, parenchyma: Parenchyma, tolerance: float
) -> npt.NDArray[np.int64] | None:
    """The centre of the least variable sphere with a mean near the low mode."""
    centres = np.argwhere(fits)
    offsets = sphere_offsets(radius_mm, pet.geometry.spacing_mm)
    best, best_variation = None, np.inf
    for start in range(0, len(centres), _AT_ONCE):
        some = centres[start : start + _AT_ONCE]
        places = some[:, None, :] + offsets[None, :, :]
        values = pet.array[places[..., 0], places[..., 1], places[..., 2]].astype(np.float64)
        mean = values.mean(axis=1)
        variation = values.std(axis=1) / np.maximum(mean, _TINY)
        variation[np.abs(mean / parenchyma.uptake - 1.0) > tolerance] = np.inf
        lowest = int(variation.argmin())
        if variation[lowest] < best_variation:
            best, best_variation = some[lowest], float(variation[lowest])
    return best


def _low_mode_region(
    pet: Volume,
    inside: BoolArray,
    to_border: Float32Array,
    to_lesion: Float32Array,
    parenchyma: Parenchyma,
    config: ReferenceConfig,
) -> ReferenceRegion:
    near = np.abs(pet.array - parenchyma.uptake) < max(
        _LOW_MODE_SDS * parenchyma.sd, _LOW_MODE_RATIO * parenchyma.uptake
    )
    region = inside & near & (to_lesion > _SPILL_MM) & (to_border > _SPILL_MM)
    volume_ml = float(region.sum()) * pet.geometry.voxel_volume_ml
    liver_ml = float(inside.sum()) * pet.geometry.voxel_volume_ml
    if volume_ml < config.low_mode_min_ml or volume_ml < config.low_mode_min_share * liver_ml:
        reason = f"only {volume_ml:.0f} ml of {liver_ml:.0f} ml of liver appear lesion-free, too little for a reference"
        return ReferenceRegion("liver", "none", reason=reason)
    return ReferenceRegion("liver", "low_mode", region=LabelMap(region, pet.geometry))
