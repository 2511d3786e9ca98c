"""From which contrast a wanted share of lesions is found, estimated from a few looks.

The share found rises with the logarithm of the contrast as a logistic function does, up to a few lesions that are
missed at any contrast. Its place and slope are estimated by Bayes' theorem on a grid. Each look is at the contrast at
which the wanted share is expected from all looks before it, and every third one below that, which shows the slope
(QUEST: Watson and Pelli, Percept Psychophys 1983;33:113-120; with the slope: Kontsevich and Tyler, Vision Res
1999;39:2729-2737). On contrasts measured at 300 places in each of four CTs for two sizes, 45 such looks give the
contrast at which nine in ten are found with an SD of 0.6 to 3.2 HU; bisection at 20 places, with as many looks, with
one of 0.6 to 16 HU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from dotaliver.image.geometry import FloatArray

__all__ = ["LAPSE_SHARE", "contrast_for_share"]

# Lesions that are missed at any contrast: beside vessels and the like. Of the places above, 0 to 5 %.
LAPSE_SHARE = 0.03
# Contrasts at which half may be found, in HU: from below the search's limit to beyond any metastasis.
_HALF_FOUND_HU, _STEPS = (4.0, 120.0), 86
# Scale of the logistic function in natural logarithms of contrast, and what is expected of it.
_SCALES = (0.08, 0.12, 0.18, 0.26, 0.36)
_SCALE_MEAN, _SCALE_SD = 0.2, 0.1
# Every third look is two levels lower.
_LOWER_EVERY, _LOWER_BY = 3, 2


def contrast_for_share(
    is_found: Callable[[int, float], bool], looks: int, contrasts_hu: Sequence[float], share: float
) -> float | None:
    """The contrast from which a share of lesions is found.

    Parameters
    ----------
    is_found : callable
        Of a look's number, from 0, and a contrast: whether the lesion of that look is found at it.
    looks : int
        How often it is called.
    contrasts_hu : sequence of float
        Contrasts that are looked at, ascending.
    share : float
        Below 1 less `LAPSE_SHARE`.

    Returns
    -------
    float or None
        In HU, rounded up and at least the lowest contrast; None where it lies above the highest.
    """
    if not contrasts_hu or not looks:
        return None
    levels = np.log(np.asarray(contrasts_hu, dtype=np.float64))
    half, scale = _grid()
    wanted = half - scale * np.log((1.0 - LAPSE_SHARE) / share - 1.0)
    belief = -0.5 * ((scale - _SCALE_MEAN) / _SCALE_SD) ** 2
    for number in range(looks):
        level = min(int(np.searchsorted(levels, _mean(wanted, belief))), len(levels) - 1)
        if number % _LOWER_EVERY == _LOWER_EVERY - 1:
            level = max(level - _LOWER_BY, 0)
        found = (1.0 - LAPSE_SHARE) / (1.0 + np.exp(-(levels[level] - half) / scale))
        belief += np.log(found if is_found(number, contrasts_hu[level]) else 1.0 - found)
    answer = float(np.exp(_mean(wanted, belief)))
    return None if answer > contrasts_hu[-1] else max(float(np.ceil(answer)), contrasts_hu[0])


@cache
def _grid() -> tuple[FloatArray, FloatArray]:
    """Log contrast at which half are found, and scale, of every function that may be."""
    low, high = (float(np.log(hu)) for hu in _HALF_FOUND_HU)
    half, scale = np.meshgrid(np.linspace(low, high, _STEPS), np.asarray(_SCALES))
    return half.ravel(), scale.ravel()


def _mean(values: FloatArray, belief: FloatArray) -> float:
    """Mean of values whose log probabilities are known up to a constant."""
    weight = np.exp(belief - belief.max())
    return float((weight * values).sum() / weight.sum())
