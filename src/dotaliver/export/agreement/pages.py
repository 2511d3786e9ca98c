"""Pages of a central reading: where readers differ, with both pictures, and the figures of agreement."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dotaliver.agreement.bootstrap import Estimate
from dotaliver.agreement.pairs import Figures, Nominal, Numbers
from dotaliver.agreement.results import Comparison
from dotaliver.agreement.state import ReadingState
from dotaliver.export.agreement.bland_altman import bland_altman_svg
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.template import page_template

__all__ = ["PUBLISHED", "CasePictures", "agreement_html", "comparison_html"]

CasePictures = Mapping[tuple[str, str], tuple[Picture, ...]]
"""By case and reader, a picture of each scan as that reader left it."""

PUBLISHED = (
    "For orientation, from other readers and cases: kappa of readers on overall response 0.90 to 0.92, on visual liver "
    "burden 0.62 to 0.73; in 10 471 subjects of trials with two readers, a third went to adjudication."
)

_TOPICS = {
    "verdict": "verdict",
    "burden_band": "burden band",
    "response": "response",
    "best_response": "best response",
    "date_of_progression": "date of progression",
    "target_choice": "target choice",
    "lesion_identity": "lesion identity",
}
_WORDS = {"not_met": "not met", "not_evaluable": "not evaluable"}
_STATES = {"agreed": "closed: readers agree", "adjudicated": "adjudicated"}


@dataclass(frozen=True)
class _Point:
    topic: str
    about: str
    scan: str
    who: tuple[str, str]
    said: tuple[str, str]


@dataclass(frozen=True)
class _Case:
    code: str
    state: str
    final: str
    reason: str
    points: tuple[_Point, ...]
    pictures: tuple[tuple[str, tuple[Picture, ...]], ...]


def comparison_html(cases: Sequence[Comparison], state: ReadingState, pictures: CasePictures) -> str:
    """Where the readers of each case differ, as one self-contained page; every text is escaped."""
    days = {scan.study_instance_uid: scan.on or "" for case in state.plan.cases for scan in case.scans}
    shown = tuple(_case(case, days, pictures) for case in cases)
    return page_template("reading_comparison.html.j2").render(
        cases=shown,
        differing=tuple(case for case in shown if case.points),
        planned=len(state.plan.originals),
        rules=state.plan.rules,
    )


def _case(case: Comparison, days: Mapping[str, str], pictures: CasePictures) -> _Case:
    points = tuple(
        _Point(
            _TOPICS[point.topic],
            point.about,
            days.get(point.scan or "", ""),
            (one, other),
            (_WORDS.get(point.first, point.first), _WORDS.get(point.second, point.second)),
        )
        for one, other, point in case.differences
    )
    closed = case.closed
    return _Case(
        case.code,
        "to adjudicate" if closed is None else _STATES[closed.event.kind],
        "" if closed is None else closed.event.accepted or "",
        "" if closed is None else closed.event.reason or "",
        points,
        tuple((reader, pictures.get((case.code, reader), ())) for reader in case.readings),
    )


# --- agreement --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plot:
    numbers: Numbers
    svg: Markup


@dataclass(frozen=True)
class _PairPage:
    figures: Figures
    nominal: tuple[tuple[Nominal, tuple[str, ...]], ...]
    plots: tuple[_Plot, ...]


@dataclass(frozen=True)
class _Effort:
    reader: str
    signed: int
    median_minutes: str
    longest_minutes: str


def agreement_html(figures: Sequence[Figures], state: ReadingState) -> str:
    """Figures of agreement as one self-contained page, with a Bland-Altman plot and the values behind each."""
    pairs = tuple(
        _PairPage(
            pair,
            tuple((one, _used(one)) for one in pair.nominal),
            tuple(_Plot(one, bland_altman_svg(one, pair.first, pair.second)) for one in pair.numbers),
        )
        for pair in figures
    )
    cases = [state.case(case.code) for case in state.plan.originals]
    read = [case for case in cases if case.word != "open"]
    adjudicated = sum(case.word in {"adjudicated", "read"} for case in read)
    return page_template("reading_agreement.html.j2").render(
        pairs=pairs,
        text=estimate_text,
        effort=tuple(_effort(state, reader) for reader in state.plan.readers),
        read=len(read),
        planned=len(cases),
        adjudicated=adjudicated,
        published=PUBLISHED,
    )


def estimate_text(found: Estimate, digits: int = 2) -> str:
    """A figure with its interval, as people read it.

    Examples
    --------
    >>> estimate_text(Estimate(0.8123, 0.65, 0.93, 12))
    '0.81 (0.65 to 0.93)'
    """
    if found.value is None:
        return "not defined"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f} (no interval)"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _used(question: Nominal) -> tuple[str, ...]:
    """The answers that somebody gave, so that tables stay small."""
    return tuple(
        name
        for n, name in enumerate(question.categories)
        if any(question.table[n]) or any(row[n] for row in question.table)
    )


def _effort(state: ReadingState, reader: str) -> _Effort:
    """Time from opening a case to its first signature."""
    minutes = []
    for case in state.plan.cases:
        begun = state.of("begun", case=case.code, reader=reader)
        signed = state.of("signed", case=case.code, reader=reader)
        if begun and signed:
            minutes.append((signed[0].event.at - begun[0].event.at).total_seconds() / 60)
    signed_count = len({logged.event.case for logged in state.of("signed", reader=reader)})
    if not minutes:
        return _Effort(reader, signed_count, "not recorded", "not recorded")
    return _Effort(reader, signed_count, f"{statistics.median(minutes):.1f}", f"{max(minutes):.1f}")
