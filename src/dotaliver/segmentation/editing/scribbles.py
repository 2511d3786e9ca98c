"""Scribbles: a stroke "more here" or "less here" corrects a lesion's mask on the PET.

A stroke corrects the whole patch of error that it is drawn in, not its own voxels alone: where the edge of the uptake
disagrees with the mask around the stroke, the edge is followed. What strokes say about the edge is learned: a stroke
below the usual height of the edge lowers it nearby, one above raises it. The edge is found by a random walk between all
strokes so far, so that noise does not fray it; away from the stroke the mask as it is counts too. "More" only adds and
"less" only removes, both within a reach of the stroke, so that the rest of a mask that a reader made stays as it is.
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
from dotaliver.image.geometry import Vector, grow_box
from dotaliver.image.volume import BoolArray, Volume, used_box
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.editing.uptake_edge import EDGE, edge_height
from dotaliver.segmentation.lesions.basins import basins_of, merged
from dotaliver.segmentation.liver.random_walk import Feature, random_walk

__all__ = ["Scribbles", "StrokeKind", "corrected_lesion"]

StrokeKind = Literal["more", "less"]

# Found with simulated strokes on hybrid studies and phantoms (scripts/benchmark_scribbles.py), and checked on phantoms
# that were kept back.
_REACH_MM = 30.0
# "Less" reaches further where the uptake is clearly no tumour's: a mask that ran out into the liver goes in one stroke.
_CLEAR_REACH_MM, _CLEARLY_NOT = 80.0, 0.35
_LEARNING_REACH_MM = 8.0
_USUAL_EDGE_WEIGHT = 0.3
_BEYOND_STROKE = 0.03
# Basins with a higher saddle are one structure; "less" removes smaller parts than "more" adds.
_ADDED_SADDLE_SHARE, _REMOVED_SADDLE_SHARE = 0.75, 0.9
# Uptake over that of normal tissue from which a voxel may be tumour by its uptake; below, and in other structures, its
# probability is no higher than this
_FLOOR_RATIO = 1.15
_COLD, _OTHER_STRUCTURE = 0.3, 0.1
# Height over the edge at which a voxel is tumour with odds of e to 1
_EDGE_WIDTH = 0.12
# How much the mask counts far from the stroke, and how far from it that begins
_MASK_SHARE, _MASK_FROM_MM = 0.3, 15.0
# Steps of height (of 2 mm standard deviation) that hinder the walk, and what a voxel's own uptake counts against one
# neighbour where the noise is 10 % of normal uptake. Noise lowers it by its variance, within these bounds.
_STEP_SCALE, _STEP_SMOOTHING_MM = 0.12, 2.0
_OWN_UPTAKE, _OWN_UPTAKE_BOUNDS = 0.5, (0.2, 3.0)
_USUAL_NOISE, _LEAST_NOISE, _LEAST_NOISE_VOXELS = 0.1, 0.02, 200
_NORMAL_RANGE = (0.6, 1.5)
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
    organ: BoolArray | None = None,
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
    organ : ndarray of bool, optional
        Where the organ that the lesion lies in may be. Beyond it nothing is added but what the stroke itself goes over:
        another organ that touches it there may be as hot as the lesion.

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
    closed = taken if organ is None or kind == "less" else taken | ~(organ | mask | drawn.more)
    spacing_mm = pet.geometry.spacing_mm
    height = edge_height(pet, normal_uptake, config, fwhm_mm=0.0)
    warm = pet.array > _FLOOR_RATIO * normal_uptake
    likely = _likelihood(height - EDGE - _learned_shift(height, drawn, spacing_mm), warm)
    away_mm = distance_to_mm(stroke, spacing_mm, within_mm=_CLEAR_REACH_MM)
    near = away_mm <= _REACH_MM
    if kind == "more":
        structures = _structures(pet, warm | mask | stroke, normal_uptake, _ADDED_SADDLE_SHARE, config)
        own = np.unique(structures[mask | stroke])
        strange = warm & ~np.isin(structures, own[own > 0])
        likely = np.where(strange, np.minimum(likely, _OTHER_STRUCTURE), likely)
    tumour = _walked(
        height, likely, mask, drawn,
        taken=closed, away_mm=away_mm, spacing_mm=spacing_mm, own_uptake=_weight_of_uptake(pet, normal_uptake),
    )  # fmt: skip
    if kind == "more":
        result = mask | stroke | _touching(tumour & ~mask & near & ~closed, stroke)
    else:
        clear = ~near & (away_mm <= _CLEAR_REACH_MM) & (likely < _CLEARLY_NOT)
        gone = _touching(mask & ((near & ~tumour) | clear), stroke & mask)
        structures = _structures(pet, warm | mask, normal_uptake, _REMOVED_SADDLE_SHARE, config)
        gone |= _other_structures(structures, pet.array, mask, stroke, drawn, height > EDGE)
        result = _without_islands(mask & ~gone & ~stroke, drawn.more)
    result = (result | drawn.more) & ~drawn.less & ~taken
    if not result.any():
        msg = "the stroke would remove the whole lesion; delete the lesion instead"
        raise MaskError(msg)
    return np.asarray(result)


def _likelihood(over_edge: npt.NDArray[np.float64], warm: BoolArray) -> npt.NDArray[np.float64]:
    """Probability of tumour by a voxel's height over the edge."""
    # Beyond 20 widths the exponential says no more.
    found = 1.0 / (1.0 + np.exp(-np.clip(over_edge / _EDGE_WIDTH, -20.0, 20.0)))
    return np.where(warm, found, np.minimum(found, _COLD))


def _weight_of_uptake(pet: Volume, normal_uptake: float) -> float:
    """What a voxel's own uptake counts in the walk: the less, the noisier the normal tissue around is.

    The noise is the robust standard deviation of second differences along rows, which slow changes do not enter; those
    of white noise have 6 times its variance.
    """
    share = np.asarray(pet.array, dtype=np.float64) / max(normal_uptake, 1e-6)
    normal = (share > _NORMAL_RANGE[0]) & (share < _NORMAL_RANGE[1])
    inside = normal[:, :, 1:-1] & normal[:, :, 2:] & normal[:, :, :-2]
    noise = _USUAL_NOISE
    if int(inside.sum()) >= _LEAST_NOISE_VOXELS:
        bends = (share[:, :, 2:] - 2.0 * share[:, :, 1:-1] + share[:, :, :-2])[inside]
        noise = max(1.4826 * float(np.median(np.abs(bends))) / np.sqrt(6.0), _LEAST_NOISE)
    return float(np.clip(_OWN_UPTAKE * (_USUAL_NOISE / noise) ** 2, *_OWN_UPTAKE_BOUNDS))


def _walked(  # noqa: PLR0913  image, probability, both kinds of strokes, other lesions, distances, weight
    height: Float32Array,
    likely: npt.NDArray[np.float64],
    mask: BoolArray,
    drawn: Scribbles,
    *,
    taken: BoolArray,
    away_mm: Float32Array,
    spacing_mm: Vector,
    own_uptake: float,
) -> BoolArray:
    """Where a walker reaches tumour first, within reach of the stroke; the mask beyond."""
    from scipy.ndimage import gaussian_filter

    near = away_mm <= _REACH_MM
    used = used_box(near)
    assert used is not None
    slices, rows, columns = mask.shape
    box = grow_box(used, (1, 1, 1), (slices, rows, columns))
    share = _MASK_SHARE * (1.0 - np.exp(-((away_mm[box] / _MASK_FROM_MM) ** 2)))
    prior = (1.0 - share) * likely[box] + share * mask[box]
    inside = (drawn.more | (~near & mask))[box]
    outside = (((drawn.less | taken) & ~drawn.more) | (~near & ~mask))[box] & ~inside
    smooth = gaussian_filter(height, [_STEP_SMOOTHING_MM / s for s in spacing_mm])[box]
    steps = [Feature(np.asarray(smooth, dtype=np.float32), _STEP_SCALE)]
    found = random_walk(np.ones(smooth.shape, dtype=bool), inside, outside, steps, prior.astype(np.float32), own_uptake)
    tumour = mask.copy()
    tumour[box] = found > 0.5
    return tumour


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
