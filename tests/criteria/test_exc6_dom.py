"""Exclusion 6 and liver dominance: what images may say, and what only a reader can."""

import pytest

from dotaliver.criteria.eligibility import judge_all
from dotaliver.measurement.uptake_place import UptakePlace
from dotaliver.records.edits import RestOfBody
from dotaliver.records.masks import CtSearch
from dotaliver.records.measurements import Burden, CtFocus, Reference
from fixtures.lesions import ct, lesion

SEARCH = CtSearch(diameter_mm=15.0, liver_hu=104.0, noise_hu=9.0, visible_contrast_hu=13.0)


def focus(label=901, *, above=False, in_liver=True, marks=(), volume_ml=4.0) -> CtFocus:
    return CtFocus(
        label=label,
        in_liver=in_liver,
        volume_ml=volume_ml,
        longest_diameter_mm=21.0,
        short_axis_mm=17.0,
        hu=80.0,
        below_liver_hu=24.0,
        suv_mean=3.0,
        ratio_to_liver=0.6,
        above_liver=above,
        centroid_lps_mm=(0.0, 0.0, 0.0),
        marks=marks,
    )


def exc6(findings, **changes):
    given = {"ct": ct(), "ct_search": SEARCH, **changes}
    return judge_all(findings(**given), ())["EXC6"]


def test_none_found_says_so_of_the_liver_alone_and_what_could_be_seen(findings):
    verdict = exc6(findings)
    assert (verdict.verdict, verdict.liver_finding) == ("indeterminate", "not_met")
    assert "15 mm" in verdict.reason
    assert "13 HU" in verdict.reason
    assert "Lesions elsewhere have not been assessed." in verdict.reason


def test_a_cold_place_that_no_ct_shows_keeps_the_answer_open_and_is_named(findings):
    verdict = exc6(findings, cold=UptakePlace(1.2, 1.9, (-79.0, 26.0, -7.0)), rest_of_body=RestOfBody(lesions=False))
    assert (verdict.verdict, verdict.liver_finding) == ("indeterminate", "indeterminate")
    assert "0.38 times as much as normal liver" in verdict.reason
    assert "LPS -79, 26, -7 mm" in verdict.reason


def test_among_confluent_tumour_none_is_excluded(findings):
    burden = Burden(fraction=0.86, low=0.8, high=0.9, tumour_ml=1720.0, liver_ml=2000.0)
    verdict = exc6(findings, burden=burden, rest_of_body=RestOfBody(lesions=False))
    assert (verdict.verdict, verdict.liver_finding) == ("not_evaluable", "not_evaluable")
    assert "fills 86 % of the liver" in verdict.reason


@pytest.mark.parametrize(
    ("rest", "word"),
    [
        (RestOfBody(lesions=False), "not_met"),
        (RestOfBody(lesions=True, receptor_negative=False), "not_met"),
        (RestOfBody(lesions=True), "indeterminate"),
        (RestOfBody(lesions=True, receptor_negative=True), "met"),
    ],
)
def test_the_rest_of_the_body_is_the_readers(findings, rest, word):
    verdict = exc6(findings, rest_of_body=rest)
    assert (verdict.verdict, verdict.liver_finding) == (word, "not_met")


def test_a_candidate_is_for_a_reader_to_call_whatever_is_stated_elsewhere(findings):
    for rest in (None, RestOfBody(lesions=False)):
        verdict = exc6(findings, ct_foci=(focus(volume_ml=1.0), focus(902)), rest_of_body=rest)
        assert (verdict.verdict, verdict.liver_finding, verdict.effect) == ("indeterminate",) * 2 + ("undecided",)
        assert "SSTR-RADS 3D" in verdict.reason
        assert verdict.evidence["candidates"] == 2
        assert verdict.evidence["candidate_label"] == 902


def test_the_most_suspicious_candidate_is_named_with_why_it_may_be_benign(findings):
    vague = focus(901, volume_ml=9.0).model_copy(update={"suspicion": 0.6})
    clear = focus(902).model_copy(update={"suspicion": 0.9, "may_be": ("elongated",), "below_liver_hu": -15.0})
    verdict = exc6(findings, ct_foci=(vague, clear))
    assert verdict.evidence["candidate_label"] == 902
    assert "15 HU above liver" in verdict.reason
    assert "may be benign: elongated" in verdict.reason
    assert verdict.verdict == "indeterminate"


def test_a_candidate_that_a_reader_marks_is_met(findings):
    verdict = exc6(findings, ct_foci=(focus(marks=("receptor_negative",)),))
    assert (verdict.verdict, verdict.liver_finding, verdict.effect) == ("met", "met", "excludes")


@pytest.mark.parametrize(
    "harmless",
    [
        focus(above=True),
        focus(in_liver=False),
        focus(marks=("not_a_lesion",)),
        focus(marks=("simple_cyst",)),
        focus(marks=("receptor_negative", "not_a_lesion")),
    ],
    ids=["avid", "elsewhere", "no lesion", "cyst", "mark withdrawn"],
)
def test_what_is_no_candidate_changes_nothing(findings, harmless):
    assert exc6(findings, ct_foci=(harmless,)).liver_finding == "not_met"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ct": None}, "no CT"),
        ({"liver_found": False}, "liver was not found"),
        ({"ct_search": None}, "not searched"),
        ({"ct_search": CtSearch(diameter_mm=15.0, reason="too little liver")}, "too little liver"),
        ({"ct_search": SEARCH.model_copy(update={"visible_contrast_hu": 28.0})}, "28 HU"),
        ({"ct_search": SEARCH.model_copy(update={"visible_contrast_hu": None})}, "not reliably detectable"),
    ],
)
def test_a_liver_that_could_not_be_searched_is_not_evaluable_with_the_reason(findings, changes, word):
    verdict = exc6(findings, **changes)
    assert (verdict.verdict, verdict.liver_finding) == ("not_evaluable", "not_evaluable")
    assert word in verdict.reason


def test_a_poor_ct_does_not_hide_a_candidate_that_was_found(findings):
    poor = SEARCH.model_copy(update={"visible_contrast_hu": 28.0})
    assert exc6(findings, ct_search=poor, ct_foci=(focus(),)).verdict == "indeterminate"


def test_without_normal_liver_uptake_is_not_judged(findings):
    none = {organ: Reference(organ=organ, method="none") for organ in ("liver", "spleen", "blood_pool")}
    assert exc6(findings, references=none, ct_foci=(focus(above=None),)).verdict == "not_evaluable"


def test_a_liver_cut_by_the_field_of_view_stays_open(findings):
    assert exc6(findings, liver_cut=True).liver_finding == "indeterminate"
    assert exc6(findings, liver_seen=0.8).liver_finding == "indeterminate"


@pytest.mark.parametrize("drawn_on", ["ct", "pet"])
def test_an_outlined_lesion_without_uptake_above_liver_is_a_candidate_on_either_image(findings, drawn_on):
    # U is 6.5: 0.64 × liver, and between L and U
    for peak in (3.2, 5.5, 6.5):
        cold = exc6(findings, lesions=(lesion(3, peak=peak),), lesions_drawn_on=drawn_on)
        assert (cold.verdict, cold.effect, cold.evidence["lesion_label"]) == ("indeterminate", "undecided", 3)
    assert exc6(findings, lesions=(lesion(3, peak=9.0),), lesions_drawn_on=drawn_on).liver_finding == "not_met"


def test_what_no_reader_calls_tumour_is_no_candidate(findings):
    for mark in ("simple_cyst", "not_a_lesion"):
        assert exc6(findings, lesions=(lesion(3, peak=3.2, marks=(mark,)),)).liver_finding == "not_met"
    metastasis = lesion(3, peak=3.2, marks=("cystic_metastasis",))
    assert exc6(findings, lesions=(metastasis,)).liver_finding == "indeterminate"


def test_an_outlined_lesion_elsewhere_without_uptake_is_named(findings):
    verdict = exc6(findings, lesions=(lesion(7, peak=3.2, in_liver=False),))
    assert (verdict.verdict, verdict.liver_finding) == ("indeterminate", "not_met")
    assert "Lesion 7 outside the liver" in verdict.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"lesions_complete": False},
        {"lesions": (lesion(3, peak=None),)},
        {
            "references": {
                "liver": Reference(organ="liver", method="sphere", suv_mean=5.0, peak_sd=2.0, peak_limit=13.0)
            }
        },
    ],
    ids=["mask not complete", "uptake unknown", "implausible scatter"],
)
def test_what_was_not_checked_denies_no_receptor_negative_lesion(findings, changes):
    assert exc6(findings, rest_of_body=RestOfBody(lesions=False), **changes).verdict == "indeterminate"


def test_uptake_is_named_with_what_is_normal(findings):
    reason = exc6(findings, ct_foci=(focus().model_copy(update={"ratio_to_liver": 1.2}),)).reason
    assert "uptake 1.2 × liver (normal up to 1.3 ×)" in reason


def test_who_states_it_is_named(findings):
    rest = RestOfBody(lesions=True, receptor_negative=True)
    reason = exc6(findings, rest_of_body=rest, reader_words="A. Reader (radiologist)").reason
    assert reason.startswith("A. Reader (radiologist) states a receptor-negative lesion outside the liver.")


def dominance(findings, inside_ml=30.0, **changes):
    burden = Burden(fraction=0.02, low=0.01, high=0.03, tumour_ml=inside_ml, liver_ml=1500.0)
    return judge_all(findings(burden=burden, **changes), ())["DOM"]


def outside(volume_ml, share=0.0, marks=()):
    made = lesion(7, in_liver=False, marks=marks)
    return made.model_copy(update={"volume_ml": volume_ml, "liver_share": share})


def test_dominance_waits_for_the_rest_of_the_body(findings):
    for rest in (None, RestOfBody(lesions=True)):
        verdict = dominance(findings, rest_of_body=rest)
        assert verdict.verdict == "not_evaluable"
        assert verdict.evidence["liver_tumour_ml"] == 30.0


def test_the_liver_s_share_is_evidence_and_a_reader_calls_it(findings):
    verdict = dominance(findings, lesions=(outside(10.0),))
    assert (verdict.verdict, verdict.effect) == ("indeterminate", "undecided")
    assert verdict.evidence["liver_share"] == pytest.approx(0.75)


def test_every_millilitre_is_inside_or_outside_the_liver(findings):
    """33 ml of which 29 % lie in the liver: 9.6 ml inside, 23.4 ml outside."""
    part = dominance(findings, lesions=(outside(33.0, share=0.29),)).evidence
    assert part["liver_tumour_ml"] == pytest.approx(30.0 + 9.57)
    assert part["outside_tumour_ml"] == pytest.approx(23.43)
    # 10 ml of a liver lesion of 40 ml reach out of it; the burden of 30 ml holds the rest.
    across = lesion(1).model_copy(update={"volume_ml": 40.0, "liver_share": 0.75})
    both = dominance(findings, lesions=(across, outside(33.0, share=0.29))).evidence
    assert both["liver_tumour_ml"] + both["outside_tumour_ml"] == pytest.approx(40.0 + 33.0)


def test_an_incomplete_mask_has_no_share(findings):
    verdict = dominance(findings, lesions_complete=False, rest_of_body=RestOfBody(lesions=False))
    assert verdict.verdict == "not_evaluable"
    assert "has not been stated" in verdict.reason


def test_a_reader_who_states_no_lesion_elsewhere_leaves_all_of_it_to_the_liver(findings):
    verdict = dominance(findings, rest_of_body=RestOfBody(lesions=False))
    assert verdict.verdict == "indeterminate"
    assert verdict.evidence["liver_share"] == 1.0
    both = dominance(findings, rest_of_body=RestOfBody(lesions=False), lesions=(outside(10.0),))
    assert "lesion 7 lies mostly outside the liver" in both.reason


def test_no_tumour_or_no_burden_has_no_share(findings):
    assert dominance(findings, inside_ml=0.0, rest_of_body=RestOfBody(lesions=False)).verdict == "not_evaluable"
    missing = Burden(fraction=None, low=None, high=None, tumour_ml=None, liver_ml=None, reason="No liver.")
    assert judge_all(findings(burden=missing), ())["DOM"].reason == "No liver."


def test_what_is_no_lesion_does_not_count_as_tumour_elsewhere(findings):
    assert dominance(findings, lesions=(outside(10.0, marks=("not_a_lesion",)),)).verdict == "not_evaluable"
