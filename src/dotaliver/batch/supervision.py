"""A worker's one scoring process: kept between studies, watched, stopped over its limits and replaced."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from dotaliver.batch.messages import Answer, Order
from dotaliver.batch.records import SCRATCH, Status, StudyRecord, StudyTask
from dotaliver.batch.workspace import Workspace
from dotaliver.system.temporary import discard, remove_dead_scratch, scratch_folder

__all__ = ["Ending", "Supervised"]

# Memory may grow by a gigabyte per second, so it is checked often; child processes less often.
_LOOK_S, _LOOK_AT_ALL_S, _ASK_RUN_S = 0.05, 0.5, 2.0
# Starting Python and importing everything takes seconds, on a cold network disk a minute
_START_S = 300.0
_ONE_THREAD = {
    name: "1"
    for name in (
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
} | {"DASK_SCHEDULER": "synchronous"}
_GIB = 2**30


@dataclass(frozen=True)
class Ending:
    """How the process of a study ended: with a record, or stopped and why; no status if the run is over."""

    status: Status | None
    reason: str | None = None
    peak_bytes: int | None = None
    record: StudyRecord | None = None


class Supervised:
    """The scoring process of one worker thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        self._scratch: Path | None = None
        self._busy = threading.Lock()

    def score(
        self,
        workspace: Workspace,
        task: StudyTask,
        run_id: str,
        limits: tuple[float | None, int | None],
        stage: Callable[[str], None],
    ) -> Ending:
        """Submit one study and supervise it.

        Parameters
        ----------
        workspace, task, run_id
            What to score, for which run.
        limits : tuple
            Time in seconds and memory in bytes, each None where unlimited.
        stage : callable
            Called with each stage.
        """
        order = Order(out=str(workspace.folder), task=task, run_id=run_id)
        with self._busy:
            while True:
                ending = self._ready()
                if ending is None:
                    self._ask(order)
                    ending = self._watched(lambda: workspace.is_running(run_id), limits, stage)
                if ending is None or ending.record is None:
                    self._stop()
                if ending is not None:
                    return ending

    def stop(self) -> None:
        """Stop the process, unless it has a study."""
        if self._busy.acquire(blocking=False):
            try:
                self._stop()
            finally:
                self._busy.release()

    # --- the process ---

    def _stop(self) -> None:
        """Stop the process and its children, and remove what it unpacked."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self._scratch is not None:
            discard(self._scratch)
            self._scratch = None

    def _ready(self) -> Ending | None:
        """Make sure that there is a process; returns an ending where none can be started."""
        if self._process is not None and self._process.poll() is None:
            return None
        self._stop()
        remove_dead_scratch()
        self._scratch = scratch_folder("batch")
        environment = os.environ | _ONE_THREAD | {"TMPDIR": str(self._scratch), SCRATCH: str(self._scratch)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dotaliver.batch.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment,
            start_new_session=True,
        )
        self._answers = queue.Queue()
        threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()
        try:
            answer = self._answers.get(timeout=_START_S)
        except queue.Empty:
            return Ending("crashed", f"the scoring process did not start within {_START_S:.0f} s")
        if answer is None:
            return Ending("crashed", f"the scoring process cannot start ({_how_it_ended(self._process)})")
        return None

    def _ask(self, order: Order) -> None:
        assert self._process is not None and self._process.stdin is not None
        # A process that has just ended does not answer
        with contextlib.suppress(OSError):
            self._process.stdin.write(order.model_dump_json() + "\n")
            self._process.stdin.flush()

    def _watched(
        self,
        is_running: Callable[[], bool],
        limits: tuple[float | None, int | None],
        stage: Callable[[str], None],
    ) -> Ending | None:
        """Follow the process until it is done, exceeds a limit or is gone; None where it had already ended."""
        assert self._process is not None
        timeout_s, memory_bytes = limits
        meter = _Meter(self._process.pid)
        started = asked = time.monotonic()
        while True:
            try:
                answer = self._answers.get(timeout=_LOOK_S)
            except queue.Empty:
                answer = Answer()
            if answer is None:
                return Ending(*_crash(self._process), meter.peak)
            if answer.idle:
                return None
            if answer.done:
                record = answer.record
                return Ending(None if record is None else record.status, None, meter.peak, record)
            if answer.stage is not None:
                stage(answer.stage)
            now = time.monotonic()
            held = meter.read(now)
            if memory_bytes is not None and held > memory_bytes:
                reason = f"stopped: over its limit of {memory_bytes / _GIB:.2f} GiB of memory; raise --memory"
                return Ending("memory", reason, meter.peak)
            if timeout_s is not None and now - started > timeout_s:
                return Ending("timeout", f"stopped: not done within {timeout_s:g} s; raise --timeout", meter.peak)
            if now - asked > _ASK_RUN_S:
                asked = now
                if not is_running():
                    return Ending(None, None, meter.peak)


class _Meter:
    """Memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self._main = psutil.Process(pid)
        self._others: list[psutil.Process] = []
        self._looked = 0.0
        self.peak = 0

    def read(self, now: float) -> int:
        """Resident memory in bytes."""
        if now - self._looked > _LOOK_AT_ALL_S:
            self._looked = now
            with contextlib.suppress(psutil.Error):
                self._others = self._main.children(recursive=True)
        held = 0
        for process in (self._main, *self._others):
            with contextlib.suppress(psutil.Error):
                held += process.memory_info().rss
        self.peak = max(self.peak, held)
        return held


def _read(process: subprocess.Popen[str], answers: queue.Queue[Answer | None]) -> None:
    """Put the process's answers into a queue, None at its end."""
    assert process.stdout is not None
    with contextlib.suppress(ValueError, OSError):
        for line in process.stdout:
            answers.put(Answer.model_validate_json(line))
    answers.put(None)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and everything below it; those that left its group too."""
    family = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # pragma: no cover
        process.kill()
    for one in family:
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait()


def _how_it_ended(process: subprocess.Popen[str]) -> str:
    code = process.wait()
    if code >= 0:
        return f"exit status {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


def _crash(process: subprocess.Popen[str]) -> tuple[Status, str]:
    """Why a process ended by itself or was killed."""
    how = _how_it_ended(process)
    if process.returncode == -signal.SIGKILL:
        return "memory", f"its process was killed ({how}), most likely because the machine ran out of memory"
    return "crashed", f"its process crashed ({how}); see the log"
