"""An outline's border moved through points that a reader dragged it to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.distance import Float32Array, distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.spheres import sphere_radius_mm
from dotaliver.image.volume import BoolArray, LabelMap

__all__ = ["through_border_points"]


def through_border_points(outline: LabelMap, points_lps_mm: tuple[Vector, ...], share: float) -> LabelMap:
    """Move an outline's border so that it passes through points that a reader dragged it to.

    The border moves by the distance from each point to it, and less with the distance from the point: a Gaussian
    whose SD is a share of the outline's radius. Nothing else of the outline changes.

    Parameters
    ----------
    outline : LabelMap
        One lesion, with room around it for what it may grow to.
    points_lps_mm : tuple of Vector
        Taken one after the other.
    share : float
        SD of the Gaussian over the radius of the ball of the outline's volume.
    """
    grid = outline.geometry
    spacing = np.asarray(grid.spacing_mm)
    mask = outline.mask
    for point in points_lps_mm:
        if not mask.any():
            break
        radius = sphere_radius_mm(np.count_nonzero(mask) * grid.voxel_volume_ml)
        place = grid.lps_to_index(point)
        level = _signed_distance_mm(mask, place, grid.spacing_mm)
        level -= 0.5 * grid.spacing_mm[1] * np.sign(level)
        at = _linear(level, place)
        k, j, i = (((np.arange(n) - p) * s) ** 2 for n, p, s in zip(grid.shape, place, spacing, strict=True))
        reach = 2 * max(share * radius, grid.spacing_mm[0]) ** 2
        weight = np.exp(-(k[:, None, None] + j[:, None] + i) / reach)
        mask = np.asarray(level - at * weight > 0)
    return outline.with_array(mask.astype(np.uint8))


def _signed_distance_mm(mask: BoolArray, place: FloatArray, spacing_mm: Vector) -> Float32Array:
    """Signed distance to the border, inside positive; minus infinity farther out than a point at a place can move it.

    No border moves by more than the point lies off it, and around the point the distance is read between voxels.
    """
    spacing = np.asarray(spacing_mm)
    nearest = np.clip(place, 0, np.asarray(mask.shape) - 1)
    off_mm = float(np.linalg.norm((np.argwhere(mask) - nearest) * spacing, axis=1).min())
    within_mm = off_mm + 2 * float(np.linalg.norm(spacing))
    return distance_inside_mm(mask, spacing_mm) - distance_to_mm(mask, spacing_mm, within_mm=within_mm)


def _linear(values: npt.NDArray[np.floating], place: FloatArray) -> float:
    from scipy.ndimage import map_coordinates

    return float(map_coordinates(values, np.asarray(place)[:, None], order=1, mode="nearest")[0])
