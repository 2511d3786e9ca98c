"""What is told of a run: plain lines for a log, JSON for a program, and how long it will take."""

import io
import json

import pytest
from rich.console import Console

from dotaliver.batch.progress import JsonLines, PlainLines, Screen, Tally, duration
from dotaliver.batch.records import Place, StudyRecord
from fixtures.batches import key, uid


def record(number, status, reason=None):
    place = Place(folder="/data/Zyxwvut")
    return StudyRecord(
        key=key(number), study_uid=uid(number), status=status, reason=reason, place=place,
        stamp="", answer_sha256="", run_id="", seconds=2.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "60 min"), (12_000, "3 h 20 min")]
)
def test_a_span_of_time_is_told_in_words(seconds, words):
    assert duration(seconds) == words


def test_time_left_goes_by_the_studies_of_this_run_alone(monkeypatch):
    tally = Tally(total=10, kept=4, started=100.0)
    assert tally.seconds_left() is None
    tally.ended["scored"] += 1
    tally.ended["timeout"] += 1
    tally.ended["refused"] += 1
    tally.worked_on = 2
    monkeypatch.setattr("time.monotonic", lambda: 130.0)
    # Two in 30 s, a refusal that took none, and three are left.
    assert (tally.done, tally.failed) == (7, 2) and tally.seconds_left() == pytest.approx(45.0)


def test_a_log_has_a_line_per_study_with_the_reason(monkeypatch):
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines.begin(3, 1)
    lines.stage(key(1), "finding the liver")
    lines.ended(record(1, "scored"))
    lines.ended(record(2, "timeout", "stopped: not done within 2 s"))
    told = stream.getvalue().splitlines()
    assert told[0] == "3 studies found, 1 of them done before" and len(told) == 3
    assert told[1].startswith("2/3 done, 0 failed, 0 running") and f"{key(1)} scored in 2.0 s" in told[1]
    assert told[2].startswith("3/3 done, 1 failed") and told[2].endswith("stopped: not done within 2 s")
    assert "Zyxwvut" not in stream.getvalue()


def test_a_program_gets_every_event_as_a_line():
    stream = io.StringIO()
    lines = JsonLines(stream)
    lines.looked(500)
    lines.begin(2, 0)
    lines.stage(key(1), "reading")
    lines.ended(record(1, "scored"))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["searching", "found", "stage", "study"]
    assert events[3]["study_uid"] == uid(1) and (events[3]["done"], events[3]["studies"]) == (1, 2)
    assert events[3]["seconds_left"] >= 0 and "Zyxwvut" not in stream.getvalue()


def test_a_terminal_shows_what_runs_and_keeps_what_failed():
    stream = io.StringIO()
    screen = Screen(Console(file=stream, force_terminal=True, width=150, color_system=None))
    screen.looked(500)
    screen.begin(3, 1)
    screen.stage(key(1), "finding the liver")
    screen.tick()
    assert "500 files" in stream.getvalue() and "1/3 done, 0 failed, 1 running" in stream.getvalue()
    assert f"{key(1)}  finding the liver  (0 s)" in stream.getvalue()
    screen.ended(record(1, "scored"))
    screen.ended(record(2, "timeout", "stopped: [not] done within 2 s"))
    screen.close()
    assert f"{key(2)} timeout: stopped: [not] done within 2 s" in stream.getvalue()
    assert f"{key(1)} scored" not in stream.getvalue()
