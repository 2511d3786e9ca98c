"""The parts of a course: scans, tracked lesions, time points, and the questions to the reader.

Everything here is frozen and written to ``course.json`` under these names.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Literal

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.config.scoring import Analogue
from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.longitudinal.best_response import BestResponse
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.progression import ProgressionAnswer
from dotaliver.longitudinal.recist import (
    NewLesionWord,
    NonTargetAssessment,
    NonTargetState,
    OverallAssessment,
    TargetAssessment,
    TargetSize,
)
from dotaliver.records.measurements import DiameterSource

__all__ = [
    "Appearance",
    "Cycle",
    "Evaluator",
    "LesionRole",
    "LesionUptake",
    "PatientCourse",
    "PatientUptake",
    "Question",
    "Reading",
    "RouteEffect",
    "ScanKey",
    "TimePoint",
    "Track",
    "TrackedLesion",
    "TrialKeys",
]

Cycle = Literal["ia", "iv"]
AppearanceState = Literal["seen", "split", "merged", "vanished"]
LesionRole = Literal["target", "non_target", "new", "earlier"]
QuestionKind = Literal["identity", "split", "merge", "vanished", "new_lesion", "modality", "best_response"]


class TrialKeys(FrozenModel):
    """Identifiers and dates of the patient in the trial, from the manifest only."""

    study_id: str
    site_id: str
    subject_id: str
    entry: date | None = None
    first_treatment: date | None = None
    new_therapy: date | None = Field(default=None, description="Start of another anticancer therapy")
    death: date | None = None
    dm_subject_id: str | None = Field(default=None, description="USUBJID of the trial's DM, where it was given")

    @property
    def unique_subject_id(self) -> str:
        """USUBJID: that of DM, else study, site and subject."""
        if self.dm_subject_id is not None:
            return self.dm_subject_id
        return "-".join((self.study_id, self.site_id, self.subject_id))


class Evaluator(FrozenModel):
    """Who read the scans."""

    role: str = "INVESTIGATOR"
    identifier: str | None = None


class ScanKey(FrozenModel):
    """One scan of the course."""

    study_instance_uid: str
    record_id: str
    on: date
    visit: str | None = None
    visit_number: float | None = None
    cycle: Cycle | None = Field(default=None, description="How the therapy before this scan was given")
    measured_on: str | None = Field(
        default=None, description="DICOM modality of the image that diameters are measured on; None without one"
    )
    uptake_unit: str | None = Field(default=None, description="UCUM unit of the uptake on this scan")
    analogue: Analogue | None = Field(
        default=None, description="Somatostatin analogue before this scan, where it was stated"
    )
    accepted: bool | None = Field(
        default=None, description="Whether this evaluator's reading of it is the accepted one"
    )


class Appearance(FrozenModel):
    """A tracked lesion on one scan."""

    scan: int
    state: AppearanceState
    labels: tuple[int, ...] = Field(default=(), description="Labels in that scan's record; several after a split")
    merged_into: str | None = Field(default=None, description="The lesion that it became part of")
    confidence: float = Field(ge=0, le=1)
    by: Literal["matching", "reader"] = "matching"


class Track(FrozenModel):
    """One lesion through the scans, from the one that first shows it."""

    lesion: str
    appearances: tuple[Appearance, ...]

    @property
    def first(self) -> int:
        """The scan that first shows it."""
        return self.appearances[0].scan

    def on(self, scan: int) -> Appearance | None:
        """Its appearance on a scan; None before it was first seen."""
        return next((a for a in self.appearances if a.scan == scan), None)


class Question(FrozenModel):
    """Something that the images leave open; it decides nothing until a reader answers."""

    kind: QuestionKind
    lesions: tuple[str, ...]
    scan: int | None
    sentence: str


class LesionUptake(FrozenModel):
    """Measurements of one lesion on one scan."""

    scan: int
    longest_mm: float | None
    short_mm: float | None
    source: DiameterSource | None
    modality: Literal["CT", "MR", "PT"] | None = Field(
        default=None, description="Of the image that its diameters were measured on; None where parts differ"
    )
    pet_extent_mm: float | None
    suv_peak: float | None
    volume_ml: float | None
    total_uptake: float | None
    centroid_lps_mm: Vector | None = None
    parts_mm: tuple[tuple[float | None, float | None], ...] = Field(
        default=(), description="After a split: longest diameter and short axis of each part"
    )


class TrackedLesion(FrozenModel):
    """A lesion with its role in the response and its measurements over time."""

    track: Track
    role: LesionRole
    organ: str
    node: bool
    role_reason: str
    lobe: Literal["right", "left"] | None = Field(
        default=None, description="Lobe of the liver on the scan that first shows it; None outside and where not known"
    )
    identified_on: int | None = Field(description="Scan from which the response counts it; None where it never does")
    uptake: tuple[LesionUptake, ...]

    @property
    def lesion(self) -> str:
        """Its name."""
        return self.track.lesion


class PatientUptake(FrozenModel):
    """PET measurements of the whole patient on one scan."""

    scan: int
    lesions: int
    suv_peak_highest: float | None
    tumour_ml: float | None
    total_uptake: float | None
    burden: float | None


class TimePoint(FrozenModel):
    """The answer of one scan."""

    scan: int
    sizes: tuple[TargetSize, ...]
    targets: TargetAssessment
    non_target_states: dict[str, NonTargetState]
    non_targets: NonTargetAssessment
    new_lesion: NewLesionWord
    new_lesions: tuple[str, ...]
    new_lesion_states: dict[str, NonTargetState] = Field(default_factory=dict)
    new_lesion_reason: str
    overall: OverallAssessment | None = Field(description="None at baseline and before")


class RouteEffect(FrozenModel):
    """Change over the cycles given by one route, from the scan before the first to the scan after the last."""

    route: Cycle
    cycles: int
    from_scan: int
    to_scan: int
    suv_peak_change: float | None = Field(
        description="Relative change of the lesions' mean SUVpeak, those seen on both"
    )
    tumour_ml_change: float | None
    total_uptake_change: float | None
    burden_change: float | None
    target_sum_change: float | None
    lesions: dict[str, float] = Field(description="Relative change of SUVpeak, lesion by lesion")
    analogue_changed: bool = Field(
        default=False,
        description="Whether a somatostatin analogue was begun, stopped or changed in between: then uptake and ratios "
        "change without change of disease, and a rise is no sign of progression",
    )


class Reading(FrozenModel):
    """One evaluator's course of the patient."""

    evaluator: Evaluator
    scans: tuple[ScanKey, ...]
    baseline: int = Field(description="Which scan is the baseline")
    lesions: tuple[TrackedLesion, ...]
    time_points: tuple[TimePoint, ...]
    best: BestResponse
    best_confirmed: BestResponse
    progression_before_entry: ProgressionAnswer
    uptake: tuple[PatientUptake, ...]
    routes: tuple[RouteEffect, ...]
    questions: tuple[Question, ...]
    warnings: tuple[str, ...]
    edits: CourseEdits

    def role(self, role: LesionRole) -> tuple[TrackedLesion, ...]:
        """The lesions with one role."""
        return tuple(lesion for lesion in self.lesions if lesion.role == role)


class PatientCourse(FrozenModel):
    """One patient over time, read by one or several evaluators."""

    schema_version: Literal["2"] = "2"
    course_id: str = ""
    dotaliver_version: str
    trial: TrialKeys | None = Field(description="None without a manifest")
    readings: tuple[Reading, ...]
    config: RecistConfig

    def to_json(self) -> str:
        """The course as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def with_id(self) -> PatientCourse:
        """The same course under the hash of its content, without the program's version."""
        data = self.model_dump(mode="json", exclude={"course_id", "dotaliver_version"})
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return self.model_copy(update={"course_id": hashlib.sha256(text.encode()).hexdigest()})
