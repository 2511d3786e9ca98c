"""Where the spleen is read: a sphere in the hot organ under the left lung.

Kidney, bowel, stomach and a left lobe full of tumour may be as hot as a spleen, so heat alone does not name it. The
spleen is the hot organ that abuts the base of the left lung, behind the stomach; no kidney reaches the lung. The
part nearest to the lung is certainly spleen; its density and uptake separate the rest from a kidney that it touches.
After a splenectomy nothing hot lies there, and the result is no reference, with the reason.
"""

from __future__ import annotations

import numpy as np

from dotaliver.config.organs import SpleenConfig
from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.filters import box_mean
from dotaliver.image.geometry import Vector
from dotaliver.image.morphology import dilated, eroded, filled, largest_component
from dotaliver.image.spheres import voxels_within
from dotaliver.image.volume import BoolArray
from dotaliver.records.masks import ReferenceRegion
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import warm_parts

__all__ = ["find_spleen_reference"]

# The spleen's own density and uptake are read away from its blurred rim, in the third that lies nearest to the lung.
_RIM_VOXELS = 1.5
_NEAREST_PERCENT = 35.0
# Keeps a logarithm finite where uptake is 0.
_TINY = 1e-6


def find_spleen_reference(
    images: CoarseImages,
    around: Surroundings,
    liver: BoolArray,
    liver_uptake: float,
    shift_lps_mm: Vector,
    config: SpleenConfig,
) -> ReferenceRegion:
    """Place a sphere in the spleen, in the position of the PET, or give the reason for none.

    Parameters
    ----------
    images, around
        Both images on the coarse grid, and what surrounds the liver there.
    liver : ndarray of bool
        The liver on that grid, in the CT's position.
    liver_uptake : float
        What normal liver takes up; the spleen takes up more.
    shift_lps_mm : Vector
        From a place on CT to the same place on the PET, in mm.
    config : SpleenConfig
        Distances, volumes and tolerances.

    Returns
    -------
    ReferenceRegion
        Of the organ "spleen": method "sphere" or "small_sphere", or "none" with its reason.
    """
    if images.hu is None:
        return _none("there is no CT, and uptake alone does not distinguish a spleen from a kidney")
    left = (around.lateral_mm > 0)[None, None, :]
    lung = around.lungs & left
    if float(lung.sum()) * images.voxel_ml < config.lung_min_ml:
        return _none(
            "the base of the left lung is outside the field of view, so a kidney could be taken for the spleen"
        )
    uptake = images.uptake_moved(shift_lps_mm)
    smooth = box_mean(uptake)
    to_lung = distance_inside_mm(~lung, (images.spacing_mm,) * 3)
    hot = _hot_under_lung(images, around, liver, smooth > config.hot_ratio * liver_uptake, to_lung, config)
    if not hot.any():
        return _none("no organ hotter than the liver lies under the left lung (as after splenectomy)")
    spleen = _alike(images, smooth, hot, to_lung, config)
    depth = distance_inside_mm(spleen, (images.spacing_mm,) * 3) - images.spacing_mm / 2
    depth = np.minimum(depth, _to_end_of_pet_mm(images, shift_lps_mm)[:, None, None])
    return _sphere(images, uptake, depth, shift_lps_mm, config)


def _to_end_of_pet_mm(images: CoarseImages, shift_lps_mm: Vector) -> Float32Array:
    """Per coarse slice, the distance to the nearer end of the PET's field of view; negative outside."""
    heights = images.pet.geometry.corners_lps_mm()[:, 2]
    grid = images.geometry
    height = grid.origin_lps_mm[2] + np.arange(grid.shape[0]) * grid.spacing_mm[0] + shift_lps_mm[2]
    return np.asarray(np.minimum(height - heights.min(), heights.max() - height), dtype=np.float32)


def _none(reason: str) -> ReferenceRegion:
    return ReferenceRegion("spleen", "none", reason=reason)


def _hot_under_lung(
    images: CoarseImages,
    around: Surroundings,
    liver: BoolArray,
    hot: BoolArray,
    to_lung: Float32Array,
    config: SpleenConfig,
) -> BoolArray:
    """Hot compact parts on the left, not in front, whose surface partly abuts the lung."""
    left = (around.lateral_mm > config.lateral_mm)[None, None, :]
    behind = (around.posterior_mm > -config.front_mm)[None, :, None]
    parts = warm_parts(around.soft & left & behind & hot & ~dilated(liver), images.spacing_mm)
    chosen = np.zeros_like(liver)
    for part in range(1, int(parts.labels.max(initial=0)) + 1):
        mask = parts.labels == part
        if float(mask.sum()) * images.voxel_ml < config.part_min_ml:
            continue
        surface = mask & ~eroded(mask)
        if float((to_lung[surface] < config.against_lung_mm).mean()) >= config.against_lung_share:
            chosen |= mask
    return chosen


def _alike(
    images: CoarseImages, smooth: Float32Array, hot: BoolArray, to_lung: Float32Array, config: SpleenConfig
) -> BoolArray:
    """Tissue with the density and uptake of the part nearest to the lung, with its blurred rim."""
    spacing_mm, hu = images.spacing_mm, images.hu
    if hu is None:
        return hot
    inner = distance_inside_mm(hot, (spacing_mm,) * 3) > _RIM_VOXELS * spacing_mm
    inner = inner if inner.any() else hot
    near = inner & (to_lung < np.percentile(to_lung[inner], _NEAREST_PERCENT))
    mean_hu = box_mean(hu)
    typical_hu, typical_uptake = float(np.median(mean_hu[near])), float(np.median(smooth[near]))
    alike = np.abs(mean_hu - typical_hu) < config.alike_hu
    alike &= np.abs(np.log(np.maximum(smooth, _TINY) / typical_uptake)) < config.alike_log_uptake
    core = largest_component(hot & alike)
    return np.asarray(filled(dilated(core) & hot))


def _sphere(
    images: CoarseImages, uptake: Float32Array, depth: Float32Array, shift_lps_mm: Vector, config: SpleenConfig
) -> ReferenceRegion:
    """The largest sphere at the deepest place that keeps its distance from the border."""
    deepest = np.unravel_index(int(depth.argmax()), depth.shape)
    for diameter in config.diameters_mm:
        radius = diameter / 2.0
        if float(depth[deepest]) < radius + config.border_margin_mm:
            continue
        centre = images.geometry.index_to_lps(deepest)
        values = uptake[voxels_within(images.geometry, [int(n) for n in deepest], radius)]
        if float(values.std()) > config.largest_variation * float(values.mean()):
            return _none("uptake under the left lung is too uneven for one organ")
        x, y, z = (float(c + s) for c, s in zip(centre, shift_lps_mm, strict=True))
        largest = diameter == config.diameters_mm[0]
        return ReferenceRegion("spleen", "sphere" if largest else "small_sphere", (x, y, z), diameter)
    wanted = config.diameters_mm[-1]
    return _none(f"the hot organ under the left lung holds no sphere of {wanted:g} mm away from its border")
