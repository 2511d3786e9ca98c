"""DICOM objects of other programs, read completely, and within bounds.

Their content is not trusted: a declared length takes no memory that the file cannot fill, a deflated object may
inflate only so far, sequences may nest only so deep, and texts lose control characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from dotaliver.dicom.files.part10 import BoundedFile, read_start, refuse_inflation

__all__ = ["CutShortError", "plain_text", "read_object", "require_whole", "walk_items"]

_LONGEST_TEXT = 1024
_UNDEFINED = 0xFFFFFFFF


class CutShortError(ValueError):
    """An object ends before what it says it holds."""


def read_object(path: Path, *, check_pixels: bool = True) -> Dataset:
    """A whole DICOM object; one that was cut short is refused.

    ``check_pixels`` is for those who do not check the size of an image's pixels themselves.

    Raises
    ------
    CutShortError
        Where it ends early.
    Exception
        Whatever pydicom raises on a damaged file, of many types; OSError where it cannot be read.
    """
    refuse_inflation(path, read_start(path))
    with BoundedFile(path) as file:
        dataset = pydicom.dcmread(file)
    require_whole(dataset, check_pixels=check_pixels)
    return dataset


def require_whole(dataset: Dataset, *, check_pixels: bool = True) -> None:
    """Refuse an object that was cut short, inside an element or between two: `CutShortError`."""
    for tag in dataset.keys():  # noqa: SIM118  iterating would convert every value
        _require_whole_element(dataset.get_item(tag))
    if check_pixels and _is_image(dataset):
        _require_pixels(dataset)


def _is_image(dataset: Dataset) -> bool:
    return all(dataset.get(name) is not None for name in ("Rows", "Columns", "BitsAllocated"))


def _require_pixels(dataset: Dataset) -> None:
    """The pixels are the last thing in an image, so what is cut off is theirs."""
    names = [name for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if name in dataset]
    pixels = None if not names else dataset.get_item(names[0])
    if pixels is None or pixels.value is None:
        msg = "it is cut short: there are no pixels"
        raise CutShortError(msg)
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is not None and pydicom.uid.UID(syntax).is_encapsulated:
        return
    bits = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated)
    samples = int(dataset.get("SamplesPerPixel") or 1) * int(dataset.get("NumberOfFrames") or 1)
    if str(dataset.get("PhotometricInterpretation")) == "YBR_FULL_422":
        bits = bits * 2 // 3
    if len(pixels.value) * 8 < bits * samples:
        msg = "it is cut short: pixels are missing"
        raise CutShortError(msg)


def _require_whole_element(element: DataElement | RawDataElement) -> None:
    """Refuse an element whose value is shorter than it says: the parser takes what there is."""
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
        return
    if len(element.value or b"") < element.length:
        msg = "it is cut short"
        raise CutShortError(msg)


def plain_text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """A text as people may be shown it: one line, without control characters, not too long."""
    shown = "".join(c if c.isprintable() else " " for c in str(value))
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def walk_items(root: Dataset, keyword: str, *, most: int, deepest: int) -> Iterator[tuple[Dataset, Dataset, int]]:
    """Every item of nested sequences of one name, in order, each with its parent and depth; no recursion.

    Raises
    ------
    ValueError
        Where there are more items than `most`, or they nest deeper than `deepest`.
    """
    count = 0
    waiting = [(item, root, 1) for item in reversed(list(root.get(keyword) or ()))]
    while waiting:
        item, parent, depth = waiting.pop()
        count += 1
        if count > most:
            msg = f"it holds more than {most} items"
            raise CutShortError(msg)
        if depth > deepest:
            msg = f"its items nest deeper than {deepest} levels"
            raise CutShortError(msg)
        yield item, parent, depth
        waiting += [(child, item, depth + 1) for child in reversed(list(item.get(keyword) or ()))]
