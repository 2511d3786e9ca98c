"""From identities to a course: targets, sums, responses, all by pure functions of records, without files."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.best_response import DatedResponse, best_response, best_response_confirmed
from dotaliver.longitudinal.context import CourseContext, CourseInput, is_surely_new
from dotaliver.longitudinal.edits import LesionOnScan, scan_index
from dotaliver.longitudinal.followed import FollowedLesion, follow
from dotaliver.longitudinal.open_questions import progression_before_entry, questions, warnings_of
from dotaliver.longitudinal.recist import (
    NewLesionWord,
    NonTargetAssessment,
    TargetAssessment,
    TargetSize,
    non_target_response,
    overall_response,
    target_response,
    target_sum,
)
from dotaliver.longitudinal.records import (
    Reading,
    TimePoint,
    TrackedLesion,
)
from dotaliver.longitudinal.selection import select_targets
from dotaliver.longitudinal.uptake import patient_uptake, route_effects

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
    lesions = _followed(given)
    baseline = _baseline(given)
    selection = select_targets(lesions, given.scores[baseline], baseline, given.edits, config)
    scene = CourseContext(given, lesions, baseline, selection, config)
    _check_organs(scene)
    points = _time_points(scene)
    dated = [
        DatedResponse(on=given.keys[point.scan].on, response=point.overall.response)
        for point in points
        if point.overall is not None
    ]
    start = given.keys[baseline].on
    confirmed = best_response_confirmed(dated, start, config)
    uptake = tuple(patient_uptake(n, score) for n, score in enumerate(given.scores))
    sums = {point.scan: point.targets.sum_mm for point in points}
    return Reading(
        evaluator=given.evaluator,
        scans=given.keys,
        baseline=baseline,
        lesions=tuple(_tracked(scene, lesion) for lesion in lesions),
        time_points=tuple(points),
        best=best_response(dated, start, config),
        best_confirmed=confirmed,
        progression_before_entry=progression_before_entry(scene),
        uptake=uptake,
        routes=route_effects(given.keys, lesions, uptake, sums),
        questions=questions(scene, confirmed.question),
        warnings=warnings_of(scene, points),
        edits=given.edits,
    )


def _followed(given: CourseInput) -> tuple[FollowedLesion, ...]:
    days = [(key.study_instance_uid, key.on.isoformat()) for key in given.keys]
    known = {track.lesion for track in given.matching.tracks}
    for edit in given.edits.lesions:
        if edit.lesion not in known:
            there = ", ".join(sorted(known)) or "none"
            msg = f"the reader's edits name {edit.lesion}, which no scan has (lesions: {there}); give its labels"
            raise ConfigError(msg)
    lesions = []
    for track in given.matching.tracks:
        edit = given.edits.of(track.lesion)
        stated: dict[int, LesionOnScan] = {scan_index(on.scan, days): on for on in edit.on}
        lesion = follow(track, given.scores, edit, stated)
        parts = [part for found in lesion.parts for part in found]
        if parts and all("not_a_lesion" in part.marks for part in parts):
            continue
        lesions.append(lesion)
    return tuple(lesions)


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


def _check_organs(scene: CourseContext) -> None:
    """A target of the liver must not be given the measurements of a lesion outside it, and the other way round."""
    for lesion in scene.targets:
        for scan, parts in enumerate(lesion.parts):
            wrong = next((p for p in parts if p.in_liver is not None and p.in_liver != (lesion.organ == "LIVER")), None)
            appearance = lesion.track.on(scan)
            if wrong is not None and appearance is not None and appearance.by == "reader":
                where = "inside" if wrong.in_liver else "outside"
                msg = (
                    f"the reader's edits: target {lesion.lesion} of the {lesion.organ.lower()} is given lesion "
                    f"{wrong.label} of the scan of {scene.given.keys[scan].on}, which lies {where} the liver; name "
                    "another lesion or correct the organ"
                )
                raise ConfigError(msg)


def _tracked(scene: CourseContext, lesion: FollowedLesion) -> TrackedLesion:
    role = scene.role(lesion)
    reasons = {
        "new": "first seen after baseline",
        "earlier": "seen before baseline only",
        "non_target": scene.selection.reasons.get(lesion.lesion, "the reader says that it is not new"),
        "target": scene.selection.reasons.get(lesion.lesion, ""),
    }
    measured = [lesion.uptake(scan) for scan in range(len(lesion.parts))]
    return TrackedLesion(
        track=lesion.track,
        role=role,
        organ=lesion.organ,
        node=lesion.node,
        role_reason=reasons[role],
        uptake=tuple(found for found in measured if found is not None),
    )


# --- time points -----------------------------------------------------------------------------------------------------


def _time_points(scene: CourseContext) -> list[TimePoint]:
    """Baseline and everything after it."""
    config, points = scene.config, []
    targets = scene.targets
    others = [lesion for lesion in scene.lesions if scene.role(lesion) == "non_target"]
    baseline_sizes = tuple(lesion.size(scene.baseline, config) for lesion in targets)
    baseline_mm = target_sum(baseline_sizes, config)
    points.append(_baseline_point(scene, baseline_sizes, baseline_mm, others))
    earlier: list[float] = []
    for scan in range(scene.baseline + 1, len(scene.given.keys)):
        sizes = tuple(lesion.size(scan, config) for lesion in targets)
        assessed = target_response(sizes, baseline_mm, earlier, config)
        states = {lesion.lesion: lesion.state(scan, config) for lesion in others}
        non_targets = non_target_response(tuple(states.values()))
        word, names, why = _new_lesions(scene, scan)
        points.append(
            TimePoint(
                scan=scan,
                sizes=sizes,
                targets=assessed,
                non_target_states=states,
                non_targets=non_targets,
                new_lesion=word,
                new_lesions=names,
                new_lesion_reason=why,
                overall=overall_response(assessed.response, non_targets.response, word),
            )
        )
        if assessed.sum_mm is not None:
            earlier.append(assessed.sum_mm)
    return points


def _baseline_point(
    scene: CourseContext, sizes: tuple[TargetSize, ...], total: float | None, others: Sequence[FollowedLesion]
) -> TimePoint:
    reason = "Baseline." if sizes else "Baseline; no lesion is a target."
    return TimePoint(
        scan=scene.baseline,
        sizes=sizes,
        targets=TargetAssessment(
            response=None, sum_mm=total, measured_mm=total or 0.0, baseline_mm=total, nadir_mm=total, reason=reason
        ),
        non_target_states={n.lesion: n.state(scene.baseline, scene.config) for n in others},
        non_targets=NonTargetAssessment(response=None, reason="Baseline."),
        new_lesion="none",
        new_lesions=(),
        new_lesion_reason="Baseline.",
        overall=None,
    )


def _new_lesions(scene: CourseContext, scan: int) -> tuple[NewLesionWord, tuple[str, ...], str]:
    """New lesions up to a scan; one that is confirmed later counts from the scan that first showed it."""
    new = [n for n in scene.lesions if scene.role(n) == "new" and n.track.first <= scan]
    sure = [lesion for lesion in new if is_surely_new(scene, lesion)]
    if sure:
        names = tuple(lesion.lesion for lesion in sure)
        return "unequivocal", names, f"New: {_dated(scene, sure)}."
    if new:
        names = tuple(lesion.lesion for lesion in new)
        why = "a focus on this PET alone is equivocal until CT or MRI confirms it"
        return "equivocal", names, f"Perhaps new: {_dated(scene, new)}; {why}."
    return "none", (), "No new lesion."


def _dated(scene: CourseContext, lesions: Sequence[FollowedLesion]) -> str:
    return ", ".join(f"{n.lesion} ({n.organ.lower()}, {scene.given.keys[n.track.first].on})" for n in lesions)
