"""How the program ends when it is stopped from outside or the machine fails it."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dotaliver.system.allocation import is_out_of_memory

__all__ = ["Stopped", "machine_failure", "stop_on_signals"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


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

    def hear(number: int, _frame: FrameType | None) -> NoReturn:
        # A second one ends the program at once
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, hear)


def machine_failure(error: BaseException) -> str | None:
    """One sentence for an error that is the machine's and not the program's; None for any other."""
    if is_out_of_memory(error):
        return "there is not enough memory for this; close other programs, or give a bound with --memory"
    if isinstance(error, FileNotFoundError) and not _has_working_folder():
        return "the working folder no longer exists; change to a folder that does and run the command again"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = "" if error.filename is None else f"{Path(os.fsdecode(error.filename)).name}: "
        return f"{where}there is no room left on the disk; free some space, also in the folder for temporary files"
    if isinstance(error, OSError) and error.errno == errno.EMFILE:
        return "the system lets this program open too few files; raise the limit (ulimit -n)"
    return None


def _has_working_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True
