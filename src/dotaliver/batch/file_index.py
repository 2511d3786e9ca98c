"""An index of the files below a root, kept between runs, so that unchanged files are not opened again."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotaliver.dicom.files.headers import FileStudy, index_folder, study_of_file
from dotaliver.errors import DotaliverError, OutputError

__all__ = ["FileIndex", "KnownFile", "open_index"]

_TABLE = """
CREATE TABLE IF NOT EXISTS file (
    path TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER, inode_changed_ns INTEGER, studies TEXT
) WITHOUT ROWID
"""
# Writing after each file would take longer than reading it
_COMMIT_EVERY = 5_000


@dataclass(frozen=True)
class KnownFile:
    """Content of a file: one study, several (an archive) or none; and what is wrong with it."""

    studies: tuple[FileStudy, ...] = ()
    damage: str | None = None


class FileIndex:
    """Database of indexed files in the output folder."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._waiting = 0

    def look_at(self, path: Path, name: str) -> KnownFile:
        """Content of a file; from the index where size and times are unchanged."""
        try:
            found = os.stat(path)  # noqa: PTH116 -- there are thousands
        except OSError as error:
            return KnownFile(damage=f"{name}: the file cannot be read ({error.strerror}); make it readable")
        state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        query = "SELECT size, changed_ns, inode_changed_ns, studies FROM file WHERE path = ?"
        row = self._database.execute(query, (str(path),)).fetchone()
        if row is not None and row[:3] == state:
            return KnownFile(tuple(FileStudy(uid, modality) for uid, modality in json.loads(row[3])))
        known = _in_archive(path, name) if path.suffix.lower() == ".zip" else _in_file(path, name)
        if known.damage is not None:
            # A read error may be temporary, so the file is tried again next time
            return known
        studies = json.dumps([(s.study_uid, s.modality) for s in known.studies])
        self._database.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", (str(path), *state, studies))
        self._waiting += 1
        if self._waiting >= _COMMIT_EVERY:
            self._database.commit()
            self._waiting = 0
        return known


def _in_file(path: Path, name: str) -> KnownFile:
    try:
        found = study_of_file(path, name)
    except DotaliverError as error:
        return KnownFile(damage=str(error))
    return KnownFile() if found is None else KnownFile((found,))


def _in_archive(path: Path, name: str) -> KnownFile:
    """The studies of a zip file, each modality once."""
    try:
        series = index_folder(path).series
    except DotaliverError as error:
        # Messages about members of an archive do not name the archive
        return KnownFile(damage=str(error) if name in str(error) else f"{name}: {error}")
    return KnownFile(tuple(dict.fromkeys(FileStudy(s.study_uid, s.modality) for s in series)))


@contextmanager
def open_index(path: Path) -> Iterator[FileIndex]:
    """Open the database, or start a new one if it is damaged; its content can be rebuilt.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    database = None
    try:
        database = _connected(path)
        yield FileIndex(database)
        database.commit()
    except sqlite3.Error as error:
        msg = f"{path}: the index of files cannot be written ({error}); free some space or choose another output folder"
        raise OutputError(msg) from error
    finally:
        if database is not None:
            database.close()


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.execute(_TABLE)
    except sqlite3.DatabaseError:
        database.close()
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        database.execute(_TABLE)
    return database
