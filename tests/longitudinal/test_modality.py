"""Diameters on another modality than before: asked about, and compared only on the reader's word."""

from __future__ import annotations

import pytest

from dotaliver.errors import ConfigError
from dotaliver.export.sdtm.rows import sdtm_datasets
from dotaliver.longitudinal.edits import CourseEdits, LesionCourseEdit, LesionOnScan
from dotaliver.records.edits import Reader
from dotaliver.records.measurements import Diameter
from fixtures.courses import DAYS, TRIAL, course_of, overall, reading_of, scan, seen, sized, track

READER = Reader(name="A. Reader")
Track = type(track("L01", 1))


def measured(label: int, mm: float, modality: str, **changes):
    """A lesion measured by the reader on one modality."""
    source = "pet" if modality == "PT" else "reader"
    diameter = Diameter(
        longest_mm=mm, short_mm=0.8 * mm, source=source, modality=modality, long_axis_lps_mm=((0, 0, 0), (mm, 0, 0))
    )
    return sized(label, mm, source=source, **changes).model_copy(update={"diameter": diameter})


def course(*modalities: str, sizes=(30.0, 18.0, 17.0), edits=None):
    scores = [scan(n, measured(1, mm, m)) for n, (mm, m) in enumerate(zip(sizes, modalities, strict=False))]
    return reading_of(scores, [track("L01", *[1] * len(scores))], edits=edits)


@pytest.mark.parametrize("order", [("CT", "MR"), ("MR", "CT")])
def test_a_change_of_modality_gives_no_response_and_a_question(order):
    reading = course(*order)
    assert overall(reading) == [None, "NE"]
    (size,) = reading.time_points[1].sizes
    assert (size.status, size.size_mm) == ("not_measured", None)
    assert size.reason == f"it is measured on {order[1]} and was measured on {order[0]}"
    (question,) = [q for q in reading.questions if q.kind == "modality"]
    assert (question.lesions, question.scan) == (("L01",), 1)
    assert f"on {order[1]} on scan 2 and on {order[0]} at baseline" in question.sentence
    assert reading.progression_before_entry.verdict != "met"


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_one_modality_throughout_is_compared_without_a_question(modality):
    reading = course(modality, modality)
    # 30 to 18 mm: 40 % smaller
    assert overall(reading) == [None, "PR"]
    assert not [q for q in reading.questions if q.kind == "modality"]


@pytest.mark.parametrize("named", [DAYS[1].isoformat(), "1.2.3.2"])
def test_the_readers_word_lets_a_scan_count(named):
    reading = course("CT", "MR", edits=CourseEdits(reader=READER, comparable=(named,)))
    assert overall(reading) == [None, "PR"]
    assert not [q for q in reading.questions if q.kind == "modality"]
    assert not [w for w in reading.warnings if "no effect" in w]


def test_the_word_counts_for_the_scan_that_it_names_alone():
    reading = course("CT", "MR", "MR", edits=CourseEdits(reader=READER, comparable=(DAYS[1].isoformat(),)))
    assert overall(reading)[1:] == ["PR", "NE"]
    (question,) = [q for q in reading.questions if q.kind == "modality"]
    assert question.scan == 2


def test_a_size_that_the_reader_states_for_the_course_counts():
    said = LesionCourseEdit(lesion="L01", on=(LesionOnScan(scan=DAYS[1].isoformat(), size_mm=18.0),))
    reading = course("CT", "MR", edits=CourseEdits(reader=READER, lesions=(said,)))
    assert overall(reading) == [None, "PR"]


def test_a_needless_word_is_listed_and_an_unknown_scan_refused():
    reading = course("CT", "CT", edits=CourseEdits(reader=READER, comparable=(DAYS[1].isoformat(),)))
    assert any("'comparable'" in w and "no effect" in w for w in reading.warnings)
    with pytest.raises(ConfigError, match="names no scan"):
        course("CT", "MR", edits=CourseEdits(reader=READER, comparable=("2031-01-01",)))


def test_a_lesion_that_only_the_other_modality_shows_is_not_unequivocally_new():
    def reading(modality, **given):
        later = [measured(1, 30.0, modality), measured(2, 15.0, modality)]
        scores = [scan(0, measured(1, 30.0, "CT")), scan(1, *later)]
        tracks = [track("L01", 1, 1), Track(lesion="L02", appearances=(seen(1, 2),))]
        return reading_of(scores, tracks, **given)

    assert reading("CT").time_points[1].new_lesion == "unequivocal"
    assert reading("MR").time_points[1].new_lesion == "equivocal"
    accepted = CourseEdits(reader=READER, comparable=(DAYS[1].isoformat(),))
    assert reading("MR", edits=accepted).time_points[1].new_lesion == "unequivocal"


def test_sdtm_names_mri_as_the_method_of_what_was_measured_on_it():
    reading = course("CT", "MR", edits=CourseEdits(reader=READER, comparable=(DAYS[1].isoformat(),)))
    found = {dataset.domain: dataset for dataset in sdtm_datasets(course_of(reading, trial=TRIAL))}
    rows = [row for row in found["TR"].rows if row["TRTESTCD"] == "LDIAM"]
    methods = {row["VISITNUM"]: row["TRMETHOD"] for row in rows}
    assert methods == {1: "CT SCAN", 2: "MRI"}
