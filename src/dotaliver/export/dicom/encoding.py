"""Our DICOM objects as bytes: those that pydicom writes, in a quarter of its time.

An object of ours holds thousands of small items, one within the other. pydicom looks through all that lies within a
sequence once per level for elements whose VR depends on others, and converts the character set for every element. Here
each item is looked at once; single values are left to pydicom's own writers (PS3.5 7.1.2 and 7.5: explicit VR, little
endian, sequences and items of a stated length).
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

__all__ = ["encoded"]

_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
# Groups of elements of commands, and of the file's meta information
_NOT_IN_OBJECTS = frozenset({0, 2})
# Up to it, an element 0 tells a group's length that is still written
_LAST_WITH_LENGTH = 6
_ITEM = b"\xfe\xff\x00\xe0"
_LONGEST_SHORT = 0xFFFF
# Text in the default repertoire, and in the character set of the object: ASCII is the same in those that we use.
_PLAIN_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR"})
_ANY_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_EXTEND_ASCII = frozenset({"iso8859", "latin_1", "utf8"})


class _LeftToPydicomError(Exception):
    """Something that is written by pydicom as a whole."""


def encoded(dataset: Dataset) -> bytes:
    """An object as the bytes of a DICOM file."""
    with warnings.catch_warnings():
        # Values copied from the patient's headers are not ours to mend (and their warnings would name them).
        warnings.simplefilter("ignore")
        try:
            head = _head(dataset)
            _settle_pixel_vr(dataset)
            return head + _Encoder().content_of(dataset, None)
        except _LeftToPydicomError:
            stream = io.BytesIO()
            dataset.save_as(stream, enforce_file_format=True)
            return stream.getvalue()


def _head(dataset: Dataset) -> bytes:
    """The file's preamble and meta information."""
    from pydicom.dataset import Dataset

    meta = getattr(dataset, "file_meta", None)
    named = None if meta is None else (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    own = dataset.get("SOPClassUID"), dataset.get("SOPInstanceUID")
    is_plain = meta is not None and meta.get("TransferSyntaxUID") == _EXPLICIT_LITTLE_ENDIAN
    is_made_here = dataset.original_encoding == (None, None)
    has_other_groups = any(int(tag) >> 16 in _NOT_IN_OBJECTS for tag, _ in dataset.items())
    if not (is_plain and is_made_here) or named != own or has_other_groups:
        raise _LeftToPydicomError
    alone = Dataset()
    alone.file_meta, alone.preamble = dataset.file_meta, getattr(dataset, "preamble", None)
    stream = io.BytesIO()
    alone.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _settle_pixel_vr(dataset: Dataset) -> None:
    """Have pydicom choose between bytes and words for the pixels; it may be left open until an object is written."""
    from pydicom.filewriter import correct_ambiguous_vr_element

    if "PixelData" in dataset:
        correct_ambiguous_vr_element(dataset["PixelData"], dataset, is_little_endian=True)


class _Encoder:
    """Encodes data sets in explicit VR, little endian."""

    def __init__(self) -> None:
        from pydicom.filebase import DicomIO
        from pydicom.filewriter import writers
        from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, EXPLICIT_VR_LENGTH_32

        self._bytes = io.BytesIO()
        self._buffer = DicomIO(self._bytes)
        self._buffer.is_little_endian, self._buffer.is_implicit_VR = True, False
        self._writers = {str(vr): how for vr, how in writers.items()}
        self._with_charset = {str(vr) for vr in CUSTOMIZABLE_CHARSET_VR}
        self._long = {str(vr) for vr in EXPLICIT_VR_LENGTH_32}

    def content_of(self, dataset: Dataset, outer: Sequence[str] | None) -> bytes:
        """The elements of a data set; ``outer`` names the character sets of the one that it lies in."""
        from pydicom.charset import convert_encodings, default_encoding
        from pydicom.filewriter import write_dataset

        if dataset.original_encoding != (None, None):
            # Read from a file: what nobody looked at is written as it was
            self._restart()
            write_dataset(self._buffer, dataset, list(outer or [default_encoding]))
            return self._bytes.getvalue()
        own = dataset.get("SpecificCharacterSet") if outer is None or "SpecificCharacterSet" in dataset else None
        charsets = outer if own is None and outer is not None else convert_encodings(own or [default_encoding])
        parts = []
        for tag, stored in sorted(dataset.items(), key=lambda pair: int(pair[0])):
            number = int(tag)
            if number & 0xFFFF == 0 and number >> 16 > _LAST_WITH_LENGTH:
                continue
            element: DataElement = dataset[tag] if stored.is_raw else stored  # type: ignore[assignment]
            parts.append(self._element(number, element, charsets))
        return b"".join(parts)

    def _restart(self) -> None:
        self._bytes.seek(0)
        self._bytes.truncate(0)

    def _element(self, number: int, element: DataElement, charsets: Sequence[str]) -> bytes:
        vr = str(element.VR)
        if vr not in self._writers or len(vr) != 2:
            raise _LeftToPydicomError
        data = None if element.is_undefined_length or element.is_buffered else self._value(vr, element, charsets)
        if data is None or (len(data) > _LONGEST_SHORT and vr not in self._long):
            from pydicom.filewriter import write_data_element

            self._restart()
            write_data_element(self._buffer, element, list(charsets))
            return self._bytes.getvalue()
        name = vr.encode("ascii")
        if vr in self._long:
            return struct.pack("<HH2sxxL", number >> 16, number & 0xFFFF, name, len(data)) + data
        return struct.pack("<HH2sH", number >> 16, number & 0xFFFF, name, len(data)) + data

    def _value(self, vr: str, element: DataElement, charsets: Sequence[str]) -> bytes | None:
        """A value as bytes of even length; None where pydicom has to write the element."""
        value = element.value
        if vr == "SQ":
            return self._items(value or (), charsets)
        if isinstance(value, str) and value.isascii():
            is_ascii = vr in _PLAIN_TEXT or (vr in _ANY_TEXT and _EXTEND_ASCII.issuperset(charsets))
            if is_ascii:
                return value.encode("ascii") + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        if element.is_empty:
            return b""
        self._restart()
        write, kind = self._writers[vr]
        if vr in self._with_charset:
            write(self._buffer, element, encodings=list(charsets))  # type: ignore[operator]
        elif kind is not None:
            write(self._buffer, element, kind)  # type: ignore[operator]
        else:
            write(self._buffer, element)  # type: ignore[operator]
        return self._bytes.getvalue()

    def _items(self, items: Sequence[Dataset], charsets: Sequence[str]) -> bytes | None:
        parts: list[bytes] = []
        for item in items:
            if getattr(item, "is_undefined_length_sequence_item", False):
                return None
            content = self.content_of(item, charsets)
            parts += (_ITEM, struct.pack("<L", len(content)), content)
        return b"".join(parts)
