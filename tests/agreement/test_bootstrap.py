"""Intervals over cases: repeatable, around the value, and absent where they would mislead."""

import numpy as np
import pytest

from dotaliver.agreement.bootstrap import with_interval


def mean(cases):
    return float(np.mean(cases))


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = list(np.random.default_rng(3).normal(10, 2, 400))
    found = with_interval(values, mean)
    error = 1.96 * np.std(values) / np.sqrt(len(values))
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == (
        pytest.approx(found.value - error, abs=0.03),
        pytest.approx(found.value + error, abs=0.03),
    )
    assert with_interval(values, mean) == found


def test_one_case_has_no_interval():
    found = with_interval([4.0], mean)
    assert (found.value, found.low, found.high, found.cases) == (4.0, None, None, 1)


def test_a_figure_that_most_resamples_lack_has_no_interval():
    found = with_interval([0.0, 1.0, 1.0], lambda cases: None if len(set(cases)) < 2 else 1.0)
    assert (found.value, found.low) == (1.0, None)
