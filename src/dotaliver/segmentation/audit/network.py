"""A small network over the features of single places, evaluated with the same bits on every machine.

Features, weights and activations are rounded to multiples of powers of two, so that every product and every sum is
exact in double precision: the order of adding, and with it the number of threads and the linear-algebra library, makes
no difference.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dotaliver.segmentation.coarse import Float32Array

__all__ = ["FEATURE_LIMIT", "WEIGHT_STEPS", "probabilities"]

Weights = Mapping[str, npt.NDArray[np.float64]]

# Weights are whole multiples of 1 / 4096, features and activations of 1 / 1024. Sums of a few hundred products of
# numbers under 256 and under 64 need 8 + 14 + 22 bits: fewer than the 53 of a double.
WEIGHT_STEPS = 4096.0
_STEPS = 1024.0
FEATURE_LIMIT = 6.0
_LARGEST_ACTIVATION = 256.0
# Beyond 30 a logistic function is 0 or 1 to the last bit of single precision.
_LARGEST_LOGIT = 30.0


def probabilities(features: Float32Array, weights: Weights) -> Float32Array:
    """Probability of each output.

    Parameters
    ----------
    features : ndarray, shape (places, features)
        In their own units.
    weights : mapping
        ``mean`` and ``scale`` bring the features to mean 0 and SD 1; ``weight_N``, shape (in, out), and ``bias_N`` are
        the layers, N from 1 on, in whole numbers of 1 / `WEIGHT_STEPS`.

    Returns
    -------
    ndarray of float32, shape (places, outputs)
    """
    values = features.astype(np.float64)
    values -= weights["mean"]
    values /= weights["scale"]
    _round(values, -FEATURE_LIMIT, FEATURE_LIMIT)
    layers = sum(name.startswith("weight_") for name in weights)
    for n in range(1, layers + 1):
        values = values @ (weights[f"weight_{n}"] / WEIGHT_STEPS)
        values += weights[f"bias_{n}"] / WEIGHT_STEPS
        if n < layers:
            _round(values, 0.0, _LARGEST_ACTIVATION)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -_LARGEST_LOGIT, _LARGEST_LOGIT))), dtype=np.float32)


def _round(values: npt.NDArray[np.float64], low: float, high: float) -> None:
    """Limit values and round them to whole steps, in place."""
    np.clip(values, low, high, out=values)
    values *= _STEPS
    np.rint(values, out=values)
    values /= _STEPS
