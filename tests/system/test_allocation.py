"""How freed memory is kept; seen in a process of its own, since it cannot be taken back."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from dotaliver.errors import FileFormatError
from dotaliver.system.allocation import is_out_of_memory

PROBE = """
import resource, sys
import numpy as np
from dotaliver.system.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    for _ in range(10):
        [np.ones(1_000_000) for _ in range(5)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of making five arrays of 8 MB ten times, all freed before the next time."""
    done = subprocess.run([sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library's allocator is only known on Linux")
def test_freed_memory_is_used_again_without_asking_the_system_for_it():
    assert faults("keep") < 50 < faults("as is")


def test_garbage_is_looked_for_less_often():
    script = (
        "import gc; from dotaliver.system.allocation import keep_freed_memory as k; a = gc.get_threshold()[0]; k(); "
    )
    script += "assert gc.isenabled(); print(gc.get_threshold()[0] / a)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 5


def _raised(error: Exception, cause: Exception | None) -> Exception:
    try:
        raise error from cause
    except type(error) as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "cause", "is_memory"),
    [
        (MemoryError(), None, True),
        (FileFormatError("x: it is damaged"), MemoryError(), True),
        (FileFormatError("x: it is damaged"), RuntimeError("std::bad_alloc"), True),
        (FileFormatError("x: it is damaged"), ValueError("x"), False),
        (ImportError("libx.so: failed to map segment from shared object"), None, True),
        (OSError(errno.ENOSPC, "x"), None, False),
    ],
)
def test_a_lack_of_memory_is_known_whatever_it_was_taken_for(error, cause, is_memory) -> None:
    assert is_out_of_memory(_raised(error, cause)) is is_memory
