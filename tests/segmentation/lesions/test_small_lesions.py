"""Spots that exceed their surroundings are found; noise, drift, the slopes of hot places and larger lesions are not."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.segmentation.lesions.small_lesions import small_lesions
from fixtures.segmentations import GRID, MIDDLE, NORMAL, ball, liver, pet, volume_ml, with_lesions

INSIDE = liver() >= 0.5
NONE = np.zeros(INSIDE.shape, dtype=np.int32)
PLACE = (5.0, -8.0, 4.0)
DRIFT = 1.0 + 0.2 * np.linspace(-1.0, 1.0, GRID.shape[0])[:, None, None]


def found(activity, seed=0, owners=NONE, noise=0.12):
    config = LesionConfig()
    uptake = pet(activity, noise, seed).array.astype(np.float32)
    smooth = gaussian(uptake, config.smooth_fwhm_mm / FWHM_PER_SIGMA, GRID)
    return small_lesions(uptake, smooth, INSIDE, owners, config, GRID)


@pytest.mark.parametrize("drift", [1.0, DRIFT])
def test_a_lesion_of_10_mm_is_found_where_it_lies(drift):
    labels = found(with_lesions([(PLACE, 5.0, 2.6 * NORMAL)]) * drift)
    assert labels.max() == 1
    assert (labels > 0)[ball(MIDDLE + np.asarray(PLACE), 3.0) > 0.5].all()
    # Blurred by 8 mm
    assert 0.5 * volume_ml(5.0) < np.count_nonzero(labels) * GRID.voxel_volume_ml < volume_ml(6.5)


def test_noise_alone_is_not_found():
    assert sum(found(with_lesions([]), seed, noise=0.2).max() for seed in range(5)) == 0


def test_a_drift_of_uptake_is_no_lesion():
    assert found(with_lesions([]) * DRIFT**2, noise=0.05).max() == 0


def test_a_lesion_of_another_filters_size_is_none():
    assert found(with_lesions([(PLACE, 14.0, 1.5 * NORMAL)]), noise=0.05).max() == 0


def test_the_slope_of_a_hot_place_is_none():
    activity = with_lesions([(PLACE, 15.0, 8 * NORMAL)])
    outlined = (ball(MIDDLE + np.asarray(PLACE), 13.0) > 0.5).astype(np.int32)
    assert found(activity, owners=outlined).max() == 0
    kidney = ball(MIDDLE + np.array([0.0, 70.0, -20.0]), 22.0) * (1 - liver())
    assert found(with_lesions([]) * (1 - kidney) + 3 * NORMAL * kidney).max() == 0
