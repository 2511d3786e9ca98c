"""Criteria that one study alone does not answer, or that only a reader's marks answer so far."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records import VerdictWord

__all__ = ["judge_dominance", "judge_progression", "judge_receptor_negative"]


def judge_progression(findings: Findings) -> Proposal:  # noqa: ARG001 -- every criterion is judged on the findings
    """Inclusion 6 compares with a prior scan; symptoms are on no image."""
    reason = "Progression needs an earlier scan and the date of study entry; this record holds one study."
    return Proposal("not_evaluable", "not_evaluable", reason)


def judge_receptor_negative(findings: Findings) -> Proposal:
    """Exclusion 6: met where a reader marked a lesion, or states one elsewhere; otherwise not computed yet."""
    marked = [lesion for lesion in findings.lesions if "receptor_negative" in lesion.marks]
    marked = [lesion for lesion in marked if "not_a_lesion" not in lesion.marks]
    if marked:
        in_liver = any(lesion.in_liver for lesion in marked)
        finding: VerdictWord = "met" if in_liver else "not_evaluable"
        first = marked[0]
        reason = f"The reader marked lesion {first.label} as receptor-negative."
        evidence = {"lesion_label": first.label, "marked_lesions": len(marked)}
        return Proposal("met", finding, reason, dict(evidence), first.flags)
    rest = findings.rest_of_body
    if rest is not None and rest.receptor_negative:
        return Proposal("met", "not_evaluable", "The reader states a receptor-negative lesion outside the liver.")
    reason = (
        "Receptor-negative lesions are not computed yet: the CT is not searched for lesions without uptake. "
        "A reader can mark them."
    )
    return Proposal("not_evaluable", "not_evaluable", reason)


def judge_dominance(findings: Findings) -> Proposal:
    """The share of tumour in the liver needs the tumour elsewhere, which is not measured yet."""
    reason = "Liver dominance is not computed yet: tumour outside the liver is not measured. A reader can state it."
    tumour_ml = findings.burden.tumour_ml
    return Proposal("not_evaluable", "not_evaluable", reason, {"liver_tumour_ml": tumour_ml})
