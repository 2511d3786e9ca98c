"""The log keeps events whole, in order and unchanged, also where programs are killed or write at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from dotaliver.agreement.log import Event, EventLog
from dotaliver.errors import OutputError, StudyError

ROOT = "ab" * 32


@pytest.fixture
def log(tmp_path) -> EventLog:
    (tmp_path / "events").mkdir()
    return EventLog(tmp_path / "events", ROOT)


def event(_so_far, number, previous, case="C001"):
    return Event(number=number, previous=previous, kind="begun", at=datetime(2026, 1, 5, tzinfo=UTC), case=case)


def test_each_event_names_the_one_before(log):
    first, second = log.append(event), log.append(event)
    assert (first.event.previous, second.event.previous) == (ROOT, first.sha256)
    assert log.read() == (first, second)


def test_several_threads_lose_no_event(log):
    def write():
        for _ in range(5):
            log.append(event)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [logged.event.number for logged in log.read()] == list(range(1, 21))


@pytest.mark.parametrize("step", ["os.fsync", "os.link"])
def test_what_breaks_off_before_the_name_leaves_the_log_as_it_was(log, step, monkeypatch):
    log.append(event)

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, broken)
        with pytest.raises(KeyboardInterrupt):
            log.append(event)
    assert len(log.read()) == 1
    assert log.append(event).event.number == 2


def test_a_program_killed_at_any_moment_leaves_whole_events(log):
    script = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from dotaliver.agreement.log import Event, EventLog\n"
        f"log = EventLog(Path({str(log.folder)!r}), {ROOT!r})\n"
        "print('ready', flush=True)\n"
        "while True: log.append(lambda s, n, p: Event(number=n, previous=p, kind='begun', at=datetime.now(UTC)))\n"
    )
    for pause_s in (0.003, 0.02, 0.05):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as program:
            assert program.stdout.readline() == b"ready\n"
            time.sleep(pause_s)
            os.kill(program.pid, signal.SIGKILL)
        before = log.read()
        assert log.append(event).event.number == len(before) + 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"number": 2}', b"\xff\xfe"])
def test_a_damaged_event_is_named(log, content):
    for _ in range(2):
        log.append(event)
    (log.folder / "000002.json").write_bytes(content)
    with pytest.raises(StudyError, match=r"000002\.json"):
        log.read()


def test_a_changed_a_missing_and_a_swapped_event_are_found(log):
    for number in range(4):
        log.append(lambda *given, number=number: event(*given, case=f"C00{number}"))
    second, third = log.folder / "000002.json", log.folder / "000003.json"
    kept = second.read_bytes()
    second.write_bytes(kept.replace(b"C001", b"C009"))
    with pytest.raises(StudyError, match=r"000003\.json: does not follow from 000002\.json"):
        log.read()
    second.write_bytes(third.read_bytes())
    with pytest.raises(StudyError, match=r"000002\.json: does not follow"):
        log.read()
    second.unlink()
    with pytest.raises(StudyError, match=r"000002\.json: the event is missing"):
        log.read()


def test_a_log_of_another_plan_is_refused(log):
    log.append(event)
    with pytest.raises(StudyError, match="does not follow from the plan"):
        EventLog(log.folder, "cd" * 32).read()


def test_a_folder_that_is_gone_is_named(tmp_path):
    log = EventLog(tmp_path / "none", ROOT)
    with pytest.raises(StudyError, match="cannot be read"):
        log.read()
    (tmp_path / "none").write_text("")
    with pytest.raises((StudyError, OutputError)):
        log.append(event)
