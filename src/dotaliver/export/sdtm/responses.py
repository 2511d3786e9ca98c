"""The rows of RS: the responses of each time point, and the best of the course."""

from __future__ import annotations

from collections.abc import Iterator

from dotaliver.export.sdtm.datasets import Row, Value
from dotaliver.export.sdtm.row_writer import RowWriter, codes_of
from dotaliver.longitudinal.best_response import BestResponse

__all__ = ["response_rows"]

_CATEGORY = "RECIST 1.1"


def response_rows(writer: RowWriter) -> Iterator[Row]:
    """Target, non-target, new-lesion and overall response of each time point, and the best of the course."""
    for point in writer.reading.time_points:
        if point.overall is None:
            continue
        answers: list[tuple[str, str | None, str]] = [
            ("TRGRESP", point.targets.response, "SUBJECT DOES NOT HAVE TARGET TUMORS"),
            ("NTRGRESP", point.non_targets.response, "SUBJECT DOES NOT HAVE NON-TARGET TUMORS"),
        ]
        if point.new_lesion != "none":
            answers.append(("NEWLPROG", point.new_lesion.upper(), ""))
        answers.append(("OVRLRESP", point.overall.response, ""))
        for code, word, why in answers:
            yield _response(writer, point.scan, code, word, why)
    yield from _best(writer, writer.reading.best_confirmed if writer.config.confirm_responses else writer.reading.best)


def _response(writer: RowWriter, scan: int, code: str, word: str | None, why: str) -> Row:
    values: dict[str, Value] = {"LNKGRP": writer.group(scan), **codes_of(code), "CAT": _CATEGORY}
    if word is None:
        return writer.row("RS", scan, **values, STAT="NOT DONE", REASND=why)
    return writer.row("RS", scan, **values, ORRES=word, STRESC=word)


def _best(writer: RowWriter, best: BestResponse) -> Iterator[Row]:
    if best.response is None:
        return
    scan = next((n for n, key in enumerate(writer.reading.scans) if key.on == best.on), len(writer.reading.scans) - 1)
    row = _response(writer, scan, "BESTRESP", best.response, "")
    # It speaks of the course, not of a visit's measurements.
    yield row | {"RSLNKGRP": None, "VISITNUM": None, "VISIT": None, "VISITDY": None}
