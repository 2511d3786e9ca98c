"""The task of a dask worker: score one study once, in the worker's own scoring process.

A study is never started twice in a run. Dask gives the task of a worker that died to another worker; there the note
of the first attempt is found, and the study becomes a row that says so. The note is in the output folder, which
all workers share, so this holds on any cluster, whatever its settings.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dotaliver import __version__
from dotaliver.batch.records import RunSettings, StudyRecord, StudyTask
from dotaliver.batch.supervision import Ending, Supervised
from dotaliver.batch.workspace import Workspace, is_intact

__all__ = ["STOPPED", "attempt", "failed_record", "lost_record", "stop_process", "topic_of"]

# One process per thread of the worker, which usually has one thread.
_processes: dict[int, Supervised] = {}
STOPPED = "stopped"
# A network file system may show a new file a little later.
_TRIES, _BETWEEN_S = 5, 1.0


def attempt(out: str, run_id: str, task: StudyTask) -> tuple[str, str]:
    """Score one study on a worker.

    Returns
    -------
    tuple of str
        The study's key and how it ended: a `Status`, or ``"stopped"`` where the run is over.
    """
    workspace = Workspace(Path(out))
    settings = _settings_of(workspace, run_id)
    if settings is None:
        return task.key, STOPPED
    if not workspace.start_attempt(run_id, task.key):
        return task.key, lost_record(workspace, settings, task).status
    if settings.version != __version__:
        reason = (
            f"the worker has dotaliver {__version__} and the run {settings.version}; install one version everywhere"
        )
        _put_down(workspace, failed_record(settings, task, Ending("fault", reason), 0.0))
        return task.key, "fault"
    report = _reporter(run_id, task.key)
    report("starting")
    started = time.monotonic()
    process = _processes.setdefault(threading.get_ident(), Supervised())
    limits = (settings.timeout_s, settings.memory_bytes or _own_share())
    ending = process.score(workspace, task, run_id, limits, report)
    if ending.status is None or not workspace.is_running(run_id):
        return task.key, STOPPED
    seconds = time.monotonic() - started
    record = ending.record or failed_record(settings, task, ending, seconds)
    written = workspace.record(task.key)
    if written is not None and written.run_id == run_id:
        # The cluster considered this worker lost and wrote a record that says so
        workspace.clear_study(task.key)
        return task.key, written.status
    if ending.record is None:
        _put_down(workspace, record)
    else:
        workspace.write_record(record.model_copy(update={"peak_memory_bytes": ending.peak_bytes}))
        if record.status == "scored":
            workspace.forget_earlier(task.key)
    return task.key, record.status


def _settings_of(workspace: Workspace, run_id: str) -> RunSettings | None:
    """The settings of a run; None where the run is over or its folder is not visible from this worker."""
    for _ in range(_TRIES):
        settings = workspace.settings()
        if settings is not None and settings.run_id == run_id:
            return settings
        time.sleep(_BETWEEN_S)
    return None


def lost_record(workspace: Workspace, settings: RunSettings, task: StudyTask) -> StudyRecord:
    """The record of a study that another worker started; one that says it was lost if there is none."""
    record = workspace.record(task.key)
    if record is not None and record.run_id == settings.run_id and is_intact(workspace, record):
        return record
    reason = "its worker ended (killed, or its machine lost); the study was not started again"
    lost = failed_record(settings, task, Ending("worker_lost", reason), 0.0)
    _put_down(workspace, lost)
    return lost


def _put_down(workspace: Workspace, record: StudyRecord) -> None:
    """Write the record of a study whose process is gone, and remove its unfinished files."""
    log = workspace.log(record.key)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{record.reason}\n")
    workspace.retire(record.key)
    workspace.write_record(record)


def failed_record(settings: RunSettings, task: StudyTask, ending: Ending, seconds: float) -> StudyRecord:
    """The record of a study that was stopped."""
    return StudyRecord(
        key=task.key,
        study_uid=task.study_uid,
        status=ending.status or "fault",
        reason=ending.reason,
        place=task.place,
        stamp=task.stamp,
        answer_sha256=settings.answer_sha256(task.options),
        run_id=settings.run_id,
        seconds=seconds,
        peak_memory_bytes=ending.peak_bytes,
    )


def topic_of(run_id: str) -> str:
    """Topic on which workers report the stage of a study."""
    return f"dotaliver-{run_id}"


def _reporter(run_id: str, key: str) -> Callable[[str], None]:
    """Report stages to the run; does nothing outside a worker."""
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return lambda _stage: None
    return lambda stage: worker.log_event(topic_of(run_id), {"key": key, "stage": stage})


def _own_share() -> int | None:
    """Memory limit that dask sets for this worker, if any."""
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return None
    limit = worker.memory_manager.memory_limit
    return None if not limit else max(1, int(limit) // max(1, worker.state.nthreads))


def stop_process() -> None:
    """End the idle scoring processes of this worker; another run may use the others."""
    for process in list(_processes.values()):
        process.stop()
