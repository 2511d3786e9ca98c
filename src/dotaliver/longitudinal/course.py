"""From identities to a course: targets, sums and responses, by pure functions of records, without files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.best_response import (
    BestResponse,
    DatedResponse,
    best_response,
    best_response_confirmed,
)
from dotaliver.longitudinal.context import CourseContext, CourseInput
from dotaliver.longitudinal.followed import FollowedLesion, follow
from dotaliver.longitudinal.open_questions import questions, warnings_of
from dotaliver.longitudinal.records import (
    Reading,
    TimePoint,
    TrackedLesion,
)
from dotaliver.longitudinal.scan_pairs import progression_before_entry
from dotaliver.longitudinal.selection import select_targets
from dotaliver.longitudinal.statements import (
    checked_statements,
    comparable_scans,
    left_out_lesions,
    statements_without_effect,
)
from dotaliver.longitudinal.time_points import time_points
from dotaliver.longitudinal.uptake import patient_uptake, route_effects
from dotaliver.records.positions import shift_between

__all__ = ["CourseInput", "read_course"]


def read_course(given: CourseInput, config: RecistConfig) -> Reading:
    """Read one evaluator's scans by RECIST 1.1.

    Parameters
    ----------
    given : CourseInput
        Scans in time order with identities; with a date of first treatment the last scan up to it is the baseline,
        else the first scan.
    config : RecistConfig
        Rules and thresholds.

    Raises
    ------
    ConfigError
        Where the reader's edits name what is not there, or contradict the rules.
    """
    every = _followed(given)
    baseline = _baseline(given)
    left_out = left_out_lesions(every, given.edits.lesions)
    lesions = tuple(lesion for lesion in every if lesion.left_out is None)
    selection = select_targets(lesions, given.scores[baseline], baseline, given.edits, config)
    context = CourseContext(given, lesions, baseline, selection, config, comparable_scans(given))
    _check_organs(context)
    unused = statements_without_effect(context)
    points = time_points(context)
    best, confirmed = _best_responses(context, points)
    uptake = tuple(patient_uptake(n, score) for n, score in enumerate(given.scores))
    sums = {point.scan: point.targets.sum_mm for point in points}
    return Reading(
        evaluator=given.evaluator,
        scans=given.keys,
        baseline=baseline,
        lesions=tuple(_tracked(context, lesion) for lesion in lesions),
        time_points=points,
        best=best,
        best_confirmed=confirmed,
        progression_before_entry=progression_before_entry(context),
        uptake=uptake,
        routes=route_effects(given.keys, lesions, uptake, sums, config),
        questions=questions(context, confirmed.question),
        warnings=(*warnings_of(context, points), *left_out, *unused),
        edits=given.edits,
    )


def _best_responses(context: CourseContext, points: Sequence[TimePoint]) -> tuple[BestResponse, BestResponse]:
    """Best overall response without and with confirmation."""
    keys = context.given.keys
    dated = [
        DatedResponse(on=keys[point.scan].on, response=point.overall.response, relapse=point.overall.relapse)
        for point in points
        if point.overall is not None
    ]
    start, has_targets = keys[context.baseline].on, bool(context.selection.targets)
    return (
        best_response(dated, start, context.config, has_targets=has_targets),
        best_response_confirmed(dated, start, context.config, has_targets=has_targets),
    )


def _followed(given: CourseInput) -> tuple[FollowedLesion, ...]:
    stated = checked_statements(given)
    return tuple(
        follow(track, given.scores, given.edits.of(track.lesion), stated.get(track.lesion, {}))
        for track in given.matching.tracks
    )


def _baseline(given: CourseInput) -> int:
    treated = None if given.trial is None else given.trial.first_treatment
    if treated is None:
        return 0
    before = [n for n, key in enumerate(given.keys) if key.on <= treated]
    if not before:
        msg = (
            f"every scan is later than the first treatment on {treated}, so there is no baseline; add the scan before "
            "treatment or correct the manifest"
        )
        raise ConfigError(msg)
    return before[-1]


def _check_organs(context: CourseContext) -> None:
    """Refuse a target of the liver that the reader identifies with a lesion outside it, and the reverse."""
    for lesion in context.targets:
        for scan, parts in enumerate(lesion.parts):
            wrong = next((p for p in parts if p.in_liver is not None and p.in_liver != (lesion.organ == "LIVER")), None)
            appearance = lesion.track.on(scan)
            if wrong is not None and appearance is not None and appearance.by == "reader":
                where = "inside" if wrong.in_liver else "outside"
                msg = (
                    f"the reader's edits: target {lesion.lesion} of the {lesion.organ.lower()} is given lesion "
                    f"{wrong.label} of the scan of {context.given.keys[scan].on}, which lies {where} the liver; name "
                    "another lesion or correct the organ"
                )
                raise ConfigError(msg)


def _tracked(context: CourseContext, lesion: FollowedLesion) -> TrackedLesion:
    role = context.role(lesion)
    reasons = {
        "new": _new_reason(context, lesion),
        "earlier": "seen before baseline only",
        "non_target": context.selection.reasons.get(lesion.lesion, "the reader says that it is not new"),
        "target": context.selection.reasons.get(lesion.lesion, ""),
    }
    measured = [lesion.uptake(scan) for scan in range(len(lesion.parts))]
    return TrackedLesion(
        track=lesion.track,
        role=role,
        organ=lesion.organ,
        node=lesion.node,
        role_reason=reasons[role],
        lobe=_lobe(context, lesion),
        identified_on=context.identified_on(lesion),
        uptake=tuple(found for found in measured if found is not None),
    )


def _lobe(context: CourseContext, lesion: FollowedLesion) -> Literal["right", "left"] | None:
    """The lobe of the liver that holds the lesion's largest part on the scan that first shows it."""
    scan = lesion.track.first
    score, parts = context.given.scores[scan], lesion.parts[scan]
    largest = max(parts, key=lambda part: part.volume_ml, default=None)
    plane = score.segmentation.lobes
    if plane is None or largest is None or largest.in_liver is not True:
        return None
    mask = next((mask for mask in score.segmentation.masks if mask.name == "lesions"), None)
    shift = shift_between("pet" if mask is None else mask.drawn_on, "ct", score.segmentation.mismatch)
    side = sum(
        normal * (centre + moved - point)
        for normal, centre, moved, point in zip(
            plane.normal_lps, largest.centroid_lps_mm, shift, plane.point_lps_mm, strict=True
        )
    )
    return "left" if side > 0 else "right"


def _new_reason(context: CourseContext, lesion: FollowedLesion) -> str:
    if lesion.track.first > context.baseline:
        return "first seen after baseline"
    return "seen before baseline, not at baseline, and again later"
