"""Progress of a batch (done, running, failed, time left) for a terminal, a log or another program."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from dotaliver.batch.records import FAILURES, StudyRecord
from dotaliver.system.shown import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["JsonLines", "PlainLines", "Reporter", "Screen", "Tally", "duration"]


def duration(seconds: float) -> str:
    """A duration in words: ``"40 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@dataclass
class Tally:
    """The state of a run."""

    total: int = 0
    kept: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Stage of each study that is being scored, and its start time"""
    worked_on: int = 0
    """Studies that were processed, without those refused immediately"""
    started: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """Studies with a row, those of earlier runs included."""
        return self.kept + self.ended.total()

    @property
    def failed(self) -> int:
        """Studies of this run without a score."""
        return sum(count for status, count in self.ended.items() if status in FAILURES)

    def seconds_left(self) -> float | None:
        """Time left at the current pace; None before the first study is done."""
        if self.worked_on == 0:
            return None
        return (time.monotonic() - self.started) / self.worked_on * (self.total - self.done)

    def line(self) -> str:
        """The state in one line."""
        left = self.seconds_left()
        parts = [f"{self.done}/{self.total} done", f"{self.failed} failed", f"{len(self.running)} running"]
        if left is not None and self.done < self.total:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)


class Reporter:
    """Follows a run; the base class reports nothing."""

    def __init__(self) -> None:
        self.tally = Tally()

    def looked(self, files: int) -> None:
        """Number of files examined during the search."""

    def begin(self, total: int, kept: int) -> None:
        """Studies were found; some are done from earlier runs."""
        self.tally = Tally(total=total, kept=kept)

    def stage(self, key: str, stage: str) -> None:
        """A study has reached a stage."""
        since = self.tally.running.get(key, ("", time.monotonic()))[1]
        self.tally.running[key] = (stage, since)

    def ended(self, record: StudyRecord) -> None:
        """A study has ended."""
        self.tally.running.pop(record.key, None)
        self.tally.ended[record.status] += 1
        self.tally.worked_on += record.seconds > 0

    def tick(self) -> None:
        """Called at intervals."""

    def close(self) -> None:
        """The run is over."""


class PlainLines(Reporter):
    """A line per study, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr

    def _say(self, line: str) -> None:
        self._stream.write(printable(line) + "\n")
        self._stream.flush()

    def begin(self, total: int, kept: int) -> None:
        """Say what there is to do."""
        super().begin(total, kept)
        self._say(f"{total} studies found, {kept} of them done before")

    def ended(self, record: StudyRecord) -> None:
        """Say how a study ended."""
        super().ended(record)
        why = f": {record.reason}" if record.reason else ""
        self._say(f"{self.tally.line()}; {record.key} {_word(record)} in {record.seconds:.1f} s{why}")


class JsonLines(Reporter):
    """Every event as a line of JSON, for programs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stdout

    def _say(self, event: str, **values: str | float | None) -> None:
        self._stream.write(json.dumps({"event": event, **values}) + "\n")
        self._stream.flush()

    def looked(self, files: int) -> None:
        """So many files were looked at."""
        self._say("searching", files=files)

    def begin(self, total: int, kept: int) -> None:
        """What there is to do."""
        super().begin(total, kept)
        self._say("found", studies=total, kept=kept)

    def stage(self, key: str, stage: str) -> None:
        """A study has reached a stage."""
        super().stage(key, stage)
        self._say("stage", key=key, stage=stage)

    def ended(self, record: StudyRecord) -> None:
        """How a study ended, and how far the run is."""
        super().ended(record)
        shown = record.model_dump(mode="json", include={"key", "study_uid", "status", "reason", "seconds"})
        tally, left = self.tally, self.tally.seconds_left()
        state = {"done": tally.done, "failed": tally.failed, "studies": tally.total, "running": len(tally.running)}
        self._say("study", **shown, **state, seconds_left=None if left is None else round(left, 1))


class Screen(Reporter):
    """A few updating lines on a terminal; failures stay above them."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=console or Console(stderr=True), transient=True, auto_refresh=False)
        self._live.start()

    def looked(self, files: int) -> None:
        """Show how many files were looked at."""
        self._live.update(f"Looking for studies: {files} files …", refresh=True)

    def ended(self, record: StudyRecord) -> None:
        """Show a failure permanently."""
        super().ended(record)
        if record.status in FAILURES:
            from rich.text import Text

            self._live.console.print(Text(printable(f"{record.key} {_word(record)}: {record.reason}")))
        self.tick()

    def tick(self) -> None:
        """Show the state."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_row(Text(self.tally.line(), style="bold"))
        now = time.monotonic()
        for key, (stage, since) in list(self.tally.running.items())[:12]:
            grid.add_row(Text(f"  {key}  {stage}  ({now - since:.0f} s)"))
        self._live.update(grid, refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()


def _word(record: StudyRecord) -> str:
    words = {"scored": "scored", "skipped": "not scored", "worker_lost": "lost with its worker"}
    return words.get(record.status, record.status)
