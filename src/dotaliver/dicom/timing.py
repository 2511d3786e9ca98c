"""When: injection, scan and decay reference, from public and private elements; reading alone, no decay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from dotaliver.dicom.elements import combine, days_apart, number, parse_date, parse_datetime, parse_time, text
from dotaliver.dicom.headers import SeriesHeaders
from dotaliver.dicom.tracer import radiopharmaceutical
from dotaliver.suv import FrameTiming

__all__ = [
    "Injection",
    "PrivateReference",
    "acquired_at",
    "frames_of",
    "injection_of",
    "private_reference_of",
    "scan_start",
    "series_time",
]

# A vendor's stamp of the scan's start may lie this long after the first Acquisition Time (clocks of two computers).
_CLOCK_TOLERANCE = timedelta(seconds=60)
_GE_SCAN, _GE_ADMINISTERED = 0x0009100D, 0x0009103B
_SIEMENS_SCAN = 0x00711022


@dataclass(frozen=True)
class Injection:
    """When the tracer was given, which elements say so, and whether its date had to be assumed."""

    instant: datetime
    source: str
    date_assumed: bool


@dataclass(frozen=True)
class PrivateReference:
    """The vendor's stamp of the decay reference; `instant` is None where it fits no public time."""

    vendor: str
    source: str
    instant: datetime | None


def _scan_date(dataset: Any) -> date | None:
    for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        found = parse_date(text(dataset, keyword))
        if found is not None:
            return found
    return None


def acquired_at(dataset: Any) -> datetime | None:
    """When one slice was acquired: Acquisition Date and Time, else Acquisition DateTime (0008,002A)."""
    clock = parse_time(text(dataset, "AcquisitionTime"))
    return combine(_scan_date(dataset), clock) or parse_datetime(text(dataset, "AcquisitionDateTime"))


def series_time(dataset: Any) -> datetime | None:
    """Series Date and Time."""
    day = parse_date(text(dataset, "SeriesDate")) or parse_date(text(dataset, "StudyDate"))
    return combine(day, parse_time(text(dataset, "SeriesTime")))


def scan_start(series: SeriesHeaders) -> datetime | None:
    """The earliest acquisition among the slices, else the series' own time.

    A series' slices belong to several bed positions, so any single file's time is arbitrary.
    """
    times = [t for t in (acquired_at(part.dataset) for part in series.slices) if t is not None]
    return min(times) if times else series_time(series.first)


def frames_of(series: SeriesHeaders) -> tuple[FrameTiming | None, ...]:
    """Timing of each slice in the order given; None where a slice does not say when it was acquired.

    Durations and reference times are stored in ms; 0 counts as missing for the first (PS3.3 C.8.9.4).
    """
    return tuple(_frame(part.dataset) for part in series.slices)


def _frame(dataset: Any) -> FrameTiming | None:
    instant = acquired_at(dataset)
    if instant is None:
        return None
    duration_ms = number(dataset, "ActualFrameDuration")
    reference_ms = number(dataset, "FrameReferenceTime")
    return FrameTiming(
        acquisition=instant,
        duration_s=duration_ms / 1000.0 if duration_ms is not None and duration_ms > 0 else None,
        reference_s=None if reference_ms is None else reference_ms / 1000.0,
    )


def injection_of(series: SeriesHeaders) -> Injection | None:
    """When the tracer was given; None where neither element says so.

    Radiopharmaceutical Start DateTime (0018,1078) holds a date and counts first. Start Time (0018,1072) holds none
    (59 % of series have only this one): on the day of the scan where that lies before it, which is how scans are
    made; otherwise on the day before, and then the date is an assumption.
    """
    item = radiopharmaceutical(series.first)
    if item is None:
        return None
    full = parse_datetime(text(item, "RadiopharmaceuticalStartDateTime"))
    if full is not None:
        return Injection(full, "Radiopharmaceutical Start DateTime (0018,1078)", date_assumed=False)
    clock = parse_time(text(item, "RadiopharmaceuticalStartTime"))
    scan = scan_start(series)
    if clock is None or scan is None:
        return None
    source = "Radiopharmaceutical Start Time (0018,1072) on the date of the scan"
    instant = datetime.combine(scan.date(), clock)
    if instant <= scan:
        return Injection(instant, source, date_assumed=False)
    return Injection(instant - timedelta(days=1), f"{source} less one day", date_assumed=True)


def private_reference_of(series: SeriesHeaders, injection: datetime) -> PrivateReference | None:
    """The vendor's own stamp of the instant that voxels are decay corrected to; None where there is none.

    GE writes (0009,100D), Siemens (0071,1022). A de-identifier that shifts dates may have missed them, so all
    private stamps are moved by the whole number of days between a private and a public stamp of the same instant
    (equal clock times within 1 s: the scan with Series or Acquisition Time, GE's administration with the injection).
    Where none pairs, a stamp that lies between injection and first acquisition is taken as it stands; any other is
    left out.
    """
    for element, vendor, owner in (
        (_GE_SCAN, "GE", "GEMS_PETD_01"),
        (_SIEMENS_SCAN, "Siemens", "SIEMENS MED PT"),
    ):
        stamp = parse_datetime(text(series.first, element))
        creator = text(series.first, (element & 0xFFFF0000) | 0x10)
        if stamp is None or creator not in {None, owner}:
            continue
        group, number_ = element >> 16, element & 0xFFFF
        source = f"{vendor}'s private scan time ({group:04X},{number_:04X})"
        shifted = _shifted(series, stamp, injection, vendor)
        if shifted is not None and shifted != stamp:
            source += f" moved by {(shifted - stamp).days:+d} days onto the public dates"
        return PrivateReference(vendor, source, shifted)
    return None


def _shifted(series: SeriesHeaders, stamp: datetime, injection: datetime, vendor: str) -> datetime | None:
    scan = scan_start(series)
    pairs = [(stamp, public) for public in (series_time(series.first), scan) if public is not None]
    if vendor == "GE":
        given = parse_datetime(text(series.first, _GE_ADMINISTERED))
        if given is not None:
            pairs.append((given, injection))
    shifts = {days for days in (days_apart(private, public) for private, public in pairs) if days is not None}
    if len(shifts) > 1:
        return None
    moved = stamp + timedelta(days=shifts.pop() if shifts else 0)
    fits = injection <= moved and (scan is None or moved <= scan + _CLOCK_TOLERANCE)
    return moved if fits else None
