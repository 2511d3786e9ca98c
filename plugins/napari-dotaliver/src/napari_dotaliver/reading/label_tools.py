"""What a reader's tools do to labels: pure functions from arrays to arrays, without a window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry, Vector, grow_box
from dotaliver.image.itk import resample
from dotaliver.image.spheres import sphere_box
from dotaliver.image.volume import BoolArray, LabelMap, Volume, differing_box, used_box

__all__ = [
    "between_slices",
    "changed_labels",
    "differing_box",
    "filled",
    "highest_in_sphere",
    "smoothed_slices",
    "stroke_voxels",
    "threshold_in_sphere",
]

Labels = npt.NDArray[np.uint16]


def threshold_in_sphere(
    pet: Volume, labels: LabelMap, sphere: tuple[Vector, float], level: float, label: int
) -> Labels:
    """Labels with one lesion added: the voxels of a ball at or above a level that hang together with its maximum.

    Parameters
    ----------
    pet : Volume
        Uptake; brought to the labels' grid where that is another.
    labels : LabelMap
        The lesions as they stand; voxels of other lesions stay theirs.
    sphere : (centre, diameter)
        Centre in patient coordinates and diameter, in mm.
    level : float
        Uptake from which a voxel belongs to the lesion, in the PET's unit.
    label : int
        The lesion that is drawn or added to.

    Raises
    ------
    MaskError
        Where the ball lies off the image or nothing in it reaches the level.
    """
    import cc3d

    found = sphere_box(labels.geometry, *sphere)
    if found is None or not found[1].any():
        msg = "the sphere lies outside the image; place it on the lesion"
        raise MaskError(msg)
    box, inside = found
    part = labels.geometry.crop(box)
    uptake = pet.crop(box).array if pet.geometry.is_close(labels.geometry) else resample(pet, part).array
    free = inside & ((labels.array[box] == 0) | (labels.array[box] == label))
    hot = free & (uptake >= level)
    if not hot.any():
        msg = f"nothing in the sphere reaches {level:.2f}; lower the threshold or move the sphere"
        raise MaskError(msg)
    pieces = cc3d.connected_components(hot, connectivity=18)
    hottest = np.unravel_index(int(np.argmax(np.where(hot, uptake, -np.inf))), hot.shape)
    result = labels.array.astype(np.uint16)
    result[box][pieces == pieces[hottest]] = label
    return result


def changed_labels(before: LabelMap, now: LabelMap) -> set[int]:
    """Labels that do not have the same voxels in two label maps of one grid."""
    box = differing_box(before, now) if now is not before else None
    if box is None:
        return set()
    differ = before.array[box] != now.array[box]
    return {int(n) for part in (before, now) for n in np.unique(part.array[box][differ])} - {0}


def highest_in_sphere(pet: Volume, sphere: tuple[Vector, float]) -> float:
    """The highest uptake of a voxel of the PET in a ball (centre and diameter in mm).

    Raises
    ------
    MaskError
        Where the ball lies off the PET.
    """
    found = sphere_box(pet.geometry, *sphere)
    if found is None or not found[1].any():
        msg = "the sphere lies outside the PET; place it on the lesion"
        raise MaskError(msg)
    box, inside = found
    return float(pet.crop(box).array[inside].max())


def filled(labels: LabelMap, label: int, axis: int) -> Labels:
    """Labels with one lesion's holes filled, slice by slice across an axis; other lesions keep their voxels."""
    from scipy.ndimage import binary_fill_holes

    result = labels.array.astype(np.uint16)
    used = used_box(labels.where(label))
    if used is None:
        return result
    part = result[used]
    own = np.moveaxis(part == label, axis, 0)
    full = np.moveaxis(np.stack([binary_fill_holes(plane) for plane in own]), 0, axis)
    part[full & (part == 0)] = label
    return result


def _signed_distance_mm(mask: BoolArray, spacing_mm: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Positive inside, in mm; from the border that lies half a voxel off the voxel centres."""
    from edt import edt

    half = 0.5 * min(spacing_mm)
    inside = np.asarray(edt(mask, anisotropy=spacing_mm, black_border=False), dtype=np.float64)
    outside = np.asarray(edt(~mask, anisotropy=spacing_mm, black_border=False), dtype=np.float64)
    return np.where(mask, inside - half, half - outside)


def between_slices(mask: BoolArray, spacing_mm: Vector, first: int, last: int) -> BoolArray:
    """The mask with the slices between two drawn ones interpolated by shape (signed distances); both ends stay.

    Raises
    ------
    MaskError
        Where an end is not drawn, or nothing lies between.
    """
    first, last = sorted((first, last))
    if last - first < 2:
        msg = "there is no slice between the two; choose slices that lie further apart"
        raise MaskError(msg)
    for index in (first, last):
        if not mask[index].any():
            msg = f"slice {index + 1} has no outline; draw one there first"
            raise MaskError(msg)
    box = used_box(mask[[first, last]])
    assert box is not None
    rows, columns = box[1], box[2]
    flat = (spacing_mm[1], spacing_mm[2])
    low, high = (_signed_distance_mm(mask[k][rows, columns], flat) for k in (first, last))
    result = mask.copy()
    for k in range(first + 1, last):
        part = (k - first) / (last - first)
        result[k] = False
        result[k][rows, columns] = (1.0 - part) * low + part * high > 0
    return result


def smoothed_slices(mask: BoolArray, spacing_mm: Vector, first: int, last: int, reach_mm: float = 4.0) -> BoolArray:
    """The mask with the border of a range of slices smoothed over a few mm, between the slices too.

    Signed distances to the border are averaged by a Gaussian of ``reach_mm`` (standard deviation), cut at 3; what
    lies outside the range stays as it is.
    """
    from scipy.ndimage import gaussian_filter

    first, last = sorted((first, last))
    margin = [int(np.ceil(3 * reach_mm / s)) + 1 for s in spacing_mm]
    wide = (max(first - margin[0], 0), min(last + 1 + margin[0], mask.shape[0]))
    used = used_box(mask[wide[0] : wide[1]])
    if used is None:
        return mask
    _, rows, columns = grow_box(used, margin, mask.shape)
    part = mask[wide[0] : wide[1], rows, columns]
    flat = (spacing_mm[1], spacing_mm[2])
    cut = 3.0 * reach_mm
    distance = np.stack([np.clip(_signed_distance_mm(plane, flat), -cut, cut) if plane.any() else
                         np.full(plane.shape, -cut) for plane in part])  # fmt: skip
    smooth = gaussian_filter(distance, [reach_mm / s for s in spacing_mm], mode="nearest", truncate=3.0) > 0
    result = mask.copy()
    result[first : last + 1, rows, columns] = smooth[first - wide[0] : last + 1 - wide[0]]
    return result


def stroke_voxels(grid: Geometry, points_lps_mm: Sequence[Vector]) -> BoolArray:
    """Voxels of a grid that a stroke through places (mm) crosses; none where it lies outside."""
    drawn = np.zeros(grid.shape, dtype=bool)
    if not points_lps_mm:
        return drawn
    index = np.asarray(grid.lps_to_index(np.asarray(points_lps_mm)), dtype=np.float64).reshape(-1, 3)
    dense = [index[:1]]
    for first, second in pairwise(index):
        steps = max(int(np.ceil(2.0 * np.abs(second - first).max())), 1)
        dense.append(first + (second - first) * np.linspace(0.0, 1.0, steps + 1)[1:, None])
    voxels = np.rint(np.concatenate(dense)).astype(int)
    inside = ((voxels >= 0) & (voxels < grid.shape)).all(axis=1)
    drawn[tuple(voxels[inside].T)] = True
    return drawn
