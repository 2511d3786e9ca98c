"""What the tools do to labels, on shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_dotaliver.reading.label_tools import (
    between_slices,
    filled,
    highest_in_sphere,
    smoothed_slices,
    threshold_in_sphere,
)
from napari_dotaliver.reading.packed import PackedLabels

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume

GRID = Geometry((20, 40, 40), (0.0, 0.0, 0.0), (3.0, 2.0, 2.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


def ball(centre, radius_mm, grid=GRID) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    places = grid.index_to_lps(np.stack([k, j, i], axis=-1))
    return np.linalg.norm(places - np.asarray(centre), axis=-1) <= radius_mm


def labels(array=None) -> LabelMap:
    return LabelMap(np.zeros(GRID.shape, dtype=np.uint16) if array is None else array.astype(np.uint16), GRID)


def pet(array) -> Volume:
    return Volume(array.astype(np.float32), GRID, Quantity.SUVBW)


def test_threshold_takes_the_hot_ball_and_nothing_beyond_the_sphere():
    hot = ball((30, 30, 30), 9.0)
    far = ball((60, 60, 30), 6.0)
    image = pet(np.where(hot | far, 10.0, 2.0))
    sphere = ((30.0, 30.0, 30.0), 40.0)
    assert highest_in_sphere(image, sphere) == 10.0
    result = threshold_in_sphere(image, labels(), sphere, 5.0, 7)
    np.testing.assert_array_equal(result == 7, hot)


def test_threshold_leaves_other_lesions_their_voxels():
    hot = ball((30, 30, 30), 12.0)
    other = ball((36, 30, 30), 6.0)
    result = threshold_in_sphere(pet(np.where(hot, 10.0, 1.0)), labels(3 * other), ((30, 30, 30), 40.0), 5.0, 7)
    np.testing.assert_array_equal(result == 3, other)
    assert not ((result == 7) & other).any()


def test_threshold_that_nothing_reaches_is_refused():
    image = pet(np.ones(GRID.shape))
    with pytest.raises(MaskError, match="lower the threshold"):
        threshold_in_sphere(image, labels(), ((30, 30, 30), 20.0), 5.0, 1)
    for place in ((1e4, 0, 0), (-500.0, 30, 30)):
        with pytest.raises(MaskError, match="outside"):
            threshold_in_sphere(image, labels(), (place, 20.0), 0.5, 1)
        with pytest.raises(MaskError, match="outside"):
            highest_in_sphere(image, (place, 20.0))


def test_holes_are_filled_slice_by_slice_but_not_over_another_lesion():
    lesion, core, other = ball((36, 36, 30), 15.0), ball((36, 36, 30), 6.0), ball((36, 36, 30), 2.5)
    array = np.where(lesion & ~core, 2, 0)
    array[other] = 5
    result = filled(labels(array), 2, 0)
    assert (result == 5).sum() == other.sum()
    np.testing.assert_array_equal((result == 2) | other, lesion | core)


def test_slices_between_two_circles_are_a_cone():
    mask = np.zeros(GRID.shape, dtype=bool)
    rows, columns = np.mgrid[:40, :40]
    for k, radius in ((4, 16.0), (12, 32.0)):
        mask[k] = (2 * rows - 40) ** 2 + (2 * columns - 40) ** 2 <= radius**2
    result = between_slices(mask, GRID.spacing_mm, 12, 4)
    for k in range(4, 13):
        radius = 16.0 + 16.0 * (k - 4) / 8
        assert result[k].sum() * 4.0 == pytest.approx(np.pi * radius**2, rel=0.08)
    np.testing.assert_array_equal(result[4], mask[4])
    assert not result[:4].any()
    assert not result[13:].any()
    with pytest.raises(MaskError, match="slice 1 has no outline"):
        between_slices(mask, GRID.spacing_mm, 0, 4)
    with pytest.raises(MaskError, match="no slice between"):
        between_slices(mask, GRID.spacing_mm, 4, 5)


def test_smoothing_takes_a_spike_and_leaves_other_slices():
    mask = ball((40, 40, 30), 24.0)
    clean = mask.copy()
    mask[10, 20, 32:39] = True
    result = smoothed_slices(mask, GRID.spacing_mm, 9, 11)
    assert not result[10, 20, 36:39].any()
    np.testing.assert_array_equal(result[:9], mask[:9])
    np.testing.assert_array_equal(result[12:], mask[12:])
    assert abs(int(result[9:12].sum()) - int(clean[9:12].sum())) < 0.1 * clean[9:12].sum()


@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
def test_packed_labels_are_the_labels(shape, seed, share):
    rng = np.random.default_rng(seed)
    array = np.where(rng.random(shape) < share, rng.integers(0, 65536, shape), 0).astype(np.uint16)
    np.testing.assert_array_equal(PackedLabels.of(array).array(), array)
