"""Filters give what scipy's give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, maximum_filter

from dotaliver.image.filters import gaussian, gaussian_reach, highest_within, wide_gaussian
from dotaliver.image.geometry import Geometry
from strategies import seeds

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def noise(seed, largest=14):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 50, tuple(rng.integers(1, largest, 3))).astype(np.float32)


@settings(max_examples=60, deadline=None)
@example(seed=1, sigma_mm=0.0)
@given(seeds, st.one_of(st.floats(0.0, 1e-9), st.floats(0.1, 60.0)))
def test_a_gaussian_is_that_of_scipy_and_a_wide_one_differs_by_no_more_than_rounding(seed, sigma_mm):
    values = noise(seed)
    grid = Geometry(values.shape, (0.0, 0.0, 0.0), (3.0, 1.5, 0.8), AXES)
    sigmas = [sigma_mm / spacing_mm for spacing_mm in grid.spacing_mm]
    expected = gaussian_filter(values, sigmas, mode="nearest", truncate=2.5)
    np.testing.assert_array_equal(gaussian(values, sigma_mm, grid), expected)
    largest = np.abs(values).max()
    np.testing.assert_allclose(wide_gaussian(values, sigma_mm, grid), expected, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize("shape", [(130, 3, 2), (2, 97, 3), (3, 2, 65)])
def test_a_wide_gaussian_of_long_lines_differs_by_no_more_than_rounding(shape):
    values = np.random.default_rng(2).normal(0, 50, shape).astype(np.float32)
    grid = Geometry(shape, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), AXES)
    expected = gaussian_filter(values, 8.0, mode="nearest", truncate=2.5)
    np.testing.assert_allclose(wide_gaussian(values, 8.0, grid), expected, rtol=0, atol=5e-5)


@given(st.floats(0.3, 60.0), st.floats(0.5, 5.0))
def test_a_gaussian_looks_no_further_than_its_reach(sigma_mm, spacing_mm):
    reach = gaussian_reach(sigma_mm, spacing_mm)
    line = np.zeros((1, 1, 2 * reach + 5), dtype=np.float32)
    line[0, 0, reach + 2] = 1.0
    grid = Geometry(line.shape, (0.0, 0.0, 0.0), (spacing_mm, spacing_mm, spacing_mm), AXES)
    for mean in (gaussian(line, sigma_mm, grid), wide_gaussian(line, sigma_mm, grid)):
        assert not mean[0, 0, [0, 1, -1, -2]].any()
        assert abs(float(mean.sum()) - 1.0) < 1e-5


@settings(max_examples=60, deadline=None)
@given(seeds, st.tuples(*(st.sampled_from([1, 3, 5, 7, 15]) for _ in range(3))))
def test_the_highest_within_a_window_is_that_of_scipy(seed, size):
    values = noise(seed)
    np.testing.assert_array_equal(highest_within(values, size), maximum_filter(values, size))
