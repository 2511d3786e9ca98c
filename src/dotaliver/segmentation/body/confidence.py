"""Probability that a hot part is a metastasis: logistic regression of named features, fitted on simulated bodies."""

from __future__ import annotations

import math

from dotaliver.config.body import ConfidenceModel
from dotaliver.records.body import FocusOrgan
from dotaliver.segmentation.body.parts import HotPart

__all__ = ["confidence_of", "features_of"]

# Beyond these, a feature says no more.
_LOG_CONTRAST, _LOG_RATIO, _LOG_ML = (0.0, 4.0), (-2.5, 2.5), (-1.5, 5.0)
_MOST_LOG_ELONGATION = 1.5
# Lung tissue blurred with a nodule is denser than this; from this share of bone on, a part lies at bone.
_AERATED_HU, _BONE_SHARE = -350.0, 0.2


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
    volume = _within(math.log(max(p.volume_ml, 1e-3)), _LOG_ML)
    faint = min(ratio, 0.0)
    elongation = min(math.log(max(p.elongation, 1.0)), _MOST_LOG_ELONGATION)
    solid = 0.0 if p.hu is None else _within((p.hu + 20.0) / 70.0, (0.0, 1.0))
    shape = {"log_contrast": contrast, "log_liver_ratio": ratio, "log_volume_ml": volume, "log_elongation": elongation}
    features = {
        **shape,
        # Below liver alone: no more uptake than liver may make a lesion less likely.
        "faint_squared": faint * faint,
        "faint_by_volume": faint * volume,
        "faint_by_log_contrast": faint * contrast,
        "log_volume_squared": volume * volume,
        "solid": solid,
        "mirrored": 1.0 if 0.55 < p.mirror_ratio < 1.8 else 0.0,
        "fat_around": p.fat_around,
        "gas_near": min(p.gas_near, 0.3),
        "touches_organ": 1.0 if p.organ_mm < 14 or p.liver_mm < 9 else 0.0,
        f"in_{organ}": 1.0,
        **{f"in_{organ}_{name}": value for name, value in shape.items()},
        f"in_{organ}_solid": solid,
        **_of_place(p, ratio, volume),
    }
    if p.hu is None:
        # What a CT would say is missing, not absent.
        features |= {"without_ct": 1.0, **{f"without_ct_{name}": value for name, value in shape.items()}}
    if may_be is not None:
        features[f"may_be_{may_be}"] = 1.0
        features[f"{may_be}_log_contrast"] = contrast
        features[f"{may_be}_solid"] = solid
        features[f"{may_be}_log_liver_ratio"] = ratio
        features[f"{may_be}_log_volume_ml"] = volume
        features["explained_log_contrast"] = contrast
        features["explained_log_volume_ml"] = volume
        features["explained_fat_around"] = p.fat_around
        features["explained_log_elongation"] = elongation
        features["explained_solid"] = solid
        features["explained_upright"] = p.upright * elongation
    return {name: value for name, value in features.items() if value}


def _of_place(p: HotPart, ratio: float, volume: float) -> dict[str, float]:
    """What place and density say beside the rules of `dotaliver.segmentation.body.physiology`.

    Noise in aerated lung, contrast agent in bowel as dense as bone, and blood in the vessels of the mediastinum.
    """
    features = {}
    if p.hu is not None:
        features["aerated"] = _within((_AERATED_HU - p.hu) / 250.0, (0.0, 1.0))
    if p.bone_near >= _BONE_SHARE:
        features["partly_bone"] = _within((0.8 - p.bone_near) / 0.4, (0.0, 1.0))
        abdominal = -310 < p.height_mm < 20 and p.posterior_mm < -10 and p.skin_mm > 14
        if abdominal and p.hu is not None:
            features["as_dense_as_contrast"] = _within((260.0 - p.hu) / 100.0, (0.0, 1.0))
        # Between spine and sternum nothing is as dense as bone but blood with contrast agent.
        between = 60 < p.height_mm < 250 and abs(p.lateral_mm) < 45 and -95 < p.posterior_mm < -55
        features["dense_vessel"] = float(between)
    if 60 < p.height_mm < 250 and abs(p.lateral_mm) < 50 and -95 < p.posterior_mm < -15:
        features |= {"vessels": 1.0, "vessels_log_liver_ratio": ratio, "vessels_log_volume_ml": volume}
    return features


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def confidence_of(features: dict[str, float], model: ConfidenceModel) -> float:
    """Probability of a metastasis, 0 to 1."""
    z = model.intercept + sum(model.weights.get(name, 0.0) * value for name, value in sorted(features.items()))
    return 1.0 / (1.0 + math.exp(-min(max(z, -30.0), 30.0)))
