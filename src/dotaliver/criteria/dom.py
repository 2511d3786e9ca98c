"""Liver dominance: the liver's share of all tumour.

The protocol of NCT04544098 gives no threshold, so the reader decides; a protocol with one is answered where the whole
interval of the share lies on one side of it and the body outside the liver has been read.
"""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal, label_of
from dotaliver.records.measurements import Lesion
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

# Parts of the liver smaller than 1 % are rounding of the masks.
_ALL_SEEN = 0.99


def judge(findings: Findings) -> Proposal:
    """Not evaluable until tumour outside the liver is outlined, read or denied; then the share is the evidence.

    Every millilitre of a lesion counts where it lies: a lesion across the liver's border with one part inside and the
    other outside, whichever part is larger.
    """
    of_liver_ml = findings.burden.tumour_ml
    if of_liver_ml is None:
        why = findings.burden.reason or "The tumour in the liver could not be measured."
        return Proposal("not_evaluable", "not_evaluable", why)
    outside = list(findings.outside_lesions)
    # The burden holds the inner parts of the liver's own lesions.
    inside_ml = of_liver_ml + sum(x.volume_ml * (x.liver_share or 0.0) for x in outside)
    outside_ml = sum(x.volume_ml * (1.0 - (x.liver_share or 0.0)) for x in findings.judged_lesions)
    known = findings.denied_elsewhere or findings.body_read
    evidence: dict[str, Evidence] = {"liver_tumour_ml": inside_ml}
    if not outside and not known:
        reason = f"Liver tumour volume {inside_ml:.0f} ml; {_not_known(findings)}."
        return Proposal("not_evaluable", "not_evaluable", reason, evidence)
    if findings.incomplete_mask is not None:
        reason = f"Liver tumour volume of the outlined lesions {inside_ml:.0f} ml. {findings.incomplete_mask}"
        return Proposal("not_evaluable", "not_evaluable", reason, evidence)
    whole_ml = inside_ml + outside_ml
    evidence |= {"outside_tumour_ml": outside_ml, "outside_lesions": len(outside)}
    if whole_ml <= 0:
        return Proposal("not_evaluable", "not_evaluable", "No tumour is known, in the liver or elsewhere.", evidence)
    evidence["liver_share"] = inside_ml / whole_ml
    interval = None if findings.dominance is None else findings.dominance.interval
    if interval is not None:
        evidence |= {"liver_share_low": interval[0], "liver_share_high": interval[1]}
    verdict, decided = _against_threshold(findings, interval, known=known)
    sentences = [_share_in_words(inside_ml, whole_ml, interval), decided, *_doubts(findings, outside)]
    return Proposal(verdict, verdict, " ".join(sentences), evidence)


def _not_known(findings: Findings) -> str:
    if findings.rest_of_body is None or findings.rest_of_body.lesions is None:
        return "lesions elsewhere have not been assessed"
    return f"{findings.reader_words} states lesions elsewhere, and none is outlined"


def _share_in_words(inside_ml: float, whole_ml: float, interval: tuple[float, float] | None) -> str:
    between = ""
    if interval is not None and round(100 * interval[0]) < round(100 * interval[1]):
        between = f", interval {100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"
    return (
        f"{100 * inside_ml / whole_ml:.0f} % of the known tumour volume lies in the liver "
        f"({inside_ml:.0f} of {whole_ml:.0f} ml{between})."
    )


def _against_threshold(
    findings: Findings, interval: tuple[float, float] | None, *, known: bool
) -> tuple[VerdictWord, str]:
    """The answer, and what decides it: the protocol's threshold, where it has one and all tumour is known."""
    threshold = findings.config.protocol.liver_dominance_share
    if threshold is None:
        return "indeterminate", "The protocol gives no threshold, so the reader decides."
    limit = f"the protocol's {100 * threshold:g} %"
    if not known or findings.unoutlined_uptake is not None or findings.unanswered is not None:
        return "indeterminate", f"Not all tumour is known, so the share is not compared with {limit}."
    if interval is None or interval[0] < threshold <= interval[1]:
        return "indeterminate", f"The share may lie on either side of {limit}, so the reader decides."
    reaches = interval[0] >= threshold
    doubt = _doubt_about_place(findings) or (_more_elsewhere(findings) if reaches else _more_in_liver(findings))
    if doubt is not None:
        return "indeterminate", f"{doubt} The share is therefore not compared with {limit}."
    return ("met", f"It reaches {limit}.") if reaches else ("not_met", f"It is below {limit}.")


def _doubt_about_place(findings: Findings) -> str | None:
    """Why a lesion may count on the wrong side."""
    if findings.unplaced_lesions:
        label = findings.unplaced_lesions[0].label
        return f"Lesion {label} lies outside the PET, so whether it lies in the liver is unknown."
    sure = findings.undisputed_lesions
    disputed = next((x for x in findings.judged_lesions if x not in sure), None)
    return None if disputed is None else f"Lesion {disputed.name} lies where the liver outline is disputed."


def _more_elsewhere(findings: Findings) -> str | None:
    """Why there may be more tumour outside the liver: a PET shows none without uptake."""
    rest = findings.rest_of_body
    if findings.denied_elsewhere or (rest is not None and rest.receptor_negative is False):
        return None
    if rest is not None and rest.receptor_negative:
        return f"{findings.the_reader} states a receptor-negative lesion outside the liver, of unknown volume."
    return "Whether there are lesions without uptake outside the liver has not been stated."


def _more_in_liver(findings: Findings) -> str | None:
    """Why there may be more tumour in the liver."""
    if findings.liver_cut or findings.liver_seen < _ALL_SEEN:
        return "Part of the liver lies outside the field of view."
    if any(focus.candidate for focus in findings.ct_foci):
        return "A CT candidate in the liver is unanswered."
    return findings.left_out or findings.implausible_normal


def _doubts(findings: Findings, outside: list[Lesion]) -> list[str]:
    sentences = []
    if findings.denied_elsewhere and outside:
        name = label_of(outside[0])
        sentences.append(
            f"{findings.the_reader} states no lesions elsewhere, and lesion {name} lies mostly outside the liver."
        )
    if findings.unoutlined_uptake is not None:
        sentences.append(findings.unoutlined_uptake)
    return sentences
