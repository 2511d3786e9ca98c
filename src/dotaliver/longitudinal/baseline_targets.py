"""The targets that one scan proposes, taken as the baseline, and their sum of diameters."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.body_lesions import FIRST_LABEL
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit
from dotaliver.longitudinal.followed import FollowedLesion, follow
from dotaliver.longitudinal.records import Appearance, Track
from dotaliver.longitudinal.selection import Selection, select_targets
from dotaliver.longitudinal.target_sizes import TargetSize, target_sum
from dotaliver.records.measurements import Lesion
from dotaliver.records.score import StudyScore

__all__ = ["BaselineTargets", "followed_at_baseline", "proposed_targets"]


@dataclass(frozen=True)
class BaselineTargets(Selection):
    """The targets of one scan, with what each adds to the sum; lesions outside the liver are named as "B3"."""

    sizes: tuple[TargetSize, ...] = ()
    sum_mm: float | None = None


def proposed_targets(score: StudyScore, config: RecistConfig | None = None) -> BaselineTargets:
    """Propose the targets of a single scan, taken as baseline, and say why each lesion is one or not.

    Lesions are named by their numbers, those that a reader confirmed outside the liver as "B3". The sum adds longest
    diameters, and short axes of nodes (RECIST 1.1, Eisenhauer 2009); it is None where there is no target.
    """
    config = config or RecistConfig()
    named = followed_at_baseline(score)
    kept = [lesion for lesion, _ in named.values() if lesion.left_out is None]
    whole = _with_confirmed(score)
    chosen = select_targets(kept, whole, 0, CourseEdits(), config)
    reasons = {name: chosen.reasons.get(name) or lesion.left_out or "" for name, (lesion, _) in named.items()}
    sizes = tuple(named[name][0].size(0, config) for name in chosen.targets)
    return BaselineTargets(chosen.targets, reasons, sizes, target_sum(sizes, config))


def followed_at_baseline(score: StudyScore) -> dict[str, tuple[FollowedLesion, Lesion]]:
    """Each lesion of a scan, and each confirmed outside the liver, by its name, as a course of one scan follows it."""
    whole, found = _with_confirmed(score), {}
    confirmed = () if score.body is None else score.body.confirmed
    names = [*((x.label, x.name, x) for x in score.lesions), *((FIRST_LABEL + x.label, x.name, x) for x in confirmed)]
    for label, name, lesion in names:
        seen = Appearance(scan=0, state="seen", labels=(label,), confidence=1.0)
        track = Track(lesion=name, appearances=(seen,))
        found[name] = (follow(track, (whole,), LesionCourseEdit(lesion=name), {}), lesion)
    return found


def _with_confirmed(score: StudyScore) -> StudyScore:
    """The record with the lesions that are confirmed outside the liver among the others."""
    confirmed = () if score.body is None else score.body.confirmed
    more = tuple(lesion.model_copy(update={"label": FIRST_LABEL + lesion.label}) for lesion in confirmed)
    return score.model_copy(update={"lesions": (*score.lesions, *more)})
