"""Voxels of a Zarr array; a missing chunk is an error and is never read as zeros.

Zarr gives the fill value for a chunk that is not there, so that an image of which a file was lost would show air.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dotaliver.errors import DotaliverError, FileFormatError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.omezarr.layout import ArrayLayout, Shards, array_layout
from dotaliver.omezarr.unpacking import unpack_chunk, without_checksum

__all__ = ["StoredArray"]

_ABSENT = 0xFFFFFFFFFFFFFFFF
# Images compress to about a third, blank ones to a thousandth; small arrays may compress further.
_LARGEST_RATIO, _ALWAYS_BYTES = 1000, 4 << 20
# Codecs add little to what they cannot compress.
_LONGEST_SHARE, _ALWAYS_PACKED = 2, 1 << 12
Place = tuple[int, ...]


class StoredArray:
    """One array of a hierarchy, read chunk by chunk; several threads may read at once.

    One of three axes is a `dotaliver.image.backends.VoxelBackend`: an image may be made of it as it lies on disk.

    Parameters
    ----------
    folder : Path
        Of the array.
    root : Path
        Of the hierarchy: nothing outside it is read, whatever links there are.

    Raises
    ------
    FileFormatError
        Where the array is not supported; messages never name the folder.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._root = root.resolve()
        self._folder = self._within(folder)
        for name in ("zarr.json", ".zarray"):
            self._within(folder / name)
        self.layout: ArrayLayout = array_layout(folder)
        self._indices: dict[Place, npt.NDArray[np.uint64]] = {}
        self._layer: tuple[int, Array] | None = None
        self._lock = threading.Lock()

    in_memory = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return self.layout.shape

    @property
    def dtype(self) -> ArrayType:
        """Type of the voxels."""
        return self.layout.dtype

    def read_all(self) -> Array:
        """All voxels, in memory."""
        return self.read(tuple(slice(0, n) for n in self.layout.shape))

    def stored_bytes(self) -> int:
        """Total size of the array's files; a link counts as itself.

        Raises
        ------
        FileFormatError
            Where one of them goes meanwhile.
        """
        try:
            return sum(
                os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 -- there may be thousands
                for parent, _, names in os.walk(self._folder)
                for name in names
            )
        except OSError as error:
            msg = f"its files cannot be read ({error.strerror})"
            raise FileFormatError(msg) from error

    def refuse_impossible(self) -> None:
        """Refuse an array whose files are too small to contain it, before memory is allocated."""
        held = self.stored_bytes()
        if self.layout.image_bytes > max(_ALWAYS_BYTES, _LARGEST_RATIO * held):
            msg = f"{held} bytes of files cannot hold {self.layout.image_bytes} bytes of voxels"
            raise FileFormatError(msg)

    def refuse_incomplete(self) -> None:
        """Refuse an array with a missing chunk, from file names and shard indices."""
        layout = self.layout
        grid = _grid(layout.shape, layout.file_shape)
        there = sum(len(names) for _, _, names in os.walk(self._folder))
        if math.prod(grid) > there:
            msg = f"of its {math.prod(grid)} files of voxels {there} at most are there"
            raise FileFormatError(msg)
        for file in itertools.product(*map(range, grid)):
            if layout.shards is None:
                self._path(file)
            else:
                index = self._index(file, layout.shards)
                for inner in itertools.product(*map(range, _inside(layout, layout.shards, file))):
                    _entry(index, layout.shards, inner)

    def fill_plane(self, k: int, out: Array) -> None:
        """Fill an array with the voxels of plane `k` of a three-dimensional array.

        Raises
        ------
        FileFormatError
            Where a chunk is missing or damaged.
        """
        layout = self.layout
        if layout.chunks == (1, *out.shape):
            self._fill_chunk((k, 0, 0), out[np.newaxis])
            return
        # Other programs write chunks of several planes: keep the last ones, since planes are read in order
        number, thick = k // layout.chunks[0], layout.chunks[0]
        with self._lock:
            if self._layer is None or self._layer[0] != number:
                self._layer = None
                stop = min((number + 1) * thick, layout.shape[0])
                box = (slice(number * thick, stop), *(slice(0, n) for n in layout.shape[1:]))
                self._layer = (number, self.read(box))
            out[...] = self._layer[1][k - number * thick]

    def read(self, box: tuple[slice, ...]) -> Array:
        """The voxels of a box of indices (start and stop within the array), in memory.

        Raises
        ------
        FileFormatError
            Where a chunk is missing or damaged.
        """
        layout = self.layout
        result = np.empty([part.stop - part.start for part in box], layout.dtype)
        chunk = np.empty(layout.chunks, layout.dtype)
        spans = (range(p.start // n, -(-p.stop // n)) for p, n in zip(box, layout.chunks, strict=True))
        for place in itertools.product(*spans):
            self._fill_chunk(place, chunk)
            here, there = [], []
            for number, size, part in zip(place, layout.chunks, box, strict=True):
                first = number * size
                start, stop = max(part.start, first), min(part.stop, first + size)
                here.append(slice(start - part.start, stop - part.start))
                there.append(slice(start - first, stop - first))
            result[tuple(here)] = chunk[tuple(there)]
        return result

    def _fill_chunk(self, place: Place, out: Array) -> None:
        name = "/".join(map(str, place))
        try:
            unpack_chunk(self._packed(place), self.layout.coding, out)
        except DotaliverError:
            raise
        except (OSError, ValueError) as error:
            msg = f"its chunk {name} is damaged ({error})"
            raise FileFormatError(msg) from error

    def _packed(self, place: Place) -> bytes:
        """The stored bytes of one chunk."""
        shards = self.layout.shards
        if shards is None:
            return self._piece(self._path(place), 0, None)
        file = tuple(n // c for n, c in zip(place, shards.counts, strict=True))
        inner = tuple(n % c for n, c in zip(place, shards.counts, strict=True))
        offset, length = _entry(self._index(file, shards), shards, inner)
        return self._piece(self._path(file), offset, length)

    def _piece(self, path: Path, offset: int, length: int | None) -> bytes:
        """Bytes of a file from an offset on; at most as many as a chunk can have."""
        with path.open("rb") as opened:
            left = os.fstat(opened.fileno()).st_size - offset
            length = left if length is None else length
            if length > left:
                msg = "its shard is cut short"
                raise ValueError(msg)
            if length > _LONGEST_SHARE * self.layout.chunk_bytes + _ALWAYS_PACKED:
                msg = f"{length} bytes are too many for it"
                raise ValueError(msg)
            opened.seek(offset)
            return opened.read(length)

    def _index(self, file: Place, shards: Shards) -> npt.NDArray[np.uint64]:
        """Index of one shard: offset and length of each chunk in bytes, shape (chunks, 2)."""
        found = self._indices.get(file)
        if found is not None:
            return found
        count = math.prod(shards.counts)
        length = 16 * count + (4 if shards.index_has_checksum else 0)
        try:
            with self._path(file).open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                opened.seek(max(0, size - length) if shards.index_at_end else 0)
                data = opened.read(length)
            if shards.index_has_checksum:
                data = without_checksum(data)
            found = np.frombuffer(data, "<u8").reshape(count, 2)
        except DotaliverError:
            raise
        except (OSError, ValueError) as error:
            msg = f"its shard {'/'.join(map(str, file))} is damaged ({error})"
            raise FileFormatError(msg) from error
        self._indices[file] = found
        return found

    def _path(self, file: Place) -> Path:
        """Path of an existing file of voxels within the hierarchy."""
        path = self._within(self._folder / self.layout.file_name(file))
        if not path.is_file():
            msg = f"its file of voxels {self.layout.file_name(file)} is missing"
            raise FileFormatError(msg)
        return path

    def _within(self, path: Path) -> Path:
        try:
            inside = path.resolve().is_relative_to(self._root)
        except (OSError, RuntimeError):
            # Circular links
            inside = False
        if not inside:
            msg = f"{path.name} leads out of the folder by a link"
            raise FileFormatError(msg)
        return path


def _grid(shape: tuple[int, ...], piece: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // p) for n, p in zip(shape, piece, strict=True))


def _inside(layout: ArrayLayout, shards: Shards, file: Place) -> tuple[int, ...]:
    """How many chunks of a shard lie within the array, along each axis."""
    whole = _grid(layout.shape, layout.chunks)
    return tuple(min(c, n - f * c) for c, n, f in zip(shards.counts, whole, file, strict=True))


def _entry(index: npt.NDArray[np.uint64], shards: Shards, inner: Place) -> tuple[int, int]:
    offset, length = (int(v) for v in index[np.ravel_multi_index(inner, shards.counts)])
    if _ABSENT in {offset, length}:
        msg = f"its chunk {'/'.join(map(str, inner))} is missing from its shard"
        raise FileFormatError(msg)
    return offset, length
