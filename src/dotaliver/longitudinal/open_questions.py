"""What a course leaves open: progression before entry, questions for the reader, and what is to be known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from dotaliver.longitudinal.context import CourseContext, is_surely_new, measurable_mm
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.progression import ProgressionAnswer, ScanPair, judge_progression
from dotaliver.longitudinal.recist import NewLesionWord
from dotaliver.longitudinal.records import Question, TimePoint

__all__ = ["progression_before_entry", "questions", "warnings_of"]

# RECIST 1.1: baseline as near as possible to the start of treatment, never more than four weeks before.
_BASELINE_DAYS = 28


def progression_before_entry(scene: CourseContext) -> ProgressionAnswer:
    """Inclusion 6, from every pair of consecutive scans."""
    given = scene.given
    trial = given.trial
    window = given.scores[0].config.protocol.progression_window_months
    if trial is None:
        return judge_progression((), None, window, scene.config)
    pairs = [_pair(scene, before, now) for before, now in pairwise(range(len(given.keys)))]
    return judge_progression(pairs, trial.entry, window, scene.config)


def _pair(scene: CourseContext, before: int, now: int) -> ScanPair:
    """Two consecutive scans: lesions measured on both, measurable on one, and what the later scan shows first."""
    config = scene.config
    sizes = [(n.size(before, config), n.size(now, config)) for n in scene.lesions if n.track.first <= before]
    both = [
        (a, b)
        for a, b, least in (
            (first.counted_mm(config), second.counted_mm(config), measurable_mm(scene, now, node=first.node))
            for first, second in sizes
        )
        if a is not None and b is not None and max(a, b) >= least
    ]
    new = [n for n in scene.lesions if n.track.first == now and n.edit.new != "rejected"]
    word: NewLesionWord = "none"
    if new:
        word = "unequivocal" if any(is_surely_new(scene, n) for n in new) else "equivocal"
    return ScanPair(
        prior_on=scene.given.keys[before].on,
        on=scene.given.keys[now].on,
        prior_mm=sum(a for a, _ in both) if both else None,
        sum_mm=sum(b for _, b in both) if both else None,
        lesions=len(both),
        new_lesion=word,
    )


def questions(scene: CourseContext, about_best: str | None) -> tuple[Question, ...]:
    """What the reader has not answered yet."""
    lesions = {lesion.lesion: lesion for lesion in scene.lesions}
    asked: list[Question] = []
    vanished: dict[str, list[int]] = {}
    for question in scene.given.matching.questions:
        lesion = lesions.get(question.lesions[0])
        if lesion is None or (question.scan in lesion.stated):
            continue
        if question.kind == "vanished" and question.scan is not None:
            vanished.setdefault(lesion.lesion, []).append(question.scan)
            continue
        if question.kind == "identity" and len(question.lesions) > 1 and lesion.edit.new is not None:
            continue
        asked.append(question)
    for name, scans in vanished.items():
        where = f"scan{'s' if len(scans) > 1 else ''} {', '.join(str(scan + 1) for scan in scans)}"
        sentence = f"{name} was not found on {where}: is it gone, too small to measure, or not seen there?"
        asked.append(Question(kind="vanished", lesions=(name,), scan=scans[0], sentence=sentence))
    asked += [_about_new(scene, n) for n in scene.lesions if scene.role(n) == "new" and n.edit.new is None]
    if about_best is not None:
        asked.append(Question(kind="best_response", lesions=(), scan=None, sentence=about_best))
    return tuple(asked)


def _about_new(scene: CourseContext, lesion: FollowedLesion) -> Question:
    """Whether a lesion that was first seen after baseline is new: for the reader to confirm, or to decide."""
    scan = lesion.track.first
    if is_surely_new(scene, lesion):
        sentence = (
            f"{lesion.lesion} of scan {scan + 1} counts as new, since CT shows it and nothing took up there before: "
            "does the earlier CT not show it either?"
        )
    else:
        sentence = (
            f"Is {lesion.lesion} of scan {scan + 1} a new lesion? It is equivocal: CT or MRI must show it, or the "
            "reader confirm it."
        )
    return Question(kind="new_lesion", lesions=(lesion.lesion,), scan=scan, sentence=sentence)


def warnings_of(scene: CourseContext, points: Sequence[TimePoint]) -> tuple[str, ...]:
    """What a reader should know of the course before using it."""
    found = []
    given = scene.given
    treated: date | None = None if given.trial is None else given.trial.first_treatment
    start = given.keys[scene.baseline].on
    if treated is not None and (treated - start).days > _BASELINE_DAYS:
        found.append(
            f"The baseline of {start} is {(treated - start).days} days older than the first treatment on {treated}; "
            "RECIST 1.1 allows four weeks."
        )
    if not scene.selection.targets:
        found.append("No lesion is measurable at baseline, so there is no target: responses rest on non-targets.")
    later = points[1:]
    if scene.selection.targets and later and all(point.targets.measured_mm == 0 for point in later):
        gone = all(size.status in {"absent", "merged"} for point in later for size in point.sizes)
        if not gone:
            found.append("The targets were never measured again after baseline: no target response can be given.")
    # Change of technique between scans moves diameters by itself.
    spacings = {score.study.measured_ct.spacing_mm[0] for score in given.scores if score.study.measured_ct is not None}
    if len({round(mm, 1) for mm in spacings}) > 1:
        words = ", ".join(f"{mm:g}" for mm in sorted(spacings))
        found.append(f"The CTs have different slice spacings ({words} mm), which changes diameters by itself.")
    return tuple(found)
