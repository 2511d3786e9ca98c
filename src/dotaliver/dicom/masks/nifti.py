"""NIfTI-1 and NIfTI-2 in one file (``.nii``, ``.nii.gz``), by the specification of the NIfTI data format group.

Read here and not by ITK, which takes another file of the same stem for the one that was named, reads a truncated
``.nii.gz`` as if it were whole, and refuses directions that are sheared by rounding.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.masks.voxel_file import VoxelFile, compressed_bytes, grid_of_affine, plain_bytes, require_size
from dotaliver.errors import MaskError
from dotaliver.image.arrays import Array
from dotaliver.image.geometry import FloatArray

__all__ = ["read_nifti"]

_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
# Sizes of the headers of both versions
_V1, _V2 = 348, 540
_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}
_SPACE_UNITS = 0x07


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, int, int]
    dtype: npt.DTypeLike
    offset: int
    slope: float
    intercept: float
    affines: tuple[FloatArray, ...]
    """By sform and qform, those that are set; from (column, row, slice) to RAS millimetres"""


def read_nifti(path: Path) -> VoxelFile:
    """Read a NIfTI file.

    Raises
    ------
    MaskError
        Where it is none, is cut short or damaged, does not say where it lies or says it twice and differently.
    OSError
        Where the file cannot be read.
    """
    name = path.name
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        header = _header(name, _start(name, file, packed=packed))
        file.seek(0)
        count = int(np.prod(header.shape)) * np.dtype(header.dtype).itemsize
        if packed:
            data = compressed_bytes(name, file, header.offset + count, "gzip")[header.offset :]
        else:
            file.seek(header.offset)
            data = plain_bytes(name, file, count)
    values: Array = np.frombuffer(data, dtype=header.dtype).reshape(header.shape)
    if (header.slope, header.intercept) not in {(0.0, 0.0), (1.0, 0.0)} and header.slope != 0:
        values = values.astype(np.float64) * header.slope + header.intercept
    affine = _one_place(name, header)[:, [2, 1, 0, 3]]
    return VoxelFile(values, grid_of_affine(name, header.shape, affine, ras=True), "NIfTI")


def _start(name: str, file: BinaryIO, *, packed: bool) -> bytes:
    try:
        return (gzip.GzipFile(fileobj=file) if packed else file).read(_V2)
    except (EOFError, OSError, ValueError) as error:
        raise _unreadable(name) from error


def _unreadable(name: str) -> MaskError:
    return MaskError(f"{name}: the mask cannot be read as NIfTI (its header is damaged or that of another format)")


def _header(name: str, start: bytes) -> _Header:
    if len(start) < _V1:
        raise _unreadable(name)
    for order in "<>":
        size = struct.unpack_from(f"{order}i", start)[0]
        if size in {_V1, _V2} and len(start) >= size:
            try:
                return _fields(name, start, order, version=1 if size == _V1 else 2)
            except (struct.error, ValueError, OverflowError) as error:
                raise _unreadable(name) from error
    raise _unreadable(name)


def _fields(name: str, start: bytes, order: str, *, version: int) -> _Header:
    def at(offset: int, form: str) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, start, offset)

    if version == 1:
        dims, code, sizes = at(40, "8h"), at(70, "h")[0], at(76, "8f")
        offset, slope, intercept = at(108, "3f")
        units, (qcode, scode) = at(123, "B")[0], at(252, "2h")
        quaternion, rows = at(256, "6f"), at(280, "12f")
        magic = start[344:347]
    else:
        dims, code, sizes = at(16, "8q"), at(12, "h")[0], at(104, "8d")
        offset, (slope, intercept) = at(168, "q")[0], at(176, "2d")
        units, (qcode, scode) = at(500, "i")[0], at(344, "2i")
        quaternion, rows = at(352, "6d"), at(400, "12d")
        magic = start[4:7]
    if magic not in {b"n+1", b"n+2"}:
        raise _unreadable(name)
    shape = _shape(name, dims)
    if code not in _TYPES:
        msg = f"{name}: NIfTI data type {code} holds no labels; write the mask with one whole number per voxel"
        raise MaskError(msg)
    if not (np.isfinite(offset) and offset >= len(magic)):
        raise _unreadable(name)
    if not np.isfinite([slope, intercept]).all():
        # No scaling is stated
        slope, intercept = 0.0, 0.0
    scale = _UNITS_MM.get(units & _SPACE_UNITS, 1.0)
    affines = []
    if scode > 0:
        affines.append(np.array(rows, dtype=np.float64).reshape(3, 4))
    if qcode > 0:
        affines.append(_qform(quaternion, sizes))
    placed = tuple(np.vstack([affine * scale, [0.0, 0.0, 0.0, 1.0]]) for affine in affines)
    return _Header(shape, np.dtype(order + _TYPES[code]), int(offset), float(slope), float(intercept), placed)


def _shape(name: str, dims: tuple[int, ...]) -> tuple[int, int, int]:
    count = dims[0]
    if not 3 <= count <= 7 or any(n != 1 for n in dims[4 : count + 1]):
        used = " x ".join(str(n) for n in dims[1 : max(count, 0) + 1])
        msg = f"{name}: a mask has three dimensions and one value per voxel, not {used or 'none'}"
        raise MaskError(msg)
    shape = (int(dims[3]), int(dims[2]), int(dims[1]))
    require_size(name, shape)
    return shape


def _qform(quaternion: tuple[float, ...], sizes: tuple[float, ...]) -> FloatArray:
    """The qform, 3 x 4: a rotation as a unit quaternion, voxel sizes, and the sense of the third axis."""
    from scipy.spatial.transform import Rotation

    b, c, d, *offset = quaternion
    a = max(1.0 - (b * b + c * c + d * d), 0.0) ** 0.5
    steps = np.array(sizes[1:4], dtype=np.float64)
    steps[2] *= -1.0 if sizes[0] < 0 else 1.0
    rotation = Rotation.from_quat([b, c, d, a]).as_matrix()
    return np.column_stack([rotation * steps, offset])


def _one_place(name: str, header: _Header) -> FloatArray:
    """The affine that the header states; where sform and qform are both set they must put every voxel at one place."""
    if not header.affines:
        msg = (
            f"{name}: neither sform nor qform of the NIfTI is set, so where the mask lies is unknown; "
            "write it with its geometry"
        )
        raise MaskError(msg)
    first, *others = header.affines
    last = np.array(header.shape[::-1], dtype=np.float64) - 1
    corners = np.array([(a, b, c, 1.0) for a in (0, last[0]) for b in (0, last[1]) for c in (0, last[2])])
    half_voxel = float(np.linalg.norm(first[:3, :3], axis=0).min()) / 2
    for other in others:
        if not np.abs(corners @ (first - other).T).max() <= half_voxel:
            msg = f"{name}: sform and qform of the NIfTI say different places; write it with one geometry"
            raise MaskError(msg)
    return first
