"""Liver dominance: the liver's share of all tumour. The protocol gives no threshold, so the reader decides."""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal
from dotaliver.records.verdicts import Evidence

__all__ = ["judge"]


def judge(findings: Findings) -> Proposal:
    """Not evaluable until tumour outside the liver is outlined or denied; then open, with the share as evidence.

    Every millilitre of a lesion counts where it lies: a lesion across the liver's border with one part inside and the
    other outside, whichever part is larger.
    """
    of_liver_ml = findings.burden.tumour_ml
    if of_liver_ml is None:
        why = findings.burden.reason or "The tumour in the liver could not be measured."
        return Proposal("not_evaluable", "not_evaluable", why)
    outside = [x for x in findings.judged_lesions if not x.in_liver]
    # The burden holds the inner parts of the liver's own lesions.
    inside_ml = of_liver_ml + sum(x.volume_ml * (x.liver_share or 0.0) for x in outside)
    outside_ml = sum(x.volume_ml * (1.0 - (x.liver_share or 0.0)) for x in findings.judged_lesions)
    rest = findings.rest_of_body
    denied = rest is not None and not rest.lesions
    evidence: dict[str, Evidence] = {"liver_tumour_ml": inside_ml}
    if not outside and not denied:
        if rest is None:
            stated = "lesions elsewhere have not been assessed"
        else:
            stated = f"{findings.reader_words} states lesions elsewhere, and none is outlined"
        reason = f"Liver tumour volume {inside_ml:.0f} ml; {stated}."
        return Proposal("not_evaluable", "not_evaluable", reason, evidence)
    if findings.incomplete_mask is not None:
        reason = f"Liver tumour volume of the outlined lesions {inside_ml:.0f} ml. {findings.incomplete_mask}"
        return Proposal("not_evaluable", "not_evaluable", reason, evidence)
    whole_ml = inside_ml + outside_ml
    evidence |= {"outside_tumour_ml": outside_ml, "outside_lesions": len(outside)}
    if whole_ml <= 0:
        return Proposal("not_evaluable", "not_evaluable", "No tumour is known, in the liver or elsewhere.", evidence)
    evidence["liver_share"] = inside_ml / whole_ml
    sentences = [
        f"{100 * inside_ml / whole_ml:.0f} % of the known tumour volume lies in the liver "
        f"({inside_ml:.0f} of {whole_ml:.0f} ml).",
        "The protocol gives no threshold, so the reader decides.",
    ]
    if denied and outside:
        sentences.append(
            f"{findings.the_reader} states no lesions elsewhere, and lesion {outside[0].label} lies mostly outside "
            "the liver."
        )
    if findings.unoutlined_uptake is not None:
        sentences.append(findings.unoutlined_uptake)
    return Proposal("indeterminate", "indeterminate", " ".join(sentences), evidence)
