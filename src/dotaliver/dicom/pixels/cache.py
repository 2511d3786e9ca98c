"""Decoded pixels that are kept between runs: unpacking a compressed series takes longer than all else about it.

Each series is one OME-Zarr image below the cache's folder, under a hashed name. It is used only for the
files that it was made from, unchanged since then, and the SHA-256 of every plane is verified when it is read. Whatever
is wrong with a cache, the files are read; no answer depends on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.dicom.files.elements import text
from dotaliver.dicom.files.headers import CACHE_MARK
from dotaliver.dicom.files.stack import Stack
from dotaliver.errors import ConfigError, FileFormatError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.omezarr.planes import PlaneImage
from dotaliver.system.folders import put_in_place, remove_left_over, temporary_beside
from dotaliver.system.temporary import discard

if TYPE_CHECKING:
    from dotaliver.omezarr.writing import ImageWriter

__all__ = ["CachedPlanes", "PlaneCache", "cache_in_use", "plane_cache"]

_KEY = "files_sha256"
_FORM = 1
_NAMES = "[0-9a-f]{32}"
Stored = Array
ReadPlane = Callable[[int, Stored], None]
Tell = Callable[[str], None]


class PlaneCache:
    """A folder of decoded series.

    Parameters
    ----------
    folder : Path
        Is made when the first series is written.
    tell : callable
        Receives one line where the cache cannot be used.
    """

    def __init__(self, folder: Path, tell: Tell) -> None:
        self.folder = folder
        self._tell, self._told = tell, False
        remove_left_over(folder, _NAMES)

    def prepare(self) -> None:
        """Make the folder, marked as one that belongs to no study; `OSError` where that cannot be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / CACHE_MARK).touch()

    def tell_unwritable(self, error: Exception) -> None:
        """Say once that nothing can be kept."""
        if not self._told:
            self._told = True
            why = getattr(error, "strerror", None) or str(error)
            self._tell(f"the cache cannot be written ({why}); continuing without it")

    def tell_damaged(self, series: str) -> None:
        """Say that a series is read from its files after all."""
        self._tell(f"{series}: the cached copy is damaged and was discarded; reading the files")


_in_use: ContextVar[PlaneCache | None] = ContextVar("plane_cache", default=None)


@contextmanager
def plane_cache(folder: Path | None, tell: Tell) -> Iterator[None]:
    """Read series from a cache where it has them, and keep in it what is decoded; None: without one.

    Raises
    ------
    ConfigError
        Where the extra that it needs is not installed.
    """
    if folder is not None:
        from dotaliver.omezarr.writing import require_zarr

        require_zarr()
    token = _in_use.set(None if folder is None else PlaneCache(folder, tell))
    try:
        yield
    finally:
        _in_use.reset(token)


def cache_in_use() -> PlaneCache | None:
    """The cache of the run that is going on."""
    return _in_use.get()


def _key_of(stack: Stack, dtype: ArrayType) -> str:
    """Hash of what a series is read from: its UID, type and grid, and for each plane the state of its file.

    The times of a file are those of its content and of its inode: the second is set by the system alone, so a changed
    file differs in it even where it was given its old time.

    Raises
    ------
    OSError
        Where a file is gone.
    """
    files = {path: os.stat(path) for path in {part.path for part in stack.slices}}  # noqa: PTH116 -- many
    planes = []
    for part in stack.slices:
        found = files[part.path]
        state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        planes.append((text(part.dataset, "SOPInstanceUID"), part.frame, *state))
    grid = stack.geometry
    what = (
        _FORM,
        stack.series.uid,
        dtype.str,
        grid.shape,
        grid.origin_lps_mm,
        grid.spacing_mm,
        grid.directions,
        planes,
    )
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


class CachedPlanes:
    """Reads the planes of one stack, from the cache where it has them.

    Parameters
    ----------
    cache : PlaneCache
    stack : Stack
    dtype : numpy dtype
        Of the stored values.
    read : callable
        Fills an array with the stored values of a plane from its file.
    """

    def __init__(self, cache: PlaneCache, stack: Stack, dtype: ArrayType, read: ReadPlane) -> None:
        self._cache, self._stack, self._dtype, self._read = cache, stack, dtype, read
        name = hashlib.sha256(f"{stack.series.uid}\n{stack.series.modality}".encode()).hexdigest()[:32]
        self._place = cache.folder / name
        self._key = _key_of(stack, dtype)
        self._lock = threading.Lock()
        self._recorder: _Recorder | None = None
        self._image = self._opened()
        if self._image is None:
            self._recorder = self._recording()

    def __call__(self, k: int, out: Stored) -> None:
        """Fill an array with the stored values of plane `k`.

        Raises
        ------
        FileFormatError
            Where it has to be read from its file, and that is damaged.
        """
        if self._filled(k, out):
            return
        try:
            self._read(k, out)
        except BaseException:
            self._stop_recording()
            raise
        if self._recorder is not None:
            self._record(k, out)

    def _filled(self, k: int, out: Stored) -> bool:
        """Whether a plane came from the cache; asked twice, for another process may just have replaced the entry."""
        for _ in range(2):
            image = self._image
            if image is None:
                return False
            try:
                image.fill(k, out)
            except FileFormatError:
                with self._lock:
                    if self._image is image:
                        self._image = self._opened()
            else:
                return True
        if self._image is not None:
            self._throw_away(self._image)
        return False

    def _opened(self) -> PlaneImage | None:
        """What the cache holds of this stack; None where that is nothing, damaged, or made from files as they were."""
        try:
            return self._stored()
        except FileFormatError:
            self._cache.tell_damaged(self._stack.series.name)
            return None

    def _stored(self) -> PlaneImage | None:
        if not self._place.exists():
            return None
        image = PlaneImage(self._place)
        if image.texts.get(_KEY) != self._key:
            return None
        fits = image.shape == self._stack.geometry.shape and image.dtype == self._dtype
        return image if fits else None

    def _throw_away(self, image: PlaneImage) -> None:
        with self._lock:
            if self._image is not image:
                return
            self._image = None
        self._cache.tell_damaged(self._stack.series.name)
        with suppress(OSError):
            shutil.rmtree(self._place)

    def _recording(self) -> _Recorder | None:
        try:
            self._cache.prepare()
            return _Recorder(temporary_beside(self._place), self._stack, self._dtype)
        except (OSError, ConfigError) as error:
            self._cache.tell_unwritable(error)
            return None

    def _record(self, k: int, plane: Stored) -> None:
        """Keep a plane that was decoded; once all are there, the series is read from the cache."""
        recorder = self._recorder
        if recorder is None:
            return
        try:
            recorder.writer.put(k, plane)
            with self._lock:
                if self._recorder is recorder and recorder.writer.is_whole:
                    self._recorder = None
                    self._publish(recorder)
        except (OSError, ValueError, RuntimeError) as error:
            self._stop_recording()
            self._cache.tell_unwritable(error)

    def _publish(self, recorder: _Recorder) -> None:
        try:
            # Files that changed while they were read are not known to be what was read
            if _key_of(self._stack, self._dtype) == self._key:
                recorder.writer.finish(**{_KEY: self._key})
                # Another process may have read the same series meanwhile
                with suppress(FileFormatError):
                    self._image = self._stored()
                if self._image is None:
                    put_in_place(recorder.folder, self._place, replacing=True)
                    self._image = self._opened()
        finally:
            recorder.discard()

    def _stop_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.discard()


class _Recorder:
    """An image that is being written, and is deleted with this object unless it was put in place."""

    def __init__(self, folder: Path, stack: Stack, dtype: ArrayType) -> None:
        from dotaliver.omezarr.writing import ImageWriter

        self.folder = folder
        self.discard = weakref.finalize(self, discard, folder)
        self.writer: ImageWriter = ImageWriter(folder, "cached series", stack.geometry, dtype, "speed")
