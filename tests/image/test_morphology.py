"""Masks without holes, slice by slice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes

from dotaliver.image.morphology import filled_in_slices
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
    filled = filled_in_slices(mask)
    assert filled[0, 3, 3]
    assert not filled[1, 3, 3]
