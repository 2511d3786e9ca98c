"""The cohort: a table of studies, a table of lesions and a page, from the records of a batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotaliver.batch.cohort_page import cohort_html
from dotaliver.batch.records import Row, StudyRecord
from dotaliver.batch.workspace import Workspace
from dotaliver.errors import CourseError
from dotaliver.export.tables import cell
from dotaliver.longitudinal.manifest import ManifestRow
from dotaliver.records.score import folder_name
from dotaliver.system.files import write_atomically

__all__ = ["Cohort", "cohort_rows", "lesion_table", "write_cohort"]

_LABELS = ("study_id", "site_id", "subject_id", "visit", "visit_number", "cycle")


@dataclass(frozen=True)
class Cohort:
    """The files that were written, and the number of studies by status."""

    files: tuple[Path, ...]
    counts: dict[str, int]


def write_cohort(workspace: Workspace, records: Sequence[StudyRecord], manifest: Sequence[ManifestRow] = ()) -> Cohort:
    """Write ``cohort.csv``, ``cohort.parquet``, ``lesions.parquet``, ``cohort.html`` and ``local.csv``.

    Parameters
    ----------
    workspace : Workspace
        The batch's output folder.
    records : sequence of StudyRecord
        How each study ended.
    manifest : sequence of ManifestRow
        Labels of the rows; a study that it names and that was not found is a row too.

    Raises
    ------
    CourseError
        Where the manifest gives one study two different subjects or visits.
    OutputError
        Where a file cannot be written.
    """
    labels = _labels(manifest)
    rows = cohort_rows(records, labels)
    lesions = lesion_table(records, labels)
    folder = workspace.folder
    made: dict[str, bytes | str] = {
        "local.csv": _csv([_local_row(record) for record in _in_order(records)]),
        "cohort.csv": _csv(rows),
        "cohort.parquet": _parquet(rows),
        "lesions.parquet": _parquet(lesions),
        "cohort.html": cohort_html(rows, workspace),
    }
    for name, content in made.items():
        write_atomically(folder / name, content)
    counts: dict[str, int] = {}
    for row in rows:
        status = str(row["status"])
        counts[status] = counts.get(status, 0) + 1
    return Cohort(tuple(folder / name for name in made), counts)


def cohort_rows(records: Sequence[StudyRecord], labels: Mapping[str, Row]) -> list[Row]:
    """One row per study, all with the same columns; a value that is not known is None."""
    rows = [_row(record, labels) for record in _in_order(records)]
    there = {record.study_uid for record in records}
    for uid, label in labels.items():
        if uid not in there:
            reason = "listed in the manifest but not found"
            rows.append({**label, "key": folder_name(uid), "study_uid": uid, "status": "missing", "reason": reason})
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]


def _in_order(records: Sequence[StudyRecord]) -> list[StudyRecord]:
    return sorted(records, key=lambda record: record.key)


def _row(record: StudyRecord, labels: Mapping[str, Row]) -> Row:
    none: Row = dict.fromkeys(_LABELS) if labels else {}
    return {
        **none,
        **labels.get(record.study_uid or "", {}),
        "key": record.key,
        "study_uid": record.study_uid,
        "status": record.status,
        "reason": record.reason,
        **record.row,
        "seconds": round(record.seconds, 3),
        "peak_memory_mib": None if record.peak_memory_bytes is None else round(record.peak_memory_bytes / 2**20),
    }


def lesion_table(records: Sequence[StudyRecord], labels: Mapping[str, Row]) -> list[Row]:
    """One row per lesion, with the names of its study and record."""
    none: Row = dict.fromkeys(_LABELS) if labels else {}
    return [
        {
            **none,
            **labels.get(record.study_uid or "", {}),
            "key": record.key,
            "study_uid": record.study_uid,
            "record_id": record.row.get("record_id"),
            "uptake_unit": record.row.get("uptake_unit"),
            **lesion,
        }
        for record in _in_order(records)
        for lesion in record.lesions
    ]


def _labels(manifest: Sequence[ManifestRow]) -> dict[str, Row]:
    """The manifest's entry of each study; several readings of one scan must agree on the subject."""
    labels: dict[str, Row] = {}
    for row in manifest:
        label = {name: getattr(row, name) for name in _LABELS}
        before = labels.setdefault(row.study_instance_uid, label)
        if before != label:
            differs = next(name for name in _LABELS if before[name] != label[name])
            msg = f"the manifest gives the study {row.study_instance_uid} two values of {differs}; correct it"
            raise CourseError(msg)
    return labels


def _local_row(record: StudyRecord) -> Row:
    """Folder of a study and problems of its files; never leaves this machine."""
    place = record.place
    return {
        "key": record.key,
        "study_uid": record.study_uid,
        "folder": place.folder,
        "files": None if place.files is None else len(place.files),
        "status": record.status,
        "reason": record.local_reason or record.reason,
    }


def _csv(rows: Sequence[Row]) -> str:
    """A table as CSV (RFC 4180), in which no text starts a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    if rows:
        writer.writerow(rows[0])
        writer.writerows([cell(value) for value in row.values()] for row in rows)
    return stream.getvalue()


def _parquet(rows: Sequence[Row]) -> bytes:
    """A table as Parquet, each column with the type of its values."""
    import pandas as pd

    stream = io.BytesIO()
    pd.DataFrame(list(rows)).convert_dtypes().to_parquet(stream, index=False)
    return stream.getvalue()
