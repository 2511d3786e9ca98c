"""Inclusion 4: measurable disease by RECIST 1.1 (Eisenhauer 2009).

A lesion is measurable with a longest in-plane diameter of at least 10 mm on CT, a node with a short axis of at
least 15 mm; either must also reach twice the larger of slice thickness and slice spacing where that exceeds
5 mm. Lesions that were treated (unless they progressed since), simple cysts and purely blastic bone are not
measurable. An extent on PET is no RECIST diameter.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.config.scoring import ScoringConfig
from dotaliver.criteria.findings import Findings, Proposal, answer_for_body
from dotaliver.records.edits import RestOfBody
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.measurements import Lesion
from dotaliver.records.study import SeriesIdentity
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge", "threshold_mm", "with_threshold_flags"]


@dataclass(frozen=True)
class _Measured:
    lesion: Lesion
    size_mm: float
    threshold_mm: float

    @property
    def measurable(self) -> bool:
        return self.size_mm >= self.threshold_mm


def threshold_mm(lesion: Lesion, ct: SeriesIdentity | None, config: ScoringConfig) -> float:
    """What a lesion's decisive diameter must reach, in mm."""
    protocol = config.protocol
    node = "node" in lesion.marks
    threshold = protocol.measurable_node_short_axis_mm if node else protocol.measurable_longest_diameter_mm
    slice_mm = 0.0 if ct is None else max(ct.slice_thickness_mm or 0.0, ct.spacing_mm[0])
    # A spacing of 5 mm is written as 5.0000001 by some scanners.
    if slice_mm > protocol.thick_slice_mm + 1e-3:
        threshold = max(threshold, protocol.thick_slice_multiple * slice_mm)
    return threshold


def _eligible(lesion: Lesion) -> bool:
    marks = set(lesion.marks)
    treated = "treated" in marks and "progressed_since_treatment" not in marks
    return not treated and not marks & {"simple_cyst", "cystic", "blastic_bone"}


def _size_mm(lesion: Lesion) -> float | None:
    """The decisive diameter; None where only the PET surely shows an extent, or a node's short axis is not known.

    What a program found on CT around uptake that merges with another organ's may be that organ.
    """
    if lesion.diameter_source not in {"ct", "reader"}:
        return None
    found_by_uptake = lesion.diameter_source == "ct" and lesion.pet_extent_mm is not None
    if found_by_uptake and any(flag.code == "LESION_MERGES_WITH_NEIGHBOUR" for flag in lesion.flags):
        return None
    return lesion.short_axis_mm if "node" in lesion.marks else lesion.longest_diameter_mm


def with_threshold_flags(
    lesions: tuple[Lesion, ...], ct: SeriesIdentity | None, config: ScoringConfig
) -> tuple[Lesion, ...]:
    """The same lesions, flagged where two readers' diameters might fall on both sides of the threshold."""
    flagged = []
    for lesion in lesions:
        size, threshold = _size_mm(lesion), threshold_mm(lesion, ct, config)
        near = size is not None and abs(size - threshold) <= config.inc4.reader_variation * threshold
        flag = (raise_flag("DIAMETER_NEAR_THRESHOLD", mm=threshold),) if near else ()
        flagged.append(lesion.model_copy(update={"flags": lesion.flags + flag}))
    return tuple(flagged)


def judge(findings: Findings) -> Proposal:
    """Answer Inclusion 4."""
    eligible = [lesion for lesion in findings.judged_lesions if _eligible(lesion)]
    sizes = ((lesion, _size_mm(lesion)) for lesion in eligible)
    measured = [
        _Measured(lesion, size, threshold_mm(lesion, findings.ct, findings.config))
        for lesion, size in sizes
        if size is not None
    ]
    unmeasured = [lesion for lesion in eligible if _size_mm(lesion) is None]
    best = max(measured, key=lambda m: (m.measurable, m.size_mm - m.threshold_mm), default=None)
    evidence = _evidence(eligible, unmeasured, best)
    finding, why = _liver_finding(findings, measured, unmeasured)
    if best is not None and best.measurable:
        return Proposal("met", finding, _measurable_sentence(best), evidence, best.lesion.flags)
    elsewhere = _elsewhere(findings.rest_of_body)
    outside_unknown = any(not lesion.in_liver for lesion in unmeasured)
    verdict = answer_for_body(finding, None if outside_unknown and not elsewhere else elsewhere)
    flags: tuple[Flag, ...] = () if best is None else best.lesion.flags
    return Proposal(verdict, finding, _reason(why, finding, verdict), evidence, flags)


def _elsewhere(rest: RestOfBody | None) -> bool | None:
    if rest is None:
        return None
    if rest.measurable is not None:
        return rest.measurable
    return None if rest.lesions else False


def _liver_finding(findings: Findings, measured: list[_Measured], unmeasured: list[Lesion]) -> tuple[VerdictWord, str]:
    in_liver = [m for m in measured if m.lesion.in_liver]
    pet_only = [lesion for lesion in unmeasured if lesion.in_liver]
    hit = next((m for m in in_liver if m.measurable), None)
    if hit is not None:
        return "met", _measurable_sentence(hit)
    if pet_only:
        extents = [x.pet_extent_mm for x in pet_only if x.pet_extent_mm is not None]
        text = f"Only the PET shows the extent of {len(pet_only)} liver lesion(s)"
        largest = f" (up to {max(extents):.0f} mm)" if extents else ""
        return "indeterminate", f"{text}{largest}; a RECIST diameter must be taken on CT or by a reader."
    if (open_question := _open_question(findings)) is not None:
        return "indeterminate", open_question
    if findings.ct is None and not in_liver:
        return "indeterminate", "No lesion is outlined in the liver, but there is no CT to deny measurable disease."
    if in_liver:
        longest = max(in_liver, key=lambda m: m.size_mm)
        text = (
            f"No liver lesion reaches its threshold (largest: lesion {longest.lesion.label}, {longest.size_mm:.1f} mm"
        )
        return "not_met", f"{text} of {longest.threshold_mm:g} mm)."
    return "not_met", "No lesion that could be measured is outlined in the liver."


def _open_question(findings: Findings) -> str | None:
    """Why the outlines themselves do not allow to deny measurable disease of the liver."""
    if not findings.liver_found or not findings.lesions_looked_for:
        return "Without liver and lesion outlines no diameter could be taken on CT."
    if findings.unplaced_lesions:
        label = findings.unplaced_lesions[0].label
        return f"Lesion {label} lies outside the PET, so whether it is one of the liver is not known."
    if findings.lesions_drawn_on == "pet" and findings.ct_search is not None:
        return "Lesions were measured around their uptake; what the CT shows without uptake is for a reader to call."
    if findings.lesions_drawn_on == "pet" and findings.ct is not None:
        return "Lesions were outlined on the PET alone; the CT was not searched for lesions without uptake."
    return None


def _measurable_sentence(found: _Measured) -> str:
    node = "node" in found.lesion.marks
    axis = "a short axis" if node else "a longest diameter"
    source = "drawn by the reader" if found.lesion.diameter_source == "reader" else "on CT"
    size = f"{axis} of {found.size_mm:.1f} mm {source}"
    return f"Lesion {found.lesion.label} has {size} (threshold {found.threshold_mm:g} mm)."


def _reason(why: str, finding: VerdictWord, verdict: VerdictWord) -> str:
    if verdict == "met":
        return f"The reader states measurable disease outside the liver. {why}"
    if verdict == "not_met":
        return f"{why} The reader states none elsewhere."
    if finding == "not_met":
        return f"{why} Measurable disease elsewhere is not ruled out."
    return why


def _evidence(eligible: list[Lesion], unmeasured: list[Lesion], best: _Measured | None) -> dict[str, Evidence]:
    extents = [x.pet_extent_mm for x in unmeasured if x.pet_extent_mm is not None]
    return {
        "lesions": len(eligible),
        "lesions_with_pet_extent_only": len(unmeasured),
        "largest_pet_extent_mm": max(extents, default=None),
        "lesion_label": None if best is None else best.lesion.label,
        "size_mm": None if best is None else best.size_mm,
        "threshold_mm": None if best is None else best.threshold_mm,
        "diameter_source": None if best is None else best.lesion.diameter_source,
    }
