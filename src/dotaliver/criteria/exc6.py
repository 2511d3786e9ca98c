"""Exclusion 6: receptor-negative lesions (SSTR-RADS 3D: suspicious on CT, no uptake above liver).

Images alone never exclude a patient here: a focal lesion on CT without uptake above liver may be a haemangioma, and
only a reader can confirm it. So a candidate gives `indeterminate`, whether it was found on CT or outlined as a lesion
on either image; `met` needs a reader's mark; none found gives `not_met` for the liver, provided that the CT could have
shown one.
"""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal, answer_for_body, place_in_words, stated_elsewhere
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.masks import CtSearch
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.netpet import NetpetLesion
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

_ALL_SEEN = 0.99
_CONFIRM = "(SSTR-RADS 3D), for the reader to decide"


def judge(findings: Findings) -> Proposal:
    """Answer Exclusion 6."""
    marked = _marked(findings)
    if marked is not None:
        return marked
    rest = findings.rest_of_body
    finding, reason, evidence = _liver_finding(findings)
    offered = () if findings.netpet is None else findings.netpet.candidates
    if finding == "not_met" and any(x.in_liver for x in offered):
        finding = "indeterminate"
    if offered:
        reason = f"{reason} {_of_fdg(offered)}"
        evidence = evidence | {"fdg_candidates": len(offered)}
    if rest is not None and rest.receptor_negative:
        text = f"{findings.the_reader} states a receptor-negative lesion outside the liver. {reason}"
        return Proposal("met", finding, text, evidence)
    elsewhere = stated_elsewhere(rest, None if rest is None else rest.receptor_negative)
    verdict = answer_for_body(finding, elsewhere)
    if verdict == "not_met" and offered:
        verdict = "indeterminate"
    if finding == "not_met":
        reason = f"{reason} {_of_the_rest(findings, elsewhere)}"
    return Proposal(verdict, finding, reason, evidence)


def _marked(findings: Findings) -> Proposal | None:
    """What follows from the lesions that a reader marked as receptor-negative."""
    lesions = [x for x in findings.lesions if "receptor_negative" in x.marks and x.tumour]
    accepted = [x for x in findings.ct_foci if x.accepted]
    marked: list[Lesion | CtFocus] = [*lesions, *accepted]
    on_fdg = () if findings.netpet is None else findings.netpet.accepted
    if not marked:
        return _accepted_on_fdg(on_fdg, findings) if on_fdg else None
    in_liver = any(x.in_liver for x in (*marked, *on_fdg))
    finding: VerdictWord = "met" if in_liver else "not_evaluable"
    first = marked[0]
    kind = "CT candidate" if isinstance(first, CtFocus) else "lesion"
    evidence: dict[str, Evidence] = {"lesion_label": first.label, "marked_lesions": len(marked) + len(on_fdg)}
    flags = () if isinstance(first, CtFocus) else first.flags
    reason = f"{findings.the_reader} marked {kind} {first.label} as receptor-negative."
    return Proposal("met", finding, reason, evidence, flags)


def _accepted_on_fdg(accepted: tuple[NetpetLesion, ...], findings: Findings) -> Proposal:
    """What follows from the candidates of the FDG scan that a reader accepted."""
    first = accepted[0]
    finding: VerdictWord = "met" if any(x.in_liver for x in accepted) else "not_evaluable"
    evidence: dict[str, Evidence] = {"lesion_label": first.name, "marked_lesions": len(accepted)}
    reason = (
        f"{findings.the_reader} accepted candidate {first.name} of the FDG scan ({first.region}) as a lesion without "
        "receptor uptake."
    )
    return Proposal("met", finding, reason, evidence)


def _of_fdg(offered: tuple[NetpetLesion, ...]) -> str:
    """The FDG-avid foci without receptor uptake that wait for the reader, in a sentence."""
    first = max(offered, key=lambda x: (x.why_physiological is None, x.fdg_ratio_to_liver or 0.0))
    more = "" if len(offered) == 1 else f" and {len(offered) - 1} more"
    fdg = "" if first.fdg_ratio_to_liver is None else f", FDG {first.fdg_ratio_to_liver:.1f} × liver"
    return (
        f"FDG candidate {first.name} ({first.region}{fdg}){more}: FDG-avid without receptor uptake, for the reader to "
        "decide."
    )


def _of_the_rest(findings: Findings, elsewhere: bool | None) -> str:
    if elsewhere is False:
        return f"{findings.the_reader} states none elsewhere."
    outside = findings.outside_lesions
    faint = _without_uptake(findings, tuple(x for x in outside if isinstance(x, BodyLesion)))
    if faint:
        return (
            f"Lesion {faint[0].name} outside the liver has no uptake above liver, for the reader to decide whether "
            "it is receptor-negative."
        )
    negative = _without_uptake(findings, tuple(x for x in outside if not isinstance(x, BodyLesion)))
    if negative:
        return f"Lesion {negative[0].label} outside the liver has no uptake above liver {_CONFIRM}."
    if findings.body_read:
        return (
            f"{findings.the_reader} has read the whole body; whether there are lesions without uptake outside the "
            "liver has not been stated (receptor_negative in rest_of_body)."
        )
    if findings.rest_of_body is None:
        return "Lesions elsewhere have not been assessed."
    return f"{findings.the_reader} states lesions elsewhere; whether any is receptor-negative has not been stated."


def _liver_finding(findings: Findings) -> tuple[VerdictWord, str, dict[str, Evidence]]:
    """What the liver alone shows, why, and the numbers behind it."""
    candidates = sorted((x for x in findings.ct_foci if x.candidate), key=_most_suspicious_first)
    outlined = _without_uptake(findings, findings.liver_lesions)
    search = findings.ct_search
    missing = _missing(findings)
    if missing is not None or search is None:
        if outlined and findings.references["liver"].suv_mean is not None:
            return "indeterminate", _of_outlined(findings, outlined), {"lesion_label": outlined[0].label}
        return "not_evaluable", missing or "The CT was not searched.", {}
    evidence: dict[str, Evidence] = {
        "visible_contrast_hu": search.visible_contrast_hu,
        "at_diameter_mm": search.diameter_mm,
        "noise_hu": search.noise_hu,
        "liver_hu": search.liver_hu,
        "ct_foci": len(findings.ct_foci),
        "candidates": len(candidates) + len(outlined),
    }
    if candidates:
        text = _of_candidates(candidates, findings.references["liver"].peak_limit, findings)
        return "indeterminate", text, evidence | _numbers(candidates[0])
    if outlined:
        return "indeterminate", _of_outlined(findings, outlined), evidence | {"lesion_label": outlined[0].label}
    finding, reason = _where_none_was_found(findings, search)
    return finding, reason, evidence


def _most_suspicious_first(focus: CtFocus) -> tuple[float, float]:
    return -(focus.suspicion or 0.0), -focus.volume_ml


def _missing(findings: Findings) -> str | None:
    """What keeps the liver from being searched for lesions without uptake."""
    search = findings.ct_search
    if findings.ct is None:
        return "There is no CT, and the PET does not show lesions without uptake."
    if not findings.liver_found:
        return "The liver was not found, so it was not searched for lesions without uptake."
    if search is None or search.liver_hu is None:
        why = "it was not searched" if search is None or search.reason is None else search.reason
        return f"The CT cannot exclude lesions without uptake: {why}."
    if findings.references["liver"].suv_mean is None:
        return "There is no normal-liver reference to compare lesions on CT with."
    return None


def _where_none_was_found(findings: Findings, search: CtSearch) -> tuple[VerdictWord, str]:
    """What it is worth that no lesion without uptake was found."""
    limit, contrast = findings.config.ct_foci.largest_contrast_hu, search.visible_contrast_hu
    if contrast is None or contrast > limit:
        noise = f"noise {search.noise_hu:.0f} HU" if search.noise_hu is not None else "noise unknown"
        return "not_evaluable", f"{_detectable(search)} ({noise}); {limit:g} HU are needed to exclude one."
    burden, most = findings.burden.fraction, findings.config.ct_foci.largest_burden
    if burden is not None and burden > most:
        return (
            "not_evaluable",
            f"Tumour fills {100 * burden:.0f} % of the liver; among it the CT cannot exclude a lesion without uptake.",
        )
    unmeasured = next((x for x in (*findings.liver_lesions, *findings.unplaced_lesions) if x.suv_peak is None), None)
    if unmeasured is not None:
        return "indeterminate", f"The uptake of lesion {unmeasured.label} could not be read from the PET."
    if findings.liver_cut or findings.liver_seen < _ALL_SEEN:
        return "indeterminate", "None was found, but part of the liver lies outside the field of view."
    doubt = findings.implausible_normal or findings.incomplete_mask or findings.left_out or _of_cold_place(findings)
    if doubt is not None:
        return "indeterminate", doubt
    detectable = _detectable(search)
    return (
        "not_met",
        f"No focal lesion without uptake was found on CT in the liver; {detectable[:1].lower()}{detectable[1:]}.",
    )


def _of_cold_place(findings: Findings) -> str | None:
    """Why a place that takes up far less than normal liver keeps the answer open, though the CT shows nothing there."""
    place, normal = findings.cold, findings.references["liver"].suv_mean
    if place is None or not normal:
        return None
    return (
        f"None was found on CT, but a place {place_in_words(place.centre_lps_mm)} takes up {place.mean / normal:.2f} "
        "times as much as normal liver: a lesion as dense as liver, a cyst or a vessel, for the reader to decide."
    )


def _detectable(search: CtSearch) -> str:
    """What this CT could show, as a sentence without its full stop."""
    if search.visible_contrast_hu is None:
        return f"On this CT a {search.diameter_mm:g} mm lesion is not reliably detectable at any contrast"
    contrast = f"{search.visible_contrast_hu:.0f} HU below liver"
    return f"On this CT a {search.diameter_mm:g} mm lesion is detectable if at least {contrast}"


def _without_uptake(findings: Findings, lesions: tuple[Lesion, ...]) -> list[Lesion]:
    """Outlined lesions without uptake above liver, on whichever image they were drawn, the largest first."""
    limit = findings.references["liver"].peak_limit
    if limit is None:
        return []
    return sorted((x for x in lesions if x.suv_peak is not None and x.suv_peak <= limit), key=lambda x: -x.volume_ml)


def _of_outlined(findings: Findings, outlined: list[Lesion]) -> str:
    first, more = outlined[0], "" if len(outlined) == 1 else f" and {len(outlined) - 1} more"
    unit = "SUV" if findings.absolute_suv else "uptake "
    return (
        f"Lesion {first.label} ({unit}peak {first.suv_peak:.1f}){more}: no uptake above "
        f"{findings.references['liver'].peak_limit:.1f}, the upper limit of normal liver {_CONFIRM}."
    )


def _of_candidates(candidates: list[CtFocus], limit: float | None, findings: Findings) -> str:
    first, mean = candidates[0], findings.references["liver"].suv_mean
    size = "" if first.longest_diameter_mm is None else f", {first.longest_diameter_mm:.0f} mm"
    dark = ""
    if first.below_liver_hu is not None:
        side = "below" if first.below_liver_hu >= 0 else "above"
        dark = f", {abs(first.below_liver_hu):.0f} HU {side} liver"
    uptake = ""
    if first.ratio_to_liver is not None:
        normal = "" if limit is None or not mean else f" (normal up to {limit / mean:.1f} ×)"
        uptake = f", uptake {first.ratio_to_liver:.1f} × liver{normal}"
    more = "" if len(candidates) == 1 else f", and {len(candidates) - 1} more"
    doubt = f" It may be benign: {first.may_be[0]}." if first.may_be else ""
    what = f"CT candidate {first.label}{size}{dark}{uptake}{more}"
    return f"{what}: focal on CT without uptake above liver {_CONFIRM}.{doubt}"


def _numbers(focus: CtFocus) -> dict[str, Evidence]:
    return {
        "candidate_label": focus.label,
        "diameter_mm": focus.longest_diameter_mm,
        "below_liver_hu": focus.below_liver_hu,
        "ratio_to_liver": focus.ratio_to_liver,
        "suspicion": focus.suspicion,
    }
