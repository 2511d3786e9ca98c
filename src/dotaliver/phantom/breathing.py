"""Respiratory mismatch: the upper abdomen is displaced between CT and PET, wall and spine are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Volume
from dotaliver.phantom.anatomy import Anatomy, field_on

__all__ = ["breathe"]

_FULL_WITHIN_MM = 12.0  # of the liver: moves with it
_FADE_MM = 70.0
_LEAST_SHARE = 0.3  # of the liver's displacement, for organs far from it
_FILL_SUV = 0.3


def breathe(anatomy: Anatomy, uptake: Volume, liver: npt.NDArray[np.bool_], shift_mm: float) -> Volume:
    """Uptake in the PET's position: the liver as a whole moved by `shift_mm` towards the feet.

    What lies within 12 mm of it moves with it, organs further away by less; the trunk's wall does not move, organs
    slide along it. In-plane voxels are averaged two by two on the way, which the scanner's blur hides.
    """
    from edt import edt

    grid, pair = uptake.geometry, 2 if min(uptake.geometry.spacing_mm[1:]) < 1.5 else 1
    coarse = _paired_grid(grid, pair)
    activity = _pair(uptake.array.astype(np.float32, copy=False), pair)
    if shift_mm == 0:
        return Volume(activity, coarse, uptake.quantity)
    whole = (slice(0, coarse.shape[0]), slice(0, coarse.shape[1]), slice(0, coarse.shape[2]))
    within = field_on(anatomy.space, anatomy.cavity, coarse, whole) < 0
    content = np.where(within, activity, np.float32(_FILL_SUV))
    lean = max(int(3.5 / coarse.spacing_mm[1]), 1)
    occupied = liver[:, ::pair, ::pair][: coarse.shape[0], : coarse.shape[1], : coarse.shape[2]]
    spacing = (coarse.spacing_mm[0], coarse.spacing_mm[1] * lean, coarse.spacing_mm[2] * lean)
    from_liver = edt(~occupied[:, ::lean, ::lean], anisotropy=spacing)
    from_liver = np.repeat(np.repeat(from_liver, lean, axis=1), lean, axis=2)[:, : coarse.shape[1], : coarse.shape[2]]
    # Distance from the liver's new place: the same distances, read where the tissue came from
    height = np.arange(coarse.shape[0], dtype=np.float32)[:, None, None]
    full = np.float32(shift_mm / coarse.spacing_mm[0])
    distance = _read_along_z(from_liver, height + full)
    share = np.clip(1 - (distance - _FULL_WITHIN_MM - abs(shift_mm)) / _FADE_MM, _LEAST_SHARE, 1)
    moved = _read_along_z(content, height + full * share)
    return Volume(np.where(within, moved, activity).astype(np.float32), coarse, uptake.quantity)


def _pair(array: npt.NDArray[np.float32], pair: int) -> npt.NDArray[np.float32]:
    if pair == 1:
        return array
    rows, columns = array.shape[1] // 2 * 2, array.shape[2] // 2 * 2
    a = array[:, :rows, :columns]
    total = a[:, ::2, ::2] + a[:, 1::2, ::2]
    total += a[:, ::2, 1::2]
    total += a[:, 1::2, 1::2]
    return np.asarray(total * np.float32(0.25))


def _paired_grid(grid: Geometry, pair: int) -> Geometry:
    if pair == 1:
        return grid
    n, rows, columns = grid.shape
    step = (grid.spacing_mm[0], grid.spacing_mm[1] * 2, grid.spacing_mm[2] * 2)
    origin = tuple(grid.index_to_lps((0, 0.5, 0.5)).tolist())
    return Geometry((n, rows // 2, columns // 2), origin, step, grid.directions, grid.frame_of_reference_uid)


def _read_along_z(array: npt.NDArray[np.float32], place: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Linear interpolation along the first axis at fractional slice numbers, ends held."""
    place = np.clip(np.broadcast_to(place, array.shape), 0, array.shape[0] - 1)
    lower = np.minimum(place.astype(np.int32), max(array.shape[0] - 2, 0))
    weight = place - lower
    first = np.take_along_axis(array, lower, axis=0)
    second = np.take_along_axis(array, np.minimum(lower + 1, array.shape[0] - 1), axis=0)
    return np.asarray(first + weight * (second - first), dtype=np.float32)
