"""The courses of a cohort's patients: what ``dotaliver recist`` wrote below the batch's folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from dotaliver.longitudinal.records import PatientCourse
from dotaliver.system.parsing import ParseError, parse_json, read_bounded

__all__ = ["COURSES", "read_courses"]

COURSES = "courses"
"""Folder of the courses in a batch's folder: one folder per patient"""
_RECORD = "course.json"
_MOST_BYTES = 64 * 2**20


def read_courses(folder: Path) -> tuple[tuple[PatientCourse, ...], tuple[str, ...]]:
    """The courses in a batch's folder, in order of their folders' names, and one sentence for each that is left out.

    A subject whose course is there twice is shown once, from the first folder.
    """
    found: list[PatientCourse] = []
    problems = []
    subjects: dict[str, str] = {}
    for path in sorted((folder / COURSES).glob(f"*/{_RECORD}")):
        name = f"{COURSES}/{path.parent.name}/{_RECORD}"
        try:
            course = PatientCourse.model_validate(parse_json(read_bounded(path, _MOST_BYTES)), strict=False)
        except (OSError, ParseError, ValidationError) as error:
            problems.append(
                f"{name} is not a course that this version reads ({type(error).__name__}); follow it again."
            )
            continue
        subject = course.course_id if course.trial is None else course.trial.unique_subject_id
        if subject in subjects:
            problems.append(f"{name} is of the same subject as {subjects[subject]} and is left out; keep one.")
            continue
        subjects[subject] = name
        found.append(course)
    return tuple(found), tuple(problems)
