"""NRRD files (``.nrrd``, ``.nhdr``), and the segments that 3D Slicer writes into their headers (``.seg.nrrd``).

Formats: the NRRD definition (teem), and "Segmentation file format" of 3D Slicer's documentation. A segmentation names
its segments, says which label value each has, and may keep overlapping segments in several layers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dotaliver.dicom.files.objects import plain_text
from dotaliver.dicom.masks.outlines import (
    ANATOMY,
    LIVER_CODES,
    Outlines,
    coded_organ,
    is_liver_name,
    is_organ_name,
    is_reference_name,
)
from dotaliver.dicom.masks.voxel_file import VoxelFile, compressed_bytes, grid_of_affine, plain_bytes, require_size
from dotaliver.errors import MaskError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.image.geometry import Vector, as_vector

__all__ = ["read_nrrd"]

_LONGEST_HEADER = 4 << 20
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_ENCODINGS = {"raw": "raw", "gz": "gzip", "gzip": "gzip", "bz2": "bzip2", "bzip2": "bzip2"}
_TEXT = {"txt", "text", "ascii"}
# Spaces with anatomical axes, and the signs that turn them into LPS
_SPACES = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_SEGMENT = re.compile(r"segment(\d+)_(name|labelvalue|layer|tags)", re.IGNORECASE)
_CODE = re.compile(r"\^([^^~]+)\^")
_LONGEST_NAME = 64


@dataclass(frozen=True)
class _Header:
    fields: dict[str, str]
    keys: dict[str, str]


def read_nrrd(path: Path) -> VoxelFile:
    """Read an NRRD file.

    Raises
    ------
    MaskError
        Where it is none, is cut short or damaged, or does not say where it lies.
    OSError
        Where the file cannot be read.
    """
    name = path.name
    with path.open("rb") as file:
        header = _header(name, file)
        sizes = _whole_numbers(name, header, "sizes")
        directions = _directions(name, header, len(sizes))
        layered = [axis for axis, direction in enumerate(directions) if direction is None]
        if len(sizes) - len(layered) != 3 or len(layered) > 1:
            msg = f"{name}: a mask has three dimensions and one value per voxel, not {' x '.join(map(str, sizes))}"
            raise MaskError(msg)
        require_size(name, tuple(sizes))
        values = _values(path, file, header, sizes)
    # The fastest axis comes first in the header and last in the array
    array = values.reshape(sizes[::-1])
    if layered:
        array = np.moveaxis(array, len(sizes) - 1 - layered[0], 0)
    affine = np.eye(4)
    affine[:3, :3] = np.array([d for d in directions if d is not None]).T[:, ::-1]
    affine[:3, 3] = _vector(name, header.fields.get("space origin", ""))
    signs = np.diag([*_space(name, header), 1.0])
    spatial = array.shape[-3:]
    grid = grid_of_affine(name, (spatial[0], spatial[1], spatial[2]), signs @ affine, ras=False)
    outlines, places = _segments(name, header)
    if layered and outlines is None and array.shape[0] == 1:
        array = array[0]
    elif layered and outlines is None:
        msg = f"{name}: it holds {array.shape[0]} values per voxel and names no segments; write a mask of one value"
        raise MaskError(msg)
    return VoxelFile(array, grid, "NRRD", outlines, places)


def _header(name: str, file: BinaryIO) -> _Header:
    if not re.match(rb"NRRD000[1-9]\s*$", file.readline(16)):
        msg = f"{name}: the mask cannot be read as NRRD (its header is damaged or that of another format)"
        raise MaskError(msg)
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    left = _LONGEST_HEADER
    while line := file.readline(left):
        left -= len(line)
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text or left <= 0:
            break
        if text.startswith("#"):
            continue
        if ":=" in text and ": " not in text.split(":=")[0]:
            key, value = text.split(":=", 1)
            keys[key.strip().lower()] = value.strip()
        elif ":" in text:
            key, value = text.split(":", 1)
            fields[key.strip().lower()] = value.strip()
    return _Header(fields, keys)


def _whole_numbers(name: str, header: _Header, field: str) -> list[int]:
    try:
        found = [int(v) for v in header.fields.get(field, "").split()]
    except ValueError:
        found = []
    if not found or str(len(found)) != header.fields.get("dimension"):
        msg = f"{name}: its sizes do not fit its dimension, so the header is damaged; write it again"
        raise MaskError(msg)
    return found


def _space(name: str, header: _Header) -> tuple[float, float, float]:
    space = header.fields.get("space", "").lower()
    if space not in _SPACES or "space origin" not in header.fields:
        msg = (
            f"{name}: the NRRD names no space with anatomical axes and an origin, so where the mask lies is unknown; "
            "write it with its geometry"
        )
        raise MaskError(msg)
    return _SPACES[space]


def _vector(name: str, text: str) -> Vector:
    try:
        return as_vector([float(value) for value in text.strip().strip("()").split(",")])
    except ValueError as error:
        msg = f"{name}: {text[:40]!r} is not a place in three dimensions, so the header is damaged; write it again"
        raise MaskError(msg) from error


def _directions(name: str, header: _Header, count: int) -> list[Vector | None]:
    _space(name, header)
    parts = re.findall(r"none|\([^)]*\)", header.fields.get("space directions", ""))
    if len(parts) != count:
        msg = (
            f"{name}: the NRRD has no direction for each of its axes, so where the mask lies is unknown; write it again"
        )
        raise MaskError(msg)
    return [None if part == "none" else _vector(name, part) for part in parts]


def _values(path: Path, file: BinaryIO, header: _Header, sizes: list[int]) -> Array:
    name, fields = path.name, header.fields
    kind = _TYPES.get(fields.get("type", "").lower())
    encoding = fields.get("encoding", "").lower()
    if kind is None or (encoding not in _ENCODINGS and encoding not in _TEXT):
        msg = f"{name}: NRRD type {fields.get('type')} in encoding {fields.get('encoding')} is not read; write it again"
        raise MaskError(msg)
    if any(field in fields for field in ("line skip", "lineskip", "byte skip", "byteskip")):
        msg = f"{name}: an NRRD that skips lines or bytes is not read; write it again"
        raise MaskError(msg)
    dtype: ArrayType = np.dtype(("<" if fields.get("endian", "little").lower() == "little" else ">") + kind)
    count = int(np.prod(sizes))
    detached = fields.get("data file", fields.get("datafile"))
    if detached is None:
        return _decoded(name, file, encoding, dtype, count)
    data_path = path.parent / detached
    if Path(detached).name != detached or not data_path.is_file():
        shown = plain_text(detached, 60)
        msg = f"{name}: its voxels are in {shown!r}, which is not one file beside it; write it as one file"
        raise MaskError(msg)
    with data_path.open("rb") as data:
        return _decoded(name, data, encoding, dtype, count)


def _decoded(name: str, file: BinaryIO, encoding: str, dtype: ArrayType, count: int) -> Array:
    if encoding in _TEXT:
        # A text has no fixed length: as many numbers as the header says, and no more
        words = file.read(32 * count + 1).split()
        if len(words) != count:
            msg = f"{name}: its header says {count} voxels and it holds {len(words)}; write it again"
            raise MaskError(msg)
        try:
            return np.array(words, dtype=np.bytes_).astype(np.float64)
        except ValueError as error:
            msg = f"{name}: a voxel is not a number; write it again"
            raise MaskError(msg) from error
    size = count * dtype.itemsize
    how = _ENCODINGS[encoding]
    data = plain_bytes(name, file, size) if how == "raw" else compressed_bytes(name, file, size, how)
    return np.frombuffer(data, dtype=dtype)


def _segments(name: str, header: _Header) -> tuple[Outlines | None, dict[int, tuple[int, int]]]:
    """The segments of 3D Slicer, numbered from 1 in their order, and the layer and value of each."""
    found: dict[int, dict[str, str]] = {}
    for key, value in header.keys.items():
        match = _SEGMENT.fullmatch(key)
        if match is not None:
            found.setdefault(int(match.group(1)), {})[match.group(2).lower()] = value
    if not found:
        return None, {}
    names, places = {}, {}
    livers, others, unsure = set(), set(), set()
    for number, (_, segment) in enumerate(sorted(found.items()), start=1):
        try:
            places[number] = (int(segment.get("layer", "0")), int(segment["labelvalue"]))
        except (KeyError, ValueError) as error:
            msg = f"{name}: segment {number} has no label value or layer, so it cannot be read; export it again"
            raise MaskError(msg) from error
        called = names[number] = plain_text(segment.get("name", "") or f"Segment {number}", _LONGEST_NAME)
        codes = _CODE.findall(_terminology(segment.get("tags", "")))
        if is_reference_name(called):
            others.add(number)
        elif is_liver_name(called) or (LIVER_CODES & set(codes) and not _is_tumour(codes)):
            livers.add(number)
        elif any(coded_organ(code) for code in codes[1:2]) or ANATOMY & set(codes[:1]):
            others.add(number)
        elif is_organ_name(called):
            unsure.add(number)
    found_as = Outlines(names, frozenset(livers), frozenset(others), unsure=frozenset(unsure))
    return found_as, places


def _terminology(tags: str) -> str:
    """Category and type of a segment (the second and third entry of its terminology tag), without its region."""
    match = re.search(r"TerminologyEntry:([^|]*)", tags)
    return "~".join(match.group(1).split("~")[1:3]) if match else ""


# Category "Morphologically Altered Structure" in SNOMED CT and SRT.
_ALTERED = {"49755003", "M-01000"}


def _is_tumour(codes: list[str]) -> bool:
    return bool(codes) and codes[0] in _ALTERED
