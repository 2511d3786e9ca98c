"""The body outside the liver in a record: candidates with a reader's answers, sums, and what the images covered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dotaliver.config.protocol import BodyPart
from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.records.body import FocusOrgan, FocusSource, Likely
from dotaliver.records.edits import NOT_TUMOUR
from dotaliver.records.measurements import Lesion

__all__ = [
    "BodyLesion",
    "BodyRecord",
    "BodySums",
    "BurdenBand",
    "FocusRecord",
    "LesionState",
    "LesionUptake",
    "OrganRecord",
    "OrganSum",
    "SearchRecord",
    "SstrRads",
]

LesionState = Literal["unanswered", "accepted", "rejected", "added"]
SstrRads = Literal["2", "3A", "3B", "3C", "4", "5"]
BurdenBand = Literal["under 25 %", "25 to 50 %", "over 50 %"]


class BodyLesion(Lesion):
    """A candidate or lesion outside the liver, measured as a lesion is."""

    region: str = Field(description="Anatomical region, general first: 'skeleton, thoracic spine'")
    organ: FocusOrgan
    likely: Likely = Field(description="What the search takes it for")
    confidence: float | None = Field(ge=0, le=1, description="Probability of a lesion; null where a reader added it")
    why_physiological: str | None = None
    state: LesionState
    ratio_to_blood_pool: float | None = Field(description="SUVpeak over blood-pool SUVmean")
    sstr_rads: SstrRads | None = Field(description="Proposed SSTR-RADS 1.0 category")
    source: FocusSource = "search"
    volume_interval_ml: tuple[float, float] | None = Field(
        default=None, description="Volume with the border moved in and out by its uncertainty"
    )
    same_as_lesion: int | None = Field(
        default=None, description="Lesion of the lesion mask that lies in the same place and is counted in its stead"
    )

    @property
    def name(self) -> str:
        """What people are shown: B3."""
        return f"B{self.label}"

    @property
    def confirmed(self) -> bool:
        """Whether a reader accepted or added it."""
        return self.state in {"accepted", "added"}

    @property
    def tumour(self) -> bool:
        """Whether it counts as tumour: confirmed, and neither called something else nor counted already."""
        return self.confirmed and self.same_as_lesion is None and not NOT_TUMOUR & set(self.marks)

    @property
    def open(self) -> bool:
        """Whether it waits for an answer."""
        return self.state == "unanswered" and self.same_as_lesion is None


class OrganSum(FrozenModel):
    """Tumour of one organ."""

    lesions: int
    volume_ml: float
    total_receptor_expression: float | None = Field(description="Sum of SUVmean × ml")


class LesionUptake(FrozenModel):
    """One lesion's uptake, by its name."""

    lesion: str = Field(description="'2' in the liver's list, 'B2' outside")
    suv_mean: float | None
    mean_ratio_to_liver: float | None


class BodySums(FrozenModel):
    """Sums over the lesions of the liver and those outside that a reader confirmed or outlined.

    A candidate without an answer, or a rejected one, is in none of them.
    """

    lesions: int
    tumour_volume_ml: float = Field(description="SSTR-expressing tumour volume, the liver's included")
    total_receptor_expression: float | None = Field(description="Sum of SUVmean × ml over all lesions (TLRE)")
    by_organ: dict[str, OrganSum] = Field(default_factory=dict, description="'liver' and the organs outside")
    highest_uptake: LesionUptake | None = Field(default=None, description="By SUVmean")
    lowest_uptake: LesionUptake | None = None
    liver_burden_band: BurdenBand | None = Field(
        default=None, description="Liver tumour burden as NETTER-1 grouped it: under 25, 25 to 50, over 50 %"
    )
    activity_in_tumour: float | None = Field(
        default=None, description="Share of the injected activity in the lesions, 0 to 1: TLRE over the body's grams"
    )
    unanswered: int = Field(default=0, description="Candidates that wait for an answer")
    unanswered_volume_ml: float = 0.0


class BodyRecord(FrozenModel):
    """What a search of the whole PET and a reader say of the body outside the liver."""

    scope: Literal["liver", "body"] = Field(description="'body' once a reader has read the whole body")
    lesions: tuple[BodyLesion, ...] = Field(description="Candidates and added lesions, by label")
    sums: BodySums
    parts: tuple[BodyPart, ...] = Field(description="Parts of the body that the PET shows, head to feet")
    missing: str = Field(description="What it does not show, in a sentence; empty for nothing")
    has_ct: bool

    @property
    def candidates(self) -> tuple[BodyLesion, ...]:
        """Those that wait for an answer."""
        return tuple(lesion for lesion in self.lesions if lesion.open)

    @property
    def confirmed(self) -> tuple[BodyLesion, ...]:
        """Those that count as tumour."""
        return tuple(lesion for lesion in self.lesions if lesion.tumour)


class FocusRecord(FrozenModel):
    """One place that the search found or a reader added, as stored."""

    label: int
    region: str
    organ: FocusOrgan
    likely: Likely
    confidence: float
    why_physiological: str | None = None
    source: FocusSource = "search"


class OrganRecord(FrozenModel):
    """An organ whose physiological uptake was delimited."""

    name: str
    volume_ml: float
    suv_max: float | None
    centre_lps_mm: Vector


class SearchRecord(FrozenModel):
    """How the search outside the liver came out; its mask is among the record's masks."""

    foci: tuple[FocusRecord, ...]
    organs: tuple[OrganRecord, ...]
    parts: tuple[BodyPart, ...]
    missing: str
    has_ct: bool
