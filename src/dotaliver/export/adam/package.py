"""The ADaM datasets of a course."""

from __future__ import annotations

from collections.abc import Sequence

from dotaliver.errors import CourseError
from dotaliver.export.adam.adrs import adrs
from dotaliver.export.adam.adtr import adtr
from dotaliver.export.adam.adtte import adtte
from dotaliver.export.sdtm.datasets import Dataset
from dotaliver.longitudinal.records import PatientCourse

__all__ = ["adam_datasets", "adam_notes"]


def adam_datasets(course: PatientCourse, sdtm: Sequence[Dataset]) -> tuple[Dataset, ...]:
    """ADTR, ADRS and, where the first treatment is known, ADTTE.

    Parameters
    ----------
    course : PatientCourse
        With the keys of the manifest.
    sdtm : sequence of Dataset
        The SDTM datasets of the same course.

    Raises
    ------
    CourseError
        Where the course has no manifest, or its dates contradict each other.
    """
    if course.trial is None:
        msg = "ADaM needs the study, site, subject and visits of the trial; give a manifest with --manifest"
        raise CourseError(msg)
    tables = {dataset.domain: dataset for dataset in sdtm}
    made = [adtr(course.trial, course.readings, tables), adrs(course.trial, course.readings, tables["RS"])]
    times = adtte(course.trial, course.readings)
    return (*made, *(() if times is None else (times,)))


def adam_notes(course: PatientCourse) -> tuple[str, ...]:
    """What the ADaM datasets lack, one sentence each."""
    trial, found = course.trial, []
    if trial is None:
        return ()
    if trial.first_treatment is None:
        found.append("The first treatment is not known: there is no ADTTE and no analysis day (ADY).")
    if trial.death is None:
        found.append("No death was given: ADTTE counts none.")
    if trial.new_therapy is None:
        found.append("No other anticancer therapy was given: ADTTE censors for none.")
    return tuple(found)
