"""What one reading of a case answers, in a form that is compared between readers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.longitudinal.recist import OverallWord
from dotaliver.longitudinal.records import Reading, TrackedLesion
from dotaliver.records.score import StudyScore
from dotaliver.records.verdicts import VerdictWord

__all__ = ["CaseAnswers", "CourseAnswers", "LesionPath", "ScanAnswers", "answers_of", "band_words", "burden_band"]


class ScanAnswers(FrozenModel):
    """What was answered on one scan."""

    study_instance_uid: str
    on: date | None
    record_id: str
    verdicts: dict[str, VerdictWord]
    burden: float | None = Field(description="Tumour in the liver over liver, 0 to 1")


class LesionPath(FrozenModel):
    """Where one lesion of a course lies on each scan that shows it."""

    lesion: str
    role: str
    longest_mm: float | None = Field(description="On the first scan that shows it")
    places_lps_mm: dict[str, Vector] = Field(description="Centre by Study Instance UID, each in its own scan")


class CourseAnswers(FrozenModel):
    """What was answered on the scans together."""

    responses: dict[str, OverallWord] = Field(description="By Study Instance UID, after baseline")
    best: OverallWord | None
    best_confirmed: OverallWord | None
    progression: date | None = Field(description="First scan with PD")
    sums_mm: dict[str, float] = Field(description="Sum of target diameters by Study Instance UID, where there is one")
    lesions: tuple[LesionPath, ...]

    @property
    def targets(self) -> tuple[LesionPath, ...]:
        """The target lesions."""
        return tuple(lesion for lesion in self.lesions if lesion.role == "target")


class CaseAnswers(FrozenModel):
    """One reading of one case."""

    scans: tuple[ScanAnswers, ...] = Field(description="In time order")
    course: CourseAnswers | None = Field(description="None where the case has a single scan")


def burden_band(fraction: float, bounds: Sequence[float]) -> int:
    """Number of the band that a tumour share lies in, from 0; a bound belongs to the band above it.

    Examples
    --------
    >>> [burden_band(share, (0.25, 0.5)) for share in (0.1, 0.25, 0.7)]
    [0, 1, 2]
    """
    return sum(fraction >= bound for bound in bounds)


def band_words(bounds: Sequence[float]) -> tuple[str, ...]:
    """What people call the bands.

    Examples
    --------
    >>> band_words((0.25, 0.5))
    ('under 25 %', '25 to 50 %', '50 % and more')
    """
    if not bounds:
        return ("any share",)
    percent = [f"{100 * bound:g}" for bound in bounds]
    between = [f"{low} to {high} %" for low, high in pairwise(percent)]
    return (f"under {percent[0]} %", *between, f"{percent[-1]} % and more")


def answers_of(scores: Sequence[StudyScore], course: Reading | None) -> CaseAnswers:
    """The answers of one reading.

    Parameters
    ----------
    scores : sequence of StudyScore
        The reader's records of the case, in any order.
    course : Reading or None
        The reader's course of them, where there are several.
    """
    scans = tuple(
        ScanAnswers(
            study_instance_uid=score.study.study_instance_uid,
            on=None if score.study.study_date is None else date.fromisoformat(score.study.study_date),
            record_id=score.record_id,
            verdicts={name: verdict.verdict for name, verdict in score.criteria.items()},
            burden=score.burden.fraction,
        )
        for score in sorted(scores, key=lambda score: (score.study.study_date or "", score.study.study_instance_uid))
    )
    return CaseAnswers(scans=scans, course=None if course is None else _course(course))


def _course(reading: Reading) -> CourseAnswers:
    uids = [key.study_instance_uid for key in reading.scans]
    after = [point for point in reading.time_points if point.overall is not None]
    responses = {uids[p.scan]: p.overall.response for p in after if p.overall is not None}
    progressed = [reading.scans[p.scan].on for p in after if p.overall is not None and p.overall.response == "PD"]
    sums = {uids[p.scan]: p.targets.sum_mm for p in reading.time_points}
    return CourseAnswers(
        responses=responses,
        best=reading.best.response,
        best_confirmed=reading.best_confirmed.response,
        progression=min(progressed, default=None),
        sums_mm={uid: total for uid, total in sums.items() if total is not None},
        lesions=tuple(_path(lesion, uids) for lesion in reading.lesions),
    )


def _path(lesion: TrackedLesion, uids: Sequence[str]) -> LesionPath:
    found = [measured for measured in lesion.uptake if measured.centroid_lps_mm is not None]
    places = {uids[m.scan]: m.centroid_lps_mm for m in found if m.centroid_lps_mm is not None}
    longest = next((measured.longest_mm for measured in found), None)
    return LesionPath(lesion=lesion.lesion, role=lesion.role, longest_mm=longest, places_lps_mm=places)
