"""Best overall response by RECIST 1.1, with and without confirmation, from the responses of the time points."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.recist import OverallWord

__all__ = ["BestResponse", "DatedResponse", "best_response", "best_response_confirmed"]

_DISEASE: frozenset[OverallWord] = frozenset({"PR", "SD", "NON-CR/NON-PD"})


class DatedResponse(FrozenModel):
    """The response of one time point, with the date of its scan."""

    on: date
    response: OverallWord
    relapse: bool = Field(
        default=False, description="Progression only because disease was seen after a complete response"
    )


class BestResponse(FrozenModel):
    """The best response of the course."""

    response: OverallWord | None = Field(description="None where there is no time point after baseline")
    confirmed: bool = Field(description="Whether confirmation was required")
    on: date | None = Field(default=None, description="Scan at which it was reached")
    reason: str
    question: str | None = Field(default=None, description="What a reader must decide")


def best_response(
    course: Sequence[DatedResponse], baseline: date, config: RecistConfig, *, has_targets: bool | None = None
) -> BestResponse:
    """Best overall response without confirmation: the best response up to the first progression.

    Parameters
    ----------
    course : sequence of DatedResponse
        Responses after baseline, in any order.
    baseline : date
        Stable disease counts from `stable_days` after it.
    config : RecistConfig
        Intervals.
    has_targets : bool, optional
        Whether there are targets; without them, stable disease is called NON-CR/NON-PD. None: judged by the words of
        the course.
    """
    seen = _until_progression(course)
    return _with_question(_best(seen, baseline, config, has_targets), seen)


def _best(
    seen: Sequence[DatedResponse], baseline: date, config: RecistConfig, has_targets: bool | None
) -> BestResponse:
    for word in ("CR", "PR"):
        if (point := _first(seen, word)) is not None:
            reason = f"{word} on {point.on}; confirmation not required."
            return BestResponse(response=word, confirmed=False, on=point.on, reason=reason)
    return _lesser(seen, baseline, config, confirmed=False, has_targets=has_targets)


def best_response_confirmed(
    course: Sequence[DatedResponse], baseline: date, config: RecistConfig, *, has_targets: bool | None = None
) -> BestResponse:
    """Best overall response where CR and PR need confirmation at least `confirmation_days` later (table 3).

    CR is confirmed by CR, PR by PR or CR. In between, only NE may occur, and for PR one SD (the settings
    `confirmation_most_stable` and `confirmation_most_not_evaluable` say how often). An unconfirmed response
    counts as stable disease if the patient was free of progression `stable_days` after baseline, otherwise as what
    followed. The parameters are those of `best_response`.
    """
    seen = _until_progression(course)
    return _with_question(_best_confirmed(seen, baseline, config, has_targets), seen)


def _best_confirmed(
    seen: Sequence[DatedResponse], baseline: date, config: RecistConfig, has_targets: bool | None
) -> BestResponse:
    complete = _confirmed(seen, ("CR",), config, most_stable=0)
    found = complete or _confirmed(seen, ("PR", "CR"), config, most_stable=config.confirmation_most_stable)
    if found is not None:
        word: OverallWord = "CR" if complete else "PR"
        first, again = found
        reason = (
            f"{first.response} on {first.on}, confirmed by {again.response} on {again.on} "
            f"({(again.on - first.on).days} days later)."
        )
        return BestResponse(response=word, confirmed=True, on=first.on, reason=reason)
    claimed = next((n for n, point in enumerate(seen) if point.response in {"CR", "PR"}), None)
    if claimed is None:
        return _lesser(seen, baseline, config, confirmed=True, has_targets=has_targets)
    why = f"{seen[claimed].response} on {seen[claimed].on} was not confirmed. "
    stable = _first(seen[claimed + 1 :], "SD")
    if seen[claimed].response == "PR" and stable is not None:
        reason = f"{why}Stable disease followed (table 3: PR, then SD)."
        # It counts from the first time point that is late enough for stable disease.
        counted = _stable(seen, baseline, config) or stable
        return BestResponse(response="SD", confirmed=True, on=min(counted.on, stable.on), reason=reason)
    lesser = _lesser(seen, baseline, config, confirmed=True, has_targets=has_targets)
    return lesser.model_copy(update={"reason": f"{why}{lesser.reason}"})


def _until_progression(course: Sequence[DatedResponse]) -> list[DatedResponse]:
    """The time points in order of date up to the first progression, inclusive.

    Disease seen after a complete response is progression (footnote of table 3).
    """
    seen: list[DatedResponse] = []
    complete = False
    for point in sorted(course, key=lambda each: each.on):
        if complete and point.response in _DISEASE:
            return [*seen, point.model_copy(update={"response": "PD", "relapse": True})]
        seen.append(point)
        if point.response == "PD":
            break
        complete = complete or point.response == "CR"
    return seen


def _with_question(best: BestResponse, seen: Sequence[DatedResponse]) -> BestResponse:
    """Ask whether a complete response that was followed by disease was complete."""
    complete = _first(seen, "CR")
    if complete is None or not seen[-1].relapse:
        return best
    question = (
        f"Disease was seen on {seen[-1].on} after the complete response of {complete.on}, which is progression. Was "
        "disease still present at the complete response? If so, correct that time point; its response is then PR."
    )
    return best.model_copy(update={"question": question})


def _first(course: Sequence[DatedResponse], word: OverallWord) -> DatedResponse | None:
    return next((point for point in course if point.response == word), None)


def _confirmed(
    seen: Sequence[DatedResponse], words: tuple[OverallWord, ...], config: RecistConfig, *, most_stable: int
) -> tuple[DatedResponse, DatedResponse] | None:
    """The first response that a later one confirms, and that later one."""
    limit = config.confirmation_most_not_evaluable
    for n, first in enumerate(seen):
        if first.response not in words:
            continue
        stable = not_evaluable = 0
        for again in seen[n + 1 :]:
            if again.response in words and (again.on - first.on).days >= config.confirmation_days:
                return first, again
            stable += again.response == "SD"
            not_evaluable += again.response == "NE"
            too_many = limit is not None and not_evaluable > limit
            if too_many or stable > most_stable or again.response not in {*words, "NE", "SD"}:
                break
    return None


def _lesser(
    seen: Sequence[DatedResponse],
    baseline: date,
    config: RecistConfig,
    *,
    confirmed: bool,
    has_targets: bool | None,
) -> BestResponse:
    """The best answer where no response counts: stable, progression, not evaluable."""

    def answer(word: OverallWord | None, on: date | None, reason: str) -> BestResponse:
        return BestResponse(response=word, confirmed=confirmed, on=on, reason=reason)

    if not seen:
        return answer(None, None, "There is no time point after baseline.")
    stable = _stable(seen, baseline, config)
    if stable is not None:
        days = (stable.on - baseline).days
        reason = f"No progression {days} days after baseline (at least {config.stable_days} required)."
        return answer(_stable_word(seen, has_targets), stable.on, reason)
    if (progression := _first(seen, "PD")) is not None:
        return answer("PD", progression.on, f"Progression on {progression.on}, before stable disease could count.")
    if (none := _first(seen, "NED")) is not None:
        return answer("NED", none.on, "No lesion at baseline and none later.")
    return answer("NE", seen[-1].on, f"Nothing evaluable {config.stable_days} days or more after baseline.")


def _stable(seen: Sequence[DatedResponse], baseline: date, config: RecistConfig) -> DatedResponse | None:
    """The first time point without progression that is late enough after baseline to count as stable disease."""
    for point in seen:
        late_enough = (point.on - baseline).days >= config.stable_days
        if point.response in {"CR", *_DISEASE} and late_enough:
            return point
    return None


def _stable_word(seen: Sequence[DatedResponse], has_targets: bool | None) -> OverallWord:
    if has_targets is None:
        has_targets = not any(point.response == "NON-CR/NON-PD" for point in seen)
    return "SD" if has_targets else "NON-CR/NON-PD"
