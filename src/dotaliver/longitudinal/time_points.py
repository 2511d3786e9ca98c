"""The responses of baseline and of every scan after it."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.longitudinal.context import CourseContext, sizes_together
from dotaliver.longitudinal.followed import FollowedLesion
from dotaliver.longitudinal.new_lesions import new_lesions
from dotaliver.longitudinal.recist import (
    NonTargetAssessment,
    OverallAssessment,
    TargetAssessment,
    TargetSize,
    non_target_response,
    overall_response,
    target_response,
    target_sum,
)
from dotaliver.longitudinal.records import TimePoint

__all__ = ["time_points"]


def time_points(context: CourseContext) -> tuple[TimePoint, ...]:
    """Baseline and every scan after it, in order."""
    others = [lesion for lesion in context.lesions if context.role(lesion) == "non_target"]
    sizes = _sizes(context, context.baseline)
    baseline_mm = target_sum(sizes, context.config)
    points = [_baseline_point(context, sizes, baseline_mm, others)]
    sums: list[float] = []
    complete = False
    for scan in range(context.baseline + 1, len(context.given.keys)):
        point = _time_point(context, scan, others, baseline_mm, sums, complete=complete)
        points.append(point)
        complete = complete or (point.overall is not None and point.overall.response == "CR")
        if point.targets.sum_mm is not None:
            sums.append(point.targets.sum_mm)
    return tuple(points)


def _sizes(context: CourseContext, scan: int) -> tuple[TargetSize, ...]:
    return sizes_together(
        context.targets,
        context.lesions,
        scan,
        context.config,
        against=context.baseline,
        comparable=context.comparable,
    )


def _baseline_point(
    context: CourseContext, sizes: tuple[TargetSize, ...], total: float | None, others: Sequence[FollowedLesion]
) -> TimePoint:
    reason = "Baseline." if sizes else "Baseline; no lesion is a target."
    return TimePoint(
        scan=context.baseline,
        sizes=sizes,
        targets=TargetAssessment(
            response=None, sum_mm=total, measured_mm=total or 0.0, baseline_mm=total, nadir_mm=total, reason=reason
        ),
        non_target_states={n.lesion: n.state(context.baseline, context.config) for n in others},
        non_targets=NonTargetAssessment(response=None, reason="Baseline."),
        new_lesion="none",
        new_lesions=(),
        new_lesion_reason="Baseline.",
        overall=None,
    )


def _time_point(
    context: CourseContext,
    scan: int,
    others: Sequence[FollowedLesion],
    baseline_mm: float | None,
    earlier_mm: Sequence[float],
    *,
    complete: bool,
) -> TimePoint:
    config = context.config
    sizes = _sizes(context, scan)
    states = {lesion.lesion: lesion.state(scan, config) for lesion in others}
    word, names, why = new_lesions(context, scan)
    by_name = {lesion.lesion: lesion for lesion in context.lesions}
    assessed = target_response(sizes, baseline_mm, earlier_mm, config, after_complete_response=complete)
    non_targets = non_target_response(tuple(states.values()), after_complete_response=complete)
    overall = overall_response(assessed.response, non_targets.response, word)
    if complete:
        plain = target_response(sizes, baseline_mm, earlier_mm, config, after_complete_response=False)
        rest = non_target_response(tuple(states.values()))
        overall = _after_complete(overall, overall_response(plain.response, rest.response, word))
    return TimePoint(
        scan=scan,
        sizes=sizes,
        targets=assessed,
        non_target_states=states,
        non_targets=non_targets,
        new_lesion=word,
        new_lesions=names,
        new_lesion_states={name: by_name[name].state(scan, config) for name in names},
        new_lesion_reason=why,
        overall=overall,
    )


def _after_complete(overall: OverallAssessment, by_tables: OverallAssessment) -> OverallAssessment:
    """The overall response after an earlier complete response."""
    if overall.response == "PR":
        # The tables say PR; but nothing is seen, and disease after a complete response would be progression.
        reason = "Nothing is seen after the complete response, but not all non-targets were evaluated."
        return OverallAssessment(response="NE", reason=reason)
    if overall.response == "PD" and by_tables.response != "PD":
        reason = "Disease is seen again after a complete response (RECIST 1.1, footnote of table 3)."
        return OverallAssessment(response="PD", reason=reason, relapse=True)
    return overall
