"""Sums of whole numbers over a window around each voxel: exact, so that they do not depend on the order of adding."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Rectangle", "RunningSums", "grown", "window_sums"]

Whole = TypeVar("Whole", bound=np.integer)
Rectangle = tuple[slice, slice]
"""A part of a slice: its rows and columns."""
# Of a slice: the part that is given, and the whole numbers there, ``[image, row, column]``.
Plane = tuple[Rectangle, npt.NDArray[np.integer]]


def window_sums(values: npt.NDArray[Whole], size: Sequence[int]) -> npt.NDArray[Whole]:
    """Sums of whole numbers over a window of odd size around each voxel, with nothing beyond the edges.

    Each sum is made of sums over 1, 2, 4, 8 ... voxels. Sums of whole numbers are exact in any order, and one that fits
    the type is exact even if intermediate sums overflow.
    """
    for axis, width in enumerate(size):
        if width > 1:
            values = _sums_along(values, axis, width)
    return values


def _sums_along(values: npt.NDArray[Whole], axis: int, width: int) -> npt.NDArray[Whole]:
    def along(array: npt.NDArray[Whole], start: int, stop: int) -> npt.NDArray[Whole]:
        return array[(slice(None),) * axis + (slice(start, stop),)]

    n, half = values.shape[axis], width // 2
    padded = np.zeros(tuple(m + 2 * half * (a == axis) for a, m in enumerate(values.shape)), dtype=values.dtype)
    along(padded, half, half + n)[...] = values
    total = along(padded, 0, n) + along(padded, width - 1, width - 1 + n)
    # The window's first and last voxel are in it; what lies between is an odd number of voxels
    left, start, span, sums = width - 2, 1, 1, padded
    while left:
        if left & 1:
            total += along(sums, start, start + n)
            start += span
        left >>= 1
        if left:
            length = sums.shape[axis]
            sums = along(sums, 0, length - span) + along(sums, span, length)
            span *= 2
    return total


def grown(part: Rectangle, by: Sequence[int], shape: Sequence[int]) -> Rectangle:
    """A part of a slice with so many rows and columns more on each side, within the slice."""
    rows, columns = (slice(max(p.start - b, 0), min(p.stop + b, n)) for p, b, n in zip(part, by, shape, strict=True))
    return rows, columns


class RunningSums:
    """Window sums slice by slice, for images too large to be summed at once.

    Going up by one slice costs no more than the slice that enters the window and the one that leaves it, and only the
    part of a slice that is asked for is summed.

    Parameters
    ----------
    plane : callable
        Gives a part of a slice, and the whole numbers there, ``[image, row, column]`` of several images. What lies
        outside the part counts as 0.
    shape : sequence of int
        Slices, rows and columns of the images.
    size : sequence of int
        Of the window, odd.
    """

    def __init__(self, plane: Callable[[int], Plane | None], shape: Sequence[int], size: Sequence[int]) -> None:
        self._plane, self._count, self._shape = plane, shape[0], tuple(shape[1:])
        self._half, self._across = size[0] // 2, tuple(size[1:])
        self._at: int | None = None
        self._entered: deque[Plane | None] = deque()
        self._running: npt.NDArray[np.integer] | None = None

    def at(self, k: int, part: Rectangle) -> npt.NDArray[np.integer] | None:
        """The sums around each voxel of a part of a slice, ``[image, row, column]``; None where all are 0."""
        first, last = k - self._half, min(k + self._half, self._count - 1)
        if self._at is None or self._at != k - 1:
            self._running = None
            self._entered.clear()
            entering = range(max(first, 0), last + 1)
        else:
            entering = range(k + self._half, last + 1)
            if first > 0:
                self._add(self._entered.popleft(), np.subtract)
        for n in entering:
            plane = self._plane(n)
            self._entered.append(plane)
            self._add(plane, np.add)
        self._at = k
        if self._running is None:
            return None
        wide = grown(part, [width // 2 for width in self._across], self._shape)
        inner = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, wide, strict=True))
        # Image by image, so that what is added up lies in the processor's cache
        return np.stack([window_sums(own[wide], self._across)[inner] for own in self._running])

    def _add(self, plane: Plane | None, how: np.ufunc) -> None:
        if plane is None:
            return
        part, values = plane
        if self._running is None:
            self._running = np.zeros((len(values), *self._shape), dtype=values.dtype)
        own = self._running[:, part[0], part[1]]
        how(own, values, out=own)
