from datetime import date
from pathlib import Path

import numpy as np
import pytest

from dotaliver.errors import ConfigError, CourseError
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan
from dotaliver.longitudinal.manifest import ManifestRow
from dotaliver.longitudinal.scans import LoadedScan
from dotaliver.records.edits import Reader
from fixtures.arrays import ball, grid
from fixtures.courses import DAYS, RULES, scan, sized

GRID = grid((40, 60, 60), (4.0, 4.0, 4.0))
CENTRE = (120.0, 120.0, 80.0)
LIVER = ball(GRID, CENTRE, 70.0)


def loaded(number, *balls, sizes=None, uid=None, patient="P1", day=None, folder=None, record=None):
    """A scan with lesions as balls (x, radius) in a ball of a liver, all measured on CT."""
    labels = np.zeros(GRID.shape, dtype=np.uint16)
    lesions = []
    for label, (x, radius) in enumerate(balls, start=1):
        labels[ball(GRID, (x, 120.0, 80.0), radius)] = label
        lesions.append(sized(label, sizes[label - 1] if sizes else 2 * radius))
    score = scan(number, *lesions, uid=uid, day=day)
    if record is not None:
        score = score.model_copy(update={"record_id": record})
    liver = LabelMap(LIVER.astype(np.uint8), GRID)
    name = Path(folder or f"scan-{number}")
    on = date.fromisoformat(score.study.study_date)
    return LoadedScan(name, score, on, liver, LabelMap(labels, GRID), None, patient)


def made(*scans, manifest=None, edits=()):
    return assemble(scans, manifest, edits, RULES, lambda _: None)


def row(number, **more):
    values = {
        "study_id": "NCT1", "site_id": "01", "subject_id": "003", "study_instance_uid": f"1.2.3.{number + 1}",
        "visit": f"V{number + 1}", "visit_number": number + 1, "entry_date": date(2024, 1, 20),
    }  # fmt: skip
    return ManifestRow(**(values | more))


def test_scans_are_put_in_order_and_their_lesions_followed():
    first, second = loaded(0, (90, 14), (150, 12)), loaded(1, (150, 11), (90, 10))
    for scans in ((first, second), (second, first)):
        (reading,) = made(*scans).course.readings
        assert [key.on for key in reading.scans] == list(DAYS[:2])
        assert [(t.lesion, [a.labels for a in t.track.appearances]) for t in reading.lesions] == [
            ("L01", [(1,), (2,)]),
            ("L02", [(2,), (1,)]),
        ]
        assert reading.time_points[1].targets.sum_mm == 42.0


def test_two_patients_are_refused_and_an_unknown_one_is_told():
    with pytest.raises(CourseError, match="2 patients"):
        made(loaded(0, (90, 14)), loaded(1, (90, 14), patient="P2"))
    (reading,) = made(loaded(0, (90, 14)), loaded(1, (90, 14), patient=None)).course.readings
    assert any("Patient ID" in warning for warning in reading.warnings)


def test_the_same_study_twice_is_refused():
    with pytest.raises(CourseError, match="given twice"):
        made(loaded(0, (90, 14)), loaded(0, (90, 14)), loaded(1, (90, 14)))


def test_one_scan_is_no_course_and_none_is_none():
    with pytest.raises(CourseError, match="only one scan"):
        made(loaded(0, (90, 14)))
    with pytest.raises(CourseError, match="no score"):
        made()


def test_two_scans_of_one_day_need_visit_numbers():
    scans = loaded(0, (90, 14)), loaded(1, (90, 14), day=DAYS[0])
    with pytest.raises(CourseError, match="which came first"):
        made(*scans)
    (reading,) = made(*scans, manifest=(row(0), row(1))).course.readings
    assert [key.visit for key in reading.scans] == ["V1", "V2"]


def test_visits_that_run_against_the_dates_are_refused():
    scans = loaded(0, (90, 14)), loaded(1, (90, 14))
    with pytest.raises(CourseError, match="correct the visit numbers"):
        made(*scans, manifest=(row(0, visit_number=5), row(1, visit_number=2)))


def test_several_evaluators_of_one_scan_stay_apart():
    one = [loaded(n, (90, 14), sizes=[30.0 - 5 * n], folder=f"one-{n}") for n in (0, 1)]
    two = [loaded(n, (90, 14), sizes=[30.0 - 12 * n], folder=f"two-{n}", record=f"{n:032x}{'f' * 32}") for n in (0, 1)]
    rows = [
        row(
            n,
            evaluator="independent assessor",
            evaluator_id=who,
            record=f"{folder}-{n}",
            accepted=who == "RADIOLOGIST 2",
        )
        for n in (0, 1)
        for who, folder in (("RADIOLOGIST 1", "one"), ("RADIOLOGIST 2", "two"))
    ]
    first, second = made(*one, *two, manifest=rows).course.readings
    assert (first.evaluator.identifier, second.evaluator.identifier) == ("RADIOLOGIST 1", "RADIOLOGIST 2")
    assert (first.time_points[1].overall.response, second.time_points[1].overall.response) == ("SD", "PR")
    assert [key.accepted for key in second.scans] == [True, True]
    assert [key.accepted for key in first.scans] == [False, False]


def test_readings_that_the_manifest_does_not_tell_apart_are_refused():
    scans = loaded(0, (90, 14)), loaded(0, (90, 13), folder="again"), loaded(1, (90, 14))
    with pytest.raises(CourseError, match="column 'record'"):
        made(*scans, manifest=(row(0), row(1)))
    with pytest.raises(CourseError, match="no row of the manifest takes this score"):
        made(*scans, manifest=(row(0, record="again"), row(1)))
    with pytest.raises(CourseError, match="names the record nowhere"):
        made(scans[0], scans[2], manifest=(row(0, record="nowhere"), row(1)))


def test_the_readers_identities_are_taken_from_the_edits():
    crossed = CourseEdits(
        lesions=(
            LesionCourseEdit(lesion="L01", on=(LesionOnScan(scan=DAYS[1].isoformat(), labels=(2,)),)),
            LesionCourseEdit(lesion="L02", on=(LesionOnScan(scan="1.2.3.2", labels=(1,)),)),
        )
    )
    scans = loaded(0, (90, 14), (150, 12)), loaded(1, (90, 14), (150, 12))
    (reading,) = made(*scans, edits=(crossed,)).course.readings
    assert [t.track.appearances[1].labels for t in reading.lesions] == [(2,), (1,)]
    with pytest.raises(ConfigError, match="2 files of edits"):
        made(*scans, edits=(crossed, crossed))


def test_edits_of_somebody_who_read_nothing_are_refused():
    scans = loaded(0, (90, 14)), loaded(1, (90, 14))
    absent = LesionCourseEdit(lesion="L01", on=(LesionOnScan(scan=DAYS[1].isoformat(), state="absent"),))
    stranger = CourseEdits(evaluator_id="RADIOLOGIST 9", lesions=(absent,))
    with pytest.raises(ConfigError, match="RADIOLOGIST 9"):
        made(*scans, edits=(stranger,))
    rows = [row(n, evaluator_id=who) for n in (0, 1) for who in ("RADIOLOGIST 1", "RADIOLOGIST 2")]
    with pytest.raises(ConfigError, match="evaluator_id"):
        made(*scans, manifest=rows, edits=(CourseEdits(lesions=(absent,)),))
    own = CourseEdits(evaluator_id="RADIOLOGIST 2", lesions=(absent,))
    words = [r.time_points[1].overall.response for r in made(*scans, manifest=rows, edits=(own,)).course.readings]
    assert words == ["SD", "CR"]


def test_edits_without_a_reader_are_pointed_out():
    scans = loaded(0, (90, 14)), loaded(1, (90, 14))
    said = CourseEdits(targets=("L01",))
    (reading,) = made(*scans, edits=(said,)).course.readings
    assert any("do not name their reader" in warning for warning in reading.warnings)
    signed = said.model_copy(update={"reader": Reader(name="A. Reader")})
    (reading,) = made(*scans, edits=(signed,)).course.readings
    assert not any("name their reader" in warning for warning in reading.warnings)


def test_a_liver_that_moved_and_turned_still_tells_its_lesions():
    first = loaded(0, (90, 14), (150, 12))
    second = loaded(1, (90, 13), (150, 11))
    moved = {name: LabelMap(m.array, m.geometry.moved((37.0, -22.0, 140.0))) for name, m in
             (("liver", second.liver), ("lesions", second.lesions))}  # fmt: skip
    away = LoadedScan(second.folder, second.score, second.on, moved["liver"], moved["lesions"], None, "P1")
    (reading,) = made(first, away).course.readings
    assert [t.track.appearances[1].state for t in reading.lesions] == ["seen", "seen"]
    assert all(t.track.appearances[1].confidence > RULES.sure for t in reading.lesions)
