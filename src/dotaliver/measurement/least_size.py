"""A lower bound of a lesion's longest diameter from uptake alone, where its border does not show on CT.

A sphere of nearly uniform high uptake is tumour throughout: the blur of the PET fills no such sphere from lesions that
are much smaller. Its density on CT must differ from normal liver's, since a lesion that no CT shows is not measurable,
however large. The bound is no RECIST diameter and enters no sum; it only says that the lesion is not small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.criteria import Inc4Config
from dotaliver.image.geometry import FloatArray, Vector, as_vector
from dotaliver.image.spheres import ball, sphere_box
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.measurement.lesion_surroundings import LiverSurroundings
from dotaliver.records.measurements import Reference
from dotaliver.records.positions import VoxelSet

__all__ = ["DensityOnCt", "least_size_mm"]


@dataclass(frozen=True, eq=False)
class DensityOnCt:
    """The PET's CT, read at places of the PET."""

    ct: Volume
    onto_ct_mm: Vector

    def within(self, centre_lps_mm: Vector, diameter_mm: float) -> FloatArray | None:
        """HU of the CT's voxels in a sphere around a place of the PET; None where it holds none."""
        place = np.asarray(centre_lps_mm) + np.asarray(self.onto_ct_mm)
        if (found := sphere_box(self.ct.geometry, place, diameter_mm)) is None:
            return None
        box, inside = found
        return np.asarray(self.ct.crop(box).array[inside], dtype=np.float64)


def least_size_mm(
    pet: Volume,
    lesion: VoxelSet,
    around: LiverSurroundings,
    normal: Reference,
    density: DensityOnCt,
    config: Inc4Config,
) -> float | None:
    """Diameter of a sphere that is tumour throughout, in mm; None where the images prove none.

    Within the lesion's outline and the liver, ``config.uniform_depth_mm`` or more from the liver's border, a sphere of
    ``config.uniform_sphere_mm`` is looked for in which uptake above normal liver varies by less than
    ``config.uniform_share`` of its maximum and is at least ``config.uniform_ratio`` times normal liver. One fixed size
    is tried: a bound needs no more. The median density of the most uniform one must differ from that of the sphere of
    normal liver by ``config.uniform_contrast_hu`` and by ``config.uniform_contrast_sd`` SDs of the latter's voxels.

    Parameters
    ----------
    pet : Volume
        Uptake.
    lesion : VoxelSet
        The lesion's voxels on the PET.
    around : LiverSurroundings
        The liver on the PET.
    normal : Reference
        Normal liver: its mean uptake, and the sphere that it was read from.
    density : DensityOnCt
        The CT at places of the PET.
    config : Inc4Config
        Size and uniformity of the sphere.

    Returns
    -------
    float or None
        ``config.uniform_sphere_mm`` or None.
    """
    if normal.suv_mean is None:
        return None
    place = _most_uniform(pet, lesion, around, normal.suv_mean, config)
    return config.uniform_sphere_mm if place is not None and _differs(place, normal, density, config) else None


def _most_uniform(
    pet: Volume, lesion: VoxelSet, around: LiverSurroundings, liver_mean: float, config: Inc4Config
) -> Vector | None:
    """Centre of the sphere whose uptake is the most uniform; None where none is uniform enough."""
    from scipy.ndimage import maximum_filter, minimum_filter

    spacing = pet.geometry.spacing_mm
    if max(spacing) > config.uniform_voxel_mm:
        return None
    sphere = ball(0.5 * config.uniform_sphere_mm, spacing)
    centres = _centres(lesion, sphere, around, config)
    if centres is None:
        return None
    uptake = np.asarray(pet.crop(lesion.box).array, dtype=np.float64) - liver_mean
    lowest, highest = minimum_filter(uptake, footprint=sphere), maximum_filter(uptake, footprint=sphere)
    uniform = (lowest >= config.uniform_share * highest) & (lowest >= (config.uniform_ratio - 1) * liver_mean)
    if not (centres & uniform).any():
        return None
    possible = np.argwhere(centres & uniform)
    where = tuple(possible.T)
    index = possible[int(np.argmax(lowest[where] / highest[where]))]
    return as_vector(pet.geometry.crop(lesion.box).index_to_lps(index))


def _differs(place: Vector, normal: Reference, density: DensityOnCt, config: Inc4Config) -> bool:
    """Whether the CT shows the sphere to be denser or less dense than normal liver."""
    if normal.centre_lps_mm is None or normal.diameter_mm is None:
        return False
    lesion_hu = density.within(place, config.uniform_sphere_mm)
    liver_hu = density.within(normal.centre_lps_mm, normal.diameter_mm)
    if lesion_hu is None or liver_hu is None:
        return False
    contrast_hu = abs(float(np.median(lesion_hu) - np.median(liver_hu)))
    return contrast_hu >= max(config.uniform_contrast_hu, config.uniform_contrast_sd * float(liver_hu.std()))


def _centres(lesion: VoxelSet, sphere: BoolArray, around: LiverSurroundings, config: Inc4Config) -> BoolArray | None:
    """Voxels of the lesion's box around which the sphere lies in the lesion and deep in the liver; None without any."""
    from scipy.ndimage import binary_erosion

    if any(n < m for n, m in zip(lesion.mask.shape, sphere.shape, strict=True)):
        return None
    inside = binary_erosion(lesion.mask, sphere)
    if not inside.any():
        return None
    deep = around.depth_mm >= 0.5 * config.uniform_sphere_mm + config.uniform_depth_mm
    centres = inside & VoxelSet(around.liver.box, np.asarray(deep)).within(lesion.box)
    return centres if centres.any() else None
