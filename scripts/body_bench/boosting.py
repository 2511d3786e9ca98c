"""Gradient boosting of small complete trees in numpy (Friedman, Ann Stat 2001; Newton steps as in XGBoost)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.segmentation.trees import Trees, logits

_BINS = 64
# Of cases that are answered already, one of so many is drawn, and counts as many times (Ke, NeurIPS 2017).
_SETTLED, _DRAWN_OF = 0.01, 5
_LARGEST_LEAF = 4.0


@dataclass(frozen=True)
class Boosting:
    """How trees are grown."""

    trees: int = 200
    depth: int = 4
    rate: float = 0.08
    ridge: float = 3.0
    least_hessian: float = 1.0
    share_of_features: float = 0.4
    seed: int = 0


def fit_trees(
    x: np.ndarray, y: np.ndarray, rising: tuple[int, ...], how: Boosting, start: np.ndarray | None = None
) -> Trees:
    """Trees whose sum is the log odds of ``y``, or what is to be added to other log odds.

    Parameters
    ----------
    x : ndarray, shape (cases, features)
        Finite numbers.
    y : ndarray of bool
        The answer.
    rising : tuple of int
        Features with which the odds may not fall, all else equal.
    how : Boosting
        Number and size of the trees; the same seed gives the same trees.
    start : ndarray, shape (cases,), optional
        Log odds that the trees correct; they have a prior of 0 then.
    """
    rng = np.random.default_rng(how.seed)
    x = x.astype(np.float32)
    cuts = [_cuts(column) for column in x.T]
    codes = np.stack([np.searchsorted(cut, column) for cut, column in zip(cuts, x.T, strict=True)], axis=1)
    prior = 0.0 if start is not None else float(np.log(y.mean() / (1 - y.mean())))
    z = np.full(len(y), prior) if start is None else start.astype(float)
    grown = []
    for _ in range(how.trees):
        p = 1 / (1 + np.exp(-z))
        weight = np.ones(len(y))
        settled = np.abs(p - y) < _SETTLED
        weight[settled] = np.where(rng.random(int(settled.sum())) < 1 / _DRAWN_OF, _DRAWN_OF, 0.0)
        rows = np.flatnonzero(weight)
        columns = np.sort(rng.choice(x.shape[1], round(how.share_of_features * x.shape[1]), replace=False))
        steps = (weight * (p - y))[rows], (weight * p * (1 - p))[rows]
        splits, leaves = _tree(codes[np.ix_(rows, columns)], steps, np.isin(columns, rising), how)
        feature = np.array([[columns[column] for column, _ in splits]])
        threshold = np.array([[np.inf if at < 0 else cuts[columns[column]][at] for column, at in splits]], np.float32)
        grown.append((feature, threshold, how.rate * leaves[None]))
        z += logits(Trees(0.0, *grown[-1]), x)
    return Trees(prior, *(np.concatenate(arrays) for arrays in zip(*grown, strict=True)))


def _cuts(column: np.ndarray) -> np.ndarray:
    """Up to 63 values between cases, at equal shares of the different values."""
    values = np.unique(column)
    middles = (values[1:] + values[:-1]) / 2
    if len(middles) < _BINS:
        return middles
    # Half of the cuts follow the cases, half their values, which keeps some for the hottest.
    by_case = np.quantile(column, np.linspace(0, 1, _BINS // 2 + 1)[1:-1])
    by_value = np.quantile(values, np.linspace(0, 1, _BINS // 2 + 1)[1:-1])
    return np.unique(np.concatenate([by_case, by_value]).astype(np.float32))


def _tree(
    codes: np.ndarray, steps: tuple[np.ndarray, np.ndarray], rising: np.ndarray, how: Boosting
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Column and cut of each node (cut -1: none), level by level, and the value of each leaf."""
    width = codes.shape[1] * _BINS
    place = codes + np.arange(codes.shape[1]) * _BINS
    node = np.zeros(len(codes), dtype=np.intp)
    limits = np.array([[-_LARGEST_LEAF, _LARGEST_LEAF]])
    splits: list[tuple[int, int]] = []
    for level in range(how.depth):
        count = 2**level
        keys = (node[:, None] * width + place).ravel()
        g, h = (
            np.bincount(keys, np.repeat(step, codes.shape[1]), count * width).reshape(count, -1, _BINS)
            for step in steps
        )
        best, next_limits = [], []
        for n in range(count):
            column, at, pair = _best(g[n].cumsum(axis=1), h[n].cumsum(axis=1), rising, limits[n], how)
            best.append((column, at))
            next_limits += pair
        chosen = np.array(best)[node]
        right = (codes[np.arange(len(codes)), chosen[:, 0]] > chosen[:, 1]) & (chosen[:, 1] >= 0)
        node = 2 * node + right
        limits = np.array(next_limits)
        splits += best
    g, h = (np.bincount(node, step, 2**how.depth) for step in steps)
    return splits, np.clip(-g / (h + how.ridge), limits[:, 0], limits[:, 1])


def _best(
    g: np.ndarray, h: np.ndarray, rising: np.ndarray, limits: np.ndarray, how: Boosting
) -> tuple[int, int, list[tuple[float, float]]]:
    """Column and cut of the largest gain of one node, from running sums over bins, and the limits of both sides."""
    whole_g, whole_h = g[0, -1], h[0, -1]
    sides = []
    for one_g, one_h in ((g, h), (whole_g - g, whole_h - h)):
        value = np.clip(-one_g / (one_h + how.ridge), *limits)
        sides.append((value, -(one_g * value + 0.5 * (one_h + how.ridge) * value**2)))
    own = np.clip(-whole_g / (whole_h + how.ridge), *limits)
    gain = sides[0][1] + sides[1][1] + whole_g * own + 0.5 * (whole_h + how.ridge) * own**2
    left, right = sides[0][0], sides[1][0]
    allowed = (h >= how.least_hessian) & (whole_h - h >= how.least_hessian)
    allowed &= ~rising[:, None] | (left <= right)
    gain = np.where(allowed, gain, 0.0)
    column, at = (int(i) for i in np.unravel_index(int(gain.argmax()), gain.shape))
    low, high = (float(limit) for limit in limits)
    if gain[column, at] <= 0:
        return 0, -1, [(low, high), (low, high)]
    if not rising[column]:
        return column, at, [(low, high), (low, high)]
    middle = float(left[column, at] + right[column, at]) / 2
    return column, at, [(low, middle), (middle, high)]
