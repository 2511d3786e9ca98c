"""Datasets as SAS transport files, version 5, through pyreadstat (the extra ``sdtm``)."""

from __future__ import annotations

import re
from pathlib import Path

from dotaliver.errors import OutputError
from dotaliver.export.sdtm.datasets import Dataset
from dotaliver.system.extras import extra_missing
from dotaliver.system.shown import printable
from dotaliver.system.temporary import scratch

__all__ = ["require_transport", "xpt_bytes", "xpt_is_available"]

# What version 5 of the format holds (SAS TS-140): bytes of text, characters of a name and of a label.
_LONGEST_TEXT = 200
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,7}")
_LONGEST_LABEL = 40
# A test's short name becomes a variable's name when a table is transposed, its name becomes the label.
_LIMITS = {"TESTCD": 8, "PARAMCD": 8, "QNAM": 8, "TEST": 40, "QLABEL": 40}


def xpt_is_available() -> bool:
    """Whether pandas and pyreadstat are installed."""
    from importlib.util import find_spec

    return find_spec("pandas") is not None and find_spec("pyreadstat") is not None


def xpt_bytes(dataset: Dataset) -> bytes:
    """A domain as a SAS transport file of version 5, with labels; text that is missing is blank, numbers are ``.``.

    Raises
    ------
    OutputError
        Where the extra is not installed, the format cannot hold a text or name, or there is no room for temporary
        files.
    """
    if not xpt_is_available():
        raise OutputError(extra_missing("writing SAS transport files", "sdtm", "pyreadstat"))
    import pandas as pd
    import pyreadstat

    require_transport(dataset)
    columns = {}
    for variable in dataset.variables:
        values = [row[variable.name] for row in dataset.rows]
        if variable.kind == "Num":
            columns[variable.name] = pd.Series([None if v is None else float(v) for v in values], dtype="float64")
        else:
            # A column of nothing but blanks has width 0, which the format does not know: it keeps one blank.
            texts = ["" if v is None else str(v) for v in values]
            columns[variable.name] = pd.Series(texts if any(texts) else [" "] * len(texts), dtype=object)
    frame = pd.DataFrame(columns)
    with scratch("tables") as folder:
        path = folder / f"{dataset.domain.lower()}.xpt"
        pyreadstat.write_xport(
            frame,
            str(path),
            file_label=dataset.label[:40],
            column_labels=[variable.label for variable in dataset.variables],
            table_name=dataset.domain,
            file_format_version=5,
            variable_format={variable.name: "DATE9" for variable in dataset.variables if variable.is_date},
        )
        return _whole(path, len(frame))


def require_transport(dataset: Dataset) -> None:
    """Refuse what a transport file of version 5 or SDTM cannot hold, before anything is written.

    Raises
    ------
    OutputError
        Names the dataset, row and variable: a name over 8 or a label over 40 characters, a text that is not ASCII or
        over 200 bytes, a short name over 8 or a test's name over 40 characters.
    """
    for name, label in ((dataset.domain, dataset.label), *((v.name, v.label) for v in dataset.variables)):
        if not _NAME.fullmatch(name) or not 0 < len(label) <= _LONGEST_LABEL or not label.isascii():
            msg = (
                f"{dataset.domain}: {printable(name)} ({printable(label)}) is not a name of at most 8 characters with "
                "a label of at most 40; shorten it"
            )
            raise OutputError(msg)
    for number, row in enumerate(dataset.rows, start=1):
        for name, value in row.items():
            if isinstance(value, str):
                _require_text(f"{dataset.domain}, row {number}, {name}", name, value)


def _require_text(where: str, name: str, value: str) -> None:
    size = len(value.encode("utf-8", "replace"))
    if size > _LONGEST_TEXT:
        msg = f"{where}: {size} bytes of text, and SAS transport files hold at most {_LONGEST_TEXT} bytes; shorten it"
        raise OutputError(msg)
    if not all(" " <= character <= "~" for character in value):
        text = printable(value[:60])
        msg = f"{where}: '{text}' is not plain ASCII text, and SDTM holds nothing else; write it in ASCII"
        raise OutputError(msg)
    limit = next((most for ending, most in _LIMITS.items() if name.endswith(ending)), _LONGEST_TEXT)
    if len(value) > limit:
        msg = f"{where}: '{value[:60]}' has {len(value)} characters, and {name} holds at most {limit}; shorten it"
        raise OutputError(msg)


def _whole(path: Path, rows: int) -> bytes:
    """The bytes of a file, once all its rows could be read from it: on a full disk the library stops without a word."""
    import pyreadstat

    try:
        if len(pyreadstat.read_xport(str(path))[0]) == rows:
            return path.read_bytes()
    except (OSError, ValueError, pyreadstat.ReadstatError):
        pass
    msg = (
        f"{path.name}: could not be written whole to the folder for temporary files ({path.parent.parent}); free some "
        "space there or set TMPDIR to another folder"
    )
    raise OutputError(msg)
