"""A small conformance check of TU, TR and RS: each rule by name, and which rows break it.

It holds the export to the parts of the SDTM Implementation Guide 3.4 and of SAS transport 5 that tables go wrong in
most often. It does not replace a validator such as Pinnacle 21 or CDISC CORE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dotaliver.export.sdtm.datasets import DOMAINS, Dataset, Row

__all__ = ["RULES", "Finding", "check_sdtm", "conformance_report"]

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TERMS: dict[str, set[str]] = {
    "TUTESTCD": {"TUMIDENT", "TUSPLIT", "TUMERGE"},
    "TRTESTCD": {"LDIAM", "LPERP", "SUMDIAM", "TUMSTATE"},
    "RSTESTCD": {"TRGRESP", "NTRGRESP", "NEWLPROG", "OVRLRESP", "BESTRESP"},
    "TUSTRESC": {"TARGET", "NON-TARGET", "NEW"},
    "TRORRESU": {"mm"},
    "TRSTRESU": {"mm"},
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


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold somewhere."""

    rule: str
    domain: str
    where: str


Tables = dict[str, Dataset]
Check = Callable[[Tables], Iterator[tuple[str, str]]]


def _names(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for variable in table.variables:
            if not _NAME.fullmatch(variable.name) or not 0 < len(variable.label) <= 40:
                yield name, variable.name


def _order(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        known = [variable.name for variable in DOMAINS[name][1]]
        mine = [variable.name for variable in table.variables]
        if [n for n in known if n in mine] != mine:
            yield name, ", ".join(mine)


def _required(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        there = {variable.name for variable in table.variables}
        for variable in DOMAINS[name][1]:
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
                limit = 8 if column.endswith("TESTCD") else 40 if column.endswith("TEST") else 200
                if isinstance(value, str) and (len(value) > limit or not value.isascii()):
                    yield name, f"{column}, row {n}"


def _sequence(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        keys = [(row["USUBJID"], row[f"{name}SEQ"]) for row in table.rows]
        if len(set(keys)) != len(keys):
            yield name, f"{name}SEQ"


def _terms(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for n, row in enumerate(table.rows, start=1):
            for column, allowed in _TERMS.items():
                if row.get(column) not in {None, *allowed}:
                    yield name, f"{column} = {row[column]}, row {n}"
            code = row.get("RSTESTCD")
            word = row.get("RSSTRESC")
            if isinstance(code, str) and word is not None and word not in _RESPONSES.get(code, set()):
                yield name, f"{code} = {word}, row {n}"


def _done(tables: Tables) -> Iterator[tuple[str, str]]:
    """A result, or NOT DONE with a reason, and never both."""
    for name, table in tables.items():
        for n, row in enumerate(table.rows, start=1):
            result, status = row.get(f"{name}ORRES"), row.get(f"{name}STAT")
            reason = row.get(f"{name}REASND")
            if (result is None) != (status is not None) or (status is None) != (reason is None):
                yield name, f"row {n}"


def _numbers(tables: Tables) -> Iterator[tuple[str, str]]:
    for n, row in enumerate(tables["TR"].rows, start=1):
        text, number = row.get("TRSTRESC"), row.get("TRSTRESN")
        if number is not None and (not isinstance(text, str) or float(text) != number or row.get("TRSTRESU") is None):
            yield "TR", f"row {n}"


def _dates(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for n, row in enumerate(table.rows, start=1):
            day = row.get(f"{name}DY")
            if not _DATE.fullmatch(str(row.get(f"{name}DTC") or "")) or day == 0:
                yield name, f"row {n}"


def _results_linked(tables: Tables) -> Iterator[tuple[str, str]]:
    known = {(row["USUBJID"], row["TULNKID"], row.get("TUEVALID")) for row in tables["TU"].rows}
    for n, row in enumerate(tables["TR"].rows, start=1):
        link = row.get("TRLNKID")
        if link is not None and (row["USUBJID"], link, row.get("TREVALID")) not in known:
            yield "TR", f"TRLNKID = {link}, row {n}"


def _responses_linked(tables: Tables) -> Iterator[tuple[str, str]]:
    groups = {(row["USUBJID"], row.get("TRLNKGRP")) for row in tables["TR"].rows}
    for n, row in enumerate(tables["RS"].rows, start=1):
        group = row.get("RSLNKGRP")
        if group is not None and groups and (row["USUBJID"], group) not in groups:
            yield "RS", f"RSLNKGRP = {group}, row {n}"


def _sums(tables: Tables) -> Iterator[tuple[str, str]]:
    """The sum of diameters is the sum of the decisive diameters beside it."""
    rows = tables["TR"].rows
    for n, row in enumerate(rows, start=1):
        total = row.get("TRSTRESN")
        if row.get("TRTESTCD") != "SUMDIAM" or not isinstance(total, int | float):
            continue
        parts = _decisive([r for r in rows if _same_visit(r, row) and r.get("TRGRPID") == "TARGET"], tables["TU"].rows)
        if abs(sum(parts) - total) > 0.005 * max(len(parts), 1):
            yield "TR", f"row {n}: {total:g} against {sum(parts):g}"


def _same_visit(one: Row, other: Row) -> bool:
    return all(one.get(name) == other.get(name) for name in ("USUBJID", "TRLNKGRP", "TREVAL", "TREVALID"))


def _decisive(rows: Sequence[Row], tumours: Sequence[Row]) -> list[float]:
    nodes = {row["TULNKID"] for row in tumours if row.get("TULOC") == "LYMPH NODE"}
    found = []
    for row in rows:
        wanted = "LPERP" if str(row.get("TRLNKID") or "").partition(".")[0] in nodes else "LDIAM"
        value = row.get("TRSTRESN")
        if row.get("TRTESTCD") == wanted and isinstance(value, int | float):
            found.append(float(value))
    return found


def _evaluators(tables: Tables) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for n, row in enumerate(table.rows, start=1):
            if row.get(f"{name}EVAL") is None:
                yield name, f"{name}EVAL, row {n}"
            if row.get(f"{name}EVALID") is not None and row.get(f"{name}EVAL") is None:
                yield name, f"{name}EVALID without {name}EVAL, row {n}"


RULES: dict[str, tuple[str, Check]] = {
    "NAMES": ("Variable names have at most 8 characters and labels at most 40 (SAS transport 5).", _names),
    "ORDER": ("Variables stand in the order of the guide.", _order),
    "CORE": ("Required and expected variables are there; required ones are never empty.", _required),
    "LENGTH": ("Text is ASCII and at most 200 characters, --TEST at most 40, --TESTCD at most 8.", _lengths),
    "SEQ": ("--SEQ is unique within a subject.", _sequence),
    "TERMS": ("Coded values are terms of their codelists.", _terms),
    "DONE": ("There is a result, or NOT DONE with a reason, and never both.", _done),
    "NUMBERS": ("TRSTRESN is the number in TRSTRESC and has a unit.", _numbers),
    "DATES": ("--DTC is an ISO 8601 date, and there is no study day 0.", _dates),
    "TR-TU": ("Every TRLNKID is a TULNKID of the same evaluator.", _results_linked),
    "RS-TR": ("Every RSLNKGRP is a TRLNKGRP.", _responses_linked),
    "SUM": ("SUMDIAM is the sum of the decisive diameters of its visit and evaluator.", _sums),
    "EVAL": ("Every row says who evaluated.", _evaluators),
}


def check_sdtm(datasets: Sequence[Dataset]) -> tuple[Finding, ...]:
    """Everything that breaks a rule; empty where all hold."""
    tables = {dataset.domain: dataset for dataset in datasets}
    return tuple(Finding(name, domain, where) for name, (_, check) in RULES.items() for domain, where in check(tables))


def conformance_report(datasets: Sequence[Dataset], terminology: str) -> str:
    """Which rules hold, as text."""
    findings = check_sdtm(datasets)
    lines = [f"Checked against {terminology}", ""]
    for name, (sentence, _) in RULES.items():
        broken = [finding for finding in findings if finding.rule == name]
        lines.append(f"{'BROKEN' if broken else 'holds '} {name}: {sentence}")
        lines += [f"    {finding.domain}: {finding.where}" for finding in broken[:20]]
    lines.append("")
    lines.append("This check does not replace a full validator (CDISC CORE, Pinnacle 21).")
    return "\n".join(lines) + "\n"
