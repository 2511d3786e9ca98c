import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria.inc4 import judge
from dotaliver.measurement.measurability import near_threshold, threshold_mm
from dotaliver.records.edits import RestOfBody
from dotaliver.records.flags import raise_flag
from dotaliver.records.measurements import Diameter
from fixtures.lesions import ct, lesion

NODE = ("node",)


def answer(findings):
    proposal = judge(findings)
    return proposal.verdict, proposal.liver_finding


@pytest.mark.parametrize("source", ["ct", "reader"])
def test_a_diameter_of_10_mm_on_ct_or_by_a_reader_is_measurable(findings, source):
    assert answer(findings(ct=ct(), lesions=(lesion(size=10.0, source=source),))) == ("met", "met")
    below = findings(ct=ct(), lesions=(lesion(size=9.99, source=source),))
    assert answer(below) == ("indeterminate", "not_met")


@pytest.mark.parametrize(
    ("size", "interval", "expected"),
    [
        (12.0, (10.0, 14.0), ("met", "met")),
        (12.0, (9.9, 14.1), ("indeterminate", "indeterminate")),
        (9.0, (7.5, 10.5), ("indeterminate", "indeterminate")),
        (8.0, (6.3, 9.7), ("indeterminate", "not_met")),
    ],
)
def test_a_diameter_decides_only_where_its_whole_interval_lies_on_one_side(findings, size, interval, expected):
    ends = ((0.0, 0.0, 0.0), (size, 0.0, 0.0))
    measured = Diameter(longest_mm=size, short_mm=size, source="ct", long_axis_lps_mm=ends, interval_mm=interval)
    found = lesion(size=size, short=size, source="ct").model_copy(update={"diameter": measured})
    assert answer(findings(ct=ct(), lesions=(found,))) == expected
    if expected[1] == "indeterminate":
        reason = judge(findings(ct=ct(), lesions=(found,))).reason
        assert f"{interval[0]:.1f} to {interval[1]:.1f} mm" in reason


def test_a_pet_extent_is_no_recist_diameter(findings):
    proposal = judge(findings(ct=ct(), lesions=(lesion(size=60.0),), rest_of_body=RestOfBody(lesions=False)))
    assert (proposal.verdict, proposal.liver_finding) == ("indeterminate", "indeterminate")
    assert proposal.evidence["largest_pet_extent_mm"] == 60.0


@pytest.mark.parametrize(
    ("marks", "verdict"),
    [
        (("treated",), "indeterminate"),
        (("treated", "progressed_since_treatment"), "met"),
        (("simple_cyst",), "indeterminate"),
        (("blastic_bone",), "indeterminate"),
        (("not_a_lesion",), "indeterminate"),
        (("target",), "met"),
    ],
)
def test_what_a_reader_marks_decides_what_may_be_measured(findings, marks, verdict):
    assert judge(findings(ct=ct(), lesions=(lesion(size=30.0, source="ct", marks=marks),))).verdict == verdict


@pytest.mark.parametrize(("short", "verdict"), [(15.0, "met"), (14.9, "indeterminate"), (None, "indeterminate")])
def test_a_node_is_measured_across(findings, short, verdict):
    node = lesion(size=40.0, short=short, source="reader", marks=NODE, in_liver=False)
    assert judge(findings(ct=ct(), lesions=(node,))).verdict == verdict


@pytest.mark.parametrize(
    ("spacing", "thickness", "marks", "expected"),
    [
        (5.0, 5.0, (), 10.0),
        (5.0, 8.0, (), 16.0),
        (7.0, 5.0, (), 14.0),
        (3.0, None, (), 10.0),
        (6.0, 6.0, NODE, 15.0),
        (8.0, 8.0, NODE, 16.0),
    ],
)
def test_slices_over_5_mm_raise_the_threshold_to_twice_their_size(spacing, thickness, marks, expected):
    assert threshold_mm(lesion(marks=marks), ct(spacing, thickness), ScoringConfig()) == expected


def test_no_lesion_says_nothing_without_ct_and_not_met_for_the_liver_with_it(findings):
    assert answer(findings()) == ("indeterminate", "indeterminate")
    assert answer(findings(ct=ct())) == ("indeterminate", "not_met")


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [
        (RestOfBody(lesions=False), "not_met"),
        (RestOfBody(lesions=True), "indeterminate"),
        (RestOfBody(lesions=True, measurable=True), "met"),
        (RestOfBody(lesions=True, measurable=False), "not_met"),
    ],
)
def test_a_statement_on_the_rest_of_the_body_settles_it(findings, rest, verdict):
    assert answer(findings(ct=ct(), rest_of_body=rest)) == (verdict, "not_met")


def test_imported_lesions_elsewhere_without_a_ct_diameter_keep_it_open(findings):
    outside = lesion(size=30.0, in_liver=False)
    found = findings(ct=ct(), lesions=(outside,), rest_of_body=RestOfBody(lesions=True, measurable=False))
    assert answer(found) == ("indeterminate", "not_met")


def test_without_liver_or_lesion_outlines_it_stays_open(findings):
    assert answer(findings(ct=ct(), liver_found=False)) == ("indeterminate", "indeterminate")
    assert answer(findings(ct=ct(), lesions_looked_for=False)) == ("indeterminate", "indeterminate")


@pytest.mark.parametrize(("size", "near"), [(7.7, False), (7.9, True), (12.1, True), (12.3, False)])
def test_a_diameter_within_reader_variation_of_its_threshold_is_flagged(size, near):
    assert near_threshold(lesion(size=size, source="ct"), ct(), ScoringConfig()) is near
    assert not near_threshold(lesion(size=size), ct(), ScoringConfig())


@pytest.mark.parametrize(
    ("source", "extent", "verdict"),
    [("ct", 18.0, "indeterminate"), ("ct", None, "met"), ("reader", 18.0, "met")],  # None: drawn on the CT itself
)
def test_an_outline_found_by_uptake_that_merges_with_an_organs_decides_nothing(findings, source, extent, verdict):
    merging = lesion(size=16.0, source=source, flags=(raise_flag("LESION_MERGES_WITH_NEIGHBOUR", label=1),))
    found = findings(ct=ct(), lesions=(merging.model_copy(update={"pet_extent_mm": extent}),))
    assert judge(found).verdict == verdict


@pytest.mark.parametrize(
    ("marks", "verdict"),
    [
        ((), "indeterminate"),
        (("progressed_since_treatment",), "met"),
        (("target",), "met"),
        (("treated",), "indeterminate"),
    ],
)
def test_a_lesion_as_dense_as_embolised_ones_waits_for_a_readers_word(findings, marks, verdict):
    dense = lesion(size=60.0, source="ct", marks=marks, flags=(raise_flag("LESION_DENSE_ON_CT", share=40.0),))
    proposal = judge(findings(ct=ct(), lesions=(dense,)))
    assert proposal.verdict == verdict
    assert ("as dense as a treated lesion" in proposal.reason) == (marks == ())
    beside = lesion(2, size=12.0, source="ct")
    assert judge(findings(ct=ct(), lesions=(dense, beside))).verdict == "met"


LARGE = {"least_size_mm": 20.0}


def test_uniform_uptake_that_proves_a_lesion_large_answers_without_a_diameter(findings):
    large = lesion(size=60.0).model_copy(update=LARGE)
    proposal = judge(findings(ct=ct(), lesions=(large,)))
    assert (proposal.verdict, proposal.liver_finding) == ("met", "met")
    assert "at least 20 mm" in proposal.reason
    assert "not a RECIST diameter" in proposal.reason
    assert (proposal.evidence["least_size_mm"], proposal.evidence["size_mm"]) == (20.0, None)


@pytest.mark.parametrize(
    ("changed", "image"),
    [
        ({"marks": ("treated",)}, ct()),
        ({"marks": ("simple_cyst",)}, ct()),
        ({"marks": NODE}, ct()),
        ({"in_liver": False}, ct()),
        ({"flags": (raise_flag("LESION_MERGES_WITH_NEIGHBOUR", label=1),)}, ct()),
        ({}, ct(11.0, 11.0)),
        ({}, None),
    ],
)
def test_a_bound_from_uptake_obeys_the_rules_of_a_diameter(findings, changed, image):
    large = lesion(size=60.0).model_copy(update=LARGE | changed)
    assert judge(findings(ct=image, lesions=(large,))).verdict == "indeterminate"


def test_a_measured_diameter_counts_more_than_a_bound_from_uptake(findings):
    small = lesion(size=8.0, source="reader").model_copy(update=LARGE)
    assert judge(findings(ct=ct(), lesions=(small,))).verdict == "indeterminate"
    both = (lesion(label=1, size=60.0).model_copy(update=LARGE), lesion(label=2, size=30.0, source="ct"))
    assert judge(findings(ct=ct(), lesions=both)).reason.startswith("Lesion 2 has a longest diameter of 30.0 mm")
