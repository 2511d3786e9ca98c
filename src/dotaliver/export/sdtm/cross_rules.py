"""Rules between rows and tables: links, sums, flags, visits, and responses that agree with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dotaliver.export.sdtm.datasets import Row
from dotaliver.export.sdtm.field_rules import Check, Tables, date_of

__all__ = ["CROSS_RULES"]


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


def _last_observations(tables: Tables) -> Iterator[tuple[str, str]]:
    """Of each test of each lesion, the last result up to the first treatment, and no other."""
    for name in ("TU", "TR"):
        latest: dict[tuple[object, ...], tuple[str, int]] = {}
        flagged: set[int] = set()
        for n, row in enumerate(tables[name].rows, start=1):
            if row.get(f"{name}LOBXFL") is not None:
                flagged.add(n)
            day = row.get(f"{name}DY")
            if not isinstance(day, int) or day > 1 or row.get(f"{name}ORRES") is None:
                continue
            variables = ("USUBJID", f"{name}EVAL", f"{name}EVALID", f"{name}LNKID", f"{name}TESTCD")
            key = tuple(row.get(variable) for variable in variables)
            latest[key] = max(latest.get(key, ("", 0)), (str(row[f"{name}DTC"]), n))
        for n in sorted(flagged ^ {n for _, n in latest.values()}):
            yield name, f"{name}LOBXFL, row {n}"


def _identified_once(tables: Tables) -> Iterator[tuple[str, str]]:
    """One identification per link, and the group of its results is what it was identified as."""
    groups: dict[tuple[object, ...], object] = {}
    for n, row in enumerate(tables["TU"].rows, start=1):
        key = (row["USUBJID"], row.get("TUEVALID"), row["TULNKID"])
        if row["TUTESTCD"] == "TUMIDENT" and key in groups:
            yield "TU", f"TULNKID = {row['TULNKID']}, row {n}"
        groups.setdefault(key, row.get("TUORRES"))
    for n, row in enumerate(tables["TR"].rows, start=1):
        key = (row["USUBJID"], row.get("TREVALID"), row.get("TRLNKID"))
        if row.get("TRLNKID") is not None and groups.get(key) != row.get("TRGRPID"):
            yield "TR", f"TRGRPID = {row.get('TRGRPID')}, row {n}"


def _visits(tables: Tables) -> Iterator[tuple[str, str]]:
    """One name and one number per visit, and one day 1 for all dates of a subject."""
    names: dict[tuple[object, ...], set[object]] = defaultdict(set)
    starts: dict[object, set[int]] = defaultdict(set)
    for name, table in tables.items():
        for row in table.rows:
            if row.get("VISITNUM") is not None:
                names[row["USUBJID"], "VISITNUM", row["VISITNUM"]].add(row.get("VISIT"))
                names[row["USUBJID"], "VISIT", row.get("VISIT")].add(row["VISITNUM"])
            day, on = row.get(f"{name}DY"), date_of(row.get(f"{name}DTC"))
            if isinstance(day, int) and on is not None:
                starts[row["USUBJID"]].add(on.toordinal() - (day - 1 if day > 0 else day))
    yield from (("TR", f"{variable} = {value}") for (_, variable, value), found in names.items() if len(found) > 1)
    yield from (("TR", f"--DY of {subject}") for subject, found in starts.items() if len(found) > 1)


def _responses_agree(tables: Tables) -> Iterator[tuple[str, str]]:
    """One response of each kind per visit; the overall one follows from the others (tables 1 and 2 of RECIST 1.1)."""
    visits: dict[tuple[object, ...], dict[str, object]] = defaultdict(dict)
    for n, row in enumerate(tables["RS"].rows, start=1):
        code = str(row["RSTESTCD"])
        found = visits[row["USUBJID"], row.get("RSEVAL"), row.get("RSEVALID"), row.get("VISITNUM")]
        if code in found:
            yield "RS", f"{code} twice, row {n}"
        found[code] = row.get("RSSTRESC")
    for key, words in visits.items():
        if "OVRLRESP" in words and words["OVRLRESP"] not in _overall_words(words):
            yield "RS", f"OVRLRESP = {words['OVRLRESP']} at visit {key[-1]}"


def _overall_words(words: dict[str, object]) -> set[str]:
    """The overall responses that the others allow."""
    target, rest = words.get("TRGRESP"), words.get("NTRGRESP")
    if "PD" in {target, rest} or words.get("NEWLPROG") == "UNEQUIVOCAL":
        return {"PD"}
    if target is None:
        return {"NED"} if rest is None else {str(rest)}
    if target == "CR" and rest == "NE":
        # After a complete response, missing non-targets leave the visit not evaluable.
        return {"PR", "NE"}
    if target == "CR":
        return {"CR"} if rest in {None, "CR"} else {"PR"}
    return {str(target)}


CROSS_RULES: dict[str, tuple[str, Check]] = {
    "TR-TU": ("Every TRLNKID is a TULNKID of the same evaluator.", _results_linked),
    "RS-TR": ("Every RSLNKGRP is a TRLNKGRP.", _responses_linked),
    "TU-ID": ("Every lesion is identified once, and TRGRPID is what it was identified as.", _identified_once),
    "SUM": ("SUMDIAM is the sum of the decisive diameters of its visit and evaluator.", _sums),
    "LOBXFL": ("--LOBXFL marks the last result up to the first treatment, and no other row.", _last_observations),
    "VISITS": ("VISITNUM and VISIT agree, and --DY counts from one day.", _visits),
    "RESPONSE": ("The overall response follows from the others; each is given once per visit.", _responses_agree),
}
