"""Arrays of zeros that take memory only where they are written.

A mask has the grid of its image and fills a small part of it. NumPy asks for pages of 2 MB, so that one voxel of a
large image takes the memory of two slices; here pages are the smallest of the system.
"""

from __future__ import annotations

import math
import mmap
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from dotaliver.image.arrays import Scalar

__all__ = ["sparse_zeros"]

# Smaller arrays are faster with NumPy's own pages, and their memory matters less.
_FROM_BYTES = 192 << 20


def sparse_zeros(
    shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar], *, from_bytes: int = _FROM_BYTES
) -> npt.NDArray[Scalar]:
    """An array of zeros like `numpy.zeros`, from a size on in small memory pages where the system has them."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < max(from_bytes, 1) or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, dtype=dtype)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)
