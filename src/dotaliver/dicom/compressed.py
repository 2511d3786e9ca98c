"""Compressed frames decoded by libraries that let other threads work meanwhile: RLE and all kinds of JPEG 2000.

pydicom's own decoder of RLE is written in Python, and its plugin for JPEG 2000 keeps the interpreter to itself. What
is not plain here is left to pydicom, which refuses it too or knows better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["JPEG2000", "RLE", "fill_from_jpeg2000", "fill_from_rle"]

RLE = "1.2.840.10008.1.2.5"
# JPEG 2000, and HTJ2K: lossless, lossless by resolution, and either
JPEG2000 = frozenset(f"1.2.840.10008.1.2.4.{kind}" for kind in (90, 91, 201, 202, 203))
# The header of an RLE frame is 16 numbers of four bytes: the count of segments and their offsets (PS3.5 G.5).
_RLE_NUMBERS = 16


def fill_from_rle(frame: bytes, out: Any) -> None:
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


def fill_from_jpeg2000(codestream: bytes, out: Any, bits: int) -> tuple[bool, bool]:
    """Fill a plane from a JPEG 2000 codestream, where its own header gives what the file declares.

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
    from openjpeg.utils import get_parameters

    said = get_parameters(codestream)
    # Asked before anything is decoded: the size in a small codestream may be that of a huge image
    if (said["rows"], said["columns"], said["samples_per_pixel"]) != (*out.shape, 1):
        return False, False
    if (said["precision"], bool(said["is_signed"])) != (bits, out.dtype.kind == "i"):
        return True, False
    values = jpeg2k_decode(codestream)
    if values.shape != out.shape:
        return False, False
    np.copyto(out, values, casting="same_kind")
    return True, True
