"""Faint confluent tumour whose outlines end too early: the burden's upper end holds what the level of uptake says."""

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.measurement.placement import place
from dotaliver.measurement.reference import measure_references
from dotaliver.measurement.tumour_by_level import share_by_level, with_unoutlined
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.measurements import Burden
from fixtures.arrays import Case, ball, layer
from fixtures.scores import lesion

BURDEN = Burden(fraction=0.2, low=0.1, high=0.3, tumour_ml=200.0, liver_ml=1000.0)
NORMAL, TUMOUR = 5.0, 8.0


def share_of(case, outlined, uptake=TUMOUR, **normal):
    """Share by level where a part of the tumour is outlined."""
    segmentations = case.segmentations(lesions=layer(np.where(outlined, 1, 0), case.geometry))
    placement, config = place(segmentations, case.geometry), ScoringConfig()
    found, spheres = measure_references(case.volumes().pet, segmentations, ReaderEdits(), placement, config)
    known = {"suv_mean": NORMAL, "peak_limit": 6.5} | normal
    lesions = (lesion(1, (72.0, 72.0, 72.0)).model_copy(update={"suv_mean": uptake, "in_liver": True}),)
    lesions = lesions if outlined.any() else ()
    return share_by_level(placement, spheres, found.liver.model_copy(update=known), lesions)


def half_full():
    """A liver of which the half on one side is tumour."""
    case = Case(lesions=())
    tumour = case.liver & (np.arange(case.liver.shape[2]) < case.liver.shape[2] // 2)
    case.suv[tumour] = TUMOUR
    return case, tumour


def test_tumour_that_is_outlined_in_part_counts_whole_by_its_level():
    case, tumour = half_full()
    part = tumour & ball(case.geometry, (60.0, 72.0, 72.0), 15.0)
    assert part.sum() < 0.3 * tumour.sum()
    assert share_of(case, part) == pytest.approx(tumour.sum() / case.liver.sum(), abs=0.05)
    assert share_of(case, np.zeros_like(part)) == pytest.approx(tumour.sum() / case.liver.sum(), abs=0.05)


def test_outlines_that_hold_the_tumour_leave_nothing_to_level():
    case, tumour = half_full()
    assert share_of(case, tumour) is None


def test_the_blur_of_a_hot_lesion_is_below_half_way_and_no_tumour():
    case = Case(lesions=())
    hot = ball(case.geometry, (72.0, 72.0, 72.0), 20.0)
    case.suv[ball(case.geometry, (72.0, 72.0, 72.0), 32.0) & case.liver] = 6.2
    case.suv[hot] = TUMOUR
    # The blur of three times the tumour's volume exceeds a limit of 6.0, but not half-way to the tumour
    assert share_of(case, hot, peak_limit=6.0) is None
    # Without an outline nothing explains it
    assert share_of(case, np.zeros_like(hot), peak_limit=6.0) > 2 * hot.sum() / case.liver.sum()


def test_a_hot_lesion_far_away_does_not_hide_faint_tumour():
    case, tumour = half_full()
    case.suv[tumour] = 6.9
    hot = ball(case.geometry, (100.0, 72.0, 72.0), 8.0)
    case.suv[hot] = 20.0
    # Half-way to the lesion lies at 12.5
    far = share_of(case, hot, uptake=20.0, peak_limit=6.0)
    assert far == pytest.approx((tumour | hot).sum() / case.liver.sum(), abs=0.06)


def test_without_normal_liver_there_is_no_level():
    case, tumour = half_full()
    assert share_of(case, np.zeros_like(tumour), peak_limit=None) is None


@pytest.mark.parametrize(("share", "more_ml", "high"), [(None, 0.0, 0.3), (0.25, 20.0, 0.32), (0.6, 20.0, 0.6)])
def test_the_upper_end_holds_both_and_nothing_else_changes(share, more_ml, high):
    found = with_unoutlined(BURDEN, share, more_ml)
    assert found == BURDEN.model_copy(update={"high": pytest.approx(high)})
