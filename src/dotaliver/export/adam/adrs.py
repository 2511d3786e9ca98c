"""ADRS: responses by visit, first progression and response, best overall response with and without confirmation.

Derivations:

* OVR is OVRLRESP of RS, one record per visit. ANL01FL marks those up to the first progression.
* PD is the first OVR of PD; RSP the first CR or PR up to then; CRSP the same, where it was confirmed.
* LSTA is the last OVR up to the first progression that is not NE.
* BOR and CBOR are the best overall response without and with confirmation (RECIST 1.1, section 4.6 and table 3), by
  `dotaliver.longitudinal.best_response`. A subject without a visit after baseline is MISSING.

AVAL numbers the responses as admiralonco does: 1 CR, 2 PR, 3 SD, 4 NON-CR/NON-PD, 5 PD, 6 NE, 7 MISSING. NED (no
disease at baseline) has no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from dotaliver.export.adam.variables import IDENTIFIERS, TIMING, TRACE, Subject, bds
from dotaliver.export.sdtm.datasets import Dataset, Row, Variable
from dotaliver.longitudinal.best_response import BestResponse
from dotaliver.longitudinal.records import Reading, TimePoint, TrialKeys

__all__ = ["RESPONSE_NUMBERS", "adrs"]

RESPONSE_NUMBERS = {"CR": 1.0, "PR": 2.0, "SD": 3.0, "NON-CR/NON-PD": 4.0, "PD": 5.0, "NE": 6.0, "MISSING": 7.0}
"""AVAL by AVALC"""
_YES_NO = {"Y": 1.0, "N": 0.0}
_CATEGORY = "Tumor Response"
_VARIABLES = (
    *IDENTIFIERS,
    *TIMING,
    Variable("AVALC", "Analysis Value (C)"),
    Variable("AVAL", "Analysis Value", "Num"),
    Variable("ANL01FL", "Analysis Flag 01"),
    *TRACE,
)


def adrs(trial: TrialKeys, readings: Sequence[Reading], responses: Dataset) -> Dataset:
    """ADRS of all evaluators.

    Parameters
    ----------
    trial : TrialKeys
        The subject.
    readings : sequence of Reading
        One per evaluator.
    responses : Dataset
        RS, whose records the visits are traced to.
    """
    rows = [row for reading in readings for row in _reading_rows(trial, reading, responses)]
    return bds("ADRS", "Response Analysis Dataset", _VARIABLES, rows)


def _reading_rows(trial: TrialKeys, reading: Reading, responses: Dataset) -> Iterator[Row]:
    subject = Subject(trial, reading.evaluator)
    points = [point for point in reading.time_points if point.overall is not None]
    yield from _overall_rows(subject, reading, points, responses)
    counted = _until_progression(points)
    progressed = next((point for point in counted if _word(point) == "PD"), None)
    responded = next((point for point in counted if _word(point) in {"CR", "PR"}), None)
    confirmed = reading.best_confirmed if reading.best_confirmed.response in {"CR", "PR"} else None
    last = next((point for point in reversed(counted) if _word(point) != "NE"), None)

    def on(point: TimePoint | None) -> date | None:
        return None if point is None else reading.scans[point.scan].on

    yield _yes_no(subject, ("PD", "First Disease Progression"), on(progressed))
    yield _yes_no(subject, ("RSP", "First Response"), on(responded))
    yield _yes_no(subject, ("CRSP", "First Confirmed Response"), None if confirmed is None else confirmed.on)
    if last is not None:
        word = _word(last)
        yield _valued(subject, ("LSTA", "Last Evaluable Disease Assessment"), word, on(last))
    yield _best(subject, ("BOR", "Best Overall Response"), reading.best)
    yield _best(subject, ("CBOR", "Best Confirmed Overall Response"), reading.best_confirmed)


def _word(point: TimePoint) -> str:
    return "" if point.overall is None else point.overall.response


def _until_progression(points: Sequence[TimePoint]) -> list[TimePoint]:
    found = []
    for point in points:
        found.append(point)
        if _word(point) == "PD":
            break
    return found


def _overall_rows(subject: Subject, reading: Reading, points: Sequence[TimePoint], responses: Dataset) -> Iterator[Row]:
    counted = {point.scan for point in _until_progression(points)}
    sources = {
        (row.get("RSEVAL"), row.get("RSEVALID"), row.get("VISITNUM")): row["RSSEQ"]
        for row in responses.rows
        if row["RSTESTCD"] == "OVRLRESP"
    }
    for point in points:
        key, word = reading.scans[point.scan], _word(point)
        yield subject.record(
            "OVR", "Overall Response by Visit", _CATEGORY,
            **subject.visit(key, is_baseline=False),
            AVALC=word, AVAL=RESPONSE_NUMBERS.get(word), ANL01FL="Y" if point.scan in counted else None,
            SRCDOM="RS", SRCVAR="RSSTRESC",
            SRCSEQ=sources.get((reading.evaluator.role, reading.evaluator.identifier, key.visit_number)),
        )  # fmt: skip


def _yes_no(subject: Subject, parameter: tuple[str, str], day: date | None) -> Row:
    word = "N" if day is None else "Y"
    timing = {} if day is None else subject.timing(day)
    return subject.record(parameter[0], parameter[1], _CATEGORY, **timing, AVALC=word, AVAL=_YES_NO[word], ANL01FL="Y")


def _valued(subject: Subject, parameter: tuple[str, str], word: str, day: date | None) -> Row:
    timing = {} if day is None else subject.timing(day)
    number = RESPONSE_NUMBERS.get(word)
    return subject.record(parameter[0], parameter[1], _CATEGORY, **timing, AVALC=word, AVAL=number, ANL01FL="Y")


def _best(subject: Subject, parameter: tuple[str, str], best: BestResponse) -> Row:
    return _valued(subject, parameter, best.response or "MISSING", best.on)
