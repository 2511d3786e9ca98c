import pytest

from dotaliver.criteria import dom
from dotaliver.criteria.exc4 import judge
from dotaliver.measurement.hotspots import HottestSphere
from dotaliver.records.edits import RestOfBody
from dotaliver.records.measurements import Burden, Reference


def burden(fraction, low, high):
    return Burden(fraction=fraction, low=low, high=high, tumour_ml=100 * fraction, liver_ml=100.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.801, 0.95, "met"),
        (0.80, 0.95, "indeterminate"),
        (0.70, 0.85, "indeterminate"),
        (0.70, 0.80, "indeterminate"),
        (0.70, 0.799, "not_met"),
    ],
)
def test_the_whole_interval_decides(findings, low, high, verdict):
    proposal = judge(findings(burden=burden((low + high) / 2, low, high)))
    assert (proposal.verdict, proposal.liver_finding) == (verdict, verdict)
    assert proposal.evidence["limit"] == 0.8


def test_without_a_burden_the_reason_is_given(findings):
    nothing = Burden(fraction=None, low=None, high=None, tumour_ml=None, liver_ml=None, reason="No liver.")
    proposal = judge(findings(burden=nothing))
    assert (proposal.verdict, proposal.reason) == ("not_evaluable", "No liver.")


@pytest.mark.parametrize(
    ("liver_ml", "low", "high", "verdict"),
    [
        # 800 ml seen, up to 1400 ml not: 10 % could be 67 % of the whole, 50 % could be 82 %
        (800.0, 0.05, 0.10, "not_met"),
        (800.0, 0.40, 0.50, "indeterminate"),
        # 2000 ml seen, 200 ml not: 0.95 stays 0.86 of the whole, 0.85 falls to 0.77
        (2000.0, 0.95, 0.99, "met"),
        (2000.0, 0.85, 0.90, "indeterminate"),
    ],
)
def test_what_a_cut_liver_hides_may_not_change_the_answer(findings, liver_ml, low, high, verdict):
    seen = Burden(fraction=(low + high) / 2, low=low, high=high, tumour_ml=low * liver_ml, liver_ml=liver_ml)
    assert judge(findings(burden=seen, liver_cut=True)).verdict == verdict
    assert judge(findings(burden=seen)).verdict != "indeterminate"


def test_liver_that_undercuts_its_normal_denies_nothing(findings):
    few, many = burden(0.6, 0.55, 0.65), burden(0.9, 0.85, 0.95)
    assert judge(findings(burden=few, normal_unsure=True)).verdict == "indeterminate"
    assert judge(findings(burden=few)).verdict == "not_met"
    assert judge(findings(burden=many, normal_unsure=True)).verdict == "met"


@pytest.mark.parametrize(("method", "verdict"), [("sphere", "not_met"), ("reader", "not_met")])
@pytest.mark.parametrize("fraction", [0.4, 0.6])
def test_a_whole_sphere_of_normal_liver_lets_deny(findings, method, verdict, fraction):
    liver = findings().references["liver"].model_copy(update={"method": method})
    found = findings(references={"liver": liver}, burden=burden(fraction, fraction - 0.05, fraction + 0.05))
    assert judge(found).verdict == verdict


@pytest.mark.parametrize(
    ("fraction", "verdict"), [(0.4, "not_met"), (0.46, "indeterminate"), (0.6, "indeterminate"), (0.9, "met")]
)
@pytest.mark.parametrize("method", ["small_sphere", "low_mode", "none"])
def test_where_most_is_tumour_a_scrap_of_normal_liver_denies_nothing(findings, method, fraction, verdict):
    liver = findings().references["liver"].model_copy(update={"method": method})
    found = findings(references={"liver": liver}, burden=burden(fraction, fraction - 0.05, fraction + 0.05))
    assert judge(found).verdict == verdict


def test_reference_hotter_than_any_normal_liver_denies_nothing(findings):
    liver = findings().references["liver"].model_copy(update={"suv_mean": 13.7})
    hot = findings(references={"liver": liver}, burden=burden(0.01, 0.0, 0.02))
    assert judge(hot).verdict == "indeterminate"
    assert "13.7" in judge(hot).reason
    assert judge(findings(references={"liver": liver}, burden=burden(0.9, 0.85, 0.95))).verdict == "met"


FEW = burden(0.001, 0.0005, 0.012)
HOT = HottestSphere(31.0, (-45.0, 12.0, 230.0), 900)


def test_a_mask_that_nobody_states_to_be_complete_denies_nothing(findings):
    partial = judge(findings(burden=FEW, lesions_complete=False, lesions_searched=False))
    assert partial.verdict == "indeterminate"
    assert "has not been stated" in partial.reason
    # Its outlines alone fill the liver: more of them would not change that.
    assert judge(findings(burden=burden(0.9, 0.85, 0.95), lesions_complete=False)).verdict == "met"


def test_uptake_outside_every_outline_keeps_it_open_and_is_named(findings):
    """Also where somebody states that the mask is complete: the images contradict it."""
    found = judge(findings(burden=FEW, lesions_searched=False, unoutlined=HOT))
    assert found.verdict == "indeterminate"
    assert "31.0" in found.reason
    assert "45 mm right, 12 mm posterior and 230 mm superior" in found.reason
    assert "LPS -45, 12, 230 mm" in found.reason
    calm = HottestSphere(6.4, (0.0, 0.0, 0.0), 900)
    assert judge(findings(burden=FEW, lesions_searched=False, unoutlined=calm)).verdict == "not_met"


def test_what_a_whole_search_left_out_is_in_the_interval_and_gives_no_doubt_beside_it(findings):
    assert judge(findings(burden=FEW, lesions_searched=True, unoutlined=HOT)).verdict == "not_met"
    over = burden(0.001, 0.0005, 0.801)
    assert judge(findings(burden=over, lesions_searched=True, unoutlined=HOT)).verdict == "indeterminate"


def test_an_implausible_or_missing_limit_of_normal_liver_denies_nothing(findings):
    liver = findings().references["liver"]
    for changed in ({"peak_sd": 1.0}, {"peak_limit": None}):
        found = findings(references={"liver": liver.model_copy(update=changed)}, burden=FEW)
        assert judge(found).verdict == "indeterminate"


@pytest.mark.parametrize(
    ("suvbw_per_unit", "uptake", "verdict"),
    [(1.0, 13.0, "indeterminate"), (1.0, 12.0, "not_met"), (1.5, 8.7, "indeterminate"), (1.5, 8.0, "not_met")],
)
def test_the_guard_on_diffuse_tumour_looks_at_body_weight_in_every_unit(findings, suvbw_per_unit, uptake, verdict):
    """A liver of SUVbw 13 is 8.7 by lean mass where that is two thirds of the weight."""
    liver = findings().references["liver"].model_copy(update={"suv_mean": uptake, "peak_limit": 1.3 * uptake})
    found = findings(references={"liver": liver}, burden=FEW, suvbw_per_unit=suvbw_per_unit)
    assert judge(found).verdict == verdict


@pytest.mark.parametrize(("ratio", "verdict"), [(None, "indeterminate"), (13.7, "indeterminate"), (5.0, "not_met")])
def test_without_suv_the_guard_looks_at_soft_tissue_or_says_that_it_cannot_look(findings, ratio, verdict):
    found = judge(findings(burden=FEW, absolute_suv=False, suvbw_per_unit=None, liver_over_soft_tissue=ratio))
    assert found.verdict == verdict
    assert "cannot be checked" in found.reason or "× soft tissue" in found.reason


@pytest.mark.parametrize(("searched", "verdict"), [(True, "met"), (False, "indeterminate")])
def test_a_mask_that_leaves_no_normal_liver_may_be_the_liver_itself(findings, searched, verdict):
    nothing = Reference(organ="liver", method="none", reason="too little liver")
    found = judge(findings(burden=burden(0.92, 0.89, 0.97), references={"liver": nothing}, lesions_searched=searched))
    assert found.verdict == verdict


def test_a_statement_of_completeness_that_the_images_contradict_counts_nowhere(findings):
    contradicted = findings(burden=FEW, lesions_searched=False, unoutlined=HOT, rest_of_body=RestOfBody(lesions=False))
    assert "stated to be complete" in contradicted.incomplete_mask
    assert judge(contradicted).verdict == "indeterminate"
    assert dom.judge(contradicted).verdict == "not_evaluable"
    searched = findings(burden=FEW, lesions_searched=True, unoutlined=HOT)
    assert searched.incomplete_mask is None
