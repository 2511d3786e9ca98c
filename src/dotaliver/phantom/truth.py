"""What is exactly known about a phantom study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.geometry import Vector

__all__ = ["LesionTruth", "PhantomTruth", "TruthWord", "expected_exc4", "expected_inc7"]

TruthWord = Literal["met", "not_met", "indeterminate"]

# What counts as decidable by PET: a lesion of at least 12 mm at 1.25 times liver; smaller or fainter ones do not
_DECIDABLE_DIAMETER_MM = 12.0
_DECIDABLE_CONTRAST = 1.25


class LesionTruth(FrozenModel):
    """One lesion, where the CT shows it."""

    label: int
    diameter_mm: float = Field(description="Of the ball of equal volume")
    volume_ml: float = Field(description="Necrotic core included")
    suv: float = Field(description="True uptake of its living part")
    contrast: float = Field(description="True uptake over that of normal liver")
    centre_lps_mm: Vector = Field(description="Centre of mass on CT")
    centre_on_pet_lps_mm: Vector
    hu: float = Field(description="CT number of its living part")
    cold: bool = Field(description="Takes up less than normal liver: receptor-negative")
    necrotic_core: bool
    necrotic_core_ml: float
    in_ct_field: bool


class PhantomTruth(FrozenModel):
    """Everything that a reader of the study should find."""

    schema_version: Literal["1"] = "1"
    preset: str
    seed: int
    matrix: str
    liver_ml: float = Field(description="Liver with its tumours, in the CT's field of view")
    liver_ml_whole: float = Field(description="Liver with its tumours, also outside the CT's field of view")
    liver_in_ct_field: float = Field(description="Share of the liver that the CT covers, 0 to 1")
    tumour_ml: float
    burden: float
    liver_suv: float = Field(description="Mean uptake of normal parenchyma, vessels left out")
    liver_hu: float
    lesions: tuple[LesionTruth, ...]
    pet_shift_lps_mm: Vector = Field(description="Added to a place in the liver on CT gives its place on PET")
    organ_suv: dict[str, float] = Field(description="Planned uptake per tissue")
    injected_activity_mbq: float
    uptake_time_min: float
    weight_kg: float
    height_m: float
    expected: dict[str, TruthWord] = Field(description="What the liver alone should give per criterion")


def expected_inc7(lesions: tuple[LesionTruth, ...]) -> TruthWord:
    """INC7 as it can be known: lesions that are small or barely above liver no PET can decide."""
    if any(n.diameter_mm >= _DECIDABLE_DIAMETER_MM and n.contrast >= _DECIDABLE_CONTRAST for n in lesions):
        return "met"
    return "indeterminate" if any(n.contrast > 1.0 for n in lesions) else "not_met"


def expected_exc4(burden: float, limit: float = 0.80) -> TruthWord:
    """EXC4: over 80 % of the liver is tumour."""
    return "met" if burden > limit else "not_met"
