"""Confidence rises with what speaks for a metastasis; regions follow from the place in the body."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.body import BodyConfig
from dotaliver.segmentation.body.confidence import confidences
from dotaliver.segmentation.body.part_features import FEATURES, PlacedPart, features_of
from dotaliver.segmentation.body.parts import HotPart, HotParts
from dotaliver.segmentation.body.physiology import explained
from dotaliver.segmentation.body.regions import region_of
from dotaliver.segmentation.body.search import is_likely

PART = HotPart(
    label=1,
    peak=12.0,
    background=0.6,
    volume_ml=3.0,
    height_mm=200.0,
    lateral_mm=0.0,
    posterior_mm=-40.0,
    place=(0, 0, 0),
    extent_mm=(6.0, 6.0, 6.0),
    upright=0.5,
    liver_mm=100.0,
    skin_mm=60.0,
    hu=45.0,
    organ_mm=100.0,
)


# Faint uptake as most bodies have: vertebrae, bowel and vessels from neck to thigh.
FAINT = tuple(
    replace(
        PART,
        label=n + 2,
        peak=1.3,
        background=0.8,
        volume_ml=1.5,
        height_mm=-430.0 + 20.0 * n,
        lateral_mm=(-40.0, 0.0, 35.0)[n % 3],
        posterior_mm=(-100.0, -20.0, -60.0)[n % 3],
        bone_near=0.9 * (n % 3 == 1),
        bone_share=0.9 * (n % 3 == 1),
        extent_mm=(8.0, 6.0, 5.0),
    )
    for n in range(40)
)


def placed(part, may_be=None):
    return PlacedPart(part, may_be, region_of(part, has_ct=part.hu is not None)[1])


def confidence(part, may_be=None, others=()):
    """Of a part in a body with faint uptake and other parts."""
    faint = [placed(p, "vessel") for p in FAINT]
    return confidences([placed(part, may_be), *(placed(p) for p in others), *faint], 5.0)[0]


def test_a_hot_focus_that_nothing_explains_is_likelier_than_a_mild_one_and_than_an_explained_one():
    hot = confidence(PART)
    assert hot > 0.8
    assert confidence(replace(PART, peak=1.4)) < hot
    assert confidence(replace(PART, peak=3.0, height_mm=315.0, posterior_mm=-76.0), "thyroid") < 0.5


def test_faint_uptake_in_lung_without_a_nodule_is_less_likely_than_at_one():
    nodule = replace(PART, lung_share=0.8, lateral_mm=-80.0, peak=1.5, volume_ml=0.5, hu=-250.0)
    air = replace(nodule, hu=-860.0)
    seen = HotParts((air,), np.zeros((1, 1, 1), np.int32), np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    may_be = explained(seen, {}, 5.0, has_ct=True)[air.label]
    assert may_be == "aerated_lung"
    # Uptake may lie on lung because of breathing, so more confidence is asked for.
    assert may_be in BodyConfig().ambiguous_organs
    assert confidence(air, may_be) < confidence(nodule)


def test_contrast_agent_in_vessels_and_bowel_is_not_taken_for_a_lesion_of_bone():
    spine = replace(PART, peak=2.2, background=0.4, bone_share=0.8, bone_near=0.8, hu=320.0, posterior_mm=-20.0)
    vessel = replace(spine, posterior_mm=-70.0)
    assert confidence(vessel) < confidence(spine)
    pelvis = replace(PART, peak=2.2, background=0.4, bone_share=0.5, bone_near=0.5, height_mm=-200.0, lateral_mm=110.0)
    bowel = replace(pelvis, hu=150.0)
    assert confidence(bowel) < confidence(replace(pelvis, hu=320.0))


@pytest.mark.parametrize("place", [{}, {"lung_share": 0.9, "lateral_mm": -80.0}, {"height_mm": -100.0}, {"hu": None}])
@pytest.mark.parametrize("volume_ml", [0.5, 3.0, 25.0])
def test_above_liver_more_uptake_that_no_organ_explains_is_no_less_likely(place, volume_ml):
    """A large and very hot mass, such as one of FDG at 15 times liver, lies beyond what the model was fitted on."""
    parts = [replace(PART, peak=5.0 * n, volume_ml=volume_ml, **place) for n in (1, 2, 4, 8, 16)]
    found = [confidence(part) for part in parts]
    assert all(hotter >= milder - 0.01 for milder, hotter in itertools.pairwise(found))
    assert found[-1] > 0.8


def test_a_faint_focus_counts_for_more_beside_certain_lesions_than_alone():
    faint = replace(PART, peak=3.0, volume_ml=1.0, height_mm=-100.0, lateral_mm=20.0, posterior_mm=-35.0)
    lesions = [replace(PART, label=900 + n, height_mm=PART.height_mm + 25.0 * n, peak=20.0) for n in range(4)]
    assert confidence(faint, others=lesions) > confidence(faint) + 0.02


def test_the_order_of_the_parts_does_not_matter():
    parts = [placed(PART), placed(replace(PART, label=50, peak=4.0, height_mm=0.0)), *map(placed, FAINT)]
    forwards, backwards = confidences(parts, 5.0), confidences(parts[::-1], 5.0)
    np.testing.assert_allclose(forwards, backwards[::-1], rtol=1e-9)


def test_in_the_place_of_an_organ_that_may_be_as_hot_more_confidence_is_asked_for():
    config = BodyConfig()
    between = (config.metastasis_from + config.metastasis_from_at_ambiguous) / 2
    assert is_likely(between, None, config) and is_likely(between, "bowel", config)
    assert not any(is_likely(between, organ, config) for organ in config.ambiguous_organs)
    assert is_likely(config.metastasis_from_at_ambiguous, "uncinate", config)


def test_without_a_ct_the_density_is_missing_and_not_low():
    features = dict(zip(FEATURES, features_of([placed(replace(PART, hu=None))], 5.0)[0], strict=True))
    assert features["hu"] < -1500
    assert features["log_liver_ratio"] == pytest.approx(np.log(12 / 5))
    assert features["in_lymph_node"] == 1.0 and features["explained"] == 0.0


@pytest.mark.parametrize(
    ("changes", "region", "organ"),
    [
        ({"bone_share": 0.9, "posterior_mm": 0.0}, "skeleton, thoracic spine", "bone"),
        ({"bone_share": 0.9, "posterior_mm": 0.0, "height_mm": -120.0}, "skeleton, lumbar spine", "bone"),
        ({"bone_share": 0.9, "height_mm": -400.0, "lateral_mm": 90.0}, "skeleton, femur, left", "bone"),
        ({"bone_share": 0.9, "height_mm": 80.0, "lateral_mm": -130.0}, "skeleton, rib, right", "bone"),
        ({"lung_share": 0.9, "lateral_mm": -80.0}, "lung, right", "lung"),
        ({}, "lymph node, mediastinal", "lymph_node"),
        ({"height_mm": -100.0, "posterior_mm": -35.0}, "lymph node, retroperitoneal", "lymph_node"),
        ({"height_mm": -270.0, "lateral_mm": 60.0}, "lymph node, pelvic, left", "lymph_node"),
        ({"height_mm": -20.0, "lateral_mm": 50.0, "posterior_mm": -70.0}, "pancreas", "pancreas"),
        ({"height_mm": -120.0, "lateral_mm": 110.0, "posterior_mm": -90.0}, "peritoneum", "peritoneum"),
    ],
)
def test_the_region_follows_from_the_place(changes, region, organ):
    assert region_of(replace(PART, **changes), has_ct=True) == (region, organ)


def names_on_fdg(*parts):
    seen = HotParts(parts, np.zeros((1, 1, 1), np.int32), np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
    return explained(seen, {}, 2.0, has_ct=True, other_tracer=True)


ABOVE_CLAVICLE = replace(PART, height_mm=300.0, lateral_mm=60.0, posterior_mm=-55.0, hu=-88.0, mirror_ratio=1.1)
BESIDE_SPINE = replace(
    PART, label=2, height_mm=170.0, lateral_mm=32.0, posterior_mm=-20.0, hu=-250.0, mirror_ratio=1.0, volume_ml=1.2
)


def test_hot_fat_on_both_sides_is_no_candidate_of_an_fdg_scan():
    assert names_on_fdg(ABOVE_CLAVICLE, BESIDE_SPINE) == {1: "brown_fat", 2: "brown_fat"}
    assert "brown_fat" in BodyConfig().other_tracer_organs


@pytest.mark.parametrize("changes", [{"hu": 40.0}, {"hu": None}, {"mirror_ratio": 4.0}, {"mirror_ratio": 0.0}])
def test_a_node_or_a_focus_of_one_side_stays_a_candidate(changes):
    found = names_on_fdg(replace(ABOVE_CLAVICLE, **changes), BESIDE_SPINE)
    assert "brown_fat" not in found.values()


def test_only_uptake_as_large_as_a_heart_is_the_heart_on_fdg():
    heart = replace(PART, height_mm=120.0, lateral_mm=60.0, posterior_mm=-100.0, volume_ml=200.0)
    assert names_on_fdg(heart) == {1: "heart"}
    assert names_on_fdg(replace(heart, volume_ml=30.0)) == {}
