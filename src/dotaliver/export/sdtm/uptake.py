"""The rows of XU: what PET measures of each lesion and of all of them together."""

from __future__ import annotations

from collections.abc import Iterator

from dotaliver.export.sdtm.datasets import Row, Value
from dotaliver.export.sdtm.row_writer import GROUPS, RowWriter, codes_of, plain_number
from dotaliver.longitudinal.records import LesionUptake, PatientUptake, TrackedLesion

__all__ = ["uptake_rows"]

_METHOD = "PET/CT SCAN"
# Unit of uptake, and of uptake times volume, by the UCUM unit of the record. SUVs have terms in CDISC's code list UNIT;
# relative uptake has no unit.
_UNITS = {
    "g/ml{SUVbw}": ("g/mL", "g"),
    "g/ml{SUVlbm}": ("g/mL", "g"),
    "g/ml{SUVibw}": ("g/mL", "g"),
    "cm2/ml{SUVbsa}": ("cm2/mL", "cm2"),
}
_CATEGORIES = {
    "g/ml{SUVbw}": "SUV BY BODY WEIGHT",
    "g/ml{SUVlbm}": "SUV BY LEAN BODY MASS",
    "g/ml{SUVibw}": "SUV BY IDEAL BODY WEIGHT",
    "cm2/ml{SUVbsa}": "SUV BY BODY SURFACE AREA",
}

Result = tuple[str, float | None, str | None, str | None]


def uptake_rows(writer: RowWriter) -> Iterator[Row]:
    """Uptake and volume of each lesion that the response counts, and of the patient, from baseline on."""
    reading = writer.reading
    for point in reading.time_points:
        scan = point.scan
        for lesion in reading.lesions:
            counted = lesion.role in GROUPS and lesion.identified_on is not None and lesion.identified_on <= scan
            found = next((each for each in lesion.uptake if each.scan == scan), None)
            if counted and found is not None:
                yield from _lesion_rows(writer, lesion, found)
        whole = next((each for each in reading.uptake if each.scan == scan), None)
        if whole is not None:
            yield from _patient_rows(writer, whole)


def _units(writer: RowWriter, scan: int) -> tuple[str | None, str | None, str | None]:
    unit = writer.reading.scans[scan].uptake_unit or ""
    return *_UNITS.get(unit, (None, None)), _CATEGORIES.get(unit)


def _lesion_rows(writer: RowWriter, lesion: TrackedLesion, found: LesionUptake) -> Iterator[Row]:
    uptake, total, category = _units(writer, found.scan)
    results: tuple[Result, ...] = (
        ("UPPEAK", found.suv_peak if uptake else None, uptake, category),
        ("LESTLU", found.total_uptake if total else None, total, category),
        ("LESVOL", found.volume_ml, "mL", "SIZE"),
        ("PETEXT", found.pet_extent_mm, "mm", "SIZE"),
    )
    place: dict[str, Value] = {
        "GRPID": GROUPS[lesion.role],
        "REFID": lesion.lesion,
        "LNKID": writer.names[lesion.lesion],
        "LNKGRP": writer.group(found.scan),
    }
    for result in results:
        yield from _row(writer, found.scan, result, place)


def _patient_rows(writer: RowWriter, found: PatientUptake) -> Iterator[Row]:
    uptake, total, category = _units(writer, found.scan)
    place: dict[str, Value] = {"LNKGRP": writer.group(found.scan)}
    results: tuple[Result, ...] = (
        ("UPPEAKHI", found.suv_peak_highest if uptake else None, uptake, category),
        ("TOTTLU", found.total_uptake if total else None, total, category),
        ("TUMVOL", found.tumour_ml, "mL", "SIZE"),
        ("NLESIONS", float(found.lesions), None, "SIZE"),
    )
    for result in results:
        yield from _row(writer, found.scan, result, place)
    burden = None if found.burden is None else 100.0 * found.burden
    yield from _row(writer, found.scan, ("BURDEN", burden, "%", "SIZE"), {**place, "LOC": "LIVER"})


def _row(writer: RowWriter, scan: int, result: Result, place: dict[str, Value]) -> Iterator[Row]:
    """A row for what was measured; what was not has none."""
    code, value, unit, category = result
    if value is None:
        return
    text = plain_number(value)
    yield writer.row(
        "XU", scan, **place, **codes_of(code), CAT=category, ORRES=text, ORRESU=unit, STRESC=text,
        STRESN=float(text), STRESU=unit, METHOD=_METHOD, LOBXFL=writer.last_before_treatment(scan),
    )  # fmt: skip
