"""The scans of a course that is put together for a comparison: which folders may join, in the order of their dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dotaliver.errors import CourseError
from dotaliver.longitudinal.scans import patient_of
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder

__all__ = ["CourseScan", "course_of_reading", "with_scans_of"]


@dataclass(frozen=True)
class CourseScan:
    """A scored scan of the patient; ``folder`` is None for the one that is being read."""

    folder: Path | None
    on: date
    study_uid: str
    patient_id: str | None

    @property
    def title(self) -> str:
        """Date and folder."""
        return f"{self.on} · {'this reading' if self.folder is None else self.folder.name}"


def course_of_reading(score: StudyScore, patient_id: str | None) -> tuple[CourseScan, ...]:
    """A course of the scan that is being read alone.

    Raises
    ------
    CourseError
        Where its study has no date.
    """
    return (_scan(None, score, patient_id or None, "this study"),)


def with_scans_of(course: Sequence[CourseScan], folder: Path) -> tuple[CourseScan, ...]:
    """A course with the score in a folder, or else with all scores in the folders directly below it.

    Of a folder with several scores, those of studies that the course has are left out.

    Raises
    ------
    CourseError
        Where there is no score, or one of another patient, of a study or a date that the course has, or without a date.
    DotaliverError
        Where a record or a mask cannot be read.
    """
    single = ScoreFolder(folder).is_there
    folders = [folder] if single else sorted(each for each in folder.iterdir() if ScoreFolder(each).is_there)
    if not folders:
        msg = f"{folder.name}: no score is in this folder or directly below it; choose what 'dotaliver score' wrote"
        raise CourseError(msg)
    known, found = {scan.study_uid for scan in course}, list(course)
    for each in folders:
        score = ScoreFolder(each).record()
        if score.study.study_instance_uid in known and not single:
            continue
        scan = _scan(each, score, patient_of(each, score) or None, each.name)
        _require_fits(scan, found)
        found.append(scan)
    if len(found) == len(course):
        msg = f"{folder.name}: its scores are of studies that are in the list already; choose scans of other dates"
        raise CourseError(msg)
    return tuple(sorted(found, key=lambda scan: scan.on))


def _scan(folder: Path | None, score: StudyScore, patient_id: str | None, name: str) -> CourseScan:
    if score.study.study_date is None:
        msg = f"{name}: the study has no date (0008,0020), so the scans cannot be ordered; correct the files"
        raise CourseError(msg)
    on = date.fromisoformat(score.study.study_date)
    return CourseScan(folder, on, score.study.study_instance_uid, patient_id)


def _require_fits(scan: CourseScan, course: Sequence[CourseScan]) -> None:
    """Refuse a scan that cannot be one of the patient's on a day of its own."""
    assert scan.folder is not None
    name = scan.folder.name
    others = {each.patient_id for each in course} - {None, scan.patient_id}
    if scan.patient_id is not None and others:
        msg = f"{name}: the score is of another patient by its Patient ID; choose a scan of the same patient"
        raise CourseError(msg)
    for each in course:
        of = "this reading" if each.folder is None else each.folder.name
        if each.study_uid == scan.study_uid:
            msg = f"{name}: it holds a score of the same study as {of}; choose one of another date"
            raise CourseError(msg)
        if each.on == scan.on:
            msg = f"{name}: it is of {scan.on} as {of} is, so which came first is not known; choose one of another date"
            raise CourseError(msg)
