"""Random courses, read by the package and by the rules worked out a second time."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotaliver.export.sdtm.check import check_sdtm
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.longitudinal.course import read_course
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.records import Appearance, Track, TrialKeys
from fixtures.courses import RULES, course_input, course_of, scan, sized
from fixtures.recist_oracle import Course, Lesion, Sight, Statement, expect

START = date(2024, 1, 1)
ORGANS = ("LIVER", "LIVER", "LUNG", "BONE")
MARKS = (
    *[()] * 8,
    ("treated",),
    ("treated", "progressed_since_treatment"),
    ("blastic_bone",),
    ("simple_cyst",),
    ("not_a_lesion",),
    ("cystic_metastasis",),
)
GAPS = (14, 20, 27, 28, 29, 56)


def half_mm(random, low, high):
    """Half millimetres, so that sums and thresholds are exact."""
    return Fraction(random.randint(2 * low, 2 * high), 2)


def sights(random, others, first, scans, baseline):
    """A lesion from scan to scan: a size that drifts, sometimes lost, merged, unsure or stated by the reader."""
    found, size = {}, half_mm(random, 8, 40)
    shrinks = random.random() < 0.4
    for number in range(first, scans):
        size = max(Fraction(1), size + random.choice((-15, -12, -8, -3, 0) if shrinks else (0, 0, -8, -3, 2, 6, 12)))
        kind = random.choice(("measured",) * 9 + ("pet_only", "vanished", "merged", "split"))
        if number == first and kind in {"vanished", "merged"}:
            kind = "measured"
        sure = number == 0 or random.random() < 0.93
        long_mm, short_mm, into = (size,), (size * Fraction(3, 4),), None
        if kind == "split":
            kind, long_mm, short_mm = "measured", (size / 2, size / 4), (size / 4, size / 8)
        if kind == "merged":
            into = random.choice(others) if others else None
            kind = kind if into else "vanished"
        if kind in {"vanished", "merged"}:
            long_mm = short_mm = ()
        stated = statement(random, others, number, baseline, gone=shrinks and size < 4)
        found[number] = Sight(kind, long_mm, short_mm, into, sure, stated)
    return found


def statement(random, others, number, baseline, *, gone):
    """The reader states little, mostly what is gone."""
    if gone and random.random() < 0.8:
        return Statement("absent")
    if random.random() < 0.85:
        return None
    words = ["absent", "present", "too_small", "not_evaluated", "unequivocal_progression", "size", "size"]
    word = random.choice([*words, "merged"] if others and number != baseline else words)
    small = half_mm(random, 1, 5) if word == "too_small" and random.random() < 0.5 else None
    return Statement(
        word, half_mm(random, 1, 45) if word == "size" else small, random.choice(others) if word == "merged" else None
    )


def random_course(seed: int) -> Course:
    """Two to five scans of up to five lesions."""
    random = Random(seed)
    scans = random.randint(2, 5)
    days = list(accumulate(random.choices(GAPS, k=scans - 1), initial=0))
    baseline = random.choice((0, 0, 0, 1)) if scans > 2 else 0
    names = [f"L{n:02d}" for n in range(1, random.randint(1, 5) + 1)]
    lesions = []
    for name in names:
        node = random.random() < 0.2
        others = [other for other in names if other != name]
        first = min(random.choice((0, 0, 0, 0, 0, 1, 2)), scans - 1)
        found = sights(random, others, first, scans, baseline)
        new = random.choice((None, None, None, "confirmed", "rejected"))
        organ = "LYMPH NODE" if node else random.choice(ORGANS)
        lesions.append(Lesion(name, organ, node, found, frozenset(random.choice(MARKS)), new))
    return _consistent(Course(tuple(days), baseline, tuple(lesions)))


def _consistent(course: Course) -> Course:
    """Take back what the package rightly refuses, which other tests hold."""
    lesions = list(course.lesions)
    for _ in range(3):
        roles = expect(Course(course.days, course.baseline, tuple(lesions))).roles
        by_name = {lesion.name: lesion for lesion in lesions}
        lesions = [_agreeing(course, lesion, roles, by_name) for lesion in lesions]
    return Course(course.days, course.baseline, tuple(lesions))


def _agreeing(course, lesion, roles, by_name):
    sights = dict(lesion.sights)
    for number, sight in sights.items():
        stated = sight.stated
        progressed = stated is not None and stated.word == "unequivocal_progression"
        if progressed and (number <= course.baseline or roles.get(lesion.name) != "non_target"):
            sights[number] = Sight(sight.kind, sight.long_mm, sight.short_mm, sight.into, sight.sure)
        if stated is not None and stated.word == "merged":
            carrier = by_name[stated.into]
            other = carrier.sights.get(number)
            there = other is not None and (
                other.stated.word not in {"absent", "not_evaluated", "merged"}
                if other.stated
                else other.kind in {"measured", "pet_only"}
            )
            if not there or stated.into not in roles:
                sights[number] = Sight(sight.kind, sight.long_mm, sight.short_mm, sight.into, sight.sure)
    new = lesion.new
    start = sights.get(course.baseline)
    there = start is not None and (start.stated.word != "absent" if start.stated else start.kind != "vanished")
    later = [n for n, s in sights.items() if n > course.baseline and _is_seen(s)]
    if (new == "confirmed" and (there or not later)) or (
        new == "rejected" and start is not None and start.stated is not None and start.stated.word == "absent"
    ):
        new = None
    return Lesion(lesion.name, lesion.organ, lesion.node, sights, lesion.marks, new)


def _is_seen(sight):
    if sight.stated is not None:
        return sight.stated.word not in {"absent", "not_evaluated", "merged"}
    return sight.kind in {"measured", "pet_only"}


# --- the same course as the package takes it -------------------------------------------------------------------------


def package_input(course: Course):
    days = [START + timedelta(days=day) for day in course.days]
    measured: list[list] = [[] for _ in days]
    tracks = []
    for index, lesion in enumerate(course.lesions):
        appearances = []
        for number, sight in sorted(lesion.sights.items()):
            labels = tuple(10 * index + part for part in range(1, len(sight.long_mm) + 1))
            marks = tuple(lesion.marks) + (("node",) if lesion.node else ())
            for label, long_mm, short_mm in zip(labels, sight.long_mm, sight.short_mm, strict=True):
                measured[number].append(
                    sized(
                        label,
                        float(long_mm),
                        short=float(short_mm),
                        source="pet" if sight.kind == "pet_only" else "ct",
                        in_liver=lesion.organ == "LIVER",
                        marks=marks,
                    )
                )
            state = sight.kind if sight.kind in {"vanished", "merged"} else "split" if len(labels) > 1 else "seen"
            appearances.append(
                Appearance(
                    scan=number,
                    state=state,
                    labels=labels,
                    merged_into=sight.into,
                    confidence=1.0 if sight.sure else 0.5,
                )
            )
        tracks.append(Track(lesion=lesion.name, appearances=tuple(appearances)))
    edits = tuple(_edit(lesion, days) for lesion in course.lesions)
    scores = [scan(n, *found, day=day) for n, (found, day) in enumerate(zip(measured, days, strict=True))]
    first_treatment = days[course.baseline] + timedelta(days=1)
    trial = TrialKeys(study_id="S", site_id="1", subject_id="2", entry=days[-1], first_treatment=first_treatment)
    return course_input(scores, tracks, trial=trial, edits=CourseEdits(lesions=edits))


def _edit(lesion: Lesion, days) -> LesionCourseEdit:
    on = []
    for number, sight in lesion.sights.items():
        stated = sight.stated
        if stated is None:
            continue
        size = None if stated.mm is None else float(stated.mm)
        state = None if stated.word == "size" else stated.word
        on.append(LesionOnScan(scan=days[number].isoformat(), state=state, size_mm=size, merged_into=stated.into))
    return LesionCourseEdit(lesion=lesion.name, on=tuple(on), organ=lesion.organ, new=lesion.new)


COURSES = given(st.integers(0, 2**48).map(random_course))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@COURSES
def test_every_answer_of_a_course_follows_from_the_rules(course):
    assert_read_by_the_rules(course)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@COURSES
def test_every_answer_of_many_courses_follows_from_the_rules(course):
    assert_read_by_the_rules(course)


def assert_read_by_the_rules(course):
    expected = expect(course)
    given_course = package_input(course)
    reading = read_course(given_course, RULES)
    assert {n.lesion: n.role for n in reading.lesions} == expected.roles
    later = [p for p in reading.time_points if p.overall is not None]
    for point, wanted in zip(later, expected.points, strict=True):
        assert point.targets.response == wanted.target
        assert point.non_targets.response == wanted.non_target
        assert point.new_lesion == wanted.new
        assert point.overall.response == wanted.overall
        if wanted.target is not None:
            total = point.targets.sum_mm
            assert (total is None) == (wanted.sum_mm is None)
            assert total is None or abs(total - float(wanted.sum_mm)) < 1e-6
    assert reading.best.response == expected.best
    assert reading.best_confirmed.response == expected.best_confirmed
    assert check_sdtm(sdtm_datasets(course_of(reading, trial=given_course.trial))) == ()
