"""Configuration of lesions that a reader points at."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["ClickSearch", "CtClickConfig"]


class ClickSearch(FrozenModel):
    """How far around a place that a reader points at its lesion is looked for."""

    reach_mm: float = Field(gt=0, description="Farthest border from the place")
    least_contrast_sd: float = Field(gt=0, description="Least contrast, in SDs of the liver around")
    pixel_mm: float = Field(gt=0, description="Pixels on which guesses are made and fitted")
    balls: bool = Field(description="Whether balls around the place are tried where density separates nothing")


class CtClickConfig(FrozenModel):
    """How the border of a lesion is found on CT from one place inside it that a reader points at."""

    searches: tuple[ClickSearch, ...] = Field(
        default=(
            ClickSearch(reach_mm=40.0, least_contrast_sd=1.0, pixel_mm=2.0, balls=True),
            ClickSearch(reach_mm=100.0, least_contrast_sd=2.0, pixel_mm=4.0, balls=False),
        ),
        description="Tried in this order, the next one where what is as dense as the place reaches farther",
    )
    fit_pixel_mm: float = Field(default=1.0, gt=0, description="Pixels on which the border is fitted")
    fit_pixels_across: float = Field(
        default=40.0, gt=0, description="Pixels over the longest diameter that suffice: a large lesion has larger ones"
    )
    smooth_fwhm_mm: tuple[float, ...] = Field(
        default=(3.0, 5.0), description="Gaussians on which density is compared, the second for faint lesions"
    )
    core_mm: float = Field(default=2.5, gt=0, description="Radius over which density at the place is read")
    least_contrast_hu: float = Field(default=4.0, gt=0, description="A smaller difference is texture")
    opening_radii_mm: tuple[float, ...] = Field(
        default=(2.5, 1.0, 4.5), description="Balls that cut off what joins through a neck, in this order"
    )
    ball_radii_mm: tuple[float, ...] = Field(
        default=(5.0, 9.0), description="Balls around the place that are tried where density separates nothing"
    )
    size_sd_mm: float = Field(default=1.5, gt=0, description="SD of the radius from that of the guess")
    size_sd_share: float = Field(default=0.15, ge=0, description="And in proportion to it")
    place_sd_mm: float = Field(default=4.0, gt=0, description="SD of the middle from that of the guess")
    size_ratio_range: tuple[float, float] = Field(default=(0.6, 1.6), description="Radius over that of the guess")
    border_reach_mm: float = Field(default=5.0, gt=0, description="How far a border may lie beyond that of the guess")
    border_reach_share: float = Field(default=0.35, ge=0, description="And in proportion to its radius")
    least_seen_share: float = Field(default=0.35, gt=0, le=1, description="Share of the border that must show a step")
    least_contrast_sd: float = Field(default=0.6, gt=0, description="Least contrast, in SDs of the liver around it")
    uptake_ratio_range: tuple[float, float] = Field(
        default=(0.5, 1.6), description="Radius on CT over that of the uptake, where the PET shows the lesion"
    )
    most_partial_uptake_ratio: float = Field(
        default=2.0, gt=0, description="Up to this ratio an outline on CT is partial evidence: PET blurs small lesions"
    )
    most_shared_share: float = Field(default=0.4, ge=0, le=1, description="Share of it that may face other lesions")
    border_width_mm: float = Field(
        default=2.0, ge=0, description="How far out of a fitted border the foot of a gradual one is looked for"
    )
    foot_trust: float = Field(
        default=0.4, ge=0, le=1, description="How far towards its foot a gradual border counts: readers draw it there"
    )
    gradual_border_error: float = Field(
        default=1.0, ge=0, description="Error of the diameter over what it grows by when the foot is followed"
    )
    most_growth_share: float = Field(default=0.15, ge=0, description="And by how much of the diameter it may grow")
    detail_mm: float = Field(default=2.5, ge=0, description="By how much fine detail moves the border at most")
    spread_factor: float = Field(
        default=1.2, gt=0, description="Real spread of the diameter over the fit's own, before the errors named here"
    )
    model_error_mm: float = Field(default=0.5, ge=0, description="SD that no fit shows, before these errors")
    model_error_share: float = Field(default=0.02, ge=0, description="And in proportion to the diameter")
    hidden_border_error: float = Field(
        default=0.5, ge=0, description="Error over the diameter, of a border of which nothing is seen"
    )
    reader_error_share: float = Field(
        default=0.15,
        ge=0,
        description="Error over the diameter from where a reader would draw the border: limits of agreement of two "
        "diameters by one reader are -16 to +18 %",
    )
    mr_error_share: float = Field(
        default=0.2,
        ge=0,
        description="Error over the diameter that an MR adds: without it, intervals missed the largest errors on "
        "simulated MRs (T1 in the hepatobiliary phase), of a third of the diameter",
    )
    clear_enough: float = Field(default=0.7, description="Clarity of a border from which no other is tried")
    least_clarity: float = Field(default=0.6, description="Clarity below which a border is not believed")
    partial_clarity: float = Field(
        default=0.3, description="Clarity from which a border that is not believed is still shown, as partial"
    )
    partial_contrast_sd: float = Field(
        default=1.3,
        gt=0,
        description="And its contrast, in SDs of the liver around: from 40 places in lesion-free liver of phantoms and "
        "real CTs, borders of at most 1.2 SDs were fitted",
    )
    partial_error_share: float = Field(
        default=0.35,
        ge=0,
        description="Its error over the diameter: intervals then held 28 of 31 true diameters on scenes and hybrids",
    )
    most_fits: int = Field(default=3, ge=1, description="Fits that are tried at most: each takes about 0.1 s")
    border_point_share: float = Field(
        default=0.35, gt=0, description="SD over the radius, of how far a dragged border point takes its surroundings"
    )
    same_lesion_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the smaller of a clicked outline and a known lesion, from which they are one",
    )
