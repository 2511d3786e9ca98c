"""A sum of small decision trees, stored as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Trees", "logits"]


@dataclass(frozen=True, eq=False)
class Trees:
    """Complete binary trees of one depth.

    A case goes right at a node where its feature exceeds the node's threshold; node n leads to 2 n + 1 and 2 n + 2. A
    node that does not divide has the threshold infinity.

    Parameters
    ----------
    prior : float
        Log odds before any tree.
    features : ndarray of int, shape (trees, 2**depth - 1)
        The feature that each node looks at.
    thresholds : ndarray of float32, shape (trees, 2**depth - 1)
        What it is compared with.
    values : ndarray, shape (trees, 2**depth)
        What each leaf adds to the log odds.
    """

    prior: float
    features: npt.NDArray[np.integer]
    thresholds: npt.NDArray[np.float32]
    values: npt.NDArray[np.floating]


def logits(trees: Trees, x: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Log odds of each case; trees are added one after the other, so that the order of a sum is always the same.

    Parameters
    ----------
    trees : Trees
        The model.
    x : ndarray, shape (cases, features)
        Features, compared in single precision.
    """
    cases = np.asarray(x, dtype=np.float32)
    rows = np.arange(len(cases))
    total = np.full(len(cases), trees.prior, dtype=np.float64)
    inner = trees.features.shape[1]
    depth = int(inner + 1).bit_length() - 1
    for feature, threshold, value in zip(trees.features, trees.thresholds, trees.values, strict=True):
        node = np.zeros(len(cases), dtype=np.intp)
        for _ in range(depth):
            node = 2 * node + 1 + (cases[rows, feature[node]] > threshold[node])
        total += value[node - inner]
    return total
