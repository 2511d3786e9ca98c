"""The rows of TR: diameters of targets, their sum with its changes, and states of the other lesions."""

from __future__ import annotations

from collections.abc import Iterator

from dotaliver.export.sdtm.datasets import Row, Value
from dotaliver.export.sdtm.row_writer import (
    GROUPS,
    RowWriter,
    codes_of,
    measuring_method,
    method_of,
    plain_number,
    uptake_on,
)
from dotaliver.longitudinal.recist import NonTargetState
from dotaliver.longitudinal.records import LesionUptake, TimePoint, TrackedLesion
from dotaliver.longitudinal.target_sizes import TargetSize

__all__ = ["result_rows"]

_STATES: dict[NonTargetState, str] = {
    "present": "PRESENT",
    "absent": "ABSENT",
    "unequivocal_progression": "UNEQUIVOCAL PROGRESSION",
}
_TOO_SMALL = "TOO SMALL TO MEASURE"


def result_rows(writer: RowWriter) -> Iterator[Row]:
    """Results of every time point from baseline on."""
    lesions = {lesion.lesion: lesion for lesion in writer.reading.lesions}
    for point in writer.reading.time_points:
        for size in point.sizes:
            yield from _target_results(writer, point, size, lesions[size.lesion])
        if point.sizes:
            yield _sum(writer, point)
            yield from _changes(writer, point)
        for name, state in (point.non_target_states | point.new_lesion_states).items():
            if _is_counted(lesions[name], point.scan):
                yield _tumour_state(writer, point.scan, lesions[name], state)


def _is_counted(lesion: TrackedLesion, scan: int) -> bool:
    return lesion.identified_on is not None and lesion.identified_on <= scan


def _of_lesion(writer: RowWriter, scan: int, lesion: TrackedLesion, code: str) -> dict[str, Value]:
    return {
        "GRPID": GROUPS[lesion.role],
        "REFID": lesion.lesion,
        "LNKID": writer.names[lesion.lesion],
        "LNKGRP": writer.group(scan),
        **codes_of(code),
        "METHOD": method_of(writer, lesion, scan),
    }


def _target_results(writer: RowWriter, point: TimePoint, size: TargetSize, lesion: TrackedLesion) -> Iterator[Row]:
    """The decisive diameter (of a node the short axis), and the other one where both were measured."""
    decisive, other = ("LPERP", "LDIAM") if size.node else ("LDIAM", "LPERP")
    found = uptake_on(lesion, point.scan)
    measured = size.status == "measured" and size.reason is None
    if measured and found is not None and found.parts_mm:
        yield from _part_results(writer, point.scan, lesion, found)
        return
    values = _of_lesion(writer, point.scan, lesion, decisive)
    if not measured:
        # What a reader states was seen on the image that diameters are measured on.
        values["METHOD"] = measuring_method(writer, point.scan)
    yield _size_row(writer, point.scan, size, values)
    if not measured or found is None:
        return
    mm = found.longest_mm if size.node else found.short_mm
    if mm is not None:
        other_size = TargetSize(lesion=size.lesion, size_mm=mm)
        yield _size_row(writer, point.scan, other_size, _of_lesion(writer, point.scan, lesion, other))


def _part_results(writer: RowWriter, scan: int, lesion: TrackedLesion, found: LesionUptake) -> Iterator[Row]:
    """The parts of a lesion that has split, each under its own link identifier."""
    for number, sizes in enumerate(found.parts_mm, start=1):
        for code, mm in zip(("LDIAM", "LPERP"), sizes, strict=True):
            if mm is not None:
                values = _of_lesion(writer, scan, lesion, code)
                values["LNKID"] = f"{values['LNKID']}.{number}"
                yield _size_row(writer, scan, TargetSize(lesion=lesion.lesion, size_mm=mm), values)


def _size_row(writer: RowWriter, scan: int, size: TargetSize, values: dict[str, Value]) -> Row:
    if size.status == "merged":
        # It has no diameter of its own any more; that of the lesion that contains it is in the sum.
        into = writer.names.get(size.merged_into or "", size.merged_into)
        return writer.not_done(scan, values, f"merged with {into}")
    counted = size.counted_mm(writer.config)
    if counted is None:
        return writer.not_done(scan, values, size.reason or "not measured")
    default = size.status == "too_small" and size.size_mm is None
    return writer.result(
        scan,
        values,
        ORRES=_TOO_SMALL if default else plain_number(counted),
        ORRESU=None if default else "mm",
        STRESC=plain_number(counted),
        STRESN=float(plain_number(counted)),
        STRESU="mm",
    )


def _sum(writer: RowWriter, point: TimePoint) -> Row:
    values: dict[str, Value] = {"GRPID": "TARGET", "LNKGRP": writer.group(point.scan), **codes_of("SUMDIAM")}
    total = point.targets.sum_mm
    if total is None:
        return writer.not_done(point.scan, values, "not all targets were measured")
    text = plain_number(total)
    return writer.result(point.scan, values, ORRES=text, ORRESU="mm", STRESC=text, STRESN=float(text), STRESU="mm")


def _changes(writer: RowWriter, point: TimePoint) -> Iterator[Row]:
    """Change of the sum from baseline and from the nadir, in mm and percent; percent of 0 mm is not defined.

    The nadir is the smallest earlier sum, baseline included. A sum that is not known has no change.
    """
    found = point.targets
    if point.overall is None or found.sum_mm is None or found.baseline_mm is None:
        return
    from_baseline_mm = found.sum_mm - found.baseline_mm
    changes = (
        ("ACBSD", from_baseline_mm, "mm", "baseline"),
        ("PCBSD", _percent(found.change_from_baseline), "%", "baseline"),
        ("ACNSD", found.change_from_nadir_mm, "mm", "nadir"),
        ("PCNSD", _percent(found.change_from_nadir), "%", "nadir"),
    )
    for code, value, unit, since in changes:
        values: dict[str, Value] = {"GRPID": "TARGET", "LNKGRP": writer.group(point.scan), **codes_of(code)}
        if value is None:
            yield writer.not_done(point.scan, values, f"the sum at {since} is 0 mm")
            continue
        text = plain_number(value)
        yield writer.result(point.scan, values, ORRES=text, ORRESU=unit, STRESC=text, STRESN=float(text), STRESU=unit)


def _percent(change: float | None) -> float | None:
    return None if change is None else 100.0 * change


def _tumour_state(writer: RowWriter, scan: int, lesion: TrackedLesion, state: NonTargetState) -> Row:
    values = _of_lesion(writer, scan, lesion, "TUMSTATE")
    if state == "not_evaluated":
        return writer.not_done(scan, values, "not evaluated")
    return writer.result(scan, values, ORRES=_STATES[state], STRESC=_STATES[state])
