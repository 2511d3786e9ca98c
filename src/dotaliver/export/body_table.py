"""Candidates and lesions outside the liver as a table for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from dotaliver.export.tables import Cell, cell, uptake_name
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.score import StudyScore

__all__ = ["body_csv"]


def _columns(name: str, unit: str) -> list[tuple[str, Callable[[BodyLesion], Cell]]]:
    return [
        ("Lesion", lambda n: n.name),
        ("Region", lambda n: n.region),
        ("Organ", lambda n: n.organ.replace("_", " ")),
        ("State", lambda n: n.state),
        ("Counted", lambda n: "yes" if n.tumour else "no"),
        ("Likely", lambda n: None if n.state == "added" else n.likely),
        ("Confidence (%)", lambda n: _percent(n.confidence)),
        (f"{name}max ({unit})", lambda n: n.suv_max),
        (f"{name}mean ({unit})", lambda n: n.suv_mean),
        (f"{name}peak of 1 ml ({unit})", lambda n: n.suv_peak),
        ("Volume (ml)", lambda n: n.volume_ml),
        ("Volume, from (ml)", lambda n: n.volume_interval_ml and n.volume_interval_ml[0]),
        ("Volume, to (ml)", lambda n: n.volume_interval_ml and n.volume_interval_ml[1]),
        (f"Total receptor expression ({name.strip()} x ml)", lambda n: n.total_uptake),
        (f"{name}peak / normal liver mean", lambda n: n.ratio_to_liver),
        (f"{name}peak / blood pool mean", lambda n: n.ratio_to_blood_pool),
        ("Krenning grade (modified)", lambda n: n.krenning and n.krenning.replace("≥3", "3 or higher")),
        ("SSTR-RADS, proposed", lambda n: n.sstr_rads),
        ("Extent on PET (mm)", lambda n: n.pet_extent_mm),
        ("Longest diameter, reader (mm)", lambda n: n.longest_diameter_mm if n.diameter_source == "reader" else None),
        ("Short axis, reader (mm)", lambda n: n.short_axis_mm if n.diameter_source == "reader" else None),
        ("Longest diameter on CT (mm)", lambda n: n.longest_diameter_mm if n.diameter_source == "ct" else None),
        ("Short axis on CT (mm)", lambda n: n.short_axis_mm if n.diameter_source == "ct" else None),
        ("Diameter, plus or minus (mm)", _error_mm),
        ("Centre towards left (mm)", lambda n: n.centroid_lps_mm[0]),
        ("Centre towards back (mm)", lambda n: n.centroid_lps_mm[1]),
        ("Centre towards head (mm)", lambda n: n.centroid_lps_mm[2]),
        ("Why it may be physiological", lambda n: n.why_physiological),
        ("Reader's marks", lambda n: "; ".join(mark.replace("_", " ") for mark in n.marks)),
        ("Flags", lambda n: "; ".join(flag.code for flag in n.flags)),
    ]


def _error_mm(lesion: BodyLesion) -> float | None:
    """Half the 95 % interval of a diameter that was measured on CT."""
    interval = None if lesion.diameter is None else lesion.diameter.interval_mm
    return None if interval is None else 0.5 * (interval[1] - interval[0])


def _percent(confidence: float | None) -> float | None:
    """A probability in percent, 1 to 99: of what nobody confirmed none is certain, as in the report."""
    return None if confidence is None else min(max(100.0 * confidence, 1.0), 99.0)


def body_csv(score: StudyScore) -> str:
    """One row per candidate or lesion outside the liver, in the format of `dotaliver.export.tables.lesions_csv`."""
    columns = _columns(*uptake_name(score.uptake_unit))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*(heading for heading, _ in columns), "Study Instance UID", "Record"])
    for lesion in () if score.body is None else score.body.lesions:
        cells = [read(lesion) for _, read in columns]
        writer.writerow([cell(c) for c in (*cells, score.study.study_instance_uid, score.record_id)])
    return stream.getvalue()
