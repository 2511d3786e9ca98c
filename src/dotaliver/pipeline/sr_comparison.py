"""Compare a structured report with a score: lesions are matched by their tracking UID."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.dicom.sr import MeasuredGroup, MeasuredValue, MeasurementReport, read_report
from dotaliver.frozen import FrozenModel
from dotaliver.records.score_folder import MEASUREMENTS, ScoreFolder

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ComparedValue", "Comparison", "compare", "report_tables"]


class ComparedValue(FrozenModel):
    """One number that the report and the score both give of one thing."""

    tracking_uid: str
    tracking_id: str | None
    name: str
    derivation: str | None
    unit: str
    report: float
    score: float


class Comparison(FrozenModel):
    """A report, and what in it has a counterpart in a score."""

    report: MeasurementReport
    record_id: str
    same_study: bool
    values: tuple[ComparedValue, ...]


_Key = tuple[str, str | None, str]


def _key(value: MeasuredValue) -> _Key:
    return value.name.value, None if value.derivation is None else value.derivation.value, value.unit


def compare(report: MeasurementReport, folder: Path) -> Comparison:
    """Compare a report with the score in a folder, item by item with the same tracking UID.

    Raises
    ------
    StudyError
        Where the folder holds no record that can be trusted.
    FileFormatError
        Where its measurements cannot be read.
    """
    score = ScoreFolder(folder).record()
    ours: dict[str, dict[_Key, MeasuredValue]] = {}
    for group in read_report(ScoreFolder(folder).file(MEASUREMENTS)).groups:
        if group.tracking_uid:
            ours.setdefault(group.tracking_uid, {}).update({_key(value): value for value in group.values})
    values = tuple(
        ComparedValue(
            tracking_uid=group.tracking_uid,
            tracking_id=group.tracking_id,
            name=value.name.meaning,
            derivation=None if value.derivation is None else value.derivation.meaning,
            unit=value.unit,
            report=value.value,
            score=ours[group.tracking_uid][_key(value)].value,
        )
        for group in report.groups
        if group.tracking_uid is not None and group.tracking_uid in ours
        for value in group.values
        if _key(value) in ours[group.tracking_uid]
    )
    same = report.study_instance_uid == score.study.study_instance_uid
    return Comparison(report=report, record_id=score.record_id, same_study=same, values=values)


def report_tables(report: MeasurementReport, compared: Comparison | None) -> Table:
    """A table for the terminal: numbers of the report, compared with those of the score."""
    from rich.table import Table
    from rich.text import Text

    shown = None if compared is None else {(v.tracking_uid, v.name, v.derivation, v.unit): v for v in compared.values}
    state = "verified" if report.verified else "not verified"
    if compared is not None and not compared.same_study:
        state += "; of another study than the score"
    # Text objects, so that nothing in a label is taken for markup
    table = Table(title=Text(f"{report.title or 'Structured report'}, {report.made_by or 'unknown maker'}, {state}"))
    for heading in ("What", "Measurement", "Value", "Unit", *(() if shown is None else ("Score", "Difference"))):
        table.add_column(heading, justify="right" if heading in {"Value", "Score", "Difference"} else "left")
    for group in report.groups:
        for value in group.values:
            cells = [_thing(group), _measure(value), f"{value.value:.6g}", value.unit]
            if shown is not None:
                derivation = None if value.derivation is None else value.derivation.meaning
                other = shown.get((group.tracking_uid or "", value.name.meaning, derivation, value.unit))
                cells += ["", ""] if other is None else [f"{other.score:.6g}", _difference(other)]
            table.add_row(*(Text(cell) for cell in cells))
    return table


def _thing(group: MeasuredGroup) -> str:
    return group.tracking_id or (group.finding.meaning if group.finding else "")


def _measure(value: MeasuredValue) -> str:
    return value.name.meaning + (f", {value.derivation.meaning}" if value.derivation else "")


def _difference(value: ComparedValue) -> str:
    if value.report == value.score:
        return "equal"
    return f"{100 * (value.report / value.score - 1):+.2f} %" if value.score else "–"
