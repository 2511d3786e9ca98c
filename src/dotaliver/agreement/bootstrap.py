"""Bootstrap intervals of a figure over cases.

References
----------
.. [1] Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall 1993, chapter 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

__all__ = ["RESAMPLES", "Estimate", "with_interval"]

RESAMPLES = 2000
"""Usual for the 2.5 and 97.5 % points [1]_."""
_SEED = 20_100_101
_LEVEL = 0.95
# With fewer defined resamples than this share the interval would be that of the easy ones alone.
_LEAST_DEFINED = 0.9

Case = TypeVar("Case")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Parameters
    ----------
    value : float or None
        Of all cases; None where it is not defined.
    low, high : float or None
        Percentile interval; None with fewer than two cases or where too many resamples have no value.
    cases : int
        How many cases it rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    cases: int


def with_interval(
    cases: Sequence[Case], figure: Callable[[Sequence[Case]], float | None], resamples: int = RESAMPLES
) -> Estimate:
    """A figure with its percentile bootstrap interval [1]_, whole cases drawn with replacement.

    Parameters
    ----------
    cases : sequence
        What the figure is made of. Measurements of one case belong together and are drawn together.
    figure : callable
        Gives the figure of some cases, or None where it is not defined for them.
    resamples : int
        How many samples are drawn; the draws are the same at every call.

    Returns
    -------
    Estimate
        With value and interval.
    """
    value = figure(cases)
    count = len(cases)
    if value is None or count < 2:
        return Estimate(value, None, None, count)
    draws = np.random.default_rng(_SEED).integers(0, count, size=(resamples, count))
    found = [figure([cases[n] for n in draw]) for draw in draws]
    defined = [one for one in found if one is not None]
    if len(defined) < _LEAST_DEFINED * resamples:
        return Estimate(value, None, None, count)
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value, float(low), float(high), count)
