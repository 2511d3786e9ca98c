"""Inclusion 4: measurable disease by RECIST 1.1 (Eisenhauer 2009), see `dotaliver.measurement.measurability`.

Lesions that were treated (unless they progressed since), simple cysts and purely blastic bone are not measurable. An
extent on PET is not a RECIST diameter. A diameter with an interval counts only where the whole interval lies on one
side of the threshold. Where no diameter decides, uniform uptake may prove a lesion to be large
(`dotaliver.measurement.least_size`): that bound answers this question and no other. A lesion as dense on CT as
embolised ones makes no disease measurable until a reader says that it progressed since treatment, or names it a target.
"""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.criteria.findings import Findings, Proposal, answer_for_body, label_of, stated_elsewhere
from dotaliver.measurement.measurability import decisive_mm, threshold_mm
from dotaliver.records.flags import Flag
from dotaliver.records.measurements import Lesion
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]


_DENSE = "LESION_DENSE_ON_CT"


@dataclass(frozen=True)
class _Measured:
    lesion: Lesion
    size_mm: float
    threshold_mm: float

    @property
    def interval_mm(self) -> tuple[float, float]:
        """Where the size lies with 95 % confidence; the size itself where nobody estimated it.

        A program's short axis is as sure as its longest diameter.
        """
        diameter = self.lesion.diameter
        if diameter is None or diameter.interval_mm is None:
            return self.size_mm, self.size_mm
        low, high = diameter.interval_mm
        return self.size_mm - (diameter.longest_mm - low), self.size_mm + (high - diameter.longest_mm)

    @property
    def measurable(self) -> bool:
        return self.interval_mm[0] >= self.threshold_mm

    @property
    def unsure(self) -> bool:
        """Whether the size may lie on either side of the threshold."""
        low, high = self.interval_mm
        return low < self.threshold_mm <= high


def _eligible(lesion: Lesion) -> bool:
    marks = set(lesion.marks)
    treated = "treated" in marks and "progressed_since_treatment" not in marks
    # A mark of version 1 that may mean a simple cyst cannot make disease measurable.
    return not treated and not marks & {"simple_cyst", "cystic", "blastic_bone"}


def _perhaps_treated(lesion: Lesion) -> bool:
    """Whether the CT shows what embolisation leaves in a lesion, and no reader says more."""
    dense = any(flag.code == _DENSE for flag in lesion.flags)
    return dense and not set(lesion.marks) & {"progressed_since_treatment", "target"}


def _sure(findings: Findings) -> tuple[Lesion, ...]:
    """Lesions that can make disease measurable."""
    return tuple(lesion for lesion in findings.undisputed_lesions if not _perhaps_treated(lesion))


def judge(findings: Findings) -> Proposal:
    """Answer Inclusion 4."""
    eligible = [lesion for lesion in findings.judged_lesions if _eligible(lesion)]
    sizes = ((lesion, decisive_mm(lesion)) for lesion in eligible)
    measured = [
        _Measured(lesion, size, threshold_mm(lesion, findings.ct, findings.config))
        for lesion, size in sizes
        if size is not None
    ]
    unmeasured = [lesion for lesion in eligible if decisive_mm(lesion) is None]
    sure = _sure(findings)
    best = max(measured, key=lambda m: (m.lesion in sure, m.measurable, m.size_mm - m.threshold_mm), default=None)
    large = _large_by_uptake(findings)
    evidence = _evidence(eligible, unmeasured, best) | {"least_size_mm": None if large is None else large.least_size_mm}
    finding, why = _liver_finding(findings, measured, unmeasured)
    if best is not None and best.measurable and best.lesion in sure:
        return Proposal("met", finding, _measurable_sentence(findings, best), evidence, best.lesion.flags)
    if large is not None:
        return Proposal("met", "met", _large_sentence(findings, large), evidence, large.flags)
    elsewhere = _elsewhere(findings, measured)
    outside_unknown = any(not lesion.in_liver for lesion in unmeasured)
    verdict = answer_for_body(finding, None if outside_unknown and not elsewhere else elsewhere)
    flags: tuple[Flag, ...] = () if best is None else best.lesion.flags
    return Proposal(verdict, finding, _reason(findings, why, finding, verdict), evidence, flags)


def _large_by_uptake(findings: Findings) -> Lesion | None:
    """The liver lesion of most volume that its uptake proves to be measurable; None without one, or without a CT."""
    if findings.ct is None:
        return None
    proven = [
        lesion
        for lesion in _sure(findings)
        if lesion.in_liver
        and _eligible(lesion)
        and decisive_mm(lesion) is None
        and "node" not in lesion.marks
        and not any(flag.code == "LESION_MERGES_WITH_NEIGHBOUR" for flag in lesion.flags)
        and (lesion.least_size_mm or 0.0) >= threshold_mm(lesion, findings.ct, findings.config)
    ]
    return max(proven, key=lambda lesion: lesion.volume_ml, default=None)


def _large_sentence(findings: Findings, lesion: Lesion) -> str:
    threshold = threshold_mm(lesion, findings.ct, findings.config)
    on = "MR" if _on_mr(findings) else "CT"
    pet_ct = "the PET's CT" if _on_mr(findings) else "CT"
    return (
        f"Lesion {lesion.name} is at least {lesion.least_size_mm:.0f} mm across: uniform uptake of at least "
        f"{findings.config.inc4.uniform_ratio:g} times normal liver fills a sphere of that diameter (threshold "
        f"{threshold:g} mm), and its density on {pet_ct} differs from normal liver's. This is not a RECIST diameter, "
        f"since its border was not measured on {on}."
    )


def _on_mr(findings: Findings) -> bool:
    return findings.ct is not None and findings.ct.modality == "MR"


def _elsewhere(findings: Findings, measured: list[_Measured]) -> bool | None:
    """Whether there is measurable disease outside the liver; None where that is open.

    A whole body that was read has none where every lesion there was measured below its threshold and the reader states
    that there are none without uptake, which a PET does not show.
    """
    rest = findings.rest_of_body
    stated = stated_elsewhere(rest, None if rest is None else rest.measurable)
    if stated is not None or not findings.body_read:
        return stated
    no_others = rest is not None and rest.receptor_negative is False
    small = not any(m.unsure or m.measurable for m in measured if not m.lesion.in_liver)
    return False if no_others and small else None


def _liver_finding(findings: Findings, measured: list[_Measured], unmeasured: list[Lesion]) -> tuple[VerdictWord, str]:
    in_liver = [m for m in measured if m.lesion.in_liver]
    pet_only = [lesion for lesion in unmeasured if lesion.in_liver]
    if (by_size := _finding_by_size(findings, in_liver)) is not None:
        return by_size
    if pet_only:
        extents = [x.pet_extent_mm for x in pet_only if x.pet_extent_mm is not None]
        lesions = "1 liver lesion has" if len(pet_only) == 1 else f"{len(pet_only)} liver lesions have"
        largest = f" (up to {max(extents):.0f} mm)" if extents else ""
        text = f"{lesions} an extent on PET only{largest}, which is not a RECIST diameter"
        mend = "let a reader draw it on MR" if _on_mr(findings) else "measure on CT or let a reader draw it"
        return "indeterminate", f"{text}; {mend}."
    if (open_question := _open_question(findings)) is not None:
        return "indeterminate", open_question
    if findings.ct is None and not in_liver:
        return "indeterminate", "No lesion is outlined in the liver, and there is no CT to exclude measurable disease."
    if in_liver:
        longest = max(in_liver, key=lambda m: m.size_mm)
        text = (
            f"No liver lesion reaches the threshold of {longest.threshold_mm:g} mm (largest: lesion "
            f"{longest.lesion.label}, {longest.size_mm:.1f} mm)."
        )
        return "not_met", text
    return "not_met", "No measurable lesion is outlined in the liver."


def _finding_by_size(findings: Findings, in_liver: list[_Measured]) -> tuple[VerdictWord, str] | None:
    """What a diameter that reaches the threshold, or may reach it, says; None where all lie below."""
    sure = _sure(findings)
    hit = next((m for m in in_liver if m.measurable and m.lesion in sure), None)
    if hit is not None:
        return "met", _measurable_sentence(findings, hit)
    doubtful = next((m for m in in_liver if m.measurable), None)
    if doubtful is not None:
        why = "lies where the liver outline is disputed"
        if _perhaps_treated(doubtful.lesion):
            why = "is as dense as a treated lesion; mark it as treated, or as progressed since treatment"
        return "indeterminate", f"{_measurable_sentence(findings, doubtful)[:-1]}, but {why}."
    unsure = max((m for m in in_liver if m.unsure), key=lambda m: m.size_mm, default=None)
    return None if unsure is None else ("indeterminate", _unsure_sentence(findings, unsure))


def _open_question(findings: Findings) -> str | None:
    """Why the outlines themselves do not exclude measurable disease of the liver."""
    if not findings.liver_found or not findings.lesions_looked_for:
        return "Without liver and lesion outlines no diameter could be measured on CT."
    if findings.incomplete_mask is not None or findings.left_out is not None:
        return findings.incomplete_mask or findings.left_out
    if findings.unplaced_lesions:
        label = findings.unplaced_lesions[0].label
        return f"Lesion {label} lies outside the PET, so whether it lies in the liver is unknown."
    if findings.lesions_drawn_on == "pet" and findings.ct_search is not None:
        return "Lesions were measured around their uptake; lesions on CT without uptake are for the reader to decide."
    if findings.lesions_drawn_on == "pet" and findings.ct is not None:
        return "Lesions were outlined on the PET alone; the CT was not searched for lesions without uptake."
    return None


def _measurable_sentence(findings: Findings, found: _Measured) -> str:
    node = "node" in found.lesion.marks
    axis = "a short axis" if node else "a longest diameter"
    source = _source_words(findings, found.lesion)
    size = f"{axis} of {found.size_mm:.1f} mm {source}"
    low, high = found.interval_mm
    interval = f", 95 % interval {low:.1f} to {high:.1f} mm" if high > low else ""
    return f"Lesion {found.lesion.name} has {size}{interval} (threshold {found.threshold_mm:g} mm)."


def _source_words(findings: Findings, lesion: Lesion) -> str:
    on = "MR" if lesion.diameter is not None and lesion.diameter.modality == "MR" else "CT"
    if lesion.diameter_source == "click":
        return f"on {on}, its border found from a click by {findings.reader_words}"
    if lesion.diameter_source != "reader":
        return f"on {on}"
    return f"drawn by {findings.reader_words}" + (" on MR" if on == "MR" else "")


def _unsure_sentence(findings: Findings, found: _Measured) -> str:
    has = _measurable_sentence(findings, found)
    return f"{has[:-1]}: it may lie on either side of the threshold; let a reader measure it."


def _reason(findings: Findings, why: str, finding: VerdictWord, verdict: VerdictWord) -> str:
    if verdict == "met":
        return f"{findings.the_reader} states measurable disease outside the liver. {why}"
    if verdict == "not_met":
        return f"{why} {_none_elsewhere(findings)}"
    if finding == "not_met":
        return f"{why} Measurable disease elsewhere has not been excluded.{_unmeasured(findings)}"
    return why


def _none_elsewhere(findings: Findings) -> str:
    rest = findings.rest_of_body
    if findings.body_read and stated_elsewhere(rest, None if rest is None else rest.measurable) is None:
        return f"{findings.the_reader} has read the whole body, and no lesion there is measurable."
    return f"{findings.the_reader} states none elsewhere."


def _unmeasured(findings: Findings) -> str:
    """Which confirmed lesion outside the liver was not measured on CT, as a further sentence."""
    open_ones = [
        x for x in findings.outside_lesions if _eligible(x) and decisive_mm(x) is None and x.name != str(x.label)
    ]
    if not open_ones:
        return ""
    axis = "short axis" if "node" in open_ones[0].marks else "longest diameter"
    return f" The {axis} of {open_ones[0].name} was not measured on CT; let a reader draw it."


def _evidence(eligible: list[Lesion], unmeasured: list[Lesion], best: _Measured | None) -> dict[str, Evidence]:
    extents = [x.pet_extent_mm for x in unmeasured if x.pet_extent_mm is not None]
    return {
        "lesions": len(eligible),
        "lesions_with_pet_extent_only": len(unmeasured),
        "largest_pet_extent_mm": max(extents, default=None),
        "lesion_label": None if best is None else label_of(best.lesion),
        "size_mm": None if best is None else best.size_mm,
        "threshold_mm": None if best is None else best.threshold_mm,
        "diameter_source": None if best is None else best.lesion.diameter_source,
    }
