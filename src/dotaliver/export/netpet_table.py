"""Lesions on two tracers as a table for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from dotaliver.export.tables import Cell, cell, uptake_name
from dotaliver.records.netpet import NetpetLesion
from dotaliver.records.score import StudyScore

__all__ = ["netpet_csv"]


def _columns(score: StudyScore) -> list[tuple[str, Callable[[NetpetLesion], Cell]]]:
    assert score.netpet is not None
    receptor, unit = uptake_name(score.uptake_unit)
    fdg, fdg_unit = uptake_name(score.netpet.scan.uptake_unit)
    return [
        ("Lesion", lambda n: n.name),
        ("Region", lambda n: n.region),
        ("In liver", lambda n: "yes" if n.in_liver else "no"),
        ("State", lambda n: n.state),
        ("Pattern", lambda n: n.pattern),
        ("Grade of this lesion, proposed", lambda n: n.grade),
        (f"Receptor scan {receptor}max ({unit})", lambda n: n.sstr_suv_max),
        (f"Receptor scan {receptor}peak of 1 ml ({unit})", lambda n: n.sstr_suv_peak),
        ("Receptor scan peak / normal liver mean", lambda n: n.sstr_ratio_to_liver),
        (f"FDG {fdg}max ({fdg_unit})", lambda n: n.fdg_suv_max),
        (f"FDG {fdg}peak of 1 ml ({fdg_unit})", lambda n: n.fdg_suv_peak),
        ("FDG peak / normal liver mean", lambda n: n.fdg_ratio_to_liver),
        ("FDG foci", lambda n: "; ".join(f"F{label}" for label in n.fdg_foci)),
        ("Why not assessed", lambda n: n.why_unknown),
        ("Why it may be physiological", lambda n: n.why_physiological),
        ("Centre towards left (mm)", lambda n: n.centroid_lps_mm[0]),
        ("Centre towards back (mm)", lambda n: n.centroid_lps_mm[1]),
        ("Centre towards head (mm)", lambda n: n.centroid_lps_mm[2]),
    ]


def netpet_csv(score: StudyScore) -> str:
    """One row per lesion or candidate on two tracers, in the format of `dotaliver.export.tables.lesions_csv`."""
    columns = _columns(score)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([*(heading for heading, _ in columns), "NETPET grade, proposed", "Study Instance UID", "Record"])
    for lesion in () if score.netpet is None else score.netpet.lesions:
        cells = [*(read(lesion) for _, read in columns), score.netpet.words if score.netpet else None]
        writer.writerow([cell(c) for c in (*cells, score.study.study_instance_uid, score.record_id)])
    return stream.getvalue()
