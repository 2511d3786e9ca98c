"""Configuration of the segmentation on PET: liver, lesions, and masks that others made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dotaliver.config.protocol import Range
from dotaliver.frozen import FrozenModel

__all__ = [
    "LesionConfig",
    "LiverConfig",
    "MaskConfig",
]


class LiverConfig(FrozenModel):
    """The liver outline."""

    coarse_mm: float = Field(default=4.0, ge=4.0, description="The fixed grid of whole-image steps")
    warm_ratios: tuple[float, ...] = Field(
        default=(2.5, 2.0, 1.6, 1.3),
        description="Uptake over the soft tissue's median at which warm organs are looked for, tried in this order "
        "(DOTATATE liver is 5 to 10 times muscle; FDG liver 2 to 3 times)",
    )
    core_radius_mm: float = Field(
        default=24.0, description="The liver holds a ball of this radius; muscles and bowel do not"
    )
    core_depth_mm: float = Field(default=10.0, description="How far inside warm tissue liver uptake is measured")
    alike_hu_below: float = Field(default=15.0, description="Liver and its tumours are not less dense than this")
    alike_hu_above: float = Field(default=60.0, description="Nor denser than this, against the region's median")
    plateau_range: float = Field(default=0.4, description="Range over 12 mm, relative, below which uptake is level")
    plateau_min_ml: float = Field(default=1.0, description="Level voxels that make a plateau")
    dominant_share: float = Field(
        default=0.5, description="Share of level voxels that makes a plateau the dominant one"
    )
    lower_share_limit: float = Field(
        default=0.05,
        description="Liver with an uptake under 0.75 of assumed normal liver, over liver at that uptake: above this, "
        "normal liver is flagged as unsure (on phantoms up to 0.03 where it was right, 0.08 and 0.25 where it was not)",
    )
    uptake_limit_ratio: float = Field(
        default=12.0, description="Normal liver over the soft tissue's median at most (12.4 against about 1)"
    )
    warm_share: float = Field(default=0.5, description="Share of liver uptake that halves a step to cold tissue")
    cold_share: float = Field(default=0.4, description="Share of liver uptake below which tissue is not liver")
    seed_depth_mm: float = Field(default=8.0, description="Depth in the liver's warm parts that makes a seed")
    neighbour_depth_mm: float = Field(default=6.0, description="Depth in other warm parts that makes their seed")
    fat_hu: float = Field(default=-50.0, description="Below is fat: halfway from fat (-100) to water")
    bone_hu: float = Field(default=320.0, description="Above is bone or dense contrast agent")
    lesion_hu_below: float = Field(default=60.0, description="A lesion may be this much less dense than liver")
    lesion_hu_above: float = Field(default=30.0, description="A lesion may be this much denser (arterial phase)")
    reach_mm: float = Field(default=24.0, description="How far beyond its warm parts the liver may extend")
    hu_scale: float = Field(
        default=25.0, description="Step in HU that lowers an edge weight to 1/e, about 3 SD at 4 mm"
    )
    uptake_log_scale: float = Field(default=0.5, description="Step of log uptake that lowers an edge weight to 1/e")
    prior_weight: float = Field(default=0.15, description="Weight of a voxel's own values against one neighbour")
    prior_log_scale: float = Field(default=0.25, description="Log uptake over the half level that is one logit")
    outline_presmooth_mm: float = Field(default=1.0, description="Gaussian against CT noise before the outline")
    outline_window_mm: float = Field(default=10.0, description="Window in which the liver's density is measured")
    outline_smooth_mm: float = Field(default=1.2, description="Gaussian over the log odds: the outline's smoothness")
    outline_fat_hu: float = Field(default=-25.0, description="Below is fat, at the outline")
    mismatch_limit_mm: float = Field(default=10.0, description="A larger shift of the dome is flagged")
    cut_area_cm2: float = Field(default=5.0, description="Liver in the first or last slice over this area is cut")
    minimum_ml: float = Field(default=300.0, description="A smaller part is not a liver")
    maximum_ml: float = Field(default=8000.0, description="A larger part is a liver that leaked into other organs")
    border_uncertainty_ct_mm: float = Field(
        default=1.2,
        ge=0,
        description="One-sided uncertainty of an outline drawn on CT: with that of lesions, the burden's interval "
        "holds the truth of 19 in 20 bench studies",
    )
    border_uncertainty_pet_mm: float = Field(
        default=4.0, ge=0, description="One-sided uncertainty of an outline drawn on PET alone"
    )
    border_uncertainty_imported_mm: float = Field(
        default=1.5,
        ge=0,
        description="One-sided uncertainty of an outline that a reader or another program drew",
    )
    volume_range_ml: Range = Field(
        default=Range(low=700.0, high=4000.0),
        description="Livers outside are flagged (normal 1.0 to 2.2 l; massive disease more)",
    )


class LesionConfig(FrozenModel):
    """The lesions in the liver."""

    method: Literal["edge", "fixed_suv10", "percent41", "percent50", "liver_2sd", "percist"] = Field(
        default="edge", description="How far a lesion reaches; all but 'edge' are textbook rules for comparison"
    )
    smooth_fwhm_mm: float = Field(default=5.0, description="Gaussian on which lesions are detected")
    edge_fwhm_mm: float = Field(default=4.0, description="Gaussian on which their borders are found")
    halo_mm: float = Field(default=25.0, description="How far beyond the liver basins are followed")
    parenchyma_depth_mm: float = Field(default=8.0, description="How far inside the liver parenchyma is measured")
    detect_sd: float = Field(
        default=5.1,
        description="SDs above parenchyma at which a focus begins: a smooth random field over a liver of 1.5 l "
        "exceeds it in about 3 % (Worsley 1996: resels x 0.117 (z² - 1) exp(-z²/2))",
    )
    detect_broad_sd: float = Field(default=4.9, description="The same for broad foci, of which there are fewer")
    detect_share: float = Field(default=0.25, description="Share of parenchyma's uptake that it must exceed as well")
    broad_fwhm_mm: float = Field(default=8.0, description="Broader Gaussian, on which faint larger foci are found")
    detect_broad_share: float = Field(default=0.2, description="Share of parenchyma a broad focus exceeds at least")
    floor_sd: float = Field(default=2.5, description="SDs above parenchyma that every voxel of a lesion exceeds")
    saddle_share: float = Field(
        default=0.75, description="Two peaks are one lesion when the saddle between them is higher than this share"
    )
    blur_reach_mm: float = Field(default=7.0, description="How far blur carries uptake over an edge, over one FWHM")
    plateau_fwhm_mm: float = Field(default=3.0, description="Gaussian against noise before a step is measured")
    mild_log_slope_per_mm: float = Field(
        default=0.15, description="Relative fall of uptake per mm that blur alone exceeds (0.3 at an edge)"
    )
    gap_mm: float = Field(default=4.5, description="Gaps in a rim that are closed")
    core_share: float = Field(default=0.65, description="Share of parenchyma that a core falls below somewhere")
    candidate_share: float = Field(
        default=0.2, description="Where no liver bounds them, foci above this share of the image's maximum are listed"
    )
    capsule_mm: float = Field(
        default=6.0, description="How near the liver's border the other side of a lesion's edge is cold, one FWHM"
    )
    basin_in_liver_share: float = Field(default=0.3, description="Share of a basin that lies in the liver at least")
    beyond_liver_mm: float = Field(
        default=10.0,
        description="How far beyond the liver the hot part of a lesion reaches that peaks there and lies mostly "
        "inside: the outline's error at the capsule and breathing",
    )
    voxel_in_liver_share: float = Field(default=0.2, description="Share of a voxel in the liver to be lesion")
    minimum_ml: float = Field(default=0.15, ge=0, description="Smaller foci are noise on any PET (a sphere of 6.6 mm)")
    border_uncertainty_mm: float = Field(
        default=1.2,
        ge=0,
        description="One-sided uncertainty of a lesion's border, a fifth of the resolution; see the liver's",
    )
    border_uncertainty_imported_mm: float = Field(default=1.5, ge=0, description="The same for imported lesions")
    in_liver_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of a lesion that must lie in the liver to count as a liver lesion",
    )


class MaskConfig(FrozenModel):
    """When a mask that others made is contradicted by the images; shares of its volume are 0 to 1."""

    liver_minimum_ml: float = Field(
        default=100.0, gt=0, description="Less is no liver, not even the part that a field of view leaves"
    )
    liver_least_on_pet: float = Field(default=0.05, description="Share on the PET; less cannot be measured")
    liver_least_in_body: float = Field(default=0.9, description="Share in the body")
    liver_hu: Range = Field(
        default=Range(low=-60.0, high=250.0),
        description="Liver with fat, tumour, cysts and contrast agent; outside are air, fat and bone",
    )
    liver_least_soft: float = Field(default=0.8, description="Share of that density on a 4 mm grid")
    liver_most_left_mm: float = Field(
        default=20.0, description="The liver's centre lies right of the midline, in any size (4 to 7 cm)"
    )
    liver_warm_ratio: float = Field(
        default=1.6, description="Uptake over soft tissue (DOTATATE liver is 5 to 10 times muscle, FDG liver 2 to 3)"
    )
    liver_least_warm: float = Field(default=0.75, description="Share that exceeds it; cold tumours may not")
    lesion_least_in_body: float = Field(default=0.5, description="Share of one lesion in the body")
    lesion_most_of_body: float = Field(default=0.5, description="One lesion's volume over the body's in the images")
    core_depth_mm: float = Field(default=10.0, description="Where two outlines of one liver agree")
    lesions_most_of_core: float = Field(
        default=0.96,
        description="Share of the liver's interior that lesions cover (0.86 where 88 % of a liver is tumour, 0.99 "
        "where another outline of the liver is given as lesions)",
    )
