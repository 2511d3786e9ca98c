"""Lesions as the CT shows them: each on its own box of the CT's grid, or the reason why it cannot be seen.

A lesion's border on CT is not that of its uptake, and RECIST 1.1 measures the first. The PET says where to look and
roughly how large a lesion is; the CT says where its border runs. A smooth closed surface is fitted to both: where
density steps, the step decides; where a vessel or a touching lesion hides the border, the surface bridges it. How sure
the longest diameter is follows from the spread of the surfaces that fit nearly as well. A lesion whose density does
not stand out, or whose fit contradicts its uptake, is refused with a reason: a diameter that was not seen is no
diameter.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.morphology import dilated
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume, used_box
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.border_checks import (
    diameter_error_mm,
    require_believable,
    require_more_than_core,
    seen_share,
)
from dotaliver.segmentation.lesions.border_detail import drawn_with_detail
from dotaliver.segmentation.lesions.border_profile import border_profile
from dotaliver.segmentation.lesions.border_signs import half_interval_mm, require_sure_size, signs_of, tolerance_mm
from dotaliver.segmentation.lesions.ct_site import NotSeenError, Site, site_of
from dotaliver.segmentation.lesions.fitted_border import FittedBorder, denser_part, fitted_border
from dotaliver.system.recent import Recent, content_of

if TYPE_CHECKING:
    from dotaliver.segmentation.lesions.bodies_on_ct import Bodies

__all__ = [
    "BelievedBorder",
    "CtOutlines",
    "Divided",
    "LesionOutline",
    "believed_border",
    "drawn_border",
    "outline_at",
    "outline_lesion_on_ct",
    "outline_lesions_on_ct",
    "remember_outline",
    "remember_outlines",
    "with_surroundings",
]

# Shares of the contrast between which the density at a border lies, however noisy its mean course is.
_LEVEL_RANGE = (0.1, 0.6)


@dataclass(frozen=True, eq=False)
class Divided:
    """Uptake on the CT's grid, where the CT shows several lesions under one, and the one that each further one was."""

    placed: LabelMap
    lesion_of: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class CtOutlines:
    """Outlines on the CT's grid under the lesions' labels, and for each other lesion why there is none."""

    labels: LabelMap
    unseen: dict[int, str]
    borders: dict[int, BorderEvidence] = field(default_factory=dict)
    divided: Divided | None = None
    bodies: Mapping[int, Bodies | None] = field(default_factory=dict)
    """Of lesions that were looked at already: the two bodies that the CT shows under the uptake, None for one"""


def with_surroundings(box: Box, grid: Geometry, config: CtLesionConfig) -> Box:
    """A lesion's box with all around it that is looked at."""
    margin = np.ceil((config.surroundings_mm[1] + config.capsule_mm) / np.asarray(grid.spacing_mm)) + 1
    return grow_box(box, margin, grid.shape)


def outline_lesions_on_ct(
    ct: Volume,
    placed: LabelMap,
    liver: BoolArray,
    config: CtLesionConfig,
    only: frozenset[int] | None = None,
    recent: Recent | None = None,
) -> CtOutlines:
    """Outline each lesion on CT where the CT shows it.

    Parameters
    ----------
    ct : Volume
        In HU.
    placed : LabelMap
        The lesions' outlines from PET, brought to their place on the CT's grid.
    liver : ndarray of bool
        The liver with its tumours on the CT's grid.
    config : CtLesionConfig
        What counts as seen.
    only : frozenset of int, optional
        Labels that are outlined; the others only limit them. None for all.
    recent : Recent, optional
        Earlier outlines on this CT with these settings.

    Returns
    -------
    CtOutlines
        A label of ``placed`` (or of ``only``) is either in ``labels`` and ``borders`` or in ``unseen``.
    """
    ct.require(Quantity.HU)
    recent = Recent(1) if recent is None else recent
    labels = sparse_zeros(ct.geometry.shape, np.uint16)
    unseen: dict[int, str] = {}
    borders: dict[int, BorderEvidence] = {}
    for label, own in placed.boxes():
        if only is not None and label not in only:
            continue
        box = with_surroundings(own, ct.geometry, config)
        found = outline_lesion_on_ct((ct, box), placed, liver, label, config, recent)
        if isinstance(found, str):
            unseen[label] = found
            continue
        view = labels[box][found.box]
        view[found.mask & (view == 0)] = label
        borders[label] = found.evidence
    return CtOutlines(LabelMap(labels, ct.geometry), unseen, borders)


def outline_lesion_on_ct(
    where: tuple[Volume, Box],
    placed: LabelMap,
    liver: BoolArray,
    label: int,
    config: CtLesionConfig,
    recent: Recent,
) -> LesionOutline | str:
    """One lesion's outline in its box with its surroundings, or the reason for none; the rest as above."""
    ct, box = where
    masks = (placed.array[box], liver[box])
    return recent.of(_inputs(ct, box, masks, label), partial(_outlined, where, masks, label, config))


def remember_outline(
    where: tuple[Volume, Box],
    placed: LabelMap,
    liver: BoolArray,
    label: int,
    found: LesionOutline | str,
    recent: Recent,
) -> None:
    """Take what `outline_lesion_on_ct` found elsewhere as found here."""
    ct, box = where
    recent.of(_inputs(ct, box, (placed.array[box], liver[box]), label), partial(_same, found))


def remember_outlines(
    ct: Volume, placed: LabelMap, liver: BoolArray, known: CtOutlines, config: CtLesionConfig, recent: Recent
) -> None:
    """Take outlines that were found in these masks on this CT, and stored since, as if they had been found just now.

    Only those that touch no other are: where two met, the stored one may lack what it shares with the other.

    Parameters
    ----------
    ct, placed, liver, config
        What they were found in; as in `outline_lesions_on_ct`.
    known : CtOutlines
        On the grid of ``ct``.
    recent : Recent
        Gets them.
    """
    outlined = dict(known.labels.boxes())
    for label, own in placed.boxes():
        box = with_surroundings(own, ct.geometry, config)
        found: LesionOutline | str | None = known.unseen.get(label)
        if label in outlined and label in known.borders:
            found = _whole(known, label, outlined[label], box)
        if found is None:
            continue
        remember_outline((ct, box), placed, liver, label, found, recent)


def _whole(known: CtOutlines, label: int, own: Box, box: Box) -> LesionOutline | None:
    """A known outline as a part of the box that was looked at; None where it touches another."""
    near = known.labels.array[grow_box(own, (1, 1, 1), known.labels.geometry.shape)]
    mask = near == label
    if (near[dilated(mask)] != 0).sum() != mask.sum() or not _holds(box, own):
        return None
    there = tuple(slice(o.start - b.start, o.stop - b.start) for o, b in zip(own, box, strict=True))
    array = known.labels.array[own] == label
    return LesionOutline((there[0], there[1], there[2]), array, known.borders[label])


def _holds(box: Box, part: Box) -> bool:
    return all(b.start <= p.start and p.stop <= b.stop for b, p in zip(box, part, strict=True))


def _same(found: LesionOutline | str) -> LesionOutline | str:
    return found


def _inputs(ct: Volume, box: Box, masks: tuple[npt.NDArray[np.integer], BoolArray], label: int) -> Hashable:
    """All that an outline depends on: this CT, its part that is looked at, and the masks in it."""
    return (ct.geometry.crop(box), label, *(content_of(mask) for mask in masks))


@dataclass(frozen=True, eq=False)
class LesionOutline:
    """An outline in the smallest box that holds it, within what was looked at."""

    box: Box
    mask: BoolArray
    evidence: BorderEvidence


def _outlined(
    where: tuple[Volume, Box], masks: tuple[npt.NDArray[np.integer], BoolArray], label: int, config: CtLesionConfig
) -> LesionOutline | str:
    """One lesion's outline, or the reason why there is none."""
    (ct, part), (placed, liver) = where, masks
    try:
        mask, evidence = outline_at(site_of(ct.crop(part), placed, liver, label, config), config)
    except NotSeenError as reason:
        return str(reason)
    box = used_box(mask) or (slice(0, 0), slice(0, 0), slice(0, 0))
    return LesionOutline(box, mask[box].copy(), evidence)


def outline_at(site: Site, config: CtLesionConfig) -> tuple[BoolArray, BorderEvidence]:
    """One lesion's outline on its site, and how sure its diameter is.

    Raises
    ------
    NotSeenError
        Where the CT does not show its border, with the reason.
    """
    believed = believed_border(fitted_border(site, config), config)
    require_more_than_core(believed.border, config)
    return drawn_border(believed, config)


@dataclass(frozen=True, eq=False)
class BelievedBorder:
    """A fitted border, the share of it that is seen, and half the 95 % interval of its diameter."""

    border: FittedBorder
    seen_share: float
    error_mm: float | None = None
    """None where it follows from the spread of the surfaces alone."""


def believed_border(border: FittedBorder, config: CtLesionConfig) -> BelievedBorder:
    """A fitted border, or that of the part of the uptake with the lesion's density, where it is believed.

    Raises
    ------
    NotSeenError
        Where it is not believed, with the reason.
    """
    try:
        return _checked(border, config)
    except NotSeenError as reason:
        # Two lesions that are one on PET, or uptake beyond what the CT shows: the part with the lesion's density.
        part = denser_part(border, config)
        if part is None:
            raise
        whole = reason
    try:
        border = fitted_border(part, config)
        return _checked(border, config, least_seen=config.part_seen_share)
    except NotSeenError:
        # The reason concerns a lesion, so it is that of the whole uptake
        raise whole from None


def drawn_border(believed: BelievedBorder, config: CtLesionConfig) -> tuple[BoolArray, BorderEvidence]:
    """A border moved to where density steps and drawn on the CT's grid, and how sure its diameter is.

    Raises
    ------
    NotSeenError
        Where it encloses no voxel, or the diameter is not sure.
    """
    border, level = _moved_to_border(believed.border, config)
    error = diameter_error_mm(border, config) if believed.error_mm is None else believed.error_mm
    mask = drawn_with_detail(border, level, config)
    if not mask.any():
        msg = "it is too small on CT for its border to be seen"
        raise NotSeenError(msg)
    site = border.site
    dense = float(np.mean(site.hu[mask] > site.liver_hu + config.dense_hu_above))
    return mask, BorderEvidence(
        diameter_error_mm=round(error, 2), seen_share=round(believed.seen_share, 2), dense_share=round(dense, 2)
    )


def _checked(border: FittedBorder, config: CtLesionConfig, least_seen: float = 0.0) -> BelievedBorder:
    """The border with what is known of it; raises where it is not believed."""
    if config.interval_weights is None:
        require_believable(border, config, least_seen)
        return BelievedBorder(border, seen_share(border, config))
    signs = signs_of(border, config)
    error = half_interval_mm(signs, config)
    require_believable(border, config, least_seen, sure=error <= config.sure_tolerances * tolerance_mm(signs, config))
    require_sure_size(signs, error, config)
    return BelievedBorder(border, seen_share(border, config), error)


def _moved_to_border(border: FittedBorder, config: CtLesionConfig) -> tuple[FittedBorder, float]:
    """The border moved to where density steps on average, and the density there.

    Where the step is gradual, it is the uptake that says how far out the border lies within the gradient.
    """
    densities = border.densities
    found = border_profile(border.rays, border.radii_mm, densities, config.foot_share)
    coefficients = border.fit.coefficients
    shift = 0.0
    if found.foot_mm is not None and abs(densities.contrast) > config.profile_contrast_sd * densities.noise:
        half = found.half_mm
        foot = max(half, found.foot_mm - config.edge_blur_mm)
        radius = float(coefficients[0])
        begin, whole = config.uptake_trust_radius_mm
        trust = config.uptake_trust * float(np.clip((radius - begin) / (whole - begin), 0, 1))
        wished = float(np.clip(border.prior.mean[0] - radius, half, foot))
        shift = float(np.clip(half + trust * (wished - half), *config.shift_range_mm))
    shift += config.outward_mm
    share = float(np.clip(found.share_at(shift), *_LEVEL_RANGE))
    moved = coefficients.copy()
    moved[0] += shift
    return replace(border, fit=replace(border.fit, coefficients=moved)), densities.liver + share * densities.contrast
