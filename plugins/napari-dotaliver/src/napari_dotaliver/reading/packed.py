"""Label maps in little memory: what a step of undo and the recovery file keep of a mask."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Box
from dotaliver.image.volume import used_box

__all__ = ["PackedLabels"]

_FAST = 1


@dataclass(frozen=True)
class PackedLabels:
    """The part of a label map that is not background, compressed.

    Attributes
    ----------
    shape : tuple of int
        Of the whole grid: slices, rows, columns.
    start, size : tuple of int
        First index and extent of the part that is kept.
    data : bytes
        Its labels as 16-bit whole numbers, little endian, compressed by zlib.
    """

    shape: tuple[int, int, int]
    start: tuple[int, int, int]
    size: tuple[int, int, int]
    data: bytes

    @classmethod
    def of(cls, array: npt.NDArray[np.unsignedinteger], used: Box | None = None) -> PackedLabels:
        """Pack labels ``[slice, row, column]``; ``used`` is the box that holds them where that is known already."""
        box = used or used_box(np.asarray(array != 0)) or (slice(0, 0), slice(0, 0), slice(0, 0))
        part = np.ascontiguousarray(array[box], dtype="<u2")
        shape, size = array.shape, part.shape
        return cls(
            (shape[0], shape[1], shape[2]),
            (box[0].start, box[1].start, box[2].start),
            (size[0], size[1], size[2]),
            zlib.compress(part.tobytes(), _FAST),
        )

    def array(self) -> npt.NDArray[np.uint16]:
        """The labels on the whole grid.

        Raises
        ------
        MaskError
            Where the packed labels are damaged.
        """
        count = int(np.prod(self.size))
        inflate = zlib.decompressobj()
        try:
            data = inflate.decompress(self.data, 2 * count + 1)
        except zlib.error as error:
            msg = "a mask that was kept for recovery is damaged and cannot be used"
            raise MaskError(msg) from error
        fits = all(a >= 0 and a + n <= whole for a, n, whole in zip(self.start, self.size, self.shape, strict=True))
        if len(data) != 2 * count or not fits:
            msg = "a mask that was kept for recovery is damaged and cannot be used"
            raise MaskError(msg)
        whole = np.zeros(self.shape, dtype=np.uint16)
        if count:
            k, j, i = (slice(a, a + n) for a, n in zip(self.start, self.size, strict=True))
            whole[k, j, i] = np.frombuffer(data, dtype="<u2").reshape(self.size)
        return whole
