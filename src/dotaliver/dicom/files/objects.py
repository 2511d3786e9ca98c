"""DICOM objects of other programs, read whole and no further than they reach.

What stands in them is not trusted: a declared length takes no memory that the file cannot fill, a deflated object may
not inflate beyond measure, sequences may not nest for ever, and texts lose what is no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement

from dotaliver.dicom.files.part10 import BoundedFile, read_start, refuse_inflation

__all__ = ["plain_text", "read_object", "walk_items"]

_LONGEST_TEXT = 1024
_UNDEFINED = 0xFFFFFFFF


def read_object(path: Path) -> Any:
    """A whole DICOM object; one that was cut short is none.

    Raises
    ------
    Exception
        Whatever pydicom raises on a damaged file, of many types; OSError where it cannot be read.
    """
    refuse_inflation(path, read_start(path))
    with BoundedFile(path) as file:
        dataset = pydicom.dcmread(file)
    for tag in dataset.keys():  # noqa: SIM118  iterating would convert every value
        _require_whole(dataset.get_item(tag))
    return dataset


def _require_whole(element: Any) -> None:
    """Refuse an element whose value is shorter than it says: the parser takes what there is."""
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED:
        return
    if len(element.value or b"") < element.length:
        msg = "it is cut short"
        raise ValueError(msg)


def plain_text(value: object, longest: int = _LONGEST_TEXT) -> str:
    """A text as people may be shown it: one line, without control characters, not too long."""
    shown = "".join(c if c.isprintable() else " " for c in str(value))
    shown = " ".join(shown.split())
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def walk_items(root: Any, keyword: str, *, most: int, deepest: int) -> Iterator[tuple[Any, Any, int]]:
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
            raise ValueError(msg)
        if depth > deepest:
            msg = f"its items nest deeper than {deepest} levels"
            raise ValueError(msg)
        yield item, parent, depth
        waiting += [(child, item, depth + 1) for child in reversed(list(item.get(keyword) or ()))]
