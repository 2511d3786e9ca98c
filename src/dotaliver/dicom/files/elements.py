"""Reading single DICOM elements: text, numbers, dates and times, with errors that name the element.

Values are converted only when they are asked for, so a damaged element fails where it is needed and nowhere else.
pydicom's warnings on odd values are silenced here, around the reading, and nowhere globally.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.tag import Tag

from dotaliver.errors import AcquisitionError

__all__ = [
    "PRIVATE_BLOCKS",
    "element_name",
    "first_item",
    "joined",
    "naming",
    "number",
    "numbers",
    "parse_date",
    "parse_datetime",
    "parse_time",
    "private_element",
    "quiet",
    "text",
    "texts",
    "whole",
]

# Blocks that a private creator may reserve; files with more than a few creators in one group are not known.
PRIVATE_BLOCKS = range(0x10, 0x20)
_FIRST_YEAR = 1800
# Representations whose text does not depend on the character set, nor on other elements.
_PLAIN = frozenset({"CS", "DA", "DS", "DT", "IS", "TM", "UI", "US"})
_SHORT = 128
_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,6})\d*)?)?")
_DATETIME = re.compile(r"(\d{8})(\d{4,6}(?:\.\d+)?)(?:[+-]\d{4})?")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's warnings on values that the standard does not allow but scanners write."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def naming(series: str) -> Iterator[None]:
    """Let an error about an element also name the series that it stands in."""
    try:
        yield
    except AcquisitionError as error:
        if series in str(error):
            raise
        msg = f"{series}: {error}"
        raise AcquisitionError(msg) from error


def element_name(element: str | int) -> str:
    """Name and tag of an element, as in "Patient's Weight (0010,1030)"; a private one by its tag alone."""
    number_ = tag_for_keyword(element) if isinstance(element, str) else element
    if number_ is None:
        return str(element)
    tag = Tag(number_)
    place = f"({tag.group:04X},{tag.element:04X})"
    return place if tag.is_private else f"{dictionary_description(tag)} {place}"


@contextmanager
def _naming_unreadable(element: str | int) -> Iterator[None]:
    with quiet():
        try:
            yield
        except Exception as error:
            # pydicom raises many types for values that cannot be what their VR says
            msg = f"{element_name(element)} cannot be read; correct it in the files"
            raise AcquisitionError(msg) from error


def _raw(dataset: Any, element: str | int) -> Any:
    with _naming_unreadable(element):
        found = dataset.get(_tag(element))
        return None if found is None else found.value


def texts(dataset: Any, element: str | int) -> tuple[str, ...]:
    """All values of an element as text, stripped, without empty ones."""
    tag = _tag(element)
    stored = dataset.get_item(tag) if tag is not None and tag in dataset else None
    if isinstance(stored, RawDataElement) and stored.VR in _PLAIN and 0 < len(stored.value or b"") <= _SHORT:
        return _texts_of(tag, stored.VR, stored.value, stored.is_little_endian)
    return _stripped(_raw(dataset, element))


@lru_cache(maxsize=1024)
def _tag(element: str | int) -> int | None:
    return tag_for_keyword(element) if isinstance(element, str) else element


@lru_cache(maxsize=4096)
def _texts_of(tag: int, vr: str, value: bytes, little_endian: bool) -> tuple[str, ...]:
    """Values by their bytes: the slices of a series repeat most of them, and pydicom converts each anew."""
    raw = RawDataElement(Tag(tag), vr, len(value), value, 0, False, little_endian)
    with _naming_unreadable(tag):
        return _stripped(convert_raw_data_element(raw).value)


def _stripped(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, bytes):
        value = value.decode("latin-1").rstrip("\0").split("\\")
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    stripped = (str(v).strip().strip("\0").strip() for v in values if v is not None)
    return tuple(v for v in stripped if v)


def text(dataset: Any, element: str | int) -> str | None:
    """The first value of an element as text; None where it is absent or blank."""
    return next(iter(texts(dataset, element)), None)


def joined(dataset: Any, element: str | int) -> str | None:
    """All values of an element as one text: a description that holds a backslash was split by mistake."""
    return " ".join(texts(dataset, element)) or None


def numbers(dataset: Any, element: str | int) -> tuple[float, ...] | None:
    """All values of an element as numbers; None where it is absent or blank.

    Raises
    ------
    AcquisitionError
        Where a value is no finite number; the text names the element.
    """
    values = texts(dataset, element)
    if not values:
        return None
    try:
        result = tuple(float(v) for v in values)
    except ValueError:
        result = (math.nan,)
    if not all(math.isfinite(v) for v in result):
        msg = f"{element_name(element)} holds {values[0][:20]!r}, which is no number; correct it in the files"
        raise AcquisitionError(msg)
    return result


def number(dataset: Any, element: str | int) -> float | None:
    """The first value of an element as a number; None where it is absent or blank."""
    values = numbers(dataset, element)
    return None if values is None else values[0]


def whole(dataset: Any, element: str | int) -> int | None:
    """The first value of an element as a whole number; None where it is absent or blank."""
    value = number(dataset, element)
    return None if value is None else round(value)


def private_element(dataset: Any, group: int, creator: str, offset: int) -> int | None:
    """Tag of a private element, in whichever block its creator reserved (PS3.5 7.8.1); None where it reserved none.

    Where a group names no creator at all (de-identifiers take them out), the first block is taken.
    """
    named = {block: text(dataset, (group << 16) | block) for block in PRIVATE_BLOCKS}
    found = [block for block, name in named.items() if name is not None and name.upper() == creator.upper()]
    if not found and any(name is not None for name in named.values()):
        return None
    return (group << 16) | ((found[0] if found else PRIVATE_BLOCKS[0]) << 8) | offset


def first_item(dataset: Any, element: str | int) -> Any | None:
    """The first item of a sequence; None where the sequence is absent or empty."""
    value = _raw(dataset, element)
    if not value or isinstance(value, str | bytes):
        return None
    item = value[0]
    return item if hasattr(item, "get") else None


def parse_date(value: str | None) -> date | None:
    """A DICOM DA value (``YYYYMMDD``, the old ``YYYY.MM.DD`` too); None where it is none."""
    match = _DATE.match(value or "")
    if match is None:
        return None
    try:
        found = date(*(int(part) for part in match.groups()))
        # A lone time such as 101112.13 looks like a date of long ago.
        return found if found.year >= _FIRST_YEAR else None
    except ValueError:
        return None


def parse_time(value: str | None) -> time | None:
    """A DICOM TM value with hours and minutes at least; None where it is none."""
    match = _TIME.match(value or "")
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    try:
        # A leap second (60) counts as the second before it.
        whole_seconds = min(int(seconds or 0), 59)
        return time(int(hours), int(minutes), whole_seconds, int((fraction or "0").ljust(6, "0")))
    except ValueError:
        return None


def parse_datetime(value: str | None) -> datetime | None:
    """A DICOM DT value that holds a date and a time, in local time; None where it holds less.

    An offset from UTC is dropped: it says where the local time holds, and all other times of the file are local.
    """
    match = _DATETIME.match(value or "")
    if match is None:
        return None
    day, clock = parse_date(match.group(1)), parse_time(match.group(2))
    return None if day is None or clock is None else datetime.combine(day, clock)


def combine(day: date | None, clock: time | None) -> datetime | None:
    """One instant from a date and a time; None where either is missing."""
    return None if day is None or clock is None else datetime.combine(day, clock)


def days_apart(one: datetime, other: datetime, tolerance_s: float = 1.0) -> int | None:
    """Whole days from `one` to `other` where both show the same clock time within a tolerance, else None."""
    gap = other - one
    days = round(gap / timedelta(days=1))
    return days if abs((gap - timedelta(days=days)).total_seconds()) <= tolerance_s else None
