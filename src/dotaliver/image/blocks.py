"""Work on large images in pieces: how large a piece may be, and filters with finite kernels.

Every answer is that of the whole image in memory, bit for bit, whatever the size of the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import numpy.typing as npt

from dotaliver.image.arrays import Array, Scalar
from dotaliver.image.geometry import Box
from dotaliver.system.allocation import give_back_freed_memory

__all__ = [
    "block_shape",
    "map_overlap",
    "memory_bound",
    "slices_at_once",
]


# --- how much at once ------------------------------------------------------------------------------------------------

# Bytes of a piece without a bound: larger ones are no faster.
_UNBOUNDED = 1 << 29
# Work on pieces may take this part of a bound; the rest is left for images and results.
_WORKING_PART = 4
_bound: ContextVar[int | None] = ContextVar("memory bound", default=None)


@contextmanager
def memory_bound(memory_bytes: int | None) -> Iterator[None]:
    """Work within a bound on the memory of the whole process, or without one (None). No result depends on it."""
    if memory_bytes is not None:
        give_back_freed_memory()
    token = _bound.set(memory_bytes)
    try:
        yield
    finally:
        _bound.reset(token)


def block_shape(shape: Sequence[int], halo: Sequence[int], bytes_per_voxel: int) -> tuple[int, ...]:
    """Shape of the blocks for work with a halo: as large as memory allows.

    Parameters
    ----------
    shape : sequence of int
        Of the image.
    halo : sequence of int
        How far the work looks along each axis, in voxels.
    bytes_per_voxel : int
        Memory that the work takes.
    """
    return (min(slices_at_once(bytes_per_voxel * math.prod(shape[1:]), halo[0]), shape[0]), *shape[1:])


def slices_at_once(bytes_per_slice: int, halo: int = 0) -> int:
    """Slices that a piece may have, in addition to its halo; at least one."""
    bound = _bound.get()
    room = _UNBOUNDED if bound is None else bound // _WORKING_PART
    return max(room // max(bytes_per_slice, 1) - 2 * halo, 1)


# --- filters ---------------------------------------------------------------------------------------------------------


def map_overlap(
    function: Callable[..., npt.NDArray[Scalar]],
    sources: Sequence[Array | Callable[[Box], object]],
    halo: Sequence[int],
    block: Sequence[int],
    out: npt.NDArray[Scalar],
) -> npt.NDArray[Scalar]:
    """Apply a function to images block by block, each with a halo of the voxels that the function looks at.

    If the function looks no further than the halo and treats the edge of a part as that of an image, the result is
    that of the function applied to the whole. Blocks follow one another from the first slices to the last: two threads
    take twice the processor time of one, since each looks at its halo and waits for Python's lock.

    Parameters
    ----------
    function : callable
        Is given a part of each source and returns an array of the same shape.
    sources : sequence of ndarray or callable
        Images of the shape of ``out``, or functions that give a box of one: its voxels, or what they are read from.
    halo : sequence of int
        How far the function looks along each axis, in voxels.
    block : sequence of int
        Shape of a block; what is left over makes smaller ones.
    out : ndarray
        Where the result goes; also returned.
    """
    shape = out.shape

    def work(first: tuple[int, ...]) -> None:
        own = [slice(f * b, min((f + 1) * b, n)) for f, b, n in zip(first, block, shape, strict=True)]
        wide = [slice(max(p.start - h, 0), min(p.stop + h, n)) for p, h, n in zip(own, halo, shape, strict=True)]
        box = (wide[0], wide[1], wide[2])
        parts = [source[box] if isinstance(source, np.ndarray) else source(box) for source in sources]
        inner = tuple(slice(o.start - w.start, o.stop - w.start) for o, w in zip(own, wide, strict=True))
        out[tuple(own)] = function(*parts)[inner]

    for first in np.ndindex(*(-(-n // b) for n, b in zip(shape, block, strict=True))):
        work(first)
    return out
