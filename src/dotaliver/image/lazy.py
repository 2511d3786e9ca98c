"""Images that are read, filtered or reoriented on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dotaliver.image.arrays import Array
from dotaliver.image.backends import SLAB_SLICES, LazyBoxes, SlabCache
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.volume import Quantity, Volume

__all__ = ["lazily_filtered", "lazy_planes", "slices_around", "turned"]


def lazily_filtered(
    volume: Volume, box: Box, function: Callable[[Array], Array], halo: int, *, keep_slices: int = 0
) -> Volume:
    """A box of an image after a filter that looks no further than `halo` slices; float32, computed on demand.

    The filter sees nothing beyond the box. The last `keep_slices` slices are kept.
    """
    grid = volume.geometry.crop(box)
    first = box[0].start

    def make(slices: range) -> Array:
        low, high = max(slices.start - halo, 0), min(slices.stop + halo, grid.shape[0])
        part = function(volume.crop((slice(low + first, high + first), *box[1:])).array)
        return part[slices.start - low : slices.stop - low]

    keep_bytes = 4 * keep_slices * grid.shape[1] * grid.shape[2]
    return Volume(SlabCache(make, grid.shape, np.float32, keep_bytes), grid, volume.quantity)


def slices_around(reach: int) -> int:
    """Slices of all slabs within a reach of one slab, and one slice beyond, on either side."""
    return SLAB_SLICES * (2 * -(-(reach + 1) // SLAB_SLICES) + 1)


def lazy_planes(
    plane: Callable[[int], Array], dtype: type[np.int16 | np.float32], geometry: Geometry, quantity: Quantity
) -> Volume:
    """An image from a function that makes one slice of it at a time."""

    def read(box: Box) -> Array:
        return np.stack([plane(k)[box[1:]] for k in range(box[0].start, box[0].stop)])

    return Volume(LazyBoxes(read, geometry.shape, dtype), geometry, quantity)


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
    if volume.in_memory:
        return Volume(volume.array.transpose(order)[steps], geometry, volume.quantity)

    def read(box: Box) -> Array:
        there = [slice(0, 0)] * 3
        for new, (old, part) in enumerate(zip(order, box, strict=True)):
            size = geometry.shape[new]
            there[old] = slice(size - part.stop, size - part.start) if flipped[new] else part
        return volume.crop((there[0], there[1], there[2])).array.transpose(order)[steps]

    return Volume(LazyBoxes(read, geometry.shape, volume.dtype), geometry, volume.quantity)
