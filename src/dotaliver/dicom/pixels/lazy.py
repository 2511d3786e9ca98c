"""Series that are too large for the memory: their slices are read when they are needed.

The voxels are those that `series` would hold in memory, and so are their hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.files.stack import Stack
from dotaliver.dicom.pixels.planes import PlaneReader, Progress, Stored
from dotaliver.dicom.pixels.series import (
    are_whole,
    ct_volume,
    mr_volume,
    rescale_of,
    rescale_to_hu,
    scale_plane,
    to_whole_hu,
)
from dotaliver.image.backends import SlabCache
from dotaliver.image.volume import Quantity, Volume

__all__ = ["ct_image_of", "is_large", "kept_bytes", "lazy_ct", "lazy_scaled", "mr_image_of"]

Number = TypeVar("Number", np.int16, np.float32)
Fill = Callable[[int, Stored, Stored], None]


class _TooLargeError(Exception):
    """A value does not fit int16."""


def _reader(stack: Stack, dtype: type[Number], fill: Fill, keep_bytes: int) -> SlabCache[Number]:
    """Boxes of a stack's voxels; `fill` is given a slice's place, its stored values and where its voxels go."""
    planes, (_, rows, columns) = PlaneReader(stack), stack.geometry.shape

    def make(slices: range) -> npt.NDArray[Number]:
        slab = np.empty((len(slices), rows, columns), dtype=dtype)
        planes.each(slices, None, lambda k, plane: fill(k, plane, slab[k - slices.start]))
        return slab

    return SlabCache(make, stack.geometry.shape, dtype, keep_bytes)


# An image that takes more than this part of the bound is not held; as much of it is kept as was used last.
_HELD_PART = 16


def is_large(stack: Stack, dtype: npt.DTypeLike, memory_bytes: int | None) -> bool:
    """Whether an image is too large to be held within a bound on the memory (None: nothing is)."""
    image_bytes = int(np.prod(stack.geometry.shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return memory_bytes is not None and image_bytes > memory_bytes // _HELD_PART


def kept_bytes(memory_bytes: int | None) -> int:
    """How much of an image that is not held may be kept."""
    return (memory_bytes or 0) // _HELD_PART


def ct_image_of(stack: Stack, memory_bytes: int | None, progress: Progress | None = None) -> Volume:
    """A CT in Hounsfield units: in memory, or read on demand where it is large compared with the bound."""
    if is_large(stack, np.int16, memory_bytes):
        return lazy_ct(stack, kept_bytes(memory_bytes))
    return ct_volume(stack, progress)


def lazy_ct(stack: Stack, keep_bytes: int) -> Volume:
    """A CT in Hounsfield units, as `series.ct_volume` gives it, that is read when it is needed.

    It is read once to know whether all its values fit int16.
    """
    slopes, intercepts = rescale_to_hu(stack)

    def whole(k: int, plane: Stored, out: Stored) -> None:
        if not to_whole_hu(plane, slopes[k], intercepts[k], out):
            raise _TooLargeError

    def exact(k: int, plane: Stored, out: Stored) -> None:
        out[...] = plane * slopes[k] + intercepts[k]

    if are_whole(slopes, intercepts):
        read = _reader(stack, np.int16, whole, keep_bytes)
        volume = Volume(read, stack.geometry, Quantity.HU)
        try:
            volume.sha256()  # kept by the volume, for this reads it all
        except _TooLargeError:
            pass
        else:
            return volume
    return Volume(_reader(stack, np.float32, exact, keep_bytes), stack.geometry, Quantity.HU)


def mr_image_of(stack: Stack, memory_bytes: int | None, progress: Progress | None = None) -> Volume:
    """An MR in units of signal: in memory, or read on demand where it is large compared with the bound."""
    if not is_large(stack, np.float32, memory_bytes):
        return mr_volume(stack, progress)
    slopes, intercepts = rescale_of(stack)

    def fill(k: int, plane: Stored, out: Stored) -> None:
        out[...] = plane * slopes[k] + intercepts[k]

    reader = _reader(stack, np.float32, fill, kept_bytes(memory_bytes))
    return Volume(reader, stack.geometry, Quantity.MR_SIGNAL)


def lazy_scaled(stack: Stack, factors: npt.NDArray[np.float64], quantity: Quantity, keep_bytes: int) -> Volume:
    """Stored values times one factor a slice, float32, as `series.scaled`, read when they are needed."""

    def fill(k: int, plane: Stored, out: Stored) -> None:
        scale_plane(plane, factors[k], out)

    return Volume(_reader(stack, np.float32, fill, keep_bytes), stack.geometry, quantity)
