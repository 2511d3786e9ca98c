"""The folder of a score: which files it holds, and its record read back and verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dotaliver.errors import StudyError
from dotaliver.frozen import first_problem
from dotaliver.records.score import StudyScore, record_id_of_json
from dotaliver.records.version_1 import as_version_2, record_id_1
from dotaliver.system.parsing import ParseError, parse_json

__all__ = ["RECORD", "ScoreFolder", "record_from_json"]

RECORD = "score.json"
# A record of 10 000 lesions has about 15 MB.
_MAX_RECORD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class ScoreFolder:
    """A folder that ``dotaliver score`` wrote."""

    path: Path

    @property
    def record_file(self) -> Path:
        """Where the record is stored."""
        return self.path / RECORD

    def record(self) -> StudyScore:
        """Read the record and verify it against its ``record_id``.

        Raises
        ------
        StudyError
            Where there is no record, it is damaged, of another version, or was changed after it was written.
        """
        file = self.record_file
        try:
            if file.stat().st_size > _MAX_RECORD_BYTES:
                msg = f"{file}: too large for a record; give the folder that 'dotaliver score' wrote"
                raise StudyError(msg)
            content = file.read_bytes()
        except OSError as error:
            msg = f"{self.path}: there is no readable {RECORD} in it; give the folder that 'dotaliver score' wrote"
            raise StudyError(msg) from error
        return record_from_json(content, str(file))


def record_from_json(content: bytes | str, name: str = RECORD) -> StudyScore:
    """A record from its JSON, verified against its ``record_id``; version 1 by the rules of version 1.

    Parameters
    ----------
    content : bytes or str
        What the file holds.
    name : str
        How errors call the file.

    Raises
    ------
    StudyError
        Where it is not the JSON of a record, of another version, or was changed after it was written.
    """
    try:
        data = parse_json(content)
    except ParseError as error:
        msg = f"{name}: {error}; score the study again"
        raise StudyError(msg) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version not in ("1", "2"):  # a tuple: what is not text may not be hashable
        said = f"schema version {version[:20]!r}" if isinstance(version, str) else "no schema version"
        msg = f"{name}: {said}, and this program reads 1 and 2; update dotaliver or score the study again"
        raise StudyError(msg)
    _require_unchanged(data, name)
    try:
        return StudyScore.model_validate(as_version_2(data) if version == "1" else data)
    except ValidationError as error:
        msg = f"{name}: not a record of this version ({first_problem(error)}); score the study again"
        raise StudyError(msg) from error


def _require_unchanged(data: dict[str, Any], name: str) -> None:
    """Refuse a record whose content does not give its ``record_id``, by the rules of its own version."""
    rule = record_id_1 if data["schema_version"] == "1" else record_id_of_json
    try:
        unchanged = rule(data) == data["record_id"]
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{name}: not a whole record; score the study again"
        raise StudyError(msg) from error
    if not unchanged:
        msg = (
            f"{name}: the record was changed after it was written (its content does not match its record_id); restore "
            "the file, or score the study again"
        )
        raise StudyError(msg)
