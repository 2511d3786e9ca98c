"""The RECIST 1.1 rules for one time point (Eisenhauer 2009), as pure functions of measurements.

Every function returns its answer with the reason in words. Sums are in mm and are compared in full precision, before
any rounding. A target that was not measured makes its time point not evaluable, unless the measured targets alone
show progression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.target_sizes import SizeStatus, TargetSize, resolve_merged, target_sum

__all__ = [
    "NewLesionWord",
    "NonTargetAssessment",
    "NonTargetState",
    "NonTargetWord",
    "OverallAssessment",
    "OverallWord",
    "SizeStatus",
    "TargetAssessment",
    "TargetSize",
    "TargetWord",
    "non_target_response",
    "overall_response",
    "resolve_merged",
    "target_response",
    "target_sum",
]

TargetWord = Literal["CR", "PR", "SD", "PD", "NE"]
NonTargetWord = Literal["CR", "NON-CR/NON-PD", "PD", "NE"]
OverallWord = Literal["CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NED"]
NonTargetState = Literal["present", "absent", "unequivocal_progression", "not_evaluated"]
NewLesionWord = Literal["none", "equivocal", "unequivocal"]

# Decimal fractions of millimetres are not exact in binary: 1.2 x 15.5 mm is 18.599999999999998.
_TINY = 1e-9


class TargetAssessment(FrozenModel):
    """The targets of one time point against baseline and nadir."""

    response: TargetWord | None = Field(description="None at baseline, and where there is no target")
    sum_mm: float | None = Field(description="None where a target was not measured")
    measured_mm: float = Field(description="Sum of those that were measured")
    baseline_mm: float | None = None
    nadir_mm: float | None = Field(default=None, description="Smallest earlier sum, baseline included")
    change_from_baseline: float | None = Field(default=None, description="Relative, -1 to infinity")
    change_from_nadir: float | None = None
    change_from_nadir_mm: float | None = None
    reason: str
    within_noise: bool = Field(default=False, description="The change lies within the limits between two readers")
    could_be: tuple[TargetWord, ...] = Field(
        default=(), description="What else it would be within the same reader's repeatability"
    )


class NonTargetAssessment(FrozenModel):
    """The non-targets of one time point."""

    response: NonTargetWord | None = Field(description="None at baseline, and where there is no non-target")
    reason: str


class OverallAssessment(FrozenModel):
    """The answer of one time point."""

    response: OverallWord
    reason: str
    relapse: bool = Field(
        default=False, description="Progression only because disease was seen after a complete response"
    )


def _relative(now: float, before: float) -> float | None:
    return None if before == 0 else (now - before) / before


def _progressed(sum_mm: float, nadir_mm: float, config: RecistConfig) -> bool:
    grown = sum_mm - nadir_mm
    enough = sum_mm >= (1.0 + config.progression_share) * nadir_mm - _TINY
    return grown > 0 and enough and grown >= config.progression_mm - _TINY


def _shrunk(sum_mm: float, baseline_mm: float, config: RecistConfig) -> bool:
    return sum_mm <= (1.0 - config.response_share) * baseline_mm + _TINY


def _category(sum_mm: float, baseline_mm: float, nadir_mm: float, config: RecistConfig) -> TargetWord:
    if _progressed(sum_mm, nadir_mm, config):
        return "PD"
    return "PR" if _shrunk(sum_mm, baseline_mm, config) else "SD"


def target_response(
    sizes: Sequence[TargetSize],
    baseline_mm: float | None,
    earlier_mm: Sequence[float],
    config: RecistConfig,
    *,
    after_complete_response: bool | None = None,
) -> TargetAssessment:
    """Assess the targets at a time point after baseline.

    Parameters
    ----------
    sizes : sequence of TargetSize
        The same targets as at baseline.
    baseline_mm : float or None
        Sum at baseline; None where it is not known.
    earlier_mm : sequence of float
        Known sums of the time points in between; with the baseline's they give the nadir.
    config : RecistConfig
        Thresholds.
    after_complete_response : bool, optional
        Whether an earlier time point was a complete response of all lesions: any target seen again is then
        progression, however small (RECIST 1.1, appendix III). Where other lesions persisted, the usual thresholds
        apply. None: assume so where an earlier sum is 0.

    Examples
    --------
    From 100 mm at baseline to a nadir of 65 mm, and now 80 mm: 23 % and 15 mm above the nadir.

    >>> found = target_response([TargetSize(lesion="L01", size_mm=80.0)], 100.0, [65.0], RecistConfig())
    >>> found.response, found.nadir_mm, found.change_from_nadir_mm
    ('PD', 65.0, 15.0)
    """
    if not sizes:
        return TargetAssessment(response=None, sum_mm=None, measured_mm=0.0, reason="There is no target.")
    sizes = resolve_merged(sizes, config)
    counted = [size.counted_mm(config) for size in sizes]
    measured = sum(mm for mm in counted if mm is not None)
    total = target_sum(sizes, config)
    if baseline_mm is None:
        reason = "The sum at baseline is not known, so there is nothing to compare with."
        return TargetAssessment(response="NE", sum_mm=total, measured_mm=measured, reason=reason)
    nadir = min((baseline_mm, *earlier_mm))
    complete = nadir == 0 < baseline_mm if after_complete_response is None else after_complete_response
    base = TargetAssessment(
        response=None,
        sum_mm=total,
        measured_mm=measured,
        baseline_mm=baseline_mm,
        nadir_mm=nadir,
        change_from_baseline=None if total is None else _relative(total, baseline_mm),
        change_from_nadir=None if total is None else _relative(total, nadir),
        change_from_nadir_mm=None if total is None else total - nadir,
        reason="",
    )
    seen = [size.lesion for size in sizes if size.counted_mm(config) is not None and not size.gone(config)]
    if not seen:
        word: TargetWord = "NE" if total is None else "CR"
        reason = _missing_sentence(sizes, config) if total is None else _gone_sentence(sizes, config)
        return base.model_copy(update={"response": word, "reason": reason})
    if complete and not _progressed(measured, nadir, config):
        return base.model_copy(update={"response": "PD", "reason": _relapse_sentence(seen, measured)})
    if total is None:
        return base.model_copy(update=_with_missing(sizes, measured, nadir, config))
    word = _category(total, baseline_mm, nadir, config)
    update = {
        "response": word,
        "reason": _sentence(word, total, baseline_mm, nadir, config),
        "within_noise": _within_noise(word, base, len(sizes), config),
        "could_be": _could_be(word, base, config),
    }
    return base.model_copy(update=update)


def _with_missing(
    sizes: Sequence[TargetSize], measured: float, nadir: float, config: RecistConfig
) -> dict[str, TargetWord | str]:
    if _progressed(measured, nadir, config):
        missing = ", ".join(size.lesion for size in sizes if size.counted_mm(config) is None)
        reason = (
            f"{missing} not measured, but the other targets alone measure {measured:.1f} mm, which is progression from "
            f"the nadir of {nadir:.1f} mm."
        )
        return {"response": "PD", "reason": reason}
    return {"response": "NE", "reason": _missing_sentence(sizes, config)}


def _missing_sentence(sizes: Sequence[TargetSize], config: RecistConfig) -> str:
    missing = [size for size in sizes if size.counted_mm(config) is None]
    why = "; ".join(f"{size.lesion}: {size.reason}" for size in missing if size.reason)
    return f"Not all targets were measured ({why or ', '.join(size.lesion for size in missing)})."


def _relapse_sentence(seen: Sequence[str], measured: float) -> str:
    names = " and ".join((", ".join(seen[:-1]), seen[-1]) if len(seen) > 1 else seen)
    return f"{names} seen again ({measured:.1f} mm) after a complete response: progression (RECIST 1.1, appendix III)."


def _gone_sentence(sizes: Sequence[TargetSize], config: RecistConfig) -> str:
    nodes = sum(size.node for size in sizes)
    if nodes == len(sizes):
        return f"All target nodes have a short axis under {config.normal_node_mm:g} mm."
    text = "All targets have disappeared"
    return f"{text}, and target nodes have a short axis under {config.normal_node_mm:g} mm." if nodes else f"{text}."


def _percent(change: float | None) -> str:
    return "from 0 mm" if change is None else f"{100 * change:+.1f} %"


def _sentence(word: TargetWord, total: float, baseline: float, nadir: float, config: RecistConfig) -> str:
    from_baseline, from_nadir = _relative(total, baseline), _relative(total, nadir)
    grown = total - nadir
    if word == "PD":
        return (
            f"Sum {total:.1f} mm: {_percent(from_nadir)} and {grown:+.1f} mm from the nadir of {nadir:.1f} mm "
            f"(progression from {100 * config.progression_share:+.0f} % and {config.progression_mm:+g} mm)."
        )
    if word == "PR":
        return (
            f"Sum {total:.1f} mm: {_percent(from_baseline)} from the baseline of {baseline:.1f} mm (partial response "
            f"from {-100 * config.response_share:.0f} %), and no progression from the nadir of {nadir:.1f} mm."
        )
    return (
        f"Sum {total:.1f} mm: {_percent(from_baseline)} from the baseline of {baseline:.1f} mm and "
        f"{_percent(from_nadir)}, {grown:+.1f} mm from the nadir of {nadir:.1f} mm: neither partial response nor "
        "progression."
    )


def _within_noise(word: TargetWord, found: TargetAssessment, count: int, config: RecistConfig) -> bool:
    """Whether the change that speaks for the category lies within what two readers differ by."""
    change = found.change_from_baseline if word == "PR" else found.change_from_nadir
    if change is None or change == 0:
        return False
    low, high = config.reader_limits_one if count == 1 else config.reader_limits_sum
    return low <= change <= high


def _could_be(word: TargetWord, found: TargetAssessment, config: RecistConfig) -> tuple[TargetWord, ...]:
    """Categories that the same reader's second measurement could give."""
    assert found.sum_mm is not None
    assert found.baseline_mm is not None
    assert found.nadir_mm is not None
    others = []
    for limit in config.repeat_limits_sum:
        again = _category(found.sum_mm * (1.0 + limit), found.baseline_mm, found.nadir_mm, config)
        if again != word and again not in others:
            others.append(again)
    return tuple(others)


def non_target_response(
    states: Sequence[NonTargetState], *, after_complete_response: bool = False
) -> NonTargetAssessment:
    """Assess the non-targets at a time point after baseline.

    After a complete response of all lesions, a non-target that is seen again is progression.

    Examples
    --------
    >>> non_target_response(["present", "absent"]).response
    'NON-CR/NON-PD'
    """
    if not states:
        return NonTargetAssessment(response=None, reason="There is no non-target lesion.")
    if "unequivocal_progression" in states:
        count = states.count("unequivocal_progression")
        return NonTargetAssessment(response="PD", reason=f"{_lesions(count)} progressed unequivocally.")
    present = states.count("present")
    if present and after_complete_response:
        reason = f"{_lesions(present)} seen again after a complete response: progression (RECIST 1.1, appendix III)."
        return NonTargetAssessment(response="PD", reason=reason)
    if "not_evaluated" in states:
        count = states.count("not_evaluated")
        return NonTargetAssessment(response="NE", reason=f"{_lesions(count)} of {len(states)} not evaluated.")
    if not present:
        return NonTargetAssessment(response="CR", reason="All non-target lesions have disappeared.")
    return NonTargetAssessment(
        response="NON-CR/NON-PD",
        reason=f"{_lesions(present)} of {len(states)} still present, without unequivocal progression.",
    )


def _lesions(count: int) -> str:
    return f"{count} non-target lesion{'' if count == 1 else 's'}"


def overall_response(
    target: TargetWord | None, non_target: NonTargetWord | None, new_lesion: NewLesionWord
) -> OverallAssessment:
    """Overall response of a time point by tables 1 and 2 of RECIST 1.1.

    ``None`` means that the patient has no lesion of that kind. An equivocal new lesion decides nothing.

    Examples
    --------
    A new lesion is progression, whatever the targets do:

    >>> overall_response("PR", "NON-CR/NON-PD", "unequivocal").response
    'PD'
    """
    progressions = {
        "There is a new lesion.": new_lesion == "unequivocal",
        "The targets progressed.": target == "PD",
        "The non-targets progressed unequivocally.": non_target == "PD",
    }
    if any(progressions.values()):
        reasons = [reason for reason, is_so in progressions.items() if is_so]
        return OverallAssessment(response="PD", reason=" ".join(reasons))
    if target is None:
        return _without_targets(non_target)
    if target == "NE":
        return OverallAssessment(response="NE", reason="Not all targets were evaluated, and nothing progressed.")
    if target == "CR" and non_target not in {None, "CR"}:
        why = "were not all evaluated" if non_target == "NE" else "are still present"
        return OverallAssessment(response="PR", reason=f"The targets have disappeared, but non-targets {why}.")
    words = {"CR": "All lesions have disappeared.", "PR": "The targets responded partially, and nothing progressed."}
    return OverallAssessment(
        response=target, reason=words.get(target, "The targets are stable, and nothing progressed.")
    )


def _without_targets(non_target: NonTargetWord | None) -> OverallAssessment:
    if non_target is None:
        return OverallAssessment(response="NED", reason="No lesion at baseline, and no new lesion.")
    reasons: dict[NonTargetWord, str] = {
        "CR": "All lesions have disappeared; there was no target.",
        "NE": "Not all non-targets were evaluated; there is no target.",
        "NON-CR/NON-PD": "Non-targets are present without progression; there is no target.",
    }
    return OverallAssessment(response=non_target, reason=reasons[non_target])
