"""What holds for every study: definite answers rest on what was checked, and less knowledge never decides more."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.image.volume import Quantity, Volume
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import LesionEdit, Reader, ReaderEdits, RestOfBody
from dotaliver.suv.arithmetic import SuvArithmetic, SuvStep
from dotaliver.suv.body_size import Body, Normalisation, body_size
from fixtures.arrays import Case, layer, series

CONFIG = ScoringConfig()
READER = Reader(name="A. Reader", role="radiologist")
DEFINITE = {"met", "not_met"}
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Lesions at these places along the liver's axis may be in a study, outlined, marked or neither.
PLACES = (48.0, 100.0)


@st.composite
def studies(draw):
    """A liver with up to two lesions, avid or cold, some of them outlined, from a mask of any completeness."""
    lesions = tuple(
        (place, draw(st.sampled_from([7.0, 12.0])), draw(st.sampled_from([0.6, 6.2, 9.0, 20.0])))
        for place in PLACES
        if draw(st.booleans())
    )
    case = Case(lesions, noise=draw(st.sampled_from([0.0, 0.08])), seed=draw(st.integers(0, 3)))
    outlined = [label for label in range(1, len(lesions) + 1) if draw(st.booleans())]
    completeness = draw(st.sampled_from(["searched", "stated", "not_stated"]))
    labels = np.where(np.isin(case.labels, outlined), case.labels, 0)
    return case, case.segmentations(lesions=layer(labels, case.geometry, completeness=completeness))


MARKS = st.sets(
    st.sampled_from(["treated", "simple_cyst", "cystic_metastasis", "not_a_lesion", "node", "receptor_negative"]),
    max_size=2,
)


@st.composite
def edits_for(draw, segmentations):
    """Statements that a reader might make, sensible or not."""
    lesions = tuple(
        LesionEdit(label=label, marks=tuple(sorted(draw(MARKS)))) for label in segmentations.lesions.labels.labels
    )
    rest = draw(
        st.none()
        | st.builds(
            RestOfBody,
            lesions=st.booleans(),
            uptake_above_liver=st.none() | st.booleans(),
            receptor_negative=st.none() | st.booleans(),
        )
    )
    complete = draw(st.none() | st.booleans())
    return ReaderEdits(reader=READER, lesions=lesions, rest_of_body=rest, lesions_complete=complete)


def scored(case, segmentations, edits, **changes):
    return score_labels(case.volumes(ct=series("CT", case.geometry, 3.0), **changes), segmentations, edits, CONFIG)


def answers(score):
    return {name: verdict.verdict for name, verdict in score.criteria.items()}


@FEW
@given(st.data())
def test_a_definite_answer_rests_on_inputs_that_passed_their_checks(data):
    case, masks = data.draw(studies())
    edits = data.draw(edits_for(masks))
    try:
        score = scored(case, masks, edits)
    except ConfigError as refusal:
        assert len(str(refusal).splitlines()) == 1
        return
    complete = edits.lesions_complete if edits.lesions_complete is not None else score.segmentation.lesions_complete
    verdicts = score.criteria
    if verdicts["EXC4"].verdict == "not_met":
        assert complete
        strict = masks.lesions.completeness != "searched" or edits.lesions_complete is not None
        assert not (strict and any(flag.code == "UPTAKE_OUTSIDE_OUTLINES" for flag in score.flags))
    for name in ("INC7", "EXC6", "INC4"):
        if verdicts[name].liver_finding == "not_met":
            assert complete, name
        if verdicts[name].verdict == "not_met":
            assert edits.rest_of_body is not None, name
    tumour = [x for x in score.lesions if x.tumour and x.in_liver]
    if verdicts["EXC6"].verdict == "not_met":
        limit = score.references["liver"].peak_limit
        assert all(x.suv_peak > limit for x in tumour)
    if verdicts["EXC6"].verdict == "met":
        marked = any("receptor_negative" in x.marks for x in tumour)
        assert marked or (edits.rest_of_body is not None and edits.rest_of_body.receptor_negative)


def weaker_inputs(masks, edits):
    """The same study, with less known or less stated."""
    lesions = masks.lesions
    yield replace(masks, lesions=replace(lesions, completeness="not_stated")), edits
    yield masks, edits.model_copy(update={"rest_of_body": None})
    yield masks, edits.model_copy(update={"lesions_complete": False})
    yield replace(masks, references=()), edits
    yield replace(masks, liver=None, reasons={"liver": "it was not found"}, references=()), edits


@FEW
@given(st.data())
def test_weakening_an_input_never_makes_an_answer_more_definite(data):
    case, masks = data.draw(studies())
    rest = data.draw(st.sampled_from([None, RestOfBody(lesions=False), RestOfBody(lesions=True)]))
    edits = ReaderEdits(reader=READER, rest_of_body=rest)
    before = answers(scored(case, masks, edits))
    for weaker, said in weaker_inputs(masks, edits):
        now = answers(scored(case, weaker, said))
        for name, verdict in now.items():
            assert verdict not in DEFINITE or verdict == before[name], name


@FEW
@given(st.data())
def test_a_statement_acts_or_is_refused(data):
    """Every mark of a lesion changes the record beyond the mark itself, or is refused."""
    case, masks = data.draw(studies())
    labels = masks.lesions.labels.labels
    if not labels:
        return
    label, mark = data.draw(st.sampled_from(labels)), data.draw(st.sampled_from(["simple_cyst", "not_a_lesion"]))
    plain = scored(case, masks, ReaderEdits(reader=READER))
    edit = ReaderEdits(reader=READER, lesions=(LesionEdit(label=label, marks=(mark,)),))
    try:
        marked = scored(case, masks, edit)
    except ConfigError as refusal:
        assert str(label) in str(refusal)
        return
    before, now = plain.criteria["INC7"].evidence["lesions"], marked.criteria["INC7"].evidence["lesions"]
    assert now == before - 1
    assert marked.burden.tumour_ml < plain.burden.tumour_ml


PERSON = Body(weight_kg=92.0, height_m=1.68, sex="F")
UNITS = {
    Quantity.SUVLBM: Normalisation.LEAN_JANMAHASATIAN,
    Quantity.SUVBSA: Normalisation.BODY_SURFACE,
    Quantity.SUVIBW: Normalisation.IDEAL_WEIGHT,
}


def in_units(case, quantity, normal_suv):
    """The study with normal liver at some SUV by body weight, in another unit, and the settings that ask for it."""
    volumes = case.volumes(ct=series("CT", case.geometry, 3.0))
    arithmetic = SuvArithmetic(
        weight_kg=92.0, height_m=1.68, sex="F", steps=(SuvStep(quantity="SUV", value="made", source="a test"),)
    )
    factor, config = normal_suv / 5.0, CONFIG
    if quantity in UNITS:
        norm = UNITS[quantity]
        factor *= body_size(norm, PERSON) / body_size(Normalisation.BODY_WEIGHT, PERSON)
        config = CONFIG.model_copy(update={"normalisation": norm})
    pet = Volume((volumes.pet.array * np.float32(factor)), volumes.pet.geometry, quantity)
    return replace(volumes, pet=pet, suv=arithmetic), config


@pytest.mark.parametrize("normal_suv", [5.0, 13.5])
@pytest.mark.parametrize("quantity", [*UNITS, Quantity.RELATIVE])
def test_units_never_change_a_verdict(quantity, normal_suv):
    """A normal liver of SUVbw 5, and one of 13.5 that may be diffuse tumour; soft tissue takes up a fifth of it."""
    case = Case(((96.0, 12.0, 20.0),), noise=0.05)
    if normal_suv > 12.4:
        case.suv[case.suv < 2.0] = 5.0 / 13.5  # soft tissue stays at SUV 1
    edits = ReaderEdits(reader=READER, rest_of_body=RestOfBody(lesions=False))
    records = []
    for unit in (Quantity.SUVBW, quantity):
        volumes, config = in_units(case, unit, normal_suv)
        records.append(score_labels(volumes, case.segmentations(), edits, config))
    assert answers(records[0]) == answers(records[1])
    assert answers(records[0])["EXC4"] == ("not_met" if normal_suv < 12.4 else "indeterminate")


@pytest.mark.parametrize("margins", [((3, 0), (0, 5), (2, 2)), ((0, 4), (6, 0), (0, 0))])
def test_padding_of_images_never_changes_a_verdict(margins):
    case = Case(((96.0, 12.0, 20.0), (50.0, 8.0, 9.0)), noise=0.05)
    edits = ReaderEdits(reader=READER, rest_of_body=RestOfBody(lesions=False))
    volumes = case.volumes(ct=series("CT", case.geometry, 3.0))
    plain = score_labels(volumes, case.segmentations(), edits, CONFIG)
    before = [low for low, _ in margins]
    grid = replace(
        case.geometry,
        shape=tuple(n + sum(m) for n, m in zip(case.geometry.shape, margins, strict=True)),
        origin_lps_mm=tuple(float(c) for c in case.geometry.index_to_lps([-n for n in before])),
    )
    pet = Volume(np.pad(volumes.pet.array, margins), grid, volumes.pet.quantity)
    padded = score_labels(replace(volumes, pet=pet), case.segmentations(), edits, CONFIG)
    assert answers(plain) == answers(padded)
    assert padded.burden.fraction == pytest.approx(plain.burden.fraction, rel=1e-6)
