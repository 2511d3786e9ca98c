"""Write files completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from dotaliver.errors import OutputError
from dotaliver.system.folders import sync_folder
from dotaliver.system.temporary import claimed, lock, new_name

__all__ = ["output_folder", "prepare_output_folder", "sha256_of", "why_not_written", "write_atomically"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; `OSError` where it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def why_not_written(path: Path, error: OSError) -> str:
    """Why a file or folder cannot be written, and what to do about it, as a sentence."""
    if error.errno in _FULL:
        return f"{path}: there is no room left to write it; free some space or choose another output folder"
    if error.errno in _FORBIDDEN:
        return f"{path}: writing is not permitted; change its permissions or choose another output folder"
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return f"{path}: a file is in the place of the folder; move it or choose another output folder"
    if error.errno == errno.EISDIR:
        return f"{path}: a folder is in the place of the file; move it or choose another output folder"
    if error.errno == errno.ENOENT:
        return f"{path}: its folder does not exist; create it or choose another output folder"
    return f"{path}: cannot be written ({error.strerror or error}); choose another output folder"


def write_atomically(path: Path, data: bytes | str, *, shown_as: Path | None = None) -> None:
    """Write a file completely or not at all: to a temporary file in the same folder, synchronised, then renamed.

    A reader, or a run that was cut off, finds the old file or the new one, never a part. Text is stored as
    UTF-8 with the line ends that it has. An error names the file as `shown_as`, where that is given.

    Raises
    ------
    OutputError
        Where the folder is missing, full, read-only or not a folder; what stood under the name is untouched.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(new_name(path.name))
    try:
        try:
            # Opened by hand and not by tempfile, whose files only their owner may read: results are shared.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as stream:
                lock(descriptor)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(why_not_written(shown_as or path, error)) from error


def prepare_output_folder(path: Path) -> None:
    """Create a folder with its parents if need be, and make sure that a file can be written into it.

    Raises
    ------
    OutputError
        Where it cannot be created or written to; the sentence says why and what would mend it.
    """
    probe = path / new_name("probe")
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            # One block, not an empty file: a full disk still takes names.
            probe.write_bytes(b"\0" * 4096)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(why_not_written(path, error)) from error


@contextlib.contextmanager
def output_folder(path: Path) -> Iterator[None]:
    """Prepare a folder for what is written inside the block; where the block fails, no empty folder is left behind.

    Raises
    ------
    OutputError
        As `prepare_output_folder`.
    """
    try:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
    except OSError as error:
        raise OutputError(why_not_written(path, error)) from error
    try:
        prepare_output_folder(path)
        # Empty until the end, it would be taken for one that a killed run left.
        with claimed(path):
            yield
    except BaseException:
        with contextlib.suppress(OSError):  # not empty any more, or never made
            for folder in made:
                folder.rmdir()
        raise
