"""What the ADaM datasets share: identifiers, timing, traceability (ADaM Implementation Guide 1.3, BDS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dotaliver.export.sdtm.datasets import SAS_EPOCH, Dataset, Row, Value, Variable
from dotaliver.longitudinal.records import Evaluator, ScanKey, TrialKeys

__all__ = ["IDENTIFIERS", "TIMING", "TRACE", "Subject", "bds", "sas_day"]

IDENTIFIERS: tuple[Variable, ...] = (
    Variable("STUDYID", "Study Identifier", core="Req"),
    Variable("USUBJID", "Unique Subject Identifier", core="Req"),
    Variable("SUBJID", "Subject Identifier for the Study"),
    Variable("SITEID", "Study Site Identifier"),
    Variable("TRTSDT", "Date of First Exposure to Treatment", "Num", is_date=True),
    Variable("ASEQ", "Analysis Sequence Number", "Num"),
    Variable("PARCAT1", "Parameter Category 1"),
    Variable("PARCAT2", "Parameter Category 2"),
    Variable("PARCAT3", "Parameter Category 3"),
    Variable("PARAMCD", "Parameter Code", core="Req"),
    Variable("PARAM", "Parameter", core="Req"),
)
TIMING: tuple[Variable, ...] = (
    Variable("AVISIT", "Analysis Visit"),
    Variable("AVISITN", "Analysis Visit (N)", "Num"),
    Variable("ADT", "Analysis Date", "Num", is_date=True),
    Variable("ADY", "Analysis Relative Day", "Num"),
)
TRACE: tuple[Variable, ...] = (
    Variable("SRCDOM", "Source Data"),
    Variable("SRCVAR", "Source Variable"),
    Variable("SRCSEQ", "Source Sequence Number", "Num"),
)


def sas_day(day: date | None) -> int | None:
    """A date as SAS counts it: days since 1960-01-01."""
    return None if day is None else (day - SAS_EPOCH).days


@dataclass(frozen=True)
class Subject:
    """The subject of one evaluator's records."""

    trial: TrialKeys
    evaluator: Evaluator

    @property
    def by(self) -> str:
        """The evaluator in one text, as PARCAT2 holds it."""
        return " ".join(part for part in (self.evaluator.role, self.evaluator.identifier) if part)

    def record(self, code: str, name: str, category: str, **values: Value) -> Row:
        """A record with identifiers and parameter."""
        return {
            "STUDYID": self.trial.study_id,
            "USUBJID": self.trial.unique_subject_id,
            "SUBJID": self.trial.subject_id,
            "SITEID": self.trial.site_id,
            "TRTSDT": sas_day(self.trial.first_treatment),
            "PARCAT1": category,
            "PARCAT2": self.by,
            "PARCAT3": "RECIST 1.1",
            "PARAMCD": code,
            "PARAM": name,
            **values,
        }

    def relative_day(self, day: date) -> int | None:
        """ADY: the day of the first treatment is 1, the day before it -1."""
        if self.trial.first_treatment is None:
            return None
        days = (day - self.trial.first_treatment).days
        return days + 1 if days >= 0 else days

    def timing(self, day: date) -> Row:
        """ADT and ADY."""
        return {"ADT": sas_day(day), "ADY": self.relative_day(day)}

    def visit(self, key: ScanKey, *, is_baseline: bool) -> Row:
        """AVISIT, AVISITN, ADT and ADY of a scan; the baseline is visit 0."""
        return {
            "AVISIT": "BASELINE" if is_baseline else key.visit,
            "AVISITN": 0.0 if is_baseline else key.visit_number,
            **self.timing(key.on),
        }


def bds(name: str, label: str, variables: Sequence[Variable], rows: Sequence[Row]) -> Dataset:
    """A dataset of the basic data structure: numbered, without permissible variables that are empty throughout."""
    numbered = [{**{v.name: None for v in variables}, **row, "ASEQ": n} for n, row in enumerate(rows, start=1)]
    used = tuple(v for v in variables if v.core != "Perm" or any(row[v.name] is not None for row in numbered))
    return Dataset(name, label, used, tuple({v.name: row[v.name] for v in used} for row in numbered))
