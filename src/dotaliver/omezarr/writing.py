"""Write images of planes: stored values unchanged, coarser levels for viewers, several planes per file."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dotaliver.errors import ConfigError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.image.geometry import Geometry
from dotaliver.omezarr.ngff import multiscales_of
from dotaliver.omezarr.planes import plane_attributes, plane_sha256
from dotaliver.system.extras import extra_missing

if TYPE_CHECKING:
    from zarr import Group

__all__ = ["ImageWriter", "require_zarr"]

# Size of a file, uncompressed: a series is about ten files, and at most this much waits in memory.
_FILE_BYTES = 32 << 20
_MOST_LEVELS = 5
# No coarser level is written below this plane size.
_SMALL = 128


def require_zarr() -> None:
    """Refuse to go on without the package that writes Zarr; `ConfigError` says how to install it."""
    try:
        import zarr  # noqa: F401  whether it can be imported is the question
    except ImportError as error:
        raise ConfigError(extra_missing("writing OME-Zarr", "zarr", error.name)) from error


class ImageWriter:
    """Writes one image into an empty folder, its planes in any order and from several threads.

    Parameters
    ----------
    folder : Path
        Becomes the image's group.
    name : str
        Of the image, as viewers show it.
    grid : Geometry
        Of the planes, which ascend along the slice normal.
    dtype : numpy dtype
        Of the stored values.
    purpose : str
        "speed" writes one level that is quick to pack and unpack, "exchange" packs tighter and adds coarser levels.
    """

    def __init__(
        self, folder: Path, name: str, grid: Geometry, dtype: ArrayType, purpose: Literal["speed", "exchange"]
    ) -> None:
        require_zarr()
        import zarr

        shapes = _levels(grid.shape) if purpose == "exchange" else [grid.shape]
        self._attributes = {"ome": multiscales_of(name, grid, len(shapes))}
        self._group = zarr.create_group(folder, zarr_format=3, attributes=self._attributes)
        self._levels = [
            _LevelWriter(self._group, str(n), shape, dtype.newbyteorder("="), purpose) for n, shape in enumerate(shapes)
        ]
        self._hashes: list[str | None] = [None] * grid.shape[0]

    @property
    def is_whole(self) -> bool:
        """Whether all planes are written."""
        return None not in self._hashes

    def put(self, k: int, plane: Array) -> None:
        """Write plane `k`; a plane that was written before is skipped.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        if self._hashes[k] is not None:
            return
        digest = plane_sha256(plane)
        for n, level in enumerate(self._levels):
            if k % 2**n:
                break
            if n:
                plane = _halved(plane)
            level.put(k // 2**n, plane)
        self._hashes[k] = digest

    def finish(self, **texts: str) -> None:
        """Write what is known only at the end: the hashes of the planes, and other texts.

        Raises
        ------
        ValueError
            Where planes are missing.
        """
        hashes = [digest for digest in self._hashes if digest is not None]
        if len(hashes) != len(self._hashes):
            msg = f"{len(self._hashes) - len(hashes)} planes were not written"
            raise ValueError(msg)
        self._group.attrs.put({**self._attributes, **plane_attributes(hashes, **texts)})


def _levels(shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Shapes of the levels: rows and columns are halved, and every second plane kept, until planes are small."""
    shapes = [shape]
    while len(shapes) < _MOST_LEVELS and max(shapes[-1][1:]) > _SMALL and min(shapes[-1][1:]) >= 2:
        planes, rows, columns = shapes[-1]
        shapes.append((-(-planes // 2), rows // 2, columns // 2))
    return shapes


def _halved(plane: Array) -> Array:
    """Rounded means of two by two voxels. Planes are not averaged, since their rescale slopes may differ."""
    rows, columns = (n // 2 * 2 for n in plane.shape)
    parts = plane[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    return np.asarray(np.round(parts.mean(axis=(1, 3))), plane.dtype)


class _LevelWriter:
    """One array; each file is written once all its planes have arrived."""

    def __init__(self, group: Group, name: str, shape: tuple[int, int, int], dtype: ArrayType, purpose: str) -> None:
        from zarr.codecs import BloscCodec

        plane_bytes = math.prod(shape[1:]) * dtype.itemsize
        self._thickness = max(1, min(shape[0], _FILE_BYTES // plane_bytes))
        packed = BloscCodec(
            cname="lz4" if purpose == "speed" else "zstd", clevel=1 if purpose == "speed" else 3, shuffle="bitshuffle"
        )
        self._array = group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=(1, *shape[1:]),
            shards=(self._thickness, *shape[1:]),
            compressors=packed,
            dimension_names=["z", "y", "x"],
            # Chunks of zeros are written too, since a missing chunk means damage.
            config={"write_empty_chunks": True},
        )
        self._shape, self._dtype = shape, dtype
        self._waiting: dict[int, tuple[Array, set[int]]] = {}
        self._lock = threading.Lock()

    def put(self, k: int, plane: Array) -> None:
        number = k // self._thickness
        first = number * self._thickness
        stop = min(first + self._thickness, self._shape[0])
        with self._lock:
            if number not in self._waiting:
                self._waiting[number] = (np.empty((stop - first, *self._shape[1:]), self._dtype), set())
            block, there = self._waiting[number]
            block[k - first] = plane
            there.add(k)
            if len(there) == stop - first:
                self._array[first:stop] = block
                del self._waiting[number]
