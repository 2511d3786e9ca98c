"""The part of a batch that runs on a cluster: tasks submitted, followed, and their records collected."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dotaliver.batch.attempt import STOPPED, attempt, failed_record, lost_record, stop_process, topic_of
from dotaliver.batch.cluster import ClusterChoice, connected
from dotaliver.batch.interruption import Interruption
from dotaliver.batch.progress import Reporter
from dotaliver.batch.records import RunSettings, StudyRecord, StudyTask
from dotaliver.batch.supervision import Ending
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

    _Future = Future[tuple[str, str]]

__all__ = ["ClusterRun"]

# Tasks are submitted in parts, so that neither side holds them all in one message.
_PIECE = 250
_TICK_S = 0.25
# Dask abandons a task whose workers died; one that had not begun is submitted again.
_HAND_OVERS = 3
_SEEN_WITHIN_S = 60.0


@dataclass
class ClusterRun:
    """The part of a batch that runs on a cluster."""

    workspace: Workspace
    settings: RunSettings
    reporter: Reporter
    stop: Interruption
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
