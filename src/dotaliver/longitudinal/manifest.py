"""The table that ties scans to the trial: who the subject is, which visit a scan belongs to, who read it.

A CSV file with a header row, separated by commas, semicolons or tabs; column names in any case; blank rows are skipped.
Text is limited to what SAS transport files hold (ASCII, 200 bytes). Needed are ``study_id``, ``site_id``,
``subject_id``, ``study_instance_uid``, ``visit`` and ``visit_number``. Further ``entry_date``,
``first_treatment_date``, ``new_therapy_date`` (start of another anticancer therapy) and ``death_date`` (YYYY-MM-DD),
``cycle`` (``ia`` or ``iv``: how the therapy since the scan before was given), ``evaluator`` (``INVESTIGATOR``,
``INDEPENDENT ASSESSOR`` …), ``evaluator_id``, ``accepted`` (``Y`` or ``N``), and ``record`` (folder name or start of
the record's id), which distinguishes several readings of one scan. Nothing in it is guessed.

A batch also takes what is said of single studies: ``analogue`` (``long-acting``, ``short-acting`` or ``none``) with
``analogue_date``, ``recist_image`` (number, UID or description of a series) and ``fdg`` (folder of an FDG scan).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, field_validator, model_validator

from dotaliver.config.scoring import Analogue
from dotaliver.errors import CourseError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.longitudinal.csv_tables import read_csv_table
from dotaliver.longitudinal.records import Cycle, Evaluator, TrialKeys
from dotaliver.system.shown import printable

__all__ = ["ManifestRow", "numbered_rows", "read_manifest", "rows_of_subject", "trial_keys"]

_NEEDED = ("study_id", "site_id", "subject_id", "study_instance_uid", "visit", "visit_number")
# Bytes of text that a variable of a SAS transport file, version 5, holds.
_LONGEST_TEXT = 200


class ManifestRow(FrozenModel):
    """One scan as one evaluator read it."""

    study_id: str = Field(min_length=1, max_length=20)
    site_id: str = Field(min_length=1, max_length=20)
    subject_id: str = Field(min_length=1, max_length=20)
    study_instance_uid: str = Field(min_length=1, max_length=64)
    visit: str = Field(min_length=1)
    visit_number: float
    entry_date: date | None = None
    first_treatment_date: date | None = None
    new_therapy_date: date | None = None
    death_date: date | None = None
    cycle: Cycle | None = None
    evaluator: str = "INVESTIGATOR"
    evaluator_id: str | None = None
    accepted: bool | None = None
    record: str | None = None
    analogue: Analogue | None = None
    analogue_date: date | None = None
    recist_image: str | None = None
    fdg: str | None = None

    @field_validator("cycle", "analogue", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("study_id", "site_id", "subject_id", "visit", "evaluator", "evaluator_id", mode="after")
    @classmethod
    def _fits_transport_files(cls, value: str | None) -> str | None:
        size = len((value or "").encode())
        if size > _LONGEST_TEXT:
            msg = f"{size} bytes of text, and SAS transport files hold at most {_LONGEST_TEXT} bytes"
            raise ValueError(msg)
        if value is not None and not all(" " <= character <= "~" for character in value):
            msg = f"'{printable(value)}' is not plain ASCII text, and SDTM holds nothing else"
            raise ValueError(msg)
        return value

    @field_validator("evaluator", mode="after")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()

    @model_validator(mode="after")
    def _a_date_is_that_of_an_analogue(self) -> Self:
        if self.analogue_date is not None and self.analogue in {None, "none"}:
            msg = "analogue_date without an analogue that was given; state long-acting or short-acting in analogue"
            raise ValueError(msg)
        return self

    @property
    def subject(self) -> tuple[str, str, str]:
        """Study, site and subject."""
        return (self.study_id, self.site_id, self.subject_id)

    @property
    def reader(self) -> Evaluator:
        """Who read the scan."""
        return Evaluator(role=self.evaluator, identifier=self.evaluator_id)


def read_manifest(path: Path) -> tuple[ManifestRow, ...]:
    """Read a manifest.

    Raises
    ------
    CourseError
        Where the file cannot be read, lacks a column, or a row's value is not of its kind; the text names the row.
    """
    return tuple(row for _, row in numbered_rows(path))


def numbered_rows(path: Path) -> tuple[tuple[int, ManifestRow], ...]:
    """The rows of a manifest with the numbers of their lines; the errors are those of `read_manifest`."""
    table = read_csv_table(path, "the manifest", _NEEDED)
    return tuple((number, _row(path.name, number, _in_points(cells, table.separator))) for number, cells in table.rows)


def _in_points(cells: dict[str, str], separator: str) -> dict[str, str]:
    """Cells with a decimal point in the visit number, where commas are decimal and do not separate."""
    number = cells.get("visit_number")
    if separator == "," or number is None:
        return cells
    return {**cells, "visit_number": number.replace(",", ".")}


def _row(name: str, number: int, cells: dict[str, str]) -> ManifestRow:
    given = {key: value for key, value in cells.items() if value and key in ManifestRow.model_fields}
    try:
        return ManifestRow.model_validate(given)
    except ValidationError as error:
        msg = f"{name}, row {number}, column {first_problem(error, '?')}; correct the manifest"
        raise CourseError(msg) from error


def rows_of_subject(rows: Sequence[ManifestRow], study_uids: Sequence[str]) -> tuple[ManifestRow, ...]:
    """The rows of the one subject whose scans are given.

    Raises
    ------
    CourseError
        Where a scan has no row, the scans belong to several subjects, or the subject has a row of a scan that is not
        given.
    """
    found = [row for row in rows if row.study_instance_uid in set(study_uids)]
    for uid in study_uids:
        if not any(row.study_instance_uid == uid for row in found):
            msg = f"the manifest has no row for the study {uid}; add one with its visit"
            raise CourseError(msg)
    subjects = {row.subject for row in found}
    if len(subjects) > 1:
        names = ", ".join("-".join(subject) for subject in sorted(subjects))
        msg = f"the scores are of {len(subjects)} subjects of the manifest ({names}); give those of one patient"
        raise CourseError(msg)
    own = [row for row in rows if row.subject in subjects]
    _check_visits(own)
    unknown = next((row for row in own if row.study_instance_uid not in set(study_uids)), None)
    if unknown is not None:
        msg = (
            f"the manifest names the study {unknown.study_instance_uid} (visit {unknown.visit}) for this subject, and "
            "no score of it is given; add its folder or take the row out"
        )
        raise CourseError(msg)
    return tuple(own)


def _check_visits(rows: Sequence[ManifestRow]) -> None:
    """Refuse a visit that two scans share, and a number or name that belongs to two visits."""
    scans: dict[float, str] = {}
    names: dict[float, str] = {}
    for row in rows:
        number, other = row.visit_number, scans.setdefault(row.visit_number, row.study_instance_uid)
        if other != row.study_instance_uid:
            msg = f"the manifest gives visit {number:g} ({row.visit}) to two scans; give each scan a visit of its own"
            raise CourseError(msg)
        if names.setdefault(number, row.visit) != row.visit:
            msg = f"the manifest calls visit {number:g} both {names[number]} and {row.visit}; keep one name"
            raise CourseError(msg)
    numbers: dict[str, float] = {}
    for number, name in names.items():
        if numbers.setdefault(name, number) != number:
            msg = f"the manifest numbers the visit {name} both {numbers[name]:g} and {number:g}; keep one number"
            raise CourseError(msg)


def trial_keys(rows: Sequence[ManifestRow]) -> TrialKeys:
    """What the rows of one subject say of the subject.

    Raises
    ------
    CourseError
        Where rows contradict each other.
    """
    dates: dict[str, date | None] = {}
    for name in ("entry_date", "first_treatment_date", "new_therapy_date", "death_date"):
        values = {getattr(row, name) for row in rows} - {None}
        if len(values) > 1:
            days = ", ".join(sorted(day.isoformat() for day in values))
            msg = f"the manifest gives several dates as {name} of one subject ({days}); keep one"
            raise CourseError(msg)
        dates[name] = next(iter(values), None)
    study, site, subject = rows[0].subject
    return TrialKeys(
        study_id=study,
        site_id=site,
        subject_id=subject,
        entry=dates["entry_date"],
        first_treatment=dates["first_treatment_date"],
        new_therapy=dates["new_therapy_date"],
        death=dates["death_date"],
    )
