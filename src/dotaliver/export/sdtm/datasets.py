"""The shape of the SDTM datasets: TU, TR, RS, uptake on PET (XU), supplemental qualifiers and related records.

After the SDTM Implementation Guide 3.4 (SDTM 2.0) and the controlled terminology of 2025-09-26: codelists C96784 and
C96783 (TU tests), C96779 and C96778 (TR tests), C96782 and C96781 (RS tests), C123650 (tumour identification
results), C124309 (tumour results), C96785 (responses), C78735 (evaluator), C85492 (method), C74456 (location).
Best overall response is BESTRESP there. XU is a sponsor-defined domain (its name begins with X, as the guide asks): PET
measurements have their own unit and method and are not qualifiers of a diameter on CT. Variables are in the order of
the guide; those that would be empty throughout and are permissible are left out, expected ones stay.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from dotaliver.export.tables import never_formula

__all__ = [
    "DOMAINS",
    "RELATED_RECORDS",
    "SAS_EPOCH",
    "SUPPLEMENTAL",
    "TERMINOLOGY",
    "Dataset",
    "Row",
    "Value",
    "Variable",
    "dataset_of",
    "sdtm_csv",
]

TERMINOLOGY = "SDTM controlled terminology 2025-09-26, SDTMIG 3.4"

Kind = Literal["Char", "Num"]
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
Value = str | float | int | None
Row = dict[str, Value]


@dataclass(frozen=True)
class Variable:
    """One column: its name, label, type, and whether the guide requires or expects it."""

    name: str
    label: str
    kind: Kind = "Char"
    core: Literal["Req", "Exp", "Perm"] = "Perm"
    is_date: bool = False
    """Whether the number is a date: days since 1960-01-01, shown as DATE9. in SAS"""


SAS_EPOCH = date(1960, 1, 1)
"""Day 0 of dates that are numbers in SAS"""


@dataclass(frozen=True)
class Dataset:
    """One domain with its rows; every row has every variable."""

    domain: str
    label: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def _identifiers(domain: str) -> tuple[Variable, ...]:
    return (
        Variable("STUDYID", "Study Identifier", core="Req"),
        Variable("DOMAIN", "Domain Abbreviation", core="Req"),
        Variable("USUBJID", "Unique Subject Identifier", core="Req"),
        Variable(f"{domain}SEQ", "Sequence Number", "Num", "Req"),
    )


def _evaluation(domain: str) -> tuple[Variable, ...]:
    return (
        Variable(f"{domain}EVAL", "Evaluator", core="Exp"),
        Variable(f"{domain}EVALID", "Evaluator Identifier"),
        Variable(f"{domain}ACPTFL", "Accepted Record Flag"),
        Variable("VISITNUM", "Visit Number", "Num", "Exp"),
        Variable("VISIT", "Visit Name"),
        Variable("VISITDY", "Planned Study Day of Visit", "Num"),
        Variable("EPOCH", "Epoch"),
    )


DOMAINS: dict[str, tuple[str, tuple[Variable, ...]]] = {
    "TU": (
        "Tumor/Lesion Identification",
        (
            *_identifiers("TU"),
            Variable("TUGRPID", "Group ID"),
            Variable("TUREFID", "Reference ID"),
            Variable("TULNKID", "Link ID", core="Exp"),
            Variable("TUTESTCD", "Tumor/Lesion ID Short Name", core="Req"),
            Variable("TUTEST", "Tumor/Lesion ID Test Name", core="Req"),
            Variable("TUORRES", "Tumor/Lesion ID Result", core="Exp"),
            Variable("TUSTRESC", "Tumor/Lesion ID Result Std. Format", core="Exp"),
            Variable("TULOC", "Location of the Tumor/Lesion", core="Exp"),
            Variable("TUMETHOD", "Method of Identification", core="Exp"),
            Variable("TULOBXFL", "Last Observation Before Exposure Flag", core="Exp"),
            *_evaluation("TU"),
            Variable("TUDTC", "Date/Time of Tumor/Lesion Identification", core="Exp"),
            Variable("TUDY", "Study Day of Tumor/Lesion Identification", "Num"),
        ),
    ),
    "TR": (
        "Tumor/Lesion Results",
        (
            *_identifiers("TR"),
            Variable("TRGRPID", "Group ID"),
            Variable("TRREFID", "Reference ID"),
            Variable("TRLNKID", "Link ID", core="Exp"),
            Variable("TRLNKGRP", "Link Group ID"),
            Variable("TRTESTCD", "Tumor/Lesion Assessment Short Name", core="Req"),
            Variable("TRTEST", "Tumor/Lesion Assessment Test Name", core="Req"),
            Variable("TRORRES", "Result or Finding in Original Units", core="Exp"),
            Variable("TRORRESU", "Original Units", core="Exp"),
            Variable("TRSTRESC", "Character Result/Finding in Std Format", core="Exp"),
            Variable("TRSTRESN", "Numeric Result/Finding in Standard Units", "Num", "Exp"),
            Variable("TRSTRESU", "Standard Units", core="Exp"),
            Variable("TRSTAT", "Completion Status"),
            Variable("TRREASND", "Reason Not Done"),
            Variable("TRMETHOD", "Method Used to Identify the Tumor/Lesion", core="Exp"),
            Variable("TRLOBXFL", "Last Observation Before Exposure Flag", core="Exp"),
            *_evaluation("TR"),
            Variable("TRDTC", "Date/Time of Tumor/Lesion Measurement", core="Exp"),
            Variable("TRDY", "Study Day of Tumor/Lesion Measurement", "Num"),
        ),
    ),
    "RS": (
        "Disease Response and Clin Classification",
        (
            *_identifiers("RS"),
            Variable("RSLNKGRP", "Link Group ID"),
            Variable("RSTESTCD", "Assessment Short Name", core="Req"),
            Variable("RSTEST", "Assessment Name", core="Req"),
            Variable("RSCAT", "Category for Assessment", core="Exp"),
            Variable("RSORRES", "Result or Finding in Original Units", core="Exp"),
            Variable("RSSTRESC", "Character Result/Finding in Std Format", core="Exp"),
            Variable("RSSTAT", "Completion Status"),
            Variable("RSREASND", "Reason Not Done"),
            *_evaluation("RS"),
            Variable("RSDTC", "Date/Time of Assessment", core="Exp"),
            Variable("RSDY", "Study Day of Assessment", "Num"),
        ),
    ),
    "XU": (
        "Uptake and Volume on PET",
        (
            *_identifiers("XU"),
            Variable("XUGRPID", "Group ID"),
            Variable("XUREFID", "Reference ID"),
            Variable("XULNKID", "Link ID", core="Exp"),
            Variable("XULNKGRP", "Link Group ID"),
            Variable("XUTESTCD", "Uptake on PET Short Name", core="Req"),
            Variable("XUTEST", "Uptake on PET Test Name", core="Req"),
            Variable("XUCAT", "Category for Uptake on PET"),
            Variable("XUORRES", "Result or Finding in Original Units", core="Exp"),
            Variable("XUORRESU", "Original Units", core="Exp"),
            Variable("XUSTRESC", "Character Result/Finding in Std Format", core="Exp"),
            Variable("XUSTRESN", "Numeric Result/Finding in Standard Units", "Num", "Exp"),
            Variable("XUSTRESU", "Standard Units", core="Exp"),
            Variable("XULOC", "Location of the Measurement"),
            Variable("XUMETHOD", "Method of Measurement"),
            Variable("XULOBXFL", "Last Observation Before Exposure Flag", core="Exp"),
            *_evaluation("XU"),
            Variable("XUDTC", "Date/Time of Measurement", core="Exp"),
            Variable("XUDY", "Study Day of Measurement", "Num"),
        ),
    ),
}

SUPPLEMENTAL: tuple[Variable, ...] = (
    Variable("STUDYID", "Study Identifier", core="Req"),
    Variable("RDOMAIN", "Related Domain Abbreviation", core="Req"),
    Variable("USUBJID", "Unique Subject Identifier", core="Req"),
    Variable("IDVAR", "Identifying Variable", core="Exp"),
    Variable("IDVARVAL", "Identifying Variable Value", core="Exp"),
    Variable("QNAM", "Qualifier Variable Name", core="Req"),
    Variable("QLABEL", "Qualifier Variable Label", core="Req"),
    Variable("QVAL", "Data Value", core="Req"),
    Variable("QORIG", "Origin", core="Req"),
    Variable("QEVAL", "Evaluator", core="Exp"),
)
"""The variables of SUPP-- (SDTMIG 3.4, section 8.4)."""

RELATED_RECORDS: tuple[Variable, ...] = (
    Variable("STUDYID", "Study Identifier", core="Req"),
    Variable("RDOMAIN", "Related Domain Abbreviation", core="Req"),
    Variable("USUBJID", "Unique Subject Identifier", core="Exp"),
    Variable("IDVAR", "Identifying Variable", core="Req"),
    Variable("IDVARVAL", "Identifying Variable Value", core="Exp"),
    Variable("RELTYPE", "Relationship Type", core="Exp"),
    Variable("RELID", "Relationship Identifier", core="Req"),
)
"""The variables of RELREC (SDTMIG 3.4, section 8.2)."""


def dataset_of(domain: str, rows: Sequence[Row]) -> Dataset:
    """Number the rows, and leave out permissible variables that are empty throughout."""
    label, variables = DOMAINS[domain]
    numbered = [{**row, f"{domain}SEQ": n} for n, row in enumerate(rows, start=1)]
    used = tuple(v for v in variables if v.core != "Perm" or any(row[v.name] is not None for row in numbered))
    return Dataset(domain, label, used, tuple({v.name: row[v.name] for v in used} for row in numbered))


def sdtm_csv(dataset: Dataset) -> str:
    """A dataset as CSV under its variables' names, after RFC 4180; what is missing is empty, dates are ISO 8601.

    As in the other tables, a text that a spreadsheet would take for a formula gets an apostrophe in front; the SAS
    transport file holds it as it is.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([variable.name for variable in dataset.variables])
    for row in dataset.rows:
        writer.writerow(["" if row[v.name] is None else _cell(v, row[v.name]) for v in dataset.variables])
    return stream.getvalue()


def _cell(variable: Variable, value: Value) -> str:
    if variable.is_date and isinstance(value, int):
        return (SAS_EPOCH + timedelta(days=value)).isoformat()
    return _text(value)


def _text(value: Value) -> str:
    if isinstance(value, str):
        # A value such as -30 is text in a character variable, and no formula.
        return value if _NUMBER.fullmatch(value) else never_formula(value)
    return f"{value:g}" if isinstance(value, float) and value == int(value) else str(value)
