"""New lesions: which there are up to a scan, and whether they are unequivocal."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.longitudinal.context import CourseContext, measurable_mm
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.recist import NewLesionWord

__all__ = ["is_unequivocal", "new_lesions"]


def is_unequivocal(context: CourseContext, lesion: FollowedLesion, first: int) -> bool:
    """Whether a lesion that is first seen on a scan is unequivocally new.

    The reader says so, or its identity there is sure and CT (or MR, or the reader) measures it large enough on that
    scan or later. A focus on PET alone stays equivocal: RECIST 1.1 speaks of FDG. So does a lesion on another modality
    than the baseline was measured on, which may have been there unseen, until the reader lets that scan count.
    """
    if lesion.edit.new is not None:
        return lesion.edit.new == "confirmed"
    config = context.config
    stated = lesion.is_stated(first) and lesion.seen_on(first)
    if lesion.doubt is not None or not (stated or lesion.is_identified(first, config)):
        return False
    for scan in range(first, len(context.given.keys)):
        if _on_another_modality(context, lesion, scan):
            continue
        size = lesion.size(scan, config)
        least = config.normal_node_mm if lesion.node else measurable_mm(context, scan, node=False)
        if size.status == "measured" and size.size_mm is not None and size.size_mm >= least:
            return True
    return False


def _on_another_modality(context: CourseContext, lesion: FollowedLesion, scan: int) -> bool:
    before = context.given.keys[context.baseline].measured_on
    now = lesion.modalities(scan)
    if lesion.is_stated(scan) or before is None or not now or context.comparable & {scan, context.baseline}:
        return False
    return before not in now


def new_lesions(context: CourseContext, scan: int) -> tuple[NewLesionWord, tuple[str, ...], str]:
    """New lesions up to a scan; one that is confirmed later counts from the scan that first showed it."""
    new = []
    for lesion in context.lesions:
        first = context.identified_on(lesion)
        if context.role(lesion) == "new" and first is not None and first <= scan:
            new.append((lesion, first))
    sure = [(lesion, first) for lesion, first in new if is_unequivocal(context, lesion, first)]
    if sure:
        return "unequivocal", tuple(n.lesion for n, _ in sure), f"New: {_dated(context, sure)}."
    if new:
        why = "equivocal until CT or MRI shows it unequivocally or the reader confirms it"
        return "equivocal", tuple(n.lesion for n, _ in new), f"Possibly new: {_dated(context, new)}; {why}."
    return "none", (), "No new lesion."


def _dated(context: CourseContext, lesions: Sequence[tuple[FollowedLesion, int]]) -> str:
    return ", ".join(f"{n.lesion} ({n.organ.lower()}, {context.given.keys[first].on})" for n, first in lesions)
