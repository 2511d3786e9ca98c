"""How the program ends when it is stopped from outside or the machine fails it."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["Stopped", "machine_failure", "stop_on_signals"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NO_MEMORY = {errno.ENOMEM, errno.EAGAIN}
# What libraries say in errors of other types where the system gives them no memory
_MEMORY_WORDS = (
    "cannot allocate memory",
    "failed to map segment",
    "bad_alloc",
    "failed to allocate",
    "can't start new thread",
    "out of memory",
)


class Stopped(SystemExit):
    """The program was asked to end by a signal: what is open is closed and temporary files are removed."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}"


def stop_on_signals() -> None:
    """Have SIGTERM and SIGHUP end the program in order, unless they are ignored (as under ``nohup``)."""
    if threading.current_thread() is not threading.main_thread():
        return

    def hear(number: int, _frame: Any) -> NoReturn:
        # A second one ends the program at once
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, hear)


def machine_failure(error: BaseException) -> str | None:
    """One sentence for an error that is the machine's and not the program's; None for any other."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    if any(_is_memory(each) for each in chain):
        return "there is not enough memory for this; close other programs, or give a bound with --memory"
    if isinstance(error, FileNotFoundError) and not _has_working_folder():
        return "the working folder no longer exists; change to a folder that does and run the command again"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = "" if error.filename is None else f"{Path(os.fsdecode(error.filename)).name}: "
        return f"{where}there is no room left on the disk; free some space, also in the folder for temporary files"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return "the system lets this program open too few files; raise the limit (ulimit -n)"
    return None


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _NO_MEMORY):
        return True
    is_library = isinstance(error, ImportError | RuntimeError | OSError)
    return is_library and any(words in str(error).lower() for words in _MEMORY_WORDS)


def _has_working_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True
