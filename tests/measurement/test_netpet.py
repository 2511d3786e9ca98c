"""Lesions on two tracers: uptake place by place, and the grade proposed from them."""

import numpy as np
import pytest

from dotaliver.config.netpet import NetpetConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.image.volume import Quantity
from dotaliver.measurement.netpet_grade import grade_of_lesion, propose_grade
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.netpet import NetpetLesion
from dotaliver.records.score import StudyScore, record_id_of
from fixtures.two_tracers import TwoTracers

READER = {"reader": {"name": "A. Reader", "role": "radiologist"}}
# Of the receptor scan: x of the centre, radius, uptake; normal liver 5.
LEFT, RIGHT = (96.0, 12.0, 20.0), (48.0, 12.0, 15.0)
LIVER_SPOT = (72.0, 72.0, 100.0)
CORNER = (126.0, 18.0, 126.0)


def scored(case, **edits):
    stated = ReaderEdits.model_validate(READER | edits) if edits else ReaderEdits()
    return score_labels(case.volumes(), case.segmentations(), stated, ScoringConfig())


def by_name(score):
    return {lesion.name: lesion for lesion in score.netpet.lesions}


def read_rest(**rest):
    return {"rest_of_body": {"lesions": True, "receptor_negative": None} | rest}


def test_each_lesion_is_measured_on_both_scans_where_each_shows_it():
    """Uptakes are those that the balls were made with; ratios are over 5 and over 2, the two normal livers."""
    case = TwoTracers((LEFT, RIGHT), [((96.0, 72.0, 72.0), 12.0, 12.0, "liver"), (LIVER_SPOT, 10.0, 9.0, "liver")])
    score = scored(case)
    lesions = by_name(score)
    both, receptor_only, fdg_only = lesions["1"], lesions["2"], lesions["F2"]
    assert both.sstr_suv_max == pytest.approx(20.0)
    assert both.fdg_suv_max == pytest.approx(12.0)
    assert both.fdg_ratio_to_liver == pytest.approx(6.0)
    assert both.sstr_ratio_to_liver == pytest.approx(4.0)
    assert (both.pattern, both.grade, both.fdg_foci) == ("SSTR+/FDG+", "P4", (1,))
    assert receptor_only.fdg_suv_max == pytest.approx(2.0)
    assert (receptor_only.pattern, receptor_only.grade) == ("SSTR+/FDG-", "P1")
    assert (fdg_only.pattern, fdg_only.grade, fdg_only.state) == ("SSTR-/FDG+", "P5", "unanswered")
    assert fdg_only.sstr_suv_max == pytest.approx(5.0)
    assert fdg_only.fdg_ratio_to_liver == pytest.approx(4.5)
    # Where the receptor PET shows the place, not where the FDG PET does.
    assert fdg_only.centroid_lps_mm == pytest.approx(LIVER_SPOT, abs=2.0)


def test_an_unanswered_candidate_leaves_the_grade_open_and_the_answer_settles_it():
    case = TwoTracers((LEFT,), [((96.0, 72.0, 72.0), 12.0, 6.0, "liver"), (LIVER_SPOT, 10.0, 9.0, "liver")])
    before = scored(case).netpet
    assert (before.grade, before.lowest, before.highest, before.target) == ("indeterminate", "P2", "P5", "F2")
    assert "not yet confirmed" in before.reason
    accepted = scored(case, fdg={"answers": [{"label": "F2", "answer": "accepted"}]}).netpet
    assert (accepted.grade, accepted.target) == ("P5", "F2")
    rejected = scored(case, fdg={"answers": [{"label": 2, "answer": "rejected"}]}).netpet
    # FDG 3 × liver, receptors 4 × liver: they differ by more than 27 %.
    assert (rejected.grade, rejected.suffix, rejected.target) == ("P2", "a", "1")


def test_outside_the_liver_a_candidate_and_a_lesion_are_compared_too():
    case = TwoTracers((), [((18.0, 18.0, 18.0), 9.0, 8.0, "bone"), (CORNER, 9.0, 7.0, "lymph_node")], ((9.0, 15.0),))
    lesions = by_name(scored(case, body={"answers": [{"label": "B1", "answer": "accepted"}]}))
    assert (lesions["B1"].grade, lesions["B1"].state) == ("P4", "counted")
    assert lesions["B1"].fdg_suv_peak == pytest.approx(8.0)
    assert (lesions["F2"].pattern, lesions["F2"].region) == ("SSTR-/FDG+", "lymph node, mesenteric")


def test_where_the_scans_are_not_aligned_nothing_is_compared():
    case = TwoTracers((LEFT,), [(CORNER, 9.0, 7.0, "lymph_node")], ((9.0, 15.0),), aligned=False)
    score = scored(case)
    lesions = by_name(score)
    assert lesions["B1"].pattern == lesions["F1"].pattern == "not assessed"
    assert "not aligned" in lesions["B1"].why_unknown
    assert lesions["1"].pattern == "SSTR+/FDG-"
    assert score.netpet.grade == "indeterminate"
    assert "FDG_PART_UNALIGNED" in {flag.code for flag in score.flags}


def test_a_small_lesion_without_fdg_uptake_and_uptake_beside_one_are_unknown():
    """PET cannot exclude FDG uptake of a lesion under 12 mm, nor tell whose uptake is within the alignment's error."""
    small = by_name(scored(TwoTracers(((96.0, 5.0, 20.0),))))["1"]
    assert (small.fdg, small.grade) == ("unknown", None)
    assert "too small" in small.why_unknown
    case = TwoTracers((LEFT,))
    near = np.zeros_like(case.liver)
    near[24:30, 24:30, 37:39] = True
    case.fdg_suv[near & (case.labels == 0)] = 12.0
    lesion = by_name(scored(case))["1"]
    assert lesion.fdg in {"unknown", "positive"}
    assert lesion.grade != "P1"


@pytest.mark.parametrize(("days", "open_because"), [(None, "unknown"), (32, "32 days apart"), (120, "120 days apart")])
def test_no_grade_is_proposed_for_scans_far_apart(days, open_because):
    case = TwoTracers((LEFT,), days=20)
    assert scored(case).netpet.grade == "P1"
    case.days = days
    found = scored(case).netpet
    assert found.grade == "indeterminate"
    if days is None:
        assert open_because in found.reason
    else:
        assert f"{found.days} days apart" in found.reason


def test_the_record_reads_back_and_names_itself_by_the_comparison():
    case = TwoTracers((LEFT,), [(LIVER_SPOT, 10.0, 9.0, "liver")])
    score = scored(case)
    again = StudyScore.model_validate_json(score.to_json())
    assert again.netpet == score.netpet
    assert record_id_of(again) == score.record_id
    answered = scored(case, fdg={"answers": [{"label": 1, "answer": "rejected"}]})
    assert answered.record_id != score.record_id


def test_relative_units_keep_ratios_and_leave_suv_empty():
    case = TwoTracers((LEFT,), [((96.0, 72.0, 72.0), 12.0, 12.0, "liver")])
    score = score_labels(case.volumes(quantity=Quantity.RELATIVE), case.segmentations(), ReaderEdits(), ScoringConfig())
    lesion = by_name(score)["1"]
    assert lesion.sstr_suv_max is None
    assert lesion.fdg_suv_max == pytest.approx(12.0)
    assert lesion.sstr_ratio_to_liver == pytest.approx(4.0)


# --- exclusion 6 and the reader --------------------------------------------------------------------------------------


def test_a_candidate_is_offered_to_exclusion_6_and_never_decides_it():
    case = TwoTracers((LEFT,), [(LIVER_SPOT, 10.0, 9.0, "liver")])
    verdict = scored(case).criteria["EXC6"]
    assert verdict.verdict in {"indeterminate", "not_evaluable"}
    assert "FDG candidate F1 (liver, FDG 4.5 × liver): FDG-avid without receptor uptake" in verdict.reason
    assert verdict.evidence["fdg_candidates"] == 1
    accepted = scored(case, fdg={"answers": [{"label": 1, "answer": "accepted"}]}).criteria["EXC6"]
    assert (accepted.verdict, accepted.liver_finding) == ("met", "met")
    assert "A. Reader (radiologist) accepted candidate F1" in accepted.reason
    rejected = scored(case, fdg={"answers": [{"label": 1, "answer": "rejected"}]}).criteria["EXC6"]
    assert rejected.verdict != "met"
    assert "F1" not in rejected.reason


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"fdg": {"answers": [{"label": 9, "answer": "accepted"}]}}, "does not offer"),
        ({"fdg": {"answers": [{"label": 1, "answer": "accepted"}]}}, "does not offer"),
        (
            read_rest(receptor_negative=False) | {"fdg": {"answers": [{"label": 2, "answer": "accepted"}]}},
            "no receptor-negative lesions elsewhere, and candidate F2 is accepted",
        ),
    ],
)
def test_answers_that_cannot_hold_are_refused(edits, message):
    case = TwoTracers((LEFT,), [((96.0, 72.0, 72.0), 12.0, 12.0, "liver"), (CORNER, 9.0, 7.0, "lymph_node")])
    with pytest.raises(ConfigError, match=message):
        scored(case, **edits)


def test_unsigned_answers_and_answers_without_an_fdg_scan_are_refused():
    edits = {"fdg": {"answers": [{"label": 1, "answer": "accepted"}]}}
    case = TwoTracers((LEFT,), [(LIVER_SPOT, 10.0, 9.0, "liver")])
    with pytest.raises(ConfigError, match="without saying who reads"):
        score_labels(case.volumes(), case.segmentations(), ReaderEdits.model_validate(edits), ScoringConfig())
    from fixtures.arrays import Case

    with pytest.raises(ConfigError, match="--fdg"):
        scored(Case(), **edits)


# --- the grade -------------------------------------------------------------------------------------------------------


def lesion(name, sstr, fdg, ratios=(4.0, 2.0), state="counted"):
    grade = grade_of_lesion(sstr, fdg, ratios, 1.27)
    return NetpetLesion(
        name=name,
        region="liver",
        in_liver=True,
        state=state,
        sstr_suv_max=None,
        sstr_suv_peak=None,
        sstr_ratio_to_liver=ratios[0],
        fdg_suv_max=None,
        fdg_suv_peak=None,
        fdg_ratio_to_liver=ratios[1],
        sstr=sstr,
        fdg=fdg,
        grade=grade,
        centroid_lps_mm=(0.0, 0.0, 0.0),
        fdg_centroid_lps_mm=None,
    )


@pytest.mark.parametrize(
    ("sstr", "fdg", "ratios", "grade"),
    [
        ("negative", "negative", (0.5, 0.8), "P0"),
        ("positive", "negative", (4.0, 0.9), "P1"),
        ("positive", "positive", (6.0, 3.0), "P2"),
        ("positive", "positive", (3.0, 3.3), "P3"),
        ("positive", "positive", (2.0, 6.0), "P4"),
        ("negative", "positive", (0.5, 6.0), "P5"),
        ("unknown", "positive", (None, 6.0), None),
    ],
)
def test_the_grades_are_those_of_chan_2017(sstr, fdg, ratios, grade):
    assert grade_of_lesion(sstr, fdg, ratios, 1.27) == grade


def test_the_most_discordant_lesion_grades_the_patient_and_three_of_its_kind_give_b():
    lesions = [lesion("1", "positive", "negative"), *(lesion(str(n), "positive", "positive") for n in (2, 3))]
    two = propose_grade(lesions, (), NetpetConfig())
    assert (two.grade, two.suffix) == ("P2", "a")
    three = propose_grade([*lesions, lesion("4", "positive", "positive", (4.0, 2.9))], (), NetpetConfig())
    assert (three.grade, three.suffix, three.target) == ("P2", "b", "4")
    five = propose_grade([*lesions, lesion("5", "negative", "positive", (0.6, 3.0))], (), NetpetConfig())
    assert (five.grade, five.suffix, five.target) == ("P5", None, "5")


def test_what_was_not_checked_leaves_the_range_that_it_may_lie_in():
    known = lesion("1", "positive", "negative")
    unknown = propose_grade([known, lesion("2", "positive", "unknown")], (), NetpetConfig())
    assert (unknown.grade, unknown.lowest, unknown.highest) == ("indeterminate", "P1", "P4")
    # A rejected one is no lesion, and one that cannot raise the grade leaves it.
    assert (
        propose_grade([known, lesion("F1", "negative", "positive", state="rejected")], (), NetpetConfig()).grade == "P1"
    )
    top = [lesion("5", "negative", "positive"), lesion("2", "positive", "unknown")]
    assert propose_grade(top, (), NetpetConfig()).grade == "P5"
    nothing = propose_grade([], (), NetpetConfig())
    assert nothing.grade == "P0"
    assert propose_grade([known], ("The scans lie 200 days apart.",), NetpetConfig()).grade == "indeterminate"
