"""Configuration of the search outside the liver."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["BodyConfig", "ConfidenceModel"]


# Fitted by scripts/fit_body_confidence.py on 130 simulated bodies (seeds 1000 to 1081, every fourth without metastases,
# and 5000 to 5047, every second; every third body once more as if it had no CT).
_INTERCEPT = -4.075
_WEIGHTS = {
    "accessory_spleen_log_contrast": 0.677,
    "accessory_spleen_log_liver_ratio": -0.502,
    "accessory_spleen_log_volume_ml": -0.116,
    "accessory_spleen_solid": -0.334,
    "adrenal_log_contrast": -1.112,
    "adrenal_log_liver_ratio": -0.573,
    "adrenal_log_volume_ml": 0.984,
    "adrenal_solid": 1.239,
    "aerated": 1.072,
    "aerated_lung_log_contrast": 0.627,
    "aerated_lung_log_liver_ratio": 0.490,
    "aerated_lung_log_volume_ml": 0.957,
    "as_dense_as_contrast": -2.695,
    "bladder_log_contrast": 0.742,
    "bladder_log_liver_ratio": -2.553,
    "bladder_log_volume_ml": 0.318,
    "bladder_solid": 0.870,
    "bowel_log_contrast": 0.133,
    "bowel_log_liver_ratio": 1.319,
    "bowel_log_volume_ml": 0.041,
    "bowel_solid": -0.721,
    "degenerative_log_contrast": 0.329,
    "degenerative_log_liver_ratio": -0.967,
    "degenerative_log_volume_ml": 0.586,
    "degenerative_solid": 0.438,
    "dense_vessel": -2.184,
    "explained_fat_around": 0.917,
    "explained_log_contrast": -1.652,
    "explained_log_elongation": 2.371,
    "explained_log_volume_ml": -0.471,
    "explained_solid": 0.258,
    "explained_upright": -2.000,
    "fat_around": -0.657,
    "gallbladder_log_contrast": 0.057,
    "gallbladder_log_liver_ratio": -0.885,
    "gallbladder_log_volume_ml": -2.291,
    "gallbladder_solid": -0.875,
    "gas_near": -1.411,
    "heart_log_contrast": 1.960,
    "heart_log_liver_ratio": 0.488,
    "heart_log_volume_ml": -0.298,
    "heart_solid": -1.410,
    "in_bone": 2.111,
    "in_bone_log_contrast": -0.131,
    "in_bone_log_elongation": -0.489,
    "in_bone_log_liver_ratio": 1.577,
    "in_bone_log_volume_ml": -0.002,
    "in_bone_solid": 0.850,
    "in_lung": -1.361,
    "in_lung_log_contrast": 1.827,
    "in_lung_log_elongation": -0.645,
    "in_lung_log_liver_ratio": -0.985,
    "in_lung_log_volume_ml": -0.389,
    "in_lung_solid": -0.511,
    "in_lymph_node": 0.253,
    "in_lymph_node_log_contrast": 0.797,
    "in_lymph_node_log_elongation": -1.331,
    "in_lymph_node_log_liver_ratio": 0.900,
    "in_lymph_node_log_volume_ml": -0.197,
    "in_lymph_node_solid": 0.475,
    "in_pancreas": -1.872,
    "in_pancreas_log_contrast": 0.801,
    "in_pancreas_log_elongation": 0.303,
    "in_pancreas_log_liver_ratio": -1.136,
    "in_pancreas_log_volume_ml": 0.616,
    "in_pancreas_solid": 0.711,
    "in_peritoneum": -0.212,
    "in_peritoneum_log_contrast": 0.590,
    "in_peritoneum_log_elongation": -1.680,
    "in_peritoneum_log_liver_ratio": 0.383,
    "in_peritoneum_log_volume_ml": -0.017,
    "in_peritoneum_solid": -0.395,
    "in_soft_tissue": 1.080,
    "in_soft_tissue_log_contrast": -0.122,
    "in_soft_tissue_log_elongation": -0.006,
    "in_soft_tissue_log_liver_ratio": 0.803,
    "in_soft_tissue_log_volume_ml": 1.039,
    "in_soft_tissue_solid": -1.945,
    "injection_log_contrast": -1.782,
    "injection_log_liver_ratio": -0.094,
    "injection_log_volume_ml": -0.084,
    "injection_solid": -0.513,
    "kidney_log_contrast": -0.198,
    "kidney_log_liver_ratio": -2.690,
    "kidney_log_volume_ml": 0.718,
    "kidney_solid": 0.217,
    "liver_edge_log_contrast": 0.018,
    "liver_edge_log_liver_ratio": 0.346,
    "liver_edge_log_volume_ml": -0.099,
    "liver_edge_solid": 1.221,
    "log_contrast": 3.762,
    "log_contrast_by_liver_ratio": -0.587,
    "log_contrast_by_volume": -0.484,
    "log_contrast_squared": -0.072,
    "log_elongation": -3.849,
    "log_liver_ratio": 1.542,
    "log_liver_ratio_by_volume": 0.387,
    "log_liver_ratio_squared": -1.578,
    "log_volume_ml": 1.051,
    "log_volume_squared": -0.102,
    "may_be_accessory_spleen": -1.899,
    "may_be_adrenal": 1.440,
    "may_be_aerated_lung": -0.178,
    "may_be_bladder": 0.433,
    "may_be_bowel": 2.341,
    "may_be_degenerative": -0.631,
    "may_be_gallbladder": 0.040,
    "may_be_heart": -0.878,
    "may_be_injection": -0.733,
    "may_be_kidney": 0.876,
    "may_be_liver_edge": -0.022,
    "may_be_pituitary": -0.576,
    "may_be_prostate": -0.134,
    "may_be_salivary": -0.713,
    "may_be_spleen": -0.342,
    "may_be_stomach": -0.881,
    "may_be_thyroid": -0.030,
    "may_be_uncinate": -0.638,
    "may_be_ureter": 1.387,
    "may_be_vessel": -1.461,
    "mirrored": -0.979,
    "partly_bone": 1.077,
    "pituitary_log_contrast": -2.261,
    "pituitary_log_liver_ratio": -0.088,
    "pituitary_log_volume_ml": 0.041,
    "pituitary_solid": -0.080,
    "prostate_log_contrast": -0.270,
    "prostate_log_liver_ratio": 0.059,
    "prostate_log_volume_ml": -0.338,
    "prostate_solid": -0.076,
    "salivary_log_contrast": -1.572,
    "salivary_log_liver_ratio": 0.235,
    "salivary_log_volume_ml": -1.016,
    "salivary_solid": -0.437,
    "solid": -0.814,
    "spleen_log_contrast": 0.325,
    "spleen_log_liver_ratio": 0.773,
    "spleen_log_volume_ml": -0.031,
    "spleen_solid": 0.386,
    "stomach_log_contrast": 1.236,
    "stomach_log_liver_ratio": 2.524,
    "stomach_log_volume_ml": -0.013,
    "stomach_solid": 0.823,
    "thyroid_log_contrast": 0.028,
    "thyroid_log_liver_ratio": -0.577,
    "thyroid_log_volume_ml": -0.751,
    "thyroid_solid": 0.795,
    "touches_organ": -2.584,
    "uncinate_log_contrast": -0.580,
    "uncinate_log_liver_ratio": -1.775,
    "uncinate_log_volume_ml": -0.225,
    "uncinate_solid": 0.675,
    "ureter_log_contrast": -1.536,
    "ureter_log_liver_ratio": -2.540,
    "ureter_log_volume_ml": 0.061,
    "ureter_solid": -0.741,
    "vessel_log_contrast": 1.525,
    "vessel_log_liver_ratio": -1.751,
    "vessel_log_volume_ml": 1.086,
    "vessel_solid": -1.219,
    "vessels": 0.649,
    "vessels_log_liver_ratio": -0.258,
    "vessels_log_volume_ml": -0.578,
    "without_ct": -0.629,
    "without_ct_log_contrast": 0.298,
    "without_ct_log_elongation": -0.873,
    "without_ct_log_liver_ratio": 0.431,
    "without_ct_log_volume_ml": 0.001,
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
        default=("brain", "marrow"), description="With such a tracer, what these explain is an organ and no candidate"
    )
    without_ct_factor: float = Field(default=0.85, description="Confidence without a CT over that with one")
    border_uncertainty_mm: float = Field(default=3.0, ge=0, description="As of lesions in the liver")
    longest_list: int = Field(default=150, description="Candidates that a list holds at most, the likeliest first")
    model: ConfidenceModel = ConfidenceModel(intercept=_INTERCEPT, weights=_WEIGHTS)
