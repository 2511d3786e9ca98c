"""Coefficients of agreement between two readers, and limits of agreement.

Pure arithmetic on the readers' answers, case by case. Where a coefficient is not defined (one case, or a denominator
of zero) it is None and not a number.

References
----------
.. [1] Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960;20:37-46.
.. [2] Cohen J. Weighted kappa. Psychol Bull 1968;70:213-220.
.. [3] Gwet KL. Computing inter-rater reliability and its variance in the presence of high agreement. Br J Math Stat
   Psychol 2008;61:29-48.
.. [4] Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol Bull 1979;86:420-428.
.. [5] Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement.
   Lancet 1986;1:307-310.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Limits",
    "Weights",
    "cohen_kappa",
    "gwet_ac1",
    "icc_2_1",
    "limits_of_agreement",
    "observed_agreement",
]

Weights = Literal["none", "linear", "quadratic"]
_FEWEST_CASES = 2
# Two-sided 95 % of a normal distribution, as Bland and Altman take it
_SD_TO_LIMIT = 1.96


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's limits of agreement, in the unit of what was measured.

    Parameters
    ----------
    mean : float
        Mean of the differences, first reader minus second.
    sd : float
        Their standard deviation (n - 1).
    low, high : float
        Mean minus and plus 1.96 standard deviations.
    """

    mean: float
    sd: float
    low: float
    high: float


def _shares(first: Sequence[str], second: Sequence[str], categories: Sequence[str]) -> NDArray[np.float64]:
    """Share of cases with each pair of answers, shape (categories, categories)."""
    if len(first) != len(second):
        msg = f"{len(first)} answers of one reader and {len(second)} of the other; give both for every case"
        raise ValueError(msg)
    place = {name: n for n, name in enumerate(categories)}
    unknown = next((word for word in (*first, *second) if word not in place), None)
    if unknown is not None:
        msg = f"the answer {unknown!r} is none of the categories {', '.join(categories)}"
        raise ValueError(msg)
    counts = np.zeros((len(categories), len(categories)))
    for one, other in zip(first, second, strict=True):
        counts[place[one], place[other]] += 1
    return counts / max(len(first), 1)


def _disagreement(size: int, weights: Weights) -> NDArray[np.float64]:
    """Weight of each pair of categories as a disagreement, from 0 to 1."""
    steps = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(size - 1, 1)
    if weights == "linear":
        return np.asarray(steps, dtype=np.float64)
    if weights == "quadratic":
        return np.asarray(steps**2, dtype=np.float64)
    return np.asarray(steps > 0, dtype=np.float64)


def observed_agreement(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Share of cases with the same answer; None without cases.

    Examples
    --------
    >>> observed_agreement(["met", "met", "not_met"], ["met", "not_met", "not_met"])
    0.6666666666666666
    """
    if not first:
        return None
    return sum(one == other for one, other in zip(first, second, strict=True)) / len(first)


def cohen_kappa(
    first: Sequence[str], second: Sequence[str], categories: Sequence[str], weights: Weights = "none"
) -> float | None:
    """Cohen's kappa [1]_, or weighted kappa [2]_ with categories in their order.

    Parameters
    ----------
    first, second : sequence of str
        The answers of both readers, case by case.
    categories : sequence of str
        Every possible answer; for a weighted kappa from one end of the scale to the other.
    weights : {'none', 'linear', 'quadratic'}
        How much a disagreement counts by the distance of its categories.

    Returns
    -------
    float or None
        None where chance alone would agree always (both readers gave one and the same answer throughout).

    Raises
    ------
    ValueError
        Where an answer is no category, or the readers did not answer the same number of cases.

    Examples
    --------
    >>> round(cohen_kappa(["a", "a", "b", "b"], ["a", "b", "b", "b"], ["a", "b"]), 2)
    0.5
    """
    shares = _shares(first, second, categories)
    if not first:
        return None
    cost = _disagreement(len(categories), weights)
    by_chance = float((cost * np.outer(shares.sum(axis=1), shares.sum(axis=0))).sum())
    if by_chance == 0:
        return None
    return 1 - float((cost * shares).sum()) / by_chance


def gwet_ac1(first: Sequence[str], second: Sequence[str], categories: Sequence[str]) -> float | None:
    """Gwet's AC1 [3]_, which does not collapse where nearly all cases have the same answer.

    Parameters
    ----------
    first, second : sequence of str
        The answers of both readers, case by case.
    categories : sequence of str
        Every possible answer, two at least.

    Returns
    -------
    float or None
        None without cases.

    Raises
    ------
    ValueError
        As `cohen_kappa`; also with fewer than two categories.

    Examples
    --------
    >>> round(gwet_ac1(["a"] * 9 + ["b"], ["a"] * 10, ["a", "b"]), 3)
    0.89
    """
    if len(categories) < _FEWEST_CASES:
        msg = "AC1 needs two categories at least"
        raise ValueError(msg)
    shares = _shares(first, second, categories)
    if not first:
        return None
    usual = (shares.sum(axis=0) + shares.sum(axis=1)) / 2
    by_chance = float((usual * (1 - usual)).sum()) / (len(categories) - 1)
    return (float(np.trace(shares)) - by_chance) / (1 - by_chance)


def icc_2_1(values: ArrayLike) -> float | None:
    """Intraclass correlation ICC(2,1) [4]_: readers as a random sample, one reading each, absolute agreement.

    Parameters
    ----------
    values : array_like, shape (cases, readers)
        What each reader measured.

    Returns
    -------
    float or None
        None with fewer than two cases or readers, or where every value is the same.

    Examples
    --------
    >>> round(icc_2_1([[1.0, 1.2], [2.0, 2.1], [3.0, 2.9]]), 3)
    0.988
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < _FEWEST_CASES:
        return None
    cases, readers = table.shape
    mean = table.mean()
    between_cases = readers * ((table.mean(axis=1) - mean) ** 2).sum() / (cases - 1)
    between_readers = cases * ((table.mean(axis=0) - mean) ** 2).sum() / (readers - 1)
    whole = ((table - mean) ** 2).sum()
    rest = whole - between_cases * (cases - 1) - between_readers * (readers - 1)
    error = max(rest, 0.0) / ((cases - 1) * (readers - 1))
    below = between_cases + (readers - 1) * error + readers * (between_readers - error) / cases
    return float((between_cases - error) / below) if below > 0 else None


def limits_of_agreement(first: ArrayLike, second: ArrayLike) -> Limits | None:
    """Bland and Altman's 95 % limits of agreement [5]_.

    Parameters
    ----------
    first, second : array_like, shape (cases,)
        What both readers measured, in one unit.

    Returns
    -------
    Limits or None
        None with fewer than two cases.

    Examples
    --------
    >>> found = limits_of_agreement([10.0, 12.0, 14.0], [9.0, 12.0, 15.0])
    >>> found.mean, round(found.high, 2)
    (0.0, 1.96)
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    if differences.size < _FEWEST_CASES:
        return None
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    return Limits(mean, sd, mean - _SD_TO_LIMIT * sd, mean + _SD_TO_LIMIT * sd)
