"""Probability that a hot part is a metastasis: two sums of decision trees, fitted on simulated bodies.

The first judges each part by itself and among the others. The second corrects it by how likely the other parts of the
body are lesions, for a patient with many certain lesions has more than one who has none. `confidence_trees.md` says
what the trees were fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dotaliver.segmentation.body.part_features import FEATURES, RISING, PlacedPart, features_of, places_of
from dotaliver.segmentation.trees import Trees, logits, trees_from

__all__ = [
    "LARGEST_LOGIT",
    "RISING_IN_SECOND",
    "STAGES",
    "confidences",
    "second_features",
    "stored_trees",
]

Float64Array = npt.NDArray[np.float64]

STAGES = ("first", "second")
"""Names of the two models in the stored file."""

# What the second stage sees beside the context.
_SEEN_AGAIN = (
    "log_contrast",
    "log_liver_ratio",
    "log_volume_ml",
    "height_mm",
    "aside_mm",
    "posterior_mm",
    "organ_mm",
    "hu",
    "bone_near",
    "fat_around",
    "explained",
    "log_parts",
)
_CONTEXT = ("log_odds_alone", "log_others", "log_others_in_organ", "log_others_near", "likeliest_other")
RISING_IN_SECOND: tuple[int, ...] = (
    *range(len(_CONTEXT)),
    *(len(_CONTEXT) + _SEEN_AGAIN.index(name) for name in RISING),
)
"""Columns of `second_features` with which a lesion is never less likely."""

# Parts of less probability are no context; lesions of one region lie this near to each other.
_LEAST_PROBABILITY, _REGION_MM = 0.1, 120.0
# What explains uptake of other tracers alone was not fitted, and is no context.
_OTHER_TRACERS = ("brain", "marrow", "brown_fat")
LARGEST_LOGIT = 13.8
"""A probability is 1e-6 at least, and as far from 1."""


def confidences(parts: Sequence[PlacedPart], liver_uptake: float) -> Float64Array:
    """Probability of a metastasis of each part, 0 to 1.

    Parameters
    ----------
    parts : sequence of PlacedPart
        All hot parts of the body.
    liver_uptake : float
        Uptake of normal liver.
    """
    first, second = stored_trees()
    features = features_of(parts, liver_uptake)
    alone = np.clip(logits(first, features), -LARGEST_LOGIT, LARGEST_LOGIT)
    return _probability(alone + logits(second, second_features(parts, features, alone)))


def second_features(parts: Sequence[PlacedPart], features: Float64Array, alone: Float64Array) -> Float64Array:
    """Features of the second stage: the context of each part, and some of its own again.

    Parameters
    ----------
    parts : sequence of PlacedPart
        All hot parts of the body.
    features : ndarray, shape (parts, `FEATURES`)
        Of `features_of`.
    alone : ndarray, shape (parts,)
        Log odds of the first stage.
    """
    alone = np.clip(alone, -LARGEST_LOGIT, LARGEST_LOGIT)
    likely = _probability(alone)
    likely[likely <= _LEAST_PROBABILITY] = 0.0
    likely[[p.may_be in _OTHER_TRACERS for p in parts]] = 0.0
    organs = np.array([p.organ for p in parts])
    places = places_of(parts)
    in_organ, near, best = (np.zeros(len(parts)) for _ in range(3))
    # Only the likely parts add to a sum, in the order of the list.
    for n in np.flatnonzero(likely):
        others = np.arange(len(parts)) != n
        in_organ += likely[n] * (others & (organs == organs[n]))
        near += likely[n] * (others & (np.linalg.norm(places - places[n], axis=1) < _REGION_MM))
        best = np.where(others, np.maximum(best, likely[n]), best)
    every = likely.cumsum()[-1] - likely if len(likely) else likely
    context = np.stack([alone, *(np.log1p(np.maximum(v, 0.0)) for v in (every, in_organ, near)), best], axis=1)
    return np.hstack([context, features[:, [FEATURES.index(name) for name in _SEEN_AGAIN]]])


def _probability(log_odds: Float64Array) -> Float64Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -LARGEST_LOGIT, LARGEST_LOGIT))))


@cache
def stored_trees() -> tuple[Trees, Trees]:
    """The trees that come with the package."""
    with (files("dotaliver.segmentation.body") / "confidence_trees.npz").open("rb") as file, np.load(file) as stored:
        first, second = (trees_from(stored, stage) for stage in STAGES)
    return first, second
