"""JPEG 2000 frames decoded on all processors.

The decoder (OpenJPEG by pylibjpeg) lets no other thread of its process work, so that a long series is given to a
process per processor. They are plain child processes which run this file and are fed over pipes: that works where a
pool of processes does not, inside a worker of another pool, in a notebook, and in a program without a main guard.
"""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["JPEG2000", "Decoders", "matches"]

JPEG2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
# Starting a process takes as long as decoding about fifteen planes of 512².
_WORTHWHILE_PIXELS = 16 << 20
_LENGTH = struct.Struct("<Q")


def matches(codestream: bytes, shape: tuple[int, ...], bits: int, signed: bool) -> tuple[bool, bool]:
    """Whether the frame's own header gives the declared size, and whether its values need no correction.

    Raises
    ------
    Exception
        Whatever the decoder raises on a damaged header.
    """
    from openjpeg.utils import get_parameters

    said = get_parameters(codestream)
    same_size = (said["rows"], said["columns"], said["samples_per_pixel"]) == (*shape, 1)
    return same_size, (said["precision"], bool(said["is_signed"])) == (bits, signed)


class Decoders:
    """A child process per thread that asks, where there is enough to decode; ended on leaving the context."""

    def __init__(self, pixels: int) -> None:
        self._wanted = pixels >= _WORTHWHILE_PIXELS and bool(sys.executable)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.kill()
            process.communicate()

    def _process(self) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] | None = getattr(self._local, "process", None)
        if process is None:
            # -P: the folder of this file is no place to import from
            command = [sys.executable, "-P", str(Path(__file__).resolve())]
            pipe, none = subprocess.PIPE, subprocess.DEVNULL
            process = self._local.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none)
            with self._lock:
                self._running.append(process)
        return process

    def decode(self, codestream: bytes, out: Any) -> bool:
        """Fill a plane; False where that is left to the caller: too little to decode, or the process failed."""
        if not self._wanted:
            return False
        try:
            process = self._process()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(_LENGTH.pack(len(codestream)) + codestream)
            process.stdin.flush()
            (length,) = _LENGTH.unpack(process.stdout.read(_LENGTH.size))
            view = memoryview(out.data).cast("B")
            if length == len(view):
                return _fill(process.stdout, view)
            if length:
                process.stdout.read(length)
        except (OSError, ValueError, struct.error) as error:
            logging.getLogger(__name__).debug("no process for decoding: %s", type(error).__name__)
            self._wanted = False
        return False


def _fill(source: Any, view: memoryview) -> bool:
    done = 0
    while done < len(view):
        count = source.readinto(view[done:])
        if not count:
            return False
        done += count
    return True


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    """What the child does: a codestream in, its values out; nothing where it cannot be decoded."""
    from openjpeg.utils import decode_pixel_data

    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        codestream = source.read(_LENGTH.unpack(head)[0])
        try:
            values = bytes(decode_pixel_data(codestream, version=2))
        except Exception:
            values = b""
        sink.write(_LENGTH.pack(len(values)) + values)
        sink.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
