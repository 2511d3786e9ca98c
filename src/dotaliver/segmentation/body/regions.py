"""Anatomical region of a candidate, in the terms of the tumour identification domain (SDTM TULOC), and its organ."""

from __future__ import annotations

from dotaliver.records.body import FocusOrgan
from dotaliver.segmentation.body.parts import HotPart

__all__ = ["region_of"]

_IN_BONE, _IN_LUNG = 0.35, 0.45


def region_of(p: HotPart, *, has_ct: bool) -> tuple[str, FocusOrgan]:
    """Region, general first, and organ of a part; without a CT bone and lung are told by place alone."""
    bony = p.bone_share > _IN_BONE or p.bone_near > _IN_BONE if has_ct else _spine_by_place(p)
    if bony:
        return f"skeleton, {_bone(p)}", "bone"
    if p.lung_share > _IN_LUNG or (not has_ct and 110 < p.height_mm < 275 and 45 < abs(p.lateral_mm) < 125):
        return f"lung, {_side(p)}", "lung"
    return _soft_tissue(p)


def _side(p: HotPart) -> str:
    return "left" if p.lateral_mm > 0 else "right"


def _spine_by_place(p: HotPart) -> bool:
    return abs(p.lateral_mm) < 26 and -30 < p.posterior_mm < 45 and -300 < p.height_mm < 385


def _bone(p: HotPart) -> str:  # noqa: PLR0911  one region a line
    lateral, height = abs(p.lateral_mm), p.height_mm
    if height > 395:
        return "skull"
    if lateral < 46 and p.posterior_mm > -52 and height > -300:
        spine = (("sacrum", -215.0), ("lumbar spine", -5.0), ("thoracic spine", 240.0), ("cervical spine", 395.0))
        return next(name for name, top in spine if height <= top)
    if height < -335 and lateral > 66:
        return f"femur, {_side(p)}"
    if height < -160:
        return f"pelvis, {_side(p)}"
    if lateral > 140 and height > 60:
        return f"humerus, {_side(p)}"
    if lateral < 32 and p.posterior_mm < -95:
        return "sternum"
    if height > 235:
        return f"shoulder girdle, {_side(p)}"
    if height > 125 and p.posterior_mm > 5 and 60 < lateral < 150:
        return f"scapula or rib, {_side(p)}"
    return f"rib, {_side(p)}"


def _soft_tissue(p: HotPart) -> tuple[str, FocusOrgan]:  # noqa: PLR0911  one region a line
    lateral, height = abs(p.lateral_mm), p.height_mm
    if height > 400:
        return "head", "soft_tissue"
    if height > 310:
        return f"lymph node, cervical, {_side(p)}", "lymph_node"
    if height > 252 and lateral < 95:
        return f"lymph node, supraclavicular, {_side(p)}", "lymph_node"
    if height > 100:
        if lateral < 52:
            return "lymph node, mediastinal", "lymph_node"
        if lateral > 85 and height > 150:
            return f"lymph node, axillary, {_side(p)}", "lymph_node"
        return "chest wall or pleura", "soft_tissue"
    if height < -345:
        return (f"lymph node, inguinal, {_side(p)}", "lymph_node") if p.posterior_mm < -60 else ("thigh", "soft_tissue")
    if p.skin_mm < 14:
        return "soft tissue", "soft_tissue"
    return _abdominal(p)


def _abdominal(p: HotPart) -> tuple[str, FocusOrgan]:
    lateral, height = abs(p.lateral_mm), p.height_mm
    if height < -200:
        if 22 < lateral < 100 and p.posterior_mm > -85:
            return f"lymph node, pelvic, {_side(p)}", "lymph_node"
        return "peritoneum", "peritoneum"
    if lateral < 42 and p.posterior_mm > -62:
        return "lymph node, retroperitoneal", "lymph_node"
    if -62 < height < 30 and -38 < p.lateral_mm < 95 and p.posterior_mm > -105:
        return "pancreas", "pancreas"
    if lateral < 70 and p.posterior_mm > -135:
        return "lymph node, mesenteric", "lymph_node"
    return "peritoneum", "peritoneum"
