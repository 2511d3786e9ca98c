"""Series that are too large for the memory: their slices are read when they are needed.

The voxels are those that `series` would hold in memory, and so are their hashes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.blocks import LazyVolume
from dotaliver.dicom.pixels import PlaneReader, Progress, Stored
from dotaliver.dicom.series import are_whole, ct_volume, rescale_to_hu, scale_plane, to_whole_hu
from dotaliver.dicom.stack import Stack
from dotaliver.geometry import Box
from dotaliver.volume import SLAB_SLICES, Quantity, Volume

__all__ = ["ct_image_of", "is_large", "kept_bytes", "lazy_ct", "lazy_scaled"]

Fill = Callable[[int, Stored, Stored], None]


class _TooLargeError(Exception):
    """A value does not fit int16."""


class _Slices:
    """Boxes of a stack, a few whole slices read at a time; those that were used last are kept.

    Parameters
    ----------
    reader : PlaneReader
        Of the stack.
    shape : tuple of int
        Of its grid.
    dtype : numpy dtype
        Of the voxels.
    fill : callable
        Is given a slice's place, its stored values and where its voxels go.
    keep_bytes : int
        How much is kept.
    """

    def __init__(
        self, reader: PlaneReader, shape: tuple[int, int, int], dtype: npt.DTypeLike, fill: Fill, keep_bytes: int
    ) -> None:
        self._reader, self._shape, self._dtype, self._fill = reader, shape, np.dtype(dtype), fill
        slab_bytes = SLAB_SLICES * shape[1] * shape[2] * self._dtype.itemsize
        self._most = max(keep_bytes // slab_bytes, 2)
        self._kept: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, box: Box) -> npt.NDArray[Any]:
        k, j, i = box
        result = np.empty(tuple(part.stop - part.start for part in box), dtype=self._dtype)
        for number in range(k.start // SLAB_SLICES, -(-k.stop // SLAB_SLICES)):
            first = number * SLAB_SLICES
            start, stop = max(k.start, first), min(k.stop, first + SLAB_SLICES)
            result[start - k.start : stop - k.start] = self._slab(number)[start - first : stop - first, j, i]
        return result

    def _slab(self, number: int) -> npt.NDArray[Any]:
        with self._lock:
            slab = self._kept.get(number)
            if slab is None:
                slab = self._read(number)
                while len(self._kept) >= self._most:
                    self._kept.popitem(last=False)
                self._kept[number] = slab
            self._kept.move_to_end(number)
            return slab

    def _read(self, number: int) -> npt.NDArray[Any]:
        first = number * SLAB_SLICES
        planes = range(first, min(first + SLAB_SLICES, self._shape[0]))
        slab = np.empty((len(planes), *self._shape[1:]), dtype=self._dtype)
        self._reader.each(planes, None, lambda k, plane: self._fill(k, plane, slab[k - first]))
        return slab


# An image that takes more than this part of the bound is not held; as much of it is kept as was used last.
_HELD_PART = 8


def is_large(stack: Stack, dtype: npt.DTypeLike, memory_bytes: int | None) -> bool:
    """Whether an image is too large to be held within a bound on the memory (None: nothing is)."""
    image_bytes = int(np.prod(stack.geometry.shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return memory_bytes is not None and image_bytes > memory_bytes // _HELD_PART


def kept_bytes(memory_bytes: int | None) -> int:
    """How much of an image that is not held may be kept."""
    return (memory_bytes or 0) // _HELD_PART


def ct_image_of(stack: Stack, memory_bytes: int | None, progress: Progress | None = None) -> Volume:
    """A CT in Hounsfield units: in memory, or read when it is needed where it is large beside the bound."""
    if is_large(stack, np.int16, memory_bytes):
        return lazy_ct(stack, kept_bytes(memory_bytes))
    return ct_volume(stack, progress)


def lazy_ct(stack: Stack, keep_bytes: int) -> LazyVolume:
    """A CT in Hounsfield units, as `series.ct_volume` gives it, that is read when it is needed.

    It is read once to know whether all its values fit int16.
    """
    slopes, intercepts = rescale_to_hu(stack)
    reader, shape = PlaneReader(stack), stack.geometry.shape

    def whole(k: int, plane: Stored, out: Stored) -> None:
        if not to_whole_hu(plane, slopes[k], intercepts[k], out):
            raise _TooLargeError

    def exact(k: int, plane: Stored, out: Stored) -> None:
        out[...] = plane * slopes[k] + intercepts[k]

    if are_whole(slopes, intercepts):
        read = _Slices(reader, shape, np.int16, whole, keep_bytes)
        volume = LazyVolume(read, np.int16, stack.geometry, Quantity.HU)
        try:
            volume.sha256()  # kept by the volume, for this reads it all
        except _TooLargeError:
            pass
        else:
            return volume
    return LazyVolume(
        _Slices(reader, shape, np.float32, exact, keep_bytes), np.float32, stack.geometry, Quantity.HU
    )


def lazy_scaled(
    stack: Stack, factors: npt.NDArray[np.float64], quantity: Quantity, keep_bytes: int
) -> LazyVolume:
    """Stored values times one factor a slice, float32, as `series.scaled`, read when they are needed."""

    def fill(k: int, plane: Stored, out: Stored) -> None:
        scale_plane(plane, factors[k], out)

    read = _Slices(PlaneReader(stack), stack.geometry.shape, np.float32, fill, keep_bytes)
    return LazyVolume(read, np.float32, stack.geometry, quantity)
