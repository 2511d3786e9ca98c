"""Constants of what is measured and read outside the liver, and of a somatostatin analogue."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["AnalogueConfig", "BodyReadingConfig"]


class BodyReadingConfig(FrozenModel):
    """Lesions outside the liver: those that a reader adds, and what the sums say."""

    reach_mm: float = Field(
        default=10.0, gt=0, description="The highest uptake this near to a reader's place is taken for the lesion's"
    )
    surroundings_mm: float = Field(
        default=40.0, gt=0, description="Around the place, where background is read; a lesion that reaches it leaks"
    )
    edge_share: float = Field(
        default=0.5, gt=0, lt=1, description="The edge of a blurred lesion is at half the step from its surroundings"
    )
    least_contrast: float = Field(
        default=1.5, gt=1, description="Highest uptake over that of the surroundings below which no border shows"
    )
    same_place_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Part of a candidate inside a lesion of the mask from which both are one lesion",
    )
    sink_activity_share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="Share of the injected activity in tumour from which normal organs are flagged to be starved of "
        "tracer (tumour sink, Beauregard, EJNMMI 2012): they then lose as much as a long-acting analogue takes away "
        "(a quarter, Cherk 2018)",
    )


class AnalogueConfig(FrozenModel):
    """What a somatostatin analogue does to ratios to normal liver."""

    rise_of_ratio: float = Field(
        default=1.3,
        gt=1,
        description="Rise of a lesion's ratio to liver without change of disease: liver SUVmax fell from 10.3 to 8.0 "
        "under a long-acting analogue (Cherk 2018), 10.3 / 8.0 = 1.29",
    )
