"""Inclusion 7: at least one metastasis with uptake above normal liver.

Like is compared with like: a lesion's SUVpeak (a 1 ml mean) with U, the upper limit of normal liver for 1 ml means.
The literal readings (maximum, mean and peak against the liver's mean and maximum) are given as evidence.
"""

from __future__ import annotations

import math

from dotaliver.criteria.findings import (
    Findings,
    Proposal,
    answer_for_body,
    label_of,
    place_in_words,
    stated_elsewhere,
)
from dotaliver.measurement.lesions import largest_extent_mm
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.records.verdicts import Evidence, VerdictWord

__all__ = ["judge"]

# Rounding at a liver's border that touches the PET's.
_ALL_SEEN = 0.99


def judge(findings: Findings) -> Proposal:
    """Answer Inclusion 7."""
    liver = findings.references["liver"]
    beyond = _elsewhere(findings, liver)
    best = _best(findings.judged_lesions)
    if liver.suv_mean is None or liver.peak_limit is None or not findings.liver_found:
        why = _missing(findings, liver)
        if beyond:
            return Proposal("met", "not_evaluable", f"{_beyond(findings)} {why}")
        return Proposal("not_evaluable", "not_evaluable", why)
    evidence = _evidence(findings, best, liver)
    finding, why = _liver_finding(findings, liver)
    mean, limit = _highest_normal(findings, liver)
    clear = _clear(findings, findings.judged_lesions, limit)
    if clear is not None and findings.implausible_normal is None:
        where = "" if clear.in_liver else " outside the liver"
        as_most = ", as most of the liver takes up" if mean > liver.suv_mean else ""
        reason = (
            f"Lesion {clear.name}{where} has {_unit(findings)}peak {_peak(clear):.1f}, above {limit:.1f}, "
            f"the upper limit of normal liver (mean {mean:.1f}{as_most})."
        )
        return Proposal("met", finding, reason, evidence, clear.flags)
    verdict = answer_for_body(finding, beyond)
    flags = () if best is None else best.flags
    return Proposal(verdict, finding, _reason(findings, why, finding, verdict), evidence, flags)


def _highest_normal(findings: Findings, liver: Reference) -> tuple[float, float]:
    """Mean and upper limit of normal liver; of a hotter part of the liver where that may be normal."""
    mean, limit = liver.suv_mean or 0.0, liver.peak_limit or 0.0
    if findings.higher_normal is None or findings.higher_normal <= mean:
        return mean, limit
    return findings.higher_normal, limit * findings.higher_normal / mean if mean else limit


def _elsewhere(findings: Findings, liver: Reference) -> bool | None:
    """Whether there is uptake above liver outside the liver; None where that is open.

    A whole body that was read is free of it where every lesion there lies below normal liver and is large enough for
    the PET to show so; lesions above the limit are found among all lesions.
    """
    rest = findings.rest_of_body
    stated = stated_elsewhere(rest, None if rest is None else rest.uptake_above_liver)
    if stated is not None or not findings.body_read or liver.suv_mean is None:
        return stated
    small, mean = findings.config.inc7.small_lesion_mm, liver.suv_mean
    clear = all(0 <= _peak(x) <= mean and largest_extent_mm(x) >= small for x in findings.outside_lesions)
    return False if clear else None


def _missing(findings: Findings, liver: Reference) -> str:
    if not findings.liver_found:
        return "The liver was not found, so lesions cannot be compared with it."
    return f"There is no normal-liver reference ({liver.reason or 'none was found'}); a reader can place it."


def _beyond(findings: Findings) -> str:
    return f"{findings.the_reader} states uptake above liver outside the liver."


def _peak(lesion: Lesion) -> float:
    return -1.0 if lesion.suv_peak is None else lesion.suv_peak


def _best(lesions: tuple[Lesion, ...]) -> Lesion | None:
    measured = [lesion for lesion in lesions if lesion.suv_peak is not None]
    return max(measured, key=_peak, default=None)


def _clear(findings: Findings, lesions: tuple[Lesion, ...], limit: float) -> Lesion | None:
    """The hottest lesion above the limit that is neither noise nor spill-in from an adjacent organ."""
    sure = findings.undisputed_lesions
    above = tuple(x for x in lesions if x in sure and _peak(x) > limit and not _may_be_spill_in(findings, x, limit))
    return _best(above)


def _may_be_spill_in(findings: Findings, lesion: Lesion, limit: float) -> bool:
    """Whether a lesion is small and faint: noise, or at the liver's border spill-in from a kidney or an adrenal.

    Or a part of such an organ that the outline of the liver includes.
    """
    config = findings.config.inc7
    codes = {flag.code for flag in lesion.flags}
    at_border = "LESION_AT_LIVER_BORDER" in codes
    if at_border and _may_be_of_a_neighbour(findings, lesion):
        # However high its peak, it may be that organ's.
        return True
    factor = config.blur_limit_ratio if at_border else config.small_limit_ratio * _longer_tail(findings, limit)
    return _peak(lesion) < factor * limit and lesion.volume_ml < config.blur_volume_ml


def _may_be_of_a_neighbour(findings: Findings, lesion: Lesion) -> bool:
    """Whether a hotter organ abuts a lesion that is not larger than a part of it that the outline may include."""
    abuts = any(flag.code == "LESION_MERGES_WITH_NEIGHBOUR" for flag in lesion.flags)
    return abuts and lesion.volume_ml < findings.config.inc7.neighbour_volume_ml


def _longer_tail(findings: Findings, limit: float) -> float:
    """The limit if noise is log-normal, as that of iterative reconstruction is (Barrett 1994), over the limit as it is.

    The more noise, the further the highest of many means lies above a normal distribution's.
    """
    mean = findings.references["liver"].suv_mean
    above = 0.0 if not mean else max(limit / mean - 1.0, 0.0)
    return math.exp(above) / (1.0 + above)


def _unit(findings: Findings) -> str:
    return "SUV" if findings.absolute_suv else "uptake "


def _liver_finding(findings: Findings, liver: Reference) -> tuple[VerdictWord, str]:
    """What the liver alone shows, and why, in one sentence."""
    mean, limit = liver.suv_mean or 0.0, liver.peak_limit or 0.0
    if findings.implausible_normal is not None:
        return "indeterminate", findings.implausible_normal
    _, certain_limit = _highest_normal(findings, liver)
    clear, best = _clear(findings, findings.liver_lesions, certain_limit), _best(findings.liver_lesions)
    if clear is not None:
        return "met", f"Lesion {clear.label} of the liver exceeds {certain_limit:.1f}."
    if best is not None and _peak(best) > limit:
        return "indeterminate", _doubt_about_best(findings, best, limit, certain_limit)
    doubt = _doubt_about_lesions(findings, mean, limit) or _doubt_about_places(findings, liver, limit)
    doubt = doubt or _doubt_about_faint_lesions(findings, mean)
    if doubt is not None:
        return "indeterminate", doubt
    return "not_met", f"No 1 ml of the liver exceeds {limit:.1f}, the upper limit of normal liver (mean {mean:.1f})."


def _doubt_about_best(findings: Findings, best: Lesion, limit: float, certain_limit: float) -> str:
    """Why a lesion above the upper limit of normal liver does not settle it."""
    named = f"Lesion {best.label} ({_unit(findings)}peak {_peak(best):.1f}, above {limit:.1f})"
    if best not in findings.undisputed_lesions:
        return f"{named} lies where the liver outline is disputed."
    if _peak(best) <= certain_limit:
        return f"{named} takes up no more than most of the liver, which may be normal itself."
    if _may_be_of_a_neighbour(findings, best):
        return f"{named} abuts a hotter organ, of which it may be a part or the spill-in."
    return f"{named} has {best.volume_ml:.1f} ml only: it may be noise or spill-in from an adjacent organ."


def _doubt_about_lesions(findings: Findings, mean: float, limit: float) -> str | None:
    """Why the known lesions do not exclude uptake above liver."""
    small = findings.config.inc7.small_lesion_mm
    lesions = findings.liver_lesions
    if not findings.lesions_looked_for:
        return "Lesions were not looked for."
    if findings.incomplete_mask is not None:
        return findings.incomplete_mask
    for lesion in (*lesions, *findings.unplaced_lesions):
        if lesion.suv_peak is None:
            return f"The uptake of lesion {lesion.label} could not be read from the PET."
    best = _best(lesions)
    if best is not None and _peak(best) > mean:
        peak = f"{_unit(findings)}peak {_peak(best):.1f}"
        text = f"The hottest lesion ({best.label}) has {peak}, between the mean of normal liver ({mean:.1f})"
        return f"{text} and its upper limit ({limit:.1f})."
    tiny = [x for x in lesions if largest_extent_mm(x) < small]
    return f"Lesion {tiny[0].label} is under {small:g} mm, too small for PET to exclude uptake." if tiny else None


def _doubt_about_places(findings: Findings, liver: Reference, limit: float) -> str | None:
    """Why the liver outside known lesions does not exclude uptake above liver."""
    hottest = findings.hottest
    if findings.liver_seen < _ALL_SEEN:
        return f"{100 * (1 - findings.liver_seen):.0f} % of the liver lies outside the PET."
    if findings.left_out is not None or hottest is None:
        return findings.left_out or "No part of the liver could be searched for uptake above normal."
    if hottest.mean > limit:
        unoutlined = findings.unoutlined_uptake
        text = f"Uptake over 1 ml reaches {hottest.mean:.1f}, above {limit:.1f}"
        return unoutlined or f"{text}, {place_in_words(hottest.centre_lps_mm)}."
    if findings.normal_unsure:
        return "Part of the liver takes up clearly less than the assumed normal liver, which may itself be tumour."
    if liver.method == "low_mode":
        return "Normal liver is known only from the lower histogram peak, which cannot exclude uptake above it."
    return None


def _doubt_about_faint_lesions(findings: Findings, mean: float) -> str | None:
    """Why the liver may hold a lesion too faint to outline."""
    if findings.faint is None:
        return None
    place = f"A place of {findings.faint.volume_ml:.0f} ml {place_in_words(findings.faint.centre_lps_mm)}"
    times = f"takes up {findings.faint.mean / mean:.2f} times as much as normal liver"
    return f"{place} {times}: too faint to outline, but a lesion cannot be excluded."


def _reason(findings: Findings, why: str, finding: VerdictWord, verdict: VerdictWord) -> str:
    if verdict == "met":
        return f"{_beyond(findings)} {why}"
    if verdict == "not_met":
        return f"{why} {_none_elsewhere(findings)}"
    if finding == "not_met":
        return f"{why} {_elsewhere_unknown(findings)}"
    return why


def _none_elsewhere(findings: Findings) -> str:
    rest = findings.rest_of_body
    if findings.body_read and stated_elsewhere(rest, None if rest is None else rest.uptake_above_liver) is None:
        return f"{findings.the_reader} has read the whole body, and no lesion there exceeds normal liver."
    return f"{findings.the_reader} states no such uptake elsewhere."


def _elsewhere_unknown(findings: Findings) -> str:
    return findings.assessed_elsewhere("their uptake" if not findings.body_read else "uptake above liver")


def _evidence(findings: Findings, best: Lesion | None, liver: Reference) -> dict[str, Evidence]:
    hottest = findings.hottest
    evidence: dict[str, Evidence] = {
        "lesions": len(findings.judged_lesions),
        "liver_method": liver.method,
        "lesion_label": None if best is None else label_of(best),
        "ratio_to_liver": None if best is None else best.ratio_to_liver,
        "krenning": None if best is None else best.krenning,
        "limit_over_liver_mean": _over(liver.peak_limit, liver.suv_mean),
        "hottest_place_over_liver_mean": None if hottest is None else _over(hottest.mean, liver.suv_mean),
        "searched_spheres": None if hottest is None else hottest.searched_spheres,
    }
    if findings.absolute_suv:
        evidence |= {
            "suv_peak": None if best is None else best.suv_peak,
            "limit_suv": liver.peak_limit,
            "liver_suv_mean": liver.suv_mean,
            "liver_suv_max": liver.suv_max,
            "liver_peak_sd_suv": liver.peak_sd,
            "hottest_place_suv": None if hottest is None else hottest.mean,
        }
    return evidence | _literal_readings(findings.judged_lesions, liver)


def _over(value: float | None, mean: float | None) -> float | None:
    return None if value is None or not mean else value / mean


def _literal_readings(lesions: tuple[Lesion, ...], liver: Reference) -> dict[str, Evidence]:
    """Whether any lesion's maximum, peak or mean exceeds the liver's mean or maximum, as the words might be read."""
    readings: dict[str, Evidence] = {}
    values = {
        "max": [x.suv_max for x in lesions if x.suv_max is not None],
        "peak": [x.suv_peak for x in lesions if x.suv_peak is not None],
        "mean": [x.suv_mean for x in lesions if x.suv_mean is not None],
    }
    for name, found in values.items():
        for level, limit in (("mean", liver.suv_mean), ("max", liver.suv_max)):
            above = None if not found or limit is None else max(found) > limit
            readings[f"literal_{name}_above_liver_{level}"] = above
    return readings
