"""A sum of small decision trees, stored as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Trees", "logits", "trees_as_arrays", "trees_from"]


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
    count, inner = trees.features.shape
    rows, columns = np.arange(len(cases))[:, None], np.arange(count)
    node = np.zeros((len(cases), count), dtype=np.intp)
    for _ in range(int(inner + 1).bit_length() - 1):
        right = cases[rows, trees.features[columns, node]] > trees.thresholds[columns, node]
        node = 2 * node + 1 + right
    terms = np.empty((len(cases), count + 1), dtype=np.float64)
    terms[:, 0] = trees.prior
    terms[:, 1:] = trees.values[columns, node - inner]
    # A running sum, unlike a sum, has no other order
    return np.asarray(terms.cumsum(axis=1)[:, -1])


def trees_as_arrays(name: str, trees: Trees) -> dict[str, npt.NDArray[np.generic]]:
    """What is stored of the trees, by name; values to single precision."""
    return {
        f"{name}/prior": np.array(trees.prior, dtype=np.float64),
        f"{name}/features": trees.features.astype(np.uint8),
        f"{name}/thresholds": trees.thresholds,
        f"{name}/values": trees.values.astype(np.float32),
    }


def trees_from(stored: Mapping[str, npt.NDArray[np.generic]], name: str) -> Trees:
    """The trees that `trees_as_arrays` stored under a name."""
    return Trees(
        float(stored[f"{name}/prior"]),
        np.asarray(stored[f"{name}/features"], dtype=np.uint8),
        np.asarray(stored[f"{name}/thresholds"], dtype=np.float32),
        np.asarray(stored[f"{name}/values"], dtype=np.float64),
    )
