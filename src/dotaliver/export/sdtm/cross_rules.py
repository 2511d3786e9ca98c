"""Rules between rows and tables: links, sums, flags, visits, and responses that agree with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dotaliver.export.sdtm.datasets import Row
from dotaliver.export.sdtm.field_rules import Check, Tables, date_of, domains

__all__ = ["CROSS_RULES"]


def _results_linked(tables: Tables) -> Iterator[tuple[str, str]]:
    known = {(row["USUBJID"], row["TULNKID"], row.get("TUEVALID")) for row in tables["TU"].rows}
    for name in ("TR", "XU"):
        for n, row in enumerate(tables[name].rows if name in tables else (), start=1):
            link = row.get(f"{name}LNKID")
            if link is not None and (row["USUBJID"], link, row.get(f"{name}EVALID")) not in known:
                yield name, f"{name}LNKID = {link}, row {n}"


def _responses_linked(tables: Tables) -> Iterator[tuple[str, str]]:
    groups = {(row["USUBJID"], row.get("TRLNKGRP")) for row in tables["TR"].rows}
    for n, row in enumerate(tables["RS"].rows, start=1):
        group = row.get("RSLNKGRP")
        if group is not None and groups and (row["USUBJID"], group) not in groups:
            yield "RS", f"RSLNKGRP = {group}, row {n}"


def _sums(tables: Tables) -> Iterator[tuple[str, str]]:
    """The sum of diameters equals the sum of the decisive diameters of the same visit."""
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
    """The flag marks one date at most per subject, no later result of it, and no result of a test twice."""
    dates: dict[object, set[object]] = defaultdict(set)
    for name, table in domains(tables):
        flagged: dict[tuple[object, ...], int] = {}
        for n, row in enumerate(table.rows, start=1):
            if row.get(f"{name}LOBXFL") is None:
                continue
            dates[row["USUBJID"]].add(row.get(f"{name}DTC"))
            day = row.get(f"{name}DY")
            if isinstance(day, int) and day > 1:
                yield name, f"{name}LOBXFL on day {day}, row {n}"
            variables = ("USUBJID", f"{name}EVAL", f"{name}EVALID", f"{name}LNKID", f"{name}TESTCD")
            if flagged.setdefault(tuple(row.get(variable) for variable in variables), n) != n:
                yield name, f"{name}LOBXFL twice, row {n}"
    for name, table in domains(tables):
        for n, row in enumerate(table.rows, start=1):
            days = dates.get(row["USUBJID"], set())
            has_result = row.get(f"{name}ORRES") is not None and f"{name}LOBXFL" in row
            if has_result and row.get(f"{name}DTC") in days and row.get(f"{name}LOBXFL") is None:
                yield name, f"{name}LOBXFL, row {n}"
    yield from (
        ("TR", f"--LOBXFL of {subject} on {len(days)} dates") for subject, days in dates.items() if len(days) > 1
    )


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
    for name, table in domains(tables):
        for row in table.rows:
            if row.get("VISITNUM") is not None:
                names[row["USUBJID"], "VISITNUM", row["VISITNUM"]].add(row.get("VISIT"))
                names[row["USUBJID"], "VISIT", row.get("VISIT")].add(row["VISITNUM"])
            day, on = row.get(f"{name}DY"), date_of(row.get(f"{name}DTC"))
            if isinstance(day, int) and on is not None:
                starts[row["USUBJID"]].add(on.toordinal() - (day - 1 if day > 0 else day))
    yield from (("TR", f"{variable} = {value}") for (_, variable, value), found in names.items() if len(found) > 1)
    yield from (("TR", f"--DY of {subject}") for subject, found in starts.items() if len(found) > 1)


def _changes(tables: Tables) -> Iterator[tuple[str, str]]:
    """Each change follows from the sums of its evaluator: from the first of them, and from the smallest before it."""
    sums: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for n, row in enumerate(tables["TR"].rows, start=1):
        key = (row["USUBJID"], row.get("TREVAL"), row.get("TREVALID"))
        value, code = row.get("TRSTRESN"), row.get("TRTESTCD")
        if not isinstance(value, int | float):
            continue
        if code == "SUMDIAM":
            sums[key].append(float(value))
        elif code in {"ACBSD", "PCBSD", "ACNSD", "PCNSD"} and len(sums[key]) > 1:
            *before, now = sums[key]
            against = before[0] if code in {"ACBSD", "PCBSD"} else min(before)
            change = now - against
            wanted = 100.0 * change / against if code in {"PCBSD", "PCNSD"} and against else change
            if abs(wanted - value) > max(0.01, 0.001 * abs(wanted)):
                yield "TR", f"{code} = {value:g} against {wanted:g}, row {n}"


def _qualified(tables: Tables) -> Iterator[tuple[str, str]]:
    """Every supplemental qualifier has the row that it qualifies, and is given once for it."""
    for name, table in tables.items():
        if not name.startswith("SUPP"):
            continue
        parent = name.removeprefix("SUPP")
        known = {(row["USUBJID"], str(row[f"{parent}SEQ"])) for row in tables[parent].rows}
        seen = set()
        for n, row in enumerate(table.rows, start=1):
            if row["RDOMAIN"] != parent or row["IDVAR"] != f"{parent}SEQ":
                yield name, f"RDOMAIN and IDVAR, row {n}"
            if (row["USUBJID"], row["IDVARVAL"]) not in known:
                yield name, f"IDVARVAL = {row['IDVARVAL']}, row {n}"
            key = (row["USUBJID"], row["IDVARVAL"], row["QNAM"])
            if key in seen:
                yield name, f"QNAM = {row['QNAM']} twice, row {n}"
            seen.add(key)


def _relations(tables: Tables) -> Iterator[tuple[str, str]]:
    """RELREC names variables of datasets that are there, and each relation has two members."""
    counts: dict[object, int] = defaultdict(int)
    for n, row in enumerate(tables["RELREC"].rows if "RELREC" in tables else (), start=1):
        counts[row["RELID"]] += 1
        table = tables.get(str(row["RDOMAIN"]))
        if table is None or row["IDVAR"] not in {variable.name for variable in table.variables}:
            yield "RELREC", f"IDVAR = {row['IDVAR']}, row {n}"
    yield from (("RELREC", f"RELID = {name}") for name, count in counts.items() if count != 2)


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
    "TR-TU": ("Every --LNKID is a TULNKID of the same evaluator.", _results_linked),
    "RS-TR": ("Every RSLNKGRP is a TRLNKGRP.", _responses_linked),
    "TU-ID": ("Every lesion is identified once, and TRGRPID is what it was identified as.", _identified_once),
    "SUM": ("SUMDIAM is the sum of the decisive diameters of its visit and evaluator.", _sums),
    "CHANGES": ("Changes from baseline and nadir follow from the sums of diameters.", _changes),
    "SUPP": ("Each supplemental qualifier has its row, and is given once for it.", _qualified),
    "RELREC": ("RELREC names variables that are there, two to each relation.", _relations),
    "LOBXFL": ("--LOBXFL marks every result of one date, up to day 1, and no other row.", _last_observations),
    "VISITS": ("VISITNUM and VISIT agree, and --DY counts from one day.", _visits),
    "RESPONSE": ("The overall response follows from the others; each is given once per visit.", _responses_agree),
}
