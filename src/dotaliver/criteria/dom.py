"""Liver dominance: the liver's share of all tumour. The protocol gives no threshold, so a reader calls it."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records.verdicts import Evidence

__all__ = ["judge"]


def judge(findings: Findings) -> Proposal:
    """Not evaluable until tumour outside the liver is outlined or denied; then open, with the share as evidence.

    Lesions that lie partly in the liver count with each part where it lies.
    """
    inside_ml = findings.burden.tumour_ml
    if inside_ml is None:
        why = findings.burden.reason or "The tumour in the liver could not be measured."
        return Proposal("not_evaluable", "not_evaluable", why)
    outside = [x for x in findings.judged_lesions if not x.in_liver]
    parts = [x.volume_ml * (1.0 - (x.liver_share or 0.0)) for x in outside]
    rest = findings.rest_of_body
    denied = rest is not None and not rest.lesions
    evidence: dict[str, Evidence] = {"liver_tumour_ml": inside_ml}
    if not outside and not denied:
        stated = "the reader states some; none is outlined" if rest is not None else "nothing is stated of them"
        reason = f"The liver holds {inside_ml:.0f} ml of tumour; lesions outside it are not known: {stated}."
        return Proposal("not_evaluable", "not_evaluable", reason, evidence)
    outside_ml = sum(parts)
    whole_ml = inside_ml + outside_ml
    evidence |= {"outside_tumour_ml": outside_ml, "outside_lesions": len(outside)}
    if whole_ml <= 0:
        return Proposal("not_evaluable", "not_evaluable", "No tumour is known, in the liver or elsewhere.", evidence)
    evidence["liver_share"] = inside_ml / whole_ml
    reason = (
        f"The liver holds {100 * inside_ml / whole_ml:.0f} % of the known tumour "
        f"({inside_ml:.0f} of {whole_ml:.0f} ml). "
        "The protocol gives no threshold: a reader has to call it."
    )
    if denied and outside:
        reason += " The reader states no lesion outside the liver, and one is outlined there."
    return Proposal("indeterminate", "indeterminate", reason, evidence)
