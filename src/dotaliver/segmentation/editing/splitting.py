"""Splitting a lesion: into its parts, along the valleys of uptake between seeds, or by a cut line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.geometry import Box, Geometry, Vector, grow_box
from dotaliver.image.itk import resample
from dotaliver.image.volume import BoolArray, LabelMap, Volume, used_box
from dotaliver.segmentation.lesions.basins import basins_of, merged

__all__ = ["connected_parts", "cut_parts", "parts_of"]

Labels = npt.NDArray[np.uint16]

_LEAST_PART_VOXELS = 4
"""A part of a split lesion with fewer voxels is a sliver at its border, not a lesion: it stays with its neighbour."""

_MAXIMA_APART_MM = 10.0
# Noise makes no maximum of its own for a seed: smoothed by this, and saddles above this share are none.
_SEED_FWHM_MM, _SEED_SADDLE_SHARE = 5.0, 0.9
# A cut line that ends this near a lesion's border ends outside of it.
_CUT_MARGIN_MM = 3.0


def connected_parts(mask: BoolArray) -> list[BoolArray]:
    """The parts of a mask that do not touch (corners count as touching), the largest first."""
    import cc3d

    pieces, count = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=26, return_N=True)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    order = sorted(range(1, count + 1), key=lambda n: (-int(sizes[n]), n))
    return [np.asarray(pieces == n) for n in order]


def parts_of(pet: Volume, labels: LabelMap, label: int, seeds_lps_mm: Sequence[Vector] = ()) -> tuple[Box, Labels]:
    """Split a lesion: along the valleys of uptake between seeds, else into its parts, else between its two maxima.

    Returns
    -------
    tuple of box and ndarray
        The lesion's box, and in it 1, 2 … for the parts, the largest first.

    Raises
    ------
    MaskError
        Where nothing separates two parts.
    """
    box, own = _own(labels, label)
    part = labels.geometry.crop(box)
    parts = _without_slivers(connected_parts(own), part.spacing_mm)
    if not seeds_lps_mm and len(parts) > 1:
        return box, _numbered(parts)
    uptake = pet.crop(box).array if pet.geometry.is_close(labels.geometry) else resample(pet, part).array
    if seeds_lps_mm:
        found = _around_seeds(own, uptake, _seeds(own, part, seeds_lps_mm), part)
    else:
        found = _along_valleys(own, uptake, _two_maxima(own, uptake, part.spacing_mm, label))
    return box, _two_at_least(found, part.spacing_mm, label, "move the seeds apart")


def _along_valleys(own: BoolArray, uptake: npt.NDArray[Any], markers: npt.NDArray[np.int32]) -> list[BoolArray]:
    """Parts of a mask that uptake rises in towards markers 1, 2 …; what hangs together with none is the first's."""
    from skimage.segmentation import watershed

    basins = watershed(-uptake.astype(np.float64), markers, mask=own)
    basins[own & (basins == 0)] = 1
    return [np.asarray(basins == n) for n in range(1, int(markers.max()) + 1)]


def _around_seeds(
    own: BoolArray, uptake: npt.NDArray[Any], seeds: npt.NDArray[np.int32], grid: Geometry
) -> list[BoolArray]:
    """Parts of a mask around seeds: along the valleys where each seed has a maximum of its own, else by nearness."""
    smooth = gaussian(uptake, _SEED_FWHM_MM / FWHM_PER_SIGMA, grid)
    everywhere = np.ones(own.shape, dtype=bool)
    base = float(smooth[own].min())
    basins = merged(basins_of(smooth, own), smooth, base, everywhere, everywhere, _SEED_SADDLE_SHARE).labels
    places = [tuple(np.argwhere(seeds == n)[0]) for n in range(1, int(seeds.max()) + 1)]
    owners = [int(basins[place]) for place in places]
    if 0 not in owners and len(set(owners)) == len(owners):
        markers = np.zeros(own.shape, dtype=np.int32)
        for number, owner in enumerate(owners, start=1):
            top = np.unravel_index(int(np.where(basins == owner, smooth, -np.inf).argmax()), own.shape)
            markers[top] = number
        parts = _along_valleys(own, smooth, markers)
        if all(part[place] for part, place in zip(parts, places, strict=True)):
            return parts
    return _by_nearness(own, smooth, places, grid.spacing_mm)


def _by_nearness(
    own: BoolArray, uptake: npt.NDArray[Any], places: Sequence[tuple[int, ...]], spacing_mm: Vector
) -> list[BoolArray]:
    """Each voxel to the seed that is nearest on a way through the mask; ways through low uptake count as longer."""
    from skimage.graph import MCP_Geometric

    highest = float(uptake[own].max())
    dear = np.where(own, (highest / np.maximum(uptake, 0.05 * highest)) ** 2, -1.0)
    ways = [MCP_Geometric(dear, sampling=spacing_mm).find_costs([place])[0] for place in places]
    nearest = np.argmin(np.stack(ways), axis=0)
    return [np.asarray(own & (nearest == n)) for n in range(len(places))]


def cut_parts(labels: LabelMap, label: int, line_lps_mm: tuple[Vector, Vector], view_lps: Vector) -> tuple[Box, Labels]:
    """Split a lesion by a line drawn in a plane, through the whole lesion along the line of sight.

    Where the line ends inside the lesion, what lies beyond its end stays connected.

    Parameters
    ----------
    labels : LabelMap
        All lesions.
    label : int
        The one to cut.
    line_lps_mm : tuple of two places
        Ends of the line, in mm.
    view_lps : tuple of float
        Direction of sight, across the plane in which the line was drawn.

    Returns
    -------
    tuple of box and ndarray
        The lesion's box, and in it 1, 2 … for the parts, the largest first.

    Raises
    ------
    MaskError
        Where the line is too short or does not divide the lesion.
    """
    start, end = (np.asarray(place, dtype=np.float64) for place in line_lps_mm)
    along = end - start
    length = float(np.linalg.norm(along))
    normal = np.cross(along, np.asarray(view_lps, dtype=np.float64))
    if length < 1.0 or float(np.linalg.norm(normal)) < 1e-6 * length:
        msg = "the cut line is shorter than 1 mm; draw it across the lesion"
        raise MaskError(msg)
    box, own = _own(labels, label)
    grid = labels.geometry.crop(box)
    places = grid.index_to_lps(np.argwhere(own)) - start
    side = np.zeros(own.shape, dtype=np.int8)
    side[own] = np.where(places @ normal > 0, 1, 2)
    within = np.zeros(own.shape, dtype=bool)
    reach = places @ along / length
    within[own] = (reach >= -_CUT_MARGIN_MM) & (reach <= length + _CUT_MARGIN_MM)
    found = _divided(side, within, grid.spacing_mm)
    if len(found) < 2:
        msg = f"the line does not divide lesion {label}; draw it from border to border"
        raise MaskError(msg)
    return box, _two_at_least(found, grid.spacing_mm, label, "draw the line nearer the middle")


def _divided(side: npt.NDArray[np.int8], within: BoolArray, spacing_mm: Vector) -> list[BoolArray]:
    """Parts on the two sides of a cut; pieces that touch each other beyond the ends of the line are one."""
    import cc3d
    from scipy.ndimage import binary_dilation

    touching = np.ones((3, 3, 3), dtype=bool)
    pieces = cc3d.connected_components(side, connectivity=26)
    count = int(pieces.max(initial=0))
    side_of = np.zeros(count + 1, dtype=int)
    side_of[pieces.ravel()] = side.ravel()
    root, at_cut = list(range(count + 1)), set()

    def find(n: int) -> int:
        while root[n] != n:
            n = root[n]
        return n

    for one in np.flatnonzero(side_of == 1):
        rim = binary_dilation(pieces == one, touching)
        for other in np.unique(pieces[rim & (side == 2)]):
            contact = rim & (pieces == other)
            if (contact & ~within).any():
                root[find(int(other))] = find(int(one))
            else:
                at_cut |= {int(one), int(other)}
    groups = {find(n) for n in at_cut}
    if len(groups) < 2:
        return []
    joined = np.array([find(n) if n else 0 for n in range(count + 1)])[pieces]
    parts = [np.asarray(joined == n) for n in sorted(groups)]
    # Parts that the cut does not touch stay with the nearest part.
    rest = (joined > 0) & ~np.logical_or.reduce(parts)
    return _joined_to_nearest(parts, connected_parts(rest) if rest.any() else [], spacing_mm)


def _own(labels: LabelMap, label: int) -> tuple[Box, BoolArray]:
    """A lesion's box with a margin of a voxel, and its mask there."""
    mask = labels.where(label)
    used = used_box(mask)
    if used is None:
        msg = f"lesion {label} has no voxels; choose a lesion from the table"
        raise MaskError(msg)
    box = grow_box(used, (1, 1, 1), labels.geometry.shape)
    return box, np.asarray(mask[box])


def _two_at_least(parts: Sequence[BoolArray], spacing_mm: Vector, label: int, mend: str) -> Labels:
    """Parts without slivers, numbered from the largest; refused where fewer than two are left."""
    found = _without_slivers(parts, spacing_mm)
    if len(found) < 2:
        msg = f"a part of lesion {label} would hold fewer than {_LEAST_PART_VOXELS} voxels; {mend}"
        raise MaskError(msg)
    return _numbered(sorted(found, key=lambda p: -int(p.sum())))


def _without_slivers(parts: Sequence[BoolArray], spacing_mm: Vector) -> list[BoolArray]:
    """Parts of which none is a sliver: those of too few voxels belong to the nearest part that is large enough."""
    kept = [p for p in parts if int(p.sum()) >= _LEAST_PART_VOXELS]
    slivers = [p for p in parts if int(p.sum()) < _LEAST_PART_VOXELS]
    if not slivers or not kept:
        return list(parts) if not slivers else [np.logical_or.reduce(parts)]

    return _joined_to_nearest(kept, slivers, spacing_mm)


def _joined_to_nearest(kept: Sequence[BoolArray], others: Sequence[BoolArray], spacing_mm: Vector) -> list[BoolArray]:
    from scipy.ndimage import distance_transform_edt

    if not others:
        return list(kept)
    distances = [distance_transform_edt(~p, sampling=spacing_mm) for p in kept]
    result = [p.copy() for p in kept]
    for other in others:
        nearest = int(np.argmin([float(d[other].min()) for d in distances]))
        result[nearest] |= other
    return result


def _numbered(parts: Sequence[BoolArray]) -> Labels:
    result = np.zeros(parts[0].shape, dtype=np.uint16)
    for number, part in enumerate(parts, start=1):
        result[part] = number
    return result


def _seeds(own: BoolArray, grid: Geometry, seeds_lps_mm: Sequence[Vector]) -> npt.NDArray[np.int32]:
    markers = np.zeros(own.shape, dtype=np.int32)
    for number, seed in enumerate(seeds_lps_mm, start=1):
        place = tuple(int(n) for n in np.rint(grid.lps_to_index(seed)))
        inside = all(0 <= p < n for p, n in zip(place, own.shape, strict=True))
        if not inside or not own[place]:
            msg = f"seed {number} lies outside the lesion; click inside it, once in each part"
            raise MaskError(msg)
        markers[place] = number
    if np.unique(markers).size < 3:
        msg = "one seed makes no two parts; click once in each part"
        raise MaskError(msg)
    return markers


def _two_maxima(own: BoolArray, uptake: npt.NDArray[Any], spacing_mm: Vector, label: int) -> npt.NDArray[np.int32]:
    """The two highest maxima that lie at least 10 mm apart, after light smoothing, as markers 1 and 2."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    smooth = gaussian_filter(uptake.astype(np.float64), [2.0 / s for s in spacing_mm])
    peaks = np.argwhere(own & (smooth == maximum_filter(smooth, [max(3, round(8.0 / s) | 1) for s in spacing_mm])))
    ranked = sorted((tuple(int(n) for n in p) for p in peaks), key=lambda p: (-smooth[p], p))
    for second in ranked[1:]:
        if np.linalg.norm(np.subtract(second, ranked[0]) * np.asarray(spacing_mm)) >= _MAXIMA_APART_MM:
            markers = np.zeros(own.shape, dtype=np.int32)
            markers[ranked[0]], markers[second] = 1, 2
            return markers
    msg = f"lesion {label} has a single maximum; click once in each part, or draw a cut line"
    raise MaskError(msg)
