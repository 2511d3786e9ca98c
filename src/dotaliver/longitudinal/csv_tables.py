"""CSV tables of a trial: decoded, separated and read row by row, with one sentence for whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dotaliver.errors import CourseError

__all__ = ["CsvTable", "read_csv_table"]

_MOST_BYTES = 20_000_000
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class CsvTable:
    """The rows of a CSV file that are not blank."""

    rows: tuple[tuple[int, dict[str, str]], ...]
    """Line number and cells by the column's name in lower case, stripped; empty text where a cell is missing."""

    separator: str


def read_csv_table(path: Path, what: str, needed: Sequence[str]) -> CsvTable:
    """Read a CSV file with a header row, separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is, with its article: "the manifest".
    needed : sequence of str
        Columns that must be there, in lower case.

    Raises
    ------
    CourseError
        Where the file cannot be read, is not a CSV table, or lacks a column.
    """
    text = _text(path, what)
    # csv wants its own line ends; the separator is that of the first row, which names the columns
    separator = _separator(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        _check_columns(path, columns, needed)
        names = dict(zip(columns, reader.fieldnames or (), strict=True))
        rows = []
        for row in reader:
            cells = {key: (row.get(column) or "").strip() for key, column in names.items()}
            if any(cells.values()):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        msg = f"{path.name}: not a CSV table ({error}); export it again as CSV"
        raise CourseError(msg) from error
    return CsvTable(tuple(rows), separator)


def _check_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = next((name for name in needed if name not in columns), None)
    if missing is not None:
        msg = f"{path.name}: the column {missing} is missing; the first row must name the columns"
        raise CourseError(msg)
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        msg = f"{path.name}: two columns are named {twice}; keep one"
        raise CourseError(msg)


def _text(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f"{path.name}: more than {_MOST_BYTES // 1_000_000} MB, too much for {what}; give a CSV file"
            raise CourseError(msg)
        data = path.read_bytes()
        # UTF-16 with its mark is what spreadsheets write as "Unicode text".
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: {what} cannot be read ({type(error).__name__}); give a readable CSV file in UTF-8"
        raise CourseError(msg) from error


def _separator(text: str) -> str:
    """What separates the columns: the separator that the row of column names holds most of."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=first.count)
