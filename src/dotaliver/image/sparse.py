"""Arrays of zeros that take memory only where something is written.

A mask lies on the whole grid of its image and fills a small part of it. NumPy asks for pages of 2 MB, so that one voxel
of a large image takes two slices' memory; here a page is what the system's smallest is.
"""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["sparse_zeros"]

# Below, NumPy's own are quicker, and what they take matters less.
_FROM_BYTES = 192 << 20


def sparse_zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, *, from_bytes: int = _FROM_BYTES) -> npt.NDArray[Any]:
    """Zeros, as `numpy.zeros` makes them; from a size on in small pages where the system knows these."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < max(from_bytes, 1) or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, dtype=dtype)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)
