"""How the C library and Python keep the memory that is freed, and errors that mean there is none left."""

from __future__ import annotations

import ctypes
import errno
import gc
import sys
from contextlib import suppress

__all__ = ["end_at_once", "give_back_freed_memory", "is_out_of_memory", "keep_freed_memory"]

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MAPPED_FROM_BYTES = 4 << 20
# The most that glibc takes for this threshold on 64-bit machines (DEFAULT_MMAP_THRESHOLD_MAX).
_LARGEST_MAPPED_FROM_BYTES = 32 << 20
_KEPT_BYTES = 256 << 20
_ASKED_AT_ONCE_BYTES = 32 << 20
# Python looks for cyclic garbage whenever this many objects more are alive; 700 to 2 000 otherwise.
_OBJECTS_BEFORE_LOOKING = 50_000

# What libraries say in errors of other types where the system gives them no memory
_MEMORY_WORDS = (
    "cannot allocate memory",
    "failed to map segment",
    "bad_alloc",
    "failed to allocate",
    "can't start new thread",
    "out of memory",
)


def _set(*options: tuple[int, int]) -> None:
    """Set options of the C library's allocator, where it is glibc's."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            for option, value in options:
                ctypes.CDLL(None).mallopt(option, value)


def give_back_freed_memory() -> None:
    """Have large blocks given back to the system as soon as they are freed."""
    _set((_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES))


def keep_freed_memory() -> None:
    """For a process that scores one study and ends: use freed memory again, and look for garbage less often.

    Each array that is mapped anew costs the system a page fault for every few kilobytes, and scoring makes many arrays
    of the same few sizes; it makes many small objects too, most of which live to the end.
    """
    _set(
        (_M_MMAP_THRESHOLD, _LARGEST_MAPPED_FROM_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _ASKED_AT_ONCE_BYTES),
    )
    gc.set_threshold(_OBJECTS_BEFORE_LOOKING)


def end_at_once() -> None:
    """To be called at a program's end: what is left goes with the process, and is not looked through for garbage."""
    gc.freeze()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error comes from a lack of memory, also where it was taken for a damaged file on its way."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        found = found.__cause__ or found.__context__
    return any(_says_no_memory(each) for each in seen)


def _says_no_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    is_library = isinstance(error, ImportError | RuntimeError | OSError)
    return is_library and any(words in str(error).lower() for words in _MEMORY_WORDS)
