"""The folder of a central reading: the plan, the log, and every signed reading.

``plan.json`` is what was fixed at the beginning, ``events/`` the log, ``readings/`` the signed files, ``work/`` the
copies that readers work on, and ``local.json`` the only file with paths of this machine. Signed files are written to
the disk before the event that names them and their hashes; without that event they do not count.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import Field

from dotaliver.agreement.answers import CaseAnswers
from dotaliver.agreement.files import SignedFiles, copied, file_sha256, read_model, stored
from dotaliver.agreement.locks import parents, require_open, require_possible, require_read
from dotaliver.agreement.log import Event, EventKind, EventLog, LoggedEvent
from dotaliver.agreement.plan import PlannedCase, ReadingPlan
from dotaliver.agreement.state import ReadingState, state_of
from dotaliver.errors import ConfigError, OutputError, StudyError
from dotaliver.frozen import FrozenModel
from dotaliver.records.edits import Reader
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.files import why_not_written, write_atomically

__all__ = ["ANSWERS", "COURSE", "CentralReading", "now"]

_PLAN, _EVENTS, _READINGS, _WORK, _LOCAL = "plan.json", "events", "readings", "work", "local.json"
ANSWERS, COURSE = "answers.json", "course.json"


class _Local(FrozenModel):
    """Where the automatic scores lie on this machine."""

    scores: dict[str, str] = Field(description="Folder of a score by Study Instance UID")


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
        return read_model(self.path / _PLAN, ReadingPlan, "give the folder that 'dotaliver reading init' wrote")

    def log(self) -> EventLog:
        """The log, whose first event names the plan as it is stored."""
        return EventLog(self.path / _EVENTS, file_sha256(self.path / _PLAN))

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
        local = read_model(self.path / _LOCAL, _Local, "restore the file")
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
        copied(source, target, with_paths=True)
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
        if logged.event.files.get(ANSWERS) != file_sha256(path):
            msg = f"{path}: not the file that was signed; restore it"
            raise StudyError(msg)
        return read_model(path, CaseAnswers, "restore the file")

    def damage(self) -> tuple[str, ...]:
        """What of the signed readings is missing or was changed, a sentence each; the log verifies itself."""
        found = []
        events = self.log().read()
        for logged in events:
            for name, expected in logged.event.files.items():
                path = self.folder_of(logged) / name
                if not path.is_file():
                    found.append(f"{path.relative_to(self.path)}: the signed file is missing; restore it")
                elif file_sha256(path) != expected:
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

        def fields(state: ReadingState) -> Mapping[str, object]:
            require_possible(state, kind, case, reader, person)
            return {"answers": dict(answers or {}), "seen": dict(seen or {})}

        return self._append(partial(Event, kind=kind, case=case, reader=reader, person=person, reason=reason), fields)

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
        require_open(self.state(), kind, case, reader, person)
        folder, hashes = stored(self.path / _READINGS, case, reader, files)

        def fields(state: ReadingState) -> Mapping[str, object]:
            require_open(state, kind, case, reader, person)
            common = {"folder": folder, "files": hashes, "records": files.records, "seen": dict(seen)}
            if kind != "adjudicated":
                return common
            return {**common, "parents": parents(state.case(case).signed), "accepted": reader}

        try:
            return self._append(
                partial(Event, kind=kind, case=case, reader=reader, person=person, reason=reason), fields
            )
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

        def fields(state: ReadingState) -> Mapping[str, object]:
            found = state.case(case)
            require_read(found.word, case)
            if accepted not in found.signed:
                msg = f"case {case} has no reading of {accepted}; its readers are {', '.join(found.signed)}"
                raise ConfigError(msg)
            if person is not None and reader is not None:
                state.require_person(reader, person)
            return {"parents": parents(found.signed), "accepted": accepted}

        return self._append(partial(Event, kind=kind, case=case, reader=reader, person=person, reason=reason), fields)

    def _append(
        self, event: Callable[..., Event], fields: Callable[[ReadingState], Mapping[str, object]]
    ) -> LoggedEvent:
        """Log an event, with what it holds by the state at the very moment; `fields` refuses what is not allowed."""
        plan = self.plan()

        def make(so_far: tuple[LoggedEvent, ...], number: int, previous: str) -> Event:
            return event(number=number, previous=previous, at=now(), **fields(state_of(plan, so_far)))

        return self.log().append(make)
