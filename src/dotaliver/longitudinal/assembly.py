"""From loaded scores, a manifest and a reader's edits to one course of one patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from dotaliver import __version__
from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import ConfigError, CourseError
from dotaliver.image.geometry import Vector
from dotaliver.image.registration import Pose
from dotaliver.longitudinal.body_lesions import body_not_followed, with_body_lesions
from dotaliver.longitudinal.course import CourseInput, read_course
from dotaliver.longitudinal.edits import CourseEdits, scan_index
from dotaliver.longitudinal.manifest import ManifestRow, rows_of_subject, trial_keys
from dotaliver.longitudinal.matching import KnownIdentity, Matching, PlacedScan, match_lesions
from dotaliver.longitudinal.records import Evaluator, PatientCourse, Reading, ScanKey, TrialKeys
from dotaliver.longitudinal.registration import place_scans, poses_of
from dotaliver.longitudinal.scans import LoadedScan, check_one_patient
from dotaliver.longitudinal.trial_data import TrialData

__all__ = ["AssembledCourse", "ReadScans", "assemble", "matched_and_read", "pair_of"]

_FEWEST_SCANS = 2
# A shorter prefix of a record's id may be ambiguous.
_LEAST_ID = 8


@dataclass(frozen=True, eq=False)
class ReadScans:
    """One evaluator's scans in time order, and the pose of each relative to the first."""

    evaluator: Evaluator
    keys: tuple[ScanKey, ...]
    scans: tuple[LoadedScan, ...]
    poses: tuple[Pose | None, ...]
    places_lps_mm: dict[str, Vector]
    """Position of each lesion on the first scan's PET, or where it would be."""
    outside: tuple[str, ...] = ()
    """A warning where lesions outside the liver are not followed."""


@dataclass(frozen=True, eq=False)
class AssembledCourse:
    """The course, and the scans behind each of its readings, in the same order."""

    course: PatientCourse
    readings: tuple[ReadScans, ...]
    trial_data: TrialData | None = None


def assemble(
    scans: Sequence[LoadedScan],
    manifest: Sequence[ManifestRow] | None,
    edits: Sequence[CourseEdits],
    config: RecistConfig,
    progress: Callable[[str], None],
    trial_data: TrialData | None = None,
) -> AssembledCourse:
    """Make the course of one patient.

    Parameters
    ----------
    scans : sequence of LoadedScan
        In any order.
    manifest : sequence of ManifestRow or None
        Rows of the trial's manifest; those of other subjects are ignored.
    edits : sequence of CourseEdits
        At most one per evaluator.
    config : RecistConfig
        Rules and thresholds.
    progress : callable
        Receives the name of each stage.
    trial_data : TrialData, optional
        The subject's part of the trial's own tables.

    Raises
    ------
    CourseError
        Where the scans are not a course of one patient, or the manifest does not fit them.
    ConfigError
        Where the edits name what is not in the course, contradict it, or belong to nobody who read the scans.
    """
    if not scans:
        msg = "no score was given; name the folders that 'dotaliver score' wrote"
        raise CourseError(msg)
    check_one_patient(scans)
    trial, groups = _grouped(scans, manifest)
    if trial is not None and trial_data is not None:
        trial = trial.model_copy(update={"dm_subject_id": trial_data.dm.unique_subject_id})
    _check_edits_are_used(edits, tuple(groups))
    readings, sources = [], []
    for evaluator, members in groups.items():
        chosen = _edits_of(evaluator, edits, alone=len(groups) == 1)
        found = _in_order(evaluator, members, progress)
        placed = place_scans(found.scans, found.poses)
        matching, reading = matched_and_read(found, placed, chosen, config, trial)
        sources.append(replace(found, places_lps_mm=_places(placed, matching)))
        readings.append(reading)
    course = PatientCourse(dotaliver_version=__version__, trial=trial, readings=tuple(readings), config=config)
    return AssembledCourse(course.with_id(), tuple(sources), trial_data)


def pair_of(scans: Sequence[LoadedScan], progress: Callable[[str], None]) -> ReadScans:
    """Scans of one patient in time order, registered; the errors are those of `assemble`."""
    check_one_patient(scans)
    return _in_order(Evaluator(), [(scan, None) for scan in scans], progress)


def matched_and_read(
    found: ReadScans,
    placed: Sequence[PlacedScan],
    edits: CourseEdits,
    config: RecistConfig,
    trial: TrialKeys | None = None,
) -> tuple[Matching, Reading]:
    """Match the lesions of registered scans with a reader's identities, and read the course.

    Raises
    ------
    ConfigError
        Where the edits do not fit the scans, or contradict the rules.
    """
    matching = match_lesions(placed, _known(edits, found.keys), config)
    scores = tuple(scan.score for scan in found.scans)
    reading = read_course(CourseInput(found.evaluator, found.keys, scores, matching, trial, edits), config)
    warnings = (*_warnings(found, edits), *found.outside, *reading.warnings)
    return matching, reading.model_copy(update={"warnings": warnings})


def _warnings(scans: ReadScans, edits: CourseEdits) -> tuple[str, ...]:
    """Limitations of what was handed over."""
    found = []
    if any(scan.patient_id is None for scan in scans.scans):
        found.append("Some files have no Patient ID, so it could not be checked that all scans are of one patient.")
    if edits != CourseEdits() and edits.reader is None:
        found.append("The edits do not name their reader.")
    return tuple(found)


Member = tuple[LoadedScan, ManifestRow | None]


def _grouped(
    scans: Sequence[LoadedScan], manifest: Sequence[ManifestRow] | None
) -> tuple[TrialKeys | None, dict[Evaluator, list[Member]]]:
    """The scans of each evaluator."""
    if manifest is None:
        _refuse_twice(scans)
        return None, {Evaluator(): [(scan, None) for scan in scans]}
    uids = list(dict.fromkeys(scan.score.study.study_instance_uid for scan in scans))
    rows = rows_of_subject(manifest, uids)
    groups: dict[Evaluator, list[Member]] = defaultdict(list)
    used = set()
    for row in rows:
        scan = _scan_of(row, scans)
        used.add(id(scan))
        groups[row.reader].append((scan, row))
    unused = next((scan for scan in scans if id(scan) not in used), None)
    if unused is not None:
        msg = (
            f"{unused.folder.name}: no row of the manifest takes this score; name it in the column 'record' of a row "
            "of its study"
        )
        raise CourseError(msg)
    for evaluator, members in groups.items():
        _refuse_twice([scan for scan, _ in members], evaluator)
    return trial_keys(rows), dict(groups)


def _refuse_twice(scans: Sequence[LoadedScan], evaluator: Evaluator | None = None) -> None:
    counts = Counter(scan.score.study.study_instance_uid for scan in scans)
    for scan in scans:
        if counts[scan.score.study.study_instance_uid] > 1:
            whose = "" if evaluator is None else f" for {evaluator.role} {evaluator.identifier or ''}".rstrip()
            msg = (
                f"the study of {scan.on} is given twice{whose} (such as {scan.folder.name}); give each scan once, or "
                "distinguish its readings by evaluator and record in the manifest"
            )
            raise CourseError(msg)


def _scan_of(row: ManifestRow, scans: Sequence[LoadedScan]) -> LoadedScan:
    """The score that a row of the manifest means."""
    found = [scan for scan in scans if scan.score.study.study_instance_uid == row.study_instance_uid]
    if row.record is not None:
        wanted = row.record
        by_id = len(wanted) >= _LEAST_ID
        found = [s for s in found if s.folder.name == wanted or (by_id and s.score.record_id.startswith(wanted))]
        if not found:
            msg = (
                f"the manifest names the record {wanted} for the visit {row.visit}, and no score given is that one; "
                "give its folder, or correct the column 'record'"
            )
            raise CourseError(msg)
    if len(found) > 1:
        msg = (
            f"{len(found)} scores of the visit {row.visit} are given and the manifest does not say which of them "
            f"{row.evaluator} read; name each in the column 'record'"
        )
        raise CourseError(msg)
    return found[0]


def _in_order(evaluator: Evaluator, members: Sequence[Member], progress: Callable[[str], None]) -> ReadScans:
    """An evaluator's scans by date; visit numbers must run the same way."""

    def order(member: Member) -> tuple[object, ...]:
        scan, row = member
        return (scan.on, 0.0 if row is None else row.visit_number)

    ordered = sorted(members, key=order)
    if len(ordered) < _FEWEST_SCANS:
        whose = "" if len(members) == 0 or members[0][1] is None else f" of {evaluator.role}"
        msg = f"there is only one scan{whose}; a response needs a baseline and a later scan"
        raise CourseError(msg)
    for (first, row), (second, other) in pairwise(ordered):
        _check_order(first, row, second, other)
    keys = tuple(_key(scan, row) for scan, row in ordered)
    found = tuple(scan for scan, _ in ordered)
    poses = poses_of(found, progress)
    return ReadScans(evaluator, keys, tuple(with_body_lesions(found)), poses, {}, body_not_followed(found))


def _check_order(first: LoadedScan, row: ManifestRow | None, second: LoadedScan, other: ManifestRow | None) -> None:
    if row is None or other is None:
        if first.on == second.on:
            msg = (
                f"{first.folder.name} and {second.folder.name} are both of {first.on}, so which came first is not "
                "known; give a manifest with visit numbers"
            )
            raise CourseError(msg)
        return
    if row.visit_number >= other.visit_number:
        msg = (
            f"the manifest puts visit {other.visit} ({other.visit_number:g}) at or before {row.visit} "
            f"({row.visit_number:g}), but its scan of {second.on} is not the earlier one ({first.on}); correct the "
            "visit numbers or the scans"
        )
        raise CourseError(msg)


def _key(scan: LoadedScan, row: ManifestRow | None) -> ScanKey:
    measured = scan.score.study.measured_image
    return ScanKey(
        study_instance_uid=scan.score.study.study_instance_uid,
        record_id=scan.score.record_id,
        on=scan.on,
        visit=None if row is None else row.visit,
        visit_number=None if row is None else row.visit_number,
        cycle=None if row is None else row.cycle,
        measured_on=None if measured is None else measured.modality,
        uptake_unit=scan.score.uptake_unit,
        analogue=scan.score.config.assume.analogue,
        accepted=None if row is None else row.accepted,
    )


def _places(placed: Sequence[PlacedScan], matching: Matching) -> dict[str, Vector]:
    """Position of each lesion on the first scan, by the largest of its parts on the scan that first shows it."""
    found = {}
    for track in matching.tracks:
        first = track.appearances[0]
        middles = placed[first.scan].middles_lps_mm
        found[track.lesion] = middles[first.labels[0]]
    return found


def _check_edits_are_used(edits: Sequence[CourseEdits], evaluators: Sequence[Evaluator]) -> None:
    """Refuse edits that no evaluator's course would take."""
    known = {evaluator.identifier for evaluator in evaluators}
    for edit in edits:
        if edit.evaluator_id in known or (len(evaluators) == 1 and edit.evaluator_id is None):
            continue
        there = ", ".join(sorted(name for name in known if name is not None)) or "none"
        if edit.evaluator_id is None:
            msg = f"the reader's edits do not say whose they are; give 'evaluator_id' (evaluators: {there})"
        else:
            msg = f"the reader's edits are of {edit.evaluator_id}, who read none of the scans (evaluators: {there})"
        raise ConfigError(msg)


def _edits_of(evaluator: Evaluator, edits: Sequence[CourseEdits], *, alone: bool) -> CourseEdits:
    found = [e for e in edits if e.evaluator_id == evaluator.identifier or (alone and e.evaluator_id is None)]
    if len(found) > 1:
        msg = f"{len(found)} files of edits are for one evaluator ({evaluator.identifier or evaluator.role}); give one"
        raise ConfigError(msg)
    return found[0] if found else CourseEdits()


def _known(edits: CourseEdits, keys: Sequence[ScanKey]) -> tuple[KnownIdentity, ...]:
    days = [(key.study_instance_uid, key.on.isoformat()) for key in keys]
    return tuple(
        KnownIdentity(scan_index(on.scan, days), edit.lesion, on.labels)
        for edit in edits.lesions
        for on in edit.on
        if on.labels or on.is_away
    )
