"""Decode the bytes of one chunk into voxels; no chunk takes more memory than its layout allows.

Zarr's own readers unpack whatever a chunk holds and take the codec's word for its size. Here every codec is given the
size that must come out, and anything else is damage.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dotaliver.errors import ConfigError
from dotaliver.image.arrays import Array
from dotaliver.omezarr.layout import Coding
from dotaliver.system.extras import extra_missing

__all__ = ["checksum", "unpack_chunk", "without_checksum"]

_CHECKSUM_BYTES = 4
# Version, codec's version, flags, size of a value; then sizes unpacked, of a block and packed, each uint32.
_BLOSC_HEADER = 16
# Accepts both gzip and zlib headers
_ANY_ZLIB = 32 + zlib.MAX_WBITS
_Bytes = npt.NDArray[np.uint8]


def checksum(data: bytes | memoryview) -> int:
    """CRC-32C (Castagnoli) of some bytes.

    Raises
    ------
    ConfigError
        Where the extra that brings it is not installed.
    """
    try:
        import google_crc32c
    except ImportError as error:
        raise ConfigError(extra_missing("reading this OME-Zarr", "zarr", error.name)) from error
    return int(google_crc32c.value(bytes(data)))


def without_checksum(data: bytes) -> bytes:
    """Bytes without their trailing CRC-32C (little endian); `ValueError` where it does not match."""
    content, stated = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(stated) < _CHECKSUM_BYTES or checksum(content) != int.from_bytes(stated, "little"):
        msg = "the checksum does not fit"
        raise ValueError(msg)
    return content


def _blosc(data: bytes, out: _Bytes) -> int:
    import imagecodecs

    # The decoder trusts the header, so its sizes are checked against the data first
    stated, _, length = struct.unpack_from("<III", data, 4) if len(data) >= _BLOSC_HEADER else (0, 0, -1)
    if length != len(data):
        msg = "it is cut short"
        raise ValueError(msg)
    if stated != out.nbytes:
        return int(stated)
    return len(imagecodecs.blosc_decode(data, out=out.data, numthreads=1))


def _zstd(data: bytes, out: _Bytes) -> int:
    import imagecodecs

    return len(imagecodecs.zstd_decode(data, out=out.data))


def _zlib(data: bytes, out: _Bytes) -> int:
    unpacked = zlib.decompressobj(_ANY_ZLIB).decompress(data, out.nbytes + 1)
    if len(unpacked) == out.nbytes:
        out[:] = np.frombuffer(unpacked, np.uint8)
    return len(unpacked)


def _lz4(data: bytes, out: _Bytes) -> int:
    import imagecodecs

    # Zarr v2 prefixes the block with its size
    return len(imagecodecs.lz4_decode(data[4:], out=out.data))


_UNPACKERS: dict[str, Callable[[bytes, _Bytes], int]] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "gzip": _zlib,
    "zlib": _zlib,
    "lz4": _lz4,
}


def _unpack_into(data: bytes, packers: tuple[str, ...], out: _Bytes) -> None:
    """Apply the codecs in reverse; at most one may compress, so that sizes are known."""
    names = list(packers)
    while names and names[-1] == "crc32c":
        data = without_checksum(data)
        names.pop()
    if not names:
        if len(data) != out.nbytes:
            msg = f"{len(data)} bytes instead of {out.nbytes}"
            raise ValueError(msg)
        out[:] = np.frombuffer(data, np.uint8)
        return
    inner = names[:-1]
    if any(name != "crc32c" for name in inner):
        msg = "it is compressed more than once"
        raise ValueError(msg)
    packed = out if not inner else np.empty(out.nbytes + _CHECKSUM_BYTES * len(inner), np.uint8)
    held = _UNPACKERS[names[-1]](data, packed)
    if held != packed.nbytes:
        msg = f"{held} bytes instead of {packed.nbytes}"
        raise ValueError(msg)
    if inner:
        _unpack_into(packed.tobytes(), tuple(inner), out)


def unpack_chunk(data: bytes, coding: Coding, out: Array) -> None:
    """Fill an array of the chunk's shape with the voxels of one chunk.

    Raises
    ------
    ValueError
        Where the bytes do not unpack to exactly these voxels.
    """
    plain = coding.order == tuple(range(out.ndim)) and coding.dtype == out.dtype and out.flags.c_contiguous
    stored = out if plain else np.empty([out.shape[axis] for axis in coding.order], coding.dtype)
    try:
        _unpack_into(data, coding.packers, stored.reshape(-1).view(np.uint8))
    except (ValueError, ConfigError):
        raise
    except Exception as error:
        # Each codec raises its own exceptions
        msg = f"{type(error).__name__}"
        raise ValueError(msg) from error
    if not plain:
        out[...] = stored.transpose(np.argsort(coding.order))
