"""Answers to the criteria, with their evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from dotaliver.frozen import FrozenModel

__all__ = ["Decision", "Evidence", "Verdict", "VerdictWord"]


VerdictWord = Literal["met", "not_met", "indeterminate", "not_evaluable"]


EffectWord = Literal["supports", "excludes", "undecided"]


StatusWord = Literal["proposed", "confirmed", "overruled"]


Evidence = float | int | str | bool | None


class Decision(FrozenModel):
    """What a reader decided about a verdict."""

    reader: str
    role: str
    made_at: datetime | None
    reason: str | None
    proposed: VerdictWord = Field(description="What the images had proposed")


class Verdict(FrozenModel):
    """The answer to one criterion, with its evidence."""

    criterion: str = Field(description="Its id in the trial protocol")
    verdict: VerdictWord
    effect: EffectWord
    status: StatusWord = "proposed"
    scope: Literal["liver", "body"]
    liver_finding: VerdictWord | None = Field(description="What the liver alone shows")
    reason: str
    evidence: dict[str, Evidence] = Field(default_factory=dict)
    weakened_by: tuple[str, ...] = Field(default=(), description="Codes of the flags that weaken it")
    decision: Decision | None = None
