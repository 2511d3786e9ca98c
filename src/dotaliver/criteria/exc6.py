"""Exclusion 6: receptor-negative lesions (SSTR-RADS 3D: suspicious on CT, no uptake above liver).

Images alone never exclude a patient here: a focal lesion on CT without uptake above liver may be a haemangioma, and
only a reader calls it. So a candidate gives `indeterminate`; `met` needs a reader's mark; none found gives `not_met`
for the liver, provided that the CT could have shown one.
"""

from __future__ import annotations

from dotaliver.criteria.findings import Findings, Proposal, answer_for_body
from dotaliver.records.edits import RestOfBody
from dotaliver.records.masks import CtSearch
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

_ALL_SEEN = 0.99


def judge(findings: Findings) -> Proposal:
    """Answer Exclusion 6."""
    marked = _marked(findings)
    if marked is not None:
        return marked
    rest = findings.rest_of_body
    finding, reason, evidence = _liver_finding(findings)
    if rest is not None and rest.receptor_negative:
        text = f"The reader states a receptor-negative lesion outside the liver. {reason}"
        return Proposal("met", finding, text, evidence)
    elsewhere = _elsewhere(rest)
    verdict = answer_for_body(finding, elsewhere)
    if finding == "not_met":
        stated = (
            "The reader states none elsewhere." if elsewhere is False else "Nothing is stated on the rest of the body."
        )
        reason = f"{reason} {stated}"
    return Proposal(verdict, finding, reason, evidence)


def _marked(findings: Findings) -> Proposal | None:
    """What follows from the lesions that a reader marked as receptor-negative."""
    lesions = [x for x in findings.lesions if "receptor_negative" in x.marks and x.tumour]
    accepted = [x for x in findings.ct_foci if x.accepted]
    marked: list[Lesion | CtFocus] = [*lesions, *accepted]
    if not marked:
        return None
    in_liver = any(x.in_liver for x in marked)
    finding: VerdictWord = "met" if in_liver else "not_evaluable"
    first = marked[0]
    kind = "CT candidate" if isinstance(first, CtFocus) else "lesion"
    evidence: dict[str, Evidence] = {"lesion_label": first.label, "marked_lesions": len(marked)}
    flags = () if isinstance(first, CtFocus) else first.flags
    return Proposal("met", finding, f"The reader marked {kind} {first.label} as receptor-negative.", evidence, flags)


def _elsewhere(rest: RestOfBody | None) -> bool | None:
    if rest is None:
        return None
    if rest.receptor_negative is not None:
        return rest.receptor_negative
    return None if rest.lesions else False


def _liver_finding(findings: Findings) -> tuple[VerdictWord, str, dict[str, Evidence]]:
    """What the liver alone shows, why, and the numbers behind it."""
    search = findings.ct_search
    missing = _missing(findings)
    if missing is not None or search is None:
        return "not_evaluable", missing or "The CT was not searched.", {}
    evidence: dict[str, Evidence] = {
        "visible_contrast_hu": search.visible_contrast_hu,
        "at_diameter_mm": search.diameter_mm,
        "noise_hu": search.noise_hu,
        "liver_hu": search.liver_hu,
        "ct_foci": len(findings.ct_foci),
    }
    candidates = sorted((x for x in findings.ct_foci if x.candidate), key=lambda x: -x.volume_ml)
    drawn = _drawn_on_ct(findings)
    evidence["candidates"] = len(candidates) + len(drawn)
    if candidates:
        return "indeterminate", _of_candidates(candidates), evidence | _numbers(candidates[0])
    if drawn:
        text = (
            f"Lesion {drawn[0].label}, drawn on CT, has no uptake above liver (SSTR-RADS 3D): a reader has to call it."
        )
        return "indeterminate", text, evidence | {"lesion_label": drawn[0].label}
    finding, reason = _where_none_was_found(findings, search)
    return finding, reason, evidence


def _missing(findings: Findings) -> str | None:
    """What keeps the liver from being searched for lesions without uptake."""
    search = findings.ct_search
    if findings.ct is None:
        return "There is no CT, and the PET does not show lesions without uptake."
    if not findings.liver_found:
        return "The liver was not found, so it was not searched for lesions without uptake."
    if search is None or search.visible_contrast_hu is None:
        why = "it was not searched" if search is None or search.reason is None else search.reason
        return f"The CT does not tell of lesions without uptake: {why}."
    if findings.references["liver"].suv_mean is None:
        return "There is no normal-liver reference to hold lesions on CT against."
    return None


def _where_none_was_found(findings: Findings, search: CtSearch) -> tuple[VerdictWord, str]:
    """What it is worth that no lesion without uptake was found."""
    limit, contrast = findings.config.ct_foci.largest_contrast_hu, search.visible_contrast_hu or 0.0
    seen = f"a lesion of {search.diameter_mm:g} mm shows on this CT from {contrast:.0f} HU below liver"
    if contrast > limit:
        noise = f"noise {search.noise_hu:.0f} HU" if search.noise_hu is not None else "noise unknown"
        return "not_evaluable", f"{seen[0].upper()}{seen[1:]} only ({noise}); {limit:g} HU are needed to exclude one."
    if findings.liver_cut or findings.liver_seen < _ALL_SEEN:
        return "indeterminate", "None was found, but part of the liver lies outside the field of view."
    return "not_met", f"No focal lesion without uptake was found on CT in the liver; {seen}."


def _drawn_on_ct(findings: Findings) -> list[Lesion]:
    """Lesions that somebody outlined on CT and that have no uptake above liver."""
    limit = findings.references["liver"].peak_limit
    if findings.lesions_drawn_on != "ct" or limit is None:
        return []
    judged = {"cystic", "not_a_lesion"}
    measured = [x for x in findings.liver_lesions if x.suv_peak is not None and not judged & set(x.marks)]
    return [x for x in measured if x.suv_peak is not None and x.suv_peak <= limit]


def _of_candidates(candidates: list[CtFocus]) -> str:
    first = candidates[0]
    size = "" if first.longest_diameter_mm is None else f" of {first.longest_diameter_mm:.0f} mm"
    dark = "" if first.below_liver_hu is None else f", {first.below_liver_hu:.0f} HU below the liver"
    uptake = "" if first.ratio_to_liver is None else f", uptake {first.ratio_to_liver:.1f} × liver"
    more = "" if len(candidates) == 1 else f" and {len(candidates) - 1} more"
    return (
        f"CT candidate {first.label}{size}{dark}{uptake}{more}: a focal lesion without uptake above liver "
        "(SSTR-RADS 3D), for a reader to call."
    )


def _numbers(focus: CtFocus) -> dict[str, Evidence]:
    return {
        "candidate_label": focus.label,
        "diameter_mm": focus.longest_diameter_mm,
        "below_liver_hu": focus.below_liver_hu,
        "ratio_to_liver": focus.ratio_to_liver,
    }
