"""Folders of tiny studies, and batches over them, for the tests of `dotaliver.batch`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from dicom.factory import write_series
from dotaliver.batch.records import Place, RunSettings, StudyTask
from dotaliver.batch.run import BatchInput, run_batch
from dotaliver.batch.stamps import stamp_of
from dotaliver.records.score import folder_name

TESTS = Path(__file__).parent
UID = "1.2.826.0.1.3680043.10.999.77."
BEHAVE = "batch_scorers:behave"
# Enough for a busy machine; whoever waits so long fails
PATIENCE_S = 90.0


def uid(number: int) -> str:
    """Study Instance UID of a tiny study."""
    return f"{UID}{number}"


def key(number: int) -> str:
    """Name of its output folder."""
    return folder_name(uid(number))


def tiny(folder: Path, number: int, behaviour: str | None = None, *, modality: str = "PT", **elements) -> Path:
    """A study of two slices in a folder, with what it does to a scorer of `batch_scorers`."""
    write_series(
        folder,
        modality=modality,
        stored=np.full((2, 4, 4), number, dtype=np.int16),
        elements={"StudyInstanceUID": uid(number), "PatientName": "Zyxwvut^Quirinus", **elements},
        name=f"s{number}-{{n}}.dcm",
    )
    if behaviour is not None:
        (folder / "behaviour.txt").write_text(behaviour)
    return folder


def task_of(folder: Path, number: int) -> StudyTask:
    """The task of a tiny study that is alone in its folder."""
    task = StudyTask(key=key(number), study_uid=uid(number), place=Place(folder=str(folder)))
    return task.model_copy(update={"stamp": stamp_of(task)})


def settings(**changes) -> RunSettings:
    """Settings of a run with the scorer of the tests."""
    given = {"run_id": "abc123", "config": {"segmenter": "petct"}, "scorer": BEHAVE, "timeout_s": PATIENCE_S}
    return RunSettings(**given | changes)


def run_tiny(root: Path, out: Path, **changes):
    """A batch with the scorer of the tests."""
    return run_batch(BatchInput(root, out, scorer=BEHAVE, **changes))


def statuses(result) -> dict[str, str]:
    """How each study ended, by key."""
    return {record.key: record.status for record in result.records}


def until(condition, what: str):
    """Wait for something that must come to be; its value."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@contextmanager
def batch_process(root: Path, out: Path, *, workers: int = 1) -> Iterator[subprocess.Popen]:
    """A batch with the scorer of the tests in a process of its own, as a terminal would start it; gone afterwards."""
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from dotaliver.batch.cluster import ClusterChoice\nfrom dotaliver.batch.progress import PlainLines\n"
        "from dotaliver.batch.run import BatchInput, run_batch\n"
        "if __name__ == '__main__':\n"
        f"    root, out = Path({str(root)!r}), Path({str(out)!r})\n"
        f"    given = BatchInput(root, out, ClusterChoice({workers}), scorer={BEHAVE!r})\n"
        "    result = run_batch(given, PlainLines())\n    sys.exit(130 if result.stopped else 0)\n"
    )
    script = out.parent / f"{out.name}-batch.py"
    script.write_text(code)
    command = [sys.executable, "-W", "error", str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def all_gone(processes) -> bool:
    """Whether none of these processes runs any more."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in _alive(processes))


def _alive(processes):
    for process in processes:
        try:
            process.status()
        except psutil.NoSuchProcess:
            continue
        yield process


def environment() -> dict[str, str]:
    """The environment in which other processes find the scorers of the tests."""
    return os.environ | {"PYTHONPATH": str(TESTS)}
