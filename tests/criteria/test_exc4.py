import pytest

from dotaliver.criteria.exc4 import judge
from dotaliver.records.measurements import Burden


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


@pytest.mark.parametrize(("fraction", "verdict"), [(0.4, "not_met"), (0.6, "indeterminate"), (0.9, "met")])
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
