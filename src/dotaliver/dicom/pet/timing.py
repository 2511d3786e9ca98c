"""When: injection, scan and decay reference, from public and private elements; reading alone, no decay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import element_name, number, private_element, text
from dotaliver.dicom.files.moments import (
    Moment,
    combine,
    days_apart,
    in_zone,
    parse_date,
    parse_moment,
    parse_time,
    read_moment,
    read_time,
    stated_in_zone,
    stated_zone,
    zone_between,
)
from dotaliver.dicom.files.series_headers import SeriesHeaders
from dotaliver.dicom.pet.tracer import radiopharmaceutical
from dotaliver.errors import AcquisitionError
from dotaliver.suv.decay import FrameTiming

__all__ = [
    "Injection",
    "PrivateReference",
    "acquired_at",
    "corrected_to",
    "frames_of",
    "injection_of",
    "invalid_dates",
    "private_reference_of",
    "scan_start",
    "series_time",
    "zone_of",
]

# A vendor's stamp of the scan's start may lie this long after the first Acquisition Time (clocks of two computers).
_CLOCK_TOLERANCE = timedelta(seconds=60)
_GE, _GE_SCAN, _GE_ADMINISTERED = "GEMS_PETD_01", 0x0D, 0x3B
_SIEMENS, _SIEMENS_SCAN = "SIEMENS MED PT", 0x22
# A day that is only assumed must leave the scan this near to its injection, in half-lives.
_NEAR_HALF_LIVES = 3.0
# Above this half-life (64Cu has 12.7 h) a tracer is imaged on later days too, and from two half-lives a day on always.
_SAME_DAY_S, _DAYS_S = 41_400.0, 86_400.0


@dataclass(frozen=True)
class Injection:
    """When the tracer was given, which elements say so, and what makes that doubtful.

    `doubt` is the code of the flag that an assumed date raises; `other_clock` the instant by Start Time where that
    differs from Start DateTime.
    """

    instant: datetime
    source: str
    doubt: str | None = None
    other_clock: datetime | None = None
    stated: bool = False


@dataclass(frozen=True)
class PrivateReference:
    """The vendor's stamp of the decay reference; `instant` is None where it fits no public time."""

    vendor: str
    source: str
    instant: datetime | None


def _scan_date(dataset: Dataset) -> date | None:
    for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        found = parse_date(text(dataset, keyword))
        if found is not None:
            return found
    return None


def invalid_dates(series: SeriesHeaders) -> tuple[str, ...]:
    """Names of the date elements that hold something else than a date in any slice."""
    return tuple(
        element_name(keyword)
        for keyword in ("PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate")
        if any(values and parse_date(values[0]) is None for values in series.distinct(keyword))
    )


def zone_of(series: SeriesHeaders) -> timedelta | None:
    """The zone that the local times of a series are in; None where its headers do not say.

    By Timezone Offset From UTC (0008,0201), else by two elements that show one instant, with an offset and without:
    Acquisition DateTime (0008,002A) with Acquisition Date and Time, or Radiopharmaceutical Start DateTime
    (0018,1078) with Start Time (0018,1072).

    Raises
    ------
    AcquisitionError
        Where slices, or these two pairs, contradict each other.
    """
    stated = {stated_zone(part.dataset) for part in series.slices}
    if len(stated) > 1:
        msg = f"{series.name}: {element_name('TimezoneOffsetFromUTC')} differs between slices; export the series again"
        raise AcquisitionError(msg)
    zone = stated.pop()
    if zone is not None:
        return zone
    data, item = series.first, radiopharmaceutical(series.first)
    acquired = zone_between(
        parse_moment(text(data, "AcquisitionDateTime")),
        combine(_scan_date(data), parse_time(text(data, "AcquisitionTime"))),
    )
    given = None
    if item is not None:
        given = zone_between(
            parse_moment(text(item, "RadiopharmaceuticalStartDateTime")),
            parse_time(text(item, "RadiopharmaceuticalStartTime")),
        )
    if acquired is not None and given is not None and acquired != given:
        msg = (
            f"{series.name}: the offsets from UTC of Acquisition DateTime (0008,002A) and Radiopharmaceutical Start "
            "DateTime (0018,1078) contradict each other; correct them in the files or give --injection"
        )
        raise AcquisitionError(msg)
    return acquired if acquired is not None else given


def acquired_at(dataset: Dataset, zone: timedelta | None = None) -> datetime | None:
    """When one slice was acquired: Acquisition Date and Time, else Acquisition DateTime (0008,002A).

    Parameters
    ----------
    zone : timedelta, optional
        Of the series, as `zone_of`.

    Raises
    ------
    AcquisitionError
        Where a time is malformed, or has an offset from UTC that nothing ties to the series' other times.
    """
    found = combine(_scan_date(dataset), read_time(dataset, "AcquisitionTime"))
    if found is not None:
        return found
    moment = read_moment(dataset, "AcquisitionDateTime")
    return None if moment is None else in_zone(moment, zone, "AcquisitionDateTime")


def series_time(dataset: Dataset) -> datetime | None:
    """Series Date and Time."""
    day = parse_date(text(dataset, "SeriesDate")) or parse_date(text(dataset, "StudyDate"))
    return combine(day, read_time(dataset, "SeriesTime"))


def scan_start(series: SeriesHeaders) -> datetime | None:
    """The earliest acquisition among the slices, else the series' own time.

    A series' slices belong to several bed positions, so any single file's time is arbitrary.
    """
    zone = zone_of(series)
    times = [t for t in (acquired_at(part.dataset, zone) for part in series.slices) if t is not None]
    return min(times) if times else series_time(series.first)


def frames_of(series: SeriesHeaders) -> tuple[FrameTiming | None, ...]:
    """Timing of each slice in the order given; None where a slice does not say when it was acquired.

    Durations and reference times are stored in ms; 0 counts as missing for the first (PS3.3 C.8.9.4).
    """
    zone = zone_of(series)
    return tuple(_frame(part.dataset, zone) for part in series.slices)


def _frame(dataset: Dataset, zone: timedelta | None) -> FrameTiming | None:
    instant = acquired_at(dataset, zone)
    if instant is None:
        return None
    duration_ms = number(dataset, "ActualFrameDuration")
    reference_ms = number(dataset, "FrameReferenceTime")
    return FrameTiming(
        acquisition=instant,
        duration_s=duration_ms / 1000.0 if duration_ms is not None and duration_ms > 0 else None,
        reference_s=None if reference_ms is None else reference_ms / 1000.0,
    )


def injection_of(
    series: SeriesHeaders, half_life_s: float | None = None, stated: datetime | None = None
) -> Injection | None:
    """When the tracer was given; None where no element says so.

    Radiopharmaceutical Start DateTime (0018,1078) holds a date and counts first; a date alone is combined with the time
    of Start Time (0018,1072). That one holds no date (59 % of series have only this one): on the day of the scan where
    it lies before it, which is how scans are made; otherwise on the day before, and then the date is an assumption.
    A Start DateTime after the scan whose clock time lies shortly before the scan on the day before was given the
    wrong date over midnight, and is an assumption too.

    Parameters
    ----------
    half_life_s : float, optional
        With it, an assumed date must be near the scan.
    stated : datetime, optional
        What the user states in place of the files.

    Raises
    ------
    AcquisitionError
        Where only a time is known of a tracer that is imaged days after its injection, a time is malformed, or an
        offset from UTC is not tied to the series' other times or contradicts Start Time.
    """
    zone = zone_of(series)
    if stated is not None:
        return Injection(stated_in_zone(stated, zone, "--injection"), "given by the user (--injection)", stated=True)
    item = radiopharmaceutical(series.first)
    if item is None:
        return None
    scan = scan_start(series)
    value, clock = text(item, _START), read_time(item, "RadiopharmaceuticalStartTime")
    moment = None
    if parse_time(value) is not None and parse_moment(value) is None:
        # A time where a date and time belong
        clock = clock or parse_time(value)
    else:
        moment = read_moment(item, _START)
    if moment is None:
        full = None
    elif moment.clock is None:
        full = combine(moment.day, clock)
    else:
        full = _start_in_zone(moment, clock, zone)
    if full is not None:
        return _dated(full, clock, scan, half_life_s)
    if clock is None or scan is None:
        return None
    return _undated(clock, scan, half_life_s)


_START = "RadiopharmaceuticalStartDateTime"


def _start_in_zone(moment: Moment, clock: time | None, zone: timedelta | None) -> datetime | None:
    """Start DateTime in local time; refused where Start Time says that its offset cannot be right."""
    full = in_zone(moment, zone, _START)
    by_clock = zone_between(moment, clock)
    if moment.offset is not None and by_clock is not None and zone is not None and by_clock != zone:
        msg = (
            f"{element_name(_START)} with its offset from UTC is {full:%H:%M:%S} in local time and Start Time "
            f"(0018,1072) is {clock:%H:%M:%S}, so the offset contradicts the clock; give --injection"
        )
        raise AcquisitionError(msg)
    return full


def _dated(full: datetime, clock: time | None, scan: datetime | None, half_life_s: float | None) -> Injection:
    source = "Radiopharmaceutical Start DateTime (0018,1078)"
    other = combine(full.date(), clock)
    if scan is not None and half_life_s is not None and full > scan:
        before = _last_before(full.time(), scan)
        if (scan - before).total_seconds() <= _NEAR_HALF_LIVES * half_life_s:
            return Injection(before, f"{source}, put before the scan", doubt="INJECTION_DATE_CONTRADICTS")
    return Injection(full, source, other_clock=None if other == full else other)


def _undated(clock: time, scan: datetime, half_life_s: float | None) -> Injection:
    source = "Radiopharmaceutical Start Time (0018,1072) on the date of the scan"
    instant = _last_before(clock, scan)
    if half_life_s is not None and half_life_s > _DAYS_S:
        msg = (
            "Radiopharmaceutical Start Time (0018,1072) has no date, and the tracer is imaged days after its "
            "injection, so the day is unknown; give --injection"
        )
        raise AcquisitionError(msg)
    if half_life_s is not None and half_life_s > _SAME_DAY_S:
        return Injection(instant, source, doubt="INJECTION_DATE_UNSURE")
    if instant.date() == scan.date():
        return Injection(instant, source)
    return Injection(instant, f"{source} less one day", doubt="INJECTION_DATE_ASSUMED")


def _last_before(clock: time, scan: datetime) -> datetime:
    """The last instant with this clock time that is not after the scan."""
    instant = datetime.combine(scan.date(), clock)
    return instant if instant <= scan else instant - timedelta(days=1)


def corrected_to(series: SeriesHeaders) -> datetime | None:
    """Decay Correction DateTime (0018,9701) of enhanced PET, which states the reference itself (PS3.3 C.8.22.5)."""
    moment = read_moment(series.first, "DecayCorrectionDateTime")
    return None if moment is None else in_zone(moment, zone_of(series), "DecayCorrectionDateTime")


def private_reference_of(series: SeriesHeaders, injection: datetime) -> PrivateReference | None:
    """The vendor's own stamp of the instant that voxels are decay corrected to; None where there is none.

    GE writes (0009,100D), Siemens (0071,1022). A de-identifier that shifts dates may have missed them, so all
    private stamps are moved by the whole number of days between a private and a public stamp of the same instant
    (equal clock times within 1 s: the scan with Series or Acquisition Time, GE's administration with the injection).
    Where none pairs, a stamp that lies between injection and first acquisition is taken unchanged; any other is
    left out, and so is one whose offset from UTC nothing ties to the series' other times.
    """
    zone = zone_of(series)
    for group, offset, vendor, owner in (
        (0x0009, _GE_SCAN, "GE", _GE),
        (0x0071, _SIEMENS_SCAN, "Siemens", _SIEMENS),
    ):
        element = private_element(series.first, group, owner, offset)
        moment = None if element is None else parse_moment(text(series.first, element))
        if moment is None or moment.written is None or element is None:
            continue
        source = f"{vendor}'s private scan time ({group:04X},{element & 0xFFFF:04X})"
        stamp = _private_stamp(moment, zone)
        shifted = None if stamp is None else _shifted(series, stamp, injection, vendor, zone)
        if stamp is not None and shifted is not None and shifted != stamp:
            source += f" moved by {(shifted - stamp).days:+d} days onto the public dates"
        return PrivateReference(vendor, source, shifted)
    return None


def _private_stamp(moment: Moment, zone: timedelta | None) -> datetime | None:
    """A private date and time in local time; None where its offset from UTC is not tied to it."""
    if moment.offset is None or moment.written is None:
        return moment.written
    return None if zone is None else moment.written - moment.offset + zone


def _shifted(
    series: SeriesHeaders, stamp: datetime, injection: datetime, vendor: str, zone: timedelta | None
) -> datetime | None:
    scan = scan_start(series)
    pairs = [(stamp, public) for public in (series_time(series.first), scan) if public is not None]
    if vendor == "GE":
        element = private_element(series.first, 0x0009, _GE, _GE_ADMINISTERED)
        moment = None if element is None else parse_moment(text(series.first, element))
        given = None if moment is None else _private_stamp(moment, zone)
        if given is not None:
            pairs.append((given, injection))
    shifts = {days for days in (days_apart(private, public) for private, public in pairs) if days is not None}
    if len(shifts) > 1:
        return None
    moved = stamp + timedelta(days=shifts.pop() if shifts else 0)
    fits = injection <= moved and (scan is None or moved <= scan + _CLOCK_TOLERANCE)
    return moved if fits else None
