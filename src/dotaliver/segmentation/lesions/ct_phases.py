"""Focal lesions on two CTs of one study: the PET's own, and the one that diameters are measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.itk import resample_through
from dotaliver.image.registration import Pose
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.records.masks import CtSearch, FocusFinding
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci

__all__ = ["find_on_second_ct", "merge_phases"]

# Foci of two CTs that share this part of the smaller one are one.
_SAME_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class _Focus:
    mask: BoolArray
    finding: FocusFinding


def find_on_second_ct(
    second: Volume, masks: tuple[LabelMap, LabelMap | None], pose: Pose, config: CtFociConfig
) -> tuple[LabelMap, CtSearch]:
    """Look for focal lesions on a second CT, and bring them to the grid of the first.

    Parameters
    ----------
    second : Volume
        In HU.
    masks : tuple
        The liver and, where there are any, the lesions that the PET shows, on the grid of the first CT.
    pose : Pose
        From places on the second to places on the first.
    config : CtFociConfig
        As for `find_ct_foci`.
    """
    liver, avid = masks
    there = resample_through(LabelMap(liver.mask.astype(np.uint8), liver.geometry), second.geometry, pose.transform)
    hot = None if avid is None else resample_through(avid, second.geometry, pose.transform)
    labels, search = find_ct_foci(second, there, hot, config)
    return resample_through(labels, liver.geometry, pose.transform.GetInverse()), search


def merge_phases(
    first: tuple[LabelMap, CtSearch], second: tuple[LabelMap, CtSearch], config: CtFociConfig
) -> tuple[LabelMap, CtSearch]:
    """The foci of both CTs on the grid of the first, numbered from the feet up.

    A focus that both show keeps the outline of the CT that makes it more suspicious. What could be seen is said of the
    CT that could show more.
    """
    foci = _foci_of(*first)
    for other in _foci_of(*second):
        known = next((n for n, focus in enumerate(foci) if _are_one(focus.mask, other.mask)), None)
        seen = other.finding.model_copy(update={"images": ("recist_image",)})
        if known is None:
            foci.append(_Focus(other.mask, seen))
        else:
            foci[known] = _one_of(foci[known], _Focus(other.mask, seen))
    grid = first[0].geometry
    labels = sparse_zeros(grid.shape, np.uint16)
    findings = {}
    for number, focus in enumerate(sorted(foci, key=_height), start=config.first_label):
        labels[focus.mask & (labels == 0)] = number
        findings[number] = focus.finding
    better = second[1] if _shows_more(second[1], first[1]) else first[1]
    return LabelMap(labels, grid), better.model_copy(
        update={"foci": findings, "image": "recist_image" if better is second[1] else "ct"}
    )


def _foci_of(labels: LabelMap, search: CtSearch) -> list[_Focus]:
    return [_Focus(labels.where(n), search.foci[n]) for n in labels.labels if n in search.foci]


def _are_one(first: BoolArray, second: BoolArray) -> bool:
    smaller = min(np.count_nonzero(first), np.count_nonzero(second))
    return bool(np.count_nonzero(first & second) >= _SAME_SHARE * smaller)


def _one_of(first: _Focus, second: _Focus) -> _Focus:
    """The more suspicious of the two, seen on both CTs."""
    best = second if second.finding.suspicion > first.finding.suspicion else first
    return _Focus(best.mask, best.finding.model_copy(update={"images": ("ct", "recist_image")}))


def _height(focus: _Focus) -> tuple[float, ...]:
    return tuple(np.argwhere(focus.mask).mean(axis=0))


def _shows_more(search: CtSearch, than: CtSearch) -> bool:
    if search.visible_contrast_hu is None:
        return search.liver_hu is not None and than.liver_hu is None
    return than.visible_contrast_hu is None or search.visible_contrast_hu < than.visible_contrast_hu
