"""A course as tables for people: one row per lesion and scan, and one row per scan."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dotaliver.export.tables import cell
from dotaliver.longitudinal.records import LesionUptake, PatientCourse, Reading, TimePoint, TrackedLesion
from dotaliver.longitudinal.uptake import relative_change

__all__ = ["ROLE_WORDS", "lesions_over_time_csv", "time_points_csv"]

ROLE_WORDS = {"target": "target", "non_target": "non-target", "new": "new", "earlier": "before baseline only"}
_SOURCES = {"ct": "CT", "click": "CT, by click", "pet": "PET", "reader": "reader", None: None}
_COMPARED = {"suv_peak": "SUVpeak", "volume_ml": "Volume", "total_uptake": "Total uptake"}
Cell = str | int | float | None
Columns = list[tuple[str, Cell]]


def _csv(rows: Sequence[Columns]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    if rows:
        writer.writerow([heading for heading, _ in rows[0]])
    for row in rows:
        writer.writerow([cell(value) for _, value in row])
    return stream.getvalue()


def _who(course: PatientCourse, reading: Reading, scan: int) -> Columns:
    key = reading.scans[scan]
    return [
        ("Subject", None if course.trial is None else course.trial.unique_subject_id),
        ("Evaluator", " ".join(part for part in (reading.evaluator.role, reading.evaluator.identifier) if part)),
        ("Accepted reading", {True: "yes", False: "no", None: None}[key.accepted]),
        ("Scan", scan + 1),
        ("Date", key.on.isoformat()),
        ("Visit", key.visit),
        ("Visit number", key.visit_number),
        ("Therapy since the scan before", None if key.cycle is None else key.cycle.upper()),
    ]


def _percent(change: float | None) -> float | None:
    return None if change is None else 100.0 * change


def lesions_over_time_csv(course: PatientCourse) -> str:
    """One row per lesion and scan from the one that first shows it; headings carry the units."""
    rows = []
    for reading in course.readings:
        for lesion in reading.lesions:
            for appearance in lesion.track.appearances:
                rows.append(_lesion_row(course, reading, lesion, appearance.scan))
    return _csv(rows)


def _at(lesion: TrackedLesion, scan: int) -> LesionUptake | None:
    return next((found for found in lesion.uptake if found.scan == scan), None)


def _lesion_row(course: PatientCourse, reading: Reading, lesion: TrackedLesion, scan: int) -> Columns:
    appearance = lesion.track.on(scan)
    assert appearance is not None
    found, first = _at(lesion, scan), _at(lesion, reading.baseline)
    point = next((p for p in reading.time_points if p.scan == scan), None)
    size = None if point is None else next((s for s in point.sizes if s.lesion == lesion.lesion), None)
    state = None if point is None else point.non_target_states.get(lesion.lesion)
    reason = lesion.role_reason if size is None or size.reason is None else size.reason
    return [
        *_who(course, reading, scan),
        ("Lesion", lesion.lesion),
        ("Part in the response", ROLE_WORDS[lesion.role]),
        ("Organ", lesion.organ.lower()),
        ("Lymph node", "yes" if lesion.node else "no"),
        ("Seen as", appearance.state),
        ("Labels in the scan's record", " ".join(map(str, appearance.labels))),
        ("Merged into", appearance.merged_into),
        ("Identity by", appearance.by),
        ("Identity sure (%)", round(100 * appearance.confidence, 1)),
        ("Longest diameter (mm)", _of(found, "longest_mm")),
        ("Short axis (mm)", _of(found, "short_mm")),
        ("Diameter from", _source(found)),
        ("Counted in the sum (mm)", None if size is None else size.counted_mm(course.config)),
        ("State", (size and size.status.replace("_", " ")) or (state and state.replace("_", " "))),
        ("Extent on PET (mm)", _of(found, "pet_extent_mm")),
        ("SUVpeak", _of(found, "suv_peak")),
        ("Volume (ml)", _of(found, "volume_ml")),
        ("Total uptake (SUV x ml)", _of(found, "total_uptake")),
        *((f"{word} against baseline (%)", _change(_of(first, n), _of(found, n))) for n, word in _COMPARED.items()),
        ("Why", reason),
    ]


def _source(found: LesionUptake | None) -> str | None:
    if found is None:
        return None
    if found.modality == "MR" and found.source in {"reader", "click"}:
        return "reader, on MR" if found.source == "reader" else "MR, by click"
    return _SOURCES[found.source]


def _of(found: LesionUptake | None, name: str) -> float | None:
    """One measurement of a lesion on a scan; None where it is not there."""
    value: float | None = getattr(found, name, None)
    return value


def _change(before: float | None, now: float | None) -> float | None:
    return _percent(relative_change(before, now))


def time_points_csv(course: PatientCourse) -> str:
    """One row per scan from baseline on."""
    return _csv([_point_row(course, reading, point) for reading in course.readings for point in reading.time_points])


def _point_row(course: PatientCourse, reading: Reading, point: TimePoint) -> Columns:
    uptake, targets = reading.uptake[point.scan], point.targets
    base = reading.uptake[reading.baseline]
    return [
        *_who(course, reading, point.scan),
        ("Sum of target diameters (mm)", targets.sum_mm),
        ("Nadir before (mm)", targets.nadir_mm),
        ("Against baseline (%)", _percent(targets.change_from_baseline)),
        ("Against nadir (%)", _percent(targets.change_from_nadir)),
        ("Against nadir (mm)", targets.change_from_nadir_mm),
        ("Target response", targets.response),
        ("Within reader variation", "yes" if targets.within_noise else "no"),
        ("Could also be", " ".join(targets.could_be)),
        ("Non-target response", point.non_targets.response),
        ("New lesion", point.new_lesion),
        ("New lesions", " ".join(point.new_lesions)),
        ("Overall response", None if point.overall is None else point.overall.response),
        ("Lesions on PET", uptake.lesions),
        ("Highest SUVpeak", uptake.suv_peak_highest),
        ("Tumour on PET (ml)", uptake.tumour_ml),
        ("Total uptake (SUV x ml)", uptake.total_uptake),
        ("Burden of the liver (%)", _percent(uptake.burden)),
        ("Tumour volume against baseline (%)", _change(base.tumour_ml, uptake.tumour_ml)),
        ("Total uptake against baseline (%)", _change(base.total_uptake, uptake.total_uptake)),
        ("Why (targets)", targets.reason),
        ("Why (non-targets)", point.non_targets.reason),
        ("Why (new lesions)", point.new_lesion_reason),
        ("Why (overall)", None if point.overall is None else point.overall.reason),
    ]
