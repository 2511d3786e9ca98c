"""Exclusion 4: tumour in more than a given share of the liver (80 % in NCT04544098)."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records import Evidence, VerdictWord

__all__ = ["judge"]


def judge(findings: Findings) -> Proposal:
    """Met where the whole interval lies above the limit, not met where it lies below, else indeterminate."""
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
    verdict: VerdictWord = "indeterminate"
    if burden.low > limit:
        verdict = "met"
    elif burden.high < limit:
        verdict = "not_met"
    relation = {"met": "wholly above", "not_met": "wholly below", "indeterminate": "on both sides of"}[verdict]
    reason = (
        f"Tumour takes {100 * burden.fraction:.1f} % of the liver ({100 * burden.low:.1f} to "
        f"{100 * burden.high:.1f} %), {relation} {100 * limit:g} %."
    )
    return Proposal(verdict, verdict, reason, evidence)
