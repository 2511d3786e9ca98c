"""Supplemental qualifiers (SUPPTU, SUPPTR, SUPPRS): reasons, doubts and sources without a variable of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dotaliver.export.sdtm.datasets import SUPPLEMENTAL, Dataset, Row
from dotaliver.export.sdtm.row_writer import RowWriter
from dotaliver.longitudinal.records import Appearance, TimePoint, TrackedLesion

__all__ = ["QUALIFIERS", "Qualifier", "ascii_text", "response_qualifiers", "result_qualifiers", "supplemental",
           "tumour_qualifiers"]  # fmt: skip

_LONGEST = 200
_TYPOGRAPHY = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "…": "...",
        "\u00a0": " ",
        "µ": "u",
        "·": ";",
        "±": "+/-",
    }
)
_EVALUATOR = "READER"
_ALGORITHM = "ALGORITHM"
# The program found the border around a place that the reader pointed at.
_FROM_CLICK = "ALGORITHM FROM A POINT OF THE READER"


@dataclass(frozen=True)
class Qualifier:
    """The label and origin of a QNAM."""

    label: str
    origin: str


QUALIFIERS: dict[str, Qualifier] = {
    "TUREASN": Qualifier("Reason for the Role of the Lesion", "Derived"),
    "TRSRC": Qualifier("Diameter Drawn By", "Derived"),
    "TRIDBY": Qualifier("Lesion Identity Established By", "Derived"),
    "TRIDCONF": Qualifier("Confidence of Lesion Identity (%)", "Derived"),
    "TRNOISE": Qualifier("Change Within Inter-Reader Variation", "Derived"),
    "TRCOULD": Qualifier("Possible Response on Repeat Measurement", "Derived"),
    "RSREAS": Qualifier("Reason for the Response", "Derived"),
    "RSQUES": Qualifier("Open Question for the Reader", "Derived"),
    "RSCAVT": Qualifier("Caveat of the Course", "Derived"),
}
"""Every QNAM that is written, without the number of a part."""

Qualified = tuple[int, str, str]
"""Number of the parent row, QNAM, text"""


def ascii_text(text: str) -> str:
    """A sentence of ours with typographic characters in ASCII; anything else stays, and is refused at writing."""
    return text.translate(_TYPOGRAPHY)


def tumour_qualifiers(writer: RowWriter, rows: Sequence[Row]) -> Iterator[Qualified]:
    """Why each lesion has its role."""
    lesions = {lesion.lesion: lesion for lesion in writer.reading.lesions}
    for number, row in enumerate(rows):
        if row["TUTESTCD"] == "TUMIDENT":
            yield number, "TUREASN", lesions[str(row["TUREFID"])].role_reason


def result_qualifiers(writer: RowWriter, rows: Sequence[Row]) -> Iterator[Qualified]:
    """Who drew a diameter, how sure a lesion's identity is, and whether a sum's change is within variation."""
    lesions = {lesion.lesion: lesion for lesion in writer.reading.lesions}
    points = {writer.group(point.scan): point for point in writer.reading.time_points}
    for number, row in enumerate(rows):
        point = points[str(row["TRLNKGRP"])]
        if row["TRSTAT"] is not None:
            continue
        if row["TRTESTCD"] == "SUMDIAM":
            yield from _of_sum(number, point)
        elif row["TRREFID"] is not None:
            yield from _of_lesion(number, row, lesions[str(row["TRREFID"])], point)


def _of_sum(number: int, point: TimePoint) -> Iterator[Qualified]:
    if point.targets.within_noise:
        yield number, "TRNOISE", "Y"
    if point.targets.could_be:
        yield number, "TRCOULD", " OR ".join(point.targets.could_be)


def _of_lesion(number: int, row: Row, lesion: TrackedLesion, point: TimePoint) -> Iterator[Qualified]:
    if row["TRTESTCD"] in {"LDIAM", "LPERP"}:
        # A size with a reason is one that the reader states.
        stated = any(size.reason for size in point.sizes if size.lesion == lesion.lesion)
        found = next((each.source for each in lesion.uptake if each.scan == point.scan), None)
        by = _FROM_CLICK if found == "click" else _ALGORITHM
        yield number, "TRSRC", _EVALUATOR if stated or found == "reader" else by
    seen: Appearance | None = lesion.track.on(point.scan)
    if seen is not None and point.scan > lesion.track.first:
        yield number, "TRIDBY", _EVALUATOR if seen.by == "reader" else _ALGORITHM
        if seen.by == "matching":
            yield number, "TRIDCONF", f"{100 * seen.confidence:.0f}"


def response_qualifiers(writer: RowWriter, rows: Sequence[Row]) -> Iterator[Qualified]:
    """The reason for each response; with the best response the open questions and caveats of the course."""
    reading = writer.reading
    points = {writer.group(point.scan): point for point in reading.time_points}
    for number, row in enumerate(rows):
        if row["RSTESTCD"] == "BESTRESP":
            best = reading.best_confirmed if writer.config.confirm_responses else reading.best
            yield number, "RSREAS", best.reason
            for question in reading.questions:
                yield number, "RSQUES", question.sentence
            for sentence in reading.warnings:
                yield number, "RSCAVT", sentence
        elif row["RSSTAT"] is None:
            yield number, "RSREAS", _reason(points[str(row["RSLNKGRP"])], str(row["RSTESTCD"]))


def _reason(point: TimePoint, code: str) -> str:
    reasons: Mapping[str, str] = {
        "TRGRESP": point.targets.reason,
        "NTRGRESP": point.non_targets.reason,
        "NEWLPROG": point.new_lesion_reason,
        "OVRLRESP": "" if point.overall is None else point.overall.reason,
    }
    return reasons[code]


def supplemental(domain: str, parent: Dataset, found: Sequence[Qualified]) -> Dataset | None:
    """SUPP-- of a domain; None where nothing qualifies it.

    Parameters
    ----------
    domain : str
        The parent domain.
    parent : Dataset
        Its numbered rows.
    found : sequence of tuple
        Index of the parent's row, QNAM and text; several texts of one QNAM are numbered, and a text of more than 200
        characters is continued under the next number (SDTMIG 3.4, section 4.5.3.2).
    """
    rows = []
    counts: dict[tuple[int, str], int] = {}
    for index, name, text in found:
        for part in textwrap.wrap(ascii_text(text), _LONGEST) or [""]:
            if not part:
                continue
            number = counts.get((index, name), 0)
            counts[index, name] = number + 1
            rows.append(_row(domain, parent.rows[index], (name, number), part))
    if not rows:
        return None
    return Dataset(f"SUPP{domain}", f"Supplemental Qualifiers for {domain}", SUPPLEMENTAL, tuple(rows))


def _row(domain: str, parent: Row, name: tuple[str, int], text: str) -> Row:
    qualifier, number = QUALIFIERS[name[0]], name[1]
    return {
        "STUDYID": parent["STUDYID"],
        "RDOMAIN": domain,
        "USUBJID": parent["USUBJID"],
        "IDVAR": f"{domain}SEQ",
        "IDVARVAL": str(parent[f"{domain}SEQ"]),
        "QNAM": f"{name[0]}{number or ''}",
        "QLABEL": qualifier.label if number == 0 else f"{qualifier.label} {number}"[:40],
        "QVAL": text,
        "QORIG": qualifier.origin,
        "QEVAL": None,
    }
