"""Exclusion 4: tumour in more than a given share of the liver (80 % in NCT04544098)."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

_MOSTLY = 0.5


def judge(findings: Findings) -> Proposal:
    """Met where the whole interval lies above the limit, not met where it lies below, else indeterminate.

    Two doubts keep an answer from being definite: a liver that the field of view cuts, where the part that was not
    seen could carry the interval over the limit; and a normal liver that may be tumour, because no normal liver takes
    up so much, because part of the liver clearly undercuts it, or because most of the liver is tumour and no 3 cm
    sphere of it was found.
    """
    burden = findings.burden
    limit = findings.config.protocol.liver_involvement_limit
    if burden.fraction is None or burden.low is None or burden.high is None:
        reason = burden.reason or "The tumour burden could not be measured."
        return Proposal("not_evaluable", "not_evaluable", reason)
    evidence: dict[str, Evidence] = {
        "fraction": burden.fraction,
        "low": burden.low,
        "high": burden.high,
        "limit": limit,
        "tumour_ml": burden.tumour_ml,
        "liver_ml": burden.liver_ml,
    }
    verdict = _word(burden.low, burden.high, limit)
    relation = {"met": "wholly above", "not_met": "wholly below", "indeterminate": "on both sides of"}[verdict]
    reason = (
        f"Tumour takes {100 * burden.fraction:.1f} % of the liver ({100 * burden.low:.1f} to "
        f"{100 * burden.high:.1f} %), {relation} {100 * limit:g} %."
    )
    doubt = _doubt(findings, verdict, burden.low, burden.high)
    if doubt is not None:
        return Proposal("indeterminate", "indeterminate", f"{reason} {doubt}", evidence)
    return Proposal(verdict, verdict, reason, evidence)


def _word(low: float, high: float, limit: float) -> VerdictWord:
    if low > limit:
        return "met"
    return "not_met" if high < limit else "indeterminate"


def _doubt(findings: Findings, verdict: VerdictWord, low: float, high: float) -> str | None:
    """Why a definite answer is not given although the interval would allow it."""
    config = findings.config
    if verdict == "indeterminate":
        return None
    if findings.liver_cut:
        seen_ml = findings.burden.liver_ml or 0.0
        unseen_ml = max(config.burden.largest_usual_liver_ml - seen_ml, config.burden.least_unseen_share * seen_ml)
        whole_ml = seen_ml + unseen_ml
        bounds = (low * seen_ml / whole_ml, (high * seen_ml + unseen_ml) / whole_ml)
        if _word(*bounds, config.protocol.liver_involvement_limit) != verdict:
            return "But the field of view cuts the liver, and what was not seen could change the answer."
    liver, mostly_tumour = findings.references["liver"], (findings.burden.fraction or 0.0) > _MOSTLY
    if verdict == "not_met" and findings.normal_unsure:
        return "But part of the liver takes up clearly less than what was taken for normal, which may be tumour."
    if verdict == "not_met" and mostly_tumour and liver.method not in {"sphere", "reader"}:
        return "But most of the liver is tumour, and too little is left to be sure that it is normal liver."
    uptake = liver.suv_mean
    highest = config.reference.suv_mean_range.high
    if verdict == "not_met" and findings.absolute_suv and uptake is not None and uptake > highest:
        return (
            f"But what was taken for normal liver has SUVmean {uptake:.1f}, above the {highest:g} that normal livers "
            "reach: it may be tumour that fills the liver evenly."
        )
    return None
