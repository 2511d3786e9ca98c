"""Reading single DICOM elements: text and numbers, with errors that name the element (dates and times: `moments`).

Values are converted only when they are asked for, so a damaged element fails where it is needed and nowhere else.
pydicom's warnings on odd values are silenced here, around the reading, and nowhere globally.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dotaliver.errors import AcquisitionError

__all__ = [
    "PRIVATE_BLOCKS",
    "element_name",
    "exactly",
    "first_item",
    "items",
    "joined",
    "naming",
    "number",
    "numbers",
    "private_element",
    "quiet",
    "spaced",
    "stored_element",
    "text",
    "texts",
    "whole",
]

# Blocks that a private creator may reserve; files with more than a few creators in one group are not known.
PRIVATE_BLOCKS = range(0x10, 0x20)
# Representations whose text does not depend on the character set, nor on other elements.
_PLAIN = frozenset({"CS", "DA", "DS", "DT", "IS", "TM", "UI", "US"})
_SHORT = 128


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's warnings on values that the standard does not allow but scanners write."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def naming(series: str) -> Iterator[None]:
    """Make an error about an element name its series too."""
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
            raise _unreadable(element) from error


def _unreadable(element: str | int) -> AcquisitionError:
    return AcquisitionError(f"{element_name(element)} cannot be read; correct it in the files")


def _raw(dataset: Dataset, element: str | int) -> object:
    with _naming_unreadable(element):
        tag = _tag(element)
        found = None if tag is None else dataset.get(tag)
        return None if found is None else found.value


def stored_element(dataset: Dataset, element: str | int) -> DataElement | RawDataElement | None:
    """An element as it lies in the data set, perhaps with its bytes not yet converted; None where it is absent."""
    return dataset.get_item(element) if element in dataset else None


def texts(dataset: Dataset, element: str | int) -> tuple[str, ...]:
    """All values of an element as text, stripped, without empty ones."""
    tag = _tag(element)
    if tag is None:
        return ()
    try:
        stored = stored_element(dataset, tag)
    except Exception as error:
        # As below, without its context, which takes longer than the reading
        raise _unreadable(element) from error
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


def _stripped(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, bytes):
        value = value.decode("latin-1").rstrip("\0").split("\\")
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    stripped = (str(v).strip().strip("\0").strip() for v in values if v is not None)
    return tuple(v for v in stripped if v)


def text(dataset: Dataset, element: str | int) -> str | None:
    """The first value of an element as text; None where it is absent or blank."""
    return next(iter(texts(dataset, element)), None)


def joined(dataset: Dataset, element: str | int) -> str | None:
    """All values of an element as one text: a description that holds a backslash was split by mistake."""
    return " ".join(texts(dataset, element)) or None


def numbers(dataset: Dataset, element: str | int) -> tuple[float, ...] | None:
    """All values of an element as numbers; None where it is absent or blank.

    Raises
    ------
    AcquisitionError
        Where a value is not a finite number; the text names the element.
    """
    values = texts(dataset, element)
    if not values:
        return None
    try:
        result = tuple(float(v) for v in values)
    except ValueError:
        result = (math.nan,)
    if not all(math.isfinite(v) for v in result):
        msg = f"{element_name(element)} holds {values[0][:20]!r}, which is not a number; correct it in the files"
        raise AcquisitionError(msg)
    return result


def exactly(dataset: Dataset, element: str | int, count: int) -> tuple[float, ...] | None:
    """The values of an element that holds just so many numbers; None where it does not."""
    values = numbers(dataset, element)
    return values if values is not None and len(values) == count else None


def number(dataset: Dataset, element: str | int) -> float | None:
    """The first value of an element as a number; None where it is absent or blank."""
    values = numbers(dataset, element)
    return None if values is None else values[0]


def whole(dataset: Dataset, element: str | int) -> int | None:
    """The first value of an element as a whole number; None where it is absent or blank."""
    value = number(dataset, element)
    return None if value is None else round(value)


def private_element(dataset: Dataset, group: int, creator: str, offset: int) -> int | None:
    """Tag of a private element, in whichever block its creator reserved (PS3.5 7.8.1); None where it reserved none.

    Where a group names no creator at all (de-identifiers take them out), the first block is taken.
    """
    named = {block: text(dataset, (group << 16) | block) for block in PRIVATE_BLOCKS}
    found = [block for block, name in named.items() if name is not None and name.upper() == creator.upper()]
    if not found and any(name is not None for name in named.values()):
        return None
    return (group << 16) | ((found[0] if found else PRIVATE_BLOCKS[0]) << 8) | offset


def items(dataset: Dataset, element: str | int) -> tuple[Dataset, ...]:
    """The items of a sequence; none where the element is absent, empty or no sequence."""
    value = _raw(dataset, element)
    if not value or isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return ()
    return tuple(item for item in value if isinstance(item, Dataset))


def first_item(dataset: Dataset, element: str | int) -> Dataset | None:
    """The first item of a sequence; None where the sequence is absent or empty."""
    return next(iter(items(dataset, element)), None)


def spaced(value: str) -> str:
    """A description with its words set apart: scanners and sites join them by underscores ("WB_NAC")."""
    return value.replace("_", " ")
