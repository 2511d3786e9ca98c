"""Scribbles on the liver: a stroke "more here" or "less here" moves its border nearby on CT (or PET).

Around the stroke, liver and not liver compete for each voxel by a random walk: steps of density hinder it, and what is
as dense as the stroke is likely what the stroke says. Only the patch that the stroke is drawn in changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Box, grow_box
from dotaliver.image.volume import BoolArray, Volume, used_box
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.editing.scribbles import StrokeKind
from dotaliver.segmentation.liver.random_walk import Feature, random_walk

__all__ = ["corrected_liver"]

# How far from a stroke the border may move; the walk is held to the old mask beyond.
_REACH_MM = 25.0
# The walk runs on voxels of this size: strokes are no finer.
_COARSE_MM = 2.5
_HELD_SHARE = 0.8
_PRIOR_WEIGHT = 0.02
_LEAST_SPREAD_SHARE = 0.02


def corrected_liver(image: Volume, mask: BoolArray, stroke: BoolArray, kind: StrokeKind) -> tuple[Box, BoolArray]:
    """The liver after one stroke.

    Parameters
    ----------
    image : Volume
        CT (or PET where there is none), on whose grid mask and stroke are.
    mask : ndarray of bool
        The liver as it is now.
    stroke : ndarray of bool
        Voxels of the stroke.
    kind : {"more", "less"}
        Whether it is drawn over missing liver or over what is not liver.

    Returns
    -------
    tuple of box and ndarray of bool
        Where the liver changed, and the liver there.

    Raises
    ------
    MaskError
        Where the stroke has no voxel.
    """
    used = used_box(stroke)
    if used is None:
        msg = "the stroke lies outside the image; draw it at the liver's border"
        raise MaskError(msg)
    grid = image.geometry
    box = grow_box(used, np.ceil(_REACH_MM / np.asarray(grid.spacing_mm)), grid.shape)
    steps = [max(1, int(_COARSE_MM / s)) for s in grid.spacing_mm]
    part, own, drawn = image.crop(box), mask[box], stroke[box]
    coarse_own, coarse_drawn = _thinned(own, steps) >= 0.5, _thinned(drawn, steps) > 0
    values = _thinned(part.array, steps)
    spacing = tuple(s * n for s, n in zip(grid.spacing_mm, steps, strict=True))
    away = distance_to_mm(coarse_drawn, spacing, within_mm=_REACH_MM)  # type: ignore[arg-type]
    walked = _walked(values, coarse_own, coarse_drawn, away, kind)
    patch = _touching((walked & ~coarse_own) if kind == "more" else (coarse_own & ~walked), coarse_drawn)
    fine = _spread(patch, steps, own.shape)
    return box, np.asarray(own | fine | drawn if kind == "more" else own & ~fine & ~drawn)


def _walked(
    values: Float32Array,
    own: BoolArray,
    drawn: BoolArray,
    away: Float32Array,
    kind: StrokeKind,
) -> BoolArray:
    """Where a walker reaches the liver first."""
    region = np.ones(values.shape, dtype=bool)
    far = away > _HELD_SHARE * _REACH_MM
    liver = own & ((kind == "more") | far)
    other = ~own & ((kind == "less") | far)
    liver, other = (liver | drawn, other & ~drawn) if kind == "more" else (liver & ~drawn, other | drawn)
    reference = values[drawn]
    spread = max(float(np.std(values[own])) if own.any() else 0.0, _LEAST_SPREAD_SHARE * float(np.ptp(values)), 1e-3)
    spread = min(spread, 25.0) if float(values.min()) < 0 else spread
    alike = np.exp(-0.5 * ((values - float(np.median(reference))) / spread) ** 2)
    prior = alike if kind == "more" else 1.0 - alike
    found = random_walk(region, liver, other, [Feature(values, spread)], prior.astype(np.float32), _PRIOR_WEIGHT)
    return np.asarray(found > 0.5)


def _thinned(array: npt.NDArray[Any], steps: list[int]) -> Float32Array:
    """Means over blocks; blocks at the end may be smaller."""
    total: npt.NDArray[Any] = np.asarray(array, dtype=np.float32)
    for axis, step in enumerate(steps):
        starts = np.arange(0, total.shape[axis], step)
        counts = np.diff(np.append(starts, total.shape[axis])).reshape([-1 if a == axis else 1 for a in range(3)])
        total = np.add.reduceat(total, starts, axis=axis) / counts
    return np.asarray(total, dtype=np.float32)


def _spread(coarse: BoolArray, steps: list[int], shape: tuple[int, ...]) -> BoolArray:
    fine = coarse
    for axis, step in enumerate(steps):
        fine = np.repeat(fine, step, axis=axis)
    return np.asarray(fine[tuple(slice(0, n) for n in shape)])


def _touching(candidates: BoolArray, stroke: BoolArray) -> BoolArray:
    import cc3d

    parts = cc3d.connected_components(np.ascontiguousarray(candidates | stroke), connectivity=6)
    own = np.unique(parts[stroke])
    return np.asarray(np.isin(parts, own[own > 0]) & candidates)
