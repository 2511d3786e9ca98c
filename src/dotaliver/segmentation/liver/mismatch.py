"""Estimate the mismatch between the liver's position on CT and on PET.

A PET is taken over minutes of free breathing, a CT in seconds: the dome of the liver lies at a different height. Under
the right lung both images show the border between lung and liver, whose two heights are compared column by column.
"""

from __future__ import annotations

import numpy as np

from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.geometry import Geometry, grow_box
from dotaliver.image.itk import resample
from dotaliver.image.morphology import dilated
from dotaliver.image.volume import BoolArray, used_box
from dotaliver.records.masks import Mismatch
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["estimate_mismatch", "mismatch_of_outline"]

_LUNG_BORDER_HU = -400.0
# Between lung and liver lies the diaphragm with its fat: soft tissue on CT, cold on the PET. Over 16 phantoms and the
# two hybrid studies this thickness leaves an error of 0.4 mm (median; at most 1.1).
_DIAPHRAGM_MM = 3.9
_MINIMUM_COLUMNS = 20
# The liver's plateau is read 16 to 40 mm below the CT's border: a shift of 20 mm may lie in between.
_REACH_MM = 24.0
_PLATEAU_MM = (16.0, 40.0)
_SHELL_MM = 10.0
_MINIMUM_SHELL = 200
_SHIFTS_MM = np.arange(-24.0, 13.0, 2.0)
# Within this distance of a hot organ its blur, not the liver's border, makes uptake fall.
_HOT_NEIGHBOUR_MM = 16.0
# Log uptake is cut at this share of normal liver's: below it noise would outweigh the border.
_LEAST_UPTAKE_RATIO = 0.1


def estimate_mismatch(images: CoarseImages, around: Surroundings, warm_uptake: float) -> Mismatch | None:
    """Estimate the shift along the body's axis from the dome; None where too little of it is seen.

    In each column under the right lung, the CT's border is where density passes -400 HU, and the PET's where uptake
    passes half of what lies 8 to 28 mm below; both heights are interpolated between voxels. The answer is the
    median of their differences.

    Parameters
    ----------
    images : CoarseImages
        Both images on the coarse grid.
    around : Surroundings
        Lungs, soft tissue and midline.
    warm_uptake : float
        Lowest uptake of liver, to leave out columns over other organs.
    """
    if images.hu is None:
        return None
    reach = round(_REACH_MM / images.spacing_mm)
    depths = (round(_PLATEAU_MM[0] / images.spacing_mm), round(_PLATEAU_MM[1] / images.spacing_mm))
    gaps_mm = []
    rows, columns = np.nonzero((around.lungs & around.right).any(axis=0))
    for row, column in zip(rows, columns, strict=True):
        lung = np.flatnonzero(around.lungs[:, row, column])
        bottom = int(lung[0])
        if bottom < depths[1] or not around.soft[bottom - 3, row, column]:
            continue
        ct_height = _crossing(images.hu[:, row, column], bottom, _LUNG_BORDER_HU)
        pet_height = _half_level(images.uptake[:, row, column], bottom, reach, depths, warm_uptake)
        if ct_height is not None and pet_height is not None:
            gaps_mm.append((pet_height - ct_height) * images.spacing_mm + _DIAPHRAGM_MM)
    if len(gaps_mm) < _MINIMUM_COLUMNS:
        return None
    return Mismatch(
        shift_lps_mm=(0.0, 0.0, float(np.median(gaps_mm))),
        method=f"height of the dome in {len(gaps_mm)} columns under the right lung",
    )


def mismatch_of_outline(images: CoarseImages, liver: BoolArray, hot: BoolArray, normal: float) -> Mismatch | None:
    """Estimate the shift from the whole outline, where no dome is seen; None where the outline is too small.

    Among shifts of -24 to 12 mm, the one at which log uptake, clipped at that of normal liver, falls most from 10 mm
    inside the border to 10 mm outside it (refined by a parabola; within 1 mm on phantoms).

    Parameters
    ----------
    images : CoarseImages
        Both images on the coarse grid.
    liver, hot : ndarray of bool
        The liver where the CT shows it, and other hot organs, whose neighbourhood is left out.
    normal : float
        Uptake of normal liver.
    """
    used = used_box(liver)
    if images.hu is None or used is None:
        return None
    box = grow_box(used, np.full(3, np.ceil(_SHELL_MM / images.spacing_mm) + 1), images.geometry.shape)
    grid, inside = images.geometry.crop(box), liver[box]
    near_hot = dilated(hot[box], times=max(1, round(_HOT_NEIGHBOUR_MM / images.spacing_mm)))
    judged = ~near_hot & _seen_at_all_shifts(images, grid)
    inner = judged & inside & (distance_inside_mm(inside, grid.spacing_mm) <= _SHELL_MM)
    outer = judged & ~inside & (distance_to_mm(inside, grid.spacing_mm, within_mm=_SHELL_MM) <= _SHELL_MM)
    if min(inner.sum(), outer.sum()) < _MINIMUM_SHELL:
        return None
    falls = []
    for shift_mm in _SHIFTS_MM:
        uptake = resample(images.pet, grid.moved((0.0, 0.0, float(shift_mm)))).array
        log = np.log(np.clip(uptake, _LEAST_UPTAKE_RATIO * normal, normal))
        falls.append(float(log[inner].mean()) - float(log[outer].mean()))
    best = int(np.argmax(falls))
    shift = float(_SHIFTS_MM[best])
    if 0 < best < len(falls) - 1:
        before, at, after = falls[best - 1 : best + 2]
        shift += 0.5 * (before - after) / (before - 2 * at + after) * float(_SHIFTS_MM[1] - _SHIFTS_MM[0])
    return Mismatch(shift_lps_mm=(0.0, 0.0, shift), method="fall of uptake over the liver's whole outline")


def _seen_at_all_shifts(images: CoarseImages, grid: Geometry) -> BoolArray:
    """Slices inside the PET's field of view at every shift."""
    heights = images.pet.geometry.corners_lps_mm()[:, 2]
    height = grid.origin_lps_mm[2] + np.arange(grid.shape[0]) * grid.spacing_mm[0]
    seen = (height + _SHIFTS_MM[0] >= heights.min()) & (height + _SHIFTS_MM[-1] <= heights.max())
    return np.broadcast_to(np.asarray(seen)[:, None, None], grid.shape)


def _crossing(profile: np.ndarray, start: int, level: float) -> float | None:
    """Height, going down from `start`, at which a profile first rises above a level, interpolated."""
    height = start
    while height > 0 and profile[height - 1] < level:
        height -= 1
    if height == 0 or profile[height] >= level:
        return None
    below, above = float(profile[height - 1]), float(profile[height])
    return height - 1 + (below - level) / (below - above)


def _half_level(
    profile: np.ndarray, bottom: int, reach: int, depths: tuple[int, int], warm_uptake: float
) -> float | None:
    """Height, going down from `reach` above the lung's bottom, at which uptake first exceeds half the liver's."""
    plateau = float(np.median(profile[bottom - depths[1] : bottom - depths[0]]))
    if plateau < warm_uptake:
        return None
    half, height = plateau / 2.0, min(bottom + reach, len(profile) - 2)
    if profile[height] >= half:
        return None
    while height > 0 and profile[height] < half:
        height -= 1
    if height == 0:
        return None
    below, above = float(profile[height]), float(profile[height + 1])
    return height + (below - half) / (below - above)
