"""No definite answer rests on a lesion or a place where a second outline of the liver says otherwise."""

import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria import dom, exc4, inc4, inc7
from dotaliver.measurement.dominance import Dominance
from dotaliver.records.edits import RestOfBody
from dotaliver.records.flags import raise_flag
from dotaliver.records.liver_audit import DisputedPlace, LiverAudit
from dotaliver.records.measurements import Burden
from fixtures.lesions import ct, lesion

NOTHING_ELSEWHERE = RestOfBody(lesions=False)
IN_DISPUTE = (raise_flag("LESION_WHERE_OUTLINE_DISPUTED"),)


def audit(kind):
    place = DisputedPlace(
        kind=kind, volume_ml=140.0, place="at the back of the right lobe", centre_lps_mm=(-80.0, 40.0, 0.0)
    )
    return LiverAudit(agreement=0.88, second_ml=1640.0, disputed=True, places=(place,))


def hot(label, **changes):
    return lesion(label=label, size=25.0, source="ct").model_copy(
        update={"suv_peak": 20.0, "suv_max": 25.0, "volume_ml": 8.0, "in_liver": True} | changes
    )


def test_a_lesion_in_dispute_does_not_prove_uptake_above_liver(findings) -> None:
    sure = inc7.judge(findings(lesions=(hot(1),)))
    assert sure.verdict == "met"
    doubtful = inc7.judge(findings(lesions=(hot(1, flags=IN_DISPUTE),), liver_audit=audit("included")))
    assert (doubtful.verdict, doubtful.liver_finding) == ("indeterminate", "indeterminate")
    assert "where the liver outline is disputed" in doubtful.reason


def test_another_lesion_still_proves_it(findings) -> None:
    both = (hot(1, flags=IN_DISPUTE, suv_peak=40.0), hot(2))
    proposal = inc7.judge(findings(lesions=both, liver_audit=audit("included")))
    assert (proposal.verdict, proposal.liver_finding) == ("met", "met")
    assert "Lesion 2" in proposal.reason


def test_a_lesion_in_dispute_does_not_make_disease_measurable(findings) -> None:
    doubtful = inc4.judge(findings(ct=ct(), lesions=(hot(1, flags=IN_DISPUTE),), liver_audit=audit("included")))
    assert (doubtful.verdict, doubtful.liver_finding) == ("indeterminate", "indeterminate")
    assert "where the liver outline is disputed" in doubtful.reason
    both = (hot(1, flags=IN_DISPUTE), hot(2))
    assert inc4.judge(findings(ct=ct(), lesions=both, liver_audit=audit("included"))).verdict == "met"


@pytest.mark.parametrize("judge", [inc7.judge, inc4.judge])
def test_a_place_that_may_be_left_out_excludes_nothing(findings, judge) -> None:
    clean = judge(findings(ct=ct(), rest_of_body=NOTHING_ELSEWHERE))
    assert clean.verdict == "not_met"
    doubtful = judge(findings(ct=ct(), rest_of_body=NOTHING_ELSEWHERE, liver_audit=audit("left_out")))
    assert doubtful.verdict == "indeterminate"
    assert "140 ml at the back of the right lobe" in doubtful.reason
    # What is included too much was searched.
    assert judge(findings(ct=ct(), rest_of_body=NOTHING_ELSEWHERE, liver_audit=audit("included"))).verdict == "not_met"


def test_normal_liver_read_in_dispute_decides_nothing(findings) -> None:
    """What is compared with it may be above liver or not."""
    for lesions in ((hot(1),), ()):
        sure = inc7.judge(findings(lesions=lesions, rest_of_body=NOTHING_ELSEWHERE))
        assert sure.verdict == ("met" if lesions else "not_met")
        doubtful = inc7.judge(findings(lesions=lesions, rest_of_body=NOTHING_ELSEWHERE, normal_disputed=True))
        assert doubtful.verdict == "indeterminate"
        assert "Normal liver was measured where the liver outline is disputed" in doubtful.reason
    assert exc4.judge(findings()).verdict == "not_met"
    assert exc4.judge(findings(normal_disputed=True)).verdict == "indeterminate"


def test_a_lesion_in_dispute_makes_the_liver_neither_dominant_nor_not(findings) -> None:
    config = ScoringConfig()
    config = config.with_protocol(config.protocol.model_copy(update={"liver_dominance_share": 0.5}))

    def answer(inside_ml, **changes):
        amounts = Dominance(inside_ml, (inside_ml, inside_ml), 20.0, (20.0, 20.0), 1)
        burden = Burden(fraction=0.1, low=0.1, high=0.1, tumour_ml=inside_ml, liver_ml=1500.0)
        known = {"rest_of_body": NOTHING_ELSEWHERE, "config": config, "dominance": amounts, "burden": burden}
        return dom.judge(findings(**known | changes)).verdict

    assert (answer(180.0), answer(2.0)) == ("met", "not_met")
    assert answer(180.0, lesions=(hot(1, flags=IN_DISPUTE),)) == "indeterminate"
    # More tumour may lie in the liver than was searched.
    assert answer(2.0, liver_audit=audit("left_out")) == "indeterminate"
    assert answer(2.0, liver_cut=True) == "indeterminate"
    assert answer(180.0, liver_audit=audit("left_out")) == "met"


def test_two_answers_on_both_sides_of_the_limit_decide_nothing(findings) -> None:
    def answer(low, high):
        burden = Burden(fraction=0.75, low=low, high=high, tumour_ml=1125.0, liver_ml=1500.0)
        return exc4.judge(findings(burden=burden)).verdict

    # The outline alone gives 72 to 78 %, the second one up to 82 %.
    assert answer(0.72, 0.78) != "met"
    assert answer(0.72, 0.82) == "indeterminate"


@pytest.mark.parametrize(
    ("fraction", "verdict"), [(0.4, "not_met"), (0.42, "indeterminate"), (0.66, "indeterminate"), (0.9, "met")]
)
def test_a_disputed_liver_that_is_mostly_tumour_is_not_said_to_hold_less(findings, fraction, verdict) -> None:
    """Necrosis at the border lay outside both outlines: a true 83 % was read as 56 to 77 %."""
    burden = Burden(fraction=fraction, low=fraction - 0.09, high=fraction + 0.09, tumour_ml=1.0, liver_ml=1500.0)
    proposal = exc4.judge(findings(burden=burden, liver_audit=audit("left_out")))
    assert proposal.verdict == verdict
    assert ("outside both" in proposal.reason) == (verdict == "indeterminate")
