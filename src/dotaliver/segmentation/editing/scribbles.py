"""Scribbles: a stroke "more here" or "less here" corrects a lesion's mask on the PET.

A stroke corrects the whole patch of error that it is drawn in, not its own voxels alone: where the edge of the uptake
disagrees with the mask around the stroke, the edge is followed. What strokes say about the edge is learned: a stroke
below the usual height of the edge lowers it nearby, one above raises it. "More" only adds and "less" only removes, both
within a reach of the stroke, so that the rest of a mask that a reader made stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.errors import MaskError
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Vector
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.editing.uptake_edge import EDGE, edge_height
from dotaliver.segmentation.lesions.basins import basins_of, merged

__all__ = ["Scribbles", "StrokeKind", "corrected_lesion"]

StrokeKind = Literal["more", "less"]

# Found on the three hybrid studies with simulated strokes (scripts/benchmark_scribbles.py); none of them is critical.
_REACH_MM = 30.0
_LEARNING_REACH_MM = 8.0
_USUAL_EDGE_WEIGHT = 0.3
_BEYOND_STROKE = 0.03
# Basins with a higher saddle are one structure; "less" removes smaller parts than "more" adds.
_ADDED_SADDLE_SHARE, _REMOVED_SADDLE_SHARE = 0.75, 0.9
# Uptake over that of normal tissue below which nothing is added unless it is drawn
_FLOOR_RATIO = 1.15
_LEAST_REST_SHARE = 0.05
# A stroke says that a whole structure is another's where it goes over the structure's hottest part. Drawn at its
# margin, it removes what lies beyond the edge there.
_HOTTEST_SHARE = 0.8
_LEAST_ISLAND_VOXELS = 4


@dataclass(frozen=True, eq=False)
class Scribbles:
    """Strokes drawn so far on one lesion: voxels that belong to it, and voxels that do not; disjoint."""

    more: BoolArray
    less: BoolArray

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Scribbles:
        """No strokes yet, on a grid of a shape."""
        return cls(np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool))

    def with_stroke(self, stroke: BoolArray, kind: StrokeKind) -> Scribbles:
        """The strokes with one more; where it crosses an earlier one of the other kind, the newer counts."""
        if kind == "more":
            return Scribbles(self.more | stroke, self.less & ~stroke)
        return Scribbles(self.more & ~stroke, self.less | stroke)


def corrected_lesion(  # noqa: PLR0913  image, mask, both kinds of strokes, other lesions, normal uptake, settings
    pet: Volume,
    mask: BoolArray,
    scribbles: Scribbles,
    stroke: BoolArray,
    kind: StrokeKind,
    *,
    taken: BoolArray,
    normal_uptake: float,
    config: LesionConfig,
) -> BoolArray:
    """The mask of a lesion after one more stroke.

    Parameters
    ----------
    pet : Volume
        The part of the PET around lesion and stroke, with some 30 mm on each side; everything else is on its grid.
    mask : ndarray of bool
        The lesion as it is now.
    scribbles : Scribbles
        Earlier strokes on this lesion; their voxels stay what they were drawn as.
    stroke : ndarray of bool
        Voxels of the new stroke.
    kind : {"more", "less"}
        Whether the stroke is drawn over missing lesion or over what is no lesion.
    taken : ndarray of bool
        Voxels of other lesions, which are never added.
    normal_uptake : float
        Uptake of the tissue around the lesion.
    config : LesionConfig
        Reach of blur and smoothing of the edge rule.

    Raises
    ------
    MaskError
        Where the stroke has no voxel, or would remove the whole lesion.
    """
    stroke = stroke & ~taken if kind == "more" else stroke
    if not stroke.any():
        msg = "the stroke lies outside the image or in another lesion; draw it at this lesion's border"
        raise MaskError(msg)
    drawn = scribbles.with_stroke(stroke, kind)
    spacing_mm = pet.geometry.spacing_mm
    height = edge_height(pet, normal_uptake, config, fwhm_mm=0.0)
    warm = pet.array > _FLOOR_RATIO * normal_uptake
    edge = EDGE + _learned_shift(height, drawn, spacing_mm)
    tumour = (height > edge) & warm & ~taken
    near = distance_to_mm(stroke, spacing_mm, within_mm=_REACH_MM) <= _REACH_MM
    if kind == "more":
        structures = _structures(pet, warm | mask | stroke, normal_uptake, _ADDED_SADDLE_SHARE, config)
        own = np.unique(structures[mask | stroke])
        candidates = tumour & ~mask & near & np.isin(structures, own[own > 0])
        result = mask | stroke | _touching(candidates, stroke)
    else:
        gone = _touching(mask & ~tumour & near, stroke & mask)
        structures = _structures(pet, warm | mask, normal_uptake, _REMOVED_SADDLE_SHARE, config)
        gone |= _other_structures(structures, pet.array, mask, stroke, drawn, height > EDGE)
        result = _without_islands(mask & ~gone & ~stroke, drawn.more)
    result = (result | drawn.more) & ~drawn.less & ~taken
    if not result.any():
        msg = "the stroke would remove the whole lesion; delete the lesion instead"
        raise MaskError(msg)
    return np.asarray(result)


def _learned_shift(height: Float32Array, drawn: Scribbles, spacing_mm: Vector) -> npt.NDArray[np.float64]:
    """How much higher the edge is than usual, by the strokes nearby: their weighted mean, with the usual edge's."""
    from scipy.ndimage import gaussian_filter

    shift = np.zeros(height.shape)
    shift[drawn.more] = np.minimum(0.0, height[drawn.more] - EDGE - _BEYOND_STROKE)
    shift[drawn.less] = np.maximum(0.0, height[drawn.less] - EDGE + _BEYOND_STROKE)
    sigma = [_LEARNING_REACH_MM / s for s in spacing_mm]
    # One voxel of a stroke weighs 1 where it lies.
    scale = float(np.prod([s * np.sqrt(2.0 * np.pi) for s in sigma]))
    weight = gaussian_filter((drawn.more | drawn.less).astype(np.float64), sigma, truncate=3.0)
    return np.asarray(
        scale * gaussian_filter(shift, sigma, truncate=3.0) / (scale * weight + _USUAL_EDGE_WEIGHT), dtype=np.float64
    )


def _structures(
    pet: Volume, hot: BoolArray, normal_uptake: float, saddle_share: float, config: LesionConfig
) -> npt.NDArray[np.int32]:
    """Basins of uptake, merged where the saddle between two is high."""
    smooth = gaussian(pet.array, config.smooth_fwhm_mm / FWHM_PER_SIGMA, pet.geometry)
    everywhere = np.ones(hot.shape, dtype=bool)
    return merged(basins_of(smooth, hot), smooth, normal_uptake, everywhere, everywhere, saddle_share).labels


def _touching(candidates: BoolArray, stroke: BoolArray) -> BoolArray:
    """The parts of a mask that a stroke touches; corners count."""
    import cc3d

    parts = cc3d.connected_components(np.ascontiguousarray(candidates | stroke), connectivity=26)
    own = np.unique(parts[stroke])
    return np.asarray(np.isin(parts, own[own > 0]) & candidates)


def _other_structures(
    structures: npt.NDArray[np.int32],
    uptake: npt.NDArray[Any],
    mask: BoolArray,
    stroke: BoolArray,
    drawn: Scribbles,
    tumour: BoolArray,
) -> BoolArray:
    """Structures that a "less" stroke says are another's: drawn over their middle, and not all that the lesion has."""
    gone = np.zeros(mask.shape, dtype=bool)
    crossed = stroke & mask
    for label in np.unique(structures[crossed]):
        part = structures == label
        own, drawn_in = part & mask, part & crossed
        rest = mask & ~own
        is_hot = int((drawn_in & tumour).sum()) > 0.5 * int(drawn_in.sum())
        in_middle = bool(uptake[drawn_in].max() > _HOTTEST_SHARE * uptake[own].max())
        has_rest = int(rest.sum()) > _LEAST_REST_SHARE * int(mask.sum()) and bool((rest & tumour).any())
        if label and is_hot and in_middle and has_rest and not (drawn.more & own).any():
            gone |= own
    return gone


def _without_islands(mask: BoolArray, kept: BoolArray) -> BoolArray:
    """A mask without parts of a few voxels that removing left over."""
    import cc3d

    parts = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26)
    sizes = np.bincount(parts.ravel())
    small = np.flatnonzero(sizes < _LEAST_ISLAND_VOXELS)
    needed = np.unique(parts[kept & mask])
    left = np.setdiff1d(small[small > 0], needed)
    if len(left) == len(sizes) - 1:
        return mask
    return np.asarray(mask & ~np.isin(parts, left))
