from dataclasses import replace

import pytest

from dotaliver.config.protocol import default_protocol
from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.criteria.eligibility import effect_of, judge_all, with_readers_answers
from dotaliver.errors import ConfigError
from dotaliver.records.edits import ReaderEdits, RestOfBody
from dotaliver.records.flags import raise_flag
from dotaliver.records.measurements import Burden
from dotaliver.records.study import Acquisition
from fixtures.lesions import ct, lesion

RECEPTOR = ("INC7", "EXC4", "EXC6", "DOM")
FDG = Acquisition(tracer="Fluorodeoxyglucose", tracer_is_sstr=False, nuclide="18F")


@pytest.mark.parametrize(
    ("criterion", "verdict", "effect"),
    [
        ("INC7", "met", "supports"),
        ("INC7", "not_met", "excludes"),
        ("EXC4", "met", "excludes"),
        ("EXC4", "not_met", "supports"),
        ("DOM", "met", "supports"),
        ("DOM", "not_met", "excludes"),
        ("EXC4", "indeterminate", "undecided"),
        ("INC4", "not_evaluable", "undecided"),
    ],
)
def test_effects(criterion, verdict, effect):
    assert effect_of(default_protocol().criterion(criterion), verdict) == effect


@pytest.mark.parametrize(
    "acquisition",
    [
        FDG,
        Acquisition(tracer="177Lu-DOTATATE", tracer_is_sstr=True, nuclide="177Lu"),
        Acquisition(tracer="DOTATATE", tracer_is_sstr=True, nuclide=None),
    ],
)
def test_another_tracer_or_nuclide_bars_the_receptor_criteria_only(findings, acquisition):
    hot = lesion(peak=30.0, size=20.0, source="ct")
    verdicts = judge_all(findings(acquisition=acquisition, lesions=(hot,), ct=ct()), ())
    for criterion in RECEPTOR:
        assert verdicts[criterion].verdict == "not_evaluable"
        assert verdicts[criterion].effect == "undecided"
    assert verdicts["INC4"].verdict == "met"


def test_a_coded_tracer_is_named_as_radiologists_write_it(findings):
    coded = Acquisition(tracer="Fluorodeoxyglucose F^18^", tracer_is_sstr=False, nuclide="18F")
    reason = judge_all(findings(acquisition=coded), ())["INC7"].reason
    assert reason == "The tracer (18F-FDG) is not a somatostatin-receptor ligand."


def test_who_insists_is_answered(findings):
    insisting = ScoringConfig(assume=AssumedValues(judge_other_tracer=True))
    found = findings(acquisition=FDG, lesions=(lesion(peak=30.0),), config=insisting)
    verdicts = judge_all(found, (raise_flag("JUDGED_ON_REQUEST"),))
    assert verdicts["INC7"].verdict == "met"
    assert verdicts["INC7"].weakened_by == ("JUDGED_ON_REQUEST",)


def test_an_unknown_tracer_name_with_68ga_is_judged(findings):
    unknown = Acquisition(tracer="study drug", tracer_is_sstr=None, nuclide="68Ga")
    assert judge_all(findings(acquisition=unknown), ())["EXC4"].verdict == "not_met"


def test_every_criterion_is_answered_in_order_with_its_scope(findings):
    verdicts = judge_all(findings(), ())
    assert tuple(verdicts) == default_protocol().ids
    assert {c: v.scope for c, v in verdicts.items()} == {
        c: "liver" if c == "EXC4" else "body" for c in default_protocol().ids
    }
    assert all(v.status == "proposed" for v in verdicts.values())
    assert all(v.reason.endswith(".") for v in verdicts.values())
    for criterion in ("INC6", "EXC6", "DOM"):
        assert verdicts[criterion].verdict == "not_evaluable"


def test_flags_weaken_the_verdicts_that_they_name_once(findings):
    small = raise_flag("REFERENCE_SPHERE_SMALL", mm=20.0)
    near = raise_flag("DIAMETER_NEAR_THRESHOLD", mm=10.0)
    deciding = lesion(size=11.0, source="ct", flags=(near,))
    verdicts = judge_all(findings(lesions=(deciding,), ct=ct()), (small, small))
    assert verdicts["INC7"].weakened_by == ("REFERENCE_SPHERE_SMALL",)
    assert verdicts["EXC4"].weakened_by == ()
    assert verdicts["INC4"].weakened_by == ("DIAMETER_NEAR_THRESHOLD",)


@pytest.mark.parametrize(("in_liver", "finding"), [(True, "met"), (None, "not_evaluable"), (False, "not_evaluable")])
def test_a_lesion_marked_receptor_negative_meets_exclusion_6(findings, in_liver, finding):
    marked = lesion(2, in_liver=in_liver, marks=("receptor_negative",))
    verdict = judge_all(findings(lesions=(marked,)), ())["EXC6"]
    assert (verdict.verdict, verdict.effect, verdict.liver_finding) == ("met", "excludes", finding)
    assert verdict.evidence["lesion_label"] == 2


def test_a_receptor_negative_lesion_elsewhere_meets_exclusion_6(findings):
    rest = RestOfBody(lesions=True, receptor_negative=True)
    assert judge_all(findings(rest_of_body=rest), ())["EXC6"].verdict == "met"
    rest = RestOfBody(lesions=True, receptor_negative=False)
    assert judge_all(findings(rest_of_body=rest), ())["EXC6"].verdict == "not_evaluable"


def edited(findings, **answer):
    edits = ReaderEdits.model_validate(
        {"reader": {"name": "Reader A", "role": "nuclear medicine physician"}, "verdicts": [answer]}
    )
    return with_readers_answers(judge_all(findings, ()), edits, findings.config)


def test_an_answer_that_agrees_confirms(findings):
    found = findings(burden=Burden(fraction=0.9, low=0.85, high=0.95, tumour_ml=90, liver_ml=100))
    verdict = edited(found, criterion="EXC4", verdict="met")["EXC4"]
    assert (verdict.status, verdict.verdict, verdict.effect) == ("confirmed", "met", "excludes")
    assert (verdict.decision.reader, verdict.decision.proposed) == ("Reader A", "met")


def test_an_answer_that_differs_overrules_with_its_reason_and_effect(findings):
    found = findings(burden=Burden(fraction=0.9, low=0.85, high=0.95, tumour_ml=90, liver_ml=100))
    verdict = edited(found, criterion="EXC4", verdict="not_met", reason="The left lobe is spared.")["EXC4"]
    assert (verdict.status, verdict.verdict, verdict.effect) == ("overruled", "not_met", "supports")
    assert verdict.decision.proposed == "met"
    assert verdict.decision.reason == "The left lobe is spared."
    assert verdict.liver_finding == "met"


def test_overruling_needs_a_reason_and_any_answer_a_reader(findings):
    with pytest.raises(ConfigError, match=r"overrule EXC4 .* without a reason"):
        edited(findings(), criterion="EXC4", verdict="met", reason=" ")
    edits = ReaderEdits.model_validate({"verdicts": [{"criterion": "EXC4", "verdict": "not_met"}]})
    with pytest.raises(ConfigError, match="without saying who reads"):
        with_readers_answers(judge_all(findings(), ()), edits, ScoringConfig())


def test_the_gate_follows_the_protocol(findings):
    protocol = default_protocol()
    other = protocol.model_copy(update={"tracer": protocol.tracer.model_copy(update={"nuclides": ("64Cu",)})})
    found = replace(findings(), config=ScoringConfig(protocol=other))
    assert judge_all(found, ())["EXC4"].verdict == "not_evaluable"
