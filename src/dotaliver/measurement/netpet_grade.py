"""The NETPET grade of lesions on two tracers, as a proposal.

Chan et al., Theranostics 2017;7:1149, grade a patient by the lesion with the most FDG uptake relative to its
somatostatin-receptor uptake (the target lesion), on scans within 31 days:

* P0: neither scan is positive; P1: receptor scan positive, FDG negative;
* P2, P3, P4: both positive, with less, equal or more avidity on FDG than on the receptor scan; suffix a for one or two
  lesions of that pattern, b for three or more;
* P5: FDG positive and receptor scan negative.

A lesion is positive where it exceeds background (modified Krenning 2 to 4; table 1 of Cancer Imaging 2022;22:25). The
authors grade by eye. Here avidity is SUVpeak over the normal liver of the same scan, and two avidities are equal within
the repeatability of a peak. P2 to P4 were one group in the validation on 319 patients (Chan et al., Br J Cancer 2023;
128:549).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dotaliver.config.netpet import NetpetConfig
from dotaliver.records.netpet import Avidity, NetpetGrade, NetpetLesion

__all__ = ["GradeProposal", "grade_of_lesion", "propose_grade"]

_GRADES: tuple[NetpetGrade, ...] = ("P0", "P1", "P2", "P3", "P4", "P5")


@dataclass(frozen=True)
class GradeProposal:
    """A grade with its range, the lesion that decides, and why."""

    grade: NetpetGrade | Literal["indeterminate"]
    suffix: Literal["a", "b"] | None
    lowest: NetpetGrade
    highest: NetpetGrade
    target: str | None
    reason: str


def grade_of_lesion(
    sstr: Avidity, fdg: Avidity, ratios: tuple[float | None, float | None], equal_ratio: float
) -> NetpetGrade | None:
    """The grade that one lesion alone would have; None where a scan is unknown.

    Parameters
    ----------
    sstr, fdg : str
        Whether it takes up each tracer.
    ratios : tuple of float or None
        SUVpeak over normal liver on the receptor scan and on FDG.
    equal_ratio : float
        Both are equal within this factor.
    """
    if "unknown" in {sstr, fdg}:
        return None
    if fdg == "negative":
        return "P1" if sstr == "positive" else "P0"
    if sstr == "negative":
        return "P5"
    if ratios[0] is None or ratios[1] is None:
        return None
    if ratios[1] > equal_ratio * ratios[0]:
        return "P4"
    return "P2" if ratios[0] > equal_ratio * ratios[1] else "P3"


def _range_of(lesion: NetpetLesion) -> tuple[int, int]:
    """The lowest and highest grade that a lesion may have, as numbers."""
    if lesion.grade is not None:
        rank = _GRADES.index(lesion.grade)
        ranks = (rank, rank)
    else:
        # Receptor-positive: P1 to P4; FDG-positive: P2 to P5; receptor-negative: P0 or P5.
        low = {"positive": 1, "negative": 0, "unknown": 0}[lesion.sstr]
        high = {"positive": 4, "negative": 5, "unknown": 5}[lesion.sstr]
        ranks = (max(low, 2 if lesion.fdg == "positive" else 0), min(high, 1) if lesion.fdg == "negative" else high)
    return ranks if lesion.state in {"counted", "accepted"} else (0, ranks[1])


def propose_grade(lesions: Sequence[NetpetLesion], open_points: Sequence[str], config: NetpetConfig) -> GradeProposal:
    """Propose a grade from all lesions and candidates.

    Parameters
    ----------
    lesions : sequence of NetpetLesion
        With the reader's answers; rejected ones do not enter.
    open_points : sequence of str
        Why no grade may be proposed whatever the lesions show, each a sentence.
    config : NetpetConfig
        From how many lesions suffix b is given.
    """
    entering = [x for x in lesions if x.state != "rejected"]
    ranges = [_range_of(x) for x in entering]
    low, high = (max((ends[k] for ends in ranges), default=0) for k in (0, 1))
    counted = [x for x in entering if x.state in {"counted", "accepted"}]
    deciding = [x for x in counted if x.grade == _GRADES[low]]
    target = max(deciding, key=_discordance, default=None)
    lowest, highest = _GRADES[low], _GRADES[high]
    if low == high and not open_points:
        suffix: Literal["a", "b"] | None = None
        if 2 <= low <= 4:
            suffix = "b" if len(deciding) >= config.several else "a"
        return GradeProposal(lowest, suffix, lowest, highest, _name(target), _reason(lowest, target, len(deciding)))
    parts = list(open_points)
    if low != high:
        raising = [x for x, ends in zip(entering, ranges, strict=True) if ends[1] > low]
        target = max(raising, key=lambda x: (_range_of(x)[1], _discordance(x)))
        parts.insert(0, _why_open(target, lowest, highest, len(raising) - 1))
    elif target is not None:
        parts.insert(0, f"The lesions that were compared give {_reason(lowest, target, len(deciding))}")
    return GradeProposal("indeterminate", None, lowest, highest, _name(target), " ".join(parts))


def _discordance(lesion: NetpetLesion) -> float:
    """FDG over receptor avidity; of lesions without receptor uptake, FDG alone."""
    fdg = lesion.fdg_ratio_to_liver or 0.0
    if lesion.sstr == "negative" or not lesion.sstr_ratio_to_liver:
        return fdg
    return fdg / lesion.sstr_ratio_to_liver


def _name(lesion: NetpetLesion | None) -> str | None:
    return None if lesion is None else lesion.name


def _in_words(lesion: NetpetLesion) -> str:
    what = "candidate" if lesion.state == "unanswered" else "lesion"
    return f"{what} {lesion.name} ({lesion.region})"


def _avidities(lesion: NetpetLesion) -> str:
    fdg, sstr = lesion.fdg_ratio_to_liver, lesion.sstr_ratio_to_liver
    said = ["FDG not measured" if fdg is None else f"FDG {fdg:.1f} × liver"]
    said.append("receptor scan not measured" if sstr is None else f"receptor scan {sstr:.1f} × liver")
    return ", ".join(said)


def _reason(grade: NetpetGrade, target: NetpetLesion | None, count: int) -> str:
    if target is None:
        return f"{grade}: neither scan shows a lesion."
    what = {
        "P0": "is positive on neither scan",
        "P1": "is positive on the receptor scan alone, and no lesion on FDG",
        "P2": "takes up less FDG than receptor ligand",
        "P3": "takes up FDG and receptor ligand alike",
        "P4": "takes up more FDG than receptor ligand",
        "P5": "takes up FDG and no receptor ligand",
    }[grade]
    more = "" if grade in {"P0", "P1"} else f"; {count} {'lesion shows' if count == 1 else 'lesions show'} this pattern"
    words = _in_words(target)
    return f"{grade}: {words} {what} ({_avidities(target)}){more}."


def _why_open(lesion: NetpetLesion, lowest: str, highest: str, more: int) -> str:
    others = "" if not more else f", and {more} more"
    words = _in_words(lesion)
    why = lesion.why_unknown or (
        "it is not yet confirmed" if lesion.state == "unanswered" else "it could not be judged on both scans"
    )
    return f"Between {lowest} and {highest}: {words}, {_avidities(lesion)}; {why}{others}."
