"""Folders that appear complete or not at all: written under another name, synchronised, then renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

from dotaliver.system.temporary import discard, let_go, locked_folder, new_name, part_pattern, remove_dead

__all__ = ["exchange", "put_in_place", "remove_left_over", "sync_folder", "sync_tree", "temporary_beside"]

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
# linux/fs.h and fcntl.h; macOS' sys/stdio.h
_RENAME_EXCHANGE, _AT_FDCWD, _RENAME_SWAP = 2, -100, 2


def temporary_beside(target: Path) -> Path:
    """Make an empty folder with a unique name next to its final place.

    It is locked until `put_in_place` or `temporary.discard`, so that no other run takes it for a dead one's.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    return locked_folder(target.parent, lambda: new_name(target.name))


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    except OSError as error:  # network file systems refuse it for folders, and need it least
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder onto the disk, where the system lets a folder be synchronised."""
    if hasattr(os, "O_DIRECTORY"):
        _fsync(folder, os.O_DIRECTORY)


def sync_tree(folder: Path) -> None:
    """Put a folder with all that is in it onto the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            _fsync(Path(parent) / name, 0)
        sync_folder(Path(parent))


def exchange(one: Path, other: Path) -> None:
    """Swap the names of two folders of one file system in a single step.

    Raises
    ------
    OSError
        Where that fails or the system cannot do it; nothing has changed then.
    """
    names = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True) if sys.platform != "win32" else None
    if library is not None and hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_EXCHANGE))
    elif library is not None and hasattr(library, "renamex_np"):
        failed = library.renamex_np(*names, ctypes.c_uint(_RENAME_SWAP))
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def put_in_place(made: Path, target: Path, *, replacing: bool) -> None:
    """Put a folder with all that is in it onto the disk and give it its name.

    Parameters
    ----------
    made : Path
        What `temporary_beside` made.
    target : Path
        Its name from now on; an empty folder may stand there.
    replacing : bool
        Whether a folder that stands there goes. Of two processes that do this at once, one wins.

    Raises
    ------
    OSError
        Where that fails; `made` is still there then.
    """
    sync_tree(made)
    old = target.with_name(new_name(target.name))
    if replacing and target.exists():
        # Another process may have been quicker
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
    try:
        made.rename(target)
    except OSError as error:
        if not replacing or error.errno not in _TAKEN:
            with contextlib.suppress(OSError):
                old.rename(target)
            raise
        discard(made)
    finally:
        # Last, so that the name is free for a moment only
        shutil.rmtree(old, ignore_errors=True)
    let_go(made)
    sync_folder(target.parent)


def remove_left_over(folder: Path, name: str) -> None:
    """Remove the unfinished folders that killed processes left.

    Parameters
    ----------
    folder : Path
    name : str
        Regular expression of the names that folders there get in the end.
    """
    remove_dead(folder, part_pattern(name))
