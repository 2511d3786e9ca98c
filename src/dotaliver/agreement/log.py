"""The log of a central reading: one file an event, each naming the hash of the one before; nothing is ever rewritten.

An event counts once its file has its name, and it gets its name in one step, so a program that is killed leaves the
event whole or not at all. Where two programs append at once, one of them takes the next number.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from dotaliver.errors import OutputError, StudyError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.records.edits import Reader
from dotaliver.system.files import why_not_written
from dotaliver.system.folders import sync_folder
from dotaliver.system.parsing import ParseError, parse_json, read_bounded
from dotaliver.system.temporary import new_name

__all__ = ["Event", "EventKind", "EventLog", "LoggedEvent"]

EventKind = Literal["planned", "begun", "answered", "signed", "unlocked", "agreed", "adjudicated"]
_TRIES = 1000


class Event(FrozenModel):
    """Something that happened: who, what, when, and why."""

    schema_version: Literal["1"] = "1"
    number: int = Field(ge=1)
    previous: str = Field(description="SHA-256 of the event before; for the first one, of the plan")
    kind: EventKind
    at: datetime
    case: str | None = None
    reader: str | None = Field(default=None, description="Short name in the plan")
    person: Reader | None = Field(default=None, description="Who it was, by name and role")
    reason: str | None = None
    folder: str | None = Field(default=None, description="Where the signed files lie, from the plan's folder on")
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of each signed file")
    seen: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of what the reader was shown: pixels by series, records by study"
    )
    answers: dict[str, str] = Field(default_factory=dict, description="First answers that were locked, by question")
    records: tuple[str, ...] = Field(default=(), description="record_id of each signed score")
    parents: tuple[str, ...] = Field(default=(), description="Hashes of the events that this one rests on")
    accepted: str | None = Field(default=None, description="Whose reading is the final one of the case")


class LoggedEvent(FrozenModel):
    """An event with the hash of its file."""

    event: Event
    sha256: str


class EventLog:
    """The events of a folder, in order.

    Parameters
    ----------
    folder : Path
        Holds one file an event.
    root_sha256 : str
        What the first event names as the one before it.
    """

    def __init__(self, folder: Path, root_sha256: str) -> None:
        self.folder = folder
        self._root = root_sha256

    def read(self) -> tuple[LoggedEvent, ...]:
        """Every event, verified against the hash that the next one names.

        Raises
        ------
        StudyError
            Where an event is missing, damaged, or was changed.
        """
        try:
            names = sorted(path.name for path in self.folder.iterdir() if path.suffix == ".json")
        except OSError as error:
            msg = f"{self.folder}: the log cannot be read ({error.strerror}); restore the folder"
            raise StudyError(msg) from error
        found: list[LoggedEvent] = []
        for number, name in enumerate(names, start=1):
            if name != _file_name(number):
                msg = f"{self.folder / _file_name(number)}: the event is missing from the log; restore it"
                raise StudyError(msg)
            logged = self._event(self.folder / name)
            before = found[-1].sha256 if found else self._root
            if logged.event.number != number or logged.event.previous != before:
                what = "the plan" if number == 1 else _file_name(number - 1)
                msg = f"{self.folder / name}: does not follow from {what}, which was changed after it; restore both"
                raise StudyError(msg)
            found.append(logged)
        return tuple(found)

    def append(self, make: Callable[[tuple[LoggedEvent, ...], int, str], Event]) -> LoggedEvent:
        """Add an event.

        Parameters
        ----------
        make : callable
            Is given all events so far, the number of the next and the hash of the last; makes the event, or raises
            where it is not allowed. Called again where another program was quicker.

        Raises
        ------
        OutputError
            Where the log cannot be written.
        """
        for _ in range(_TRIES):
            so_far = self.read()
            number = len(so_far) + 1
            event = make(so_far, number, so_far[-1].sha256 if so_far else self._root)
            content = event.model_dump_json(indent=2).encode() + b"\n"
            if self._claimed(self.folder / _file_name(number), content):
                return LoggedEvent(event=event, sha256=hashlib.sha256(content).hexdigest())
        msg = f"{self.folder}: other programs write into the log without a pause; try again later"
        raise OutputError(msg)

    @staticmethod
    def _event(path: Path) -> LoggedEvent:
        try:
            content = read_bounded(path)
            event = Event.model_validate(parse_json(content))
        except (OSError, ParseError) as error:
            msg = f"{path}: the event cannot be read ({error}); restore the file"
            raise StudyError(msg) from error
        except ValidationError as error:
            msg = f"{path}: not an event of a central reading ({first_problem(error)}); restore the file"
            raise StudyError(msg) from error
        return LoggedEvent(event=event, sha256=hashlib.sha256(content).hexdigest())

    @staticmethod
    def _claimed(path: Path, content: bytes) -> bool:
        """Give a whole file its name; False where another program took the name first."""
        temporary = path.with_name(new_name(path.name))
        try:
            with temporary.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            # Unlike a rename, a link never takes the place of a file.
            os.link(temporary, path)
            sync_folder(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(why_not_written(path, error)) from error
        finally:
            temporary.unlink(missing_ok=True)
        return True


def _file_name(number: int) -> str:
    return f"{number:06d}.json"
