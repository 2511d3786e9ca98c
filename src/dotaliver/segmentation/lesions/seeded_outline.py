"""The outline of one lesion on CT from a place inside it, for lesions that a reader points at.

The regions around the place (`seeded_regions`) take the part that the outline of the uptake has in the automatic
search: the border is fitted to each in turn, on coarse pixels. The border counts that holds the place, agrees best with
where it started from and shows most of itself as a step of density; it is fitted once more on pixels of about a
millimetre. Where no border is clear, the best one of a density that stands out from the liver's still counts, with an
interval that is wider by as much as such borders are off: a reader says that a lesion is there. Where density does not
stand out, there is no outline, and the reader draws the diameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config.clicks import ClickSearch, CtClickConfig
from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Box, FloatArray, grow_box
from dotaliver.image.volume import BoolArray, Quantity, Volume, used_box
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.seeded_fit import Candidate, fitted_to, radius_ratio
from dotaliver.segmentation.lesions.seeded_regions import regions_around
from dotaliver.segmentation.lesions.thinned_ct import Surroundings, ThinnedCt, on_fine_grid, thinned

__all__ = ["SeededOutline", "outline_around"]


@dataclass(frozen=True, eq=False)
class SeededOutline:
    """One lesion's outline in a box of the CT, and how well the CT shows its border."""

    box: Box
    mask: BoolArray
    border: BorderEvidence


@dataclass(frozen=True, eq=False)
class _Found:
    """The best border of one search, if there is one, why not, and whether one may lie farther out."""

    box: Box
    thin: ThinnedCt
    best: Candidate | None
    reason: str
    reaches_farther: bool


def outline_around(
    ct: Volume, around: Surroundings, place: FloatArray, configs: tuple[CtClickConfig, CtLesionConfig]
) -> SeededOutline:
    """Outline the lesion that holds a place.

    Parameters
    ----------
    ct : Volume
        In HU, or an MR scaled by its liver.
    around : Surroundings
        Liver and known lesions on the CT's grid.
    place : ndarray
        In voxels of the CT, inside the liver.
    configs : tuple of CtClickConfig and CtLesionConfig
        What is looked for around the place, and how borders are fitted.

    Raises
    ------
    NotSeenError
        Where no border is found, with the reason.
    """
    ct.require(Quantity.HU, Quantity.LIVER_CONTRAST)
    for search in configs[0].searches:
        found = _search(ct, around, place, search, configs)
        # What reaches far is looked at only where nothing nearer stands out.
        if found.best is not None or not found.reaches_farther:
            break
    if found.best is None or not _shown(found.best, configs[0]):
        raise NotSeenError(found.reason)
    return _refined(ct, around, place, found, configs)


def _shown(best: Candidate, click: CtClickConfig) -> bool:
    """Whether a border is clear, or at least that of a density which no plain liver has."""
    if best.doubt is None:
        return True
    return best.clarity >= click.partial_clarity and best.contrast_sd >= click.partial_contrast_sd


def _better(one: Candidate, other: Candidate) -> bool:
    """Whether a border is to be preferred: one without doubt, and of those the clearest."""
    return (one.doubt is None, one.clarity) > (other.doubt is None, other.clarity)


def _search(
    ct: Volume,
    around: Surroundings,
    place: FloatArray,
    search: ClickSearch,
    configs: tuple[CtClickConfig, CtLesionConfig],
) -> _Found:
    """The best border around a place, on coarse pixels."""
    click, fitting = configs
    grid = ct.geometry
    middle = np.rint(place).astype(int)
    voxel: Box = tuple(slice(int(m), int(m) + 1) for m in middle)  # type: ignore[assignment]
    reach = search.reach_mm + fitting.surroundings_mm[1] + fitting.capsule_mm
    box = grow_box(voxel, np.ceil(reach / np.asarray(grid.spacing_mm)), grid.shape)
    thin = thinned(ct.crop(box), around.crop(box), search.pixel_mm)
    there = thin.place(place - [part.start for part in box])
    regions = regions_around(thin.ct, thin.usable, there, search, click)
    best: Candidate | None = None
    why = "its density does not stand out from the liver around it"
    for start in _starts(thin, regions.likeliest_first, click.most_fits):
        try:
            found = fitted_to(thin, start, there, click, fitting)
        except NotSeenError as reason:
            why = str(reason)
            continue
        if found is None:
            continue
        found = _doubted(found, thin, click)
        if best is None or _better(found, best):
            best, why = found, found.doubt or why
        if best.doubt is None and best.clarity >= click.clear_enough:
            break
    return _Found(box, thin, best, why, regions.reaches_farther)


def _doubted(found: Candidate, thin: ThinnedCt, click: CtClickConfig) -> Candidate:
    """A border with what speaks against it."""
    doubt = found.doubt
    known_voxels = 0.0 if thin.uptake is None else float(np.count_nonzero(thin.uptake))
    if known_voxels:
        # A part of what the uptake shows, such as a necrotic core, is not the lesion.
        ratio, (low, high) = radius_ratio(found.mask, known_voxels), click.uptake_ratio_range
        if not low <= ratio <= high:
            doubt = f"its outline on CT has {ratio:.2f} times the radius of its uptake"
            hidden = ratio < low or ratio > click.most_partial_uptake_ratio
            return replace(found, doubt=doubt, clarity=-np.inf if hidden else found.clarity)
    if doubt is None and found.clarity < click.least_clarity:
        doubt = (
            f"its border is not clear on CT ({100 * found.border.seen_share:.0f} % of it shows as a step of density)"
        )
    return replace(found, doubt=doubt)


def _starts(thin: ThinnedCt, regions: tuple[BoolArray, ...], most: int) -> Iterator[BoolArray]:
    """Where the uptake falls, and then what is as dense as the place; at most so many."""
    if thin.uptake is not None and thin.uptake.any():
        yield thin.uptake & thin.usable
        most -= 1
    yield from regions[:most]


def _refined(
    ct: Volume,
    around: Surroundings,
    place: FloatArray,
    found: _Found,
    configs: tuple[CtClickConfig, CtLesionConfig],
) -> SeededOutline:
    """The border fitted once more on fine pixels, from a wider start, so that a gradual one is followed to its foot.

    Readers draw the border of a gradual lesion there. How far it moves widens the interval, and so does what is hidden.
    """
    click, fitting = configs
    assert found.best is not None
    grid = ct.geometry
    corner = np.array([part.start for part in found.box])
    mask = on_fine_grid(found.best.mask, found.thin.times, grid.crop(found.box).shape)
    used = used_box(mask)
    if used is None:
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    margin = fitting.surroundings_mm[1] + fitting.capsule_mm + click.border_reach_mm
    inner = grow_box(used, np.ceil(margin / np.asarray(grid.spacing_mm)), mask.shape)
    box: Box = tuple(  # type: ignore[assignment]
        slice(int(part.start + c), int(part.stop + c)) for part, c in zip(inner, corner, strict=True)
    )
    near = around.crop(box)
    fine = thinned(ct.crop(box), near, max(click.fit_pixel_mm, found.best.longest_mm / click.fit_pixels_across))
    start = mask[inner][tuple(slice(t // 2, n * t, t) for t, n in zip(fine.times, fine.liver.shape, strict=True))]
    there = fine.place(place - [part.start for part in box])
    wider = _wider(fine, start, there, found.best, configs)
    drawn = mask[inner] if wider is None else on_fine_grid(wider.mask, fine.times, near.liver.shape)
    inside, others = near.thinned(())
    drawn = drawn & inside & ~others
    whole = used_box(drawn)
    if whole is None:
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    at: Box = tuple(  # type: ignore[assignment]
        slice(part.start + b.start, part.stop + b.start) for part, b in zip(whole, box, strict=True)
    )
    return SeededOutline(at, drawn[whole], _evidence(found.best, wider or found.best, click))


def _wider(
    fine: ThinnedCt,
    start: BoolArray,
    place: FloatArray,
    found: Candidate,
    configs: tuple[CtClickConfig, CtLesionConfig],
) -> Candidate | None:
    """The border on fine pixels; None where it grows by more than a gradual border may."""
    click, fitting = configs
    try:
        wider = fitted_to(fine, _grown(start, fine, click.border_width_mm), place, click, fitting)
    except NotSeenError:
        return None
    if wider is None or wider.longest_mm > (1 + click.most_growth_share) * found.longest_mm:
        return None
    return wider


def _grown(mask: BoolArray, fine: ThinnedCt, by_mm: float) -> BoolArray:
    near = distance_to_mm(mask, fine.ct.geometry.spacing_mm, within_mm=by_mm + 1) <= by_mm
    return np.asarray(near & fine.usable)


def _evidence(found: Candidate, wider: Candidate, click: CtClickConfig) -> BorderEvidence:
    """How well the border shows, with an interval that holds what readers differ in and what is hidden."""
    size = wider.longest_mm
    parts = [
        wider.border.diameter_error_mm,
        click.gradual_border_error * (size - found.longest_mm),
        click.reader_error_share * size,
        click.hidden_border_error * (1 - wider.border.seen_share) * size,
    ]
    if found.doubt is not None:
        parts.append(click.partial_error_share * size)
    error = round(float(np.linalg.norm(parts)), 2)
    return wider.border.model_copy(update={"diameter_error_mm": error, "partial": found.doubt is not None})
