"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig", "ConfidenceModel"]


class ConfidenceModel(FrozenModel):
    """Logistic regression of a candidate's named features; fitted by ``scripts/fit_body_confidence.py``.

    The confidence is 1 / (1 + exp(-z)), where z is the intercept plus each weight times its feature.
    """

    intercept: float = 0.0
    weights: dict[str, float] = Field(default_factory=dict)


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
    metastasis_from: float = Field(default=0.6, description="Confidence from which a metastasis is likely")
    physiological_below: float = Field(default=0.2, description="And below which physiological uptake is")
    listed_from: float = Field(default=0.08, description="Candidates of less confidence are left out of the list")
    without_ct_factor: float = Field(default=0.85, description="Confidence without a CT over that with one")
    border_uncertainty_mm: float = Field(default=3.0, ge=0, description="As of lesions in the liver")
    longest_list: int = Field(default=150, description="Candidates that a list holds at most, the likeliest first")
    model: ConfidenceModel = ConfidenceModel()
