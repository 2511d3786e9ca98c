"""Cold places of the liver outside every outline: tumour at the upper end of the burden's interval alone."""

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.cold_places import cold_place, cold_places_ml, with_possible_tumour
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.measurements import Burden, CtFocus
from fixtures.arrays import Case, ball, layer

BURDEN = Burden(fraction=0.2, low=0.1, high=0.3, tumour_ml=200.0, liver_ml=1000.0)
# Away from the lesion of the case and from the liver's border
COLD_MM, RADIUS_MM = (52.0, 72.0, 72.0), 12.0


def with_places(case, **normal):
    segmentations = case.segmentations()
    placement, config = place(segmentations, case.geometry), ScoringConfig()
    found, spheres = measure_references(case.volumes().pet, segmentations, ReaderEdits(), placement, config)
    reference = found.liver.model_copy(update={"suv_mean": 5.0} | normal)
    cold_ml = cold_places_ml(case.volumes().pet, placement, spheres, reference, config.peak.sphere_ml)
    return with_possible_tumour(BURDEN, cold_ml)


def case_with(uptake):
    case = Case(lesions=((100.0, 10.0, 20.0),))
    case.suv[ball(case.geometry, COLD_MM, RADIUS_MM) & case.liver] = uptake
    return case


def test_a_place_without_uptake_raises_the_upper_end_by_its_volume():
    found = with_places(case_with(0.5))
    ball_ml = 4 / 3 * np.pi * RADIUS_MM**3 / 1000
    assert found.high - BURDEN.high == pytest.approx(ball_ml / 1000, rel=0.15)
    assert (found.low, found.fraction, found.tumour_ml) == (BURDEN.low, BURDEN.fraction, BURDEN.tumour_ml)


@pytest.mark.parametrize("uptake", [4.0, 5.0, 9.0])
def test_normal_liver_and_what_takes_up_more_are_no_cold_place(uptake):
    assert with_places(case_with(uptake)) == BURDEN


def test_a_cold_place_within_an_outline_is_counted_already():
    case = case_with(0.5)
    case.labels[ball(case.geometry, COLD_MM, RADIUS_MM + 6.0)] = 1
    assert with_places(case) == BURDEN
    # So is the core that an outline leaves open
    case.labels[ball(case.geometry, COLD_MM, RADIUS_MM)] = 0
    assert with_places(case) == BURDEN


def test_without_normal_liver_nothing_is_cold():
    assert with_places(case_with(0.5), suv_mean=None) == BURDEN


def test_tumour_that_a_search_did_not_outline_raises_the_upper_end_of_a_score():
    """1 ml means above the limit of normal liver are no normal liver, whether or not they were outlined."""
    case = Case(lesions=((100.0, 10.0, 20.0), (52.0, 12.0, 20.0)))
    config = ScoringConfig()
    both = case.segmentations()
    one = case.segmentations(lesions=layer(np.where(case.labels == 1, 1, 0), case.geometry))
    found = score_labels(case.volumes(), one, ReaderEdits(), config).burden
    whole = score_labels(case.volumes(), both, ReaderEdits(), config).burden
    assert found.fraction < whole.fraction <= found.high


def deep_place(case, foci=(), suv_mean=5.0):
    segmentations = case.segmentations()
    placement, config = place(segmentations, case.geometry), ScoringConfig()
    found, spheres = measure_references(case.volumes().pet, segmentations, ReaderEdits(), placement, config)
    return cold_place(placement, spheres, found.liver.model_copy(update={"suv_mean": suv_mean}), foci)


def focus_at(x_mm):
    nothing = dict.fromkeys(("longest_diameter_mm", "short_axis_mm", "hu", "below_liver_hu", "suv_mean"))
    more = {"ratio_to_liver": None, "above_liver": False, "centroid_lps_mm": (x_mm, *COLD_MM[1:])}
    return CtFocus(label=901, in_liver=True, volume_ml=4.0, **nothing, **more)


def test_a_deep_cold_place_is_named_with_its_uptake_and_its_middle():
    found = deep_place(case_with(1.0))
    assert found.mean == pytest.approx(1.0)
    assert found.centre_lps_mm == pytest.approx(COLD_MM, abs=2.0)


@pytest.mark.parametrize(("uptake", "suv_mean"), [(3.0, 5.0), (1.0, None)])
def test_a_little_less_uptake_or_no_known_normal_liver_is_no_cold_place(uptake, suv_mean):
    assert deep_place(case_with(uptake), suv_mean=suv_mean) is None


@pytest.mark.parametrize(("away_mm", "seen"), [(8.0, True), (40.0, False)])
def test_a_cold_place_that_the_ct_shows_is_judged_as_that_focus(away_mm, seen):
    assert (deep_place(case_with(1.0), (focus_at(COLD_MM[0] + away_mm),)) is None) == seen


def test_a_small_cold_place_may_be_a_vessel():
    case = Case(lesions=((100.0, 10.0, 20.0),))
    case.suv[ball(case.geometry, COLD_MM, 5.0) & case.liver] = 0.2
    assert deep_place(case) is None
