"""A second process that does part of the work in parallel.

Much of a score is Python that lets no other thread run beside it: DICOM objects, the report, the lesions' outlines one
by one. Where there is a second processor, one job at a time is given to a second process. It starts with the study, so
that it has loaded what it needs by the time that there is work, and it comes to the same result: where it cannot be had
or ends early, the job is done here.

It is a fresh interpreter (spawned), or a copy of this process (forked) that has all that was imported here and shares
its memory. A process with threads must not be forked: a lock that one of them holds is never released in the copy.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from dotaliver.errors import DotaliverError
from dotaliver.system.allocation import keep_freed_memory
from dotaliver.system.processors import processors

__all__ = [
    "Job",
    "JobsInTurn",
    "Pending",
    "SecondProcess",
]

Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")
Other = TypeVar("Other")
_log = logging.getLogger(__name__)


class Job(Protocol[Result_co]):
    """Something to do with all that it needs; it and its result can be pickled."""

    def run(self) -> Result_co:
        """Do it."""
        ...


@dataclass(frozen=True, eq=False)
class JobsInTurn(Generic[Result, Other]):
    """Two jobs given away as one, each where there is one."""

    first: Job[Result] | None
    second: Job[Other] | None

    def run(self) -> tuple[Result | None, Other | None]:
        """Do both."""
        one = None if self.first is None else self.first.run()
        return one, None if self.second is None else self.second.run()


def _serve(connection: Connection, load: Callable[[], None], others: Connection | None = None) -> None:
    """Do one job after the other until nobody asks any more.

    Parameters
    ----------
    connection : Connection
        Where jobs come from and results go to.
    load : callable
        Called first.
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
            job: Job[object] = connection.recv()
            try:
                connection.send(job.run())
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
        self._busy = False
        if load is not None and processors() > 1:
            # Where the system allows no other process, its jobs are done here.
            with suppress(OSError):
                self._start(load, forked=forked)

    def _start(self, load: Callable[[], None], *, forked: bool) -> None:
        context = multiprocessing.get_context("fork" if forked else "spawn")
        ours, theirs = context.Pipe()
        given = (theirs, load, ours) if forked else (theirs, load)
        process: BaseProcess = context.Process(target=_serve, args=given, daemon=True, name="dotaliver-second")  # type: ignore[attr-defined]
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connection, self._process = ours, process

    @property
    def process_id(self) -> int | None:
        """Of the other process, where there is one."""
        return None if self._process is None else self._process.pid

    def begin(self, job: Job[Result]) -> Pending[Result]:
        """Give a job away, where the other process is there and has none."""
        if self._connection is None or self._busy:
            return Pending(job, None)
        try:
            self._connection.send(job)
        except OSError:
            self.close()
            return Pending(job, None)
        self._busy = True
        return Pending(job, self)

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
        self._process = self._connection = None

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
