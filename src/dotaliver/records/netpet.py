"""Lesions on two tracers, and the NETPET grade proposed from them, as a record holds them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel
from dotaliver.image.geometry import Vector
from dotaliver.records.fdg import FdgAlignment, FdgFocus, FdgOrgan
from dotaliver.records.measurements import Reference
from dotaliver.records.study import Acquisition, StudyIdentity
from dotaliver.suv.arithmetic import SuvArithmetic

__all__ = [
    "Avidity",
    "FdgFocusRecord",
    "FdgScan",
    "NetpetGrade",
    "NetpetLesion",
    "NetpetRecord",
    "Pattern",
    "PatternState",
]

Avidity = Literal["positive", "negative", "unknown"]
NetpetGrade = Literal["P0", "P1", "P2", "P3", "P4", "P5"]
Pattern = Literal["SSTR+/FDG-", "SSTR+/FDG+", "SSTR-/FDG+", "SSTR-/FDG-", "not assessed"]
PatternState = Literal["counted", "unanswered", "accepted", "rejected"]


class FdgScan(FrozenModel):
    """The FDG scan that was compared."""

    study: StudyIdentity
    acquisition: Acquisition
    suv: SuvArithmetic | None = Field(description="Null where its header gives no SUV")
    uptake_unit: str = Field(description="UCUM unit of its uptake")


class NetpetLesion(FrozenModel):
    """One place on both scans: a lesion of the scored study, or a candidate of the FDG scan.

    SUVs are null in relative units; ratios are SUVpeak over the normal-liver SUVmean of the same scan.
    """

    name: str = Field(description="'2' in the liver's list, 'B2' outside, 'F2' a focus of the FDG scan")
    region: str
    in_liver: bool
    state: PatternState = Field(
        description="'counted': a lesion; 'unanswered', 'accepted' or 'rejected': a candidate and the reader's answer"
    )
    sstr_suv_max: float | None
    sstr_suv_peak: float | None
    sstr_ratio_to_liver: float | None
    fdg_suv_max: float | None
    fdg_suv_peak: float | None
    fdg_ratio_to_liver: float | None
    sstr: Avidity
    fdg: Avidity
    grade: NetpetGrade | None = Field(description="The grade that this lesion alone would have; null: not assessed")
    fdg_foci: tuple[int, ...] = Field(default=(), description="Foci of the FDG scan in the same place, by label")
    why_unknown: str | None = Field(default=None, description="Why uptake on a scan could not be judged")
    why_physiological: str | None = None
    centroid_lps_mm: Vector = Field(description="On the scored PET")
    fdg_centroid_lps_mm: Vector | None = Field(description="On the FDG PET; null off its field of view")

    @property
    def pattern(self) -> Pattern:
        """Which of both tracers it takes up."""
        if "unknown" in {self.sstr, self.fdg}:
            return "not assessed"
        return {
            ("positive", "negative"): "SSTR+/FDG-",
            ("positive", "positive"): "SSTR+/FDG+",
            ("negative", "positive"): "SSTR-/FDG+",
            ("negative", "negative"): "SSTR-/FDG-",
        }[self.sstr, self.fdg]  # type: ignore[return-value]

    @property
    def is_fdg_focus(self) -> bool:
        """Whether the FDG scan alone offers it."""
        return self.name.startswith("F")

    @property
    def is_discordant(self) -> bool:
        """Whether it takes up FDG and no receptor ligand, or may."""
        return self.state != "rejected" and self.fdg == "positive" and self.sstr != "positive"


class FdgFocusRecord(FrozenModel):
    """One focus that the search of the FDG scan found, as stored."""

    label: int
    region: str
    organ: FdgOrgan
    why_physiological: str | None = None

    @classmethod
    def of(cls, focus: FdgFocus) -> FdgFocusRecord:
        """The stored form of a focus."""
        return cls(label=focus.label, region=focus.region, organ=focus.organ, why_physiological=focus.why_physiological)


class NetpetRecord(FrozenModel):
    """The scored study beside an FDG scan: every lesion on both, and the NETPET grade as a proposal."""

    scan: FdgScan
    days: int | None = Field(description="From the scored scan to the FDG scan; negative: FDG came first")
    alignment: FdgAlignment
    liver: Reference = Field(description="Normal liver on the FDG scan")
    foci: tuple[FdgFocusRecord, ...] = Field(description="All that the search of the FDG scan found")
    lesions: tuple[NetpetLesion, ...]
    grade: NetpetGrade | Literal["indeterminate"]
    suffix: Literal["a", "b"] | None = Field(
        default=None, description="P2 to P4: a for one or two lesions of the pattern, b for more"
    )
    lowest: NetpetGrade = Field(description="What the lesions that count give at least")
    highest: NetpetGrade = Field(description="What it would be if every candidate were a lesion")
    target: str | None = Field(default=None, description="Lesion or candidate that decides")
    reason: str

    @property
    def words(self) -> str:
        """The grade as people are shown it: "P4a", or "indeterminate (P1 to P5)"."""
        if self.grade != "indeterminate":
            return f"{self.grade}{self.suffix or ''}"
        if self.lowest == self.highest:
            return f"indeterminate ({self.lowest})"
        return f"indeterminate ({self.lowest} to {self.highest})"

    @property
    def candidates(self) -> tuple[NetpetLesion, ...]:
        """Foci of the FDG scan without receptor uptake that wait for the reader."""
        return tuple(x for x in self.lesions if x.is_fdg_focus and x.is_discordant and x.state == "unanswered")

    @property
    def accepted(self) -> tuple[NetpetLesion, ...]:
        """Those that a reader accepted as lesions without receptor uptake."""
        return tuple(x for x in self.lesions if x.is_fdg_focus and x.state == "accepted")
