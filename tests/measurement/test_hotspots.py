import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.hotspots import hottest_spheres
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references
from dotaliver.records.edits import ReaderEdits
from fixtures.arrays import Case, ball, layer


def searched(case, lesions=None, dismissed=()):
    outlined = case.labels * 0 if lesions is None else lesions
    segmentations = case.segmentations(lesions=layer(outlined, case.geometry))
    placement = place(segmentations, case.geometry)
    pet, config = case.volumes().pet, ScoringConfig()
    found, spheres = measure_references(pet, segmentations, ReaderEdits(), placement, config)
    return hottest_spheres(placement, spheres, 6.5, dismissed, 1.5, config).anywhere, found


def outside(case, lesions):
    segmentations = case.segmentations(lesions=layer(lesions, case.geometry))
    placement = place(segmentations, case.geometry)
    config = ScoringConfig()
    _, spheres = measure_references(case.volumes().pet, segmentations, ReaderEdits(), placement, config)
    return hottest_spheres(placement, spheres, 6.5, (), 1.5, config)


def test_uptake_outside_every_outline_is_found_with_its_volume():
    case = Case(lesions=((100.0, 10.0, 9.0), (44.0, 10.0, 9.0)))
    found = outside(case, np.where(case.labels == 1, 1, 0))
    assert found.outside_outlines.mean == pytest.approx(9.0, rel=1e-6)
    assert np.linalg.norm(np.subtract(found.outside_outlines.centre_lps_mm, (44.0, 72.0, 72.0))) <= 6.0
    # A ball of 10 mm holds 4.2 ml; spheres that half touch it add a rim.
    assert 4.0 < found.outside_ml < 15.0
    whole = outside(case, case.labels)
    assert whole.outside_outlines.mean == pytest.approx(5.0, rel=1e-6)
    assert whole.outside_ml == 0.0
    assert whole.anywhere.mean == pytest.approx(9.0, rel=1e-6)


def test_a_lesion_that_nobody_outlined_is_found():
    case = Case(lesions=((96.0, 9.0, 9.0),))
    hottest, _ = searched(case)
    assert hottest.mean == pytest.approx(9.0, rel=1e-6)
    assert np.linalg.norm(np.subtract(hottest.centre_lps_mm, (96.0, 72.0, 72.0))) <= 6.0


def test_the_spill_of_a_hot_neighbour_is_left_out():
    case = Case(lesions=())
    kidney = ball(case.geometry, (132.0, 72.0, 72.0), 12.0) & ~case.liver
    case.suv[kidney] = 30.0
    case.suv[case.liver & ball(case.geometry, (132.0, 72.0, 72.0), 18.0)] = 12.0  # blurred into the liver
    hottest, _ = searched(case)
    assert hottest.mean < 6.5
    case.suv[kidney] = 5.0  # without the neighbour the same places are the liver's own
    assert searched(case)[0].mean > 6.5


def test_a_lesion_under_the_capsule_does_not_hide_itself():
    case = Case(lesions=((110.0, 14.0, 20.0),))
    case.suv[ball(case.geometry, (124.0, 72.0, 72.0), 9.0) & ~case.liver] = 9.0  # blurred out of the liver
    hottest, _ = searched(case)
    assert hottest.mean > 15.0


def test_a_focus_that_the_reader_dismissed_is_left_out():
    case = Case(lesions=((96.0, 9.0, 9.0),))
    hottest, _ = searched(case, case.labels, (1,))
    assert hottest.mean == pytest.approx(5.0, rel=1e-6)


def test_a_liver_too_thin_for_a_sphere_has_no_place_to_search():
    case = Case(lesions=())
    case.liver = ball(case.geometry, case.centre, 6.0)
    assert searched(case)[0] is None
