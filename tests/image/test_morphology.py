"""Masks without holes, and with their outer layer taken off or one added."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    binary_opening,
    generate_binary_structure,
    iterate_structure,
)

from dotaliver.image.morphology import closed, dilated, eroded, filled, filled_in_slices, opened
from strategies import seeds


@settings(max_examples=80, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.9, 1.0]))
def test_every_slice_is_filled_as_it_would_be_alone(seed, density):
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(rng.integers(1, 12, 3))) < density
    np.testing.assert_array_equal(filled_in_slices(mask), np.stack([binary_fill_holes(part) for part in mask]))


def test_a_hole_that_is_closed_in_its_slice_is_filled_and_one_that_is_open_stays():
    mask = np.zeros((2, 7, 7), dtype=bool)
    mask[:, 1:6, 1:6] = True
    mask[:, 3, 3] = False
    mask[1, 3, 3:] = False
    whole = filled_in_slices(mask)
    assert whole[0, 3, 3]
    assert not whole[1, 3, 3]


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.3, 0.7, 0.95, 1.0]), st.booleans())
def test_erosion_and_dilation_by_faces_are_those_of_scipy(seed, density, beyond):
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(rng.integers(1, 9, 3))) < density
    np.testing.assert_array_equal(eroded(mask, beyond=beyond), binary_erosion(mask, border_value=beyond))
    np.testing.assert_array_equal(dilated(mask), binary_dilation(mask))
    in_slices = generate_binary_structure(3, 1)
    in_slices[[0, 2]] = False
    np.testing.assert_array_equal(dilated(mask, (1, 2)), binary_dilation(mask, in_slices))


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.3, 0.6, 0.7, 0.95, 1.0]), st.integers(1, 3))
def test_what_is_made_of_erosions_and_dilations_is_that_of_scipy(seed, density, times):
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(rng.integers(1, 12, 3))) < density
    before, ball = mask.copy(), iterate_structure(generate_binary_structure(3, 1), times)
    np.testing.assert_array_equal(eroded(mask, times=times), binary_erosion(mask, iterations=times))
    np.testing.assert_array_equal(eroded(mask, times=times), binary_erosion(mask, ball))
    np.testing.assert_array_equal(dilated(mask, times=times), binary_dilation(mask, iterations=times))
    np.testing.assert_array_equal(dilated(mask, times=times), binary_dilation(mask, ball))
    np.testing.assert_array_equal(opened(mask), binary_opening(mask))
    np.testing.assert_array_equal(closed(mask, times), binary_closing(mask, iterations=times))
    np.testing.assert_array_equal(filled(mask), binary_fill_holes(mask))
    np.testing.assert_array_equal(mask, before)
