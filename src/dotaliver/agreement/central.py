"""The folder of a central reading: the plan, the log, and every signed reading.

``plan.json`` is what was fixed at the beginning, ``events/`` the log, ``readings/`` the signed files, ``work/`` the
copies that readers work on, and ``local.json`` the only file with paths of this machine. Signed files are written to
the disk before the event that names them and their hashes; without that event they do not count.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from dotaliver.agreement.answers import CaseAnswers
from dotaliver.agreement.log import Event, EventKind, EventLog, LoggedEvent
from dotaliver.agreement.plan import PlannedCase, ReadingPlan
from dotaliver.agreement.state import ReadingState, state_of
from dotaliver.errors import ConfigError, OutputError, StudyError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.records.edits import Reader
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import LOCAL_PATHS, ScoreFolder, is_score_file
from dotaliver.system.files import why_not_written, write_atomically
from dotaliver.system.folders import put_in_place, temporary_beside
from dotaliver.system.parsing import ParseError, parse_json
from dotaliver.system.temporary import discard

__all__ = ["ANSWERS", "COURSE", "COURSE_EDITS", "CentralReading", "SignedFiles", "now"]

_PLAN, _EVENTS, _READINGS, _WORK, _LOCAL = "plan.json", "events", "readings", "work", "local.json"
ANSWERS, COURSE, COURSE_EDITS = "answers.json", "course.json", "course_edits.json"
_MOST_BYTES = 1 << 20

Model = TypeVar("Model", bound=FrozenModel)


class _Local(FrozenModel):
    """Where the automatic scores lie on this machine."""

    scores: dict[str, str] = Field(description="Folder of a score by Study Instance UID")


@dataclass(frozen=True)
class SignedFiles:
    """What a reading consists of, before it is signed.

    Parameters
    ----------
    folders : sequence of Path
        The reader's score of each scan, in time order.
    records : tuple of str
        The record_id of each.
    texts : mapping
        Further files by name: answers, course, edits of the course.
    """

    folders: Sequence[Path]
    records: tuple[str, ...]
    texts: Mapping[str, str]


def now() -> datetime:
    """The present time in UTC, as events are dated."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class CentralReading:
    """A central reading in a folder."""

    path: Path

    # --- beginning --------------------------------------------------------------------------------------------------

    @classmethod
    def begin(cls, path: Path, plan: ReadingPlan, scores: Mapping[str, Path]) -> CentralReading:
        """Write the plan into an empty or new folder.

        Raises
        ------
        OutputError
            Where the folder holds something already, or cannot be written.
        """
        try:
            if path.exists() and any(path.iterdir()):
                msg = f"{path}: the folder is not empty; give a new one for the central reading"
                raise OutputError(msg)
            path.mkdir(parents=True, exist_ok=True)
            for name in (_EVENTS, _READINGS, _WORK):
                (path / name).mkdir()
        except OSError as error:
            raise error if isinstance(error, OutputError) else OutputError(why_not_written(path, error)) from error
        local = _Local(scores={uid: str(folder.resolve()) for uid, folder in scores.items()})
        write_atomically(path / _LOCAL, local.model_dump_json(indent=2) + "\n")
        write_atomically(path / _PLAN, plan.model_dump_json(indent=2) + "\n")
        made = cls(path)
        made.log().append(
            lambda _before, number, previous: Event(number=number, previous=previous, kind="planned", at=plan.made_at)
        )
        return made

    # --- what is there ----------------------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether the folder holds a central reading, without reading it."""
        return (self.path / _PLAN).is_file() and (self.path / _EVENTS).is_dir()

    def plan(self) -> ReadingPlan:
        """The plan.

        Raises
        ------
        StudyError
            Where there is none that can be read.
        """
        return _read(self.path / _PLAN, ReadingPlan, "give the folder that 'dotaliver reading init' wrote")

    def log(self) -> EventLog:
        """The log, whose first event names the plan as it is stored."""
        return EventLog(self.path / _EVENTS, _sha256(self.path / _PLAN))

    def state(self) -> ReadingState:
        """Plan and events, verified: `StudyError` where either was changed."""
        return state_of(self.plan(), self.log().read())

    def automatic(self, study_uid: str) -> Path:
        """The folder of a scan's automatic score on this machine.

        Raises
        ------
        StudyError
            Where it is not known or not there any more.
        """
        local = _read(self.path / _LOCAL, _Local, "restore the file")
        folder = local.scores.get(study_uid)
        if folder is None or not ScoreFolder(Path(folder)).is_there:
            msg = f"{self.path / _LOCAL}: the score of study {study_uid} is not where it says; correct the path in it"
            raise StudyError(msg)
        return Path(folder)

    def working_copies(self, reader: str, case: PlannedCase) -> tuple[Path, ...]:
        """The folders in which a reader works on the scans of a case, made at the first call.

        Raises
        ------
        StudyError
            Where the automatic score is missing, or is not the planned one any more.
        OutputError
            Where they cannot be made.
        """
        return tuple(self._working_copy(reader, case.code, n, case) for n in range(len(case.scans)))

    def _working_copy(self, reader: str, code: str, number: int, case: PlannedCase) -> Path:
        scan = case.scans[number]
        target = self.path / _WORK / reader / code / f"scan-{number + 1}"
        if ScoreFolder(target).is_there:
            return target
        source = ScoreFolder(self.automatic(scan.study_instance_uid))
        if source.record().record_id != scan.record_id:
            msg = (
                f"{source.path}: not the record of the plan any more; restore the score that was there at the beginning"
            )
            raise StudyError(msg)
        _copied(source, target, with_paths=True)
        return target

    def folder_of(self, logged: LoggedEvent) -> Path:
        """Where the files of a signed reading lie."""
        return self.path / (logged.event.folder or "")

    def scans_of(self, logged: LoggedEvent) -> tuple[Path, ...]:
        """The score folders of a signed reading, in time order."""
        names = {name.split("/")[0] for name in logged.event.files if "/" in name}
        return tuple(self.folder_of(logged) / name for name in sorted(names, key=lambda name: int(name.split("-")[1])))

    def records_of(self, logged: LoggedEvent) -> tuple[StudyScore, ...]:
        """The records of a signed reading, each verified by its id."""
        return tuple(ScoreFolder(folder).record() for folder in self.scans_of(logged))

    def answers_of(self, logged: LoggedEvent) -> CaseAnswers:
        """What a signed reading answers.

        Raises
        ------
        StudyError
            Where the file is not the one that was signed.
        """
        path = self.folder_of(logged) / ANSWERS
        if logged.event.files.get(ANSWERS) != _sha256(path):
            msg = f"{path}: not the file that was signed; restore it"
            raise StudyError(msg)
        return _read(path, CaseAnswers, "restore the file")

    def damage(self) -> tuple[str, ...]:
        """What of the signed readings is missing or was changed, a sentence each; the log verifies itself."""
        found = []
        events = self.log().read()
        for logged in events:
            for name, expected in logged.event.files.items():
                path = self.folder_of(logged) / name
                if not path.is_file():
                    found.append(f"{path.relative_to(self.path)}: the signed file is missing; restore it")
                elif _sha256(path) != expected:
                    found.append(f"{path.relative_to(self.path)}: changed after it was signed; restore it")
        return tuple(found)

    def unsigned_leftovers(self) -> tuple[Path, ...]:
        """Folders of readings that no event names: what interrupted programs left; they do not count."""
        named = {logged.event.folder for logged in self.log().read()}
        there = (path for path in (self.path / _READINGS).iterdir() if path.is_dir())
        return tuple(path for path in sorted(there) if f"{_READINGS}/{path.name}" not in named)

    # --- acts -------------------------------------------------------------------------------------------------------

    def note(  # noqa: PLR0913  what an event may hold
        self,
        kind: EventKind,
        *,
        case: str,
        reader: str,
        person: Reader | None = None,
        reason: str | None = None,
        answers: Mapping[str, str] | None = None,
        seen: Mapping[str, str] | None = None,
    ) -> LoggedEvent:
        """Record something that has no files: that a case was begun, its first answers, or that it was unlocked.

        Raises
        ------
        ConfigError
            Where the state does not allow it.
        """
        self.plan().case(case)

        def make(so_far: tuple[LoggedEvent, ...], number: int, previous: str) -> Event:
            state = state_of(self.plan(), so_far)
            locked = state.locked(case, reader)
            if kind == "unlocked" and locked is None:
                msg = f"case {case} of reader {reader} is not locked; there is nothing to unlock"
                raise ConfigError(msg)
            if kind != "unlocked" and locked is not None:
                raise ConfigError(_locked_words(case, reader, locked))
            if kind == "answered" and state.answered(case, reader):
                msg = f"the first answers of reader {reader} to case {case} are locked already"
                raise ConfigError(msg)
            if kind != "unlocked" and person is not None:
                state.require_person(reader, person)
            return Event(
                number=number,
                previous=previous,
                kind=kind,
                at=now(),
                case=case,
                reader=reader,
                person=person,
                reason=reason,
                answers=dict(answers or {}),
                seen=dict(seen or {}),
            )

        return self.log().append(make)

    def sign(  # noqa: PLR0913  what a signature holds
        self,
        kind: EventKind,
        *,
        case: str,
        reader: str,
        person: Reader,
        files: SignedFiles,
        seen: Mapping[str, str],
        reason: str | None = None,
    ) -> LoggedEvent:
        """Store a reading and lock it: the files first, then the event that names their hashes.

        Parameters
        ----------
        kind : {'signed', 'adjudicated'}
            A reader's reading, or the adjudicator's own.
        case, reader : str
            Which reading it is.
        person : Reader
            Who signs.
        files : SignedFiles
            What is signed.
        seen : mapping
            SHA-256 of what the reader was shown.
        reason : str, optional
            Why, for an adjudication.

        Raises
        ------
        ConfigError
            Where the reading is locked already, or somebody else had signed as this reader.
        OutputError
            Where the files cannot be written; nothing is signed then.
        """
        self._require_open(self.state(), kind, case, reader, person)
        folder, hashes = self._stored(case, reader, files)

        def make(so_far: tuple[LoggedEvent, ...], number: int, previous: str) -> Event:
            state = state_of(self.plan(), so_far)
            self._require_open(state, kind, case, reader, person)
            found = state.case(case)
            return Event(
                number=number,
                previous=previous,
                kind=kind,
                at=now(),
                case=case,
                reader=reader,
                person=person,
                reason=reason,
                folder=folder,
                files=hashes,
                records=files.records,
                seen=dict(seen),
                parents=_parents(found.signed) if kind == "adjudicated" else (),
                accepted=reader if kind == "adjudicated" else None,
            )

        try:
            return self.log().append(make)
        except BaseException:
            # Without its event the reading does not count; another program may have signed at the same moment.
            shutil.rmtree(self.path / folder, ignore_errors=True)
            raise

    def close(
        self,
        kind: EventKind,
        *,
        case: str,
        accepted: str,
        reader: str | None = None,
        person: Reader | None = None,
        reason: str,
    ) -> LoggedEvent:
        """Take one of the signed readings as final: because they agree, or because the adjudicator picks it.

        Raises
        ------
        ConfigError
            Where not every reader has signed, the case is closed already, or there is no such reading.
        """

        def make(so_far: tuple[LoggedEvent, ...], number: int, previous: str) -> Event:
            state = state_of(self.plan(), so_far)
            found = state.case(case)
            _require_read(found.word, case)
            if accepted not in found.signed:
                msg = f"case {case} has no reading of {accepted}; its readers are {', '.join(found.signed)}"
                raise ConfigError(msg)
            if person is not None and reader is not None:
                state.require_person(reader, person)
            return Event(
                number=number,
                previous=previous,
                kind=kind,
                at=now(),
                case=case,
                reader=reader,
                person=person,
                reason=reason,
                parents=_parents(found.signed),
                accepted=accepted,
            )

        return self.log().append(make)

    @staticmethod
    def _require_open(state: ReadingState, kind: EventKind, case: str, reader: str, person: Reader) -> None:
        state.plan.case(case)
        if kind == "adjudicated":
            _require_read(state.case(case).word, case)
        else:
            locked = state.locked(case, reader)
            if locked is not None:
                raise ConfigError(_locked_words(case, reader, locked))
            if state.plan.blind_to_automatic and not state.answered(case, reader):
                msg = (
                    f"case {case}: this reading is blinded to the automatic answers, and the first answers of reader "
                    f"{reader} are not locked; give them with 'dotaliver reading answer'"
                )
                raise ConfigError(msg)
        state.require_person(reader, person)

    def _stored(self, case: str, reader: str, files: SignedFiles) -> tuple[str, dict[str, str]]:
        """Write the files of a reading into a folder of their own; its name and each file's hash."""
        target = next(
            path
            for number in range(1, 1 << 20)
            if not (path := self.path / _READINGS / f"{case}-{reader}-{number}").exists()
        )
        try:
            made = temporary_beside(target)
        except OSError as error:
            raise OutputError(why_not_written(target, error)) from error
        try:
            for number, folder in enumerate(files.folders, start=1):
                _copy_files(ScoreFolder(folder), made / f"scan-{number}", with_paths=False)
            for name, text in files.texts.items():
                (made / name).write_text(text, encoding="utf-8")
            hashes = {
                path.relative_to(made).as_posix(): _sha256(path) for path in sorted(made.rglob("*")) if path.is_file()
            }
            put_in_place(made, target, replacing=False)
        except OSError as error:
            raise OutputError(why_not_written(target, error)) from error
        finally:
            if made.exists():
                discard(made)
        return f"{_READINGS}/{target.name}", hashes


def _parents(signed: Mapping[str, LoggedEvent]) -> tuple[str, ...]:
    return tuple(logged.sha256 for logged in signed.values())


def _locked_words(case: str, reader: str, locked: LoggedEvent) -> str:
    at = locked.event.at.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"case {case} of reader {reader} was signed on {at} and is locked; unlock it first with "
        "'dotaliver reading unlock', which is recorded"
    )


def _require_read(word: str, case: str) -> None:
    if word == "open":
        msg = f"case {case} is not signed by every reader yet; it cannot be decided"
        raise ConfigError(msg)
    if word != "read":
        msg = f"case {case} is closed ({word}); unlock a reading of it first"
        raise ConfigError(msg)


def _copied(source: ScoreFolder, target: Path, *, with_paths: bool) -> None:
    """Copy a score as a whole folder that appears in one step."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = temporary_beside(target)
        try:
            _copy_files(source, made, with_paths=with_paths)
            put_in_place(made, target, replacing=False)
        finally:
            if made.exists():
                discard(made)
    except OSError as error:
        raise OutputError(why_not_written(target, error)) from error


def _copy_files(source: ScoreFolder, target: Path, *, with_paths: bool) -> None:
    target.mkdir(exist_ok=True)
    for path in sorted(source.file(LOCAL_PATHS).parent.iterdir()):
        if path.is_file() and is_score_file(path.name) and (with_paths or path.name != LOCAL_PATHS):
            shutil.copyfile(path, target / path.name)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the folder of a central reading as it was written"
        raise StudyError(msg) from error


def _read(path: Path, model: type[Model], mend: str) -> Model:
    try:
        if path.stat().st_size > 64 * _MOST_BYTES:
            msg = f"{path}: too large; {mend}"
            raise StudyError(msg)
        return model.model_validate(parse_json(path.read_bytes()))
    except (OSError, ParseError) as error:
        msg = f"{path}: cannot be read ({error}); {mend}"
        raise StudyError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {first_problem(error)}; {mend}"
        raise StudyError(msg) from error
