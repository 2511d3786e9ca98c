"""Temporary folders and files of ours: locked while their process lives, and removed by the next run once it is dead.

The lock is the operating system's (``flock``), which lets go of it however a process ends, so that what a killed run
left is told from what another run is writing at this moment. Where there are no such locks (Windows, some network file
systems) nothing is taken for dead within a day.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from dotaliver.errors import OutputError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "claimed",
    "discard",
    "is_temporary",
    "is_unused",
    "let_go",
    "lock",
    "locked_folder",
    "new_name",
    "part_pattern",
    "remove_dead",
    "remove_dead_scratch",
    "scratch",
    "scratch_folder",
]

_UNKNOWN_IS_DEAD_AFTER_S = 24 * 3600.0
_HEX = "[0-9a-f]{12}"
_SCRATCH = "dotaliver-"
# Exactly ours: a person may keep a folder called dotaliver-results-2026 among the temporary ones.
_SCRATCH_NAME = re.compile(rf"{_SCRATCH}(?:zip|batch|masks|tables)-{_HEX}")
Scratch = Literal["zip", "batch", "masks", "tables"]
_TEMPORARY = re.compile(rf"\.(?:.+\.{_HEX}\.(?:part|swap)|(?:writing|whole)-{_HEX})", re.DOTALL)
_TRIES = 10
# Locks that this process holds, by the path of what is locked.
_held: dict[Path, int] = {}


def new_name(name: str, ending: str = "part") -> str:
    """A name for what is written in place of a file or folder called ``name``, until it is whole."""
    return f".{name}.{secrets.token_hex(6)}.{ending}"


def part_pattern(name: str = ".+", ending: str = "part") -> re.Pattern[str]:
    """What `new_name` makes of the names that a regular expression gives, or of any."""
    return re.compile(rf"\.(?:{name})\.{_HEX}\.{ending}", re.DOTALL)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is on its way to another name, or was left so by a killed run."""
    return _TEMPORARY.fullmatch(name) is not None


def lock(descriptor: int) -> bool:
    """Lock an open file for as long as it is open; False where another process has it. True where nothing locks."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def locked_folder(parent: Path, name: Callable[[], str], mode: int = 0o777) -> Path:
    """Make an empty folder and lock it, until `let_go` or `discard`.

    Parameters
    ----------
    parent : Path
        Where.
    name : callable
        Gives a name that nobody else uses, another one each time.
    mode : int
        Permissions before the umask.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    for _ in range(_TRIES):
        made = parent / name()
        made.mkdir(mode=mode)
        if sys.platform == "win32":
            return made
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        # Another run may have taken the folder for a dead one before it was locked.
        if lock(descriptor) and _is_same(descriptor, made):
            _held[made] = descriptor
            return made
        os.close(descriptor)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(parent))


def let_go(folder: Path) -> None:
    """Unlock a folder that has got its name."""
    descriptor = _held.pop(folder, None)
    if descriptor is not None:
        os.close(descriptor)


def discard(folder: Path) -> None:
    """Remove a temporary folder, as far as it is still there."""
    shutil.rmtree(folder, ignore_errors=True)
    let_go(folder)


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a folder within a block, so that `is_unused` sees that somebody is about to write into it."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _if_dead(path: Path) -> Iterator[bool]:
    """Whether nobody works with a file or folder; within the block nobody begins to."""
    if sys.platform == "win32":
        yield _is_old(path)
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        dead = _is_same(descriptor, path)
    except BlockingIOError:
        dead = False
    except OSError:
        dead = _is_old(path)
    try:
        yield dead
    finally:
        os.close(descriptor)


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > _UNKNOWN_IS_DEAD_AFTER_S
    return False


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def is_unused(folder: Path) -> bool:
    """Whether a folder is empty and nobody is about to write into it."""
    with _if_dead(folder) as dead, contextlib.suppress(OSError):
        return dead and not any(folder.iterdir())
    return False


def remove_dead(folder: Path, name: re.Pattern[str], first: Callable[[Path], None] = lambda _: None) -> None:
    """Remove what killed processes left in a folder.

    Parameters
    ----------
    folder : Path
        Nothing below its own entries is looked for.
    name : re.Pattern
        Of the names of temporary files and folders, whole.
    first : callable
        Is called with each before it goes; where it raises an `OSError` that one stays.
    """
    with contextlib.suppress(OSError):
        for found in sorted(entry for entry in os.listdir(folder) if name.fullmatch(entry)):  # noqa: PTH208  thousands
            path = folder / found
            if not _is_ours(path):
                continue
            with _if_dead(path) as dead, contextlib.suppress(OSError):
                if not dead:
                    continue
                first(path)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """A file or folder of this user, and no link."""
    try:
        found = path.lstat()
    except OSError:
        return False
    if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        return False
    return sys.platform == "win32" or found.st_uid == os.geteuid()


def scratch_folder(kind: Scratch) -> Path:
    """Make a folder for temporary files that only this user may read, to be removed by `discard`.

    Raises
    ------
    OSError
        Where the folder for temporary files (TMPDIR) is missing, full or read-only.
    """
    return locked_folder(Path(tempfile.gettempdir()), lambda: f"{_SCRATCH}{kind}-{secrets.token_hex(6)}", 0o700)


@contextlib.contextmanager
def scratch(kind: Scratch) -> Iterator[Path]:
    """Have a folder for temporary files within a block.

    Raises
    ------
    OutputError
        Where it cannot be made.
    """
    try:
        made = scratch_folder(kind)
    except OSError as error:
        msg = (
            f"{tempfile.gettempdir()}: temporary files cannot be written ({error.strerror}); free some space there or "
            "set TMPDIR to another folder"
        )
        raise OutputError(msg) from error
    try:
        yield made
    finally:
        discard(made)


def remove_dead_scratch() -> None:
    """Remove the folders for temporary files that killed runs of this user left."""
    remove_dead(Path(tempfile.gettempdir()), _SCRATCH_NAME)
