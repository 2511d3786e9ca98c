"""Two scans compared: states with their grounds, answers as edits, and the same answer from the command line's path."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.errors import ConfigError, CourseError
from dotaliver.longitudinal import pair_answers, pair_statements
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.pair_response import response_lines
from dotaliver.longitudinal.visit_pair import compare_visits
from fixtures.arrays import ball
from fixtures.courses import CENTRE, DAYS, GRID, RULES, loaded

# Two that stay, one that goes, one that comes, and one that comes near a known one (x, radius in mm).
BEFORE, NOW = ((90, 14), (150, 12), (65, 9)), ((150, 9), (92, 12), (180, 9))


@pytest.fixture(scope="module")
def pair():
    """L01 and L02 on both scans, L03 on the earlier, L04 on the later one alone."""
    return compare_visits((loaded(1, NOW), loaded(0, BEFORE)), CourseEdits(), RULES, lambda _: None)


def rows(pair):
    return {row.name: row for row in pair.rows}


def answered(pair, *answers):
    """The pair after some answers: lesion, answer and, with 'same', which lesion it is."""
    for lesion, answer, *partner in answers:
        pair = pair.with_edits(pair_answers.answered(pair.reading, lesion, answer, *partner))
    return pair


def labels(pair, lesion):
    track = next(n.track for n in pair.reading.lesions if n.lesion == lesion)
    return {a.scan: a.labels for a in track.appearances}


def test_each_lesion_has_a_state_and_its_grounds(pair):
    found = rows(pair)
    assert [(name, row.state, row.answer) for name, row in found.items()] == [
        ("L01", "same", None), ("L02", "same", None), ("L03", "gone", None), ("L04", "new", None),
    ]  # fmt: skip
    assert [row.is_open for row in found.values()] == [False, False, True, True]
    assert found["L01"].why.startswith("Overlap 100 %, centres 2 mm apart;")  # 90 to 92 mm, the smaller one inside
    assert "not found on the later scan" in found["L03"].why.lower()
    assert (
        found["L04"].why
        == "Not outlined on the earlier scan; the nearest is L02: no overlap, centres 30 mm apart; 18 mm on CT."
    )
    assert found["L01"].sizes_mm == (28.0, 24.0)
    assert found["L01"].change == pytest.approx(-4 / 28)


def test_the_arithmetic_of_the_response_is_written_out(pair):
    """Figures by hand: 28 + 24 = 52 mm, 24 + 18 = 42 mm, (42 - 52) / 52 = -19.2 %."""
    lines = dict(response_lines(pair.reading, RULES))
    assert lines["Sum before"] == "L01 28.0 + L02 24.0 = 52.0 mm"
    assert lines["Sum now"] == "L01 24.0 + L02 18.0 = 42.0 mm"
    assert lines["Change"] == "(42.0 − 52.0) / 52.0 = −19.2 % (−10.0 mm)"
    # Each lesion of these records has SUVpeak 10 and 4 ml: L01 and L02 are on both scans; three lesions on each.
    assert lines["SUVpeak, mean of 2 on both"] == "10.0 → 10.0 (0 %)"
    assert lines["Tumour volume"] == "12.0 → 12.0 ml (0 %)"
    gone = dict(response_lines(answered(pair, ("L02", "gone")).reading, RULES))
    assert gone["Sum now"] == "L01 24.0 + L02 0 (absent) = 24.0 mm"
    unsure = dict(response_lines(answered(pair, ("L02", "unsure")).reading, RULES))
    assert unsure["Sum now"] == "L01 24.0 + L02 not measured"
    assert "Change" not in unsure


def test_an_answer_changes_the_response_at_once(pair):
    # L01 and L02 are the targets: 28 + 24 mm before, 24 + 18 mm now; -19 % is stable, but L04 of 18 mm on CT is new.
    point = pair.reading.time_points[-1]
    assert (point.targets.baseline_mm, point.targets.sum_mm, point.overall.response) == (52.0, 42.0, "PD")
    assert answered(pair, ("L04", "unsure")).reading.time_points[-1].overall.response == "SD"
    assert (
        answered(pair, ("L02", "gone"), ("L04", "unsure"), ("N01", "unsure")).reading.time_points[-1].overall.response
        == "PR"
    )
    assert answered(pair, ("L02", "unsure"), ("L04", "unsure")).reading.time_points[-1].overall.response == "NE"
    assert answered(pair, ("L04", "new")).reading.time_points[-1].overall.response == "PD"


@pytest.mark.parametrize("answer", ["same", "gone", "unsure", "new"])
def test_an_answer_is_known_again_and_can_be_taken_back(pair, answer):
    said = answered(pair, ("L01", answer))
    if answer == "new":
        # The outline of the later scan is a lesion of its own, and the earlier one is to be asked about again.
        assert (labels(said, "N02"), rows(said)["N02"].answer) == ({1: (2,)}, "new")
        assert (rows(said)["L01"].state, rows(said)["L01"].answer) == ("unsure", None)
        assert rows(said)["L01"].why.startswith("Its place lies inside N02 on the later scan")
        undone = said.with_edits(pair_answers.taken_back(said.reading, "N02"))
        assert (labels(undone, "N02"), rows(undone)["N02"].answer) == ({1: (2,)}, None)
        undone = undone.with_edits(pair_answers.taken_back(undone.reading, "N02"))
    else:
        assert rows(said)["L01"].answer == answer
        undone = said.with_edits(pair_answers.taken_back(said.reading, "L01"))
        if answer == "gone":
            assert labels(said, "N02") == {1: (2,)}
            undone = undone.with_edits(pair_answers.taken_back(undone.reading, "N02"))
    assert undone.edits == CourseEdits()
    assert undone.reading == pair.reading


def test_a_lesion_of_each_scan_can_be_called_one(pair):
    joined = answered(pair, ("L04", "same", "L03"))
    assert labels(joined, "L03") == {0: (3,), 1: (3,)}
    assert "L04" not in rows(joined)
    assert answered(pair, ("L03", "same", "L04")).edits == joined.edits
    split = answered(pair, ("L02", "same", "L04"))
    assert labels(split, "L02") == {0: (2,), 1: (1, 3)}


def test_what_is_said_of_a_later_lesion_stays_with_its_outline():
    # L04 and L05 are new, the larger first. Once L04 is a known one, the other would be called L04 without its label.
    pair = compare_visits(
        (loaded(0, ((90, 14), (65, 9))), loaded(1, ((90, 12), (130, 11), (165, 8)))),
        CourseEdits(),
        RULES,
        lambda _: None,
    )
    assert labels(pair, "L04") == {1: (3,)}
    said = answered(pair, ("L04", "new"), ("L03", "same", "L02"))
    assert labels(said, "L04") == {1: (3,)}
    assert rows(said)["L04"].answer == "new"
    sized_one = pair.with_edits(pair_statements.with_size(pair.reading, "L04", 1, 17.0))
    assert labels(answered(sized_one, ("L03", "same", "L02")), "L04") == {1: (3,)}


def test_a_lesion_that_is_gone_is_not_matched_with_something_else():
    # The later scan shows one lesion, nearer to L01 than to L02; where that is L02's, L01 must not take L02's place.
    pair = compare_visits(
        (loaded(0, ((90, 12), (106, 4))), loaded(1, ((98, 8),))), CourseEdits(), RULES, lambda _: None
    )
    said = answered(pair, ("L01", "gone"))
    assert 1 not in {scan for scan, found in labels(said, "L01").items() if found}


@pytest.mark.parametrize(
    ("lesion", "answer", "partner", "says"),
    [
        ("L03", "same", None, "choose with it the lesion of the later scan"),
        ("L04", "same", None, "choose with it the lesion of the earlier scan"),
        ("L03", "new", None, "cannot be new"),
        ("L04", "gone", None, "is on the later scan, so it is not gone"),
        ("L01", "same", "L02", "both of the earlier scan"),
        ("L77", "same", None, "there is no lesion L77"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(pair, lesion, answer, partner, says):
    with pytest.raises(ConfigError, match=says):
        pair_answers.answered(pair.reading, lesion, answer, partner)


def test_sizes_states_and_roles_are_edits_too(pair):
    reading = pair.with_edits(pair_statements.with_size(pair.reading, "L01", 1, 14.0)).reading
    assert reading.time_points[-1].targets.sum_mm == 32.0
    gone = pair.with_edits(pair_statements.with_state(pair.reading, "L03", "too_small"))
    assert rows(gone)["L03"].size_words == ("18.0", "≤ 5")
    there = pair.with_edits(pair_statements.with_rejected(pair.reading, "L04"))
    assert (rows(there)["L04"].answer, rows(there)["L04"].lesion.role) == ("same", "non_target")
    node = pair.with_edits(pair_statements.with_node(pair.reading, "L02", True))
    assert rows(node)["L02"].lesion.node
    placed = pair.with_edits(pair_statements.with_organ(pair.reading, "L04", "lung"))
    assert rows(placed)["L04"].lesion.organ == "LUNG"
    chosen = pair.with_edits(pair_statements.with_target(pair.reading, "L02", False))
    assert [n.lesion for n in chosen.reading.role("target")] == ["L01"]
    with pytest.raises(ConfigError, match="not plausible"):
        pair_statements.with_size(pair.reading, "L01", 1, -3.0)


ACTS = st.sampled_from(["same", "new", "gone", "unsure", "back", "joined", "small", "size"])


@settings(max_examples=10, deadline=None)
@given(acts=st.lists(st.tuples(st.integers(0, 9), ACTS), max_size=6))
def test_whatever_is_answered_the_written_edits_give_the_same_course(pair, acts):
    """The file that a reader saves and ``recist --edits`` reads gives what the reader saw."""
    now = pair
    for number, act in acts:
        names = [row.name for row in now.rows]
        lesion, other = names[number % len(names)], names[(number + 1) % len(names)]
        try:
            if act == "back":
                edits = pair_answers.taken_back(now.reading, lesion)
            elif act == "joined":
                edits = pair_answers.answered(now.reading, lesion, "same", other)
            elif act == "small":
                edits = pair_statements.with_state(now.reading, lesion, "too_small")
            elif act == "size":
                edits = pair_statements.with_size(now.reading, lesion, 1, 13.0)
            else:
                edits = pair_answers.answered(now.reading, lesion, act)
            now = now.with_edits(edits)
        except ConfigError:
            continue
        # No outline is lost, and none is two lesions.
        for scan_number, there in enumerate((BEFORE, NOW)):
            found = [
                x for row in now.rows for a in row.lesion.track.appearances if a.scan == scan_number for x in a.labels
            ]
            assert sorted(found) == list(range(1, len(there) + 1))
    again = CourseEdits.model_validate_json(now.edits.to_json())
    (reading,) = assemble(
        now.given, None, (again,) if again != CourseEdits() else (), RULES, lambda _: None
    ).course.readings
    assert reading.time_points == now.reading.time_points
    assert reading.lesions == now.reading.lesions
    assert reading.questions == now.reading.questions


def test_places_go_there_and_back(pair):
    places = np.array([[100.0, 110.0, 75.0], [150.0, 130.0, 90.0]])
    np.testing.assert_allclose(pair.to_earlier(pair.to_later(places)), places, atol=0.05)


def test_scans_of_two_patients_or_of_one_day_are_refused():
    with pytest.raises(CourseError, match="2 patients"):
        compare_visits((loaded(0, BEFORE), loaded(1, NOW, patient="P2")), CourseEdits(), RULES, lambda _: None)
    with pytest.raises(CourseError, match="same study"):
        compare_visits((loaded(0, BEFORE), loaded(0, BEFORE)), CourseEdits(), RULES, lambda _: None)


def test_livers_that_do_not_fit_are_not_linked_and_nothing_is_certain():
    # Two balls far apart are no bent form of one ball.
    half, other = ball(GRID, (60, 120, 80), 25.0) | ball(GRID, (190, 120, 80), 25.0), ball(GRID, CENTRE, 40.0)
    pair = compare_visits(
        (loaded(0, BEFORE, liver=half), loaded(1, NOW, liver=other)), CourseEdits(), RULES, lambda _: None
    )
    assert pair.liver_overlap < RULES.least_liver_dice
    assert "the views are not linked" in pair.why_not_linked
    assert all(row.state != "same" for row in pair.rows)


def test_a_new_lesion_that_a_reader_cannot_decide_is_possibly_new(pair):
    said = answered(pair, ("L04", "unsure"))
    point = said.reading.time_points[-1]
    assert (point.new_lesion, point.new_lesions) == ("equivocal", ("L04",))
    assert said.edits.of("L04").on[0].scan == said.reading.scans[1].study_instance_uid
    assert said.reading.scans[1].on == DAYS[1]
