"""A lower bound of a lesion's longest diameter from uptake alone, where its border does not show on CT.

A sphere of nearly uniform high uptake is tumour throughout: the blur of the PET fills no such sphere from lesions that
are much smaller. The bound is no RECIST diameter and enters no sum; it only says that the lesion is not small.
"""

from __future__ import annotations

import numpy as np

from dotaliver.config.criteria import Inc4Config
from dotaliver.image.spheres import ball
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.measurement.lesion_surroundings import LiverSurroundings
from dotaliver.records.positions import VoxelSet

__all__ = ["least_size_mm"]


def least_size_mm(
    pet: Volume, lesion: VoxelSet, around: LiverSurroundings, liver_mean: float, config: Inc4Config
) -> float | None:
    """Diameter of a sphere that is tumour throughout, in mm; None where the uptake proves none.

    Within the lesion's outline and the liver, ``config.uniform_depth_mm`` or more from the liver's border, a sphere of
    ``config.uniform_sphere_mm`` is looked for in which uptake above normal liver varies by less than
    ``config.uniform_share`` of its maximum and is at least ``config.uniform_ratio`` times normal liver. One fixed size
    is tried: a bound needs no more.

    Parameters
    ----------
    pet : Volume
        Uptake.
    lesion : VoxelSet
        The lesion's voxels on the PET.
    around : LiverSurroundings
        The liver on the PET.
    liver_mean : float
        Mean uptake of normal liver, in the unit of the PET.
    config : Inc4Config
        Size and uniformity of the sphere.

    Returns
    -------
    float or None
        ``config.uniform_sphere_mm`` or None.
    """
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
    return config.uniform_sphere_mm if bool((centres & uniform).any()) else None


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
