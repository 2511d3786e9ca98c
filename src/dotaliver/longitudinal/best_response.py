"""Best overall response by RECIST 1.1, with confirmation or without it, from the answers of the time points."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import takewhile

from pydantic import Field

from dotaliver.config.criteria import RecistConfig
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.recist import OverallWord

__all__ = ["BestResponse", "DatedResponse", "best_response", "best_response_confirmed"]


class DatedResponse(FrozenModel):
    """The answer of one time point, with the date of its scan."""

    on: date
    response: OverallWord


class BestResponse(FrozenModel):
    """The best answer of the course."""

    response: OverallWord | None = Field(description="None where there is no time point after baseline")
    confirmed: bool = Field(description="Whether confirmation was asked for")
    on: date | None = Field(default=None, description="Scan at which it was reached")
    reason: str
    question: str | None = Field(default=None, description="What a reader must decide")


def _until_progression(course: Sequence[DatedResponse]) -> list[DatedResponse]:
    """The time points up to the first progression, that one included; what comes later counts no more."""
    before = list(takewhile(lambda point: point.response != "PD", course))
    return [*before, course[len(before)]] if len(before) < len(course) else before


def _stable_until(course: Sequence[DatedResponse], baseline: date, config: RecistConfig) -> DatedResponse | None:
    """The first time point without progression that lies late enough after baseline to count as stable disease."""
    for point in course:
        lasting = (point.on - baseline).days >= config.stable_days
        if point.response in {"CR", "PR", "SD", "NON-CR/NON-PD"} and lasting:
            return point
    return None


def _first(course: Sequence[DatedResponse], word: OverallWord) -> DatedResponse | None:
    return next((point for point in course if point.response == word), None)


def best_response(course: Sequence[DatedResponse], baseline: date, config: RecistConfig) -> BestResponse:
    """Best overall response without confirmation: the best answer up to the first progression.

    Stable disease counts from `stable_days` after baseline.
    """
    seen = _until_progression(sorted(course, key=lambda point: point.on))
    for word in ("CR", "PR"):
        if (point := _first(seen, word)) is not None:
            return BestResponse(
                response=word, confirmed=False, on=point.on, reason=f"{word} on {point.on}; confirmation not asked for."
            )
    return _lesser(seen, baseline, config, confirmed=False)


def _lesser(
    seen: Sequence[DatedResponse], baseline: date, config: RecistConfig, *, confirmed: bool, why: str = ""
) -> BestResponse:
    """The best answer where no response counts: stable, progression, not evaluable."""

    def answer(word: OverallWord | None, on: date | None, reason: str) -> BestResponse:
        return BestResponse(response=word, confirmed=confirmed, on=on, reason=f"{why}{reason}")

    if not seen:
        return answer(None, None, "There is no time point after baseline.")
    stable = _stable_until(seen, baseline, config)
    if stable is not None:
        days = (stable.on - baseline).days
        word: OverallWord = "NON-CR/NON-PD" if stable.response == "NON-CR/NON-PD" else "SD"
        return answer(word, stable.on, f"No progression {days} days after baseline (at least {config.stable_days}).")
    if (progression := _first(seen, "PD")) is not None:
        return answer("PD", progression.on, f"Progression on {progression.on}, before stable disease could count.")
    if (none := _first(seen, "NED")) is not None:
        return answer("NED", none.on, "No lesion at baseline, and none later.")
    return answer("NE", seen[-1].on, f"Nothing evaluable {config.stable_days} days or more after baseline.")


def best_response_confirmed(course: Sequence[DatedResponse], baseline: date, config: RecistConfig) -> BestResponse:
    """Best overall response where CR and PR must be confirmed at least `confirmation_days` later (table 3).

    A complete response is confirmed by a complete one, a partial one by a partial or complete one; in between only
    what is not evaluable may stand, and for a partial response stable disease once. A response that is not confirmed
    counts as stable where it lasted long enough since baseline, else as what followed. Disease after a complete
    response is progression, unless a reader takes the first back: that is asked.
    """
    seen = _until_progression(sorted(course, key=lambda point: point.on))
    for word, confirming, between in (
        ("CR", {"CR"}, {"CR", "NE"}),
        ("PR", {"PR", "CR"}, {"CR", "PR", "NE", "SD"}),
    ):
        found = _confirmed(seen, word, confirming, between, config)
        if found is not None:
            first, again = found
            return BestResponse(
                response="CR" if word == "CR" else "PR",
                confirmed=True,
                on=first.on,
                reason=f"{word} on {first.on}, confirmed on {again.on} ({(again.on - first.on).days} days later).",
            )
    return _unconfirmed(seen, baseline, config)


def _confirmed(
    seen: Sequence[DatedResponse], word: str, confirming: set[str], between: set[str], config: RecistConfig
) -> tuple[DatedResponse, DatedResponse] | None:
    for n, first in enumerate(seen):
        if first.response != word:
            continue
        stable = 0
        for again in seen[n + 1 :]:
            if again.response in confirming and (again.on - first.on).days >= config.confirmation_days:
                return first, again
            stable += again.response == "SD"
            if again.response not in between or stable > 1:
                break
    return None


def _unconfirmed(seen: Sequence[DatedResponse], baseline: date, config: RecistConfig) -> BestResponse:
    first = next((n for n, point in enumerate(seen) if point.response in {"CR", "PR"}), None)
    if first is None:
        return _lesser(seen, baseline, config, confirmed=True)
    claimed, later = seen[first], seen[first + 1 :]
    why = f"{claimed.response} on {claimed.on} was not confirmed. "
    if claimed.response == "PR" and any(point.response == "SD" for point in later):
        stable = next(point for point in later if point.response == "SD")
        return BestResponse(response="SD", confirmed=True, on=stable.on, reason=f"{why}Stable disease followed.")
    question = None
    kept = list(seen)
    if claimed.response == "CR" and any(point.response in {"PR", "SD"} for point in later):
        relapse = next(point for point in later if point.response in {"PR", "SD"})
        # Disease that is seen after a true complete response has come back: that is progression.
        kept = [*seen[: first + 1], relapse.model_copy(update={"response": "PD"})]
        if relapse.response == "PR":
            question = (
                f"On {relapse.on} disease was seen after the complete response of {claimed.on}: was that a partial "
                "response to begin with? Then the best response is PR; else disease has come back."
            )
    lesser = _lesser(kept, baseline, config, confirmed=True, why=why)
    return lesser.model_copy(update={"question": question})
