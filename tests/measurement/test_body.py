"""Candidates outside the liver: what is measured of each, and what enters the sums."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity
from dotaliver.measurement.body import burden_band
from dotaliver.measurement.sstr_rads import SSTR_RADS, sstr_rads
from dotaliver.measurement.volume_interval import surface_mm2, volume_interval_ml
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.body_record import SstrRads
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.measurements import Reference
from dotaliver.records.positions import VoxelSet
from fixtures.arrays import ball
from fixtures.body import BodyCase, focus

READER = {"reader": {"name": "A. Reader", "role": "radiologist"}}
TWO = ((9.0, 15.0), (12.0, 4.0))


def scored(case, **edits):
    stated = ReaderEdits.model_validate(READER | edits) if edits else ReaderEdits()
    return score_labels(case.volumes(), case.segmentations(), stated, ScoringConfig())


def answers(*states):
    return {"answers": [{"label": n, "answer": state} for n, state in enumerate(states, start=1) if state]}


def test_every_candidate_is_measured_like_a_lesion():
    first, second = scored(BodyCase(TWO)).body.lesions
    assert (first.name, first.state, first.region) == ("B1", "unanswered", "skeleton, thoracic spine")
    assert (first.suv_max, first.suv_mean) == (15.0, 15.0)
    # A ball of 9 mm radius has 3.05 ml; a ball of voxels of 27 mm³ is up to a tenth off.
    assert first.volume_ml == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.1)
    assert first.total_uptake == pytest.approx(15.0 * first.volume_ml)
    # L is 5.
    assert first.mean_ratio_to_liver == pytest.approx(3.0)
    assert first.centroid_lps_mm == pytest.approx((18.0, 18.0, 18.0), abs=0.5)
    assert second.organ == "lymph_node"
    assert "node" in second.marks
    low, high = first.volume_interval_ml
    assert low < first.volume_ml < high


def test_sums_hold_what_a_reader_confirmed_and_the_liver_s_lesions():
    case = BodyCase(TWO, lesions=((96.0, 12.0, 20.0),))
    before, after = scored(case).body.sums, scored(case, body=answers("accepted", "rejected")).body.sums
    liver_ml = 4 / 3 * np.pi * 1.2**3
    assert before.lesions == 1
    assert before.tumour_volume_ml == pytest.approx(liver_ml, rel=0.06)
    assert before.unanswered == 2
    assert after.tumour_volume_ml == pytest.approx(liver_ml + 4 / 3 * np.pi * 0.9**3, rel=0.06)
    assert after.total_receptor_expression == pytest.approx(
        20.0 * after.by_organ["liver"].volume_ml + 15.0 * after.by_organ["bone"].volume_ml
    )
    assert set(after.by_organ) == {"liver", "bone"}
    assert (after.highest_uptake.lesion, after.lowest_uptake.lesion) == ("1", "B1")
    assert after.unanswered == 0


def test_a_candidate_that_the_lesion_mask_holds_is_counted_once():
    case = BodyCase()
    labels = case.labels.copy()
    labels[ball(case.geometry, (18.0, 18.0, 18.0), 9.0)] = 4
    case.labels = labels
    body = scored(case, body=answers("accepted")).body
    assert body.lesions[0].same_as_lesion == 4
    assert body.sums.lesions == 1


def test_nothing_is_said_of_a_body_that_was_not_searched():
    case = BodyCase()
    score = score_labels(case.volumes(), case.segmentations(body=None), ReaderEdits(), ScoringConfig())
    assert score.body is None


@pytest.mark.parametrize(
    ("peak", "organ", "region", "likely", "on_ct", "category"),
    [
        # Not above liver: a typical site is equivocal, an atypical one or physiology likely benign.
        (4.0, "lymph_node", "lymph node, mesenteric", "unsure", False, "3A"),
        (4.0, "lymph_node", "lymph node, mesenteric", "metastasis", True, "3A"),
        (0.9, "lung", "lung, left", "unsure", False, "3A"),
        (4.0, "bone", "skeleton, thoracic spine", "unsure", False, "3B"),
        (4.0, "bone", "skeleton, thoracic spine", "physiological", False, "2"),
        (4.0, "pancreas", "pancreas", "physiological", False, "2"),
        (4.0, "lymph_node", "lymph node, axillary, left", "unsure", False, "2"),
        (4.0, "soft_tissue", "thigh", "unsure", False, "2"),
        # Above liver: an atypical site speaks for another tumour.
        (10.0, "soft_tissue", "thigh", "unsure", False, "3C"),
        (10.0, "lymph_node", "lymph node, inguinal, right", "metastasis", True, "3C"),
        (10.0, "bone", "skeleton, pelvis", "metastasis", False, "4"),
        (10.0, "lymph_node", "lymph node, mesenteric", "metastasis", True, "5"),
        # May be normal, and is not called benign.
        (10.0, "pancreas", "pancreas", "physiological", False, None),
        (None, "bone", "skeleton, pelvis", "metastasis", False, None),
    ],
)
def test_the_proposed_category_follows_uptake_and_site(peak, organ, region, likely, on_ct, category):
    """Werner et al. 2018; 1A, 1B and 3D are never proposed."""
    references = {
        "liver": Reference(organ="liver", method="sphere", suv_mean=5.0, peak_limit=6.5),
        "blood_pool": Reference(organ="blood_pool", method="sphere", suv_mean=1.2),
    }
    assert sstr_rads(peak, references, organ, likely, region=region, measured_on_ct=on_ct) == category
    assert category is None or category in SSTR_RADS


def test_every_category_has_its_rule():
    assert list(SSTR_RADS) == ["1A", "1B", "2", "3A", "3B", "3C", "3D", "4", "5"]
    assert set(get_args(SstrRads)) <= set(SSTR_RADS)


def test_a_ball_grows_and_shrinks_like_a_ball():
    """Radius 12 mm, border moved by 1.5 mm: 4/3 π 10.5³ and 13.5³ mm³; the surface 4 π 12²."""
    fine = Geometry((41, 41, 41), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    box = (slice(0, 41), slice(0, 41), slice(0, 41))
    voxels = VoxelSet(box, ball(fine, (20.0, 20.0, 20.0), 12.0))
    assert surface_mm2(voxels, fine) == pytest.approx(4 * np.pi * 144, rel=0.03)
    low, high = volume_interval_ml(voxels, fine, 1.5)
    assert low == pytest.approx(4 / 3 * np.pi * 1.05**3, rel=0.03)
    assert high == pytest.approx(4 / 3 * np.pi * 1.35**3, rel=0.03)


def test_bounds_of_a_band_belong_to_the_middle_one():
    assert [burden_band(share, (0.25, 0.5)) for share in (0.2, 0.25, 0.5, 0.51)] == [
        "under 25 %", "25 to 50 %", "25 to 50 %", "over 50 %",
    ]  # fmt: skip


def test_relative_units_keep_ratios_and_leave_suv_empty():
    case = BodyCase(foci=(focus(1),))
    volumes = case.volumes()
    relative = replace(volumes, pet=volumes.pet.with_array(volumes.pet.array, Quantity.RELATIVE), suv=None)
    body = score_labels(relative, case.segmentations(), ReaderEdits(), ScoringConfig()).body
    assert body.lesions[0].suv_mean is None
    assert body.lesions[0].mean_ratio_to_liver == pytest.approx(3.0)
