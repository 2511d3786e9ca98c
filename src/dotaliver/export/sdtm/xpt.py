"""SDTM domains as SAS transport files, version 5, through pyreadstat (the extra ``sdtm``)."""

from __future__ import annotations

from pathlib import Path

from dotaliver.errors import OutputError
from dotaliver.export.sdtm.datasets import Dataset
from dotaliver.system.extras import extra_missing
from dotaliver.system.temporary import scratch

__all__ = ["xpt_bytes", "xpt_is_available"]

# Bytes of text that a variable holds in version 5 of the format (SAS TS-140).
_LONGEST_TEXT = 200


def xpt_is_available() -> bool:
    """Whether pandas and pyreadstat are installed."""
    from importlib.util import find_spec

    return find_spec("pandas") is not None and find_spec("pyreadstat") is not None


def xpt_bytes(dataset: Dataset) -> bytes:
    """A domain as a SAS transport file of version 5, with labels; text that is missing is blank, numbers are ``.``.

    Raises
    ------
    OutputError
        Where the extra is not installed, a text is longer than the format holds, or there is no room for temporary
        files.
    """
    if not xpt_is_available():
        raise OutputError(extra_missing("writing SAS transport files", "sdtm", "pyreadstat"))
    import pandas as pd
    import pyreadstat

    _require_short(dataset)
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
        )
        return _whole(path, len(frame))


def _require_short(dataset: Dataset) -> None:
    """Refuse text that a variable of this format cannot hold: longer values make a file that nothing reads."""
    for number, row in enumerate(dataset.rows, start=1):
        for name, value in row.items():
            size = len(value.encode()) if isinstance(value, str) else 0
            if size > _LONGEST_TEXT:
                msg = (
                    f"{dataset.domain}, row {number}, {name}: {size} bytes of text, and SAS transport files hold at "
                    f"most {_LONGEST_TEXT} bytes; shorten it"
                )
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
