"""Stored values of single planes, read by as many threads as there are processors.

Uncompressed values come straight from their place in the file; RLE and JPEG 2000 are decoded by `compressed`;
everything else is pydicom's and its plugins'. Every path gives pydicom's values.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom

from dotaliver.dicom.files.elements import quiet, whole
from dotaliver.dicom.files.headers import SeriesHeaders, SliceHeader
from dotaliver.dicom.files.part10 import BoundedFile, syntax_name
from dotaliver.dicom.files.stack import Stack
from dotaliver.dicom.pixels.cache import CachedPlanes, ReadPlane, cache_in_use
from dotaliver.dicom.pixels.compressed import JPEG, JPEG2000, RLE, fill_from_jpeg2000, fill_from_rle, require_size
from dotaliver.dicom.pixels.omezarr_planes import planes_of_image
from dotaliver.errors import FileFormatError, SeriesError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.system.processors import threads_at_once
from dotaliver.system.progress import Progress

__all__ = ["PlaneReader", "Progress", "Stored", "each_plane", "refuse_impossible", "stored_type"]

_LITTLE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"})
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG = "1.2.840.10008.1.2.2"
_PLAIN = {*_LITTLE, _BIG} - {_DEFLATED}
_READ = {*_LITTLE, _BIG, RLE, *JPEG2000, *JPEG}
# A blank plane compresses to a few hundred bytes, and its header takes more: no real file compresses further.
_LARGEST_RATIO = 1000
_PIXEL_TAGS: list[str] = ["PixelData", "BitsAllocated", "PixelRepresentation"]
_PROGRESS_EVERY = 100
Stored = Array
_ReadSlice = Callable[[SliceHeader, Stored], None]


def stored_type(series: SeriesHeaders) -> ArrayType:
    """Type of the stored values, little endian; the same in every slice.

    Raises
    ------
    SeriesError
        Where the slices differ, or are no grey-scale image of 8, 16 or 32 bits.
    """
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


def _require_read(part: SliceHeader) -> None:
    """Refuse, by name, a transfer syntax that is not read, and compressed pixels that are labelled as plain."""
    syntax, place = part.transfer_syntax, part.pixels
    if syntax not in _READ:
        how = f"in the transfer syntax {syntax_name(syntax)}, which is not read"
    elif syntax in _PLAIN and place is not None and place.length is None:
        how = f"compressed, although Transfer Syntax UID (0002,0010) says {syntax_name(syntax)}"
    else:
        return
    msg = f"{part.name}: its pixels are {how}; convert the series to an uncompressed one, for example by gdcmconv --raw"
    raise FileFormatError(msg)


def _is_plain_by_mistake(part: SliceHeader) -> bool:
    """Whether pixels lie uncompressed in a file that says they are compressed: their element states its length."""
    labelled = part.transfer_syntax in _READ and part.transfer_syntax not in {*_LITTLE, _BIG}
    return labelled and part.pixels is not None and part.pixels.length is not None


def _decoded(part: SliceHeader) -> Stored:
    """Stored values of one file by pydicom's own decoders."""
    try:
        with BoundedFile(part.path) as file:
            dataset = pydicom.dcmread(file, force=True)
            if _is_plain_by_mistake(part):
                dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            require_size(dataset)
            return np.asarray(dataset.pixel_array)
    except Exception as error:
        # Each decoder has exceptions of its own
        raise _damaged(part, f"its pixels cannot be decoded ({type(error).__name__})") from error


def _native(part: SliceHeader, out: Stored) -> None:
    """Fill `out` with the stored values of one uncompressed plane, straight from its bytes."""
    if part.pixels is None:
        _native_parsed(part, out)
        return
    skipped = (part.frame or 0) * out.nbytes
    held = (part.pixels.length or 0) - skipped
    try:
        with part.path.open("rb", buffering=0) as file:
            file.seek(part.pixels.offset + skipped)
            if held >= out.nbytes:
                held = file.readinto(memoryview(out.data).cast("B"))
    except (OSError, ValueError, OverflowError) as error:
        raise _damaged(part, "the file is cut short or damaged") from error
    if held < out.nbytes:
        raise _damaged(part, f"the file is cut short: it holds {max(0, held)} of {out.nbytes} bytes of pixels")


def _native_parsed(part: SliceHeader, out: Stored) -> None:
    """As above, where the place of the pixels in the file is not known (deflated)."""
    try:
        with BoundedFile(part.path) as file:
            data = pydicom.dcmread(file, specific_tags=_PIXEL_TAGS, force=True).get("PixelData") or b""
    except Exception as error:
        # As above: a damaged file fails in many ways
        raise _damaged(part, "the file is cut short or damaged") from error
    data = data[(part.frame or 0) * out.nbytes :]
    if len(data) < out.nbytes:
        raise _damaged(part, f"the file is cut short: it holds {len(data)} of {out.nbytes} bytes of pixels")
    out[...] = np.frombuffer(data, dtype=out.dtype, count=out.size).reshape(out.shape)


def _swapped(part: SliceHeader, out: Stored) -> None:
    _native(part, out)
    out.byteswap(inplace=True)


def _frame_bytes(part: SliceHeader) -> bytes:
    """The compressed bytes of a file's only frame."""
    from pydicom.encaps import get_frame

    if part.pixels is None or part.pixels.length is not None:
        msg = "the pixels are not encapsulated"
        raise ValueError(msg)
    with BoundedFile(part.path) as file:
        file.seek(part.pixels.offset)
        return bytes(get_frame(file.read(), 0, number_of_frames=1))


def _run_lengths(part: SliceHeader, out: Stored) -> None:
    try:
        fill_from_rle(_frame_bytes(part), out)
    except Exception:
        # Left to pydicom, which may read it
        _checked(part, out, _decoded(part))


def _jpeg2000(part: SliceHeader, out: Stored) -> None:
    bits = whole(part.dataset, "BitsStored") or out.itemsize * 8
    try:
        same_size, filled = fill_from_jpeg2000(_frame_bytes(part), out, bits)
    except Exception as error:
        raise _damaged(part, f"its pixels cannot be decoded ({type(error).__name__})") from error
    if not same_size:
        raise _damaged(part, f"the size of its compressed image is not {out.shape}")
    if not filled:
        _checked(part, out, _decoded(part))


def _checked(part: SliceHeader, out: Stored, pixels: Stored) -> None:
    if pixels.shape != out.shape:
        raise _damaged(part, f"its pixels have the shape {pixels.shape} and not {out.shape}")
    out[...] = pixels


class _Frames:
    """Frames of compressed files; the file that was read last is kept, for its frames follow each other."""

    def __init__(self, counts: Counter[Path]) -> None:
        self._counts = counts
        self._path: Path | None = None
        self._stored: Stored = np.empty(0)
        self._lock = threading.Lock()

    def __call__(self, part: SliceHeader, out: Stored) -> None:
        shape = (self._counts[part.path], *out.shape)
        with self._lock:
            if self._path != part.path:
                stored = _decoded(part)
                if stored.size != shape[0] * out.size:
                    raise _damaged(part, f"its pixels have the shape {stored.shape} and not {shape}")
                self._stored, self._path = stored.reshape(shape), part.path
            out[...] = self._stored[part.frame]


def _is_full(series: SeriesHeaders, dtype: ArrayType) -> bool:
    """Whether all bits are used. Unused ones may hold anything (old overlays): pydicom drops them."""
    return whole(series.first, "BitsStored") in {None, dtype.itemsize * 8}


def _slice_reader(series: SeriesHeaders, dtype: ArrayType) -> _ReadSlice:
    full = _is_full(series, dtype)
    frames = _Frames(Counter(part.path for part in series.slices))

    def read(part: SliceHeader, out: Stored) -> None:
        syntax = part.transfer_syntax
        _require_read(part)
        mistaken = _is_plain_by_mistake(part)
        if (syntax in _LITTLE or mistaken) and full:
            _native(part, out)
        elif syntax == _BIG and full and dtype.itemsize == 2:
            _swapped(part, out)
        elif part.frame is not None:
            frames(part, out)
        elif syntax == RLE and full and not mistaken:
            _run_lengths(part, out)
        elif syntax in JPEG2000 and not mistaken:
            _jpeg2000(part, out)
        else:
            if syntax in _LITTLE or mistaken:
                # Says how much is missing where the file is cut short
                _native(part, out)
            _checked(part, out, _decoded(part))

    return read


def _is_quick(stack: Stack, dtype: ArrayType) -> bool:
    """Whether the files are read about as quickly as a cache would be, by what scripts/benchmark_cache.py measures.

    So are uncompressed values, and run lengths in single-frame files.
    """
    runs = {RLE} if _is_full(stack.series, dtype) else set()
    return all(
        part.transfer_syntax in _PLAIN or (part.frame is None and part.transfer_syntax in runs) for part in stack.slices
    )


def _plane_reader(stack: Stack, dtype: ArrayType) -> ReadPlane:
    """Reads a plane by its place in the stack: from an OME-Zarr image, from a cache, or from its file."""
    of_image = planes_of_image(stack, dtype)
    if of_image is not None:
        return of_image
    _refuse_small_files(stack, dtype)
    read, slices, cache = _slice_reader(stack.series, dtype), stack.slices, cache_in_use()

    def of_file(k: int, out: Stored) -> None:
        read(slices[k], out)

    # Files that are unpacked from an archive are others each time
    from_archive = any(part.keeper is not None for part in slices)
    if cache is None or from_archive or _is_quick(stack, dtype):
        return of_file
    return CachedPlanes(cache, stack, dtype, of_file)


def refuse_impossible(stack: Stack, dtype: ArrayType) -> None:
    """Refuse, before any memory is taken, an image that its files are too small to hold."""
    if planes_of_image(stack, dtype) is None:
        _refuse_small_files(stack, dtype)


def _refuse_small_files(stack: Stack, dtype: ArrayType) -> None:
    sizes = {part.path: part.path.stat().st_size for part in stack.slices}
    plane_bytes = stack.geometry.shape[1] * stack.geometry.shape[2] * dtype.itemsize
    raw = {part.path: part.transfer_syntax in _PLAIN for part in stack.slices}
    for path, count in Counter(part.path for part in stack.slices).items():
        room = sizes[path] * (1 if raw[path] else _LARGEST_RATIO)
        if count * plane_bytes > room:
            part = next(p for p in stack.slices if p.path == path)
            raise _damaged(
                part, f"the file is cut short: {sizes[path]} bytes cannot hold {count * plane_bytes} of pixels"
            )


class PlaneReader:
    """Reads the stored values of a stack's planes, several planes at a time.

    Raises
    ------
    SeriesError, FileFormatError
        As `stored_type` and `refuse_impossible`.
    """

    def __init__(self, stack: Stack) -> None:
        self.dtype = stored_type(stack.series)
        self._stack = stack
        self._read = _plane_reader(stack, self.dtype)

    def each(
        self,
        planes: range,
        target: Stored | None,
        consume: Callable[[int, Stored], None],
        progress: Progress | None = None,
    ) -> None:
        """Read some planes and hand them on.

        Parameters
        ----------
        planes : range
            Which, by their places in the stack, step 1.
        target : ndarray or None
            Of the stored type, one plane for each of these: they are read straight into it. None: into memory that
            is used again for the next plane.
        consume : callable
            Is given a plane's place and its stored values, in any order and from several threads.

        Raises
        ------
        FileFormatError
            Where a file is cut short or its pixels cannot be decoded; the text names it.
        """
        shape, local = self._stack.geometry.shape[1:], threading.local()

        def one(k: int) -> None:
            if target is not None:
                out = target[k - planes.start]
            else:
                if not hasattr(local, "plane"):
                    local.plane = np.empty(shape, dtype=self.dtype)
                out = local.plane
            self._read(k, out)
            consume(k, out)

        # Warnings are silenced here, for doing it is not safe from several threads at once.
        with quiet(), ThreadPoolExecutor(min(threads_at_once(), len(planes))) as pool:
            for done, _ in enumerate(pool.map(one, planes), start=1):
                if progress is not None and done % _PROGRESS_EVERY == 0:
                    progress(f"{self._stack.series.name}: {done} of {len(planes)} slices")


def each_plane(
    stack: Stack, target: Stored | None, consume: Callable[[int, Stored], None], progress: Progress | None = None
) -> None:
    """Read the stored values of every plane of a stack and hand them on, as `PlaneReader.each`."""
    PlaneReader(stack).each(range(len(stack.slices)), target, consume, progress)
