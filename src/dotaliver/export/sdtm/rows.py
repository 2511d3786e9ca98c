"""The SDTM datasets of a course."""

from __future__ import annotations

from dotaliver.errors import CourseError
from dotaliver.export.sdtm.datasets import Dataset, Row, dataset_of
from dotaliver.export.sdtm.qualifiers import (
    Qualified,
    response_qualifiers,
    result_qualifiers,
    supplemental,
    tumour_qualifiers,
)
from dotaliver.export.sdtm.relations import related_records
from dotaliver.export.sdtm.responses import response_rows
from dotaliver.export.sdtm.results import result_rows
from dotaliver.export.sdtm.row_writer import TESTS, RowWriter, study_day
from dotaliver.export.sdtm.tumours import tumour_rows
from dotaliver.export.sdtm.uptake import uptake_rows
from dotaliver.longitudinal.records import PatientCourse
from dotaliver.longitudinal.trial_data import TrialData

__all__ = ["TESTS", "sdtm_datasets", "study_day"]

_QUALIFIED = {"TU": tumour_qualifiers, "TR": result_qualifiers, "RS": response_qualifiers}


def sdtm_datasets(course: PatientCourse, data: TrialData | None = None) -> tuple[Dataset, ...]:
    """TU, TR, RS and XU of a course with their supplemental qualifiers and RELREC, all its evaluators together.

    Parameters
    ----------
    course : PatientCourse
        With the keys of the manifest.
    data : TrialData, optional
        The subject's DM, SE, SV, TV; without it there is no study day, no epoch and no planned day.

    Raises
    ------
    CourseError
        Where the course has no manifest: the keys of SDTM are not invented.
    """
    if course.trial is None:
        msg = "SDTM needs the study, site, subject and visits of the trial; give a manifest with --manifest"
        raise CourseError(msg)
    rows: dict[str, list[Row]] = {"TU": [], "TR": [], "RS": [], "XU": []}
    found: dict[str, list[Qualified]] = {domain: [] for domain in _QUALIFIED}
    for number, reading in enumerate(course.readings, start=1):
        prefix = f"R{number}-" if len(course.readings) > 1 else ""
        writer = RowWriter(course.trial, reading, prefix, course.config, data)
        made = _rows(writer)
        for domain, qualify in _QUALIFIED.items():
            start = len(rows[domain])
            found[domain] += [(start + n, name, text) for n, name, text in qualify(writer, made[domain])]
        made["RS"] = _linked(made)
        for domain, of_reading in made.items():
            rows[domain] += of_reading
    tables = {domain: dataset_of(domain, each) for domain, each in rows.items() if each or domain != "XU"}
    extra = [supplemental(domain, tables[domain], each) for domain, each in found.items()]
    extra.append(related_records(tables, course.trial.study_id))
    return (*tables.values(), *(dataset for dataset in extra if dataset is not None))


def _rows(writer: RowWriter) -> dict[str, list[Row]]:
    return {
        "TU": list(tumour_rows(writer)),
        "TR": list(result_rows(writer)),
        "RS": list(response_rows(writer)),
        "XU": list(uptake_rows(writer)),
    }


def _linked(made: dict[str, list[Row]]) -> list[Row]:
    """The rows of RS; a response without any result of its visit has nothing to be linked to."""
    groups = {row["TRLNKGRP"] for row in made["TR"]}
    return [row if row["RSLNKGRP"] in groups else row | {"RSLNKGRP": None} for row in made["RS"]]
