"""What a run has to do: which studies are done and up to date, and which are to be scored."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dotaliver.batch.child import without_names
from dotaliver.batch.records import MACHINE_FAILURES, RunSettings, StudyRecord, StudyTask
from dotaliver.batch.stamps import content_of, stamp_of
from dotaliver.batch.workspace import Workspace, is_intact
from dotaliver.errors import DotaliverError

__all__ = ["Plan", "planned"]

_READERS = 8


@dataclass(frozen=True)
class Plan:
    """The studies of a run: up-to-date records, tasks, and immediate refusals."""

    kept: tuple[StudyRecord, ...]
    to_do: tuple[StudyTask, ...]
    refused: tuple[StudyRecord, ...]

    @property
    def total(self) -> int:
        """All studies."""
        return len(self.kept) + len(self.to_do) + len(self.refused)


def planned(workspace: Workspace, tasks: Sequence[StudyTask], settings: RunSettings, *, fresh: bool) -> Plan:
    """Compare the studies that were found with those that are done.

    A record is up to date when it has the same settings and program version, its study's files are the same (by their
    stamp, or where that differs by their bytes), and everything that it names is there, byte for byte. Failures that
    may not recur (time, memory, crashes) are tried again.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        looked = list(readers.map(lambda task: _looked_at(workspace, task, settings, fresh=fresh), tasks))
    kept = tuple(found for found, current in looked if isinstance(found, StudyRecord) and current)
    refused = tuple(found for found, current in looked if isinstance(found, StudyRecord) and not current)
    return Plan(kept, tuple(found for found, _ in looked if isinstance(found, StudyTask)), refused)


def _looked_at(
    workspace: Workspace, task: StudyTask, settings: RunSettings, *, fresh: bool
) -> tuple[StudyRecord | StudyTask, bool]:
    """An up-to-date record, a task, or the record of a refusal."""
    if task.refusal is None:
        try:
            task = task.model_copy(update={"stamp": stamp_of(task)})
        except DotaliverError as error:
            task = task.model_copy(update={"refusal": str(error)})
    if task.refusal is not None:
        return _refused(task, settings), False
    record = None if fresh else workspace.record(task.key)
    if record is not None and _stands(workspace, record, task, settings):
        if record.stamp != task.stamp:
            record = record.model_copy(update={"stamp": task.stamp})
            workspace.write_record(record)
        return record, True
    return task, False


def _stands(workspace: Workspace, record: StudyRecord, task: StudyTask, settings: RunSettings) -> bool:
    if record.status in MACHINE_FAILURES or record.answer_sha256 != settings.answer_sha256(task.options):
        return False
    if record.stamp != task.stamp and (record.content_sha256 is None or record.content_sha256 != _content(task)):
        return False
    return is_intact(workspace, record)


def _content(task: StudyTask) -> str | None:
    try:
        return content_of(task)
    except DotaliverError:
        return None


def _refused(task: StudyTask, settings: RunSettings) -> StudyRecord:
    """The row of a study that cannot be scored; its sentence names files, and a version without names is derived."""
    assert task.refusal is not None
    return StudyRecord(
        key=task.key,
        study_uid=task.study_uid,
        status="skipped" if task.skipped else "refused",
        reason=without_names(task.refusal, task),
        local_reason=task.refusal,
        place=task.place,
        stamp=task.stamp,
        answer_sha256=settings.answer_sha256(task.options),
        run_id=settings.run_id,
    )
