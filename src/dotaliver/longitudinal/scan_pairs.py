"""Inclusion 6 for a course: every pair of scans up to study entry, with growth and new lesions between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from dotaliver.longitudinal.context import CourseContext, measurable_mm, sizes_together
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.new_lesions import is_unequivocal
from dotaliver.longitudinal.progression import ProgressionAnswer, ScanPair, judge_progression
from dotaliver.longitudinal.recist import NewLesionWord
from dotaliver.longitudinal.selection import not_measurable_by_mark

__all__ = ["progression_before_entry"]


def progression_before_entry(context: CourseContext) -> ProgressionAnswer:
    """Inclusion 6, from every pair of scans."""
    given = context.given
    window = given.scores[0].config.protocol.progression_window_months
    if given.trial is None:
        return judge_progression((), None, window, context.config)
    pairs = [_pair(context, before, now) for before, now in combinations(range(len(given.keys)), 2)]
    return judge_progression(pairs, given.trial.entry, window, context.config)


def _pair(context: CourseContext, before: int, now: int) -> ScanPair:
    """Two scans: the measurable lesions measured on both, the large ones that are not, and new lesions."""
    there = [n for n in context.lesions if n.present_on(before) and not_measurable_by_mark(n, now) in {None, n.doubt}]
    sizes = _measured_on_both(context, there, before, now)
    return ScanPair(
        prior_on=context.given.keys[before].on,
        on=context.given.keys[now].on,
        prior_mm=sum(a for a, _ in sizes.values()) if sizes else None,
        sum_mm=sum(b for _, b in sizes.values()) if sizes else None,
        lesions=len(sizes),
        new_lesion=_new_between(context, before, now),
        unmeasured=_unmeasured(context, there, sizes, before, now),
    )


def _measured_on_both(
    context: CourseContext, there: Sequence[FollowedLesion], before: int, now: int
) -> dict[str, tuple[float, float]]:
    """Sizes in mm of the lesions whose growth one sum can show.

    A lesion that has merged counts only together with the one that contains it, so the sum shrinks until it holds.
    """
    config = context.config
    least = {lesion.lesion: measurable_mm(context, now, node=lesion.node) for lesion in there}
    counted = list(there)
    while True:
        first = sizes_together(counted, context.lesions, before, config, against=before)
        second = sizes_together(counted, context.lesions, now, config, against=before, comparable=context.comparable)
        found = {}
        for a, b in zip(first, second, strict=True):
            mm = (a.counted_mm(config), b.counted_mm(config))
            if mm[0] is not None and mm[1] is not None and max(mm[0], mm[1]) >= least[a.lesion]:
                found[a.lesion] = (mm[0], mm[1])
        if len(found) == len(counted):
            return found
        counted = [lesion for lesion in counted if lesion.lesion in found]


def _unmeasured(
    context: CourseContext,
    there: Sequence[FollowedLesion],
    measured: dict[str, tuple[float, float]],
    before: int,
    now: int,
) -> tuple[str, ...]:
    """Lesions that RECIST 1.1 would choose as targets of these two scans for their size, and that lack a size."""
    config = context.config

    def extent_mm(lesion: FollowedLesion) -> float:
        """The largest known extent, on CT or PET; unknown counts as large."""
        known = [lesion.size(scan, config).counted_mm(config) for scan in (before, now)]
        for found in (lesion.uptake(before), lesion.uptake(now)):
            known += [] if found is None else [found.pet_extent_mm, None if lesion.node else found.longest_mm]
        return max((mm for mm in known if mm is not None), default=float("inf"))

    extents = {lesion.lesion: extent_mm(lesion) for lesion in there}
    organs: Counter[str] = Counter()
    chosen: list[str] = []
    for lesion in sorted(there, key=lambda n: (-extents[n.lesion], n.lesion)):
        if extents[lesion.lesion] < measurable_mm(context, before, node=lesion.node):
            continue
        if len(chosen) < config.most_targets and organs[lesion.organ] < config.most_targets_per_organ:
            organs[lesion.organ] += 1
            chosen.append(lesion.lesion)
    return tuple(name for name in chosen if name not in measured)


def _new_between(context: CourseContext, before: int, now: int) -> NewLesionWord:
    """Whether the later scan, or one in between, shows a lesion that the earlier one does not."""
    words: set[NewLesionWord] = set()
    for lesion in context.lesions:
        first = lesion.first_seen_after(before)
        if lesion.edit.new == "rejected" or lesion.present_on(before) or first is None or first > now:
            continue
        # Not found on a scan is not the same as gone: what comes back is new where the reader says so.
        lost = lesion.track.first < before and not lesion.is_stated(before) and lesion.edit.new is None
        words.add("equivocal" if lost or not is_unequivocal(context, lesion, first) else "unequivocal")
    return "unequivocal" if "unequivocal" in words else "equivocal" if words else "none"
