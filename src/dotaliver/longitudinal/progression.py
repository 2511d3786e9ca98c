"""Inclusion 6: progression within six months before study entry, against an earlier scan (not the nadir).

The protocol asks for an increase of measurable disease of at least 20 %, or a new lesion, or symptoms. Symptoms cannot
be assessed on imaging, so scans can show that the criterion is met and never that it is not. Progression counts where
both scans lie within the window: with an older prior scan, it may have happened before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dateutil.relativedelta import relativedelta
from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.recist import NewLesionWord
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["ProgressionAnswer", "ScanPair", "judge_progression", "months_before"]

_SYMPTOMS = "symptoms cannot be assessed on imaging"
# Decimal fractions of millimetres are not exact in binary.
_TINY = 1e-9
# A twelfth of a Julian year
_DAYS_PER_MONTH = 30.4375


class ScanPair(FrozenModel):
    """Two scans, the later of which may show progression."""

    prior_on: date
    on: date
    prior_mm: float | None = Field(description="Sum of the lesions that are measured on both, in mm")
    sum_mm: float | None
    lesions: int = Field(default=0, description="How many lesions are measured on both")
    new_lesion: NewLesionWord = "none"
    unmeasured: tuple[str, ...] = Field(
        default=(), description="Lesions among the largest that are not measured on both"
    )

    @property
    def increase(self) -> float | None:
        """Relative increase of the sum."""
        if self.prior_mm is None or self.sum_mm is None or self.prior_mm <= 0:
            return None
        return (self.sum_mm - self.prior_mm) / self.prior_mm


class ProgressionAnswer(FrozenModel):
    """The answer with its reason."""

    verdict: VerdictWord
    reason: str
    evidence: dict[str, Evidence] = Field(default_factory=dict)


def months_before(day: date, months: float) -> date:
    """The same day of the month some months earlier, or the last day of that month where it has fewer days.

    Parts of a month are days of a mean month (30.4375 days).
    """
    whole, part = divmod(months, 1.0)
    earlier: date = day - relativedelta(months=int(whole), days=round(part * _DAYS_PER_MONTH))
    return earlier


def _grown(pair: ScanPair, config: RecistConfig, *, with_mm: bool) -> bool:
    increase = pair.increase
    if increase is None or pair.sum_mm is None or pair.prior_mm is None:
        return False
    enough = increase >= config.progression_share - _TINY
    return enough and (not with_mm or pair.sum_mm - pair.prior_mm >= config.progression_mm - _TINY)


def judge_progression(
    pairs: Sequence[ScanPair], entry: date | None, window_months: float, config: RecistConfig
) -> ProgressionAnswer:
    """Answer Inclusion 6 from the scans up to study entry.

    Parameters
    ----------
    pairs : sequence of ScanPair
        Every pair of scans, in any order.
    entry : date or None
        Date of study entry; None: not evaluable.
    window_months : float
        Length of the window before entry, in months (the protocol's six).
    config : RecistConfig
        Thresholds; `inc6_needs_mm` asks for the increase in mm as well.

    Returns
    -------
    ProgressionAnswer
        `met` where two scans of the window show progression beyond the variation between readers; `indeterminate`
        where progression is doubtful, may be older than the window, or is not seen.
    """
    if entry is None:
        return ProgressionAnswer(
            verdict="not_evaluable", reason="The date of study entry is not known; give it in the manifest."
        )
    first_day = months_before(entry, window_months)
    usable = sorted((p for p in pairs if first_day <= p.on <= entry), key=lambda p: (p.on, p.prior_on))
    if not usable:
        reason = (
            f"No scan between {first_day} and the entry on {entry} has a prior scan to compare with, and {_SYMPTOMS}."
        )
        return ProgressionAnswer(verdict="not_evaluable", reason=reason, evidence={"entry": entry.isoformat()})
    doubtful: list[tuple[ScanPair, str]] = []
    for pair in reversed(usable):
        for finding, doubts in _findings(pair, first_day, config):
            if not doubts:
                return ProgressionAnswer(
                    verdict="met", reason=f"{finding}.", evidence=_evidence(pair, entry, first_day, config)
                )
            doubtful.append((pair, f"{finding}, but {' and '.join(doubts)}; {_SYMPTOMS}."))
    pair, reason = doubtful[0] if doubtful else (usable[-1], _not_seen(usable))
    return ProgressionAnswer(verdict="indeterminate", reason=reason, evidence=_evidence(pair, entry, first_day, config))


def _findings(pair: ScanPair, first_day: date, config: RecistConfig) -> list[tuple[str, list[str]]]:
    """Each sign of progression of a pair, with what keeps it from being definite."""
    found = []
    older = []
    if pair.prior_on < first_day:
        older.append(f"the prior scan precedes the window that begins on {first_day}, so the onset is not known")
    if pair.new_lesion == "unequivocal":
        found.append((f"A new lesion on {pair.on}, not present on {pair.prior_on}", older))
    if _grown(pair, config, with_mm=config.inc6_needs_mm):
        increase = pair.increase
        assert increase is not None
        text = (
            f"Measurable disease grew by {100 * increase:.1f} % ({pair.prior_mm:.1f} to {pair.sum_mm:.1f} mm) from "
            f"{pair.prior_on} to {pair.on}"
        )
        doubts = list(older)
        if pair.lesions <= 1 and increase < config.inc6_one_lesion_share - _TINY:
            limit = 100 * config.inc6_one_lesion_share
            doubts.append(f"a single diameter under {limit:+.0f} % is within the variation between readers")
        if pair.unmeasured:
            doubts.append(f"larger lesions were not measured on both scans ({', '.join(pair.unmeasured)})")
        found.append((text, doubts))
    if pair.new_lesion == "equivocal":
        text = f"A possibly new lesion on {pair.on}, not seen on {pair.prior_on}"
        found.append((text, ["it is equivocal until CT or MRI shows it or the reader confirms it", *older]))
    return found


def _not_seen(usable: Sequence[ScanPair]) -> str:
    measured = [pair for pair in usable if pair.increase is not None]
    if not measured:
        return f"No lesion is measured on two scans, and {_SYMPTOMS}."
    # The greatest change says most about progression; of equal ones, the latest.
    most = max(measured, key=lambda pair: (pair.increase or 0.0, pair.on))
    return (
        f"Measurable disease changed by {100 * (most.increase or 0.0):+.1f} % from {most.prior_on} to {most.on} and no "
        f"new lesion is seen; {_SYMPTOMS} and would fulfil the criterion too."
    )


def _evidence(pair: ScanPair, entry: date, first_day: date, config: RecistConfig) -> dict[str, Evidence]:
    change = None if pair.sum_mm is None or pair.prior_mm is None else pair.sum_mm - pair.prior_mm
    return {
        "entry": entry.isoformat(),
        "window_from": first_day.isoformat(),
        "prior_scan": pair.prior_on.isoformat(),
        "scan": pair.on.isoformat(),
        "prior_sum_mm": pair.prior_mm,
        "sum_mm": pair.sum_mm,
        "increase": pair.increase,
        "increase_mm": change,
        "lesions": pair.lesions,
        "new_lesion": pair.new_lesion,
        "not_measured_on_both": ", ".join(pair.unmeasured) or None,
        "met_by_20_percent": _grown(pair, config, with_mm=False),
        "met_by_20_percent_and_5_mm": _grown(pair, config, with_mm=True),
        "5_mm_asked_for": config.inc6_needs_mm,
    }
