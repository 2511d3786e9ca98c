"""Compressed frames decoded by libraries that let other threads work meanwhile: RLE and all kinds of JPEG 2000.

pydicom's own decoder of RLE is written in Python, and its plugin for JPEG 2000 keeps the interpreter to itself. What
is unusual is left to pydicom.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from dotaliver.image.arrays import Array

__all__ = ["JPEG", "JPEG2000", "RLE", "fill_from_jpeg2000", "fill_from_rle", "require_size"]

RLE = "1.2.840.10008.1.2.5"
# JPEG 2000, and HTJ2K: lossless, lossless by resolution, and either
JPEG2000 = frozenset(f"1.2.840.10008.1.2.4.{kind}" for kind in (90, 91, 201, 202, 203))
# Lossy and lossless JPEG, and JPEG-LS
JPEG = frozenset(f"1.2.840.10008.1.2.4.{kind}" for kind in (50, 51, 57, 70, 80, 81))
_MARKER = 0xFF
# Start of codestream and SIZ; what follows its length and capabilities: image, tile and their corners, components
_CODESTREAM, _SIZ = b"\xff\x4f\xff\x51", struct.Struct(">8IH")
_SOT, _SOD, _COD, _COC = b"\xff\x90", b"\xff\x93", b"\xff\x52", b"\xff\x53"
_FEW_TILES, _SMALLEST_TILE, _SMALLEST_PRECINCT = 16, 32 * 32, 4
# Start of frame: all that are no tables (C4, CC) nor reserved (C8), and that of JPEG-LS
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
# The header of an RLE frame is 16 numbers of four bytes: the count of segments and their offsets (PS3.5 G.5).
_RLE_NUMBERS = 16


class _Siz(NamedTuple):
    """What the SIZ marker of a JPEG 2000 codestream says (ITU-T T.800 A.5.1)."""

    size: tuple[int, int, int]
    bits: int
    signed: bool


def _codestream(frame: bytes) -> bytes:
    """A JPEG 2000 frame without the boxes of a JP2 file, which PS3.5 A.4.4 forbids and some writers leave around it."""
    at = 0
    while frame[4:8] == b"jP  " and at + 8 <= len(frame):
        length, kind = struct.unpack_from(">I4s", frame, at)
        if kind == b"jp2c":
            return frame[at + 8 :]
        at += max(8, length)
    return frame


def _siz(codestream: bytes) -> _Siz:
    """Size and depth of a JPEG 2000 image; refused where it is cut into pieces that are only there to harm.

    Decoders take kilobytes for each tile before they look for it, and hundreds of bytes for each precinct.
    """
    if codestream[:4] != _CODESTREAM:
        msg = "no JPEG 2000 codestream"
        raise ValueError(msg)
    right, bottom, left, top, wide, high, tile_left, tile_top, components = _SIZ.unpack_from(codestream, 8)
    depth, *step = codestream[8 + _SIZ.size : 11 + _SIZ.size]
    rows, columns = bottom - top, right - left
    if min(rows, columns, wide, high) < 1 or step != [1, 1]:
        msg = "a JPEG 2000 image of no size, or one that is subsampled"
        raise ValueError(msg)
    tiles = -(-(right - tile_left) // wide) * -(-(bottom - tile_top) // high)
    if tiles > _FEW_TILES + rows * columns // _SMALLEST_TILE:
        msg = f"a JPEG 2000 image of {tiles} tiles"
        raise ValueError(msg)
    _refuse_small_precincts(codestream)
    return _Siz((rows, columns, components), (depth & 0x7F) + 1, bool(depth >> 7))


def _refuse_small_precincts(codestream: bytes) -> None:
    """Refuse precincts of under 16 pixels, in the main header or that of any tile: decoders take memory for each."""
    at, part_end = 2, 0
    while at + 12 <= len(codestream):
        marker = codestream[at : at + 2]
        if marker == _SOD:
            if part_end <= at:
                return
            at = part_end
            continue
        length = int.from_bytes(codestream[at + 2 : at + 4], "big")
        if marker == _SOT:
            part_end = at + int.from_bytes(codestream[at + 6 : at + 10], "big")
        # Where the style and the exponents of the precincts stand in a coding style, and in that of one component
        style, first = {_COD: (4, 14), _COC: (5, 11)}.get(marker, (0, 0))
        if first and codestream[at + style] & 1:
            exponents = codestream[at + first : at + 2 + length]
            if any(min(both & 15, both >> 4) < _SMALLEST_PRECINCT for both in exponents):
                msg = "a JPEG 2000 image of tiny precincts"
                raise ValueError(msg)
        at += 2 + max(2, length)


def _declared(frame: bytes, syntax: str) -> tuple[int, ...]:
    """Rows, columns and samples by the header of a frame of any JPEG."""
    return _siz(_codestream(frame)).size if syntax in JPEG2000 else _jpeg_size(frame)


def _jpeg_size(frame: bytes) -> tuple[int, ...]:
    """Rows, columns and components by the frame header of a JPEG or JPEG-LS image (ITU-T T.81 B.2, T.87 C.2.2).

    Read here, for libjpeg needs minutes for the parameters of some damaged images.
    """
    at = 2
    while at + 10 <= len(frame) and frame[at] == _MARKER:
        code = frame[at + 1]
        if code == _MARKER:  # a byte that fills
            at += 1
            continue
        if code in _FRAME_HEADERS:
            rows, columns, components = struct.unpack_from(">HHB", frame, at + 5)
            return rows, columns, components
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    msg = "the compressed image has no frame header"
    raise ValueError(msg)


def require_size(dataset: Dataset) -> None:
    """Refuse compressed frames of another size than the data set declares, before any is decoded.

    Decoders take the memory that a frame's own header asks for, and that of a small frame may ask for gigabytes.

    Raises
    ------
    Exception
        Where a frame says another size, or is damaged.
    """
    from pydicom.encaps import generate_frames

    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax not in JPEG2000 | JPEG:
        return
    size = (int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1))
    count = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        if _declared(frame, syntax) != size:
            msg = f"a compressed image is not {size[0]} × {size[1]}"
            raise ValueError(msg)


def fill_from_rle(frame: bytes, out: Array) -> None:
    """Fill a plane from an RLE frame: one segment a byte of the values, most significant first (PS3.5 G.2).

    Each segment is unpacked as one long row, for not every writer ends its runs with the image's rows.

    Raises
    ------
    Exception
        Where the frame does not hold just the plane's values.
    """
    from imagecodecs import packbits_decode

    count, *offsets = np.frombuffer(frame, "<u4", _RLE_NUMBERS).tolist()
    bounds = [*offsets[:count], len(frame)]
    if count != out.itemsize or bounds != sorted(bounds):
        msg = f"{count} segments for {out.itemsize} bytes a value"
        raise ValueError(msg)
    values = out.view(np.uint8).reshape(out.size, out.itemsize)
    for k in range(count):
        row = packbits_decode(frame[bounds[k] : bounds[k + 1]], out=out.size)
        # A shorter segment does not fit and is an error here
        values[:, count - 1 - k] = np.frombuffer(row, np.uint8, out.size)


def fill_from_jpeg2000(frame: bytes, out: Array, bits: int) -> tuple[bool, bool]:
    """Fill a plane from a JPEG 2000 frame, where its own header gives what the file declares.

    Parameters
    ----------
    out : ndarray
        The plane, signed or not as the file declares.
    bits : int
        Bits Stored (0028,0101).

    Returns
    -------
    same_size, filled : bool
        Whether the image has the plane's size, and whether the plane was filled: where precision or sign differ from
        the declared ones the values need a correction that pydicom knows.

    Raises
    ------
    Exception
        Whatever the decoders raise on a damaged frame.
    """
    from imagecodecs import jpeg2k_decode

    codestream = _codestream(frame)
    said = _siz(codestream)
    # As in `require_size`
    if said.size != (*out.shape, 1):
        return False, False
    if (said.bits, said.signed) != (bits, out.dtype.kind == "i"):
        return True, False
    values = jpeg2k_decode(codestream)
    if values.shape != out.shape:
        return False, False
    np.copyto(out, values, casting="same_kind")
    return True, True
