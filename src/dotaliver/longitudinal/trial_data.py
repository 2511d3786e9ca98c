"""What the trial's own tables say of one subject: reference dates, visits, exposures, elements.

Study days count from RFSTDTC of DM, epochs come from SE or SV, or from the exposure dates of DM. Nothing is made up: a
partial date gives no study day, and a date that no table places gives no epoch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dotaliver.errors import CourseError
from dotaliver.longitudinal.manifest import ManifestRow
from dotaliver.longitudinal.trial_tables import TrialTable, read_trial_tables
from dotaliver.system.shown import printable

__all__ = ["Demographics", "Span", "TrialData", "Visit", "read_trial_data", "with_trial_dates"]

_ISO_8601 = re.compile(r"\d{4}(-\d{2}(-\d{2}(T[\d:.,+\-Z]*)?)?)?")
_FULL_DATE = 10

Rows = Sequence[tuple[int, dict[str, str]]]


@dataclass(frozen=True)
class Demographics:
    """The subject's row of DM."""

    unique_subject_id: str
    reference_start: date | None
    first_exposure: date | None
    last_exposure: date | None
    death: date | None


@dataclass(frozen=True)
class Span:
    """A stretch of dates with its epoch; None is open."""

    start: date | None
    end: date | None
    epoch: str

    def holds(self, day: date) -> bool:
        """Whether a date lies in it, the last day excluded: it belongs to what follows."""
        return self.start is not None and self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True)
class Visit:
    """A visit as TV plans it or SV records it."""

    number: float
    name: str
    planned_day: int | None = None
    epoch: str | None = None


@dataclass(frozen=True)
class TrialData:
    """The tables of one subject."""

    dm: Demographics
    elements: tuple[Span, ...] = ()
    visits: tuple[Visit, ...] = ()
    planned: tuple[Visit, ...] = ()
    notes: tuple[str, ...] = ()
    """Caveats, one sentence each."""

    def planned_day(self, number: float | None) -> int | None:
        """VISITDY of a visit."""
        return next((visit.planned_day for visit in self.planned if visit.number == number), None)

    def epoch(self, day: date, visit_number: float | None) -> str | None:
        """EPOCH of a finding: of the element of SE, else of the visit in SV, else from the exposures in DM.

        By DM a date before the first exposure is SCREENING, and one after it and up to the last is TREATMENT. On the
        day of the first exposure a date alone does not tell which it is, and after the last one the trial's design
        decides, so both have no epoch.
        """
        if self.elements:
            # The last day of the last element is followed by nothing.
            ending = {span.epoch for span in self.elements if span.end == day}
            by_element = {span.epoch for span in self.elements if span.holds(day)} or ending
            return by_element.pop() if len(by_element) == 1 else None
        at_visit = next((visit.epoch for visit in self.visits if visit.number == visit_number), None)
        if at_visit is not None:
            return at_visit
        first, last = self.dm.first_exposure, self.dm.last_exposure
        if first is not None and day < first:
            return "SCREENING"
        return "TREATMENT" if first is not None and last is not None and first < day <= last else None


def read_trial_data(folder: Path, rows: Sequence[ManifestRow]) -> TrialData:
    """Read the subject's part of the trial's tables.

    Parameters
    ----------
    folder : Path
        Holds ``dm`` and, as far as they are given, ``ex``, ``se``, ``sv`` and ``tv`` as XPT or CSV.
    rows : sequence of ManifestRow
        The manifest's rows of the subject.

    Raises
    ------
    CourseError
        Where a table cannot be read, DM lacks the subject or has it twice, or a table contradicts another or the
        manifest.
    """
    tables = read_trial_tables(folder)
    dm_row, line = _subject(tables["DM"], rows[0])
    subject, notes = dm_row["USUBJID"], list[str]()
    where = f"{tables['DM'].file}, row {line}"
    dm = Demographics(
        unique_subject_id=subject,
        **{
            field: _date(dm_row.get(name, ""), f"{where}, {name}", notes)
            for field, name in (
                ("reference_start", "RFSTDTC"),
                ("first_exposure", "RFXSTDTC"),
                ("last_exposure", "RFXENDTC"),
                ("death", "DTHDTC"),
            )
        },
    )
    if not dm_row["RFSTDTC"]:
        notes.append(f"{where}: RFSTDTC is empty, so no study day (--DY) is given.")
    dm = _with_exposures(dm, tables.get("EX"), notes)
    visits = _visits(tables.get("SV"), subject)
    planned = _planned(tables.get("TV"))
    for table, known in ((tables.get("SV"), visits), (tables.get("TV"), planned)):
        if table is not None:
            _check_names(table.file, known, rows)
    return TrialData(dm, _elements(tables.get("SE"), subject, notes), visits, planned, tuple(notes))


def with_trial_dates(rows: Sequence[ManifestRow], data: TrialData) -> tuple[ManifestRow, ...]:
    """The manifest's rows of a subject with the dates that DM and EX add.

    Raises
    ------
    CourseError
        Where the manifest contradicts them.
    """
    pairs = (("first_treatment_date", data.dm.first_exposure), ("death_date", data.dm.death))
    update: dict[str, date] = {}
    for name, of_trial in pairs:
        given = {getattr(row, name) for row in rows} - {None}
        if of_trial is None:
            continue
        if given - {of_trial}:
            other = min(given - {of_trial})
            msg = f"the manifest gives {other} as {name}, and the trial's data say {of_trial}; correct one of them"
            raise CourseError(msg)
        update[name] = of_trial
    return tuple(row.model_copy(update=update) for row in rows)


def _subject(table: TrialTable, row: ManifestRow) -> tuple[dict[str, str], int]:
    """The subject's row of DM: by USUBJID, or by study, site and subject."""
    joined = "-".join(row.subject)
    keys = ("STUDYID", "SITEID", "SUBJID")
    found = [
        (n, cells)
        for n, cells in table.rows
        if cells["USUBJID"] == joined or tuple(cells[key] for key in keys) == row.subject
    ]
    if not found:
        msg = f"{table.file}: there is no row for the subject {joined} of the manifest; add it or correct the manifest"
        raise CourseError(msg)
    if len(found) > 1:
        msg = f"{table.file}: the subject {joined} has {len(found)} rows ({found[0][0]} and {found[1][0]}); keep one"
        raise CourseError(msg)
    number, cells = found[0]
    if cells["STUDYID"] != row.study_id:
        msg = (
            f"{table.file}, row {number}: STUDYID is {printable(cells['STUDYID'])}, and the manifest says "
            f"{row.study_id}; correct one of them"
        )
        raise CourseError(msg)
    _check_identifier(table.file, number, cells["USUBJID"])
    return cells, number


def _check_identifier(file: str, number: int, text: str) -> None:
    if not 0 < len(text.encode()) <= 200 or not all(" " <= character <= "~" for character in text):
        msg = f"{file}, row {number}: USUBJID is not 1 to 200 characters of ASCII text; correct it"
        raise CourseError(msg)


def _date(text: str, where: str, notes: list[str]) -> date | None:
    """A complete ISO 8601 date; None where it is empty or partial, which is noted."""
    if not text:
        return None
    if not _ISO_8601.fullmatch(text):
        msg = f"{where}: '{printable(text)}' is not an ISO 8601 date; correct it"
        raise CourseError(msg)
    if len(text) < _FULL_DATE:
        notes.append(f"{where}: {text} is a partial date and is not used.")
        return None
    try:
        return date.fromisoformat(text[:_FULL_DATE])
    except ValueError as error:
        msg = f"{where}: {text} is not a date of the calendar; correct it"
        raise CourseError(msg) from error


def _with_exposures(dm: Demographics, table: TrialTable | None, notes: list[str]) -> Demographics:
    """DM with first and last exposure from EX where DM has none; both must agree."""
    if table is None:
        return dm
    starts, ends = [], []
    for number, cells in table.of_subject(dm.unique_subject_id):
        if cells.get("EXOCCUR", "") == "N":
            continue
        where = f"{table.file}, row {number}"
        start = _date(cells["EXSTDTC"], f"{where}, EXSTDTC", notes)
        end = _date(cells.get("EXENDTC", ""), f"{where}, EXENDTC", notes)
        starts += [] if start is None else [start]
        ends += [day for day in (end or start,) if day is not None]
    first, last = min(starts, default=None), max(ends, default=None)
    for name, of_dm, of_ex in (("RFXSTDTC", dm.first_exposure, first), ("RFXENDTC", dm.last_exposure, last)):
        if of_dm is not None and of_ex is not None and of_dm != of_ex:
            msg = f"{table.file}: exposures give {of_ex} where {name} of DM is {of_dm}; correct one of them"
            raise CourseError(msg)
    return Demographics(
        dm.unique_subject_id,
        dm.reference_start,
        dm.first_exposure or first,
        dm.last_exposure or last,
        dm.death,
    )


def _elements(table: TrialTable | None, subject: str, notes: list[str]) -> tuple[Span, ...]:
    if table is None:
        return ()
    found = []
    for number, cells in table.of_subject(subject):
        where = f"{table.file}, row {number}"
        start = _date(cells["SESTDTC"], f"{where}, SESTDTC", notes)
        end = _date(cells.get("SEENDTC", ""), f"{where}, SEENDTC", notes)
        found.append(Span(start, end, cells["EPOCH"]))
    return tuple(span for span in found if span.epoch)


def _visits(table: TrialTable | None, subject: str) -> tuple[Visit, ...]:
    if table is None:
        return ()
    found: dict[float, Visit] = {}
    for number, cells in table.of_subject(subject):
        if not cells["VISITNUM"]:
            continue
        visit = Visit(_number(cells["VISITNUM"], f"{table.file}, row {number}, VISITNUM"), cells["VISIT"],
                      epoch=cells.get("EPOCH") or None)  # fmt: skip
        if visit.number in found:
            msg = f"{table.file}, row {number}: visit {visit.number:g} of {subject} is there twice; keep one"
            raise CourseError(msg)
        found[visit.number] = visit
    return tuple(found.values())


def _planned(table: TrialTable | None) -> tuple[Visit, ...]:
    """The planned visits; those that arms plan differently have no planned day."""
    if table is None:
        return ()
    found: dict[float, Visit] = {}
    for number, cells in table.rows:
        where = f"{table.file}, row {number}"
        day = _number(cells["VISITDY"], f"{where}, VISITDY") if cells.get("VISITDY") else None
        visit = Visit(
            _number(cells["VISITNUM"], f"{where}, VISITNUM"), cells["VISIT"], None if day is None else int(day)
        )
        other = found.setdefault(visit.number, visit)
        if other.name != visit.name:
            msg = f"{where}: visit {visit.number:g} is called both {other.name} and {visit.name}; keep one name"
            raise CourseError(msg)
        if other.planned_day != visit.planned_day:
            found[visit.number] = Visit(visit.number, visit.name)
    return tuple(found.values())


def _number(text: str, where: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not abs(found) < float("inf"):
        msg = f"{where}: '{printable(text)}' is not a number; correct it"
        raise CourseError(msg)
    return found


def _check_names(file: str, known: Sequence[Visit], rows: Sequence[ManifestRow]) -> None:
    """Refuse a visit that the manifest names otherwise than the trial does."""
    names = {visit.number: visit.name for visit in known}
    for row in rows:
        name = names.get(row.visit_number)
        if name and name != row.visit:
            msg = (
                f"{file}: visit {row.visit_number:g} is called {printable(name)}, and the manifest calls it "
                f"{row.visit}; give it the trial's name"
            )
            raise CourseError(msg)
