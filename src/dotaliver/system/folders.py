"""Folders that are there whole or not at all: made under another name, put onto the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from pathlib import Path

__all__ = ["put_in_place", "remove_left_over", "sync_folder", "temporary_beside"]

_PART_ENDING = ".part"
_LEFT_OVER_S = 24 * 3600.0
_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


def temporary_beside(target: Path) -> Path:
    """Make an empty folder beside where one shall stand, under a name that nobody else uses.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    made = target.with_name(f".{target.name}.{secrets.token_hex(6)}{_PART_ENDING}")
    made.mkdir()
    return made


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
    for parent, _, names in os.walk(made):
        for name in names:
            _fsync(Path(parent) / name, 0)
        sync_folder(Path(parent))
    if replacing and target.exists():
        old = target.with_name(f".{target.name}.{secrets.token_hex(6)}{_PART_ENDING}")
        # Another process may have been quicker
        with contextlib.suppress(FileNotFoundError):
            target.rename(old)
            shutil.rmtree(old, ignore_errors=True)
    try:
        made.rename(target)
    except OSError as error:
        if not replacing or error.errno not in _TAKEN:
            raise
        shutil.rmtree(made, ignore_errors=True)
    sync_folder(target.parent)


def remove_left_over(folder: Path, name: str) -> None:
    """Remove what killed processes left half done in a folder a day ago or earlier; others may be at work.

    Parameters
    ----------
    folder : Path
    name : str
        Regular expression of the names that folders there get in the end.
    """
    part_of = re.compile(rf"\.(?:{name})\.[0-9a-f]{{12}}{re.escape(_PART_ENDING)}")
    with contextlib.suppress(OSError):
        for part in folder.iterdir():
            if part_of.fullmatch(part.name) and time.time() - part.lstat().st_mtime > _LEFT_OVER_S:
                shutil.rmtree(part, ignore_errors=True)
