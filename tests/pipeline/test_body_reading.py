"""What a reader says of the body outside the liver: what it changes, and what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.pipeline.run import clicked_in
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.body import BodyCoverage
from dotaliver.records.edits import ReaderEdits
from fixtures.arrays import ball, series
from fixtures.body import BodyCase, focus
from pipeline.test_definite_answers import DEFINITE, FEW

READER = {"reader": {"name": "A. Reader", "role": "radiologist"}}
ACCEPT = {"label": 1, "answer": "accepted"}
REJECT = {"label": 1, "answer": "rejected"}
FAINT = ((9.0, 3.0),)
DOM_AT_HALF = {"liver_dominance_share": 0.5}


def scored(case, config=ScoringConfig(), **edits):  # noqa: B008
    stated = ReaderEdits.model_validate(READER | edits)
    volumes = case.volumes(ct=series("CT", case.geometry, 3.0))
    found = clicked_in(volumes, case.segmentations(), stated, config)
    return score_labels(volumes, found, stated, config)


def answer_of(score, name):
    return score.criteria[name].verdict


def refused(case, **edits):
    with pytest.raises(ConfigError) as refusal:
        scored(case, **edits)
    assert len(str(refusal.value).splitlines()) == 1
    return str(refusal.value)


# --- before any answer --------------------------------------------------------------------------------------------


def test_candidates_change_no_answer_and_are_said_in_the_reasons():
    case = BodyCase(((9.0, 15.0), (9.0, 15.0)))
    without = score_labels(case.volumes(), case.segmentations(body=None), ReaderEdits(), ScoringConfig())
    score = score_labels(case.volumes(), case.segmentations(), ReaderEdits(), ScoringConfig())
    for name, verdict in score.criteria.items():
        assert (verdict.verdict, verdict.effect) == (without.criteria[name].verdict, without.criteria[name].effect)
        said = "Two foci outside the liver are likely metastases; not yet confirmed." in verdict.reason
        assert said == (name in {"INC7", "INC4", "EXC6", "DOM"}), name


@pytest.mark.parametrize(
    ("likely", "words"),
    [
        (("metastasis", "unsure"), "One focus outside the liver is likely a metastasis, and 1 more may be; not yet"),
        (("unsure", "physiological"), "One focus outside the liver may be a metastasis; not yet confirmed."),
    ],
)
def test_the_sentence_says_what_the_candidates_may_be(likely, words):
    foci = tuple(focus(n, kind) for n, kind in enumerate(likely, start=1))
    case = BodyCase(tuple((9.0, 15.0) for _ in likely), foci=foci)
    assert words in scored(case).criteria["DOM"].reason


def test_what_is_likely_physiological_is_left_to_the_list():
    case = BodyCase(((9.0, 15.0),), foci=(focus(1, "physiological"),))
    assert "outside the liver is" not in scored(case).criteria["DOM"].reason


# --- answers ------------------------------------------------------------------------------------------------------


def test_an_accepted_lesion_above_liver_fulfils_inclusion_7():
    score = scored(BodyCase(), body={"answers": [ACCEPT]})
    verdict = score.criteria["INC7"]
    assert (verdict.verdict, verdict.evidence["lesion_label"]) == ("met", "B1")
    assert "Lesion B1 outside the liver has SUVpeak" in verdict.reason
    assert score.body.scope == "liver"


def test_a_body_read_without_uptake_above_liver_answers_inclusion_7():
    clean = scored(BodyCase(), body={"answers": [REJECT], "all_read": True})
    assert (clean.body.scope, answer_of(clean, "INC7")) == ("body", "not_met")
    assert "has read the whole body" in clean.criteria["INC7"].reason
    faint = scored(BodyCase(FAINT), body={"answers": [ACCEPT], "all_read": True})
    assert answer_of(faint, "INC7") == "not_met"
    # 9 mm across: too small for a PET to exclude uptake.
    tiny = scored(BodyCase(((4.5, 3.0),)), body={"answers": [ACCEPT], "all_read": True})
    assert answer_of(tiny, "INC7") == "indeterminate"


def test_receptor_negative_lesions_elsewhere_take_the_reader_s_own_word():
    body = {"answers": [REJECT], "all_read": True}
    silent = scored(BodyCase(), body=body)
    assert answer_of(silent, "EXC6") in {"indeterminate", "not_evaluable"}
    for stated, verdict in ((True, "met"), (False, silent.criteria["EXC6"].liver_finding)):
        score = scored(BodyCase(), body=body, rest_of_body={"receptor_negative": stated})
        assert answer_of(score, "EXC6") == verdict


@pytest.mark.parametrize(("short_mm", "verdict"), [(16.0, "met"), (14.0, "not met")])
def test_a_node_is_measurable_by_its_short_axis_on_the_reader_s_line(short_mm, verdict):
    """RECIST 1.1: 15 mm; the long axis of 24 mm does not count."""
    x, y, z = 126.0, 126.0, 126.0
    diameter = {
        "long_axis_lps_mm": [[x - 12, y, z], [x + 12, y, z]],
        "short_axis_lps_mm": [[x, y - short_mm / 2, z], [x, y + short_mm / 2, z]],
    }
    case = BodyCase(((9.0, 15.0), (10.0, 15.0)))
    edits = {"answers": [REJECT, {"label": 2, "answer": "accepted", "diameter": diameter}], "all_read": True}
    score = scored(case, body=edits, rest_of_body={"receptor_negative": False})
    assert (answer_of(score, "INC4") == "met") == (verdict == "met")
    if verdict == "met":
        assert "Lesion B2 has a short axis of 16.0 mm drawn by A. Reader" in score.criteria["INC4"].reason


def test_an_extent_on_pet_does_not_answer_inclusion_4():
    edits = {"answers": [ACCEPT], "all_read": True}
    score = scored(BodyCase(), body=edits, rest_of_body={"receptor_negative": False})
    assert answer_of(score, "INC4") == "indeterminate"


def test_dominance_is_a_share_with_an_interval_and_a_threshold_only_of_the_protocol():
    case = BodyCase(lesions=((96.0, 14.0, 20.0),))
    read = {"answers": [ACCEPT], "all_read": True}
    verdict = scored(case, body=read).criteria["DOM"]
    # Balls of 14 and 9 mm radius: 14³ / (14³ + 9³) = 0.79.
    assert verdict.evidence["liver_share"] == pytest.approx(0.79, abs=0.02)
    assert verdict.evidence["liver_share_low"] < verdict.evidence["liver_share"] < verdict.evidence["liver_share_high"]
    assert verdict.verdict == "indeterminate"
    config = ScoringConfig()
    config = config.with_protocol(config.protocol.model_copy(update=DOM_AT_HALF))
    no_others = {"receptor_negative": False}
    assert answer_of(scored(case, config, body=read, rest_of_body=no_others), "DOM") == "met"
    assert answer_of(scored(case, config, body={"answers": [ACCEPT]}), "DOM") == "indeterminate"
    assert answer_of(scored(BodyCase(((20.0, 15.0),), case_lesions()), config, body=read), "DOM") == "not_met"


@pytest.mark.parametrize("stated", [None, {"receptor_negative": True}, {"lesions": True}])
def test_tumour_that_a_pet_does_not_show_keeps_the_liver_from_being_dominant(stated):
    """Of a lesion without uptake no volume is known: the liver's share may be smaller."""
    config = ScoringConfig()
    config = config.with_protocol(config.protocol.model_copy(update=DOM_AT_HALF))
    read = {"answers": [ACCEPT], "all_read": True}
    verdict = scored(BodyCase(lesions=((96.0, 14.0, 20.0),)), config, body=read, rest_of_body=stated).criteria["DOM"]
    assert verdict.verdict == "indeterminate"
    assert "outside the liver" in verdict.reason


def case_lesions():
    return ((96.0, 9.0, 20.0),)


# --- lesions that the search missed -------------------------------------------------------------------------------


def missed(uptake=15.0, radius=9.0):
    """A lesion in the second corner that no search found."""
    case = BodyCase(((9.0, 15.0), (radius, uptake)))
    labels = case.search.mask.labels.array.copy()
    labels[labels == 2] = 0
    mask = replace(case.search.mask, labels=case.search.mask.labels.with_array(labels))
    case.search = replace(case.search, foci=case.search.foci[:1], mask=mask)
    return case


def test_an_added_lesion_is_outlined_at_half_the_step():
    point = {"place_lps_mm": [128.0, 124.0, 126.0], "organ": "bone", "region": "skeleton, left femur"}
    added = scored(missed(), body={"added": [point]}).body.lesions[1]
    assert (added.name, added.state, added.organ, added.source) == ("B2", "added", "bone", "reader")
    # 3.05 ml; a ball of voxels of 27 mm³ is up to a tenth off.
    assert added.volume_ml == pytest.approx(3.05, rel=0.12)
    assert added.tumour


def test_an_added_lesion_does_not_take_the_uptake_of_one_in_the_liver():
    """3 mm outside the liver, 15 mm from the middle of its lesion of SUV 20: that one is counted already."""
    case = BodyCase(lesions=((114.0, 12.0, 20.0),))
    point = {"place_lps_mm": [129.0, 72.0, 72.0], "organ": "bone"}
    assert "give its diameter as size_mm" in refused(case, body={"added": [point]})
    added = scored(case, body={"added": [point | {"size_mm": 12.0}]}).body.lesions[1]
    assert added.suv_max == 1.0


def test_an_added_lesion_without_uptake_takes_the_reader_s_size_or_is_refused():
    case, point = missed(uptake=1.0), {"place_lps_mm": [126.0, 126.0, 126.0]}
    assert "give its diameter as size_mm" in refused(case, body={"added": [point]})
    added = scored(case, body={"added": [point | {"size_mm": 20.0}]}).body.lesions[1]
    assert added.source == "reader_by_size"
    assert added.volume_ml == pytest.approx(4.19, rel=0.12)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((18.0, 18.0, 18.0), "lies in B1; answer that candidate"),
        ((72.0, 72.0, 72.0), "lies in the liver"),
        ((1000.0, 0.0, 0.0), "lies outside the PET"),
    ],
)
def test_a_place_that_is_something_else_is_refused(place, words):
    assert words in refused(BodyCase(), body={"added": [{"place_lps_mm": place}]})


# --- refusals -----------------------------------------------------------------------------------------------------


def test_all_read_is_refused_while_a_candidate_is_unanswered():
    words = refused(BodyCase(((9.0, 15.0), (9.0, 15.0))), body={"answers": [ACCEPT], "all_read": True})
    assert "candidate B2 (lymph node, retroperitoneal) is unanswered; accept or reject it" in words


def test_all_read_is_refused_where_the_images_do_not_show_the_body():
    case = BodyCase(coverage=BodyCoverage(("abdomen", "pelvis"), "The PET shows neither neck nor chest."))
    words = refused(case, body={"answers": [REJECT], "all_read": True})
    assert "the PET does not show the neck and chest" in words
    assert scored(case, body={"answers": [REJECT]}).body.scope == "liver"


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"body": {"answers": [{"label": "B7", "answer": "accepted"}]}}, "B7, which is not among those found"),
        ({"body": {"answers": [ACCEPT]}, "rest_of_body": {"lesions": False}}, "B1 (skeleton, thoracic spine) is acc"),
        ({"rest_of_body": {"lesions": False}}, "is likely a metastasis and unanswered"),
        ({"rest_of_body": {"receptor_negative": False}}, "does not say whether there are lesions elsewhere"),
        ({"body": {"answers": [REJECT | {"marks": ["treated"]}]}}, "is rejected and has treated"),
        ({"body": {"answers": [ACCEPT | {"marks": ["simple_cyst"]}]}}, "accepted and marked simple_cyst"),
        ({"body": {"answers": [ACCEPT | {"marks": ["receptor_negative"]}]}}, "found it by its uptake"),
        ({"body": {"answers": [ACCEPT]}, "reader": None}, "without saying who reads"),
        (
            {"body": {"answers": [REJECT], "all_read": True}, "rest_of_body": {"lesions": True}},
            "read with none accepted or added",
        ),
        (
            {
                "body": {"answers": [ACCEPT], "all_read": True},
                "rest_of_body": {"lesions": True, "uptake_above_liver": False},
            },
            "lesion B1 outside the liver has uptake above liver",
        ),
    ],
)
def test_statements_that_contradict_are_refused(edits, words):
    assert words in refused(BodyCase(), **edits)


def test_no_uptake_above_liver_is_not_stated_over_a_likely_metastasis():
    """Lesions elsewhere, none above liver, while B1 at SUV 15 (limit about 6) waits: one of the two is wrong."""
    rest = {"lesions": True, "uptake_above_liver": False}
    assert "candidate B1 (skeleton, thoracic spine) exceeds normal liver" in refused(BodyCase(), rest_of_body=rest)
    assert answer_of(scored(BodyCase(), body={"answers": [REJECT]}, rest_of_body=rest), "INC7") == "not_met"
    assert answer_of(scored(BodyCase(FAINT), rest_of_body=rest), "INC7") == "not_met"
    unsure = BodyCase(foci=(focus(1, "unsure"),))
    assert answer_of(scored(unsure, rest_of_body=rest), "INC7") == "not_met"


@pytest.mark.parametrize(
    ("answer", "marks", "words"),
    [
        (REJECT, [], "B1 (skeleton, thoracic spine) is rejected, and lesion 4 of the lesion mask in the same place"),
        (ACCEPT, ["not_a_lesion"], "lesion 4 of the lesion mask in the same place is marked as no tumour"),
        (ACCEPT, [], None),
        (REJECT, ["not_a_lesion"], None),
    ],
)
def test_an_answer_and_the_lesion_mask_agree_on_one_place(answer, marks, words):
    """A rejected place must not fulfil Inclusion 7 as a lesion of the mask."""
    case = BodyCase()
    labels = case.labels.copy()
    labels[ball(case.geometry, (18.0, 18.0, 18.0), 9.0)] = 4
    case.labels = labels
    edits = {"body": {"answers": [answer]}, "lesions": [{"label": 4, "marks": marks}]}
    if words is None:
        assert (answer_of(scored(case, **edits), "INC7") == "met") == (answer is ACCEPT)
    else:
        assert words in refused(case, **edits)


def test_a_list_without_end_is_refused():
    many = [{"place_lps_mm": [0.0, 0.0, 0.0]}] * 1001
    with pytest.raises(ValidationError, match="at most 1000"):
        ReaderEdits.model_validate(READER | {"body": {"added": many}})


def test_without_a_search_there_is_nothing_to_answer():
    case = BodyCase()
    case.search = None
    assert "was not searched" in refused(case, body={"answers": [ACCEPT]})
    assert "was not searched" in refused(case, body={"added": [{"place_lps_mm": [18.0, 18.0, 18.0]}]})


# --- what holds for every reading ---------------------------------------------------------------------------------


@st.composite
def readings(draw):
    """Bodies with one or two candidates, and a reading of them, sensible or not."""
    count = draw(st.integers(1, 2))
    outside = tuple((draw(st.sampled_from([5.0, 9.0])), draw(st.sampled_from([3.0, 6.2, 15.0]))) for _ in range(count))
    likely = [draw(st.sampled_from(["metastasis", "unsure", "physiological"])) for _ in range(count)]
    lesions = draw(st.sampled_from([(), ((96.0, 12.0, 20.0),)]))
    foci = tuple(focus(n, kind) for n, kind in enumerate(likely, start=1))
    coverage = draw(st.sampled_from([("neck", "chest", "abdomen", "pelvis"), ("abdomen",)]))
    case = BodyCase(outside, lesions, foci, BodyCoverage(coverage))
    states = [draw(st.sampled_from([None, "accepted", "rejected"])) for _ in range(count)]
    answers = [{"label": n, "answer": state} for n, state in enumerate(states, start=1) if state]
    rest = draw(
        st.none()
        | st.fixed_dictionaries({"lesions": st.none() | st.booleans(), "receptor_negative": st.none() | st.booleans()})
    )
    return case, {"body": {"answers": answers, "all_read": draw(st.booleans())}, "rest_of_body": rest}


@FEW
@given(readings())
def test_no_answer_is_definite_from_what_was_not_checked(reading):
    case, edits = reading
    try:
        score = scored(case, **edits)
    except ConfigError as refusal:
        assert len(str(refusal).splitlines()) == 1
        return
    rest, body = score.edits.rest_of_body, score.body
    denied = rest is not None and rest.lesions is False
    for name in ("INC7", "INC4", "EXC6"):
        if answer_of(score, name) == "not_met":
            assert denied or body.scope == "body" or (name == "EXC6" and rest.receptor_negative is False), name
    if body.scope == "body":
        assert not body.candidates
        assert "chest" in body.parts
    if answer_of(score, "EXC6") == "not_met":
        assert denied or rest.receptor_negative is False
    if answer_of(score, "INC4") == "not_met":
        assert denied or rest.receptor_negative is False
    if answer_of(score, "INC7") == "not_met":
        assert not any(x.suv_peak > score.references["liver"].suv_mean for x in body.confirmed)


@FEW
@given(readings())
def test_less_answered_never_decides_more(reading):
    """Taking an answer back, or 'all read', makes no answer definite that was not."""
    case, edits = reading
    try:
        before = scored(case, **edits)
    except ConfigError:
        return
    weaker = [{**edits, "body": {**edits["body"], "all_read": False}}]
    weaker += [{**edits, "body": {"answers": edits["body"]["answers"][:-1], "all_read": False}}]
    for less in weaker:
        try:
            now = scored(case, **less)
        except ConfigError:
            continue
        for name, verdict in now.criteria.items():
            assert verdict.verdict not in DEFINITE or verdict.verdict == answer_of(before, name), name
