"""Constants of the criteria, of RECIST 1.1 and of the Krenning grade."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["Inc4Config", "Inc7Config", "KrenningConfig", "RecistConfig"]


class Inc7Config(FrozenModel):
    """When a lesion's uptake is above normal liver."""

    level: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Share of lesion-free livers whose highest 1 ml mean stays under U",
    )
    independent_ml: float = Field(
        default=1.0, gt=0, description="Liver volume that holds one independent 1 ml mean, in ml"
    )
    minimum_spheres: int = Field(default=30, description="1 ml means needed to measure their SD")
    minimum_relative_sd: float = Field(
        default=0.02, description="Lower bound of S over L: no scanner has less noise over 1 ml"
    )
    assumed_relative_sd: float = Field(
        default=0.08,
        description="S over L where too little lesion-free liver is left (liver 1 ml means, 5 to 8 %)",
    )
    largest_relative_sd: float = Field(
        default=0.15,
        gt=0,
        description="S over L above which it is not noise: 5 to 8 % are usual over 1 ml, 10 % with few counts",
    )
    small_lesion_mm: float = Field(
        default=12.0,
        description="Lesions under this are too small for PET to say that they are not above liver",
    )
    blur_volume_ml: float = Field(
        default=4.0, description="Smaller foci at the liver's border may be the blur of a hot neighbour"
    )
    neighbour_volume_ml: float = Field(
        default=100.0,
        description="A focus at the liver's border that a hotter organ abuts may be a part of that organ in the "
        "liver's outline; the audit of the outline notices parts from this volume on",
    )
    blur_limit_ratio: float = Field(default=1.3, description="Unless their peak exceeds the limit by this factor")
    small_limit_ratio: float = Field(
        default=1.1,
        description="And by this factor anywhere else: U is passed by noise in one liver of twenty, by a tenth more in "
        "hardly any",
    )
    hot_neighbour_margin_mm: float = Field(
        default=15.0, description="Spill-in reaches about two resolutions from a hot neighbour"
    )
    resolution_mm: float = Field(
        default=6.0,
        ge=0,
        description="Width at half height of a point on the PET (5 to 7 mm): parenchyma nearer than this to a lesion "
        "or to the liver's border is blurred and says nothing of noise",
    )
    unknown_liver_ml: float = Field(
        default=1500.0, gt=0, description="Liver volume taken for U where no liver is outlined (normal 1.0 to 2.2 l)"
    )


class Inc4Config(FrozenModel):
    """When a diameter is too near to its threshold to be sure, and what uptake proves a lesion to be large.

    The sphere was chosen on simulated PETs (5 to 8 mm FWHM, noise of 5 to 15 %). Up to 80 touching lesions of under
    10 mm reach a share of 0.63 at most, single lesions of 22 mm 0.50; uniform ones reach 0.75 from about 26 mm.
    """

    reader_variation: float = Field(
        default=0.22,
        ge=0,
        description="Relative difference between two readers of one diameter (95 % limits -22 to +25 %, Yoon 2016)",
    )
    uniform_sphere_mm: float = Field(
        default=20.0, ge=20.0, description="Diameter of the sphere whose uptake is looked at, in mm"
    )
    uniform_share: float = Field(
        default=0.75,
        ge=0.7,
        le=1,
        description="Uptake above normal liver is at least this share of its maximum in a sphere that is all tumour",
    )
    uniform_ratio: float = Field(
        default=2.0, ge=1.5, description="And uptake is at least this many times normal liver throughout the sphere"
    )
    uniform_depth_mm: float = Field(
        default=6.0, ge=0, description="The sphere lies this far inside the liver, away from the blur of organs, in mm"
    )
    uniform_contrast_hu: float = Field(
        default=7.5, ge=0, description="Its density on CT differs from normal liver's by this, in HU; texture by less"
    )
    uniform_contrast_sd: float = Field(
        default=0.6,
        ge=0,
        description="And by this many SDs of liver's voxels: 5 SDs of the mean of 64 grains (Rose 1948)",
    )
    uniform_voxel_mm: float = Field(
        default=7.0, gt=0, le=7.0, description="Larger voxels of the PET sample such a sphere too coarsely, in mm"
    )


class KrenningConfig(FrozenModel):
    """Where the modified Krenning grades part, in SUVpeak over the normal-liver mean."""

    none_ratio: float = Field(
        default=0.3,
        ge=0,
        description="Grade 0 up to here where no blood pool is known (blood pool under SUV 2, liver about 5 to 7)",
    )
    similar_ratio: float = Field(
        default=0.73,
        ge=0,
        description="Grade 2 from here: 27 % is the repeatability of one lesion's peak (EJNMMI Res 2019, 0569-7)",
    )


class RecistConfig(FrozenModel):
    """Response over time by RECIST 1.1 (Eisenhauer 2009), and how lesions are re-identified."""

    most_targets: int = Field(default=5, ge=1, description="Targets in all")
    most_targets_per_organ: int = Field(default=2, ge=1, description="Targets in one organ; nodes are one organ")
    response_share: float = Field(default=0.30, gt=0, lt=1, description="PR: decrease from baseline")
    progression_share: float = Field(default=0.20, gt=0, description="PD: increase from the nadir")
    progression_mm: float = Field(default=5.0, ge=0, description="PD: and at least this increase in mm")
    normal_node_mm: float = Field(default=10.0, gt=0, description="A node with a smaller short axis is normal")
    too_small_mm: float = Field(default=5.0, gt=0, description="Size of what is seen and too small to measure")
    stable_days: int = Field(default=42, ge=0, description="SD counts from here after baseline (6 to 8 weeks)")
    confirmation_days: int = Field(default=28, ge=1, description="A response is confirmed this much later (4 weeks)")
    confirmation_most_stable: int = Field(
        default=1, ge=0, description="SD between a partial response and its confirmation, at most this often"
    )
    confirmation_most_not_evaluable: int | None = Field(
        default=None,
        ge=0,
        description="NE between a response and its confirmation; None: any number (RECIST sets none)",
    )
    confirm_responses: bool = Field(
        default=False,
        description="Whether BESTRESP of the SDTM export is the confirmed one (for non-randomised trials whose "
        "endpoint is response)",
    )
    inc6_needs_mm: bool = Field(
        default=False, description="Whether INC6 asks for the increase in mm too (the protocol names the 20 % alone)"
    )
    inc6_one_lesion_share: float = Field(
        default=0.25,
        gt=0,
        description="INC6: growth of one diameter alone counts from here (two readers differ by -22 to +25 %, Yoon "
        "2016)",
    )
    reader_limits_one: tuple[float, float] = Field(
        default=(-0.221, 0.254), description="95 % limits between two readers of one diameter (Yoon 2016)"
    )
    reader_limits_sum: tuple[float, float] = Field(
        default=(-0.192, 0.195), description="95 % limits between two readers of a sum (Yoon 2016)"
    )
    repeat_limits_sum: tuple[float, float] = Field(
        default=(-0.098, 0.131), description="95 % limits of one reader's repeated sum (Yoon 2016)"
    )
    match_reach_mm: float = Field(
        default=25.0, gt=0, description="Lesions further apart after registration are never the same"
    )
    match_scale_mm: float = Field(
        default=8.0, gt=0, description="Distance, beyond its own radius, at which a lesion is half as likely the same"
    )
    sure: float = Field(default=0.8, gt=0.5, lt=1, description="Confidence from which an identity is not asked about")
    part_share: float = Field(
        default=0.6, gt=0.5, le=1, description="Share of a lesion inside another's former place that makes it a part"
    )
    least_liver_dice: float = Field(
        default=0.8, gt=0, lt=1, description="Overlap of registered livers below which no identity is sure"
    )
