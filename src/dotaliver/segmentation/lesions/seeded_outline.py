"""The outline of one lesion on CT from a place inside it, for lesions that a reader points at.

The regions around the place (`seeded_regions`) take the part that the outline of the uptake has in the automatic
search: the border is fitted to each in turn. The border counts that holds the place, agrees best with where it started
from and shows most of itself as a step of density. Where even that one is not clear, there is no outline, and the
reader draws the diameter.

The fit runs on pixels of about a millimetre, whatever the CT's, so that it takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.clicks import ClickSearch, CtClickConfig
from dotaliver.config.segmentation import CtLesionConfig
from dotaliver.image.distance import distance_to_mm, signed_distance_mm
from dotaliver.image.geometry import Box, FloatArray, Geometry, Vector, grow_box
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.ct_outlines import outline_lesions_on_ct, with_surroundings
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.seeded_regions import Regions, regions_around

__all__ = ["SeededOutline", "Surroundings", "outline_around", "through_border_points"]

_OWN = 1
_DIRECTIONS = 16


@dataclass(frozen=True, eq=False)
class SeededOutline:
    """One lesion's outline in a box of the CT, and how well the CT shows its border."""

    box: Box
    mask: BoolArray
    border: BorderEvidence


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What bounds an outline, on the CT's grid."""

    liver: BoolArray
    """The liver with its tumours."""
    lesions: npt.NDArray[np.integer]
    """Labels of the known lesions."""
    free: frozenset[int] = frozenset()
    """Lesions that the outline may fill: the one that is measured, and those that the CT does not bound."""
    uptake: BoolArray | None = None
    """Where the uptake of the lesion that is measured falls, if the PET shows it."""

    def crop(self, box: Box) -> Surroundings:
        """What lies in a box."""
        uptake = None if self.uptake is None else self.uptake[box]
        return Surroundings(self.liver[box], self.lesions[box], self.free, uptake)

    def thinned(self, where: tuple[slice, ...]) -> tuple[BoolArray, BoolArray]:
        """Where the outline may run, and the other lesions, at some voxels."""
        labels = self.lesions[where]
        filled = labels != 0
        own = np.isin(labels, sorted(self.free)) if self.free and filled.any() else np.zeros_like(filled)
        return np.asarray(self.liver[where] | own), np.asarray(filled & ~own)


@dataclass(frozen=True, eq=False)
class _Thinned:
    """A part of the CT on coarser pixels, with the liver and the other lesions in it."""

    ct: Volume
    liver: BoolArray
    others: BoolArray
    uptake: BoolArray | None
    times: tuple[int, int, int]

    def place(self, on_fine: FloatArray) -> FloatArray:
        """A place in voxels of the fine grid, in those of this one."""
        times = np.asarray(self.times)
        return np.asarray((on_fine - (times - 1) / 2) / times)


@dataclass(frozen=True, eq=False)
class _Candidate:
    mask: BoolArray
    border: BorderEvidence
    longest_mm: float
    clarity: float
    """How far it can be believed: agreement with its start times share of border seen, less half its relative error."""


@dataclass(frozen=True)
class _NotFound:
    """Why there is no clear border, and whether one may lie farther out than was looked."""

    reason: str
    reaches_farther: bool


def outline_around(
    ct: Volume, around: Surroundings, place: FloatArray, configs: tuple[CtClickConfig, CtLesionConfig]
) -> SeededOutline:
    """Outline the lesion that holds a place.

    Parameters
    ----------
    ct : Volume
        In HU.
    around : Surroundings
        Liver and known lesions on the CT's grid.
    place : ndarray
        In voxels of the CT, inside the liver.
    configs : tuple of CtClickConfig and CtLesionConfig
        What is looked for around the place, and how borders are fitted.

    Raises
    ------
    NotSeenError
        Where no clear border is found, with the reason.
    """
    click, fitting = configs
    grid = ct.require(Quantity.HU).geometry
    middle = np.rint(place).astype(int)
    voxel: Box = tuple(slice(int(m), int(m) + 1) for m in middle)  # type: ignore[assignment]
    found: tuple[Box, _Thinned, _Candidate] | None = None
    why = ""
    for search in click.searches:
        reach = search.reach_mm + fitting.surroundings_mm[1] + fitting.capsule_mm
        box = grow_box(voxel, np.ceil(reach / np.asarray(grid.spacing_mm)), grid.shape)
        fine = _thinned(ct.crop(box), around.crop(box), click.fit_pixel_mm)
        corner = np.array([b.start for b in box])
        outcome = _best_fit(fine, fine.place(place - corner), search, configs)
        if isinstance(outcome, _Candidate):
            found = box, fine, outcome
            break
        why = outcome.reason
        if not outcome.reaches_farther:
            break
    if found is None:
        raise NotSeenError(why)
    box, fine, best = found
    part, corner = ct.geometry.crop(box), np.array([b.start for b in box])
    mask = _on_fine_grid(best.mask, fine.times, part.shape)
    used = used_box(mask)
    if used is None:
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    whole: Box = tuple(  # type: ignore[assignment]
        slice(int(u.start + c), int(u.stop + c)) for u, c in zip(used, corner, strict=True)
    )
    inside, others = around.thinned(whole)
    return SeededOutline(whole, mask[used] & inside & ~others, best.border)


def _best_fit(
    fine: _Thinned, place: FloatArray, search: ClickSearch, configs: tuple[CtClickConfig, CtLesionConfig]
) -> _Candidate | _NotFound:
    """The clearest border around a place, moved out to the foot of a gradual one."""
    click, fitting = configs
    bounds = Surroundings(fine.liver, fine.others.view(np.uint8))
    coarse = _thinned(fine.ct, bounds, click.search_pixel_mm)
    config = _for_clicks(fitting, click)
    known_voxels = 0.0 if fine.uptake is None else float(np.count_nonzero(fine.uptake))
    regions = regions_around(coarse.ct, coarse.liver & ~coarse.others, coarse.place(place), search, click)
    best: _Candidate | None = None
    why = "its density does not stand out from the liver around it"
    for start in _starts(fine, coarse, regions, click.most_fits):
        try:
            found = _fitted(fine, start, place, config)
        except NotSeenError as reason:
            why = str(reason)
            continue
        if found is None:
            continue
        if known_voxels and not _same_size(found.mask, known_voxels, click):
            why = f"its outline on CT has {_radius_ratio(found.mask, known_voxels):.2f} times the radius of its uptake"
            continue
        if best is None or found.clarity > best.clarity:
            best = found
            if best.clarity >= click.clear_enough:
                break
    if best is not None and best.clarity < click.least_clarity:
        why = f"its border is not clear on CT ({100 * best.border.seen_share:.0f} % of it shows as a step of density)"
    if best is None or best.clarity < click.least_clarity:
        return _NotFound(why, regions.reaches_farther)
    return _moved_to_foot(best, fine, place, click, config)


def _starts(fine: _Thinned, coarse: _Thinned, regions: Regions, most: int) -> Iterator[BoolArray]:
    """Where the uptake falls, and then what is as dense as the place; at most so many."""
    if fine.uptake is not None and fine.uptake.any():
        yield fine.uptake & fine.liver & ~fine.others
        most -= 1
    for region in regions.likeliest_first[:most]:
        yield _on_fine_grid(region, coarse.times, fine.ct.geometry.shape) & fine.liver & ~fine.others


def _moved_to_foot(
    found: _Candidate, fine: _Thinned, place: FloatArray, click: CtClickConfig, config: CtLesionConfig
) -> _Candidate:
    """The border fitted once more from a wider start, so that a gradual one is followed to its foot.

    Readers draw the border of a gradual lesion there. How far it moves widens the interval, and so does what is hidden.
    """
    try:
        wider = _fitted(fine, _grown(found.mask, fine, click.border_width_mm), place, config)
    except NotSeenError:
        wider = None
    if wider is None or wider.longest_mm > (1 + click.most_growth_share) * found.longest_mm:
        wider = found
    parts = (
        wider.border.diameter_error_mm,
        click.gradual_border_error * (wider.longest_mm - found.longest_mm),
        click.reader_error_share * wider.longest_mm,
        click.hidden_border_error * (1 - wider.border.seen_share) * wider.longest_mm,
    )
    border = wider.border.model_copy(update={"diameter_error_mm": round(float(np.linalg.norm(parts)), 2)})
    return replace(wider, border=border)


def _radius_ratio(mask: BoolArray, known_voxels: float) -> float:
    return float((np.count_nonzero(mask) / known_voxels) ** (1 / 3))


def _same_size(mask: BoolArray, known_voxels: float, click: CtClickConfig) -> bool:
    """Whether an outline may be what the uptake shows, and not a part of it, such as a necrotic core."""
    low, high = click.uptake_ratio_range
    return low <= _radius_ratio(mask, known_voxels) <= high


def _grown(mask: BoolArray, fine: _Thinned, by_mm: float) -> BoolArray:
    near = distance_to_mm(mask, fine.ct.geometry.spacing_mm, within_mm=by_mm + 1) <= by_mm
    return np.asarray(near & fine.liver & ~fine.others)


def _for_clicks(fitting: CtLesionConfig, click: CtClickConfig) -> CtLesionConfig:
    """The fit's settings without what only the outline of the uptake can say."""
    changed = {
        "size_sd_mm": click.size_sd_mm,
        "size_sd_share": click.size_sd_share,
        "place_sd_mm": click.place_sd_mm,
        "size_ratio_range": click.size_ratio_range,
        "reach_mm": click.border_reach_mm,
        "reach_share": click.border_reach_share,
        "least_seen_share": click.least_seen_share,
        "least_contrast_sd": click.least_contrast_sd,
        "uptake_trust": click.foot_trust,
        "most_shared_share": click.most_shared_share,
    }
    return CtLesionConfig.model_validate(fitting.model_dump() | changed)


def _fitted(fine: _Thinned, start: BoolArray, place: FloatArray, config: CtLesionConfig) -> _Candidate | None:
    """The border fitted to a start; None where it does not hold the place."""
    used = used_box(start)
    if used is None:
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    grid = fine.ct.geometry
    box = with_surroundings(used, grid, config)
    labels = np.where(fine.others[box], _OWN + 1, 0).astype(np.uint16)
    labels[start[box]] = _OWN
    placed = LabelMap(labels, grid.crop(box))
    found = outline_lesions_on_ct(fine.ct.crop(box), placed, fine.liver[box], config, frozenset({_OWN}))
    if _OWN in found.unseen:
        raise NotSeenError(found.unseen[_OWN])
    mask = np.zeros(grid.shape, dtype=bool)
    mask[box] = found.labels.array == _OWN
    if not _holds(mask, place, grid):
        return None
    border = found.borders[_OWN]
    agreement = 2 * np.count_nonzero(mask & start) / (np.count_nonzero(mask) + np.count_nonzero(start))
    longest = _widest_mm(mask[box], grid)
    relative = border.diameter_error_mm / max(longest, 1.0)
    return _Candidate(mask, border, longest, float(border.seen_share * agreement - 0.5 * relative))


def _widest_mm(mask: BoolArray, grid: Geometry) -> float:
    """Greatest width in a slice along 16 directions: within half a percent of the longest diameter."""
    slices, rows, columns = np.nonzero(mask)
    widest = 0.0
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        along = np.cos(angle) * grid.spacing_mm[1] * rows + np.sin(angle) * grid.spacing_mm[2] * columns
        high, low = np.full(mask.shape[0], -np.inf), np.full(mask.shape[0], np.inf)
        np.maximum.at(high, slices, along)
        np.minimum.at(low, slices, along)
        widest = max(widest, float((high - low).max()))
    return widest + 0.5 * float(grid.spacing_mm[1])


def _holds(mask: BoolArray, place: FloatArray, grid: Geometry) -> bool:
    """Whether an outline holds a place but for a voxel or two."""
    centre = np.rint(place).astype(int)
    around: Box = tuple(slice(max(int(c) - 2, 0), int(c) + 3) for c in centre)  # type: ignore[assignment]
    near = mask[around]
    if not near.any():
        return False
    offsets = (np.argwhere(near) + [a.start for a in around] - place) * np.asarray(grid.spacing_mm)
    return bool(np.linalg.norm(offsets, axis=1).min() <= max(2.0, *grid.spacing_mm))


# --- grids -----------------------------------------------------------------------------------------------------------


def _thinned(ct: Volume, around: Surroundings, pixel_mm: float) -> _Thinned:
    """Means over blocks of about a pixel's size; in masks the middle voxel of each block counts."""
    grid = ct.geometry
    times: tuple[int, int, int] = tuple(  # type: ignore[assignment]
        max(1, min(int(pixel_mm / s + 0.25), n)) for s, n in zip(grid.spacing_mm, grid.shape, strict=True)
    )
    counts: tuple[int, int, int] = tuple(n // t for n, t in zip(grid.shape, times, strict=True))  # type: ignore[assignment]
    whole = tuple(slice(0, n * t) for n, t in zip(counts, times, strict=True))
    hu = ct.array[whole].astype(np.float32)
    if times != (1, 1, 1):
        (a, b, c), (p, q, r) = counts, times
        hu = hu.reshape(a, p, b, q, c, r).mean(axis=(1, 3, 5), dtype=np.float32)
    origin = grid.index_to_lps((np.asarray(times) - 1) / 2)
    spacing = tuple(s * t for s, t in zip(grid.spacing_mm, times, strict=True))
    coarse = replace(
        grid,
        shape=counts,
        origin_lps_mm=tuple(float(v) for v in origin),  # type: ignore[arg-type]
        spacing_mm=spacing,  # type: ignore[arg-type]
    )
    middles = tuple(slice(t // 2, n * t, t) for n, t in zip(counts, times, strict=True))
    uptake = None if around.uptake is None else around.uptake[middles]
    return _Thinned(Volume(hu, coarse, Quantity.HU), *around.thinned(middles), uptake, times)


def _on_fine_grid(mask: BoolArray, times: tuple[int, int, int], shape: tuple[int, int, int]) -> BoolArray:
    """A mask of blocks on the finer grid, its border interpolated between the blocks."""
    from scipy.ndimage import map_coordinates

    if times == (1, 1, 1):
        return mask
    fine = np.zeros(shape, dtype=bool)
    used = used_box(mask)
    if used is None:
        return fine
    box = grow_box(used, (2, 2, 2), mask.shape)
    level = signed_distance_mm(mask[box], tuple(float(t) for t in times))  # type: ignore[arg-type]
    # Distances run between voxel centres: the border lies half a voxel short of the nearest one outside.
    level -= 0.5 * np.sign(level) * min(times)
    target: Box = tuple(  # type: ignore[assignment]
        slice(b.start * t, min(b.stop * t, n)) for b, t, n in zip(box, times, shape, strict=True)
    )
    lines: list[npt.NDArray[np.float64]] = [
        (np.arange(part.start, part.stop) - (t - 1) / 2) / t - b.start
        for part, t, b in zip(target, times, box, strict=True)
    ]
    places = np.meshgrid(*lines, indexing="ij")
    fine[target] = map_coordinates(level, places, order=1, mode="nearest") > 0
    return fine


# --- border points ---------------------------------------------------------------------------------------------------


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
        radius = float((np.count_nonzero(mask) * grid.voxel_volume_ml * 1000 * 0.75 / np.pi) ** (1 / 3))
        level = signed_distance_mm(mask, grid.spacing_mm)
        level -= 0.5 * grid.spacing_mm[1] * np.sign(level)
        place = grid.lps_to_index(point)
        at = _linear(level, place)
        k, j, i = (((np.arange(n) - p) * s) ** 2 for n, p, s in zip(grid.shape, place, spacing, strict=True))
        reach = 2 * max(share * radius, grid.spacing_mm[0]) ** 2
        weight = np.exp(-(k[:, None, None] + j[:, None] + i) / reach)
        mask = np.asarray(level - at * weight > 0)
    return outline.with_array(mask.astype(np.uint8))


def _linear(values: npt.NDArray[np.floating], place: FloatArray) -> float:
    from scipy.ndimage import map_coordinates

    return float(map_coordinates(values, np.asarray(place)[:, None], order=1, mode="nearest")[0])
