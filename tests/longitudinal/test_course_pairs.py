"""Two scans of a longer course compared: the response against baseline and nadir, and answers on one scan."""

import itertools

import numpy as np
import pytest

from dotaliver.errors import ConfigError, CourseError
from dotaliver.longitudinal import pair_answers, pair_statements
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.course_table import course_table
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.pair_response import response_lines
from dotaliver.longitudinal.visit_pair import compare_visits
from fixtures.courses import RULES, loaded

# Two that shrink and grow again, one that goes, one that comes at the end (x, radius in mm).
BASELINE, NADIR, NOW = ((90, 14), (150, 12), (65, 9)), ((90, 9), (150, 8)), ((90, 12), (150, 11), (180, 9))


@pytest.fixture(scope="module")
def course():
    scans = (loaded(2, NOW), loaded(0, BASELINE), loaded(1, NADIR))
    return compare_visits(scans, CourseEdits(), RULES, lambda _: None)


def rows(pair):
    return {row.name: row for row in pair.rows}


def answered(pair, *answers):
    for lesion, answer in answers:
        pair = pair.with_edits(pair_answers.answered(pair.compared, lesion, answer))
    return pair


def on(pair, lesion):
    """What is stated of a lesion, by scan."""
    days = [key.study_instance_uid for key in pair.reading.scans]
    return {days.index(each.scan): each for each in pair.edits.of(lesion).on}


def test_the_first_and_the_last_are_shown_and_others_are_chosen(course):
    assert course.shown == (0, 2)
    assert [scan.folder.name for scan in course.given] == ["scan-0", "scan-1", "scan-2"]
    assert [scan.folder.name for scan in course.showing(1, 2).scans] == ["scan-1", "scan-2"]
    for earlier, later in ((1, 1), (2, 1), (0, 3), (-1, 2)):
        with pytest.raises(CourseError, match="earlier one first"):
            course.showing(earlier, later)


def test_the_response_is_against_baseline_and_nadir(course):
    """By hand: 28 + 24 = 52, 18 + 16 = 34, 24 + 22 = 46 mm; (46 - 52) / 52 = -11.5 %, (46 - 34) / 34 = +35.3 %."""
    lines = dict(response_lines(course.compared, RULES))
    assert lines["Sum at baseline"] == "L01 28.0 + L02 24.0 = 52.0 mm"
    assert lines["Sum now"] == "L01 24.0 + L02 22.0 = 46.0 mm"
    assert lines["Since baseline"] == "(46.0 − 52.0) / 52.0 = −11.5 % (−6.0 mm)"
    assert lines["Since nadir"] == "(46.0 − 34.0) / 34.0 = +35.3 % (+12.0 mm)"
    # Whichever scan stands on the left, the sum is compared with baseline and nadir.
    assert dict(response_lines(course.showing(1, 2).compared, RULES))["Since baseline"] == lines["Since baseline"]
    at_nadir = dict(response_lines(course.showing(0, 1).compared, RULES))
    assert at_nadir["Since baseline"] == "(34.0 − 52.0) / 52.0 = −34.6 % (−18.0 mm)"
    points = {point.scan: point for point in course.reading.time_points}
    assert (points[1].targets.response, points[2].targets.response) == ("PR", "PD")


def test_rows_are_those_of_the_scans_that_are_shown(course):
    assert {name: row.state for name, row in rows(course).items()} == {
        "L01": "same", "L02": "same", "L03": "gone", "L04": "new",
    }  # fmt: skip
    assert rows(course)["L01"].sizes_mm == (28.0, 24.0)
    early = rows(course.showing(0, 1))
    assert set(early) == {"L01", "L02", "L03"}
    assert early["L01"].sizes_mm == (28.0, 18.0)
    assert early["L01"].on(1).scan == 1
    late = rows(course.showing(1, 2))
    assert late["L02"].sizes_mm == (16.0, 22.0)
    assert (late["L03"].state, late["L03"].sizes_mm) == ("gone", (None, None))


def test_an_answer_is_about_the_later_of_the_scans_that_are_shown(course):
    first = answered(course.showing(0, 1), ("L03", "gone"))
    assert {scan: each.state for scan, each in on(first, "L03").items()} == {1: "absent"}
    assert rows(first)["L03"].answer == "gone"
    assert rows(first.showing(0, 2))["L03"].answer is None
    both = answered(first.showing(0, 2), ("L03", "gone"), ("L04", "new"))
    assert {scan: each.state for scan, each in on(both, "L03").items()} == {1: "absent", 2: "absent"}
    assert (both.edits.of("L04").new, {s: e.labels for s, e in on(both, "L04").items()}) == ("confirmed", {2: (3,)})
    with pytest.raises(ConfigError, match="L04"):
        pair_answers.answered(course.showing(0, 1).compared, "L04", "new")


@pytest.mark.parametrize("shown", list(itertools.combinations(range(3), 2)))
@pytest.mark.parametrize("answer", ["same", "gone", "unsure"])
def test_an_answer_is_known_again_and_taken_back(course, shown, answer):
    pair = course.showing(*shown)
    said = answered(pair, ("L01", answer))
    assert rows(said)["L01"].answer == answer
    undone = said.with_edits(pair_answers.taken_back(said.compared, "L01"))
    assert rows(undone)["L01"].answer is None
    assert undone.edits.of("L01") == CourseEdits().of("L01")


def test_a_lesion_that_was_new_before_stays_new_when_a_later_scan_is_answered():
    scans = (loaded(0, BASELINE), loaded(1, NOW), loaded(2, NOW))
    pair = answered(compare_visits(scans, CourseEdits(), RULES, lambda _: None).showing(0, 1), ("L04", "new"))
    after = answered(pair.showing(1, 2), ("L04", "same"))
    assert after.edits.of("L04").new == "confirmed"
    assert set(on(after, "L04")) == {1, 2}
    gone = pair.with_edits(pair_statements.with_size(pair.showing(1, 2).compared, "L04", 2, 11.0))
    assert {s: (e.labels, e.size_mm) for s, e in on(gone, "L04").items()} == {1: ((3,), None), 2: ((), 11.0)}


def test_other_scans_stay_comparable(course):
    edits = pair_statements.with_comparable(course.showing(0, 1).compared, True)
    pair = course.with_edits(edits)
    edits = pair_statements.with_comparable(pair.showing(0, 2).compared, True)
    assert len(edits.comparable) == 2
    assert pair_statements.with_comparable(pair.with_edits(edits).showing(0, 1).compared, False).comparable == (
        course.reading.scans[2].study_instance_uid,
    )


def test_the_course_from_the_edits_is_the_one_that_was_shown(course):
    pair = answered(course, ("L03", "gone"), ("L04", "new"))
    made = assemble(pair.given, None, (pair.edits,), RULES, lambda _: None).course.readings[0]
    assert made.time_points == pair.reading.time_points
    assert made.time_points[-1].overall.response == "PD"


def test_places_go_from_any_scan_to_any_other_and_back(course):
    places = np.array([[120.0, 110.0, 80.0], [90.0, 120.0, 90.0]])
    for shown in itertools.combinations(range(3), 2):
        pair = course.showing(*shown)
        np.testing.assert_allclose(pair.to_earlier(pair.to_later(places)), places, atol=1e-6)


def test_the_table_has_a_cell_for_each_scan(course):
    found = {row.heading: row.cells for row in course_table(course.reading, RULES).rows}
    assert found["L01 target"] == ("28.0", "18.0", "24.0")
    assert found["L02 target"] == ("24.0", "16.0", "22.0")
    assert found["L03"] == ("18.0", "not found", "not found")
    assert found["L04 new"] == ("", "", "18.0")
    assert found["Sum (mm)"] == ("52.0", "34.0", "46.0")
    assert found["Since baseline"] == ("", "−34.6 %", "−11.5 %")
    assert found["Since nadir"][2] == "+35.3 % (+12.0 mm)"
    assert found["New lesions"] == ("", "", "L04")
    assert found["Response"] == ("", "PR", "PD")
    gone = answered(course.showing(0, 1), ("L03", "gone"))
    assert {row.heading: row.cells for row in course_table(gone.reading, RULES).rows}["L03"][1] == "0"
