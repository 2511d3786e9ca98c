"""The layout of a batch's output folder, and the records in it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from dotaliver.batch.records import RunSettings, StudyRecord
from dotaliver.errors import OutputError
from dotaliver.records.score_folder import is_score_file
from dotaliver.system.files import sha256_of, write_atomically
from dotaliver.system.parsing import ParseError, parse_json
from dotaliver.system.results import tidy_result
from dotaliver.system.temporary import new_name, part_pattern, remove_dead

__all__ = ["Workspace", "is_intact"]


@dataclass(frozen=True)
class Workspace:
    """Output folder of a batch: a folder per study, the cohort's tables, and the run's state in ``.batch``."""

    folder: Path

    @property
    def state(self) -> Path:
        """Folder of records, logs, pictures and locks."""
        return self.folder / ".batch"

    def study(self, key: str) -> Path:
        """The folder that holds a study's score."""
        return self.folder / key

    def record_file(self, key: str) -> Path:
        """The record of how a study ended."""
        return self.state / "studies" / f"{key}.json"

    def thumbnail(self, key: str) -> Path:
        """A small picture of the study."""
        return self.state / "thumbnails" / f"{key}.png"

    def log(self, key: str) -> Path:
        """Log of a study's process."""
        return self.state / "logs" / f"{key}.log"

    def lock(self, key: str) -> Path:
        """Lock of the process that writes into a study's folder."""
        return self.state / "locks" / key

    def attempt(self, run_id: str, key: str) -> Path:
        """Marker that a run has started a study."""
        return self.state / "attempts" / run_id / key

    def earlier(self, key: str) -> Path:
        """A study's score from before its input or the settings changed, kept until there is a new one."""
        return self.state / "earlier" / key

    @property
    def settings_file(self) -> Path:
        """Settings of the current run; removed when it stops."""
        return self.state / "run.json"

    def prepare(self, run_id: str) -> None:
        """Make the folders that a run writes into.

        Raises
        ------
        OutputError
            Where they cannot be made.
        """
        try:
            for name in ("studies", "thumbnails", "logs", "locks", f"attempts/{run_id}"):
                (self.state / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{self.folder}: cannot be written ({error.strerror or error}); choose another output folder"
            raise OutputError(msg) from error
        for folder in (self.folder, self.state, self.state / "studies", self.state / "thumbnails"):
            remove_dead(folder, part_pattern())

    # --- settings of the run ---

    def write_settings(self, settings: RunSettings) -> None:
        """Publish the settings of this run to the workers."""
        write_atomically(self.settings_file, settings.model_dump_json())

    def settings(self) -> RunSettings | None:
        """Settings of the current run; None without a run, or where they cannot be read."""
        try:
            return _settings(self.settings_file.read_bytes())
        except (OSError, ParseError, ValidationError):
            return None

    def is_running(self, run_id: str) -> bool:
        """Whether a run is still active in the folder."""
        try:
            # The settings may be long and this is called often, so only the random identifier is compared
            return f'"run_id":"{run_id}"' in self.settings_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return False

    def end(self) -> None:
        """Signal to the workers that the run is over."""
        self.settings_file.unlink(missing_ok=True)

    def start_attempt(self, run_id: str, key: str) -> bool:
        """Note that a run starts a study; False where it did before, so that no study is started twice."""
        try:
            with self.attempt(run_id, key).open("x") as note:
                note.write(f"{os.getpid()}\n")
        except FileExistsError:
            return False
        return True

    def forget_attempts(self, keep: str) -> None:
        """Remove the notes of earlier runs."""
        for folder in (self.state / "attempts").iterdir():
            if folder.name != keep:
                for note in folder.iterdir():
                    note.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    folder.rmdir()

    # --- records ---

    def write_record(self, record: StudyRecord) -> None:
        """Put a study's record in place; from here on the study is done.

        Whole or not at all for whoever looks. It is not forced onto the disk, which would take longer than all else:
        should the machine lose power then, the record is no JSON or names what is not there, and the study is done
        again.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        path = self.record_file(record.key)
        temporary = path.with_name(new_name(path.name))
        try:
            temporary.write_text(record.model_dump_json(), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            msg = f"{self.folder}: cannot be written ({error.strerror or error}); free some space and run it again"
            raise OutputError(msg) from error

    def keys(self) -> set[str]:
        """The studies that have a record."""
        return {path.stem for path in (self.state / "studies").glob("*.json")}

    def record(self, key: str) -> StudyRecord | None:
        """A study's record; None where there is none that can be read, or it names files of another folder."""
        try:
            found = StudyRecord.model_validate(parse_json(self.record_file(key).read_bytes()))
        except (OSError, ParseError, ValidationError):
            return None
        return found if found.key == key else None

    def retire(self, key: str) -> None:
        """Make room for another attempt: a complete score moves to `earlier`, an incomplete one is deleted."""
        record = self.record(key)
        if record is not None and record.files and is_intact(self, record):
            earlier = self.earlier(key)
            shutil.rmtree(earlier, ignore_errors=True)
            earlier.mkdir(parents=True)
            for name in record.files:
                (self.study(key) / name).replace(earlier / name)
        self.record_file(key).unlink(missing_ok=True)
        self.clear_study(key)

    def forget_earlier(self, key: str) -> None:
        """Remove an earlier score, now that there is a new one."""
        shutil.rmtree(self.earlier(key), ignore_errors=True)

    def clear_study(self, key: str) -> None:
        """Remove the files of an earlier score; subfolders are a reader's revisions and are kept."""
        folder = self.study(key)
        if not folder.is_dir():
            return
        tidy_result(folder, is_score_file)
        for path in folder.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)
        self.thumbnail(key).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def hashes(self, key: str, names: Iterable[str] | None = None) -> dict[str, str]:
        """SHA-256 of the files of a study's folder, by name."""
        folder = self.study(key)
        if names is None:
            names = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else ()
        return {name: sha256_of(folder / name) for name in names}


@lru_cache(maxsize=4)
def _settings(text: bytes) -> RunSettings:
    """Parsed settings; cached, since thousands of studies share the same text."""
    return RunSettings.model_validate(parse_json(text))


def is_intact(workspace: Workspace, record: StudyRecord) -> bool:
    """Whether everything that a record names is there, byte for byte."""
    try:
        return workspace.hashes(record.key, record.files) == record.files
    except OSError:
        return False
