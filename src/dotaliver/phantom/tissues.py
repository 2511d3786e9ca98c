"""The tissues of the phantom, with their CT numbers and their 68Ga-DOTATATE uptake."""

from __future__ import annotations

from enum import IntEnum

from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import ContrastPhase, PhantomSpec

__all__ = ["LIVER_TISSUES", "Tissue", "draw_hu", "draw_suv"]


class Tissue(IntEnum):
    """Tissue labels of the phantom; `LIVER` to `LIVER_LESION` together are the liver."""

    AIR = 0
    LIVER = 1
    PORTAL_BRANCH = 2
    HEPATIC_VEIN = 3
    LIVER_LESION = 4
    SPLEEN = 5
    KIDNEY_CORTEX = 6
    KIDNEY_MEDULLA = 7
    RENAL_SINUS = 8
    ADRENAL = 9
    STOMACH_WALL = 10
    STOMACH_CONTENT = 11
    BOWEL_WALL = 12
    BOWEL_CONTENT = 13
    HOT_BOWEL = 14
    GUT_GAS = 15
    PANCREAS = 16
    GALLBLADDER = 17
    AORTA = 18
    VENA_CAVA = 19
    PORTAL_VEIN = 20
    HEART_WALL = 21
    HEART_BLOOD = 22
    LUNG = 23
    FLUID = 24
    MUSCLE = 25
    BONE = 26
    MARROW = 27
    DISC = 28
    CARTILAGE = 29
    CORD = 30
    FAT = 31
    SMALL_VESSEL = 32
    COUCH = 33


LIVER_TISSUES = (Tissue.LIVER, Tissue.PORTAL_BRANCH, Tissue.HEPATIC_VEIN)

# CT numbers by contrast phase: native, arterial (35 s), portal venous (70 s), late (180 s). Usual clinical values:
# liver native 55-65, portal 100-120; spleen 10-20 above liver in the portal phase; aorta 250-350 arterial.
_PHASES: tuple[ContrastPhase, ...] = ("native", "arterial", "portal", "late")
_ENHANCED_HU: dict[Tissue, tuple[float, float, float, float]] = {
    Tissue.LIVER: (58, 68, 106, 90),
    Tissue.PORTAL_BRANCH: (42, 85, 162, 112),
    Tissue.HEPATIC_VEIN: (42, 50, 152, 112),
    Tissue.SPLEEN: (48, 118, 122, 98),
    Tissue.KIDNEY_CORTEX: (34, 175, 188, 150),
    Tissue.KIDNEY_MEDULLA: (32, 75, 160, 160),
    Tissue.ADRENAL: (30, 70, 75, 60),
    Tissue.STOMACH_WALL: (40, 80, 88, 75),
    Tissue.BOWEL_WALL: (40, 75, 88, 75),
    Tissue.HOT_BOWEL: (40, 75, 88, 75),
    Tissue.PANCREAS: (42, 100, 92, 75),
    Tissue.AORTA: (42, 290, 158, 115),
    Tissue.VENA_CAVA: (40, 70, 135, 112),
    Tissue.PORTAL_VEIN: (42, 90, 168, 115),
    Tissue.SMALL_VESSEL: (40, 130, 120, 95),
    Tissue.HEART_WALL: (42, 95, 105, 85),
    Tissue.HEART_BLOOD: (42, 260, 155, 112),
}
_PLAIN_HU: dict[Tissue, float] = {
    Tissue.AIR: -1000,
    Tissue.RENAL_SINUS: -70,
    Tissue.STOMACH_CONTENT: 22,
    Tissue.BOWEL_CONTENT: 26,
    Tissue.GUT_GAS: -880,
    Tissue.GALLBLADDER: 9,
    Tissue.LUNG: -845,
    Tissue.FLUID: 8,
    Tissue.MUSCLE: 56,
    Tissue.BONE: 480,
    Tissue.MARROW: 190,
    Tissue.DISC: 85,
    Tissue.CARTILAGE: 105,
    Tissue.CORD: 32,
    Tissue.FAT: -103,
    Tissue.COUCH: -210,
}
_ENHANCEMENT_SD = 0.07
_RENAL = (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA)

_SUV_SOURCES: dict[Tissue, str] = {
    Tissue.LIVER: "liver",
    Tissue.PORTAL_BRANCH: "blood",
    Tissue.HEPATIC_VEIN: "blood",
    Tissue.SPLEEN: "spleen",
    Tissue.KIDNEY_CORTEX: "kidney_cortex",
    Tissue.KIDNEY_MEDULLA: "kidney_medulla",
    Tissue.RENAL_SINUS: "fluid",
    Tissue.ADRENAL: "adrenal",
    Tissue.STOMACH_WALL: "stomach_wall",
    Tissue.STOMACH_CONTENT: "bowel_content",
    Tissue.BOWEL_WALL: "bowel_wall",
    Tissue.BOWEL_CONTENT: "bowel_content",
    Tissue.HOT_BOWEL: "hot_bowel",
    Tissue.PANCREAS: "pancreas",
    Tissue.GALLBLADDER: "gallbladder",
    Tissue.AORTA: "blood",
    Tissue.VENA_CAVA: "blood",
    Tissue.PORTAL_VEIN: "blood",
    Tissue.SMALL_VESSEL: "blood",
    Tissue.HEART_WALL: "heart",
    Tissue.HEART_BLOOD: "blood",
    Tissue.LUNG: "lung",
    Tissue.FLUID: "fluid",
    Tissue.MUSCLE: "muscle",
    Tissue.BONE: "bone",
    Tissue.MARROW: "marrow",
    Tissue.DISC: "bone",
    Tissue.CARTILAGE: "bone",
    Tissue.CORD: "muscle",
    Tissue.FAT: "fat",
}


def draw_hu(spec: PhantomSpec) -> dict[Tissue, float]:
    """CT number of each tissue for the contrast phase, with a patient's own variation."""
    rng = stream(spec.seed, "hu")
    phase = _PHASES.index(spec.scanner.contrast_phase)
    strength = 1 + rng.normal(0, _ENHANCEMENT_SD)
    hu: dict[Tissue, float] = {}
    for tissue in Tissue:
        if tissue in _ENHANCED_HU:
            native, now = _ENHANCED_HU[tissue][0], _ENHANCED_HU[tissue][phase]
            agent = spec.neighbours.renal_enhancement if tissue in _RENAL else 1.0
            hu[tissue] = native + (now - native) * strength * agent + rng.normal(0, 3)
        else:
            value = _PLAIN_HU.get(tissue, 40.0)
            hu[tissue] = value + (rng.normal(0, 3) if abs(value) < 300 else rng.normal(0, 20) if value > -999 else 0.0)
    hu[Tissue.LIVER] -= spec.liver.fat_hu
    hu[Tissue.LIVER_LESION] = hu[Tissue.LIVER]
    return hu


def draw_suv(spec: PhantomSpec) -> dict[Tissue, float]:
    """Uptake of each tissue from its range; tissues of one kind (all blood, say) share one value."""
    rng = stream(spec.seed, "suv")
    drawn = {name: float(rng.uniform(*getattr(spec.uptake, name))) for name in type(spec.uptake).model_fields}
    suv = {tissue: drawn[source] for tissue, source in _SUV_SOURCES.items()}
    suv[Tissue.AIR] = suv[Tissue.GUT_GAS] = suv[Tissue.COUCH] = 0.0
    suv[Tissue.LIVER_LESION] = suv[Tissue.LIVER]
    return suv
