"""Random walker with priors: foreground and background compete for the voxels between their seeds.

Grady, "Random walks for image segmentation" (IEEE TPAMI 2006), with the regional term of Grady 2005: the
probability ``x`` that a walker from a voxel reaches a foreground seed first minimises ::

    sum_ij w_ij (x_i - x_j)**2 + prior_weight * sum_i (x_i - prior_i)**2

with ``x = 1`` on foreground and ``x = 0`` on background seeds. The system is symmetric and positive definite and
is solved by conjugate gradients in a fixed order, so that the result is the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["Feature", "random_walk"]

# Without this floor, an island between sharp edges would have no solution.
_EDGE_FLOOR = 1e-4
_TOLERANCE = 1e-4
_ITERATIONS = 500


@dataclass(frozen=True)
class Feature:
    """An image whose steps lower edge weights: a step of `scale` lowers the weight to 1/e."""

    values: Float32Array
    scale: float


def random_walk(
    region: BoolArray,
    foreground: BoolArray,
    background: BoolArray,
    features: Sequence[Feature],
    prior: Float32Array,
    prior_weight: float,
) -> Float32Array:
    """Probability of the foreground in each voxel of a region; 0 outside it.

    Parameters
    ----------
    region : ndarray of bool, shape (slices, rows, columns)
        Where the probability is computed; seeds outside are ignored.
    foreground, background : ndarray of bool
        Seeds, disjoint.
    features : sequence of Feature
        Their weighted squared steps add up in the exponent of the edge weight.
    prior : ndarray
        Probability of the foreground from a voxel's own values.
    prior_weight : float
        Weight of the prior against one undisturbed edge.

    Returns
    -------
    ndarray of float32
        Probability, 0 to 1.
    """
    from scipy import sparse
    from scipy.sparse.linalg import cg

    laplacian, index = _laplacian(region, features)
    count = laplacian.shape[0]
    inside_prior = prior[region].astype(np.float64)
    is_foreground, is_background = foreground[region], background[region]
    free = ~(is_foreground | is_background)
    probability = np.where(is_foreground, 1.0, 0.0)
    if free.any():
        system = laplacian + sparse.diags(np.full(count, prior_weight))
        right = prior_weight * inside_prior[free] - laplacian[free][:, is_foreground] @ np.ones(is_foreground.sum())
        unknown = system[free][:, free].tocsr()
        solution, _ = cg(
            unknown,
            right,
            x0=inside_prior[free],
            rtol=_TOLERANCE,
            maxiter=_ITERATIONS,
            M=sparse.diags(1.0 / unknown.diagonal()),
        )
        probability[free] = solution
    result = np.zeros(region.shape, dtype=np.float32)
    result[region] = np.clip(probability, 0.0, 1.0)[index[region]]
    return result


def _laplacian(region: BoolArray, features: Sequence[Feature]):  # type: ignore[no-untyped-def]  # scipy has no stubs
    """Graph Laplacian over the face neighbours within a region, and each voxel's row in it."""
    from scipy import sparse

    count = int(region.sum())
    index = np.full(region.shape, -1, dtype=np.int64)
    index[region] = np.arange(count)
    firsts, seconds, weights = [], [], []
    for axis in range(3):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        there = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        pair = region[here] & region[there]
        exponent = np.zeros(int(pair.sum()))
        for feature in features:
            step = (feature.values[here] - feature.values[there])[pair].astype(np.float64)
            exponent += (step / feature.scale) ** 2
        firsts.append(index[here][pair])
        seconds.append(index[there][pair])
        weights.append(np.exp(-exponent) + _EDGE_FLOOR)
    first, second, weight = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(weights)
    adjacency = sparse.coo_matrix(
        (np.concatenate([weight, weight]), (np.concatenate([first, second]), np.concatenate([second, first]))),
        shape=(count, count),
    ).tocsr()
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return (sparse.diags(degree) - adjacency).tocsr(), index
