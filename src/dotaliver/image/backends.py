"""Backends of images: voxels in memory, or in files that are read box by box.

A `Volume` asks its backend for boxes and knows nothing else about it. Anything that keeps the contract of
`VoxelBackend` can hold an image: an array, DICOM files read a few slices at a time, or the chunks of a Zarr array.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from dotaliver.image.arrays import Array, ArrayType, Scalar
from dotaliver.image.geometry import Box

__all__ = ["SLAB_SLICES", "InMemory", "LazyBoxes", "SlabCache", "VoxelBackend"]

# Slices of a large image that are read or worked on together: the number changes no result.
SLAB_SLICES = 16


@runtime_checkable
class VoxelBackend(Protocol):
    """Contract of a backend, which keeps or reads the voxels of an image.

    * ``shape`` (slices, rows, columns) and ``dtype`` are known without reading a voxel, and never change.
    * ``in_memory`` says whether reading costs nothing: then what is read is a view of one array.
    * ``read`` gives the voxels of a box of indices (start and stop within the shape, step 1), of the box's shape and
      of ``dtype``. The same box gives the same values each time, from whatever thread; callers do not write into them.
    * ``read_all`` gives every voxel. An image that is not in memory may not fit there: callers do this on purpose, and
      the backend keeps nothing of it.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""

    @property
    def dtype(self) -> ArrayType:
        """Type of the voxels."""

    @property
    def in_memory(self) -> bool:
        """Whether all voxels are in memory."""

    def read(self, box: Box) -> Array:
        """The voxels of a box of indices."""

    def read_all(self) -> Array:
        """Every voxel."""


class InMemory:
    """Voxels in an array, seen read-only."""

    in_memory = True

    def __init__(self, array: Array) -> None:
        self._array = array.view()
        self._array.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        slices, rows, columns = self._array.shape
        return (slices, rows, columns)

    @property
    def dtype(self) -> ArrayType:
        """Type of the voxels."""
        return self._array.dtype

    def read(self, box: Box) -> Array:
        """A view of a box."""
        return self._array[box]

    def read_all(self) -> Array:
        """The array."""
        return self._array

    def __reduce__(self) -> tuple[type[InMemory], tuple[Array]]:
        """Pickle as the array."""
        return InMemory, (self._array,)


class _Lazy(Generic[Scalar]):
    """Base of the backends that read voxels on demand."""

    in_memory = False

    def __init__(self, shape: tuple[int, int, int], dtype: type[Scalar] | np.dtype[Scalar]) -> None:
        self._shape, self._dtype = shape, np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Scalar]:
        """Type of the voxels."""
        return self._dtype

    def read(self, box: Box) -> npt.NDArray[Scalar]:
        """The voxels of a box, read now."""
        raise NotImplementedError

    def read_all(self) -> npt.NDArray[Scalar]:
        """Every voxel, read now and not kept."""
        slices, rows, columns = self.shape
        return self.read((slice(0, slices), slice(0, rows), slice(0, columns)))

    def __reduce__(self) -> tuple[Callable[..., InMemory], tuple[npt.NDArray[Scalar]]]:
        """Pickle with all voxels: another process may not reach the files."""
        return InMemory, (self.read_all(),)


class LazyBoxes(_Lazy[Scalar]):
    """Voxels that a function gives box by box.

    Parameters
    ----------
    read : callable
        Is given a box of indices and returns its voxels.
    shape : tuple of int
        Slices, rows and columns.
    dtype : numpy dtype
        Of the voxels that it returns.
    """

    def __init__(
        self,
        read: Callable[[Box], npt.NDArray[Scalar]],
        shape: tuple[int, int, int],
        dtype: type[Scalar] | np.dtype[Scalar],
    ) -> None:
        super().__init__(shape, dtype)
        self._read = read

    def read(self, box: Box) -> npt.NDArray[Scalar]:
        """The voxels of a box, read now."""
        return self._read(box)


class SlabCache(_Lazy[Scalar]):
    """Voxels read or computed in slabs of whole slices; the slabs used last are kept.

    Parameters
    ----------
    make : callable
        Is given a range of slices and returns their voxels.
    shape : tuple of int
        Slices, rows and columns.
    dtype : numpy dtype
        Of the voxels.
    keep_bytes : int
        How much is kept; two slabs at least.
    """

    def __init__(
        self,
        make: Callable[[range], npt.NDArray[Scalar]],
        shape: tuple[int, int, int],
        dtype: type[Scalar] | np.dtype[Scalar],
        keep_bytes: int,
    ) -> None:
        super().__init__(shape, dtype)
        self._make = make
        slab_bytes = SLAB_SLICES * shape[1] * shape[2] * self.dtype.itemsize
        self._most = max(keep_bytes // slab_bytes, 2)
        self._kept: OrderedDict[int, npt.NDArray[Scalar]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, box: Box) -> npt.NDArray[Scalar]:
        """The voxels of a box, from slabs that are kept or made now."""
        k, j, i = box
        result = np.empty(tuple(part.stop - part.start for part in box), dtype=self.dtype)
        for number in range(k.start // SLAB_SLICES, -(-k.stop // SLAB_SLICES)):
            first = number * SLAB_SLICES
            start, stop = max(k.start, first), min(k.stop, first + SLAB_SLICES)
            result[start - k.start : stop - k.start] = self._slab(number)[start - first : stop - first, j, i]
        return result

    def _slab(self, number: int) -> npt.NDArray[Scalar]:
        with self._lock:
            slab = self._kept.get(number)
            if slab is None:
                while len(self._kept) >= self._most:
                    self._kept.popitem(last=False)
                first = number * SLAB_SLICES
                slab = self._make(range(first, min(first + SLAB_SLICES, self.shape[0])))
                self._kept[number] = slab
            self._kept.move_to_end(number)
            return slab
