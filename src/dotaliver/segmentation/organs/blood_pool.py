"""Blood-pool reference: along the aorta, which CT shows in front and to the left of the spine.

The aorta is round and has one density along its course; no neighbour of its size keeps its density over several
centimetres. A disc is therefore followed from slice to slice on the path of least cost (dynamic programming): the cost
is the variation of density in the disc, a lack of contrast to its surroundings, and the change of density from slice to
slice. Uptake is measured near the axis, away from hot neighbours. Aorta and spine do not move with respiration, so the
mismatch of the liver is not applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.organs import BloodPoolConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import resample
from dotaliver.image.volume import LabelMap, Volume, used_box
from dotaliver.records.masks import ReferenceRegion
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["AortaPath", "find_aorta", "find_blood_pool"]

_STEP_MM = 2.0
_AIR_HU = -1000.0
# Densities beyond this range are clipped: lung and gas below, bone and dense contrast agent above.
_JUDGED_HU = (-150.0, 450.0)
# Density beyond blood's range that costs one unit.
_BEYOND_BLOOD_HU = 10.0
# Most that a change of density may cost: a plaque or an artefact in one slice does not stop the path.
_LARGEST_CHANGE_COST = 2.0
# Cost of a step of 2 mm aside: the aorta runs straight.
_ASIDE_COST = 0.1
# A PET slice further from the path's nearest point lies beyond the aorta that was followed.
_BEYOND_PATH_MM = 4.0
# Keeps a ratio finite where blood takes up nothing.
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class AortaPath:
    """Points on the aorta's axis, one per coarse slice from the feet up, and the density in HU along it."""

    points_lps_mm: npt.NDArray[np.float64]
    hu: Float32Array
    cost: Float32Array


def find_aorta(ct: Volume, images: CoarseImages, around: Surroundings, config: BloodPoolConfig) -> AortaPath | None:
    """Follow the aorta through the field of view; None where nothing looks like one over `length_mm`.

    Parameters
    ----------
    ct : Volume
        In HU, on its own grid.
    images, around
        The coarse grid and the spine's place on it.
    config : BloodPoolConfig
        Sizes and limits.
    """
    grid = _window(images, around, config)
    hu = resample(ct, grid, outside=_AIR_HU).array.astype(np.float32, copy=False)
    # Headers need not say whether contrast agent was given: the cheaper of both paths decides.
    found = [_followed(hu, blood_hu, config) for blood_hu in (config.native_hu, config.enhanced_hu)]
    path, along_hu, along_cost = min(found, key=lambda f: float(np.median(f[2])))
    fine = along_cost < config.largest_cost
    fine &= np.abs(along_hu - np.median(along_hu[fine] if fine.any() else along_hu)) < config.same_hu
    length_mm = float(fine.sum()) * images.spacing_mm
    if length_mm < config.length_mm or fine.mean() < config.length_share:
        return None
    levels = np.arange(len(path))
    points = grid.index_to_lps(np.column_stack([levels, path]))[fine]
    return AortaPath(points, along_hu[fine], along_cost[fine])


def _followed(
    hu: Float32Array, blood_hu: tuple[float, float], config: BloodPoolConfig
) -> tuple[npt.NDArray[np.int64], Float32Array, Float32Array]:
    """The cheapest path for blood of a density range, with density and cost along it."""
    mean, cost = _disc_cost(hu, blood_hu, config)
    path = _cheapest_path(cost, mean, config)
    levels = np.arange(len(path))
    return path, mean[levels, path[:, 0], path[:, 1]], cost[levels, path[:, 0], path[:, 1]]


def find_blood_pool(
    ct: Volume, pet: Volume, images: CoarseImages, around: Surroundings, config: BloodPoolConfig
) -> ReferenceRegion:
    """The PET's voxels near the aorta's axis, away from hot neighbours, or why there are none."""
    path = find_aorta(ct, images, around, config)
    if path is None:
        return _none("no round vessel could be followed in front of the spine on CT")
    near, ring = _around_axis(pet.geometry, path, config)
    box = used_box(near)
    if box is None:
        return _none("the aorta lies outside the PET")
    wide = used_box(ring) or box
    level = float(np.median(pet.crop(box).array[near[box]]))
    hottest = np.zeros(pet.geometry.shape[0], dtype=np.float32)
    hottest[wide[0]] = np.where(ring[wide], pet.crop(wide).array, 0.0).max(axis=(1, 2))
    undisturbed = hottest < config.hot_ratio * max(level, _TINY)
    kept = np.zeros_like(near)
    kept[box] = near[box] & undisturbed[box[0], None, None]
    length_mm = float(kept[box].any(axis=(1, 2)).sum()) * pet.geometry.spacing_mm[0]
    if length_mm < config.shortest_mm:
        return _none(
            f"hot neighbours leave only {length_mm:.0f} mm of the aorta, of the {config.shortest_mm:g} mm needed"
        )
    return ReferenceRegion("blood_pool", "organ", region=LabelMap(kept, pet.geometry))


def _none(reason: str) -> ReferenceRegion:
    return ReferenceRegion("blood_pool", "none", reason=reason)


def _window(images: CoarseImages, around: Surroundings, config: BloodPoolConfig) -> Geometry:
    """The region of the aorta: a grid of 2 mm in plane in front of the spine, on the coarse slices."""
    column = float(np.interp(0.0, around.lateral_mm, np.arange(len(around.lateral_mm))))
    row = float(np.interp(0.0, around.posterior_mm, np.arange(len(around.posterior_mm))))
    x, y, z = images.geometry.index_to_lps((0.0, row, column))
    right, left = config.lateral_mm
    front, back = config.posterior_mm
    shape = (images.geometry.shape[0], round((back - front) / _STEP_MM), round((left - right) / _STEP_MM))
    return replace(
        images.geometry,
        shape=shape,
        origin_lps_mm=(float(x) + right, float(y) + front, float(z)),
        spacing_mm=(images.spacing_mm, _STEP_MM, _STEP_MM),
    )


def _disc(inner_mm: float, outer_mm: float) -> npt.NDArray[np.float32]:
    reach = int(np.ceil(outer_mm / _STEP_MM))
    line = np.arange(-reach, reach + 1) * _STEP_MM
    squares = line[:, None] ** 2 + line[None, :] ** 2
    kernel = ((squares <= outer_mm**2) & (squares >= inner_mm**2)).astype(np.float32)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _disc_cost(
    hu: Float32Array, blood_hu: tuple[float, float], config: BloodPoolConfig
) -> tuple[Float32Array, Float32Array]:
    """Mean density in a disc around each pixel, and the cost of taking the disc for the aorta."""
    from scipy.ndimage import correlate

    clipped = np.clip(hu, *_JUDGED_HU).astype(np.float32)
    inside = _disc(0.0, config.disc_mm)[None]
    mean = correlate(clipped, inside, mode="nearest")
    uneven = np.sqrt(np.maximum(correlate(clipped**2, inside, mode="nearest") - mean**2, 0.0))
    around = _disc(*config.ring_mm)[None]
    ring_mean = correlate(clipped, around, mode="nearest")
    # Root mean square difference of the ring from the disc: fat, lung and bone lie on most sides.
    stray = np.sqrt(np.maximum(correlate(clipped**2, around, mode="nearest") - 2 * mean * ring_mean + mean**2, 0.0))
    cost = uneven / config.uneven_hu - np.minimum(stray / config.stray_hu, 1.0)
    lateral = config.lateral_mm[0] + np.arange(hu.shape[2]) * _STEP_MM
    cost += ((lateral - config.usual_lateral_mm) / config.lateral_scale_mm)[None, None, :] ** 2
    low, high = blood_hu
    cost += np.maximum(low - mean, 0.0) / _BEYOND_BLOOD_HU + np.maximum(mean - high, 0.0) / _BEYOND_BLOOD_HU
    return mean, np.asarray(cost, dtype=np.float32)


def _cheapest_path(cost: Float32Array, mean: Float32Array, config: BloodPoolConfig) -> npt.NDArray[np.int64]:
    """Row and column per slice of the path of least cost, moving at most one step (2 mm) per slice."""
    total = cost[0].astype(np.float64)
    came = np.zeros((len(cost), *total.shape, 2), dtype=np.int8)
    for level in range(1, len(cost)):
        best = np.full(total.shape, np.inf)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                before = _moved(total, dr, dc, np.inf)
                change = np.abs(mean[level] - _moved(mean[level - 1], dr, dc, 0.0)) / config.change_hu
                step = before + np.minimum(change, _LARGEST_CHANGE_COST) + _ASIDE_COST * float(np.hypot(dr, dc))
                better = step < best
                best = np.where(better, step, best)
                came[level][better] = (dr, dc)
        total = best + cost[level]
    place = np.array(np.unravel_index(int(total.argmin()), total.shape))
    path = [place]
    for level in range(len(cost) - 1, 0, -1):
        place = place + came[level][tuple(place)]
        path.append(place)
    return np.asarray(path[::-1], dtype=np.int64)


def _moved(array: npt.NDArray[np.floating], dr: int, dc: int, edge: float) -> npt.NDArray[np.float64]:
    """Values of the neighbour `dr` rows and `dc` columns away."""
    padded = np.pad(array.astype(np.float64), 1, constant_values=edge)
    rows, columns = array.shape
    return padded[1 + dr : 1 + dr + rows, 1 + dc : 1 + dc + columns]


def _around_axis(
    pet: Geometry, path: AortaPath, config: BloodPoolConfig
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """PET voxels within `axis_mm` of the axis, and those within `hot_reach_mm`, slice by slice."""
    near, ring = np.zeros(pet.shape, dtype=bool), np.zeros(pet.shape, dtype=bool)
    corners = np.argwhere(np.ones(pet.shape[1:], dtype=bool))
    heights = path.points_lps_mm[:, 2]
    for level in range(pet.shape[0]):
        places = pet.index_to_lps(np.column_stack([np.full(len(corners), level), corners]))
        z = float(places[:, 2].mean())
        nearest = int(np.abs(heights - z).argmin())
        if abs(float(heights[nearest]) - z) > _BEYOND_PATH_MM:
            continue
        away = np.hypot(*(places[:, :2] - path.points_lps_mm[nearest, :2]).T).reshape(pet.shape[1:])
        near[level], ring[level] = away <= config.axis_mm, away <= config.hot_reach_mm
    return near, ring
