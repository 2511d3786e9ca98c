"""What a mask file of any image format holds, read whole: voxels of the size that its header says, checksums kept."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

import numpy as np

from dotaliver.dicom.masks.outlines import Outlines
from dotaliver.errors import MaskError
from dotaliver.image.arrays import Array
from dotaliver.image.geometry import FloatArray, Geometry

__all__ = ["LARGEST_GRID", "VoxelFile", "compressed_bytes", "grid_of_affine", "plain_bytes", "require_size"]

LARGEST_GRID = 1 << 30
"""Voxels that a mask may have"""
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Directions that are this far from perpendicular are kept as they are; more is a shear.
_PERPENDICULAR = 1e-5
# A sheared grid is replaced by the nearest one at right angles where no voxel moves by more than this, in voxels.
_LARGEST_MOVE = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class VoxelFile:
    """The voxels of a file, ``[slice, row, column]`` or ``[layer, slice, row, column]``, and where they lie.

    ``outlines`` are what the file calls its labels, by (layer, value); None where it names none.
    """

    values: Array
    grid: Geometry
    origin: str
    outlines: Outlines | None = None
    places: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Layer and value of each outline"""


def require_size(name: str, shape: tuple[int, ...]) -> None:
    """Refuse more voxels than a mask of a scan has."""
    count = 1
    for n in shape:
        count *= n
    if min(shape) < 1 or count > LARGEST_GRID:
        msg = f"{name}: {' x '.join(map(str, shape))} voxels are not a mask of a scan; write it again"
        raise MaskError(msg)


def plain_bytes(name: str, file: BinaryIO | io.BufferedIOBase, count: int) -> bytes:
    """The rest of a file, which must be as many bytes as the header says."""
    data = file.read(count + 1)
    if len(data) != count:
        held = "more" if len(data) > count else str(len(data))
        msg = (
            f"{name}: its header says {count} bytes of voxels and it holds {held}, so the file is cut short or "
            "damaged; copy or write it again"
        )
        raise MaskError(msg)
    return data


def compressed_bytes(name: str, file: BinaryIO, count: int, kind: str) -> bytes:
    """The rest of a file unpacked, with its checksum verified; it must be as many bytes as the header says."""
    openers: dict[str, Callable[[BinaryIO], io.BufferedIOBase]] = {
        "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
        "bzip2": bz2.BZ2File,
    }
    return _verified(name, lambda: plain_bytes(name, openers[kind](file), count))


def _verified(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (EOFError, OSError, zlib.error) as error:
        msg = (
            f"{name}: the compressed voxels end early or do not match their checksum, so the file is cut short or "
            "damaged; copy or write it again"
        )
        raise MaskError(msg) from error


def grid_of_affine(name: str, shape: tuple[int, int, int], affine: FloatArray, *, ras: bool) -> Geometry:
    """The grid of voxels by an affine from (slice, row, column), in LPS or RAS millimetres.

    A shear so small that no voxel moves by half of its size is rounding, and the nearest grid at right angles is
    taken, about the same centre; a larger one is refused.
    """
    matrix = _RAS_TO_LPS @ affine if ras else np.array(affine, dtype=np.float64)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or spacing.min() <= 0:
        msg = f"{name}: its axes have no direction or length, so where the mask lies is unknown; write it again"
        raise MaskError(msg)
    axes = matrix[:3, :3] / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() <= _PERPENDICULAR:
        return Geometry.from_affine(shape, matrix)
    u, _, vt = np.linalg.svd(axes)
    nearest = matrix.copy()
    nearest[:3, :3] = (u @ vt) * spacing
    last = np.array(shape, dtype=np.float64) - 1
    middle = last / 2
    nearest[:3, 3] += (matrix[:3, :3] - nearest[:3, :3]) @ middle
    corners = np.array([(a, b, c) for a in (0, last[0]) for b in (0, last[1]) for c in (0, last[2])])
    moved = (corners - middle) @ (matrix[:3, :3] - nearest[:3, :3]).T
    if np.linalg.norm(moved, axis=1).max() > _LARGEST_MOVE * spacing.min():
        degrees = float(np.degrees(np.arcsin(min(1.0, float(np.abs(axes.T @ axes - np.eye(3)).max())))))
        msg = (
            f"{name}: its axes are sheared by {degrees:.2f} degrees, so the voxels do not lie on a rectangular grid; "
            "resample the mask onto the image it was drawn on"
        )
        raise MaskError(msg)
    return Geometry.from_affine(shape, nearest)
