"""Work on large images in pieces: filters with finite kernels, and connected parts.

Every answer is that of the whole image in memory, bit for bit, whatever the size of the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.image.backends import Array
from dotaliver.image.geometry import Box
from dotaliver.system.allocation import give_back_freed_memory
from dotaliver.system.processors import threads_at_once

__all__ = [
    "ConnectedParts",
    "block_shape",
    "map_overlap",
    "memory_bound",
    "slices_at_once",
]


# --- how much at once ------------------------------------------------------------------------------------------------

# Without a bound, pieces of this size: larger ones are no quicker, and leave the memory to others.
_UNBOUNDED = 1 << 29
# Work on pieces may take this part of a bound; the rest is for what stands beside it.
_WORKING_PART = 4
_bound: ContextVar[int | None] = ContextVar("memory bound", default=None)


@contextmanager
def memory_bound(memory_bytes: int | None) -> Iterator[None]:
    """Work within a bound on the memory of the whole process; None: as is quickest. No answer depends on it."""
    if memory_bytes is not None:
        give_back_freed_memory()
    token = _bound.set(memory_bytes)
    try:
        yield
    finally:
        _bound.reset(token)


def block_shape(shape: Sequence[int], halo: Sequence[int], bytes_per_voxel: int) -> tuple[int, ...]:
    """Shape of the blocks in which work with a halo is done: as large as memory allows, and one for each thread.

    Parameters
    ----------
    shape : sequence of int
        Of the image.
    halo : sequence of int
        How far the work looks along each axis, in voxels.
    bytes_per_voxel : int
        Memory that the work takes.
    """
    slices = min(slices_at_once(bytes_per_voxel * math.prod(shape[1:]), halo[0]), shape[0])
    whole = (slices, *shape[1:])
    if slices < shape[0] or _threads() == 1:
        return whole
    # Across the axis along which a halo adds least to a half.
    axis = max(range(len(shape)), key=lambda a: shape[a] / (halo[a] + 1))
    part = -(-shape[axis] // _threads())
    return whole if part < 2 * halo[axis] else tuple(part if a == axis else n for a, n in enumerate(whole))


def _threads() -> int:
    """How many blocks may be worked on at the same time: one where memory is bounded, for each takes its own."""
    return threads_at_once() if _bound.get() is None else 1


def slices_at_once(bytes_per_slice: int, halo: int = 0) -> int:
    """How many slices a piece may have, when those around it are needed too; at least one."""
    bound = _bound.get()
    room = _UNBOUNDED if bound is None else bound // _WORKING_PART
    return max(room // max(bytes_per_slice, 1) - 2 * halo, 1)


# --- filters ---------------------------------------------------------------------------------------------------------


def map_overlap(
    function: Callable[..., Array],
    sources: Sequence[Array | Callable[[Box], Any]],
    halo: Sequence[int],
    block: Sequence[int],
    out: Array,
    *,
    in_order: bool = False,
) -> Array:
    """Apply a function to images in blocks, each with the voxels around it that the function looks at.

    Where the function looks no further than the halo and treats the image's edge as it comes, the result is that of
    the function applied to the whole. Without a bound on memory, several blocks are worked on at the same time.

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
    in_order : bool
        One block after the other, from the first slices to the last: for sources that are best read so.
    """
    shape = out.shape

    def work(first: tuple[int, ...]) -> None:
        own = [slice(f * b, min((f + 1) * b, n)) for f, b, n in zip(first, block, shape, strict=True)]
        wide = [slice(max(p.start - h, 0), min(p.stop + h, n)) for p, h, n in zip(own, halo, shape, strict=True)]
        box = (wide[0], wide[1], wide[2])
        parts = [source[box] if isinstance(source, np.ndarray) else source(box) for source in sources]
        inner = tuple(slice(o.start - w.start, o.stop - w.start) for o, w in zip(own, wide, strict=True))
        out[tuple(own)] = function(*parts)[inner]

    numbers = list(np.ndindex(*(-(-n // b) for n, b in zip(shape, block, strict=True))))
    threads = 1 if in_order else min(_threads(), len(numbers))
    if threads < 2:
        for first in numbers:
            work(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, numbers))
    return out


# --- connected parts -------------------------------------------------------------------------------------------------


class ConnectedParts:
    """The face-connected parts of a mask, found in slabs and merged where they touch across the slabs' faces.

    Parts are numbered from 1 in the order of their first voxels, as in the whole. No label image is held: `slabs`
    makes it again, slab by slab.

    Parameters
    ----------
    mask : callable
        Gives the mask of some slices, ``[slice, row, column]``.
    count : int
        Slices of the mask.
    thickness : int
        Slices of a slab.
    """

    def __init__(self, mask: Callable[[slice], Array], count: int, thickness: int) -> None:
        self._mask, self._slices, self._thickness = mask, count, thickness
        self._offsets: list[int] = []
        touching: list[Array] = []
        labels_so_far = 0
        above: Array | None = None
        for _, labels in self._own_labels():
            self._offsets.append(labels_so_far)
            if above is not None:
                touch = (above > 0) & (labels[0] > 0)
                touching.append(np.stack([above[touch], labels[0][touch].astype(np.int64) + labels_so_far]))
            last = labels[-1].astype(np.int64)
            above = np.where(last > 0, last + labels_so_far, 0)
            labels_so_far += int(labels.max(initial=0))
        pairs = np.unique(np.concatenate(touching, axis=1), axis=1) if touching else np.zeros((2, 0), dtype=np.int64)
        self._number = _numbered(pairs, labels_so_far + 1)
        self.count = int(self._number.max())

    def _own_labels(self) -> Iterator[tuple[slice, Array]]:
        import cc3d

        for first in range(0, self._slices, self._thickness):
            part = slice(first, min(first + self._thickness, self._slices))
            yield part, cc3d.connected_components(np.ascontiguousarray(self._mask(part)), connectivity=6)

    def slabs(self) -> Iterator[tuple[slice, Array]]:
        """The slices of each slab and the numbers of the parts there."""
        for offset, (part, labels) in zip(self._offsets, self._own_labels(), strict=True):
            table = np.concatenate([[0], self._number[offset + 1 :][: int(labels.max(initial=0))]])
            yield part, table.astype(np.uint32)[labels]

    def sizes(self, where: Callable[[slice], Array] | None = None) -> npt.NDArray[np.int64]:
        """Voxels of each part (of those in a mask), by number; 0 for what is in none."""
        sizes = np.zeros(self.count + 1, dtype=np.int64)
        for part, labels in self.slabs():
            inside = None if where is None else where(part)
            for k, plane in enumerate(labels):
                seen = plane != 0 if inside is None else (plane != 0) & inside[k]
                sizes += np.bincount(plane[seen], minlength=len(sizes))
        return sizes

    def chosen(self, wanted: Array) -> Iterator[tuple[slice, npt.NDArray[np.bool_]]]:
        """The slices of each slab, and where the parts are whose entry in a table by number is true."""
        for part, labels in self.slabs():
            yield part, np.asarray(wanted)[labels]


def _numbered(pairs: Array, count: int) -> npt.NDArray[np.int64]:
    """The part of each label, of which some pairs are one part; parts are numbered by their first labels."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(pairs.shape[1], dtype=bool), (pairs[0], pairs[1])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    _, first, part = np.unique(part, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[part], dtype=np.int64)
