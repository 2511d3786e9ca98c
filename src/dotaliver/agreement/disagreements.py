"""Where two readings of one case differ, by rules that are set before anybody reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

from pydantic import Field

from dotaliver.agreement.answers import CaseAnswers, CourseAnswers, LesionPath, ScanAnswers, band_words, burden_band
from dotaliver.config.reading import DisagreementRules
from dotaliver.errors import CourseError
from dotaliver.frozen import FrozenModel

__all__ = ["Disagreement", "disagreements"]

Topic = Literal[
    "verdict", "burden_band", "response", "best_response", "date_of_progression", "target_choice", "lesion_identity"
]


class Disagreement(FrozenModel):
    """One point in which two readings differ."""

    topic: Topic
    about: str = Field(description="Criterion, lesions or response that it is about")
    scan: str | None = Field(default=None, description="Study Instance UID of the scan, where it is about one")
    first: str
    second: str


def disagreements(first: CaseAnswers, second: CaseAnswers, rules: DisagreementRules) -> tuple[Disagreement, ...]:
    """Every point in which two readings of a case differ by the rules.

    Raises
    ------
    CourseError
        Where the readings are not of the same scans.
    """
    uids = [tuple(scan.study_instance_uid for scan in one.scans) for one in (first, second)]
    if uids[0] != uids[1]:
        msg = "two readings of a case are of different scans; give readings of the same scans"
        raise CourseError(msg)
    found: list[Disagreement] = []
    for one, other in zip(first.scans, second.scans, strict=True):
        found += _verdicts(one, other, rules)
        found += _bands(one, other, rules)
    if first.course is not None and second.course is not None:
        found += _responses(first.course, second.course, rules)
        if rules.targets:
            found += _targets(first.course, second.course, rules)
        if rules.identities:
            found += _identities(first.course, second.course, rules)
    return tuple(found)


def _verdicts(one: ScanAnswers, other: ScanAnswers, rules: DisagreementRules) -> Iterator[Disagreement]:
    names = rules.criteria if rules.criteria is not None else tuple(dict.fromkeys((*one.verdicts, *other.verdicts)))
    for name in names:
        words = [answers.verdicts.get(name, "not_evaluable") for answers in (one, other)]
        if words[0] != words[1]:
            yield Disagreement(
                topic="verdict", about=name, scan=one.study_instance_uid, first=words[0], second=words[1]
            )


def _bands(one: ScanAnswers, other: ScanAnswers, rules: DisagreementRules) -> Iterator[Disagreement]:
    if not rules.burden_bands:
        return
    words = [_band(answers.burden, rules.burden_bands) for answers in (one, other)]
    if words[0] != words[1]:
        yield Disagreement(
            topic="burden_band", about="liver burden", scan=one.study_instance_uid, first=words[0], second=words[1]
        )


def _band(fraction: float | None, bounds: Sequence[float]) -> str:
    return "not measured" if fraction is None else band_words(bounds)[burden_band(fraction, bounds)]


def _responses(one: CourseAnswers, other: CourseAnswers, rules: DisagreementRules) -> Iterator[Disagreement]:
    if rules.responses:
        for uid in dict.fromkeys((*one.responses, *other.responses)):
            words = [course.responses.get(uid, "none") for course in (one, other)]
            if words[0] != words[1]:
                yield Disagreement(
                    topic="response", about="overall response", scan=uid, first=words[0], second=words[1]
                )
    if rules.best_response:
        for about, best in (
            ("best overall response", (one.best, other.best)),
            ("confirmed best overall response", (one.best_confirmed, other.best_confirmed)),
        ):
            if best[0] != best[1]:
                yield Disagreement(
                    topic="best_response", about=about, first=best[0] or "none", second=best[1] or "none"
                )
    days = rules.progression_days
    if days is not None and _apart(one.progression, other.progression, days):
        yield Disagreement(
            topic="date_of_progression",
            about="date of progression",
            first=_day(one.progression),
            second=_day(other.progression),
        )


def _apart(one: date | None, other: date | None, days: int) -> bool:
    if one is None or other is None:
        return one is not other
    return abs((one - other).days) > days


def _day(on: date | None) -> str:
    return "no progression" if on is None else on.isoformat()


# --- lesions, compared by where they lie ------------------------------------------------------------------------------


def _same_place(one: LesionPath, other: LesionPath, uid: str, rules: DisagreementRules) -> bool:
    here, there = one.places_lps_mm.get(uid), other.places_lps_mm.get(uid)
    if here is None or there is None:
        return False
    longest = max(one.longest_mm or 0.0, other.longest_mm or 0.0)
    return math.dist(here, there) <= max(rules.same_place_mm, longest / 2)


def _pairs(
    ones: Sequence[LesionPath], others: Sequence[LesionPath], uid: str, rules: DisagreementRules
) -> list[tuple[LesionPath, LesionPath]]:
    """Lesions of two readings that are the same on one scan, nearest first, each at most once."""
    near = [
        (math.dist(one.places_lps_mm[uid], other.places_lps_mm[uid]), n, m)
        for n, one in enumerate(ones)
        for m, other in enumerate(others)
        if _same_place(one, other, uid, rules)
    ]
    found, taken, also = [], set[int](), set[int]()
    for _, n, m in sorted(near):
        if n not in taken and m not in also:
            taken.add(n)
            also.add(m)
            found.append((ones[n], others[m]))
    return found


def _targets(one: CourseAnswers, other: CourseAnswers, rules: DisagreementRules) -> Iterator[Disagreement]:
    """Targets are the same where each of one reading lies where one of the other does, on any scan."""
    uids = dict.fromkeys(uid for lesion in (*one.targets, *other.targets) for uid in lesion.places_lps_mm)
    left, right = list(one.targets), list(other.targets)
    for uid in uids:
        for mine, yours in _pairs(left, right, uid, rules):
            left.remove(mine)
            right.remove(yours)
    if left or right:
        yield Disagreement(
            topic="target_choice", about="target lesions", first=_names(one.targets), second=_names(other.targets)
        )


def _names(lesions: Sequence[LesionPath]) -> str:
    return ", ".join(_name(lesion) for lesion in lesions) or "none"


def _name(lesion: LesionPath) -> str:
    return lesion.lesion if lesion.longest_mm is None else f"{lesion.lesion} ({lesion.longest_mm:.0f} mm)"


def _identities(one: CourseAnswers, other: CourseAnswers, rules: DisagreementRules) -> Iterator[Disagreement]:
    """A lesion that both readings have on one scan must be the same, or be gone, in both on every other scan."""
    uids = list(dict.fromkeys(uid for lesion in (*one.lesions, *other.lesions) for uid in lesion.places_lps_mm))
    said: set[tuple[str, str]] = set()
    for uid in uids:
        for mine, yours in _pairs(one.lesions, other.lesions, uid, rules):
            if (mine.lesion, yours.lesion) in said:
                continue
            for later in uids:
                here, there = later in mine.places_lps_mm, later in yours.places_lps_mm
                if here == there and (not here or _same_place(mine, yours, later, rules)):
                    continue
                said.add((mine.lesion, yours.lesion))
                yield Disagreement(
                    topic="lesion_identity",
                    about=f"lesion {mine.lesion} of the first reading, {yours.lesion} of the second",
                    scan=later,
                    first=_where(mine, later),
                    second=_where(yours, later),
                )
                break


def _where(lesion: LesionPath, uid: str) -> str:
    place = lesion.places_lps_mm.get(uid)
    return "not seen" if place is None else "at " + ", ".join(f"{value:.0f}" for value in place) + " mm (LPS)"
