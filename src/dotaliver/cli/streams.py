"""Standard streams that cannot be written: a sentence and an exit status, never a traceback or a lost result."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, TextIO

from dotaliver.errors import OutputError

__all__ = ["check_streams", "flush_output"]


# DEL, C1 and marks that turn the direction of writing: JSON leaves them as they are, and a terminal may obey them. The
# escapes mean the same in JSON.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


class _Checked:
    """Standard output whose failures are `OutputError`, so that they are said in one sentence."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text.

        Raises
        ------
        OutputError
            Where standard output is closed or full.
        """
        if self._stream is None:
            raise OutputError(_sentence("it is closed"))
        try:
            return self._stream.write(text.translate(_ESCAPED))
        except (OSError, ValueError) as error:
            raise OutputError(_sentence(_why(error))) from error

    def flush(self) -> None:
        """Put what was written where it goes."""
        if self._stream is None or self._stream.closed:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            # What is left in the buffer would be tried again, and fail again, when the program ends.
            stream, self._stream = self._stream, None
            _drop(stream)
            raise OutputError(_sentence(_why(error))) from error

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _drop(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it is closed"


def _sentence(why: str) -> str:
    return f"standard output cannot be written ({why}); files that were written before stay"


def check_streams() -> None:
    """Take care of the standard streams before anything is written; to be called first.

    A descriptor that is closed would be given to the next file that is opened, and what libraries print would go there.
    """
    missing = [number for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)) if stream is None]
    while missing and (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for as long as the program runs
    if not isinstance(sys.stdout, _Checked):
        sys.stdout = _Checked(sys.stdout)


def flush_output() -> None:
    """Write what is left of standard output, while a failure can still be said.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
