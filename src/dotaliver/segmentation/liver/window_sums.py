"""Sums of whole numbers over a window around each voxel: exact, so that they do not depend on the order of adding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["RunningSums", "window_sums"]

Whole = TypeVar("Whole", bound=np.integer)


def window_sums(values: npt.NDArray[Whole], size: Sequence[int]) -> npt.NDArray[Whole]:
    """Sums of whole numbers over a window of odd size around each voxel, with nothing beyond the edges.

    Running sums of whole numbers are exact, those of real numbers depend on where they begin. A sum that fits the type
    is exact even if intermediate sums overflow.
    """
    for axis, width in enumerate(size):
        if width == 1:
            continue
        n, half = values.shape[axis], min(width // 2, values.shape[axis] - 1)
        running = np.moveaxis(np.cumsum(values, axis=axis, dtype=values.dtype), axis, 0)
        values = np.empty_like(values)
        sums = np.moveaxis(values, axis, 0)
        sums[: n - half] = running[half:]
        sums[n - half :] = running[-1]
        sums[half + 1 :] -= running[: n - half - 1]
    return values


class RunningSums:
    """Window sums slice by slice, for images too large to be summed at once.

    Going up by one slice costs no more than the slice that enters the window and the one that leaves it.

    Parameters
    ----------
    planes : callable
        Gives the whole numbers of a slice, ``[image, row, column]`` of several images of whole numbers.
    count : int
        Slices of the images.
    size : sequence of int
        Of the window, odd.
    """

    def __init__(self, planes: Callable[[int], npt.NDArray[np.integer]], count: int, size: Sequence[int]) -> None:
        self._planes, self._count = planes, count
        self._half, self._across = size[0] // 2, tuple(size[1:])
        self._at: int | None = None
        self._running: npt.NDArray[np.int64] | None = None

    def at(self, k: int) -> npt.NDArray[np.int64]:
        """The sums around each voxel of a slice, ``[image, row, column]``."""
        first, last = k - self._half, min(k + self._half, self._count - 1)
        if self._running is None or self._at != k - 1:
            self._running = self._planes(max(first, 0)).astype(np.int64)
            entering = range(max(first, 0) + 1, last + 1)
        else:
            entering = range(k + self._half, last + 1)
            if first > 0:
                self._running -= self._planes(first - 1)
        for n in entering:
            self._running += self._planes(n)
        self._at = k
        sums = np.empty_like(self._running)
        # Image by image, so that what is added up lies in the processor's cache
        for own, out in zip(self._running, sums, strict=True):
            out[...] = window_sums(own, self._across)
        return sums
