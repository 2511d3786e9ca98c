"""How many processors and threads may be used."""

from __future__ import annotations

import os

__all__ = ["multiply_in_one_thread", "processors", "threads_at_once"]


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_at_once() -> int:
    """How many threads may work here at the same time: one per processor, fewer where ``OMP_NUM_THREADS`` says so."""
    try:
        allowed = int(os.environ.get("OMP_NUM_THREADS", ""))
    except ValueError:
        return processors()
    return max(1, min(allowed, processors()))


def multiply_in_one_thread() -> None:
    """Have OpenBLAS use one thread, unless the user asks for more; to be called before numpy is imported.

    Its threads wait for each other by looking again and again. The matrices here are small and many, and another
    process has work for the same processors: with more threads, most of a score's processor time was such waiting.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
