"""The four real studies, scored from folder to verdict."""

import json

import nibabel
import numpy as np
import pytest

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.pipeline import StudyInput, score_study

NAMES = ("INC7", "EXC4", "EXC6", "DOM")


def need(data, name):
    folder = data / name
    if not folder.exists():
        pytest.skip(f"{name} is not among the real data")
    return folder


def codes(score):
    return {flag.code for flag in score.flags}


def dice(labels, path):
    """Overlap with a truth drawn on the same grid (NIfTI keeps columns first, in RAS)."""
    truth = nibabel.as_closest_canonical(nibabel.load(path))
    ours = labels.mask
    drawn = np.asarray(truth.dataobj).T[:, ::-1, ::-1] > 0
    return 2 * np.count_nonzero(ours & drawn) / (np.count_nonzero(ours) + np.count_nonzero(drawn))


@pytest.mark.parametrize(
    ("name", "exc4", "least"),
    [
        pytest.param("hybrid_moderate", "not_met", 0.90, marks=pytest.mark.slow),
        ("hybrid_massive", "met", 0.85),
    ],
)
def test_hybrid_studies(data, name, exc4, least):
    folder = need(data, name)
    truth = json.loads((folder / "truth.json").read_text())
    outcome = score_study(StudyInput(folder / "study"))
    score, liver = outcome.score, outcome.segmentations.liver
    assert score.criteria["INC7"].verdict == "met"
    assert score.criteria["EXC4"].verdict == exc4
    assert score.burden.low < truth["burden"] < score.burden.high
    assert liver.drawn_on == "ct"
    assert dice(liver.labels, folder / "truth_liver.nii.gz") >= least
    # No lesion without uptake is known: none may be called one, and in massive disease the CT cannot exclude one.
    assert not any(focus.candidate for focus in score.ct_foci)
    assert score.criteria["EXC6"].liver_finding == ("not_met" if exc4 == "not_met" else "not_evaluable")
    assert score.references["spleen"].suv_mean > 2 * score.references["liver"].suv_mean
    assert score.references["blood_pool"].suv_mean < 2


@pytest.mark.slow
def test_ge_fdg_is_measured_and_not_judged(data):
    folder = need(data, "petct_fdg_ge")
    score = score_study(StudyInput(folder)).score
    assert score.study.pet.description == "PET AC"
    assert "PET NAC" in score.study.pet.chosen_because
    assert f"{score.suv.slope_per_bqml:.5g}" == "0.00042111"
    assert 900 < score.liver.volume_ml < 2500
    assert 1.0 < score.references["liver"].suv_mean < 3.5
    assert "TRACER_NOT_SSTR" in codes(score)
    assert {score.criteria[name].verdict for name in NAMES} == {"not_evaluable"}
    assert "FDG" in score.criteria["INC7"].reason


def test_ge_fdg_is_judged_on_request(data):
    config = ScoringConfig(assume=AssumedValues(judge_other_tracer=True))
    score = score_study(StudyInput(need(data, "petct_fdg_ge")), config).score
    assert "JUDGED_ON_REQUEST" in codes(score)
    assert score.config.assume.judge_other_tracer
    assert score.criteria["INC7"].verdict != "not_evaluable"


@pytest.mark.slow
def test_lutetium_spect_without_ct(data):
    folder = need(data, "spect_dotatate_lu177")
    score = score_study(StudyInput(folder)).score
    assert {"NUCLIDE_NOT_68GA", "NO_CT"} <= codes(score)
    assert {score.criteria[name].verdict for name in NAMES} == {"not_evaluable"}
    assert score.criteria["INC4"].verdict == "indeterminate"
    if score.liver.volume_ml is None:
        assert {lesion.in_liver for lesion in score.lesions} == {None}
        assert score.burden.fraction is None
    else:
        assert score.lesions


def test_lutetium_spect_with_its_lesions(data):
    folder = need(data, "spect_dotatate_lu177")
    score = score_study(StudyInput(folder, lesions=folder / "mask")).score
    one = score.lesions[0]
    assert one.suv_max == pytest.approx(29.1, abs=0.1)
    assert one.suv_mean == pytest.approx(14.7, abs=0.1)
    assert one.volume_ml == pytest.approx(107, rel=0.02)
    assert score.criteria["INC7"].verdict == "not_evaluable"
