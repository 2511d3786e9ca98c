"""From identities to a course: targets, sums, responses, all by pure functions of records, without files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from dotaliver.config import RecistConfig
from dotaliver.criteria.best_response import DatedResponse, best_response, best_response_confirmed
from dotaliver.criteria.inc6 import ProgressionAnswer, ScanPair, judge_progression
from dotaliver.criteria.recist import (
    NewLesionWord,
    NonTargetAssessment,
    TargetAssessment,
    TargetSize,
    non_target_response,
    overall_response,
    target_response,
    target_sum,
)
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import CourseEdits, LesionOnScan, scan_index
from dotaliver.longitudinal.followed import FollowedLesion, follow
from dotaliver.longitudinal.matching import Matching
from dotaliver.longitudinal.records import (
    Evaluator,
    LesionRole,
    Question,
    Reading,
    ScanKey,
    TimePoint,
    TrackedLesion,
    TrialKeys,
)
from dotaliver.longitudinal.selection import Selection, select_targets
from dotaliver.longitudinal.uptake import patient_uptake, route_effects
from dotaliver.score import StudyScore

__all__ = ["CourseInput", "read_course"]

# RECIST 1.1: baseline as near as possible to the start of treatment, never more than four weeks before.
_BASELINE_DAYS = 28


@dataclass(frozen=True)
class CourseInput:
    """One evaluator's scans of a patient, in time order, with every lesion's identity."""

    evaluator: Evaluator
    keys: tuple[ScanKey, ...]
    scores: tuple[StudyScore, ...]
    matching: Matching
    trial: TrialKeys | None
    edits: CourseEdits


@dataclass(frozen=True)
class _Scene:
    """What every step of a reading looks at."""

    given: CourseInput
    lesions: tuple[FollowedLesion, ...]
    baseline: int
    selection: Selection
    config: RecistConfig

    @property
    def targets(self) -> list[FollowedLesion]:
        by_name = {lesion.lesion: lesion for lesion in self.lesions}
        return [by_name[name] for name in self.selection.targets]

    def role(self, lesion: FollowedLesion) -> LesionRole:
        if lesion.lesion in self.selection.targets:
            return "target"
        if lesion.track.first > self.baseline:
            return "non_target" if lesion.edit.new == "rejected" else "new"
        # A stated size or state stands for a lesion that the baseline scan's record does not list.
        there = lesion.parts[self.baseline] or self.baseline in lesion.stated
        appearance = lesion.track.on(self.baseline)
        merged = appearance is not None and appearance.state == "merged"
        return "non_target" if there or merged else "earlier"


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
    scene = _Scene(given, lesions, baseline, selection, config)
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
        progression_before_entry=_progression_before_entry(scene),
        uptake=uptake,
        routes=route_effects(given.keys, lesions, uptake, sums),
        questions=_questions(scene, confirmed.question),
        warnings=_warnings(scene, points),
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


def _check_organs(scene: _Scene) -> None:
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


def _tracked(scene: _Scene, lesion: FollowedLesion) -> TrackedLesion:
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


def _time_points(scene: _Scene) -> list[TimePoint]:
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
    scene: _Scene, sizes: tuple[TargetSize, ...], total: float | None, others: Sequence[FollowedLesion]
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


def _is_sure(scene: _Scene, lesion: FollowedLesion) -> bool:
    """Whether a new lesion is unequivocal: the reader says so, or the CT shows it in measurable size, surely new."""
    if lesion.edit.new is not None:
        return lesion.edit.new == "confirmed"
    first = lesion.track.appearances[0]
    if first.by == "matching" and first.confidence < scene.config.sure:
        return False
    for scan in range(lesion.track.first, len(scene.given.keys)):
        found = lesion.uptake(scan)
        if found is None or found.source not in {"ct", "reader"}:
            continue
        size = found.short_mm if lesion.node else found.longest_mm
        protocol = scene.given.scores[scan].config.protocol
        limit = scene.config.normal_node_mm if lesion.node else protocol.measurable_longest_diameter_mm
        if size is not None and size >= limit:
            return True
    return False


def _new_lesions(scene: _Scene, scan: int) -> tuple[NewLesionWord, tuple[str, ...], str]:
    """New lesions up to a scan; one that is confirmed later counts from the scan that first showed it."""
    new = [n for n in scene.lesions if scene.role(n) == "new" and n.track.first <= scan]
    sure = [lesion for lesion in new if _is_sure(scene, lesion)]
    if sure:
        names = tuple(lesion.lesion for lesion in sure)
        return "unequivocal", names, f"New: {_dated(scene, sure)}."
    if new:
        names = tuple(lesion.lesion for lesion in new)
        why = "a focus on this PET alone is equivocal until CT or MRI confirms it"
        return "equivocal", names, f"Perhaps new: {_dated(scene, new)}; {why}."
    return "none", (), "No new lesion."


def _dated(scene: _Scene, lesions: Sequence[FollowedLesion]) -> str:
    return ", ".join(f"{n.lesion} ({n.organ.lower()}, {scene.given.keys[n.track.first].on})" for n in lesions)


# --- before entry ----------------------------------------------------------------------------------------------------


def _progression_before_entry(scene: _Scene) -> ProgressionAnswer:
    given = scene.given
    trial = given.trial
    window = given.scores[0].config.protocol.progression_window_months
    if trial is None:
        return judge_progression((), None, window, scene.config)
    pairs = [_pair(scene, before, now) for before, now in pairwise(range(len(given.keys)))]
    return judge_progression(pairs, trial.entry, window, scene.config)


def _pair(scene: _Scene, before: int, now: int) -> ScanPair:
    """Two consecutive scans: lesions measured on both, measurable on one, and what the later scan shows first."""
    config = scene.config
    sizes = [(n.size(before, config), n.size(now, config)) for n in scene.lesions if n.track.first <= before]
    both = [
        (a, b)
        for a, b, least in (
            (first.counted_mm(config), second.counted_mm(config), _measurable_mm(scene, now, node=first.node))
            for first, second in sizes
        )
        if a is not None and b is not None and max(a, b) >= least
    ]
    new = [n for n in scene.lesions if n.track.first == now and n.edit.new != "rejected"]
    word: NewLesionWord = "none"
    if new:
        word = "unequivocal" if any(_is_sure(scene, n) for n in new) else "equivocal"
    return ScanPair(
        prior_on=scene.given.keys[before].on,
        on=scene.given.keys[now].on,
        prior_mm=sum(a for a, _ in both) if both else None,
        sum_mm=sum(b for _, b in both) if both else None,
        lesions=len(both),
        new_lesion=word,
    )


def _measurable_mm(scene: _Scene, scan: int, *, node: bool) -> float:
    protocol = scene.given.scores[scan].config.protocol
    return protocol.measurable_node_short_axis_mm if node else protocol.measurable_longest_diameter_mm


# --- what is open ----------------------------------------------------------------------------------------------------


def _questions(scene: _Scene, about_best: str | None) -> tuple[Question, ...]:
    """What the reader has not answered yet."""
    lesions = {lesion.lesion: lesion for lesion in scene.lesions}
    questions = []
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
        questions.append(question)
    for name, scans in vanished.items():
        where = f"scan{'s' if len(scans) > 1 else ''} {', '.join(str(scan + 1) for scan in scans)}"
        sentence = f"{name} was not found on {where}: is it gone, too small to measure, or not seen there?"
        questions.append(Question(kind="vanished", lesions=(name,), scan=scans[0], sentence=sentence))
    for lesion in scene.lesions:
        if scene.role(lesion) == "new" and lesion.edit.new is None and not _is_sure(scene, lesion):
            scan = lesion.track.first
            sentence = (
                f"Is {lesion.lesion} of scan {scan + 1} a new lesion? It is equivocal: CT or MRI must show it, or the "
                "reader confirm it."
            )
            questions.append(Question(kind="new_lesion", lesions=(lesion.lesion,), scan=scan, sentence=sentence))
    if about_best is not None:
        questions.append(Question(kind="best_response", lesions=(), scan=None, sentence=about_best))
    return tuple(questions)


def _warnings(scene: _Scene, points: Sequence[TimePoint]) -> tuple[str, ...]:
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
