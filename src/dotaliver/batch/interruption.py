"""Ending a batch in order: the first Ctrl-C or termination signal stops it, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    _Handler = Callable[[int, FrameType | None], object] | int | None

__all__ = ["Interruption"]

# Absent on Windows; under nohup it is ignored and stays ignored.
_HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


class Interruption:
    """Whether the run was interrupted: the first Ctrl-C stops it in order, the second at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, _Handler] = {}

    def __enter__(self) -> Interruption:
        """Listen to the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, *_HANG_UP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        """Hand the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
