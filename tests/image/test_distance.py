"""Distances from masks: exact, whatever box they are computed in."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from strategies import seeds, spacings_mm


def _mask(seed: int) -> np.ndarray:
    """Some boxes and single voxels; never empty nor the whole image."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 14, 3))
    mask = rng.random(shape) < 0.03
    low = [int(rng.integers(0, n)) for n in shape]
    mask[tuple(slice(a, a + int(rng.integers(1, 6))) for a in low)] = True
    mask.flat[int(rng.integers(0, mask.size))] = True
    if mask.all():
        mask.flat[0] = False
    return mask


@settings(max_examples=60, deadline=None)
@given(seeds, spacings_mm)
def test_depth_is_the_distance_to_the_nearest_voxel_outside(seed, spacing):
    mask = _mask(seed)
    np.testing.assert_allclose(
        distance_inside_mm(mask, spacing), distance_transform_edt(mask, sampling=spacing), rtol=1e-5
    )


@settings(max_examples=60, deadline=None)
@given(seeds, spacings_mm, st.floats(0.5, 12.0))
def test_within_its_reach_a_distance_is_that_of_the_whole_image(seed, spacing, reach):
    mask = _mask(seed)
    whole = distance_transform_edt(~mask, sampling=spacing)
    np.testing.assert_allclose(distance_to_mm(mask, spacing), whole, rtol=1e-5)
    near = distance_to_mm(mask, spacing, within_mm=reach)
    matters = whole <= reach
    np.testing.assert_allclose(near[matters], whole[matters], rtol=1e-5)
    assert (near[~matters] > reach).all()


def test_in_a_large_image_a_distance_within_reach_is_that_of_the_whole_image():
    rng = np.random.default_rng(3)
    for reach in (1.0, 3.0, 7.5):
        mask = rng.random((30, 40, 50)) < 0.0004
        mask[10:14, 5:20, 30:] = True
        spacing = (2.0, 0.8, 0.8)
        whole, inside = distance_to_mm(mask, spacing), distance_inside_mm(~mask, spacing)
        near, deep = distance_to_mm(mask, spacing, within_mm=reach), distance_inside_mm(~mask, spacing, within_mm=reach)
        matters = whole <= reach
        assert 100 < np.count_nonzero(matters) < 0.9 * mask.size
        for distance, expected in ((near, whole), (deep, inside)):
            np.testing.assert_array_equal(distance[matters], expected[matters])
            assert (distance[~matters] > reach).all()


def test_on_a_cubic_grid_a_distance_within_a_few_voxels_is_that_of_the_whole_image_to_the_bit():
    rng = np.random.default_rng(4)
    for edge in (0.75, 1.0, 2.0, 1.7):
        for voxels in (0.5, 1.0, 2.6, 3.0, 6.9, 9.0):
            mask = rng.random((20, 24, 28)) < 0.001
            mask[5:9, 10:15, 12:] = True
            spacing, reach = (edge,) * 3, voxels * edge
            whole, near = distance_to_mm(mask, spacing), distance_to_mm(mask, spacing, within_mm=reach)
            matters = whole <= np.float32(reach)
            assert np.count_nonzero(matters) > np.count_nonzero(mask) - 1
            np.testing.assert_array_equal(near[matters], whole[matters])
            assert np.isinf(near[~matters]).all()


def test_an_empty_mask_is_infinitely_far_away_and_has_no_depth():
    nothing = np.zeros((3, 4, 5), dtype=bool)
    assert np.isinf(distance_to_mm(nothing, (1.0, 1.0, 1.0))).all()
    assert not distance_inside_mm(nothing, (1.0, 1.0, 1.0)).any()


def test_the_edge_of_the_image_is_not_outside():
    slab = np.zeros((9, 4, 4), dtype=bool)
    slab[4:] = True
    assert distance_inside_mm(slab, (2.0, 1.0, 1.0))[:, 0, 0].tolist() == [0, 0, 0, 0, 2, 4, 6, 8, 10]
