"""Faint lesions are found by filters of their size; noise, texture and drift of uptake are not."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.segmentation.lesions.faint_lesions import DOUBTFUL, OUTLINED, faint_lesions
from fixtures.segmentations import GRID, MIDDLE, NORMAL, liver, pet, volume_ml, with_lesions

INSIDE = liver() >= 0.5
NONE = np.zeros(INSIDE.shape, dtype=np.int32)


def found(activity, seed=0, outlined=NONE, least=OUTLINED, noise=0.12):
    uptake = pet(activity, noise, seed).array.astype(np.float32)
    return faint_lesions(uptake, INSIDE, outlined, LesionConfig(), GRID, least)


def near(centre, radius_mm):
    places = np.indices(GRID.shape).reshape(3, -1).T
    away = GRID.index_to_lps(places) - (MIDDLE + np.asarray(centre))
    return (np.linalg.norm(away, axis=1) < radius_mm).reshape(GRID.shape)


@pytest.mark.parametrize(("radius_mm", "ratio"), [(16.0, 1.3), (10.0, 1.5)])
def test_a_faint_lesion_is_found_where_it_lies(radius_mm, ratio):
    centre = (5.0, -8.0, 4.0)
    labels = found(with_lesions([(centre, radius_mm, ratio * NORMAL)]))
    assert labels.max() == 1
    own = near(centre, radius_mm)
    assert np.count_nonzero(labels[own]) > 0.5 * np.count_nonzero(own)
    assert np.count_nonzero(labels) * GRID.voxel_volume_ml < 2.5 * volume_ml(radius_mm)


def test_noise_alone_is_rarely_found():
    # Few counts: one liver of twenty is expected at most, and two of five are then seen in 2 % of such samples
    assert sum(found(with_lesions([]), seed, noise=0.2).max() > 0 for seed in range(5)) <= 1
    assert found(with_lesions([]), noise=0.0).max() == 0


def test_a_drift_of_uptake_across_the_liver_is_no_lesion():
    drift = 1.0 + 0.25 * np.linspace(-1.0, 1.0, GRID.shape[0])[:, None, None]
    assert found(with_lesions([]) * drift).max() == 0


def test_the_halo_of_an_outlined_lesion_is_no_lesion():
    centre = (0.0, 0.0, 0.0)
    outlined = near(centre, 15.0).astype(np.int32)
    assert found(with_lesions([(centre, 15.0, 8 * NORMAL)]), outlined=outlined).max() == 0


def test_less_is_needed_for_doubt_than_for_an_outline():
    activity = with_lesions([((5.0, -8.0, 4.0), 12.0, 1.2 * NORMAL)])
    outlined = sum(found(activity, seed).max() > 0 for seed in range(3))
    doubtful = sum(found(activity, seed, least=DOUBTFUL).max() > 0 for seed in range(3))
    assert doubtful > outlined


def test_a_faint_lesion_between_hot_ones_does_not_spread_into_their_halos():
    hot = [((-26.0, 0.0, 0.0), 8.0, 8 * NORMAL), ((26.0, 0.0, 0.0), 8.0, 8 * NORMAL)]
    outlined = (near(hot[0][0], 7.0) | near(hot[1][0], 7.0)).astype(np.int32)
    labels = found(with_lesions([*hot, ((0.0, 0.0, 0.0), 8.0, 2.0 * NORMAL)]), outlined=outlined)
    assert labels.max() == 1
    assert np.count_nonzero(labels) * GRID.voxel_volume_ml < 2.0 * volume_ml(8.0)
    assert not (labels > 0)[near(hot[0][0], 13.0) | near(hot[1][0], 13.0)].any()
