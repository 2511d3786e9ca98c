"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig", "ConfidenceModel"]


# Fitted by scripts/fit_body_confidence.py on 130 simulated bodies (seeds 1000 to 1081, every fourth without metastases,
# and 5000 to 5047, every second; every third body once more as if it had no CT).
_INTERCEPT = -3.993
_WEIGHTS = {
    "accessory_spleen_log_contrast": 0.758,
    "accessory_spleen_log_liver_ratio": -0.204,
    "accessory_spleen_log_volume_ml": -0.367,
    "accessory_spleen_solid": -0.140,
    "adrenal_log_contrast": -0.894,
    "adrenal_log_liver_ratio": -0.497,
    "adrenal_log_volume_ml": 0.655,
    "adrenal_solid": 0.964,
    "aerated": 0.971,
    "aerated_lung_log_contrast": 0.750,
    "aerated_lung_log_liver_ratio": 0.589,
    "aerated_lung_log_volume_ml": 1.227,
    "as_dense_as_contrast": -2.700,
    "bladder_log_contrast": 0.132,
    "bladder_log_liver_ratio": -2.894,
    "bladder_log_volume_ml": 0.445,
    "bladder_solid": 0.909,
    "bowel_log_contrast": 0.204,
    "bowel_log_liver_ratio": 1.207,
    "bowel_log_volume_ml": -0.015,
    "bowel_solid": -0.746,
    "degenerative_log_contrast": 0.785,
    "degenerative_log_liver_ratio": -1.168,
    "degenerative_log_volume_ml": 0.760,
    "degenerative_solid": 0.095,
    "dense_vessel": -2.219,
    "explained_fat_around": 0.962,
    "explained_log_contrast": -1.641,
    "explained_log_elongation": 2.263,
    "explained_log_volume_ml": -0.357,
    "explained_solid": 0.097,
    "explained_upright": -2.058,
    "faint_by_log_contrast": -0.072,
    "faint_by_volume": 0.719,
    "faint_squared": -2.759,
    "fat_around": -0.523,
    "gallbladder_log_contrast": 0.100,
    "gallbladder_log_liver_ratio": -0.714,
    "gallbladder_log_volume_ml": -2.069,
    "gallbladder_solid": -1.020,
    "gas_near": -1.485,
    "heart_log_contrast": 2.052,
    "heart_log_liver_ratio": 0.504,
    "heart_log_volume_ml": -0.239,
    "heart_solid": -1.405,
    "in_bone": 1.570,
    "in_bone_log_contrast": 0.108,
    "in_bone_log_elongation": -0.453,
    "in_bone_log_liver_ratio": 1.077,
    "in_bone_log_volume_ml": -0.069,
    "in_bone_solid": 0.838,
    "in_lung": -1.575,
    "in_lung_log_contrast": 1.929,
    "in_lung_log_elongation": -0.676,
    "in_lung_log_liver_ratio": -1.372,
    "in_lung_log_volume_ml": -0.486,
    "in_lung_solid": -0.565,
    "in_lymph_node": 0.381,
    "in_lymph_node_log_contrast": 0.620,
    "in_lymph_node_log_elongation": -1.357,
    "in_lymph_node_log_liver_ratio": 0.554,
    "in_lymph_node_log_volume_ml": -0.278,
    "in_lymph_node_solid": 0.489,
    "in_pancreas": -1.147,
    "in_pancreas_log_contrast": 0.247,
    "in_pancreas_log_elongation": 0.266,
    "in_pancreas_log_liver_ratio": -1.519,
    "in_pancreas_log_volume_ml": 0.633,
    "in_pancreas_solid": 0.768,
    "in_peritoneum": -0.175,
    "in_peritoneum_log_contrast": 0.395,
    "in_peritoneum_log_elongation": -1.679,
    "in_peritoneum_log_liver_ratio": -0.107,
    "in_peritoneum_log_volume_ml": -0.098,
    "in_peritoneum_solid": -0.377,
    "in_soft_tissue": 0.946,
    "in_soft_tissue_log_contrast": -0.051,
    "in_soft_tissue_log_elongation": 0.058,
    "in_soft_tissue_log_liver_ratio": 0.516,
    "in_soft_tissue_log_volume_ml": 0.977,
    "in_soft_tissue_solid": -1.910,
    "injection_log_contrast": -1.784,
    "injection_log_liver_ratio": -0.057,
    "injection_log_volume_ml": -0.002,
    "injection_solid": -0.519,
    "kidney_log_contrast": -0.377,
    "kidney_log_liver_ratio": -2.740,
    "kidney_log_volume_ml": 0.540,
    "kidney_solid": 0.345,
    "liver_edge_log_contrast": 0.014,
    "liver_edge_log_liver_ratio": 0.388,
    "liver_edge_log_volume_ml": -0.203,
    "liver_edge_solid": 1.228,
    "log_contrast": 3.249,
    "log_elongation": -3.841,
    "log_liver_ratio": -0.850,
    "log_volume_ml": 0.680,
    "log_volume_squared": -0.161,
    "may_be_accessory_spleen": -1.607,
    "may_be_adrenal": 1.423,
    "may_be_aerated_lung": -0.234,
    "may_be_bladder": 0.914,
    "may_be_bowel": 2.089,
    "may_be_degenerative": -1.232,
    "may_be_gallbladder": -0.147,
    "may_be_heart": -1.069,
    "may_be_injection": -0.756,
    "may_be_kidney": 1.158,
    "may_be_liver_edge": -0.043,
    "may_be_pituitary": -0.553,
    "may_be_prostate": -0.151,
    "may_be_salivary": -0.748,
    "may_be_spleen": -0.298,
    "may_be_stomach": -0.905,
    "may_be_thyroid": 0.007,
    "may_be_uncinate": -0.596,
    "may_be_ureter": 0.876,
    "may_be_vessel": -2.366,
    "mirrored": -1.020,
    "partly_bone": 1.012,
    "pituitary_log_contrast": -2.174,
    "pituitary_log_liver_ratio": -0.105,
    "pituitary_log_volume_ml": 0.026,
    "pituitary_solid": -0.061,
    "prostate_log_contrast": -0.306,
    "prostate_log_liver_ratio": 0.064,
    "prostate_log_volume_ml": -0.382,
    "prostate_solid": -0.085,
    "salivary_log_contrast": -1.649,
    "salivary_log_liver_ratio": 0.277,
    "salivary_log_volume_ml": -1.106,
    "salivary_solid": -0.403,
    "solid": -0.757,
    "spleen_log_contrast": -0.926,
    "spleen_log_liver_ratio": 0.705,
    "spleen_log_volume_ml": 0.558,
    "spleen_solid": 0.439,
    "stomach_log_contrast": 1.170,
    "stomach_log_liver_ratio": 2.463,
    "stomach_log_volume_ml": -0.126,
    "stomach_solid": 0.817,
    "thyroid_log_contrast": 0.056,
    "thyroid_log_liver_ratio": -0.450,
    "thyroid_log_volume_ml": -0.802,
    "thyroid_solid": 0.876,
    "touches_organ": -2.352,
    "uncinate_log_contrast": -0.305,
    "uncinate_log_liver_ratio": -1.141,
    "uncinate_log_volume_ml": -0.497,
    "uncinate_solid": 0.707,
    "ureter_log_contrast": -1.050,
    "ureter_log_liver_ratio": -2.151,
    "ureter_log_volume_ml": -0.138,
    "ureter_solid": -0.696,
    "vessel_log_contrast": 1.802,
    "vessel_log_liver_ratio": -2.063,
    "vessel_log_volume_ml": 1.376,
    "vessel_solid": -1.210,
    "vessels": 0.375,
    "vessels_log_liver_ratio": -0.466,
    "vessels_log_volume_ml": -0.563,
    "without_ct": -0.814,
    "without_ct_log_contrast": 0.408,
    "without_ct_log_elongation": -0.834,
    "without_ct_log_liver_ratio": 0.394,
    "without_ct_log_volume_ml": -0.039,
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
    metastasis_from: float = Field(default=0.6, description="Confidence from which a metastasis is likely")
    at_most_unsure: tuple[str, ...] = Field(
        default=("accessory_spleen", "uncinate", "adrenal", "kidney", "spleen", "bladder", "aerated_lung"),
        description="Organs whose uptake may equal that of a metastasis: what lies in their place is unsure at most",
    )
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
    model: ConfidenceModel = ConfidenceModel(intercept=_INTERCEPT, weights=_WEIGHTS)
