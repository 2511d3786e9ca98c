"""Figures of agreement of a central reading: between readers, and of each reader with himself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dotaliver.agreement.answers import CaseAnswers, band_words, burden_band
from dotaliver.agreement.bootstrap import Estimate, with_interval
from dotaliver.agreement.coefficients import (
    Limits,
    Weights,
    cohen_kappa,
    gwet_ac1,
    icc_2_1,
    limits_of_agreement,
    observed_agreement,
)

__all__ = ["Figures", "Nominal", "Numbers", "PairedCases", "figures_of"]

_VERDICTS = ("met", "indeterminate", "not_met", "not_evaluable")
_RESPONSES = ("CR", "NED", "PR", "SD", "NON-CR/NON-PD", "PD", "NE")
# RECIST's order from best to worst; what is not on this scale takes no part in a weighted kappa.
_ORDERED_RESPONSES = ("CR", "PR", "SD", "PD")

Pair = tuple[CaseAnswers, CaseAnswers]
PairedCases = Mapping[str, Pair]
"""By case, the first and the second reading of it."""


@dataclass(frozen=True)
class Nominal:
    """Agreement on one question that is answered in words.

    Parameters
    ----------
    table : tuple
        Counts, first reading by rows and second by columns, in the order of ``categories``.
    weights : {'none', 'linear', 'quadratic'}
        Of ``kappa``.
    """

    question: str
    categories: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    observed: Estimate
    kappa: Estimate
    ac1: Estimate
    weights: Weights


@dataclass(frozen=True)
class Numbers:
    """Agreement on one measurement.

    Parameters
    ----------
    values : tuple of (str, float, float)
        Case and both values, in ``unit``.
    low, high : Estimate
        Limits of agreement with their intervals.
    """

    question: str
    unit: Literal["mm", "%"]
    values: tuple[tuple[str, float, float], ...]
    icc: Estimate
    bias: Estimate
    low: Estimate
    high: Estimate

    @property
    def limits(self) -> Limits | None:
        """Bias and limits of all values."""
        return limits_of_agreement([one for _, one, _ in self.values], [other for _, _, other in self.values])


@dataclass(frozen=True)
class Figures:
    """All figures of one pair of readings."""

    first: str
    second: str
    cases: int
    nominal: tuple[Nominal, ...]
    numbers: tuple[Numbers, ...]


def figures_of(first: str, second: str, cases: PairedCases, bands: Sequence[float]) -> Figures:
    """Every figure of agreement between two readings of some cases.

    Parameters
    ----------
    first, second : str
        Who read.
    cases : mapping
        Both readings by case. Several scans of a case are drawn together in the intervals.
    bands : sequence of float
        Tumour shares at which the bands of burden part.
    """
    paired = list(cases.items())
    nominal = [_nominal(f"{name}", paired, _verdict_of(name), _VERDICTS) for name in _criteria(paired)]
    words = (*band_words(bands), "not measured")
    nominal.append(_nominal("burden band", paired, _band_of(bands), words))
    nominal.append(
        _nominal("burden band, linear weights", paired, _band_of(bands, measured=True), words[:-1], "linear")
    )
    nominal.append(_nominal("overall response", paired, _response_pairs, _RESPONSES))
    nominal.append(
        _nominal("overall response, linear weights", paired, _ordered(_response_pairs), _ORDERED_RESPONSES, "linear")
    )
    nominal.append(_nominal("best overall response", paired, _best_pairs, _RESPONSES))
    numbers = [
        _numbers("liver burden", "%", paired, _burden_pairs),
        _numbers("sum of target diameters", "mm", paired, _sum_pairs),
    ]
    return Figures(
        first,
        second,
        len(paired),
        tuple(one for one in nominal if one is not None),
        tuple(one for one in numbers if one is not None),
    )


Words = Callable[[Pair], Sequence[tuple[str, str]]]
Values = Callable[[Pair], Sequence[tuple[float, float]]]


def _nominal(
    question: str,
    cases: Sequence[tuple[str, Pair]],
    words: Words,
    categories: tuple[str, ...],
    weights: Weights = "none",
) -> Nominal | None:
    """Figures of one question; None where no case has it."""
    by_case = [found for _, pair in cases if (found := tuple(words(pair)))]
    if not by_case:
        return None
    place = {word: n for n, word in enumerate(categories)}
    table = np.zeros((len(categories), len(categories)), dtype=int)
    for found in by_case:
        for one, other in found:
            table[place[one], place[other]] += 1

    def flat(chosen: Sequence[tuple[tuple[str, str], ...]]) -> tuple[list[str], list[str]]:
        pairs = [pair for found in chosen for pair in found]
        return [one for one, _ in pairs], [other for _, other in pairs]

    return Nominal(
        question,
        categories,
        tuple(tuple(int(count) for count in row) for row in table),
        with_interval(by_case, lambda chosen: observed_agreement(*flat(chosen))),
        with_interval(by_case, lambda chosen: cohen_kappa(*flat(chosen), categories, weights)),
        with_interval(by_case, lambda chosen: gwet_ac1(*flat(chosen), categories)),
        weights,
    )


def _numbers(
    question: str, unit: Literal["mm", "%"], cases: Sequence[tuple[str, Pair]], values: Values
) -> Numbers | None:
    by_case = [(code, found) for code, pair in cases if (found := tuple(values(pair)))]
    if not by_case:
        return None
    alone = [found for _, found in by_case]

    def limit(
        name: Literal["mean", "low", "high"],
    ) -> Callable[[Sequence[tuple[tuple[float, float], ...]]], float | None]:
        def figure(chosen: Sequence[tuple[tuple[float, float], ...]]) -> float | None:
            pairs = [pair for found in chosen for pair in found]
            limits = limits_of_agreement([one for one, _ in pairs], [other for _, other in pairs])
            if limits is None:
                return None
            return {"mean": limits.mean, "low": limits.low, "high": limits.high}[name]

        return figure

    return Numbers(
        question,
        unit,
        tuple((code, one, other) for code, found in by_case for one, other in found),
        with_interval(alone, lambda chosen: icc_2_1([pair for found in chosen for pair in found])),
        with_interval(alone, limit("mean")),
        with_interval(alone, limit("low")),
        with_interval(alone, limit("high")),
    )


# --- what is compared -------------------------------------------------------------------------------------------------


def _criteria(cases: Sequence[tuple[str, Pair]]) -> Iterator[str]:
    names = (name for _, pair in cases for answers in pair for scan in answers.scans for name in scan.verdicts)
    return iter(dict.fromkeys(names))


def _verdict_of(name: str) -> Words:
    def words(pair: Pair) -> list[tuple[str, str]]:
        scans = zip(pair[0].scans, pair[1].scans, strict=True)
        return [(a.verdicts[name], b.verdicts[name]) for a, b in scans if name in a.verdicts and name in b.verdicts]

    return words


def _band_of(bounds: Sequence[float], *, measured: bool = False) -> Words:
    names = band_words(bounds)

    def word(share: float | None) -> str:
        return "not measured" if share is None else names[burden_band(share, bounds)]

    def words(pair: Pair) -> list[tuple[str, str]]:
        scans = zip(pair[0].scans, pair[1].scans, strict=True)
        return [
            (word(a.burden), word(b.burden))
            for a, b in scans
            if not measured or (a.burden is not None and b.burden is not None)
        ]

    return words


def _response_pairs(pair: Pair) -> list[tuple[str, str]]:
    one, other = pair[0].course, pair[1].course
    if one is None or other is None:
        return []
    return [(one.responses[uid], other.responses[uid]) for uid in one.responses if uid in other.responses]


def _ordered(words: Words) -> Words:
    def kept(pair: Pair) -> list[tuple[str, str]]:
        return [found for found in words(pair) if set(found) <= {*_ORDERED_RESPONSES}]

    return kept


def _best_pairs(pair: Pair) -> list[tuple[str, str]]:
    one, other = pair[0].course, pair[1].course
    if one is None or other is None or one.best is None or other.best is None:
        return []
    return [(one.best, other.best)]


def _burden_pairs(pair: Pair) -> list[tuple[float, float]]:
    scans = zip(pair[0].scans, pair[1].scans, strict=True)
    return [(100 * a.burden, 100 * b.burden) for a, b in scans if a.burden is not None and b.burden is not None]


def _sum_pairs(pair: Pair) -> list[tuple[float, float]]:
    one, other = pair[0].course, pair[1].course
    if one is None or other is None:
        return []
    return [(one.sums_mm[uid], other.sums_mm[uid]) for uid in one.sums_mm if uid in other.sums_mm]
