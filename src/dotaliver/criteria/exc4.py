"""Exclusion 4: tumour in more than a given share of the liver (80 % in NCT04544098)."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

_MOSTLY = 0.5


def judge(findings: Findings) -> Proposal:
    """Met where the whole interval lies above the limit, not met where it lies below, else indeterminate.

    A definite answer is withheld where what was not seen or not outlined could change it: a liver cut by the field of
    view; a lesion mask that nobody states to be complete; uptake above normal outside every outline; an assumed
    normal liver that may be tumour, because no normal liver takes up so much, because part of the liver clearly
    undercuts it, or because most of the liver may be tumour and no 3 cm sphere of it was found; a disputed outline of
    a liver that may be mostly tumour.
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
        "lesions_complete": findings.lesions_complete,
    }
    verdict = _word(burden.low, burden.high, limit)
    relation = {"met": "entirely above", "not_met": "entirely below", "indeterminate": "on both sides of"}[verdict]
    reason = (
        f"Tumour makes up {100 * burden.fraction:.1f} % of the liver (interval {100 * burden.low:.1f} to "
        f"{100 * burden.high:.1f} %), {relation} the limit of {100 * limit:g} %."
    )
    doubt = _doubt(findings, verdict, burden.low, burden.high)
    if doubt is not None:
        return Proposal("indeterminate", "indeterminate", f"{reason} {doubt}", evidence)
    if verdict == "not_met" and findings.suvbw_per_unit is None:
        reason = f"{reason} {_RANGE_NOT_CHECKED}"
    return Proposal(verdict, verdict, reason, evidence)


_RANGE_NOT_CHECKED = (
    "Without SUV by body weight the range of normal livers cannot be checked; relative to soft tissue the assumed "
    "normal liver is unremarkable."
)


def _word(low: float, high: float, limit: float) -> VerdictWord:
    if low > limit:
        return "met"
    return "not_met" if high < limit else "indeterminate"


def _doubt(findings: Findings, verdict: VerdictWord, low: float, high: float) -> str | None:
    """Why a definite answer is not given although the interval would allow it."""
    if verdict == "indeterminate":
        return None
    if findings.liver_cut and not _survives_the_cut(findings, verdict, low, high):
        return "The field of view cuts the liver, and the part outside it could change the answer."
    if verdict == "met":
        return _doubt_about_tumour(findings)
    return _doubt_about_normal(findings) or _doubt_about_liver(findings) or _doubt_about_outlines(findings)


def _doubt_about_tumour(findings: Findings) -> str | None:
    """Why what somebody outlined may be the liver itself."""
    if findings.lesions_searched or findings.references["liver"].suv_mean is not None:
        return None
    return (
        "No normal liver was found outside the lesion mask, so it cannot be verified that the mask outlines tumour; a "
        "reader can place the reference."
    )


def _survives_the_cut(findings: Findings, verdict: VerdictWord, low: float, high: float) -> bool:
    config = findings.config
    seen_ml = findings.burden.liver_ml or 0.0
    unseen_ml = max(config.burden.largest_usual_liver_ml - seen_ml, config.burden.least_unseen_share * seen_ml)
    whole_ml = seen_ml + unseen_ml
    bounds = (low * seen_ml / whole_ml, (high * seen_ml + unseen_ml) / whole_ml)
    return _word(*bounds, config.protocol.liver_involvement_limit) == verdict


def _doubt_about_liver(findings: Findings) -> str | None:
    """Why a part of the liver may be missing that both outlines leave out: necrosis in massive disease."""
    audit = findings.liver_audit
    if audit is None or not audit.disputed or not _may_be_mostly_tumour(findings):
        return None
    return (
        "The liver outline is disputed and most of the liver may be tumour: a part full of tumour may lie outside both "
        "outlines."
    )


def _may_be_mostly_tumour(findings: Findings) -> bool:
    """Whether the upper end of the interval exceeds half of the liver."""
    return (findings.burden.high or 0.0) > _MOSTLY


def _doubt_about_normal(findings: Findings) -> str | None:
    """Why what was taken for normal liver may be tumour that nobody outlined."""
    liver = findings.references["liver"]
    if findings.normal_unsure:
        return "Part of the liver takes up clearly less than the assumed normal liver, which may itself be tumour."
    if _may_be_mostly_tumour(findings) and liver.method not in {"sphere", "reader"}:
        return "Most of the liver may be tumour, and too little is left to be certain that it is normal liver."
    uptake, highest = liver.suv_mean, findings.config.reference.suv_mean_range.high
    if uptake is None:
        return None
    if findings.suvbw_per_unit is not None:
        suv = findings.suvbw_per_unit * uptake
        if suv > highest:
            return (
                f"The assumed normal liver has SUVmean {suv:.1f} by body weight, above the {highest:g} that normal "
                "livers reach: it may be diffuse tumour."
            )
        return None
    return _doubt_without_suv(findings)


def _doubt_without_suv(findings: Findings) -> str | None:
    """The same without SUV by body weight: only the ratio to soft tissue can be looked at."""
    ratio, limit = findings.liver_over_soft_tissue, findings.config.liver.uptake_limit_ratio
    if ratio is None:
        return (
            "Without SUV by body weight it cannot be checked whether the assumed normal liver is normal; it may be "
            "diffuse tumour."
        )
    if ratio > limit:
        return (
            f"The assumed normal liver takes up {ratio:.1f} × soft tissue, above the {limit:g} × of normal livers: it "
            "may be diffuse tumour."
        )
    return None


def _doubt_about_outlines(findings: Findings) -> str | None:
    """Why tumour may lie outside the outlines."""
    if findings.incomplete_mask is not None:
        place = findings.unoutlined_uptake
        named = place is None or place in findings.incomplete_mask
        return findings.incomplete_mask if named else f"{findings.incomplete_mask} {place}"
    if findings.references["liver"].peak_limit is None:
        return "Without a normal-liver reference it cannot be checked that no tumour lies outside the outlines."
    if findings.implausible_normal is not None:
        return findings.implausible_normal
    # Of a search, the interval counts what takes up more outside the outlines.
    return None if findings.lesions_searched else findings.unoutlined_uptake
