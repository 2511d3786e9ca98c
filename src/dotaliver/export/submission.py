"""The files of a submission: SDTM and ADaM as CSV and SAS transport, their definitions, the built-in check."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.export.adam.package import adam_datasets, adam_notes
from dotaliver.export.define.html import define_html
from dotaliver.export.define.model import definition_of
from dotaliver.export.define.xml import define_xml
from dotaliver.export.sdtm.check import conformance_report
from dotaliver.export.sdtm.datasets import TERMINOLOGY, Dataset, sdtm_csv
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.export.sdtm.xpt import require_transport, xpt_bytes, xpt_is_available
from dotaliver.longitudinal.records import PatientCourse
from dotaliver.longitudinal.trial_data import TrialData

__all__ = ["SUBMISSION_FILES", "submission_files"]

_CHECK = "sdtm_check.txt"
_TABLES = ("tu", "tr", "rs", "xu", "supptu", "supptr", "supprs", "relrec", "adtr", "adrs", "adtte")
_DEFINITIONS = {"SDTM": "define", "ADaM": "define_adam"}
SUBMISSION_FILES = (
    {_CHECK}
    | {f"{name}.{ending}" for name in _TABLES for ending in ("csv", "xpt")}
    | {f"{name}.{ending}" for name in _DEFINITIONS.values() for ending in ("xml", "html")}
)
"""Every name that `submission_files` may give."""


def submission_files(course: PatientCourse, data: TrialData | None) -> dict[str, str | bytes]:
    """The tables of a course by the names of their files; SAS transport only where the extra ``sdtm`` is installed.

    Raises
    ------
    CourseError
        Where the course has no manifest.
    OutputError
        Where a text cannot be held by SDTM or by a transport file; the sentence names dataset, row and variable.
    """
    sdtm = sdtm_datasets(course, data)
    adam = adam_datasets(course, sdtm)
    for dataset in (*sdtm, *adam):
        require_transport(dataset)
    files: dict[str, str | bytes] = {}
    for dataset in (*sdtm, *adam):
        files |= _table_files(dataset)
    files[_CHECK] = conformance_report(sdtm, TERMINOLOGY, (*_notes(data), *adam_notes(course)))
    study = "" if course.trial is None else course.trial.study_id
    return (
        files
        | _definition_files(study, "SDTM", sdtm, _notes(data))
        | _definition_files(study, "ADaM", adam, adam_notes(course))
    )


def _definition_files(
    study: str, standard: str, datasets: Sequence[Dataset], notes: Sequence[str]
) -> dict[str, str | bytes]:
    ending = "xpt" if xpt_is_available() else "csv"
    definition = definition_of(study, standard, datasets, ending, notes)
    name = _DEFINITIONS[standard]
    return {f"{name}.xml": define_xml(definition), f"{name}.html": define_html(definition)}


def _table_files(dataset: Dataset) -> dict[str, str | bytes]:
    name = dataset.domain.lower()
    files: dict[str, str | bytes] = {f"{name}.csv": sdtm_csv(dataset)}
    if xpt_is_available():
        files[f"{name}.xpt"] = xpt_bytes(dataset)
    return files


def _notes(data: TrialData | None) -> Sequence[str]:
    if data is None:
        return ("DM was not given: there are no study days (--DY), no epochs and no planned days of visits.",)
    return data.notes
