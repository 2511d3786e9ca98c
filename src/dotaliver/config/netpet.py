"""Constants of the comparison of an FDG scan with the somatostatin-receptor scan (NETPET grade)."""

from __future__ import annotations

from pydantic import Field

from dotaliver.config.protocol import Range
from dotaliver.frozen import FrozenModel

__all__ = ["NetpetConfig"]


class NetpetConfig(FrozenModel):
    """How two scans are aligned, when uptake of a lesion is positive, and when a NETPET grade is proposed."""

    most_days: int = Field(
        default=31,
        ge=0,
        description="Between both scans; beyond, no grade is proposed: the grade was defined on pairs within 31 days "
        "(Chan 2017)",
    )
    least_similarity: float = Field(
        default=0.6, description="Correlation of densities below which two CTs are not aligned, as of a diagnostic CT"
    )
    part_mm: float = Field(default=140.0, gt=0, description="Height of the parts of the body that are aligned alone")
    most_disagreement_mm: float = Field(
        default=15.0, gt=0, description="Between neighbouring parts at their border; beyond, the outer one is unaligned"
    )
    liver_reach_mm: float = Field(
        default=10.0,
        ge=0,
        description="How far a place in the liver may lie from where the alignment puts it: breathing in both scans",
    )
    body_reach_mm: float = Field(default=12.0, ge=0, description="The same elsewhere, where organs move too")
    equal_ratio: float = Field(
        default=1.27,
        gt=1,
        description="FDG and receptor uptake, each over its normal liver, are equal within this factor: the "
        "repeatability of one lesion's peak is 27 % (EJNMMI Res 2019, 0569-7)",
    )
    several: int = Field(default=3, ge=2, description="Lesions of a pattern from which suffix b is given (Chan 2017)")
    small_mm: float = Field(
        default=12.0, description="Lesions under this are too small for PET to say that they take up no FDG, as in INC7"
    )
    liver_suv_range: Range = Field(
        default=Range(low=1.3, high=3.0), description="SUVmean of normal liver on FDG (EANM, EJNMMI 2022, 05977-5)"
    )
