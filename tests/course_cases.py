"""Scans of one patient made of numbers, for the tests of following and exporting."""

from __future__ import annotations

from datetime import date
from functools import cache

from criteria.making import lesion
from dotaliver.config.scoring import RecistConfig, ScoringConfig
from dotaliver.longitudinal.course import CourseInput, read_course
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.matching import Matching
from dotaliver.longitudinal.records import (
    Appearance,
    Evaluator,
    PatientCourse,
    Reading,
    ScanKey,
    Track,
    TrialKeys,
)
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.score import StudyScore
from dotaliver.records.study import ReaderEdits
from scoring_cases import Case, grid, series

RULES = RecistConfig()
TRIAL = TrialKeys(
    study_id="NCT04544098",
    site_id="01",
    subject_id="003",
    entry=date(2024, 1, 20),
    first_treatment=date(2024, 1, 25),
)
DAYS = (date(2024, 1, 10), date(2024, 4, 5), date(2024, 7, 1), date(2024, 10, 1), date(2025, 1, 3))


@cache
def _base() -> StudyScore:
    case = Case()
    return score_labels(case.volumes(), case.segmentations(), ReaderEdits(), ScoringConfig())


def sized(label, size, *, short=None, source="ct", in_liver=True, marks=(), peak=10.0, volume=4.0, flags=()):
    made = lesion(
        label,
        size=size,
        short=0.8 * size if short is None else short,
        source=source,
        in_liver=in_liver,
        marks=marks,
        peak=peak,
        flags=flags,
    )
    return made.model_copy(update={"volume_ml": volume, "total_uptake": 0.8 * peak * volume})


def scan(number, *lesions, uid=None, slices_mm=3.0, day=None) -> StudyScore:
    """The record of one scan; `number` counts from 0 and gives the day."""
    base = _base()
    ct = series("CT", grid((60, 100, 100), (slices_mm, 1.0, 1.0)), slices_mm)
    identity = base.study.model_copy(
        update={
            "study_instance_uid": uid or f"1.2.3.{number + 1}",
            "study_date": (day or DAYS[number]).isoformat(),
            "ct": ct,
        }
    )
    return base.model_copy(update={"study": identity, "lesions": lesions, "record_id": f"{number + 1:064x}"})


def seen(number, *labels, confidence=1.0, state=None, by="matching", into=None) -> Appearance:
    word = state or ("vanished" if not labels else "split" if len(labels) > 1 else "seen")
    return Appearance(scan=number, state=word, labels=labels, confidence=confidence, by=by, merged_into=into)


def track(name, *labels, first=0) -> Track:
    """A lesion with one label per scan from `first` on; None where it vanished."""
    found = [seen(n, *(() if label is None else (label,))) for n, label in enumerate(labels, start=first)]
    return Track(lesion=name, appearances=tuple(found))


def course_input(scores, tracks, *, trial=TRIAL, edits=None, cycles=(), questions=(), accepted=None) -> CourseInput:
    keys = []
    for n, score in enumerate(scores):
        keys.append(
            ScanKey(
                study_instance_uid=score.study.study_instance_uid,
                record_id=score.record_id,
                on=date.fromisoformat(score.study.study_date),
                visit=f"VISIT {n + 1}",
                visit_number=n + 1,
                cycle=cycles[n] if n < len(cycles) else None,
                accepted=accepted,
            )
        )
    matching = Matching(tuple(tracks), tuple(questions))
    return CourseInput(Evaluator(), tuple(keys), tuple(scores), matching, trial, edits or CourseEdits())


def reading_of(scores, tracks, *, rules=RULES, **given) -> Reading:
    return read_course(course_input(scores, tracks, **given), rules)


def course_of(*readings, trial=TRIAL, rules=RULES) -> PatientCourse:
    return PatientCourse(dotaliver_version="0.1.0", trial=trial, readings=readings, config=rules).with_id()


def simple_reading(sizes=((30.0, 20.0), (24.0, 18.0), (20.0, 14.0)), **given) -> Reading:
    """Two liver targets through some scans, with what each measured."""
    scores = [scan(n, sized(1, a), sized(2, b)) for n, (a, b) in enumerate(sizes)]
    labels = [1] * len(sizes), [2] * len(sizes)
    return reading_of(scores, [track("L01", *labels[0]), track("L02", *labels[1])], **given)
