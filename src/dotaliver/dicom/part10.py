"""One DICOM file (PS3.10): the elements of its header that are asked for, and where its pixels lie.

pydicom parses. What is added makes it quick and safe: the start of a file is read in one piece, for a header is
thousands of short reads; the place of the pixels is kept, so that the file need not be parsed again for them; and a
declared length or a deflated data set takes no more memory than the size of the file justifies.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.filereader import read_file_meta_info, read_partial

from dotaliver.dicom.bounded import BoundedFile

__all__ = ["PixelPlace", "parsed_header"]

# Most headers are shorter; a longer one is parsed from the file.
_FIRST_BYTES = 1 << 15
_UNDEFINED = 0xFFFFFFFF
_FLOAT_PIXELS, _PIXELS = 0x7FE00008, 0x7FE00010
_DEFLATED = b"1.2.840.10008.1.2.1.99"
# Preamble, prefix and the Group Length element itself come before what that element counts (PS3.10 7.1).
_BEFORE_META = 128 + 4 + 12
# Images shrink to a third or so, and blank ones to a hundredth; a small file may hold little.
_LARGEST_RATIO, _ALWAYS_BYTES = 100, 4 << 20
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the value of Pixel Data (7FE0,0010) begins in its file, and its length; None where it is encapsulated."""

    offset: int
    length: int | None


class _AtPixels:
    """Stops pydicom's parser at the pixels and notes where they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.reached = False
        self.place: PixelPlace | None = None

    def __call__(self, tag: int, _vr: str | None, length: int) -> bool:
        # pydicom's tags compare in Python, which is slow for something that is asked for every element
        number = int(tag)
        if number < _FLOAT_PIXELS:
            return False
        # An odd first element is asked for twice, first before its length is known: the last answer counts
        self.reached = True
        if number == _PIXELS:
            self.place = PixelPlace(self._file.tell(), None if length == _UNDEFINED else length)
        return True


def _parsed(file: BinaryIO, tags: Iterable[int]) -> tuple[Any, _AtPixels]:
    at_pixels = _AtPixels(file)
    header = read_partial(file, at_pixels, force=True, specific_tags=list(tags))
    # The header must not keep the bytes of the file
    header.buffer = None
    return header, at_pixels


def _refuse_inflation(path: Path, size: int) -> None:
    """Refuse a deflated data set that would take far more memory than its file."""
    limit = max(_ALWAYS_BYTES, _LARGEST_RATIO * size)
    start = _BEFORE_META + int(read_file_meta_info(path).FileMetaInformationGroupLength)
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        file.seek(start)
        while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(_CHUNK_BYTES)):
            inflated += len(inflater.decompress(chunk, _CHUNK_BYTES))
            if inflated > limit:
                msg = f"the deflated data set holds more than {limit} bytes"
                raise ValueError(msg)


def parsed_header(path: Path, tags: Iterable[int]) -> tuple[Any, bool, PixelPlace | None]:
    """Header of one file, whether it reaches its pixels, and where those are.

    Parameters
    ----------
    path : Path
    tags : iterable of int
        The elements to read.

    Returns
    -------
    header : pydicom.dataset.FileDataset
    reaches_pixels : bool
        False where the file ends before any pixels.
    place : PixelPlace or None
        None where there are none, or the data set is deflated, so that they have no place in the file.

    Raises
    ------
    Exception
        Whatever pydicom raises on a damaged file, of many types; OSError where it cannot be read.
    """
    with BoundedFile(path) as file:
        start = file.read(_FIRST_BYTES)
        if _DEFLATED in start[:1024]:
            _refuse_inflation(path, file.size)
            file.seek(0)
            header, at_pixels = _parsed(file, tags)
            return header, at_pixels.reached, None
        whole_file = len(start) >= file.size
        try:
            header, at_pixels = _parsed(io.BytesIO(start), tags)
        except Exception:
            # Cut where the piece ends, perhaps: the file itself will tell
            if whole_file:
                raise
        else:
            if at_pixels.reached or whole_file:
                return header, at_pixels.reached, at_pixels.place
        file.seek(0)
        header, at_pixels = _parsed(file, tags)
        return header, at_pixels.reached, at_pixels.place
