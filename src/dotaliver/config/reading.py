"""When two readings of one case differ so much that an adjudicator decides."""

from __future__ import annotations

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["DisagreementRules"]


class DisagreementRules(FrozenModel):
    """What counts as a disagreement between two readers of a case."""

    criteria: tuple[str, ...] | None = Field(
        default=None, description="Criteria whose verdicts are compared; null: every one of the protocol"
    )
    burden_bands: tuple[float, ...] = Field(
        default=(0.25, 0.50),
        description="Tumour share of the liver at which bands part (under 25, 25 to 50, over 50 %, as NETTER-1 has "
        "them); empty: bands are not compared",
    )
    responses: bool = Field(default=True, description="Whether the response of every scan is compared")
    best_response: bool = Field(default=True, description="Whether the best overall response is compared")
    progression_days: int | None = Field(
        default=0, ge=0, description="Dates of progression may differ by this many days; null: not compared"
    )
    targets: bool = Field(default=True, description="Whether the choice of target lesions is compared")
    identities: bool = Field(
        default=True, description="Whether it is compared which lesions of two scans are the same, new or gone"
    )
    same_place_mm: float = Field(
        default=10.0,
        gt=0,
        description="Centres of one lesion in two readings lie within this distance, or within half of its longest "
        "diameter where that is more (two readers' outlines of one lesion differ by millimetres)",
    )
