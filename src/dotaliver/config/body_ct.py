"""How lesions outside the liver are outlined on CT, to measure their diameters."""

from __future__ import annotations

from pydantic import Field

from dotaliver.config.ct import CtLesionConfig
from dotaliver.frozen import FrozenModel

__all__ = ["BodyCtConfig"]

# Against fat and lung the border is where density says: the step is ten times that of a lesion in liver. The fit starts
# from the structure on CT and not from the uptake, whose place and size breathing and blur change.
_FITTING = CtLesionConfig(
    surroundings_mm=(4.0, 15.0),
    uptake_trust=0.0,
    size_ratio_range=(0.75, 1.35),
    most_shared_share=0.4,
    least_seen_share=0.6,
    size_slack_mm=0.0,
    sure_filled_shares=(0.48, 0.6),
    spread_factor=1.2,
    model_error_mm=0.5,
    model_error_share=0.02,
    detail_mm=2.5,
    interval_weights=None,
)


class BodyCtConfig(FrozenModel):
    """Outlines on CT of the lesions outside the liver that a reader accepted or added."""

    fitting: CtLesionConfig = Field(default=_FITTING, description="How a border is fitted")
    soft_contrast_hu: float = Field(
        default=20.0, description="Least contrast in other soft tissue, which is not of one density"
    )
    soft_contrast_sd: float = Field(default=2.0, description="And in SDs of what surrounds the lesion")
    least_lung_share: float = Field(default=0.35, description="Of the surroundings: from here on lung shows the border")
    least_fat_share: float = Field(default=0.25, description="Else fat does, where it makes up so much of them")
    least_host_ml: float = Field(default=1.0, gt=0, description="Less of that tissue says nothing of its density")
    least_noise_hu: dict[str, float] = Field(
        default={"lung": 120.0, "fat": 25.0, "soft_tissue": 1.0},
        description="Densities of one tissue differ by as much: an SD below it would take each strand for a border",
    )
    least_step_hu: dict[str, float] = Field(
        default={"lung": 300.0, "fat": 60.0}, description="So much denser than its surroundings is no lung or fat"
    )
    least_dense_share: float = Field(default=0.2, description="Share of the uptake that must be as dense")
    opening_radii_mm: tuple[float, ...] = Field(
        default=(0.0, 1.6, 2.4, 3.2, 4.2, 5.5, 7.0, 9.0), description="Balls that cut a structure at its necks"
    )
    structure_ratio_range: tuple[float, float] = Field(
        default=(0.65, 1.4), description="Radius of a structure over that of the uptake from which it is the lesion"
    )
    place_mm: float = Field(default=4.0, description="How far its middle may lie from that of the uptake")
    place_share: float = Field(default=0.25, description="And in proportion to the uptake's radius")
    place_weight: float = Field(
        default=0.1, description="What so far a place counts against a structure, over its agreement in shape (Dice)"
    )
    stub_mm: float = Field(default=1.5, description="A structure counts so far beyond the uptake moved to its middle")
    stub_share: float = Field(default=0.05, description="And in proportion to the uptake's radius")
    stub_free_share: float = Field(
        default=0.4,
        description="A part that no ball of this share of the radius fits into is no lesion",
    )
    stub_error_share: float = Field(default=0.7, description="What the width of it adds to the error of the diameter")
    width_range: tuple[float, float] = Field(
        default=(0.75, 1.06), description="Width on CT over that of the uptake, in one slice, from which it is believed"
    )
    width_mm: float = Field(default=2.0, description="How much less or more of it the blur of small lesions explains")
    hidden_error_share: float = Field(
        default=0.5, ge=0, description="What the part of the border that is not seen adds to the error of the diameter"
    )
    same_place_mm: float = Field(
        default=2.0, description="A smaller shift of breathing is no other place to look for the lesion"
    )
    same_share: float = Field(default=0.7, description="Dice of two outlines from which they are of one structure")

    def fitting_in(self, host: str) -> CtLesionConfig:
        """How a border is fitted in one tissue."""
        if host != "soft_tissue":
            return self.fitting
        limits = {"least_contrast_hu": self.soft_contrast_hu, "least_contrast_sd": self.soft_contrast_sd}
        return self.fitting.model_copy(update=limits)
