"""Results of several files in one folder: the whole new result takes the place of the whole old one.

The files are written to a folder beside the target. Where the system can, the two folders then swap their names in one
step, and what else lay in the old one (a reader's revisions) moves over. Where it cannot (a mount point, a file system
or system without such a step, the working folder), the new files go to ``.whole-…`` in the target and from there to
their places one by one. A run that is killed in between leaves that folder; it holds the whole result, readers use it
(`whole_result`), and the next run finishes the move.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from dotaliver.errors import OutputError
from dotaliver.system.files import why_not_written, write_atomically
from dotaliver.system.folders import exchange, sync_folder
from dotaliver.system.temporary import (
    discard,
    let_go,
    locked_folder,
    new_name,
    part_pattern,
    remove_dead,
)

__all__ = ["HALF_WRITTEN", "tidy_result", "whole_result", "write_result"]

_HALF, _WHOLE, _SWAP = ".writing-", ".whole-", "swap"
HALF_WRITTEN = re.compile(rf"{re.escape(_HALF)}[0-9a-z_]{{8,12}}")
"""Names of folders in a result's folder that a run is writing, or that a killed run left."""
_WHOLE_NAME = re.compile(rf"{re.escape(_WHOLE)}[0-9a-f]{{12}}")


def whole_result(folder: Path) -> Path:
    """Where the files of a result lie: the folder itself, or what a killed run had yet to move there."""
    try:
        found = [path for path in folder.iterdir() if _WHOLE_NAME.fullmatch(path.name)]
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=folder)
    except OSError:
        return folder


def write_result(folder: Path, contents: Mapping[str, bytes | str], is_part: Callable[[str], bool]) -> None:
    """Replace a folder's result; at every moment, and however this ends, the old or the new one is complete.

    Parameters
    ----------
    folder : Path
        Is there. What is in it beside the result stays.
    contents : mapping
        The files of the new result by name.
    is_part : callable
        Whether a file of this name belongs to such a result, and goes where the new one has none.

    Raises
    ------
    OutputError
        Where the folder cannot be written or is full; what was there before stays.
    """
    try:
        tidy_result(folder, is_part)
        staged = _staging_folder(folder)
        try:
            for name, content in contents.items():
                write_atomically(staged / name, content, shown_as=folder / name)
            swapped = staged.parent != folder and _swapped(staged, folder.resolve())
            if not swapped:
                _move_in(staged, folder, is_part)
        except BaseException:
            discard(staged)
            raise
        if swapped:
            # What has the name of the new folder is the old one; where this fails it stays for the next run.
            _carry_over(staged, folder.resolve(), is_part)
        discard(staged)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(why_not_written(folder, error)) from error


def tidy_result(folder: Path, is_part: Callable[[str], bool]) -> None:
    """Finish or remove what killed runs left in a result's folder and beside it."""
    real = folder.resolve()
    remove_dead(real, _WHOLE_NAME, lambda whole: _spread(whole, real, is_part))
    remove_dead(real, HALF_WRITTEN)
    remove_dead(real, part_pattern())
    # A folder of the parts of a new result, or an old one from which all else has yet to move
    remove_dead(real.parent, part_pattern(re.escape(real.name), _SWAP), lambda old: _carry_over(old, real, is_part))


def _staging_folder(folder: Path) -> Path:
    """A folder for the new files: beside the target where the two can swap, else in it."""
    real = folder.resolve()
    if _may_swap(real):
        with contextlib.suppress(OSError):
            return locked_folder(real.parent, lambda: new_name(real.name, _SWAP))
    return locked_folder(folder, lambda: _HALF + secrets.token_hex(6))


def _may_swap(real: Path) -> bool:
    """Whether a folder may get another inode: not where somebody stands in it or something is mounted on it."""
    try:
        here = Path.cwd()
    except OSError:
        return False
    try:
        one_disk = real.stat().st_dev == real.parent.stat().st_dev
    except OSError:
        return False
    return one_disk and not here.is_relative_to(real) and not os.path.ismount(real)


def _swapped(staged: Path, real: Path) -> bool:
    """Let the new folder and the old one swap names; False where the system cannot."""
    with contextlib.suppress(OSError):
        shutil.copymode(real, staged)
        if hasattr(os, "chown"):
            kept = real.stat()
            os.chown(staged, kept.st_uid, kept.st_gid)
    try:
        exchange(staged, real)
    except OSError:
        return False
    sync_folder(real.parent)
    return True


def _carry_over(old: Path, real: Path, is_part: Callable[[str], bool]) -> None:
    """Move what does not belong to a result from its old folder to the new one, so that the old one may go."""
    for path in old.iterdir():
        if is_part(path.name) or part_pattern().fullmatch(path.name):
            continue
        target = real / path.name
        with contextlib.suppress(FileNotFoundError):  # another run tidies too
            path.rename(target if not target.exists() else real / f"{path.name}-{secrets.token_hex(3)}")


def _move_in(staged: Path, folder: Path, is_part: Callable[[str], bool]) -> None:
    """Move the new files to their places one by one, in such a way that a killed run can be finished."""
    whole = folder / f"{_WHOLE}{secrets.token_hex(6)}"
    try:
        staged.rename(whole)
    except OSError:
        # Beside the folder, but on another file system after all
        inside = locked_folder(folder, lambda: _HALF + secrets.token_hex(6))
        try:
            shutil.copytree(staged, inside, dirs_exist_ok=True)
            inside.rename(whole)
        finally:
            let_go(inside)
            discard(inside)
    sync_folder(folder)
    _spread(whole, folder, is_part)
    gone = whole.rename(folder / f"{_HALF}{secrets.token_hex(6)}")
    shutil.rmtree(gone, ignore_errors=True)


def _spread(whole: Path, folder: Path, is_part: Callable[[str], bool]) -> None:
    """Give each file of a whole result its place; the result itself stays whole until that is done."""
    if whole != whole_result(folder):  # two runs were killed: the later one counts
        return
    names = sorted(path.name for path in whole.iterdir())
    for name in names:
        part = folder / new_name(name)
        try:
            _link(whole / name, part)
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)
    for path in folder.iterdir():
        if is_part(path.name) and path.name not in names and path.is_file():
            path.unlink(missing_ok=True)
    sync_folder(folder)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or make a copy where there are no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
