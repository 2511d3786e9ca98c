"""Inclusion 6: progression within six months before study entry, against the prior scan (not the nadir).

The protocol asks for an increase of measurable disease of at least 20 %, or a new lesion, or symptoms. Symptoms are
on no image, so scans can prove the criterion met and never that it is not.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.recist import NewLesionWord
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["ProgressionAnswer", "ScanPair", "judge_progression", "months_before"]


class ScanPair(FrozenModel):
    """Two consecutive scans, the later of which may show progression."""

    prior_on: date
    on: date
    prior_mm: float | None = Field(description="Sum of the lesions that are measured on both, in mm")
    sum_mm: float | None
    lesions: int = Field(default=0, description="How many lesions are measured on both")
    new_lesion: NewLesionWord = "none"


class ProgressionAnswer(FrozenModel):
    """The answer with its reason."""

    verdict: VerdictWord
    reason: str
    evidence: dict[str, Evidence] = Field(default_factory=dict)


def months_before(day: date, months: float) -> date:
    """The same day of the month some whole months earlier, or the last day of that month where it has fewer days."""
    total = day.year * 12 + day.month - 1 - round(months)
    year, month = divmod(total, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _increase(pair: ScanPair) -> float | None:
    if pair.prior_mm is None or pair.sum_mm is None or pair.prior_mm <= 0:
        return None
    return (pair.sum_mm - pair.prior_mm) / pair.prior_mm


def _grown(pair: ScanPair, config: RecistConfig, *, with_mm: bool) -> bool:
    increase = _increase(pair)
    if increase is None or pair.sum_mm is None or pair.prior_mm is None:
        return False
    enough = increase >= config.progression_share - 1e-9
    return enough and (not with_mm or pair.sum_mm - pair.prior_mm >= config.progression_mm - 1e-9)


def judge_progression(
    pairs: Sequence[ScanPair], entry: date | None, window_months: float, config: RecistConfig
) -> ProgressionAnswer:
    """Answer Inclusion 6 from the scans before entry.

    Parameters
    ----------
    pairs : sequence of ScanPair
        Consecutive scans in time order.
    entry : date or None
        Date of study entry; None: not evaluable.
    window_months : float
        How long before entry the progression may have been seen.
    config : RecistConfig
        Thresholds; `inc6_needs_mm` asks for the increase in mm as well.
    """
    if entry is None:
        return ProgressionAnswer(
            verdict="not_evaluable", reason="The date of study entry is not known; give it in the manifest."
        )
    first_day = months_before(entry, window_months)
    usable = [pair for pair in pairs if first_day <= pair.on <= entry]
    if not usable:
        reason = (
            f"No scan between {first_day} and the entry on {entry} has a prior scan to compare with; symptoms are on "
            "no image."
        )
        return ProgressionAnswer(verdict="not_evaluable", reason=reason, evidence={"entry": entry.isoformat()})
    for pair in reversed(usable):
        if pair.new_lesion == "unequivocal":
            reason = f"A new lesion on {pair.on}, not there on {pair.prior_on}."
            return ProgressionAnswer(verdict="met", reason=reason, evidence=_evidence(pair, entry, config))
        if _grown(pair, config, with_mm=config.inc6_needs_mm):
            increase = _increase(pair)
            assert increase is not None
            reason = (
                f"Measurable disease grew by {100 * increase:.1f} % ({pair.prior_mm:.1f} to {pair.sum_mm:.1f} mm) "
                f"from {pair.prior_on} to {pair.on}."
            )
            return ProgressionAnswer(verdict="met", reason=reason, evidence=_evidence(pair, entry, config))
    last = usable[-1]
    return ProgressionAnswer(verdict="indeterminate", reason=_open(last), evidence=_evidence(last, entry, config))


def _open(pair: ScanPair) -> str:
    if pair.new_lesion == "equivocal":
        return (
            f"A focus on {pair.on} that was not there on {pair.prior_on} is equivocal until CT or MRI confirms it; "
            "symptoms are on no image."
        )
    increase = _increase(pair)
    if increase is None:
        return "No lesion is measured on both scans; symptoms are on no image."
    return (
        f"Measurable disease changed by {100 * increase:+.1f} % from {pair.prior_on} to {pair.on} and no new lesion "
        "is seen; symptoms, which would fulfil the criterion too, are on no image."
    )


def _evidence(pair: ScanPair, entry: date, config: RecistConfig) -> dict[str, Evidence]:
    change = None if pair.sum_mm is None or pair.prior_mm is None else pair.sum_mm - pair.prior_mm
    return {
        "entry": entry.isoformat(),
        "prior_scan": pair.prior_on.isoformat(),
        "scan": pair.on.isoformat(),
        "prior_sum_mm": pair.prior_mm,
        "sum_mm": pair.sum_mm,
        "increase": _increase(pair),
        "increase_mm": change,
        "lesions": pair.lesions,
        "new_lesion": pair.new_lesion,
        "met_by_20_percent": _grown(pair, config, with_mm=False),
        "met_by_20_percent_and_5_mm": _grown(pair, config, with_mm=True),
        "5_mm_asked_for": config.inc6_needs_mm,
    }
