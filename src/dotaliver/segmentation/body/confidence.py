"""Probability that a hot part is a metastasis: logistic regression of named features, fitted on simulated bodies."""

from __future__ import annotations

import math

from dotaliver.config.body import ConfidenceModel
from dotaliver.records.body import FocusOrgan
from dotaliver.segmentation.body.parts import HotPart

__all__ = ["confidence_of", "features_of"]

# Beyond these, a feature says no more.
_LOG_CONTRAST, _LOG_RATIO, _LOG_ML = (0.0, 4.0), (-2.5, 2.5), (-1.5, 5.0)


def features_of(p: HotPart, may_be: str | None, organ: FocusOrgan, liver_uptake: float) -> dict[str, float]:
    """Named features of a part; those that are 0 are left out.

    Parameters
    ----------
    p : HotPart
        The part.
    may_be : str or None
        The organ that may explain it, from `dotaliver.segmentation.body.physiology.explained`.
    organ : str
        Where it lies.
    liver_uptake : float
        Uptake of normal liver.
    """
    contrast = _within(math.log(max(p.contrast, 1e-3)), _LOG_CONTRAST)
    ratio = _within(math.log(max(p.peak / max(liver_uptake, 1e-6), 1e-3)), _LOG_RATIO)
    features = {
        "log_contrast": contrast,
        "log_liver_ratio": ratio,
        "log_volume_ml": _within(math.log(max(p.volume_ml, 1e-3)), _LOG_ML),
        "log_elongation": min(math.log(max(p.elongation, 1.0)), 1.5),
        "solid": 0.0 if p.hu is None else _within((p.hu + 20.0) / 70.0, (0.0, 1.0)),
        "mirrored": 1.0 if 0.55 < p.mirror_ratio < 1.8 else 0.0,
        "fat_around": p.fat_around,
        "gas_near": min(p.gas_near, 0.3),
        f"in_{organ}": 1.0,
        "touches_organ": 1.0 if p.organ_mm < 14 or p.liver_mm < 9 else 0.0,
    }
    if may_be is not None:
        features[f"may_be_{may_be}"] = 1.0
        features[f"{may_be}_log_liver_ratio"] = ratio
        features[f"{may_be}_log_volume_ml"] = features["log_volume_ml"]
        features["explained_log_contrast"] = contrast
        features["explained_log_volume_ml"] = features["log_volume_ml"]
        features["explained_fat_around"] = p.fat_around
        features["explained_log_elongation"] = features["log_elongation"]
        features["explained_solid"] = features["solid"]
        features["explained_upright"] = p.upright * features["log_elongation"]
    return {name: value for name, value in features.items() if value}


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def confidence_of(features: dict[str, float], model: ConfidenceModel) -> float:
    """Probability of a metastasis, 0 to 1."""
    z = model.intercept + sum(model.weights.get(name, 0.0) * value for name, value in sorted(features.items()))
    return 1.0 / (1.0 + math.exp(-min(max(z, -30.0), 30.0)))
