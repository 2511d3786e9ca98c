import pytest

from dotaliver.criteria.exc4 import judge
from dotaliver.records import Burden


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
