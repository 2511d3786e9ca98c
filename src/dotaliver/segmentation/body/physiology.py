"""Physiological uptake: which organ a hot part may be, by its place, shape, symmetry, density and uptake.

Places are on the scale of `BodyAxes`. Limits are wide: a part inside them may be the organ, and how much that says is
left to the fitted confidence. Large organs (kidneys, spleen, bladder) are recognised first; then small ones relative to
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Vector
from dotaliver.segmentation.body.parts import HotPart, HotParts

__all__ = ["SENTENCES", "explained", "owned_large_organs", "with_organ_distance"]

SENTENCES: Mapping[str, str] = {
    "pituitary": "Lies where the pituitary gland does.",
    "salivary": "Lies where the salivary glands do.",
    "thyroid": "Lies where the thyroid does.",
    "spleen": "Lies where the spleen does and is as large.",
    "accessory_spleen": "Lies near the spleen or where it was; may be an accessory spleen or splenosis.",
    "kidney": "Lies in or against a kidney.",
    "adrenal": "Lies where the adrenal gland does.",
    "ureter": "Lies along the course of a ureter; may be urine.",
    "bladder": "Lies where the bladder does; may be urine.",
    "stomach": "Lies in the left upper abdomen with mild uptake; may be stomach.",
    "bowel": "Lies among the bowel with mild or tubular uptake; may be bowel.",
    "uncinate": "Lies at the uncinate process of the pancreas, which may take up the tracer.",
    "gallbladder": "Lies at the lower surface of the liver with mild uptake; may be the gallbladder.",
    "prostate": "Lies behind or below the bladder with mild uptake; may be prostate or uterus.",
    "injection": "Lies in an arm; may be the site of injection.",
    "degenerative": "Mild uptake at a joint or the margin of a vertebra; may be degenerative or a healing fracture.",
    "liver_edge": "Abuts the liver; may be the liver in another phase of breathing.",
    "heart": "Lies in the heart with uptake like blood's.",
    "brain": "Lies in the head; may be brain.",
    "brown_fat": "As dense as fat, and alike on both sides; may be active brown fat.",
    "marrow": "About as hot as the rest of the spine; may be marrow.",
    "aerated_lung": "Lies in aerated lung where the CT shows no nodule; may be noise.",
    "vessel": "Uptake is not far above that of blood and marrow.",
}
"""What speaks for physiological uptake, by the organ."""

_KIDNEY_ML, _SPLEEN_ML, _BLADDER_ML, _FULL_BLADDER_ML = 15.0, 20.0, 8.0, 40.0
_URINE_HU = 32.0
# With another tracer: parts of the spine from which marrow is judged, and how far above them marrow may rise.
_MARROW_PARTS, _MARROW_RATIO = 5, 1.6
# The myocardium of an adult with its cavity; brown fat, more dense than white fat and blurred with what it touches.
_HEART_ML, _BROWN_FAT_HU = 60.0, (-160.0, -40.0)
_MILD_RATIO = 0.9
# Denser than this is a nodule of 5 mm, blurred to the coarse grid.
_AERATED_HU = -650.0


@dataclass(frozen=True)
class _Seen:
    """What the rules may use beside the part itself."""

    liver_uptake: float
    spleen_uptake: float | None
    spleen_mm: float
    has_ct: bool


def owned_large_organs(found: HotParts, liver_uptake: float, *, has_ct: bool) -> dict[int, str]:
    """Kidneys, spleen and bladder: large hot parts in their places, by label."""
    owned: dict[int, str] = {}
    for part in found.parts:
        name = _large_organ(part, liver_uptake, has_ct=has_ct)
        if name is not None:
            owned[part.label] = name
    return owned


def _large_organ(p: HotPart, liver_uptake: float, *, has_ct: bool) -> str | None:
    lateral = abs(p.lateral_mm)
    soft = p.bone_share < 0.5
    splenic = p.lateral_mm > 55 and -70 < p.height_mm < 110 and p.posterior_mm > -75
    # The left kidney lies further in and lower.
    outer = p.lateral_mm > 78 or p.height_mm > 20
    if p.volume_ml > _SPLEEN_ML and splenic and outer and soft and p.peak > liver_uptake:
        return "spleen"
    renal = 34 < lateral < 100 and -150 < p.height_mm < 40 and -70 < p.posterior_mm < 35
    if p.volume_ml > _KIDNEY_ML and renal and soft and p.peak > 0.7 * liver_uptake:
        return "kidney"
    water = not has_ct or p.hu is None or p.hu < _URINE_HU
    if p.volume_ml > _BLADDER_ML and lateral < 62 and -410 < p.height_mm < -235 and p.posterior_mm < -35 and water:
        return "bladder"
    full = p.volume_ml > _FULL_BLADDER_ML and lateral < 75 and -430 < p.height_mm < -180 and p.posterior_mm < -20
    if full and has_ct and water:
        return "bladder"
    return None


def with_organ_distance(found: HotParts, owned: Mapping[int, str], spacing_mm: Vector) -> HotParts:
    """The parts with the distance of their peak from the nearest large organ."""
    by_label = {p.label: p for p in found.parts}
    top = int(found.owners.max(initial=0)) + 1
    levels = np.full(top, np.inf, dtype=np.float32)
    for label in owned:
        part = by_label[label]
        levels[label] = part.background + 0.5 * (part.peak - part.background)
    organ = found.smooth > levels[found.owners]
    away = distance_to_mm(organ, spacing_mm)
    parts = tuple(replace(p, organ_mm=0.0 if p.label in owned else float(away[p.place])) for p in found.parts)
    return replace(found, parts=parts)


def explained(
    found: HotParts, owned: Mapping[int, str], liver_uptake: float, *, has_ct: bool, other_tracer: bool = False
) -> dict[int, str]:
    """By label, the organ that each part may be; parts that no organ explains are left out.

    With another tracer (``other_tracer``) brain, myocardium, marrow and the renal pelves are hot, too.
    """
    spleens = [p for p in found.parts if owned.get(p.label) == "spleen"]
    names = dict(owned)
    if other_tracer:
        names.update(_of_other_tracers(found, names))
    for part in found.parts:
        if part.label in names:
            continue
        gaps = [_gap_mm(part, spleen) for spleen in spleens]
        hottest = max((p.peak for p in spleens), default=None)
        seen = _Seen(liver_uptake, hottest, min(gaps, default=float("inf")), has_ct)
        name = next((name for name, rule in _RULES.items() if rule(part, seen)), None)
        if name is not None:
            names[part.label] = name
    return names


def _of_other_tracers(found: HotParts, named: Mapping[int, str]) -> dict[int, str]:
    """Brain, myocardium, renal pelves by place, and marrow that is about as hot as most of the spine."""
    spine = [p.peak for p in found.parts if p.bone_near > 0.3 and abs(p.lateral_mm) < 40]
    marrow = float(np.median(spine)) if len(spine) >= _MARROW_PARTS else 0.0
    names = _brown_fat(found)
    for p in found.parts:
        lateral, height = abs(p.lateral_mm), p.height_mm
        if p.label in named or p.label in names:
            continue
        if height > 385 and p.volume_ml > 15:
            names[p.label] = "brain"
        elif 75 < height < 200 and -60 < p.lateral_mm < 110 and p.posterior_mm < -40 and p.volume_ml > _HEART_ML:
            names[p.label] = "heart"
        elif -200 < height < 35 and 25 < lateral < 100 and -95 < p.posterior_mm < 40 and p.bone_near < 0.3:
            names[p.label] = "kidney"
        elif p.bone_near > 0.3 and p.peak < _MARROW_RATIO * marrow:
            names[p.label] = "marrow"
    return names


def _brown_fat(found: HotParts) -> dict[int, str]:
    """Fat that is hot above both clavicles, and with it small foci at both sides of the thoracic spine.

    Active brown fat lies there, nearly always on both sides (Cohade et al., J Nucl Med 2003;44:170). A focus on
    one side, or denser than fat, stays a candidate.
    """
    low, high = _BROWN_FAT_HU
    above = [
        p
        for p in found.parts
        if p.hu is not None and low < p.hu < high and p.height_mm > 255 and 20 < abs(p.lateral_mm) < 140 and _alike(p)
    ]
    if not above:
        return {}
    beside = [
        p
        for p in found.parts
        if p.hu is not None
        and p.hu < high
        and p.bone_near < 0.3
        and p.volume_ml < 3
        and 60 < p.height_mm < 255
        and 10 < abs(p.lateral_mm) < 55
        and p.posterior_mm > -45
        and _alike(p)
    ]
    return {p.label: "brown_fat" for p in (*above, *beside)}


def _alike(p: HotPart) -> bool:
    """Whether the same place of the other side is about as hot."""
    return 0.65 < p.mirror_ratio < 1.55


def _gap_mm(one: HotPart, other: HotPart) -> float:
    """Between the peaks, less the other part's own reach."""
    apart = np.array([one.lateral_mm, one.posterior_mm, one.height_mm])
    apart = apart - [other.lateral_mm, other.posterior_mm, other.height_mm]
    return float(np.linalg.norm(apart)) - 2.0 * other.extent_mm[0]


def _soft(p: HotPart) -> bool:
    return p.bone_near < 0.3


def _ratio(p: HotPart, s: _Seen) -> float:
    return p.peak / max(s.liver_uptake, 1e-6)


def _pituitary(p: HotPart, _: _Seen) -> bool:
    return 425 < p.height_mm < 505 and abs(p.lateral_mm) < 18 and p.volume_ml < 5 and p.skin_mm > 35


def _salivary(p: HotPart, s: _Seen) -> bool:
    return 355 < p.height_mm < 460 and 14 < abs(p.lateral_mm) < 85 and _soft(p) and _ratio(p, s) < 1.6


def _thyroid(p: HotPart, s: _Seen) -> bool:
    inside = 285 < p.height_mm < 350 and abs(p.lateral_mm) < 38 and p.posterior_mm < -35
    paired = 0.5 < p.mirror_ratio < 2.0 or abs(p.lateral_mm) < 12 or (p.elongation > 1.6 and p.upright > 0.8)
    return inside and paired and _soft(p) and _ratio(p, s) < 1.5 and p.volume_ml > 1.5


def _adrenal(p: HotPart, _: _Seen) -> bool:
    inside = -45 < p.height_mm < 45 and 10 < abs(p.lateral_mm) < 52 and -62 < p.posterior_mm < 5
    return inside and _soft(p) and p.volume_ml < 9


def _kidney(p: HotPart, _: _Seen) -> bool:
    inside = -160 < p.height_mm < 50 and 24 < abs(p.lateral_mm) < 105 and -85 < p.posterior_mm < 40
    return inside and _soft(p) and p.organ_mm < 14


def _bladder(p: HotPart, _: _Seen) -> bool:
    inside = -420 < p.height_mm < -235 and abs(p.lateral_mm) < 66 and p.posterior_mm < -20
    return inside and _soft(p) and p.organ_mm < 14


def _ureter(p: HotPart, _: _Seen) -> bool:
    upper = -205 < p.height_mm < -60 and 24 < abs(p.lateral_mm) < 62 and -62 < p.posterior_mm < 2
    lower = -350 < p.height_mm <= -205 and 16 < abs(p.lateral_mm) < 66 and -72 < p.posterior_mm < 2
    # A round focus of over 2 ml is wider than a ureter that is not obstructed.
    long = p.elongation > 2.2 and p.volume_ml < 12
    thin = p.extent_mm[1] < 5.5 and (long or p.volume_ml < 2.2 or (p.elongation > 1.4 and p.volume_ml < 5))
    return (upper or lower) and thin and _soft(p)


def _prostate(p: HotPart, s: _Seen) -> bool:
    inside = -410 < p.height_mm < -245 and abs(p.lateral_mm) < 36 and -105 < p.posterior_mm < -10
    return inside and _soft(p) and _ratio(p, s) < 1.2 and p.volume_ml > 4


def _spleen_rest(p: HotPart, _: _Seen) -> bool:
    inside = p.lateral_mm > 50 and -75 < p.height_mm < 115 and p.posterior_mm > -80
    return inside and p.organ_mm < 12 and _soft(p)


def _accessory_spleen(p: HotPart, s: _Seen) -> bool:
    if p.lateral_mm < 38 or p.volume_ml > 9 or not _soft(p) or not -60 < p.height_mm < 80:
        return False
    # Without a spleen, splenic tissue may have been left or seeded.
    return s.spleen_uptake is None or (s.spleen_mm < 55 and p.peak < 1.1 * s.spleen_uptake)


def _uncinate(p: HotPart, s: _Seen) -> bool:
    inside = -108 < p.height_mm < -18 and -48 < p.lateral_mm < 2 and -100 < p.posterior_mm < -45
    return inside and p.volume_ml < 9 and _ratio(p, s) < 3.0 and _soft(p)


def _gallbladder(p: HotPart, s: _Seen) -> bool:
    return p.liver_mm < 18 and p.height_mm < 0 and p.posterior_mm < -60 and p.lateral_mm < -15 and _ratio(p, s) < 0.7


def _stomach(p: HotPart, s: _Seen) -> bool:
    front = p.posterior_mm < -60 or (p.posterior_mm < -35 and p.lateral_mm > 45)
    inside = -75 < p.height_mm < 90 and p.lateral_mm > -35 and front
    return inside and _soft(p) and _ratio(p, s) < _MILD_RATIO


def _bowel(p: HotPart, s: _Seen) -> bool:
    inside = -310 < p.height_mm < 20 and p.posterior_mm < -5 and p.skin_mm > 14 and _soft(p)
    tubular = p.elongation > 1.9 and p.volume_ml > 3
    return inside and (_ratio(p, s) < _MILD_RATIO or (tubular and _ratio(p, s) < 1.5))


def _injection(p: HotPart, _: _Seen) -> bool:
    beside = abs(p.lateral_mm) > 150 and -290 < p.height_mm < 150
    raised = p.height_mm > 300 and abs(p.lateral_mm) > 92
    return beside or (raised and p.bone_near < 0.5)


def _degenerative(p: HotPart, s: _Seen) -> bool:
    return p.bone_near >= 0.2 and _ratio(p, s) < 0.55 and p.volume_ml < 6 and p.contrast < 4.5


def _liver_edge(p: HotPart, s: _Seen) -> bool:
    return p.liver_mm < 9 and _ratio(p, s) < 1.35


def _heart(p: HotPart, s: _Seen) -> bool:
    inside = 75 < p.height_mm < 190 and -55 < p.lateral_mm < 95 and p.posterior_mm < -55
    return inside and p.lung_share < 0.5 and _ratio(p, s) < 0.7


def _aerated_lung(p: HotPart, s: _Seen) -> bool:
    # Breathing may lay a nodule's uptake on lung, so what is hot is no noise.
    return p.hu is not None and p.hu < _AERATED_HU and p.volume_ml < 1.0 and _ratio(p, s) < 0.5


def _vessel(p: HotPart, s: _Seen) -> bool:
    return p.contrast < 4.2 and _ratio(p, s) < 0.4


_RULES: Mapping[str, Callable[[HotPart, _Seen], bool]] = {
    "pituitary": _pituitary,
    "salivary": _salivary,
    "thyroid": _thyroid,
    "injection": _injection,
    "kidney": _kidney,
    "bladder": _bladder,
    "spleen": _spleen_rest,
    "uncinate": _uncinate,
    "adrenal": _adrenal,
    "ureter": _ureter,
    "accessory_spleen": _accessory_spleen,
    "prostate": _prostate,
    "aerated_lung": _aerated_lung,
    "liver_edge": _liver_edge,
    "gallbladder": _gallbladder,
    "stomach": _stomach,
    "bowel": _bowel,
    "degenerative": _degenerative,
    "heart": _heart,
    "vessel": _vessel,
}
