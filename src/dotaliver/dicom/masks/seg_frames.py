"""Frames of a DICOM Segmentation: where each lies, which segments it shows, and its pixels, one frame at a time.

A segmentation is binary (one segment per frame), fractional (one segment per frame, each pixel's share) or a label map
(a frame shows every segment by its number). Pixels are decoded when they are asked for, after the sizes were checked
against what the file can contain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import exactly, first_item, number, text, whole
from dotaliver.errors import MaskError
from dotaliver.image.arrays import Array
from dotaliver.image.geometry import FloatArray

__all__ = ["Frame", "FramePixels", "frames_of", "group_of"]

# Larger planes are no medical image; a file may claim 65 535 by 65 535.
_LARGEST_PLANE = 1 << 24
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
# A fractional voxel belongs to the segment from this share on.
_HALF = 0.5


@dataclass(frozen=True)
class Frame:
    """One stored frame: its place, and its segment (None in a label map)."""

    segment: int | None
    position_mm: FloatArray
    cosines: FloatArray
    spacing_mm: FloatArray


def group_of(dataset: Dataset, frame: Dataset | None, keyword: str) -> Dataset | None:
    """One functional group of a frame: its own, else the shared one."""
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    for holder in (frame, shared):
        item = None if holder is None else first_item(holder, keyword)
        if item is not None:
            return item
    return None


def _complete(name: str, item: Dataset, keyword: str, count: int) -> FloatArray:
    values = exactly(item, keyword, count)
    if values is None:
        msg = f"{name}: a frame has no complete {keyword}; export the segmentation again"
        raise MaskError(msg)
    return np.array(values, dtype=np.float64)


def frames_of(name: str, dataset: Dataset) -> list[Frame]:
    """The frames in the order in which they are stored.

    Raises
    ------
    MaskError
        Where a frame does not say where it lies, or the frames are not as many as the file says.
    """
    found = []
    of_segments = text(dataset, "SegmentationType") != "LABELMAP"
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        position = group_of(dataset, frame, "PlanePositionSequence")
        orientation = group_of(dataset, frame, "PlaneOrientationSequence")
        measures = group_of(dataset, frame, "PixelMeasuresSequence")
        segment = group_of(dataset, frame, "SegmentIdentificationSequence")
        number_of = None if segment is None or not of_segments else whole(segment, "ReferencedSegmentNumber") or 0
        if position is None or orientation is None or measures is None or (number_of is None and of_segments):
            msg = f"{name}: a frame has no position, orientation, spacing or segment; export the segmentation again"
            raise MaskError(msg)
        found.append(
            Frame(
                number_of if of_segments else None,
                _complete(name, position, "ImagePositionPatient", 3),
                _complete(name, orientation, "ImageOrientationPatient", 6).reshape(2, 3),
                _complete(name, measures, "PixelSpacing", 2),
            )
        )
    if not found:
        msg = f"{name}: the segmentation holds no frame; give one that outlines something"
        raise MaskError(msg)
    stated = whole(dataset, "NumberOfFrames")
    if stated != len(found):
        msg = f"{name}: it says {stated} frames and describes {len(found)}; export the segmentation again"
        raise MaskError(msg)
    return found


class FramePixels:
    """The pixels of a segmentation's frames.

    Raises
    ------
    MaskError
        Where the segmentation is of no known type, or its sizes cannot be true.
    """

    def __init__(self, name: str, dataset: Dataset, count: int) -> None:
        self.kind = text(dataset, "SegmentationType") or ""
        if self.kind not in _KINDS:
            stated = self.kind[:16] or "of no stated type"
            msg = f"{name}: the segmentation is {stated}; give one that is BINARY, FRACTIONAL or LABELMAP"
            raise MaskError(msg)
        self._name, self._dataset, self._count = name, dataset, count
        self.shape = (whole(dataset, "Rows") or 0, whole(dataset, "Columns") or 0)
        self._pixels = self.shape[0] * self.shape[1]
        if not 0 < self._pixels <= _LARGEST_PLANE:
            msg = f"{name}: planes of {self.shape[0]} by {self.shape[1]} pixels are not an image; export it again"
            raise MaskError(msg)
        self._bits = whole(dataset, "BitsAllocated") or 1
        if self._bits not in {1, 8, 16}:
            msg = f"{name}: {self._bits} bits per pixel are not known in a segmentation; export it again"
            raise MaskError(msg)
        self._full = number(dataset, "MaximumFractionalValue") or float((1 << self._bits) - 1)
        self._compressed = bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated)
        if not self._compressed and len(dataset.PixelData) * 8 < count * self._pixels * self._bits:
            msg = f"{name}: the file is cut short: it holds fewer pixels than its {count} frames need; copy it again"
            raise MaskError(msg)

    def values(self, index: int) -> Array:
        """One frame as it is stored, shape (rows, columns): 0 and 1, fractions, or numbers of segments."""
        if self._compressed:
            return self._decoded(index)
        if self._bits > 1:
            size = self._bits // 8
            start = index * self._pixels
            kind = np.dtype(f"<u{size}")
            whole_plane = np.frombuffer(self._dataset.PixelData, kind, self._pixels, start * size)
            return whole_plane.reshape(self.shape)
        # Bits follow each other without a gap between frames, the least significant first (PS3.5 8.1.1)
        first = index * self._pixels
        start_byte, stop_byte = first // 8, -(-(first + self._pixels) // 8)
        data = np.frombuffer(self._dataset.PixelData, np.uint8, stop_byte - start_byte, start_byte)
        bits = np.unpackbits(data, bitorder="little")
        return bits[first - 8 * start_byte :][: self._pixels].reshape(self.shape)

    def _decoded(self, index: int) -> Array:
        from pydicom.pixels.utils import pixel_array

        try:
            plane = np.asarray(pixel_array(self._dataset, index=index))
        except Exception as error:
            # Every codec fails in its own way
            msg = f"{self._name}: frame {index + 1} cannot be decoded ({type(error).__name__}); export it again"
            raise MaskError(msg) from error
        if plane.shape != self.shape:
            msg = f"{self._name}: frame {index + 1} is not of the size that the file states; export it again"
            raise MaskError(msg)
        return plane

    def share(self, index: int) -> npt.NDArray[np.float32]:
        """Each pixel's share of the segment, 0 to 1; 0 where it is under a half. Not of label maps."""
        values = self.values(index).astype(np.float32)
        if self.kind == "FRACTIONAL":
            values /= np.float32(self._full)
        return np.where(values >= _HALF, values, np.float32(0))
