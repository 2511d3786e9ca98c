"""The files of a central reading: copies of scores, signed files and their hashes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dotaliver.errors import OutputError, StudyError
from dotaliver.frozen import FrozenModel, first_problem
from dotaliver.records.score_folder import LOCAL_PATHS, ScoreFolder, is_score_file
from dotaliver.system.files import sha256_of, why_not_written
from dotaliver.system.folders import put_in_place, temporary_beside
from dotaliver.system.parsing import ParseError, parse_json
from dotaliver.system.temporary import discard

__all__ = ["SignedFiles", "copied", "file_sha256", "read_model", "stored"]

_MOST_BYTES = 64 << 20

Model = TypeVar("Model", bound=FrozenModel)


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


def stored(readings: Path, case: str, reader: str, files: SignedFiles) -> tuple[str, dict[str, str]]:
    """Write the files of a reading into a folder of their own below ``readings``; its name and each file's hash.

    Raises
    ------
    OutputError
        Where they cannot be written; nothing is left then.
    """
    target = next(path for number in range(1, 1 << 20) if not (path := readings / f"{case}-{reader}-{number}").exists())
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
            path.relative_to(made).as_posix(): file_sha256(path) for path in sorted(made.rglob("*")) if path.is_file()
        }
        put_in_place(made, target, replacing=False)
    except OSError as error:
        raise OutputError(why_not_written(target, error)) from error
    finally:
        if made.exists():
            discard(made)
    return f"{readings.name}/{target.name}", hashes


def copied(source: ScoreFolder, target: Path, *, with_paths: bool) -> None:
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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; `StudyError` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the folder of a central reading as it was written"
        raise StudyError(msg) from error


def read_model(path: Path, model: type[Model], mend: str) -> Model:
    """One of our types from its JSON; `StudyError` names the file, what is wrong, and how to mend it."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f"{path}: too large; {mend}"
            raise StudyError(msg)
        return model.model_validate(parse_json(path.read_bytes()))
    except (OSError, ParseError) as error:
        msg = f"{path}: cannot be read ({error}); {mend}"
        raise StudyError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {first_problem(error)}; {mend}"
        raise StudyError(msg) from error
