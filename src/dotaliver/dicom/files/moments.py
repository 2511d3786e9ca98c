"""Dates and times of DICOM elements (DA, TM, DT), and the one local time that those of a series are compared in.

Dates and times without an offset are local (PS3.5 6.2, PS3.3 C.12.1.1.6): their zone is Timezone Offset From UTC
(0008,0201) where it is present. A DT value may carry an offset of its own. It is converted to the zone of the series;
where the header does not tie the two together, it is refused, for dropping an offset of two hours changes SUV of 68Ga
by a factor of 3.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import element_name, text
from dotaliver.errors import AcquisitionError

__all__ = [
    "Moment",
    "combine",
    "days_apart",
    "in_zone",
    "parse_date",
    "parse_moment",
    "parse_time",
    "read_moment",
    "read_time",
    "stated_in_zone",
    "stated_zone",
    "zone_between",
]

_FIRST_YEAR = 1800
_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,6})\d*)?)?", re.ASCII)
_MOMENT = re.compile(r"(\d{8})(?:(\d{4}(?:\d{2}(?:[.,]\d+)?)?))?([+-]\d{4})?", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)
# Offsets from UTC run from -12:00 to +14:00, in quarters of an hour (PS3.5 6.2).
_LEAST_OFFSET, _MOST_OFFSET, _QUARTER = timedelta(hours=-12), timedelta(hours=14), timedelta(minutes=15)
_SAME_INSTANT = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Moment:
    """A DT value: its date, its time of day where it has one, and its offset from UTC where it has one."""

    day: date
    clock: time | None
    offset: timedelta | None

    @property
    def written(self) -> datetime | None:
        """Date and time as they are written, whatever the zone."""
        return combine(self.day, self.clock)


def parse_date(value: str | None) -> date | None:
    """A DICOM DA value (``YYYYMMDD``, the old ``YYYY.MM.DD`` too); None where it is not one."""
    match = _DATE.fullmatch(value or "")
    if match is None:
        return None
    try:
        found = date(*(int(part) for part in match.groups()))
    except ValueError:
        return None
    # A lone time such as 101112.13 looks like a date of long ago
    return found if found.year >= _FIRST_YEAR else None


def parse_time(value: str | None) -> time | None:
    """A DICOM TM value with hours and minutes at least (``HH:MM:SS`` too); None where it is not one."""
    match = _TIME.fullmatch(value or "")
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    try:
        # A leap second (60) counts as the second before it
        return time(int(hours), int(minutes), min(int(seconds or 0), 59), int((fraction or "0").ljust(6, "0")))
    except ValueError:
        return None


def parse_moment(value: str | None) -> Moment | None:
    """A DICOM DT value that holds a whole date at least; None where it is not one."""
    match = _MOMENT.fullmatch(value or "")
    if match is None:
        return None
    day, clock, offset = parse_date(match.group(1)), parse_time(match.group(2)), _offset(match.group(3))
    if day is None or (match.group(2) and clock is None) or (match.group(3) and offset is None):
        return None
    return Moment(day, clock, offset)


def _offset(value: str | None) -> timedelta | None:
    match = _OFFSET.fullmatch(value or "")
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    found = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return found if _LEAST_OFFSET <= found <= _MOST_OFFSET and int(minutes) < 60 else None


def read_time(dataset: Dataset, element: str | int) -> time | None:
    """Time of day in a TM element; None where it is absent or blank.

    Raises
    ------
    AcquisitionError
        Where the value is not a DICOM time; the text shows it.
    """
    value = text(dataset, element)
    found = parse_time(value)
    if value is not None and found is None:
        raise _malformed(element, value, "a DICOM time (HHMMSS)")
    return found


def read_moment(dataset: Dataset, element: str | int) -> Moment | None:
    """Date and time in a DT element; None where it is absent or blank.

    Raises
    ------
    AcquisitionError
        Where the value is not a DICOM date and time; the text shows it.
    """
    value = text(dataset, element)
    found = parse_moment(value)
    if value is not None and found is None:
        raise _malformed(element, value, "a DICOM date and time (YYYYMMDDHHMMSS)")
    return found


def _malformed(element: str | int, value: str, form: str) -> AcquisitionError:
    return AcquisitionError(f"{element_name(element)} is {value[:30]!r}, which is not {form}; correct it in the files")


def stated_zone(dataset: Dataset) -> timedelta | None:
    """Timezone Offset From UTC (0008,0201); None where it is absent.

    Raises
    ------
    AcquisitionError
        Where it is not an offset.
    """
    value = text(dataset, "TimezoneOffsetFromUTC")
    found = _offset(value)
    if value is not None and found is None:
        raise _malformed("TimezoneOffsetFromUTC", value, "an offset (+HHMM or -HHMM)")
    return found


def zone_between(moment: Moment | None, local: datetime | time | None) -> timedelta | None:
    """The zone in which a date and time with an offset and a local clock show the same instant; None where none does.

    A clock without a date leaves the zone open by whole days: the offset nearest to UTC is meant.
    """
    if moment is None or moment.offset is None or moment.written is None or local is None:
        return None
    utc = moment.written - moment.offset
    if isinstance(local, datetime):
        apart = local - utc
    else:
        apart = datetime.combine(utc.date(), local) - utc
        apart -= round(apart / _DAY) * _DAY
    quarters = round(apart / _QUARTER) * _QUARTER
    tied = abs(apart - quarters) <= _SAME_INSTANT and _LEAST_OFFSET <= quarters <= _MOST_OFFSET
    return quarters if tied else None


def in_zone(moment: Moment, zone: timedelta | None, element: str | int) -> datetime | None:
    """A DT value in the local time of its series; None where it holds no time of day.

    Raises
    ------
    AcquisitionError
        Where it has an offset from UTC and the zone of the series is not known.
    """
    if moment.written is None or moment.offset is None:
        return moment.written
    if zone is None:
        msg = (
            f"{element_name(element)} has an offset from UTC and the series does not say in which zone its other times "
            "are (Timezone Offset From UTC (0008,0201) is missing), so they cannot be compared; add that element"
        )
        raise AcquisitionError(msg)
    return moment.written - moment.offset + zone


def stated_in_zone(stated: datetime, zone: timedelta | None, option: str) -> datetime:
    """A time that the user gives, in the local time of the series.

    Raises
    ------
    AcquisitionError
        Where it has an offset from UTC and the zone of the series is not known.
    """
    if stated.tzinfo is None:
        return stated
    if zone is None:
        msg = f"{option} has an offset from UTC and the series does not say its own; give the scanner's local time"
        raise AcquisitionError(msg)
    return stated.astimezone(timezone(zone)).replace(tzinfo=None)


def combine(day: date | None, clock: time | None) -> datetime | None:
    """One instant from a date and a time; None where either is missing."""
    return None if day is None or clock is None else datetime.combine(day, clock)


def days_apart(one: datetime, other: datetime, tolerance_s: float = 1.0) -> int | None:
    """Whole days from `one` to `other` where both show the same clock time within a tolerance, else None."""
    gap = other - one
    days = round(gap / _DAY)
    return days if abs((gap - timedelta(days=days)).total_seconds()) <= tolerance_s else None
