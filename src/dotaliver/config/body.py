"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig", "ConfidenceModel"]


# BEGIN MODEL
# Fitted by scripts/fit_body_confidence.py on simulated bodies of the seeds from 1000.
_INTERCEPT = -3.126
_WEIGHTS = {
    "accessory_spleen_log_liver_ratio": 0.553,
    "accessory_spleen_log_volume_ml": 0.280,
    "adrenal_log_liver_ratio": -0.261,
    "adrenal_log_volume_ml": 0.097,
    "bladder_log_liver_ratio": -0.391,
    "bladder_log_volume_ml": -0.789,
    "bowel_log_liver_ratio": 1.342,
    "bowel_log_volume_ml": -0.464,
    "degenerative_log_liver_ratio": -0.082,
    "degenerative_log_volume_ml": 0.770,
    "explained_fat_around": 1.995,
    "explained_log_contrast": -1.978,
    "explained_log_elongation": 0.462,
    "explained_log_volume_ml": -0.350,
    "explained_solid": -0.368,
    "explained_upright": -0.441,
    "fat_around": 0.942,
    "gallbladder_log_liver_ratio": 0.131,
    "gallbladder_log_volume_ml": 0.008,
    "gas_near": -0.247,
    "heart_log_liver_ratio": -0.279,
    "heart_log_volume_ml": 0.246,
    "in_bone": 1.248,
    "in_lung": 3.512,
    "in_lymph_node": -0.274,
    "in_pancreas": -1.659,
    "in_peritoneum": -0.866,
    "in_soft_tissue": -1.962,
    "injection_log_liver_ratio": 0.071,
    "injection_log_volume_ml": 0.144,
    "kidney_log_liver_ratio": -0.327,
    "kidney_log_volume_ml": -0.831,
    "liver_edge_log_liver_ratio": 0.011,
    "liver_edge_log_volume_ml": -0.063,
    "log_contrast": 2.814,
    "log_elongation": -3.282,
    "log_liver_ratio": 2.046,
    "log_volume_ml": -0.151,
    "may_be_accessory_spleen": 0.485,
    "may_be_adrenal": -1.188,
    "may_be_bladder": -0.180,
    "may_be_bowel": 2.496,
    "may_be_degenerative": 1.119,
    "may_be_gallbladder": -0.115,
    "may_be_heart": 0.568,
    "may_be_injection": -0.606,
    "may_be_kidney": -0.251,
    "may_be_liver_edge": -0.030,
    "may_be_pituitary": -1.175,
    "may_be_prostate": -0.002,
    "may_be_salivary": -0.308,
    "may_be_spleen": -0.097,
    "may_be_stomach": -1.055,
    "may_be_thyroid": -0.031,
    "may_be_uncinate": -0.383,
    "may_be_ureter": -0.560,
    "may_be_vessel": -0.553,
    "mirrored": -1.580,
    "pituitary_log_liver_ratio": -0.511,
    "pituitary_log_volume_ml": 0.213,
    "prostate_log_liver_ratio": 0.001,
    "prostate_log_volume_ml": -0.005,
    "salivary_log_liver_ratio": 0.212,
    "salivary_log_volume_ml": -0.293,
    "solid": -0.842,
    "spleen_log_liver_ratio": -0.154,
    "spleen_log_volume_ml": -0.456,
    "stomach_log_liver_ratio": 0.886,
    "stomach_log_volume_ml": -0.605,
    "thyroid_log_liver_ratio": 0.008,
    "thyroid_log_volume_ml": -0.051,
    "touches_organ": -0.967,
    "uncinate_log_liver_ratio": -2.697,
    "uncinate_log_volume_ml": 0.618,
    "ureter_log_liver_ratio": -2.285,
    "ureter_log_volume_ml": 0.483,
    "vessel_log_liver_ratio": 0.810,
    "vessel_log_volume_ml": 0.349,
}
# END MODEL


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
    other_tracer_from: float = Field(default=0.3, description="As the last, where the tracer is no receptor ligand")
    other_tracer_ratio: float = Field(
        default=1.5, description="Uptake over the liver's from which a candidate is listed then (PERCIST's 1.5 x mean)"
    )
    without_ct_factor: float = Field(default=0.85, description="Confidence without a CT over that with one")
    border_uncertainty_mm: float = Field(default=3.0, ge=0, description="As of lesions in the liver")
    longest_list: int = Field(default=150, description="Candidates that a list holds at most, the likeliest first")
    model: ConfidenceModel = ConfidenceModel(intercept=_INTERCEPT, weights=_WEIGHTS)
