"""Closed and full streams, a working folder that is gone, little memory, signals: a sentence, and no lost result."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dotaliver.cli.endings import machine_failure

GOLDEN = Path(__file__).parents[1] / "records" / "golden" / "version_1"
COMMAND = [sys.executable, "-c", "from dotaliver.cli import main; main()"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True, timeout=600, check=False, **options
    )


def is_one_sentence(done, *words) -> None:
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for word in ("dotaliver: ", *words):
        assert word in done.stderr


@pytest.mark.parametrize("arguments", [("schema",), ("diff", GOLDEN, GOLDEN / "revised-1"), ("--help",)])
def test_a_full_or_closed_output_is_said(arguments) -> None:
    with Path("/dev/full").open("w") as full:
        is_one_sentence(run(*arguments, stdout=full), "standard output", "No space left")
    is_one_sentence(run(*arguments, preexec_fn=lambda: os.close(1)), "standard output", "closed")
    reading, writing = os.pipe()
    os.close(reading)
    is_one_sentence(run(*arguments, stdout=writing), "standard output", "pipe")
    os.close(writing)


def test_without_standard_error_the_work_is_done() -> None:
    done = subprocess.run(
        [*COMMAND, "diff", GOLDEN, GOLDEN], stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2), check=False
    )
    assert done.returncode == 0
    assert done.stdout


def test_a_working_folder_that_was_deleted(tmp_path) -> None:
    program = "import os; os.rmdir(os.getcwd()); from dotaliver.cli import main; main()"
    for words, status in ((("inspect", "study"), 3), (("diff", GOLDEN, GOLDEN), 0)):
        (tmp_path / "here").mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, words)],
            cwd=tmp_path / "here", capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert "internal error" not in done.stderr
        assert done.stderr.count("\n") == (1 if status else 0)


@pytest.mark.parametrize("mib", [150, 450])
def test_little_address_space_is_said(mib, study) -> None:
    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))

    done = run("inspect", study, stdout=subprocess.DEVNULL, preexec_fn=bounded)
    if done.returncode < 0 or "OpenBLAS" in done.stderr:
        pytest.skip("a library ended the process itself")
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 2, 3}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (ImportError("libx.so: failed to map segment: Cannot allocate memory"), "not enough memory"),
        (RuntimeError("can't start new thread"), "not enough memory"),
        (OSError(errno.ENOMEM, "x"), "not enough memory"),
        (OSError(errno.ENOSPC, "x", "/home/somebody/out/file"), "file: there is no room left"),
    ],
)
def test_failures_of_the_machine_are_known(error, words) -> None:
    sentence = machine_failure(error)
    assert sentence is not None
    assert words in sentence
    assert "/home" not in sentence


def test_an_error_of_the_program_is_none_of_the_machines() -> None:
    assert machine_failure(ValueError("x")) is None
    assert machine_failure(RuntimeError("x")) is None
    assert machine_failure(FileNotFoundError(errno.ENOENT, "x")) is None


WAITING = """
import sys, time
from dotaliver import cli
from dotaliver.system.temporary import scratch
import dotaliver.records.differences as differences
def waits(*_):
    with scratch("zip") as folder:
        (folder / "header").write_text("a patient")
        print("ready", flush=True)
        time.sleep(60)
differences.compare_records = waits
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_in_order(number, tmp_path) -> None:
    command = [sys.executable, "-c", WAITING, "diff", str(GOLDEN), str(GOLDEN)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    # Tests that run under nohup would hand on that SIGHUP is ignored.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509  no threads in this test
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        assert any(tmp_path.iterdir())
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert not any(tmp_path.iterdir())
    if number != signal.SIGINT:
        assert said == f"dotaliver: stopped by {number.name}\n"


def test_what_is_ignored_stays_ignored(tmp_path) -> None:
    """As under nohup."""
    command = [sys.executable, "-c", WAITING.replace("60", "0.5"), "diff", str(GOLDEN), str(GOLDEN)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        assert process.poll() is None
