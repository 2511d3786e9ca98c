"""A study that misbehaves is stopped with its process, says why, and leaves the next one alone."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from dotaliver.batch.messages import Answer
from dotaliver.batch.records import MACHINE_FAILURES
from dotaliver.batch.supervision import Supervised
from fixtures.batches import PATIENCE_S, all_gone, environment, family, key, settings, task_of, tiny, until


@pytest.fixture
def workspace(workspace):
    """That of a run that goes on."""
    workspace.write_settings(settings())
    return workspace


@pytest.fixture(scope="module")
def process():
    supervised = Supervised()
    yield supervised
    supervised.stop()


def score(process, workspace, folder, number, behaviour, *, timeout_s=PATIENCE_S, memory=None, said=None):
    task = task_of(tiny(folder, number, behaviour), number)
    said = [] if said is None else said
    return process.score(workspace, task, "abc123", (timeout_s, memory), said.append)


def test_one_process_scores_study_after_study_and_tells_its_stages(process, workspace, tmp_path):
    said = []
    first = score(process, workspace, tmp_path / "a", 1, "sleep 0", said=said)
    second = score(process, workspace, tmp_path / "b", 2, "sleep 0")
    assert (first.status, second.status) == ("scored", "scored")
    assert first.record.row["pid"] == second.record.row["pid"] != os.getpid()
    assert second.record.row["count"] == first.record.row["count"] + 1
    assert said == ["sleep"]
    assert (workspace.study(key(2)) / "result.txt").read_text() == f"{key(2)} petct"
    assert first.record.files.keys() == {"result.txt"}


def test_an_endless_study_is_stopped_and_the_next_has_a_new_process(process, workspace, tmp_path):
    before = score(process, workspace, tmp_path / "a", 1, "sleep 0").record.row["pid"]
    started = time.monotonic()
    ending = score(process, workspace, tmp_path / "b", 2, "hang", timeout_s=0.7)
    assert ending.status == "timeout" and "0.7 s" in ending.reason and ending.record is None
    assert time.monotonic() - started < PATIENCE_S / 2
    assert not psutil.pid_exists(before)
    assert score(process, workspace, tmp_path / "c", 3, "sleep 0").record.row["pid"] != before


def test_a_study_that_eats_memory_is_stopped_near_its_limit(process, workspace, tmp_path):
    limit = 700 << 20
    ending = score(process, workspace, tmp_path / "a", 1, "eat", memory=limit)
    assert ending.status == "memory" and "0.68 GiB" in ending.reason
    assert limit < ending.peak_bytes < limit + (400 << 20)


def test_a_crash_is_told_with_its_signal_and_its_trace_stands_in_the_log(process, workspace, tmp_path):
    ending = score(process, workspace, tmp_path / "a", 1, "segfault")
    assert ending.status == "crashed" and "SIGSEGV" in ending.reason
    log = workspace.log(key(1)).read_text()
    assert "Segmentation fault" in log and "batch_scorers.py" in log


def test_a_process_that_the_system_kills_is_told_to_have_wanted_too_much_memory(process, workspace, tmp_path):
    pid = score(process, workspace, tmp_path / "a", 1, "sleep 0").record.row["pid"]
    ending = score(process, workspace, tmp_path / "b", 2, f"kill {pid}")
    assert ending.status == "memory" and "SIGKILL" in ending.reason


def test_a_fault_of_the_program_is_named_without_what_it_quotes(process, workspace, tmp_path):
    ending = score(process, workspace, tmp_path / "a", 1, "raise Zyxwvut^Quirinus")
    assert ending.status == "fault" and "ValueError" in ending.record.reason
    assert "Zyxwvut" not in ending.record.model_dump_json() + workspace.log(key(1)).read_text()
    assert "batch_scorers.py" in workspace.log(key(1)).read_text()


def test_a_refusal_names_no_file_but_for_this_machine(process, workspace, tmp_path):
    ending = score(process, workspace, tmp_path / "Zyxwvut", 1, "refuse s1-0.dcm")
    assert ending.status == "refused"
    assert ending.record.reason == "[a file]/[a file]: the file is damaged"
    assert ending.record.local_reason == "Zyxwvut/s1-0.dcm: the file is damaged"


@pytest.mark.parametrize("trouble", ["no-disk", "no-network s1-0.dcm"])
def test_trouble_of_the_machine_is_no_refusal_of_the_study(process, workspace, tmp_path, trouble):
    record = score(process, workspace, tmp_path / "a", 1, trouble).record
    assert record.status == "fault" and record.status in MACHINE_FAILURES
    assert "s1-0" not in record.reason and record.reason.split()[-1] in {"it", "read"}


def test_what_a_study_prints_goes_to_its_own_log(process, workspace, tmp_path):
    score(process, workspace, tmp_path / "a", 1, "print words of the first")
    score(process, workspace, tmp_path / "b", 2, "print words of the second")
    assert workspace.log(key(1)).read_text() == "words of the first\n"
    assert workspace.log(key(2)).read_text() == "words of the second\n"


def test_an_input_that_changes_while_it_is_scored_is_no_score(process, workspace, tmp_path):
    ending = score(process, workspace, tmp_path / "a", 1, "write s1-9.dcm")
    assert ending.status == "fault" and "changed" in ending.record.reason
    assert not workspace.study(key(1)).exists()


def test_a_run_that_ends_stops_its_studies(process, workspace, tmp_path):
    ending = score(process, workspace, tmp_path / "a", 1, f"unlink {workspace.settings_file}\nhang")
    assert ending.status is None and ending.record is None


def test_a_process_that_ends_for_want_of_work_as_a_study_comes_is_replaced_and_no_crash(process, workspace, tmp_path):
    before = score(process, workspace, tmp_path / "a", 1, "sleep 0").record.row["pid"]
    # What it says before it ends
    process._answers.put(Answer(idle=True))
    after = score(process, workspace, tmp_path / "b", 2, "sleep 0")
    assert after.status == "scored" and after.record.row["pid"] != before


def test_a_process_that_has_a_study_is_not_stopped_by_another_runs_end(process, workspace, tmp_path):
    endings = []
    run = threading.Thread(target=lambda: endings.append(score(process, workspace, tmp_path / "a", 1, "wait go")))
    run.start()
    until((tmp_path / "a" / "waiting").exists, "the study to begin")
    process.stop()
    (tmp_path / "a" / "go").touch()
    run.join(PATIENCE_S)
    # Its folder changed by then, which it says by its own word: it was not killed.
    assert endings[0].record is not None and "changed" in endings[0].record.reason


def test_a_worker_that_is_killed_takes_its_process_and_its_scratch_with_it(workspace, tmp_path):
    tiny(tmp_path / "a", 1, "wait never")
    code = f"""
        import sys
        from pathlib import Path
        from fixtures.batches import task_of
        from dotaliver.batch.supervision import Supervised
        from dotaliver.batch.workspace import Workspace
        workspace, folder = Workspace(Path({str(workspace.folder)!r})), Path({str(tmp_path / "a")!r})
        Supervised().score(workspace, task_of(folder, 1), "abc123", (None, None), print)
    """
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(code)]
    surroundings = environment() | {"TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL) as worker:
        try:
            until((tmp_path / "a" / "waiting").exists, "the study to begin")
            processes = family(worker.pid)
            assert len(processes) == 2 and len(list(scratch.iterdir())) == 1
        finally:
            worker.kill()
    until(lambda: all_gone(processes), "the scoring process to end")
    assert list(scratch.iterdir()) == []
