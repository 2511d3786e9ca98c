"""A second process that does part of the work in parallel.

Much of a score is Python that lets no other thread run beside it: DICOM objects, the report, the lesions' outlines one
by one. Where there is a second processor, one job at a time is given to a second process, or shared with it part by
part. It starts with the study, so that it has loaded what it needs by the time that there is work, and it comes to the
same result: where it cannot be had or ends early, the job is done here.

It is a fresh interpreter (spawned), or a copy of this process (forked) that has all that was imported here and shares
its memory. A process with threads must not be forked: a lock that one of them holds is never released in the copy.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from dotaliver.errors import DotaliverError
from dotaliver.system.allocation import keep_freed_memory
from dotaliver.system.processors import processors

if TYPE_CHECKING:
    from multiprocessing.synchronize import Semaphore

__all__ = [
    "Job",
    "JobInParts",
    "Pending",
    "SecondProcess",
    "Several",
    "Whole",
]

Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class Job(Protocol[Result_co]):
    """Something to do with all that it needs; it and its result can be pickled."""

    def run(self) -> Result_co:
        """Do it."""
        ...


class JobInParts(Job[Result_co], Protocol[Result_co]):
    """A job that comes to the same result where each of its parts is done by itself, wherever and in whatever order."""

    @property
    def parts(self) -> int:
        """How many."""
        ...

    def do(self, part: int) -> Any:
        """Do one of them; what it comes to can be pickled."""
        ...

    def merged(self, done: Mapping[int, Any]) -> Result_co:
        """The job's result from what its parts came to."""
        ...


@dataclass(frozen=True, eq=False)
class Whole(Generic[Result]):
    """A job that is not divided: the only part of itself."""

    job: Job[Result]
    parts: int = field(default=1, init=False)

    def run(self) -> Result:
        """Do it."""
        return self.job.run()

    def do(self, part: int) -> Result:  # noqa: ARG002 -- the only one
        """Do it."""
        return self.job.run()

    def merged(self, done: Mapping[int, Any]) -> Result:
        """What it came to."""
        result: Result = done[0]
        return result


@dataclass(frozen=True, eq=False)
class Several:
    """Jobs shared as one, each where there is one: their parts, one job after the other."""

    jobs: tuple[JobInParts[Any] | None, ...]

    def run(self) -> tuple[Any, ...]:
        """Do all of them."""
        return tuple(None if job is None else job.run() for job in self.jobs)

    @property
    def parts(self) -> int:
        """Of all of them."""
        return sum(0 if job is None else job.parts for job in self.jobs)

    def do(self, part: int) -> Any:
        """Do one part."""
        job, first = next((job, first) for job, first in self._there() if part < first + job.parts)
        return job.do(part - first)

    def merged(self, done: Mapping[int, Any]) -> tuple[Any, ...]:
        """The result of each."""
        results = iter(
            [job.merged({part: done[first + part] for part in range(job.parts)}) for job, first in self._there()]
        )
        return tuple(None if job is None else next(results) for job in self.jobs)

    def _there(self) -> Iterator[tuple[JobInParts[Any], int]]:
        """Each job with the number of its first part."""
        first = 0
        for job in self.jobs:
            if job is not None:
                yield job, first
                first += job.parts


@dataclass(frozen=True, eq=False)
class _FirstParts:
    """The other process's share of a job: parts from the first on, as long as there are some that nobody has begun."""

    job: JobInParts[Any]

    def run(self, left: Semaphore) -> dict[int, Any]:
        done: dict[int, Any] = {}
        while left.acquire(block=False):
            done[len(done)] = self.job.do(len(done))
        return done


def _serve(connection: Connection, load: Callable[[], None], left: Semaphore, others: Connection | None = None) -> None:
    """Do one job after the other until nobody asks any more.

    Parameters
    ----------
    connection : Connection
        Where jobs come from and results go to.
    load : callable
        Called first.
    left : Semaphore
        Counts the parts of a shared job that nobody has begun.
    others : Connection, optional
        The other process's end, of which a forked process has a copy: while that is open, it never hears that the
        other process has ended.
    """
    if others is not None:
        others.close()
    # Whoever stops the first process stops this one too, in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    with suppress(EOFError, OSError):
        keep_freed_memory()
        load()
        gc.freeze()
        # The jobs make many small objects that live to their end: looking for garbage among them is a third of the
        # work and finds nothing.
        gc.disable()
        while True:
            job: Job[object] | _FirstParts = connection.recv()
            try:
                connection.send(job.run(left) if isinstance(job, _FirstParts) else job.run())
            except DotaliverError as error:
                connection.send(error)
            except Exception:
                # The first process does the job again, and says what is wrong.
                return
            gc.collect()


class Pending(Generic[Result]):
    """A job that was given away, or that is to be done here."""

    def __init__(self, job: Job[Result], helper: SecondProcess | None) -> None:
        self._job, self._beside = job, helper

    @property
    def is_under_way(self) -> bool:
        """Whether another process is still at it, so that asking for the result would mean to wait."""
        return self._beside is not None and self._beside._is_at_work()

    def result(self) -> Result:
        """What the job came to; to be asked for once.

        Raises
        ------
        Exception
            What doing the job raises.
        """
        if self._beside is not None:
            answer = self._beside._answer()
            if isinstance(answer, DotaliverError):
                raise answer
            if answer is not None:
                result: Result = answer
                return result
        return self._job.run()


class _Shared(Pending[Result]):
    """A job of which the other process does parts from the first on, and this one from the last."""

    def __init__(self, job: JobInParts[Result], helper: SecondProcess) -> None:
        super().__init__(job, helper)
        self._in_parts, self._left = job, helper._left

    def result(self) -> Result:
        """What the job came to, once this process has done its share of it; to be asked for once."""
        job, last = self._in_parts, self._in_parts.parts - 1
        done: dict[int, Any] = {}
        while self._left is not None and self._left.acquire(block=False):
            done[last - len(done)] = job.do(last - len(done))
        answer = None if self._beside is None else self._beside._answer()
        if isinstance(answer, DotaliverError):
            raise answer
        done |= answer or {}
        # Those that the other process had begun when it ended
        return job.merged({part: done[part] if part in done else job.do(part) for part in range(job.parts)})


class SecondProcess:
    """Runs jobs in parallel to this process; to be used in a ``with`` statement.

    Parameters
    ----------
    load : callable, optional
        Called there first: loads what the jobs need. A function of a module, by whose name it is found there. Without
        it, or with one processor alone, nothing is started and every job is done here.
    forked : bool
        Whether to fork this process, which must not have any threads, instead of starting a fresh interpreter.
    """

    def __init__(self, load: Callable[[], None] | None = None, *, forked: bool = False) -> None:
        self._connection: Connection | None = None
        self._process: BaseProcess | None = None
        self._left: Semaphore | None = None
        self._busy = False
        if load is not None and processors() > 1:
            # Where the system allows no other process, or no semaphore, its jobs are done here.
            with suppress(OSError, ImportError):
                self._start(load, forked=forked)

    def _start(self, load: Callable[[], None], *, forked: bool) -> None:
        context = multiprocessing.get_context("fork" if forked else "spawn")
        left: Semaphore = context.Semaphore(0)
        ours, theirs = context.Pipe()
        given = (theirs, load, left, ours) if forked else (theirs, load, left)
        process: BaseProcess = context.Process(target=_serve, args=given, daemon=True, name="dotaliver-second")  # type: ignore[attr-defined]
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connection, self._process, self._left = ours, process, left

    @property
    def process_id(self) -> int | None:
        """Of the other process, where there is one."""
        return None if self._process is None else self._process.pid

    def begin(self, job: Job[Result]) -> Pending[Result]:
        """Give a job away, where the other process is there and has none."""
        return Pending(job, self if self._is_given(job) else None)

    def share(self, job: JobInParts[Result]) -> Pending[Result]:
        """Let the other process begin with a job's parts, where it is there and has none; the result takes both."""
        if self._left is None or self._busy:
            return Pending(job, None)
        for _ in range(job.parts):
            self._left.release()
        return _Shared(job, self) if self._is_given(_FirstParts(job)) else Pending(job, None)

    def _is_given(self, job: Job[Any] | _FirstParts) -> bool:
        if self._connection is None or self._busy:
            return False
        try:
            self._connection.send(job)
        except OSError:
            self.close()
            return False
        self._busy = True
        return True

    def _is_at_work(self) -> bool:
        return self._busy and self._connection is not None and not self._connection.poll()

    def _answer(self) -> Any:
        """What the other process answers; None where it ended."""
        self._busy = False
        if self._connection is not None:
            with suppress(EOFError, OSError):
                return self._connection.recv()
        _log.info("the second process ended early; its job is done here")
        self.close()
        return None

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = self._left = None

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
