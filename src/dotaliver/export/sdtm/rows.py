"""TU, TR and RS from a course."""

from __future__ import annotations

from dotaliver.errors import CourseError
from dotaliver.export.sdtm.datasets import Dataset, Row, dataset_of
from dotaliver.export.sdtm.responses import response_rows
from dotaliver.export.sdtm.results import result_rows
from dotaliver.export.sdtm.row_writer import TESTS, RowWriter, study_day
from dotaliver.export.sdtm.tumours import tumour_rows
from dotaliver.longitudinal.records import PatientCourse

__all__ = ["TESTS", "sdtm_datasets", "study_day"]


def sdtm_datasets(course: PatientCourse) -> tuple[Dataset, ...]:
    """TU, TR and RS of a course, all its evaluators together.

    Raises
    ------
    CourseError
        Where the course has no manifest: the keys of SDTM are not invented.
    """
    if course.trial is None:
        msg = "SDTM needs the study, site, subject and visits of the trial; give a manifest with --manifest"
        raise CourseError(msg)
    rows: dict[str, list[Row]] = {"TU": [], "TR": [], "RS": []}
    for number, reading in enumerate(course.readings, start=1):
        prefix = f"R{number}-" if len(course.readings) > 1 else ""
        writer = RowWriter(course.trial, reading, prefix, course.config)
        rows["TU"] += tumour_rows(writer)
        rows["TR"] += result_rows(writer)
        # A response without any result of its visit has nothing to be linked to.
        groups = {row["TRLNKGRP"] for row in rows["TR"]}
        rows["RS"] += [row if row["RSLNKGRP"] in groups else row | {"RSLNKGRP": None} for row in response_rows(writer)]
    return tuple(dataset_of(domain, found) for domain, found in rows.items())
