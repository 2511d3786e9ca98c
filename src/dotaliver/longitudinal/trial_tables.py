"""The trial's own SDTM tables as files: SAS transport (XPT) through pyreadstat, or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dotaliver.errors import CourseError
from dotaliver.longitudinal.csv_tables import read_csv_table
from dotaliver.system.extras import extra_missing
from dotaliver.system.shown import printable

__all__ = ["TRIAL_DOMAINS", "TrialTable", "read_trial_tables"]

TRIAL_DOMAINS: dict[str, tuple[str, ...]] = {
    "DM": ("STUDYID", "USUBJID", "SUBJID", "SITEID", "RFSTDTC"),
    "EX": ("USUBJID", "EXSTDTC"),
    "SE": ("USUBJID", "SESTDTC", "EPOCH"),
    "SV": ("USUBJID", "VISITNUM", "VISIT"),
    "TV": ("VISITNUM", "VISIT"),
}
"""The domains that are read, with the variables that each must have."""
_ENDINGS = (".xpt", ".csv")
_MOST_BYTES = 500_000_000


@dataclass(frozen=True)
class TrialTable:
    """One table: where it came from, and its cells as text."""

    file: str
    rows: tuple[tuple[int, dict[str, str]], ...]
    """Row number (of the file for CSV, of the data for XPT) and cells by variable."""

    def of_subject(self, subject: str) -> tuple[tuple[int, dict[str, str]], ...]:
        """The rows of one subject by USUBJID."""
        return tuple(found for found in self.rows if found[1]["USUBJID"] == subject)


def read_trial_tables(folder: Path) -> dict[str, TrialTable]:
    """The tables of a folder by domain: ``dm.xpt`` or ``dm.csv`` and so on, in any case.

    Raises
    ------
    CourseError
        Where the folder holds none of them, two of one domain, or one that cannot be read or lacks a variable.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        why = type(error).__name__
        msg = f"{folder.name}: the trial's data cannot be read ({why}); name a folder of XPT or CSV files"
        raise CourseError(msg) from error
    found: dict[str, Path] = {}
    for path in files:
        domain = path.stem.upper()
        if domain not in TRIAL_DOMAINS or path.suffix.lower() not in _ENDINGS:
            continue
        if domain in found:
            msg = f"{folder.name}: {found[domain].name} and {path.name} are both {domain}; keep one"
            raise CourseError(msg)
        found[domain] = path
    if "DM" not in found:
        msg = f"{folder.name}: there is no dm.xpt or dm.csv, which says who the subject is; add it"
        raise CourseError(msg)
    return {domain: _table(path, domain) for domain, path in found.items()}


def _table(path: Path, domain: str) -> TrialTable:
    needed = TRIAL_DOMAINS[domain]
    if path.suffix.lower() == ".csv":
        found = read_csv_table(path, f"the table {domain}", [name.lower() for name in needed])
        rows = tuple((n, {name.upper(): text for name, text in cells.items()}) for n, cells in found.rows)
        return TrialTable(path.name, rows)
    return TrialTable(path.name, _xpt_rows(path, needed))


def _xpt_rows(path: Path, needed: Sequence[str]) -> tuple[tuple[int, dict[str, str]], ...]:
    from importlib.util import find_spec

    if find_spec("pyreadstat") is None or find_spec("pandas") is None:
        msg = extra_missing(f"{path.name}: reading SAS transport files", "sdtm", "pyreadstat")
        raise CourseError(msg)
    import pyreadstat

    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f"{path.name}: more than {_MOST_BYTES // 1_000_000} MB, too much for a table of one trial"
            raise CourseError(msg)
        frame, _ = pyreadstat.read_xport(str(path), disable_datetime_conversion=True)
    except (OSError, ValueError, MemoryError, pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
        why = printable(str(error)).strip() or type(error).__name__
        msg = f"{path.name}: not a readable SAS transport file ({why}); export it again as XPT version 5 or CSV"
        raise CourseError(msg) from error
    frame.columns = [str(name).upper() for name in frame.columns]
    missing = next((name for name in needed if name not in frame.columns), None)
    if missing is not None:
        msg = f"{path.name}: the variable {missing} is missing; export the whole domain"
        raise CourseError(msg)
    records = frame.astype(object).where(frame.notna(), "").to_dict("records")
    return tuple((n, {name: _cell(value) for name, value in row.items()}) for n, row in enumerate(records, start=1))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value).strip()
