"""Images that are read slab by slab."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.image.blocks import Array
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.volume import SLAB_SLICES, Quantity, Volume

__all__ = ["LazyVolume", "ReadBox", "SlabCache", "lazily_filtered", "lazy_planes", "slices_around", "turned"]


def _span(part: slice, size: int) -> slice:
    start, stop, _ = part.indices(size)
    return slice(start, stop)


class LazyVolume(Volume):
    """An image whose voxels are read when they are asked for; ``array`` reads it whole.

    Parameters
    ----------
    read : callable
        Is given a box of indices (start and stop within the grid, step 1) and returns its voxels.
    dtype : numpy dtype
        Of the voxels that it returns.
    geometry, quantity
        As for every image.
    """

    _read: ReadBox
    _dtype: np.dtype[Any]

    def __init__(self, read: ReadBox, dtype: npt.DTypeLike, geometry: Geometry, quantity: Quantity) -> None:
        for name, value in (("_read", read), ("_dtype", np.dtype(dtype)), ("geometry", geometry)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "quantity", quantity)

    @property
    def array(self) -> Array:
        """All voxels, read now and not kept."""
        slices, rows, columns = self.geometry.shape
        return self.crop((slice(0, slices), slice(0, rows), slice(0, columns))).array

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self._dtype

    def crop(self, box: Box) -> Volume:
        """The part of the image in a box of indices, in memory."""
        k, j, i = (_span(part, n) for part, n in zip(box, self.geometry.shape, strict=True))
        return Volume(self._read((k, j, i)), self.geometry.crop((k, j, i)), self.quantity)

    @cached_property
    def _hash(self) -> str:
        return super().sha256()

    def sha256(self) -> str:
        """Hash of the voxel values, which are read once for it."""
        return self._hash

    def with_array(self, array: Array, quantity: Quantity | None = None) -> Volume:
        """A sibling image on the same grid, in memory."""
        return Volume(array, self.geometry, quantity or self.quantity)

    def part(self, box: Box) -> LazyVolume:
        """The part of the image in a box of indices, read when it is asked for."""
        k, j, i = (_span(part, n) for part, n in zip(box, self.geometry.shape, strict=True))

        def read(inner: Box) -> Array:
            a, b, c = (slice(o.start + p.start, o.start + p.stop) for o, p in zip((k, j, i), inner, strict=True))
            return self._read((a, b, c))

        return LazyVolume(read, self._dtype, self.geometry.crop((k, j, i)), self.quantity)

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent elsewhere with its voxels."""
        return Volume, (self.array, self.geometry, self.quantity)

    def placed(self, geometry: Geometry) -> LazyVolume:
        """The same voxels on another grid of the same shape."""
        return LazyVolume(self._read, self._dtype, geometry, self.quantity)


class SlabCache:
    """Boxes of an image that is made a few whole slices at a time; those that were used last are kept.

    Parameters
    ----------
    make : callable
        Is given a range of slices and returns their voxels.
    shape : tuple of int
        Of the image.
    dtype : numpy dtype
        Of its voxels.
    keep_bytes : int
        How much is kept; two slabs at least.
    """

    def __init__(
        self, make: Callable[[range], Array], shape: tuple[int, int, int], dtype: npt.DTypeLike, keep_bytes: int
    ) -> None:
        self._make, self._shape, self._dtype = make, shape, np.dtype(dtype)
        slab_bytes = SLAB_SLICES * shape[1] * shape[2] * self._dtype.itemsize
        self._most = max(keep_bytes // slab_bytes, 2)
        self._kept: OrderedDict[int, Array] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, box: Box) -> Array:
        """The voxels of a box."""
        k, j, i = box
        result = np.empty(tuple(part.stop - part.start for part in box), dtype=self._dtype)
        for number in range(k.start // SLAB_SLICES, -(-k.stop // SLAB_SLICES)):
            first = number * SLAB_SLICES
            start, stop = max(k.start, first), min(k.stop, first + SLAB_SLICES)
            result[start - k.start : stop - k.start] = self._slab(number)[start - first : stop - first, j, i]
        return result

    def _slab(self, number: int) -> Array:
        with self._lock:
            slab = self._kept.get(number)
            if slab is None:
                while len(self._kept) >= self._most:
                    self._kept.popitem(last=False)
                first = number * SLAB_SLICES
                slab = self._make(range(first, min(first + SLAB_SLICES, self._shape[0])))
                self._kept[number] = slab
            self._kept.move_to_end(number)
            return slab


def lazily_filtered(
    volume: Volume, box: Box, function: Callable[[Array], Array], halo: int, *, keep_slices: int = 0
) -> LazyVolume:
    """A box of an image after a filter that looks no further than `halo` slices; float32, made when it is read.

    The filter sees nothing beyond the box. What fits into `keep_slices` of those read last is not made again.
    """
    grid = volume.geometry.crop(box)
    first = box[0].start

    def make(slices: range) -> Array:
        low, high = max(slices.start - halo, 0), min(slices.stop + halo, grid.shape[0])
        part = function(volume.crop((slice(low + first, high + first), *box[1:])).array)
        return part[slices.start - low : slices.stop - low]

    keep_bytes = 4 * keep_slices * grid.shape[1] * grid.shape[2]
    return LazyVolume(SlabCache(make, grid.shape, np.float32, keep_bytes), np.float32, grid, volume.quantity)


def slices_around(reach: int) -> int:
    """Slices of the slabs that are looked at from one slab, as far as a reach on either side and the slice beyond."""
    return SLAB_SLICES * (2 * -(-(reach + 1) // SLAB_SLICES) + 1)


def lazy_planes(
    plane: Callable[[int], Array], dtype: npt.DTypeLike, geometry: Geometry, quantity: Quantity
) -> LazyVolume:
    """An image from a function that makes one slice of it at a time."""

    def read(box: Box) -> Array:
        return np.stack([plane(k)[box[1:]] for k in range(box[0].start, box[0].stop)])

    return LazyVolume(read, dtype, geometry, quantity)


def turned(volume: Volume, order: Sequence[int], flipped: Sequence[bool], geometry: Geometry) -> Volume:
    """An image with its axes in another order, some of them reversed, on the grid that goes with it.

    Parameters
    ----------
    order : sequence of int
        Which axis of the image becomes the first, second and third.
    flipped : sequence of bool
        For each of the new axes, whether it runs the other way.
    """
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in flipped)
    if not isinstance(volume, LazyVolume):
        return Volume(volume.array.transpose(order)[steps], geometry, volume.quantity)
    source = volume

    def read(box: Box) -> Array:
        there = [slice(0, 0)] * 3
        for new, (old, part) in enumerate(zip(order, box, strict=True)):
            size = geometry.shape[new]
            there[old] = slice(size - part.stop, size - part.start) if flipped[new] else part
        return source.crop((there[0], there[1], there[2])).array.transpose(order)[steps]

    return LazyVolume(read, source.dtype, geometry, source.quantity)


ReadBox = Callable[[Box], Array]
