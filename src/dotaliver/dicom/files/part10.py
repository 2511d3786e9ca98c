"""One DICOM file (PS3.10): the elements of its header that are asked for, and where its pixels lie.

pydicom parses. What is added makes it quick and safe: the start of a file is read in one piece, for a header is
thousands of short reads; the place of the pixels is kept, so that the file need not be parsed again for them; of the
file meta information only what is used is kept, once for all files that share it; and a declared length or a deflated
data set takes no more memory than the size of the file justifies.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator, read_dataset, read_partial
from pydicom.uid import UID

__all__ = [
    "BoundedFile",
    "FileStart",
    "PixelPlace",
    "is_deflated",
    "parsed_header",
    "read_start",
    "refuse_inflation",
    "syntax_name",
    "unread_syntax",
]

# Most headers are shorter; a longer one is parsed from the file.
_FIRST_BYTES = 1 << 15
_UNDEFINED = 0xFFFFFFFF
_FLOAT_PIXELS, _PIXELS = 0x7FE00008, 0x7FE00010
_STANDARD, _IMPLICIT, _BIG = b"1.2.840.10008.1.2.", b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PREFIX_END = 132
_META_GROUP, _META_CLASS, _META_SYNTAX = 0x0002, 0x00020002, 0x00020010
# Images shrink to a third or so, and blank ones to a hundredth; a small file may hold little.
_LARGEST_RATIO, _ALWAYS_BYTES = 100, 4 << 20
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the value of Pixel Data (7FE0,0010) begins in its file, and its length; None where it is encapsulated."""

    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class FileStart:
    """The first bytes of a file, and the size of the whole of it."""

    piece: bytes
    size: int

    @property
    def has_preamble(self) -> bool:
        """Whether the file says that it is DICOM (PS3.10 7.1)."""
        return self.piece[_PREFIX_END - 4 : _PREFIX_END] == b"DICM"

    @property
    def is_whole(self) -> bool:
        """Whether the piece is all that there is."""
        return len(self.piece) >= self.size


def read_start(path: Path) -> FileStart:
    """Read the first piece of a file.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return FileStart(file.read(_FIRST_BYTES) or b"", os.fstat(file.fileno()).st_size)


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


def _after_meta(tag: int, _vr: str | None, _length: int) -> bool:
    return int(tag) >> 16 != _META_GROUP


@lru_cache(maxsize=256)
def _file_meta(sop_class: bytes, syntax: bytes) -> FileMetaDataset:
    """The file meta information that is needed here; shared, and never changed."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class.rstrip(b"\0 ").decode("latin-1"))
    meta.TransferSyntaxUID = UID(syntax.decode("latin-1"))
    return meta


def _ordinary_meta(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """SOP class and transfer syntax of a file that begins as almost all do, and None for any other.

    Leaves the file at the start of its data set.
    """
    file.seek(_PREFIX_END - 4)
    if file.read(4) != b"DICM":
        return None
    found = {int(e.tag): e.value for e in data_element_generator(file, False, True, _after_meta)}
    sop_class, syntax = found.get(_META_CLASS) or b"", found.get(_META_SYNTAX)
    if not isinstance(sop_class, bytes) or not isinstance(syntax, bytes):
        return None
    syntax = syntax.rstrip(b"\0 ")
    standard = syntax == _IMPLICIT or syntax.startswith(_STANDARD)
    return (sop_class, syntax) if standard and syntax != _DEFLATED else None


def _parsed(file: BinaryIO, tags: Collection[int]) -> tuple[Dataset, _AtPixels]:
    at_pixels, wanted = _AtPixels(file), list(tags)
    meta = _ordinary_meta(file)
    if meta is not None:
        syntax = meta[1]
        header = read_dataset(file, syntax == _IMPLICIT, syntax != _BIG, stop_when=at_pixels, specific_tags=wanted)
        header.file_meta = _file_meta(*meta)
        return header, at_pixels
    # Without preamble or syntax, deflated, or of a private syntax: pydicom detects the encoding
    file.seek(0)
    header = read_partial(file, at_pixels, force=True, specific_tags=wanted)
    # The header must not keep the bytes of the file
    header.buffer = None
    return header, at_pixels


# Names of transfer syntaxes that pydicom's dictionary does not have (PS3.6 A, 2024 and later).
_NEWER = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}


def syntax_name(syntax: str | None) -> str:
    """What a transfer syntax is called, with its UID; "private" where DICOM does not define it."""
    if syntax is None:
        return "that is not stated"
    name = _NEWER.get(syntax) or UID(syntax).name
    if name != syntax:
        return f"{name} ({syntax})"
    return f"{syntax} (private)" if not syntax.startswith("1.2.840.10008.") else f"{syntax} (not known)"


def unread_syntax(start: FileStart) -> str | None:
    """The transfer syntax of a file whose header need not be readable with it: one that DICOM does not define.

    None where it is a standard one, or not stated.
    """
    meta = io.BytesIO(start.piece)
    meta.seek(_PREFIX_END)
    try:
        found = {int(e.tag): e.value for e in data_element_generator(meta, False, True, _after_meta)}
    except MemoryError:
        raise
    except Exception:
        # Whatever a damaged header makes the parser raise
        return None
    value = found.get(_META_SYNTAX)
    syntax = value.rstrip(b"\0 ").decode("latin-1") if isinstance(value, bytes) else ""
    return syntax if syntax and not syntax.startswith("1.2.840.10008.") else None


def is_deflated(start: FileStart) -> bool:
    """Whether a file's data set is deflated, by the transfer syntax near its start."""
    return _DEFLATED in start.piece[:1024]


def refuse_inflation(path: Path, start: FileStart) -> None:
    """Refuse a deflated data set that would take far more memory than its file; others pass.

    Raises
    ------
    ValueError
        Where it would.
    """
    if not is_deflated(start):
        return
    limit = max(_ALWAYS_BYTES, _LARGEST_RATIO * start.size)
    meta = io.BytesIO(start.piece)
    meta.seek(_PREFIX_END)
    for _ in data_element_generator(meta, False, True, _after_meta):
        pass
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        file.seek(meta.tell())
        while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(_CHUNK_BYTES)):
            inflated += len(inflater.decompress(chunk, _CHUNK_BYTES))
            if inflated > limit:
                msg = f"the deflated data set holds more than {limit} bytes"
                raise ValueError(msg)


def parsed_header(path: Path, start: FileStart, tags: Collection[int]) -> tuple[Dataset, bool, PixelPlace | None]:
    """Header of one file, whether it reaches its pixels, and where those are.

    Parameters
    ----------
    path : Path
    start : FileStart
        What `read_start` read of it.
    tags : collection of int
        The elements to read.

    Returns
    -------
    header : pydicom.dataset.Dataset
        With `file_meta`.
    reaches_pixels : bool
        False where the file ends before any pixels.
    place : PixelPlace or None
        None where there are none, or the data set is deflated, so that they have no place in the file.

    Raises
    ------
    Exception
        Whatever pydicom raises on a damaged file, of many types; OSError where it cannot be read.
    """
    deflated = is_deflated(start)
    if deflated:
        refuse_inflation(path, start)
    else:
        try:
            header, at_pixels = _parsed(io.BytesIO(start.piece), tags)
        except Exception:
            # Possibly cut off at the end of this part: the file itself decides
            if start.is_whole:
                raise
        else:
            if at_pixels.reached or start.is_whole:
                return header, at_pixels.reached, at_pixels.place
    with BoundedFile(path) as file:
        header, at_pixels = _parsed(file, tags)
    return header, at_pixels.reached, None if deflated else at_pixels.place


# Shorter reads may go past the end: they take little memory, and most reads are short.
_LONG_READ = 1 << 16


class BoundedFile(io.BufferedReader):
    """A file opened for reading whose `read` asks for no more bytes than are left.

    Python takes the memory for a read before it reads, so that a file of a few kilobytes with a length of 4 GB in it
    would take 4 GB.
    """

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        if size is not None and size > _LONG_READ:
            size = min(size, max(0, self.size - self.tell()))
        return super().read(size)
