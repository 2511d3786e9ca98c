"""The only file that knows about blocks: images that are read part by part, and work on them in pieces.

A `LazyVolume` looks like any other image and holds no voxels: each crop reads what it needs. The rest of the file
does in pieces what is meant for the whole: filters with finite kernels, connected parts, hashes and projections.
Every answer is that of the whole image in memory, bit for bit, whatever the size of the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.geometry import Box, Geometry
from dotaliver.volume import Quantity, Volume

__all__ = ["LazyVolume", "ReadBox", "lazy_planes", "turned"]

Array = npt.NDArray[Any]
ReadBox = Callable[[Box], Array]


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
    def array(self) -> Array:  # type: ignore[override]  # read-only in every Volume
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

    def placed(self, geometry: Geometry) -> LazyVolume:
        """The same voxels on another grid of the same shape."""
        return LazyVolume(self._read, self._dtype, geometry, self.quantity)


def lazy_planes(plane: Callable[[int], Array], dtype: npt.DTypeLike, geometry: Geometry, quantity: Quantity) -> LazyVolume:
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
