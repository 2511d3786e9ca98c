"""Sizes of the targets at one time point, and what each adds to the sum of diameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel

__all__ = ["SizeStatus", "TargetSize", "resolve_merged", "target_sum"]

SizeStatus = Literal["measured", "too_small", "absent", "merged", "not_measured"]


class TargetSize(FrozenModel):
    """One target at one time point: its longest diameter, or its short axis where it is a node."""

    lesion: str
    node: bool = False
    status: SizeStatus = "measured"
    size_mm: float | None = Field(default=None, ge=0, description="As measured; None where there is no measurement")
    merged_into: str | None = Field(default=None, description="The lesion whose diameter includes this one")
    reason: str | None = Field(default=None, description="Why there is no measurement")

    def counted_mm(self, config: RecistConfig) -> float | None:
        """What enters the sum: 0 where absent or included in another target, 5 mm where too small to measure."""
        if self.status in {"absent", "merged"}:
            return 0.0
        if self.status == "too_small":
            return config.too_small_mm if self.size_mm is None else self.size_mm
        return None if self.status == "not_measured" else self.size_mm

    def gone(self, config: RecistConfig) -> bool:
        """Whether the target is absent, or a node of normal size."""
        size = self.counted_mm(config)
        return size is not None and (size < config.normal_node_mm if self.node else size == 0.0)


def target_sum(sizes: Sequence[TargetSize], config: RecistConfig) -> float | None:
    """Sum of diameters in mm: longest ones, and short axes of nodes; None where one is missing or there is none.

    Examples
    --------
    A lesion that is too small to measure counts 5 mm:

    >>> sizes = [TargetSize(lesion="L01", size_mm=22.0), TargetSize(lesion="L02", status="too_small")]
    >>> target_sum(sizes, RecistConfig())
    27.0
    """
    counted = [size.counted_mm(config) for size in sizes]
    known = [mm for mm in counted if mm is not None]
    return sum(known) if known and len(known) == len(counted) else None


def resolve_merged(sizes: Sequence[TargetSize], config: RecistConfig) -> tuple[TargetSize, ...]:
    """Let a merged lesion count as 0 only where the sum includes the diameter that contains it.

    RECIST 1.1 (appendix III): coalesced lesions have one longest diameter. A merged lesion whose carrier is not among
    these sizes, is not measured, or is measured along the other axis (node or not) is not measured either.
    """
    measured = {
        size.lesion: size
        for size in sizes
        if size.status in {"measured", "too_small"} and (size.counted_mm(config) or 0.0) > 0
    }

    def resolved(size: TargetSize) -> TargetSize:
        if size.status != "merged":
            return size
        carrier = measured.get(size.merged_into or "")
        if carrier is not None and carrier.node == size.node:
            return size
        why = "which is not a measured target" if carrier is None else "which is measured along another axis"
        reason = f"it has merged with {size.merged_into}, {why}; a reader must state its size"
        return size.model_copy(update={"status": "not_measured", "reason": reason})

    return tuple(resolved(size) for size in sizes)
