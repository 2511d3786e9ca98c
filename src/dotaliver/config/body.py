"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig"]


class BodyConfig(FrozenModel):
    """Candidates outside the liver."""

    smooth_fwhm_mm: float = Field(default=6.0, gt=0, description="Smoothing before candidates are looked for")
    background_block_mm: float = Field(default=12.0, gt=0, description="Blocks of which the local background is made")
    background_reach_mm: float = Field(default=30.0, gt=0, description="How far around a place it is taken")
    background_percentile: float = Field(
        default=30.0, description="Of the blocks around a place: below a lesion that fills half of them"
    )
    rise_share: float = Field(default=1.45, gt=1, description="Uptake over the local background that is a focus")
    rise_liver_share: float = Field(default=0.03, ge=0, description="And this much of normal liver in addition")
    tissue_share: float = Field(default=2.0, gt=0, description="And at least this multiple of the body's median uptake")
    saddle_share: float = Field(default=0.7, description="Of the lower peak: a higher saddle joins two foci")
    minimum_ml: float = Field(default=0.25, description="A smaller focus is noise: four voxels of 4 mm")
    metastasis_from: float = Field(default=0.5, description="Confidence from which a metastasis is likely")
    ambiguous_organs: tuple[str, ...] = Field(
        default=("accessory_spleen", "uncinate", "adrenal", "kidney", "spleen", "bladder", "aerated_lung"),
        description="Organs whose uptake may equal that of a metastasis",
    )
    metastasis_from_at_ambiguous: float = Field(default=0.6, description="As metastasis_from, in the place of these")
    physiological_below: float = Field(default=0.2, description="And below which physiological uptake is")
    listed_from: float = Field(default=0.05, description="Candidates of less confidence are left out of the list")
    other_tracer_from: float = Field(default=0.3, description="As the last, where the tracer is no receptor ligand")
    other_tracer_ratio: float = Field(
        default=1.5, description="Uptake over the liver's from which a candidate is listed then (PERCIST's 1.5 x mean)"
    )
    other_tracer_organs: tuple[str, ...] = Field(
        default=("brain", "marrow", "heart", "brown_fat"),
        description="With such a tracer, what these explain is an organ and no candidate",
    )
    without_ct_factor: float = Field(default=0.85, description="Confidence without a CT over that with one")
    border_uncertainty_mm: float = Field(default=3.0, ge=0, description="As of lesions in the liver")
    longest_list: int = Field(default=150, description="Candidates that a list holds at most, the likeliest first")
