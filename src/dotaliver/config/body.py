"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig", "ConfidenceModel"]


# Fitted by scripts/fit_body_confidence.py on 33 simulated bodies (seeds 1000 to 1032, every fourth without metastases).
_INTERCEPT = -2.478
_WEIGHTS = {
    "accessory_spleen_log_liver_ratio": -1.006,
    "accessory_spleen_log_volume_ml": 0.144,
    "adrenal_log_liver_ratio": -0.312,
    "adrenal_log_volume_ml": -0.007,
    "bladder_log_liver_ratio": -3.736,
    "bladder_log_volume_ml": 0.365,
    "bowel_log_liver_ratio": 2.074,
    "bowel_log_volume_ml": -0.496,
    "degenerative_log_liver_ratio": 0.173,
    "degenerative_log_volume_ml": 0.899,
    "explained_fat_around": 2.435,
    "explained_log_contrast": -2.171,
    "explained_log_elongation": 0.267,
    "explained_log_volume_ml": -0.266,
    "explained_solid": -0.794,
    "explained_upright": -1.899,
    "fat_around": 0.657,
    "gallbladder_log_liver_ratio": 0.227,
    "gallbladder_log_volume_ml": -0.106,
    "gas_near": -0.012,
    "heart_log_liver_ratio": 0.255,
    "heart_log_volume_ml": -0.213,
    "in_bone": 0.289,
    "in_lung": 3.474,
    "in_lymph_node": -0.071,
    "in_pancreas": -1.130,
    "in_peritoneum": -0.315,
    "in_soft_tissue": -2.247,
    "injection_log_liver_ratio": -0.878,
    "injection_log_volume_ml": -0.176,
    "kidney_log_liver_ratio": -2.627,
    "kidney_log_volume_ml": 0.011,
    "liver_edge_log_liver_ratio": 0.280,
    "liver_edge_log_volume_ml": -0.227,
    "log_contrast": 2.677,
    "log_elongation": -2.526,
    "log_liver_ratio": 2.884,
    "log_volume_ml": -0.256,
    "may_be_accessory_spleen": -1.021,
    "may_be_adrenal": -1.530,
    "may_be_bladder": 0.307,
    "may_be_bowel": 3.498,
    "may_be_degenerative": 3.018,
    "may_be_gallbladder": -0.262,
    "may_be_heart": -0.259,
    "may_be_injection": -1.557,
    "may_be_kidney": 0.574,
    "may_be_liver_edge": -0.577,
    "may_be_pituitary": -1.450,
    "may_be_prostate": -0.020,
    "may_be_salivary": -0.439,
    "may_be_spleen": -0.235,
    "may_be_stomach": -1.009,
    "may_be_thyroid": -0.078,
    "may_be_uncinate": -1.256,
    "may_be_ureter": -0.241,
    "may_be_vessel": 1.520,
    "mirrored": -1.804,
    "pituitary_log_liver_ratio": -0.766,
    "pituitary_log_volume_ml": 0.145,
    "prostate_log_liver_ratio": 0.013,
    "prostate_log_volume_ml": -0.054,
    "salivary_log_liver_ratio": 0.212,
    "salivary_log_volume_ml": -0.509,
    "solid": -0.016,
    "spleen_log_liver_ratio": -0.350,
    "spleen_log_volume_ml": -0.937,
    "stomach_log_liver_ratio": 0.855,
    "stomach_log_volume_ml": -0.583,
    "thyroid_log_liver_ratio": 0.006,
    "thyroid_log_volume_ml": -0.135,
    "touches_organ": -0.634,
    "uncinate_log_liver_ratio": -3.242,
    "uncinate_log_volume_ml": 1.036,
    "ureter_log_liver_ratio": -2.117,
    "ureter_log_volume_ml": -0.284,
    "vessel_log_liver_ratio": -0.022,
    "vessel_log_volume_ml": 0.860,
}


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
    metastasis_from: float = Field(default=0.5, description="Confidence from which a metastasis is likely")
    at_most_unsure: tuple[str, ...] = Field(
        default=("accessory_spleen", "uncinate", "adrenal", "kidney", "spleen", "bladder"),
        description="Organs whose uptake may equal that of a metastasis: what lies in their place is unsure at most",
    )
    physiological_below: float = Field(default=0.2, description="And below which physiological uptake is")
    listed_from: float = Field(default=0.05, description="Candidates of less confidence are left out of the list")
    other_tracer_from: float = Field(default=0.3, description="As the last, where the tracer is no receptor ligand")
    other_tracer_ratio: float = Field(
        default=1.5, description="Uptake over the liver's from which a candidate is listed then (PERCIST's 1.5 x mean)"
    )
    without_ct_factor: float = Field(default=0.85, description="Confidence without a CT over that with one")
    border_uncertainty_mm: float = Field(default=3.0, ge=0, description="As of lesions in the liver")
    longest_list: int = Field(default=150, description="Candidates that a list holds at most, the likeliest first")
    model: ConfidenceModel = ConfidenceModel(intercept=_INTERCEPT, weights=_WEIGHTS)
