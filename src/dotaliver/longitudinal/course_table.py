"""A course as a table: response, sums and changes of each scan, then what it shows of each lesion."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.config.criteria import RecistConfig
from dotaliver.longitudinal.pair_response import percent
from dotaliver.longitudinal.pair_rows import size_words
from dotaliver.longitudinal.records import Reading, TimePoint, TrackedLesion

__all__ = ["CourseRow", "CourseTable", "course_table"]

_NOTHING = "–"
_ROLE_WORDS = {"target": "target", "non_target": "", "new": "new", "earlier": ""}


@dataclass(frozen=True)
class CourseRow:
    """One row: a lesion, or a figure of the response."""

    heading: str
    cells: tuple[str, ...]
    why: tuple[str, ...] = ()
    """For each cell the sentence behind it."""
    is_lesion: bool = False
    is_response: bool = False


@dataclass(frozen=True)
class CourseTable:
    """The rows, each with a cell for every scan in time order."""

    rows: tuple[CourseRow, ...]


def course_table(reading: Reading, config: RecistConfig) -> CourseTable:
    """The course with the arithmetic that RECIST 1.1 (Eisenhauer 2009, sections 4.3.1 and 4.3.2) asks for.

    Sizes are decisive diameters in mm, in brackets the extent on PET, which is none. The change is that of the sum of
    the targets since baseline, and since the smallest sum before (the nadir).
    """
    lesions = tuple(_lesion_row(reading, lesion, config) for lesion in reading.lesions)
    points = {point.scan: point for point in reading.time_points}
    found = [points.get(scan) for scan in range(len(reading.scans))]
    return CourseTable((*_figures(found), *lesions))


def _lesion_row(reading: Reading, lesion: TrackedLesion, config: RecistConfig) -> CourseRow:
    role = _ROLE_WORDS[lesion.role]
    cells = tuple(_cell(reading, lesion, scan, config) for scan in range(len(reading.scans)))
    return CourseRow(f"{lesion.lesion} {role}".rstrip(), cells, is_lesion=True)


def _cell(reading: Reading, lesion: TrackedLesion, scan: int, config: RecistConfig) -> str:
    if scan < lesion.track.first:
        return ""
    words = size_words(reading, lesion, scan, config)
    appearance = lesion.track.on(scan)
    if words != _NOTHING or appearance is None:
        return words
    return {"vanished": "not found", "merged": f"in {appearance.merged_into}"}.get(appearance.state, words)


def _figures(points: list[TimePoint | None]) -> tuple[CourseRow, ...]:
    targets = [None if point is None else point.targets for point in points]
    sums = tuple("" if one is None or one.sum_mm is None else f"{one.sum_mm:.1f}" for one in targets)
    since_baseline = tuple(
        "" if one is None or one.change_from_baseline is None else percent(one.change_from_baseline, 1)
        for one in targets
    )
    since_nadir = tuple(
        ""
        if one is None or one.change_from_nadir is None or one.change_from_nadir_mm is None
        else f"{percent(one.change_from_nadir, 1)} ({one.change_from_nadir_mm:+.1f} mm)".replace("-", "−")
        for one in targets
    )
    reasons = tuple("" if one is None else one.reason for one in targets)
    new = tuple("" if point is None else ", ".join(point.new_lesions) for point in points)
    overall = [None if point is None else point.overall for point in points]
    responses = tuple("" if one is None else one.response for one in overall)
    why = tuple("" if one is None else one.reason for one in overall)
    return (
        CourseRow("Response", responses, why, is_response=True),
        CourseRow("Sum (mm)", sums, reasons),
        CourseRow("Since baseline", since_baseline, reasons),
        CourseRow("Since nadir", since_nadir, reasons),
        CourseRow("New lesions", new, tuple("" if point is None else point.new_lesion_reason for point in points)),
    )
