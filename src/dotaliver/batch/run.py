"""A batch from start to end: find studies, compare with earlier results, score on a cluster, collect."""

from __future__ import annotations

import contextlib
import queue
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.batch.attempt import STOPPED, attempt, failed_record, lost_record, stop_process, topic_of
from dotaliver.batch.cluster import ClusterChoice, connected
from dotaliver.batch.cohort import Cohort, write_cohort
from dotaliver.batch.discovery import find_studies
from dotaliver.batch.file_index import open_index
from dotaliver.batch.lock import held
from dotaliver.batch.plan import Plan, planned
from dotaliver.batch.progress import Reporter
from dotaliver.batch.records import DEFAULT_SCORER, Outputs, RunSettings, StudyRecord, StudyTask
from dotaliver.batch.stored_scores import find_scores
from dotaliver.batch.supervision import Ending
from dotaliver.batch.workspace import Workspace
from dotaliver.config.protocol import TrialProtocol
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ClusterError, ConfigError, StudyError
from dotaliver.longitudinal.manifest import read_manifest
from dotaliver.system.files import output_folder

if TYPE_CHECKING:
    from types import FrameType

    from distributed import Client, Future

    _Future = Future[tuple[str, str]]
    _Handler = Callable[[int, FrameType | None], object] | int | None

__all__ = ["BatchInput", "BatchResult", "run_batch"]

# Tasks are submitted in parts, so that neither side holds them all in one message.
_PIECE = 250
_TICK_S = 0.25
# Share of a process's memory that a score may plan with; the rest is Python and late measurements
_PLANNED_SHARE = 0.8
# Dask abandons a task whose workers died; one that had not begun is submitted again.
_HAND_OVERS = 3
_SEEN_WITHIN_S = 60.0
# Absent on Windows; under nohup it is ignored and stays ignored.
_HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


@dataclass(frozen=True)
class BatchInput:
    """The request for a batch."""

    root: Path
    out: Path
    cluster: ClusterChoice = field(default_factory=ClusterChoice)
    config: ScoringConfig | None = None
    """None: the usual settings; of a stored score its own"""
    protocol: TrialProtocol | None = None
    """Takes the place of the one in the settings"""
    manifest: Path | None = None
    rescore: bool = False
    recist_image: str | None = None
    """Series that diameters are measured on, by number, UID or description; a study without it is refused"""
    fresh: bool = False
    outputs: Outputs = field(default_factory=Outputs)
    timeout_s: float | None = 1800.0
    memory_bytes: int | None = None
    cache: Path | None = None
    scorer: str = DEFAULT_SCORER


@dataclass(frozen=True)
class BatchResult:
    """How a batch ended."""

    records: tuple[StudyRecord, ...] = field(repr=False)
    cohort: Cohort
    kept: int
    others: int
    """Scores of earlier runs in the folder whose studies were not found now, and are not in the cohort."""
    stopped: bool


def run_batch(given: BatchInput, reporter: Reporter | None = None) -> BatchResult:
    """Score every study below a folder, and write the cohort's tables and page.

    Ctrl-C or a termination signal ends the run in order: processes are stopped, and the cohort of what is done is
    written; the same call continues it.

    Raises
    ------
    StudyError
        Where there is nothing to score.
    OutputError
        Where the output folder cannot be written, or another run holds it.
    ClusterError
        Where the cluster cannot be reached or is lost.
    CourseError
        Where the manifest cannot be read.
    """
    reporter = reporter or Reporter()
    manifest = () if given.manifest is None else read_manifest(given.manifest)
    if given.rescore and given.out.resolve() == given.root.resolve():
        msg = "--rescore writes new records to another folder; name one with --out"
        raise ConfigError(msg)
    workspace = Workspace(given.out.resolve())
    with output_folder(workspace.folder), _no_trace_of_nothing(workspace), held(workspace):
        settings = _settings(given)
        workspace.prepare(settings.run_id)
        workspace.forget_attempts(settings.run_id)
        with _Stop() as stop:
            tasks = _found(given, workspace, reporter, stop)
            plan = planned(workspace, tasks, settings, fresh=given.fresh)
            reporter.begin(plan.total, len(plan.kept))
            records = {record.key: record for record in plan.kept}
            records |= _tell_refusals(workspace, plan, reporter)
            if plan.to_do and not stop.asked:
                run = _Run(workspace, settings, reporter, stop)
                records |= run.scored(plan.to_do, given.cluster)
        cohort = write_cohort(workspace, list(records.values()), manifest)
        others = workspace.keys() - {*(task.key for task in tasks)}
        return BatchResult(tuple(records.values()), cohort, len(plan.kept), len(others), stop.asked)


def _settings(given: BatchInput) -> RunSettings:
    memory = given.memory_bytes
    return RunSettings(
        run_id=secrets.token_hex(8),
        config=given.config if given.rescore else given.config or ScoringConfig(),
        protocol=given.protocol,
        rescore=given.rescore,
        recist_image=given.recist_image,
        outputs=given.outputs,
        scorer=given.scorer,
        timeout_s=given.timeout_s,
        memory_bytes=memory or given.cluster.memory_share(),
        bound_bytes=None if memory is None else int(_PLANNED_SHARE * memory),
        cache=None if given.cache is None else str(given.cache.resolve()),
    )


def _found(given: BatchInput, workspace: Workspace, reporter: Reporter, stop: _Stop) -> list[StudyTask]:
    def report(files: int) -> None:
        reporter.looked(files)
        if stop.asked:
            raise KeyboardInterrupt

    if given.rescore:
        return find_scores(given.root, workspace.folder)
    with open_index(workspace.state / "files.sqlite") as index:
        return find_studies(given.root, workspace.folder, index, report)


@contextlib.contextmanager
def _no_trace_of_nothing(workspace: Workspace) -> Iterator[None]:
    """Restore a folder that was not a batch's, where there is nothing to score."""
    was_there = workspace.state.exists()
    try:
        yield
    except StudyError:
        if not was_there:
            shutil.rmtree(workspace.state, ignore_errors=True)
        raise


def _tell_refusals(workspace: Workspace, plan: Plan, reporter: Reporter) -> dict[str, StudyRecord]:
    """The rows of what cannot be scored, without asking a worker."""
    for record in plan.refused:
        workspace.retire(record.key)
        workspace.write_record(record)
        reporter.ended(record)
    return {record.key: record for record in plan.refused}


class _Stop:
    """Whether the run was interrupted: the first Ctrl-C stops it in order, the second at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, _Handler] = {}

    def __enter__(self) -> _Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, *_HANG_UP):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@dataclass
class _Run:
    """The part of a batch that runs on a cluster."""

    workspace: Workspace
    settings: RunSettings
    reporter: Reporter
    stop: _Stop
    records: dict[str, StudyRecord] = field(default_factory=dict)
    ended: queue.Queue[_Future] = field(default_factory=queue.Queue)
    """Futures, as they end."""
    tasks: dict[str, StudyTask] = field(default_factory=dict)
    """By the key of their futures."""
    hand_overs: dict[str, int] = field(default_factory=dict)

    def scored(self, tasks: Sequence[StudyTask], choice: ClusterChoice) -> dict[str, StudyRecord]:
        """Score studies and return their records; those that were not reached when asked to stop have none."""
        self.workspace.write_settings(self.settings)
        try:
            with connected(choice) as client, self._followed(client):
                try:
                    self._until_done(client, tasks)
                finally:
                    self.workspace.end()
                    with contextlib.suppress(OSError, TimeoutError):
                        client.run(stop_process, on_error="ignore")
        finally:
            self.workspace.end()
        return self.records

    @contextlib.contextmanager
    def _followed(self, client: Client) -> Iterator[None]:
        """Listen to the stages that workers report."""
        topic = topic_of(self.settings.run_id)

        def hear(event: tuple[float, dict[str, str]]) -> None:
            stage = event[1]
            if stage["key"] not in self.records:
                self.reporter.stage(stage["key"], stage["stage"])

        client.subscribe_topic(topic, hear)
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):
                client.unsubscribe_topic(topic)

    def _until_done(self, client: Client, tasks: Sequence[StudyTask]) -> None:
        open_futures: set[_Future] = set()
        for start in range(0, len(tasks), _PIECE):
            open_futures |= self._handed_over(client, tasks[start : start + _PIECE])
        while open_futures and not self.stop.asked:
            ended = self._some_ended(client)
            for future in ended:
                open_futures.discard(future)
            again = self._heard(ended)
            open_futures |= self._handed_over(client, again)
            self.reporter.tick()
        if open_futures:
            client.cancel(list(open_futures))

    def _handed_over(self, client: Client, tasks: Sequence[StudyTask]) -> set[_Future]:
        if not tasks:
            return set()
        keys = []
        for task in tasks:
            count = self.hand_overs[task.key] = self.hand_overs.get(task.key, 0) + 1
            keys.append(f"study-{self.settings.run_id}-{task.key}-{count}")
            self.tasks[keys[-1]] = task
        out, run_id = str(self.workspace.folder), self.settings.run_id
        futures = client.map(attempt, [out] * len(tasks), [run_id] * len(tasks), tasks, key=keys, pure=False, retries=0)
        for future in futures:
            future.add_done_callback(self.ended.put)
        return set(futures)

    def _some_ended(self, client: Client) -> list[_Future]:
        """Futures that ended within a short time.

        Raises
        ------
        ClusterError
            Where the scheduler is gone.
        """
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self.ended.get(timeout=_TICK_S))
            while True:
                found.append(self.ended.get_nowait())
        lost = client.status in {"closed", "closing"} or any(future.status == "cancelled" for future in found)
        if lost and not self.stop.asked:
            msg = (
                "the connection to the dask scheduler was lost; finished studies are kept, and the same command resumes"
            )
            raise ClusterError(msg)
        return found

    def _heard(self, ended: Sequence[_Future]) -> list[StudyTask]:
        """Collect the records of studies that ended; returns the tasks to submit again."""
        again = []
        for future in ended:
            task = self.tasks[str(future.key)]
            if future.status == "error" and not self._has_started(task) and self.hand_overs[task.key] < _HAND_OVERS:
                again.append(task)
                continue
            # Results are not fetched: the record in the folder is what counts.
            record = self._record(task, future)
            if record is None:
                continue
            self.records[task.key] = record
            self.reporter.ended(record)
        return again

    def _has_started(self, task: StudyTask) -> bool:
        return self.workspace.attempt(self.settings.run_id, task.key).exists()

    def _written(self, task: StudyTask) -> StudyRecord | None:
        record = self.workspace.record(task.key)
        return record if record is not None and record.run_id == self.settings.run_id else None

    def _seen_late(self, task: StudyTask) -> StudyRecord | None:
        """A record that a worker wrote on another machine: a network file system may show it a little later."""
        end = time.monotonic() + _SEEN_WITHIN_S
        while time.monotonic() < end and not self.stop.asked:
            time.sleep(_TICK_S)
            record = self._written(task)
            if record is not None:
                return record
        return None

    def _record(self, task: StudyTask, future: _Future) -> StudyRecord | None:
        """The record that a worker wrote, or one that says why there is none; None for a study that was stopped."""
        record = self._written(task)
        if record is None and future.status == "finished" and future.result()[1] != STOPPED:
            record = self._seen_late(task)
        if record is not None and future.status == "finished":
            return record
        kind = type(future.exception()).__name__ if future.status == "error" else "no record"
        if kind == "KilledWorker" and self._has_started(task):
            return lost_record(self.workspace, self.settings, task)
        if self.stop.asked:
            return None
        reason = (
            f"no worker could run it ({kind}); see that all workers have dotaliver with its extra 'batch' and reach "
        )
        failed = failed_record(self.settings, task, Ending("fault", reason + "the folders by the same paths"), 0.0)
        self.workspace.write_record(failed)
        return failed
