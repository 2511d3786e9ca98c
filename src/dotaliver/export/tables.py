"""The lesions as a table for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

from dotaliver.longitudinal.baseline_targets import proposed_targets
from dotaliver.records.measurements import Lesion
from dotaliver.records.score import StudyScore

__all__ = ["Cell", "cell", "lesions_csv", "uptake_name"]

Cell = str | int | float | None

_SUV_NAMES = {
    "g/ml{SUVbw}": "SUV",
    "g/ml{SUVlbm}": "SUL",
    "cm2/ml{SUVbsa}": "SUVbsa",
    "g/ml{SUVibw}": "SUVibw",
}
_SUV_UNITS = {"SUV": "g/ml", "SUL": "g/ml", "SUVbsa": "cm2/ml", "SUVibw": "g/ml"}
# What a spreadsheet may take for a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"[=+\-@\t\r\n]")


def uptake_name(uptake_unit: str) -> tuple[str, str]:
    """What uptake is called in a record with this UCUM unit, and the unit for people: ``("SUV", "g/ml")``."""
    name = _SUV_NAMES.get(uptake_unit)
    return (name, _SUV_UNITS[name]) if name else ("uptake ", "relative units")


def _yes_no(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


# As they stand in lesions.csv, where other programs look for them.
_SOURCES = {"ct": "CT", "click": "CT, by click", "pet": "PET", "reader": "reader"}


def _columns(name: str, unit: str) -> list[tuple[str, Callable[[Lesion], Cell]]]:
    return [
        ("Lesion", lambda n: n.label),
        ("In liver", lambda n: _yes_no(n.in_liver)),
        ("Part in liver (%)", lambda n: _percent(n.liver_share)),
        (f"{name}max ({unit})", lambda n: n.suv_max),
        (f"{name}mean ({unit})", lambda n: n.suv_mean),
        (f"{name}peak of 1 ml ({unit})", lambda n: n.suv_peak),
        ("Volume (ml)", lambda n: n.volume_ml),
        (f"Total uptake ({name.strip()} x ml)", lambda n: n.total_uptake),
        (f"{name}peak / normal liver mean", lambda n: n.ratio_to_liver),
        (f"{name}max / normal liver mean", lambda n: n.max_ratio_to_liver),
        (f"{name}mean / normal liver mean", lambda n: n.mean_ratio_to_liver),
        ("Krenning grade (modified)", lambda n: n.krenning and n.krenning.replace("≥3", "3 or higher")),
        ("Longest diameter (mm)", lambda n: n.longest_diameter_mm),
        ("Short axis (mm)", lambda n: n.short_axis_mm),
        ("Diameter from", _diameter_source),
        ("Diameter, 95 % from (mm)", lambda n: n.diameter and n.diameter.interval_mm and n.diameter.interval_mm[0]),
        ("Diameter, 95 % to (mm)", lambda n: n.diameter and n.diameter.interval_mm and n.diameter.interval_mm[1]),
        ("Border seen on CT (%)", lambda n: _percent(n.diameter.seen_border_share if n.diameter else None)),
        ("Distance to liver capsule (mm)", lambda n: n.capsule_distance_mm),
        ("Extent on PET (mm)", lambda n: n.pet_extent_mm),
        ("Centre towards left (mm)", lambda n: n.centroid_lps_mm[0]),
        ("Centre towards back (mm)", lambda n: n.centroid_lps_mm[1]),
        ("Centre towards head (mm)", lambda n: n.centroid_lps_mm[2]),
        ("Reader's marks", lambda n: "; ".join(mark.replace("_", " ") for mark in n.marks)),
        ("Flags", lambda n: "; ".join(flag.code for flag in n.flags)),
    ]


def _diameter_source(lesion: Lesion) -> str | None:
    words = _SOURCES.get(lesion.diameter_source or "")
    on_mr = lesion.diameter is not None and lesion.diameter.modality == "MR"
    return (
        {"reader": "reader, on MR", "click": "MR, by click"}.get(lesion.diameter_source or "", words)
        if on_mr
        else words
    )


def cell(value: Cell) -> str | int:
    """A value as written to the file: numbers short and plain, text never a formula."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return never_formula(value) if isinstance(value, str) else value


def never_formula(text: str) -> str:
    """Text that no spreadsheet takes for a formula: one that it might gets an apostrophe in front."""
    return "'" + text if _FORMULA.match(text) else text


def lesions_csv(score: StudyScore) -> str:
    """One row per lesion under headings with units, after RFC 4180 (commas, CRLF, quotes doubled).

    A value that is not known is an empty cell. A text that a spreadsheet would take for a formula gets an
    apostrophe in front. Whether a lesion is proposed as a RECIST 1.1 target, and why, holds for this scan as baseline.
    The last two columns name the study and the record, so that tables can be joined.
    """
    proposed = proposed_targets(score)
    columns = [
        *_columns(*uptake_name(score.uptake_unit)),
        ("RECIST target, proposed", lambda n: _yes_no(n.name in proposed.targets)),
        ("Why a target or not", lambda n: proposed.reasons.get(n.name)),
    ]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*(heading for heading, _ in columns), "Study Instance UID", "Record"])
    for lesion in score.lesions:
        cells = [read(lesion) for _, read in columns]
        writer.writerow([cell(c) for c in (*cells, score.study.study_instance_uid, score.record_id)])
    return stream.getvalue()
