"""Tables of a central reading as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields

from dotaliver.agreement.audit import AuditRow
from dotaliver.agreement.bootstrap import Estimate
from dotaliver.agreement.pairs import Figures
from dotaliver.agreement.results import Comparison
from dotaliver.export.tables import cell

__all__ = ["audit_csv", "comparison_csv", "figures_csv"]

_FIGURES = ("First reading", "Second reading", "Question", "Figure", "Unit", "Value", "95 % from", "95 % to", "Cases")
_COMPARISON = (
    "Case",
    "State",
    "Final reading",
    "First reader",
    "Second reader",
    "Topic",
    "About",
    "Scan",
    "First",
    "Second",
)


def _table(header: Sequence[str], rows: Iterable[Sequence[str | int | float | None]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def audit_csv(rows: Iterable[AuditRow]) -> str:
    """The audit trail, a row for each act and each value that changed by it."""
    return _table([field.name for field in fields(AuditRow)], (list(asdict(row).values()) for row in rows))


def comparison_csv(cases: Iterable[Comparison]) -> str:
    """A row for each point in which two readers differ; cases without one have a row of their own."""
    rows: list[list[str | None]] = []
    for case in cases:
        final = None if case.closed is None else case.closed.event.accepted
        state = "to adjudicate" if case.closed is None else str(case.closed.event.kind)
        start = [case.code, state, final]
        rows += [
            [*start, one, other, point.topic, point.about, point.scan, point.first, point.second]
            for one, other, point in case.differences
        ] or [[*start, *[None] * 7]]
    return _table(_COMPARISON, rows)


def figures_csv(figures: Iterable[Figures]) -> str:
    """A row for each figure of agreement with its 95 % bootstrap interval."""
    rows: list[list[str | int | float | None]] = []
    for pair in figures:
        start = [pair.first, pair.second]
        for question in pair.nominal:
            kappa = "Cohen's kappa" if question.weights == "none" else f"Cohen's kappa, {question.weights} weights"
            for name, found in (
                ("Observed agreement", question.observed),
                (kappa, question.kappa),
                ("Gwet's AC1", question.ac1),
            ):
                rows.append([*start, question.question, name, "1", *_cells(found)])
        for numbers in pair.numbers:
            for name, unit, found in (
                ("ICC(2,1)", "1", numbers.icc),
                ("Bias", numbers.unit, numbers.bias),
                ("Lower limit of agreement", numbers.unit, numbers.low),
                ("Upper limit of agreement", numbers.unit, numbers.high),
            ):
                rows.append([*start, numbers.question, name, unit, *_cells(found)])
    return _table(_FIGURES, rows)


def _cells(found: Estimate) -> list[float | int | None]:
    return [found.value, found.low, found.high, found.cases]
