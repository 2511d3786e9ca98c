"""Voxels of one series: stored values into one array, and their physical quantity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from dotaliver.dicom.bounded import BoundedFile
from dotaliver.dicom.elements import element_name, number, quiet, text, whole
from dotaliver.dicom.headers import SeriesHeaders, SliceHeader
from dotaliver.dicom.stack import Stack, stack_of
from dotaliver.errors import AcquisitionError, FileFormatError, SeriesError
from dotaliver.volume import Quantity, Volume

__all__ = ["ct_volume", "pet_volume", "read_series", "read_stored", "rescale_of"]

_LITTLE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"})
_DEFLATED = "1.2.840.10008.1.2.1.99"
# A blank plane compresses to a few hundred bytes, and the header beside it is larger: no honest file does better.
_LARGEST_RATIO = 1000
_BIG = "1.2.840.10008.1.2.2"
_PIXEL_TAGS: list[Any] = ["PixelData", "BitsAllocated", "PixelRepresentation"]
_INT16 = np.iinfo(np.int16)
Stored = npt.NDArray[Any]
Progress = Callable[[str], None]


def _stored_type(series: SeriesHeaders) -> np.dtype[Any]:
    """Type of the stored values, little endian; the same in every slice."""
    forms = {
        tuple(whole(p.dataset, k) for k in ("BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel"))
        for p in series.slices
    }
    if len(forms) > 1:
        msg = f"{series.name}: its slices differ in how pixels are stored; export each image series on its own"
        raise SeriesError(msg)
    allocated, stored, signed, samples = forms.pop()
    if samples not in {None, 1} or allocated not in {8, 16, 32} or signed not in {0, 1}:
        msg = (
            f"{series.name}: pixels of {samples} sample(s) with {allocated} bits are not read; "
            "give a grey-scale image series of 8, 16 or 32 bits"
        )
        raise SeriesError(msg)
    if stored is not None and stored > allocated:
        msg = f"{series.name}: Bits Stored (0028,0101) exceeds Bits Allocated (0028,0100); export it again"
        raise SeriesError(msg)
    return np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")


def _damaged(part: SliceHeader, why: str) -> FileFormatError:
    return FileFormatError(f"{part.name}: {why}; copy the file again")


def _decoded(part: SliceHeader) -> Stored:
    """Stored values of one file by pydicom's own decoders."""
    try:
        with quiet(), BoundedFile(part.path) as file:
            return np.asarray(pydicom.dcmread(file, force=True).pixel_array)
    except Exception as error:
        # Each decoder has exceptions of its own
        raise _damaged(part, f"its pixels cannot be decoded ({type(error).__name__})") from error


def _native(part: SliceHeader, dtype: np.dtype[Any], shape: tuple[int, int]) -> Stored:
    """Stored values of one uncompressed file, straight from its bytes."""
    try:
        with quiet(), BoundedFile(part.path) as file:
            data = pydicom.dcmread(file, specific_tags=_PIXEL_TAGS, force=True).get("PixelData")
    except Exception as error:
        # As above: a damaged file fails in many ways
        raise _damaged(part, "the file is cut short or damaged") from error
    expected = shape[0] * shape[1] * dtype.itemsize
    held = 0 if data is None else len(data)
    if held < expected:
        raise _damaged(part, f"the file is cut short: it holds {held} of {expected} bytes of pixels")
    return np.frombuffer(data, dtype=dtype, count=shape[0] * shape[1]).reshape(shape)


class _Frames:
    """Frames of multi-frame files; the file that was read last is kept, for its frames follow each other."""

    def __init__(self, dtype: np.dtype[Any], full: bool) -> None:
        self._dtype, self._full = dtype, full
        self._path: Path | None = None
        self._stored: Stored = np.empty(0)

    def read(self, part: SliceHeader, shape: tuple[int, int], count: int) -> Stored:
        """One frame of a file that holds `count`."""
        if self._path != part.path:
            if part.transfer_syntax in _LITTLE and self._full:
                self._stored = _native(part, self._dtype, (count * shape[0], shape[1]))
            else:
                self._stored = _decoded(part)
            if self._stored.size != count * shape[0] * shape[1]:
                raise _damaged(part, f"its pixels have the shape {self._stored.shape} and not {(count, *shape)}")
            self._stored = self._stored.reshape(count, *shape)
            self._path = part.path
        return np.asarray(self._stored[part.frame])


def _slice_reader(series: SeriesHeaders, dtype: np.dtype[Any]) -> Callable[[SliceHeader, tuple[int, int]], Stored]:
    full = whole(series.first, "BitsStored") in {None, dtype.itemsize * 8}
    frames, counts = _Frames(dtype, full), Counter(part.path for part in series.slices)

    def read(part: SliceHeader, shape: tuple[int, int]) -> Stored:
        if part.frame is not None:
            return frames.read(part, shape, counts[part.path])
        syntax = part.transfer_syntax
        # Unused bits may hold anything (old overlays): pydicom knows how to drop them.
        if syntax in _LITTLE and full:
            return _native(part, dtype, shape)
        if syntax == _BIG and full and dtype.itemsize == 2:
            return _native(part, dtype.newbyteorder(">"), shape)
        if syntax in _LITTLE:
            _native(part, dtype, shape)
        return _decoded(part)

    return read


def _refuse_impossible(stack: Stack, dtype: np.dtype[Any]) -> None:
    """Refuse, before any memory is taken, an image that its files are too small to hold."""
    sizes = {part.path: part.path.stat().st_size for part in stack.slices}
    plane_bytes = stack.geometry.shape[1] * stack.geometry.shape[2] * dtype.itemsize
    raw = {part.path: part.transfer_syntax in {*_LITTLE, _BIG} - {_DEFLATED} for part in stack.slices}
    for path, count in Counter(part.path for part in stack.slices).items():
        room = sizes[path] * (1 if raw[path] else _LARGEST_RATIO)
        if count * plane_bytes > room:
            part = next(p for p in stack.slices if p.path == path)
            raise _damaged(
                part, f"the file is cut short: {sizes[path]} bytes cannot hold {count * plane_bytes} of pixels"
            )


def read_stored(stack: Stack, progress: Progress | None = None) -> Stored:
    """Stored values of a stack, before any rescaling, in one array of the grid's shape.

    Raises
    ------
    FileFormatError
        Where a file is cut short or its pixels cannot be decoded; the text names it.
    """
    dtype = _stored_type(stack.series)
    _refuse_impossible(stack, dtype)
    array = np.empty(stack.geometry.shape, dtype=dtype)
    plane = (stack.geometry.shape[1], stack.geometry.shape[2])
    read = _slice_reader(stack.series, dtype)
    total = len(stack.slices)
    for k, part in enumerate(stack.slices):
        pixels = read(part, plane)
        if pixels.shape != plane:
            raise _damaged(part, f"its pixels have the shape {pixels.shape} and not {plane}")
        array[k] = pixels
        if progress is not None and (k + 1) % 100 == 0:
            progress(f"{stack.series.name}: {k + 1} of {total} slices")
    return array


def rescale_of(stack: Stack) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Slope and intercept of every slice, in stack order.

    Raises
    ------
    SeriesError
        Where one is missing, or a PET has an intercept (the PET IOD demands 0, PS3.3 C.8.9.4).
    """
    name = stack.series.name
    rows = []
    for part in stack.slices:
        row = []
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            try:
                value = number(part.dataset, keyword)
            except AcquisitionError as error:
                msg = f"{name}, {part.name}: {error}"
                raise SeriesError(msg) from error
            if value is None and keyword == "RescaleIntercept" and stack.series.modality == "PT":
                value = 0.0
            if value is None or (keyword == "RescaleSlope" and value == 0):
                msg = f"{name}, {part.name}: {element_name(keyword)} is missing or zero; export the series again"
                raise SeriesError(msg)
            row.append(value)
        rows.append(row)
    table = np.array(rows, dtype=np.float64)
    if stack.series.modality == "PT" and table[:, 1].any():
        msg = f"{name}: Rescale Intercept (0028,1052) is not 0, which a PET series must have; export it again"
        raise SeriesError(msg)
    return table[:, 0], table[:, 1]


def ct_volume(stack: Stack, progress: Progress | None = None) -> Volume:
    """A CT in Hounsfield units: int16 where every slope and intercept is a whole number and all values fit.

    Otherwise float32, each value the float64 result rounded once.
    """
    kind = text(stack.series.first, "RescaleType")
    if kind not in {None, "HU", "US"}:
        msg = f"{stack.series.name}: Rescale Type (0028,1054) is {kind}, not Hounsfield units; give a plain CT series"
        raise SeriesError(msg)
    slopes, intercepts = rescale_of(stack)
    stored = read_stored(stack, progress)
    if (slopes == np.round(slopes)).all() and (intercepts == np.round(intercepts)).all():
        array = _whole_hu(stored, slopes, intercepts)
        if array is not None:
            return Volume(array, stack.geometry, Quantity.HU)
    array = np.empty(stored.shape, dtype=np.float32)
    for k, (slope, intercept) in enumerate(zip(slopes, intercepts, strict=True)):
        array[k] = stored[k] * slope + intercept
    return Volume(array, stack.geometry, Quantity.HU)


def _whole_hu(stored: Stored, slopes: Sequence[float] | Any, intercepts: Sequence[float] | Any) -> Stored | None:
    """Rescaled values as int16, or None where one does not fit."""
    if stored.dtype == np.int16 and set(slopes) == {1.0} and set(intercepts) == {0.0}:
        return stored
    array = np.empty(stored.shape, dtype=np.int16)
    for k, (slope, intercept) in enumerate(zip(slopes, intercepts, strict=True)):
        plane = stored[k].astype(np.int64) * int(slope) + int(intercept)
        if plane.min() < _INT16.min or plane.max() > _INT16.max:
            return None
        array[k] = plane
    return array


def scaled(stored: Stored, factors: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Stored values times one factor a slice: the float64 product, rounded once to float32."""
    array = np.empty(stored.shape, dtype=np.float32)
    for k, factor in enumerate(factors):
        np.multiply(stored[k], factor, out=array[k], dtype=np.float64, casting="unsafe")
    return array


def pet_volume(stack: Stack, progress: Progress | None = None) -> Volume:
    """A PET in Bq/ml, float32, each slice with its own slope."""
    units = text(stack.series.first, "Units")
    if units != "BQML":
        msg = f"{stack.series.name}: Units (0054,1001) is {units or 'missing'}, not BQML, so it holds no activity"
        raise SeriesError(msg)
    slopes, _ = rescale_of(stack)
    return Volume(scaled(read_stored(stack, progress), slopes), stack.geometry, Quantity.BQML)


def read_series(series: SeriesHeaders, progress: Progress | None = None) -> Volume:
    """Read one series as a volume: CT in HU, PET in Bq/ml.

    Raises
    ------
    SeriesError
        Where the slices form no volume, or the series is neither CT nor PET.
    FileFormatError
        Where a file is damaged.
    """
    stack = stack_of(series)
    if series.modality == "CT":
        return ct_volume(stack, progress)
    if series.modality == "PT":
        return pet_volume(stack, progress)
    msg = f"{series.name}: only CT and PET series are read"
    raise SeriesError(msg)
