"""What the confidence of a hot part rests on: numbers of the part itself, and of the other parts of the same body."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from dotaliver.records.body import FocusOrgan
from dotaliver.segmentation.body.parts import HotPart

__all__ = ["FEATURES", "PLACES", "RISING", "PlacedPart", "features_of", "places_of"]

Float64Array = npt.NDArray[np.float64]

# Without a CT there is no density; this stands below every density.
_NO_HU = -2000.0
# Beyond these, a feature says no more.
_FAR_MM, _FAR_FROM_ORGANS_MM, _FAR_FROM_OTHERS_MM, _MOST_ELONGATION = 80.0, 80.0, 150.0, 4.0
# Other parts are counted within this distance, and are as hot within these ratios.
_NEAR_MM, _NEXT_MM, _AS_HOT = 60.0, 45.0, (0.6, 1.6)
# Marrow and bowel are judged from at least so many parts.
_MARROW_PARTS, _BOWEL_PARTS, _BONE_NEAR = 5, 3, 0.3
_UNKNOWN_LOG_RATIO = -9.0
_ORGANS: tuple[FocusOrgan, ...] = get_args(FocusOrgan)
# What may explain uptake of a receptor ligand; brain, marrow and brown fat take up others.
_EXPLANATIONS = (
    "accessory_spleen",
    "adrenal",
    "aerated_lung",
    "bladder",
    "bowel",
    "degenerative",
    "gallbladder",
    "heart",
    "injection",
    "kidney",
    "liver_edge",
    "pituitary",
    "prostate",
    "salivary",
    "spleen",
    "stomach",
    "thyroid",
    "uncinate",
    "ureter",
    "vessel",
)


@dataclass(frozen=True)
class PlacedPart:
    """A hot part, the organ that may explain its uptake, and the organ in which it lies."""

    part: HotPart
    may_be: str | None
    organ: FocusOrgan


def features_of(parts: Sequence[PlacedPart], liver_uptake: float) -> Float64Array:
    """Features of all hot parts of a body, shape (parts, `FEATURES`).

    Parameters
    ----------
    parts : sequence of PlacedPart
        All of them: a part is compared with the others.
    liver_uptake : float
        Uptake of normal liver.
    """
    if not parts:
        return np.zeros((0, len(FEATURES)))
    alone = [list((_own(p.part, liver_uptake) | _explained(p)).values()) for p in parts]
    return np.hstack([np.array(alone), _among_others(parts)])


def places_of(parts: Sequence[PlacedPart]) -> Float64Array:
    """Where the parts lie, in mm to the left, to the back and upwards, shape (parts, 3)."""
    return np.array([[p.part.lateral_mm, p.part.posterior_mm, p.part.height_mm] for p in parts]).reshape(-1, 3)


def _own(p: HotPart, liver_uptake: float) -> dict[str, float]:
    """Of the part alone."""
    radii = math.prod(math.sqrt(5.0) * extent for extent in p.extent_mm)
    return {
        "log_contrast": min(_log(p.contrast), 5.0),
        "log_liver_ratio": _log(p.peak / max(liver_uptake, 1e-6)),
        "log_background_ratio": _log(p.background / max(liver_uptake, 1e-6)),
        "log_volume_ml": _log(p.volume_ml),
        "height_mm": p.height_mm,
        "lateral_mm": p.lateral_mm,
        "aside_mm": abs(p.lateral_mm),
        "posterior_mm": p.posterior_mm,
        "longest_extent_mm": p.extent_mm[0],
        "middle_extent_mm": p.extent_mm[1],
        "shortest_extent_mm": p.extent_mm[2],
        "elongation": p.elongation,
        "flatness": p.extent_mm[1] / max(p.extent_mm[2], 1e-3),
        "upright": p.upright,
        "upright_elongation": p.upright * min(p.elongation, _MOST_ELONGATION),
        # Volume over that of the ellipsoid of the same extents
        "fill": p.volume_ml * 1000.0 / (4.0 / 3.0 * math.pi * radii),
        "liver_mm": min(p.liver_mm, _FAR_FROM_ORGANS_MM),
        "organ_mm": min(p.organ_mm, _FAR_FROM_ORGANS_MM),
        "skin_mm": min(p.skin_mm, _FAR_MM),
        "mirror_ratio": p.mirror_ratio,
        "hu": _NO_HU if p.hu is None else p.hu,
        "bone_share": p.bone_share,
        "bone_near": p.bone_near,
        "lung_share": p.lung_share,
        "fat_around": p.fat_around,
        "gas_near": p.gas_near,
    }


def _explained(p: PlacedPart) -> dict[str, float]:
    """What may explain the part, and where it lies."""
    return {
        "explained": float(p.may_be is not None),
        **{f"may_be_{name}": float(p.may_be == name) for name in _EXPLANATIONS},
        **{f"in_{name}": float(p.organ == name) for name in _ORGANS},
    }


_AMONG_OTHERS = (
    "log_marrow_ratio",
    "log_bowel_ratio",
    "hotter_parts",
    "log_parts",
    "near_parts",
    "near_parts_as_hot",
    "nearest_mm",
    "nearest_as_hot_mm",
    "nearest_hotter_mm",
    "log_next_ratio",
)


def _among_others(parts: Sequence[PlacedPart]) -> Float64Array:
    """Each part against marrow, bowel and its neighbours, shape (parts, `_AMONG_OTHERS`)."""
    peaks = np.array([p.part.peak for p in parts])
    places = places_of(parts)
    bone = np.array([p.part.bone_near > _BONE_NEAR for p in parts])
    marrow = float(np.median(peaks[bone])) if bone.sum() >= _MARROW_PARTS else None
    loops = np.array([_may_be_bowel(p) for p in parts])
    bowel = float(np.median(peaks[loops])) if loops.sum() >= _BOWEL_PARTS else None
    rows = []
    for n, peak in enumerate(peaks):
        apart = np.linalg.norm(places - places[n], axis=1)
        apart[n] = np.inf
        near = apart < _NEAR_MM
        as_hot = (peaks > _AS_HOT[0] * peak) & (peaks < _AS_HOT[1] * peak)
        rows.append(
            (
                _UNKNOWN_LOG_RATIO if marrow is None else _log(peak / marrow),
                _UNKNOWN_LOG_RATIO if bowel is None else _log(peak / bowel),
                float((peaks > peak).sum()),
                math.log(len(parts)),
                float(near.sum()),
                float((near & as_hot).sum()),
                _nearest(apart),
                _nearest(apart[peaks > 0.7 * peak]),
                _nearest(apart[peaks > 1.2 * peak]),
                _log(float(peaks[apart < _NEXT_MM].max(initial=0.0)) / peak),
            )
        )
    return np.array(rows)


def _may_be_bowel(p: PlacedPart) -> bool:
    part = p.part
    inside = -310 < part.height_mm < 20 and part.posterior_mm < -5 and part.bone_near < _BONE_NEAR
    return inside and p.may_be in ("bowel", "stomach", None)


def _nearest(apart: Float64Array) -> float:
    return min(float(apart.min(initial=np.inf)), _FAR_FROM_OTHERS_MM)


def _log(ratio: float) -> float:
    return math.log(max(ratio, 1e-3))


_ANYWHERE = HotPart(
    label=0,
    peak=1.0,
    background=1.0,
    volume_ml=1.0,
    height_mm=0.0,
    lateral_mm=0.0,
    posterior_mm=0.0,
    place=(0, 0, 0),
    extent_mm=(1.0, 1.0, 1.0),
    upright=0.0,
    liver_mm=0.0,
    skin_mm=0.0,
)

FEATURES: tuple[str, ...] = (*_own(_ANYWHERE, 1.0), *_explained(PlacedPart(_ANYWHERE, None, "other")), *_AMONG_OTHERS)
"""Names of the features, in the order of the columns."""

RISING: tuple[str, ...] = ("log_contrast", "log_liver_ratio")
"""With these a lesion is never less likely, all else equal."""

PLACES: tuple[str, ...] = ("height_mm", "lateral_mm", "posterior_mm")
"""Where a part lies."""
