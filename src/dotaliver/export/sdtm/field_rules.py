"""Rules of the SDTM Implementation Guide 3.4 that one table at a time is checked against."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from dotaliver.export.sdtm.datasets import DOMAINS, RELATED_RECORDS, SUPPLEMENTAL, Dataset, Variable
from dotaliver.export.sdtm.row_writer import TESTS

__all__ = ["FIELD_RULES", "Check", "Tables", "date_of", "domains", "variables_of"]

Tables = dict[str, Dataset]
"""The general observation classes by domain, and SUPP-- and RELREC under their own names"""
Check = Callable[[Tables], Iterator[tuple[str, str]]]

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_TERMS: dict[str, set[str]] = {
    "TUTESTCD": {"TUMIDENT", "TUSPLIT", "TUMERGE"},
    "TRTESTCD": {"LDIAM", "LPERP", "SUMDIAM", "TUMSTATE", "ACBSD", "PCBSD", "ACNSD", "PCNSD"},
    "RSTESTCD": {"TRGRESP", "NTRGRESP", "NEWLPROG", "OVRLRESP", "BESTRESP"},
    "TUSTRESC": {"TARGET", "NON-TARGET", "NEW"},
    "XUTESTCD": {"UPPEAK", "UPPEAKHI", "LESVOL", "TUMVOL", "LESTLU", "TOTTLU", "PETEXT", "NLESIONS", "BURDEN"},
    "TRORRESU": {"mm", "%"},
    "TRSTRESU": {"mm", "%"},
    "XUORRESU": {"mm", "%", "mL", "g", "g/mL", "cm2", "cm2/mL"},
    "XUSTRESU": {"mm", "%", "mL", "g", "g/mL", "cm2", "cm2/mL"},
    "XUACPTFL": {"Y"},
    "XULOBXFL": {"Y"},
    "TRSTAT": {"NOT DONE"},
    "RSSTAT": {"NOT DONE"},
    "RSCAT": {"RECIST 1.1"},
    "TUACPTFL": {"Y"},
    "TRACPTFL": {"Y"},
    "RSACPTFL": {"Y"},
    "TULOBXFL": {"Y"},
    "TRLOBXFL": {"Y"},
}
_RESPONSES: dict[str, set[str]] = {
    "TRGRESP": {"CR", "PR", "SD", "PD", "NE"},
    "NTRGRESP": {"CR", "NON-CR/NON-PD", "PD", "NE"},
    "NEWLPROG": {"UNEQUIVOCAL", "EQUIVOCAL"},
    "OVRLRESP": {"CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "NED"},
    "BESTRESP": {"CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE", "NED"},
}


def _names(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for variable in table.variables:
            if not _NAME.fullmatch(variable.name) or not 0 < len(variable.label) <= 40:
                yield name, variable.name


def variables_of(name: str) -> tuple[Variable, ...]:
    """The variables that the guide gives a dataset, in its order."""
    if name in DOMAINS:
        return DOMAINS[name][1]
    return RELATED_RECORDS if name == "RELREC" else SUPPLEMENTAL


def domains(tables: Tables) -> Iterator[tuple[str, Dataset]]:
    """The datasets of the findings class."""
    return ((name, table) for name, table in tables.items() if name in DOMAINS)


def _order(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        known = [variable.name for variable in variables_of(name)]
        mine = [variable.name for variable in table.variables]
        if [n for n in known if n in mine] != mine:
            yield name, ", ".join(mine)


def _required(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        there = {variable.name for variable in table.variables}
        for variable in variables_of(name):
            if variable.core != "Perm" and variable.name not in there:
                yield name, f"{variable.name} is not there"
            if variable.core == "Req":
                yield from (
                    (name, f"{variable.name}, row {n}")
                    for n, row in enumerate(table.rows, start=1)
                    if row.get(variable.name) in {None, ""}
                )


def _lengths(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for n, row in enumerate(table.rows, start=1):
            for column, value in row.items():
                limit = (
                    8
                    if column.endswith("TESTCD") or column == "QNAM"
                    else 40
                    if column.endswith("TEST") or column == "QLABEL"
                    else 200
                )
                if isinstance(value, str) and (len(value) > limit or not value.isascii()):
                    yield name, f"{column}, row {n}"


def _sequence(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        keys = [(row["USUBJID"], row[f"{name}SEQ"]) for row in table.rows]
        if len(set(keys)) != len(keys) or not all(isinstance(n, int) and n > 0 for _, n in keys):
            yield name, f"{name}SEQ"


def _terms(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            for column, allowed in _TERMS.items():
                if row.get(column) not in {None, *allowed}:
                    yield name, f"{column} = {row[column]}, row {n}"
            code = row.get("RSTESTCD")
            word = row.get("RSSTRESC")
            if isinstance(code, str) and word is not None and word not in _RESPONSES.get(code, set()):
                yield name, f"{code} = {word}, row {n}"


def _done(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            result, standard = row.get(f"{name}ORRES"), row.get(f"{name}STRESC")
            status, reason = row.get(f"{name}STAT"), row.get(f"{name}REASND")
            one_of_two = (result is None) == (standard is None) == (status is not None) == (reason is not None)
            # What was not done was done by no method and is nobody's last observation.
            idle = ("ORRESU", "STRESU", "STRESN", "METHOD", "LOBXFL")
            left = [v for v in idle if status is not None and row.get(f"{name}{v}") is not None]
            if not one_of_two or left:
                yield name, f"row {n}{': ' + ', '.join(left) if left else ''}"


def _numbers(tables: Tables) -> Iterator[tuple[str, str]]:
    for name in ("TR", "XU"):
        for n, row in enumerate(tables[name].rows if name in tables else (), start=1):
            text, number = row.get(f"{name}STRESC"), row.get(f"{name}STRESN")
            if number is not None and (not _is_number(text) or float(str(text)) != number):
                yield name, f"row {n}"
            if name == "TR" and number is not None and row.get("TRSTRESU") is None:
                yield name, f"row {n}"


def _dates(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            day = row.get(f"{name}DY")
            if date_of(row.get(f"{name}DTC")) is None or day == 0:
                yield name, f"row {n}"


def date_of(value: object) -> date | None:
    """A complete ISO 8601 date; None for anything else."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _evaluators(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            if row.get(f"{name}EVAL") is None:
                yield name, f"{name}EVAL, row {n}"
            if row.get(f"{name}EVALID") is not None and row.get(f"{name}EVAL") is None:
                yield name, f"{name}EVALID without {name}EVAL, row {n}"


def _tests(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            if TESTS.get(str(row.get(f"{name}TESTCD"))) != row.get(f"{name}TEST"):
                yield name, f"{name}TEST = {row.get(f'{name}TEST')}, row {n}"


def _units(tables: Tables) -> Iterator[tuple[str, str]]:
    """A unit accompanies a number and only a number; a text that is a number is also given as one."""
    for n, row in enumerate(tables["TR"].rows, start=1):
        pairs = ((_is_number(row.get("TRORRES")), "TRORRESU"), (row.get("TRSTRESN") is not None, "TRSTRESU"))
        for has_number, unit in pairs:
            if has_number != (row.get(unit) is not None):
                yield "TR", f"{unit}, row {n}"
        if _is_number(row.get("TRSTRESC")) != (row.get("TRSTRESN") is not None):
            yield "TR", f"TRSTRESN, row {n}"
        is_percent = row.get("TRTESTCD") in {"PCBSD", "PCNSD"}
        if row.get("TRSTRESU") not in {None, "%" if is_percent else "mm"}:
            yield "TR", f"TRSTRESU = {row.get('TRSTRESU')}, row {n}"


def _is_number(value: object) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


FIELD_RULES: dict[str, tuple[str, Check]] = {
    "NAMES": ("Variable names have at most 8 characters and labels at most 40 (SAS transport 5).", _names),
    "ORDER": ("Variables are in the order of the guide.", _order),
    "CORE": ("Required and expected variables are present; required ones are never empty.", _required),
    "LENGTH": (
        "Text is ASCII and at most 200 characters, --TEST and QLABEL at most 40, --TESTCD and QNAM at most 8.",
        _lengths,
    ),
    "SEQ": ("--SEQ is a positive integer, unique within a subject.", _sequence),
    "TERMS": ("Coded values are terms of their codelists.", _terms),
    "TESTS": ("--TEST is the name of --TESTCD.", _tests),
    "DONE": ("There is a result, or NOT DONE with a reason and nothing else.", _done),
    "NUMBERS": ("--STRESN is the number in --STRESC, and in TR it has a unit.", _numbers),
    "UNITS": ("In TR numbers have units, mm or %, and only numbers have.", _units),
    "DATES": ("--DTC is an ISO 8601 date, and there is no study day 0.", _dates),
    "EVAL": ("Every row names its evaluator.", _evaluators),
}
