"""Files that are read no further than they reach: a declared length takes no memory that the file cannot fill."""

from __future__ import annotations

import io
import os
from pathlib import Path

__all__ = ["BoundedFile"]

# Shorter reads may go past the end: they take little memory, and most reads are short.
_LONG_READ = 1 << 16


class BoundedFile(io.BufferedReader):
    """A file opened for reading whose `read` asks for no more bytes than are left.

    Python takes the memory for a read before it reads, so that a file of a few kilobytes with a length of 4 GB in it
    would take 4 GB.
    """

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self.size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        if size is not None and size > _LONG_READ:
            size = min(size, max(0, self.size - self.tell()))
        return super().read(size)
