"""The scoring process: started once by a worker, scores one study after another, replaced when it has to be stopped.

It reads lines of JSON from standard input and answers on its original standard output; everything else that is printed
goes to the study's log. It ends as soon as its worker does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn, cast

import psutil
from filelock import FileLock, Timeout

from dotaliver.batch.messages import Answer, Order
from dotaliver.batch.records import SCRATCH, RunSettings, Status, StudyRecord, StudyTask
from dotaliver.batch.score_task import Scored
from dotaliver.batch.stamps import content_of, files_of, stamp_of
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import DotaliverError, OutputError, SegmenterError
from dotaliver.system.allocation import is_out_of_memory
from dotaliver.system.files import write_atomically

__all__ = [
    "main",
    "without_names",
]

# An idle process ends, so that a shared cluster gets its memory back.
_IDLE_S = 120.0
_NAME = "[a file]"
# A file named "3" or "study" is replaced only at the start of a sentence, where our messages name files.
_PLAIN = re.compile(r"\d+|[a-z]+")
_CHANGED = "its files changed while it was scored; run the batch again"

Scorer = Callable[[StudyTask, Path, RunSettings, Callable[[str], None]], Scored]
Say = Callable[[Answer], None]


def main() -> None:
    """Score studies until no more are requested or the worker ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Warnings of libraries may quote headers with the patient's name.
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = _listen(sys.stdin)

    def say(message: Answer) -> None:
        answers.write(message.model_dump_json() + "\n")
        answers.flush()

    say(Answer(ready=os.getpid()))
    while True:
        try:
            order = asked.get(timeout=_IDLE_S)
        except queue.Empty:
            # So that a request that arrives now goes to another process and is not reported as a crash
            say(Answer(idle=True))
            _end()
        record = _scored(Workspace(Path(order.out)), order.task, order.run_id, say)
        say(Answer(done=True, record=record))


def _listen(source: IO[str]) -> queue.Queue[Order]:
    """Lines as they arrive; at the end of the stream the process and its children end."""
    lines: queue.Queue[Order] = queue.Queue()

    def read() -> None:
        for line in source:
            lines.put(Order.model_validate_json(line))
        _end()

    threading.Thread(target=read, daemon=True).start()
    return lines


def _end() -> NoReturn:
    """End at once, with every child process: the supervisor made this process the leader of a group."""
    scratch = os.environ.get(SCRATCH)
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _scored(workspace: Workspace, task: StudyTask, run_id: str, say: Say) -> StudyRecord | None:
    """Score one study; None where the run that asked for it is over."""
    settings = workspace.settings()
    if settings is None or settings.run_id != run_id:
        return None
    with _log_into(workspace.log(task.key)):
        try:
            # A process of an interrupted run may still be scoring it, on another machine
            with FileLock(workspace.lock(task.key), timeout=settings.timeout_s or -1):
                return _attempt(workspace, task, settings, say)
        except Timeout:
            reason = (
                "a process of an earlier run is still writing this study; wait until it ends and run the batch again"
            )
            return _record(task, settings, "fault", reason)


def _attempt(workspace: Workspace, task: StudyTask, settings: RunSettings, say: Say) -> StudyRecord:
    started = time.monotonic()
    workspace.retire(task.key)
    ended = _ended(workspace, task, settings, lambda stage: say(Answer(stage=stage)))
    if ended.status != "scored":
        workspace.clear_study(task.key)
    idle = psutil.Process().memory_info().rss
    seconds = time.monotonic() - started
    return ended.model_copy(update={"seconds": seconds, "idle_memory_bytes": idle, "process_id": os.getpid()})


def _ended(
    workspace: Workspace, task: StudyTask, settings: RunSettings, progress: Callable[[str], None]
) -> StudyRecord:
    """Score one study and put its files in place; whatever goes wrong is stated in the record."""
    try:
        if stamp_of(task) != task.stamp:
            return _record(task, settings, "fault", _CHANGED)
        scored = _scorer(settings.scorer)(task, workspace.study(task.key), settings, progress)
        if scored.thumbnail_png is not None:
            write_atomically(workspace.thumbnail(task.key), scored.thumbnail_png)
        record = _record(task, settings, "scored", None)
        kept = {
            "files": workspace.hashes(task.key),
            "row": scored.row,
            "lesions": scored.lesions,
            "content_sha256": content_of(task),
        }
        if stamp_of(task) != task.stamp:
            return _record(task, settings, "fault", _CHANGED)
        return record.model_copy(update=kept)
    except DotaliverError as error:
        return _no_memory(task, settings) if is_out_of_memory(error) else _told(workspace, task, settings, error)
    except Exception as error:
        if is_out_of_memory(error):
            return _no_memory(task, settings)
        # An internal error must not end the batch
        kind = _print_trace(error)
        return _record(task, settings, "fault", f"internal error ({kind}); see the log, and please report it")


def _no_memory(task: StudyTask, settings: RunSettings) -> StudyRecord:
    _print_trace()
    return _record(task, settings, "memory", "it needs more memory than there is; raise --memory or use fewer workers")


def _told(workspace: Workspace, task: StudyTask, settings: RunSettings, error: DotaliverError) -> StudyRecord:
    """The record of a refused study, with the error message as the reason."""
    local = str(error).replace(str(workspace.folder), "the output folder")
    reason = without_names(local, task)
    sys.stderr.write(reason + "\n")
    # A full disk, a network failure or a missing segmenter is not a property of the study
    of_the_machine = isinstance(error, OutputError | SegmenterError) or isinstance(error.__cause__, OSError)
    record = _record(task, settings, "fault" if of_the_machine else "refused", reason)
    with contextlib.suppress(DotaliverError):
        record = record.model_copy(update={"content_sha256": content_of(task)})
    return record.model_copy(update={"local_reason": local})


def _record(task: StudyTask, settings: RunSettings, status: Status, reason: str | None) -> StudyRecord:
    return StudyRecord(
        key=task.key,
        study_uid=task.study_uid,
        status=status,
        reason=reason,
        place=task.place,
        stamp=task.stamp,
        answer_sha256=settings.answer_sha256(task.options),
        run_id=settings.run_id,
    )


def _scorer(path: str) -> Scorer:
    module, _, name = path.partition(":")
    return cast("Scorer", getattr(importlib.import_module(module), name))


def _print_trace(error: BaseException | None = None) -> str:
    """Log where an error was raised: code locations only, since its message may quote a header."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    for frame in frames:
        sys.stderr.write(f"  {Path(frame.filename).name}, line {frame.lineno}, in {frame.name}\n")
    kind = "MemoryError" if error is None else type(error).__name__
    sys.stderr.write(kind + "\n")
    return kind


@contextlib.contextmanager
def _log_into(path: Path) -> Iterator[None]:
    """Redirect all output, the trace of a crash included, to the log of a study."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    kept = os.dup(2)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        faulthandler.enable(file=2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.dup2(kept, 2)
        os.close(kept)
        os.close(descriptor)


def without_names(sentence: str, task: StudyTask) -> str:
    """A sentence without names of files and folders, which often contain patients' names."""
    place = Path(task.place.folder)
    fdg = task.options.fdg_folder
    names = {str(place), *place.parts[1:], *(() if fdg is None else (str(fdg), *fdg.parts[1:]))}
    with contextlib.suppress(DotaliverError):
        for path, name in files_of(task):
            names |= {str(path), name, *Path(name).parts}
    for name in sorted((name for name in names if name in sentence), key=len, reverse=True):
        after = r"(?=[:/]| frame)" if _PLAIN.fullmatch(name) else r"(?![\w-])"
        sentence = re.sub(rf"(?<![\w.-]){re.escape(name)}{after}", _NAME, sentence)
    return sentence


if __name__ == "__main__":
    main()
