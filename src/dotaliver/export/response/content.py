"""What a response report shows, as types."""

from __future__ import annotations

from dataclasses import dataclass

from dotaliver.export.plots.drawing import Plot
from dotaliver.export.report.figures import Picture

__all__ = [
    "AnswerCard",
    "LesionCell",
    "LesionRow",
    "LesionStrip",
    "ReadingContent",
    "RouteRow",
    "ScanHeading",
    "TimePointRow",
    "UptakeRow",
]


@dataclass(frozen=True)
class AnswerCard:
    """One answer on the whole course: its code, what that means, and the grounds."""

    title: str
    word: str
    meaning: str
    reason: str
    style: str


@dataclass(frozen=True)
class ScanHeading:
    """What a scan is called, its date, and its place in the course."""

    name: str
    date: str
    note: str


@dataclass(frozen=True)
class TimePointRow:
    """The response at one scan, and the reason for each part of it."""

    scan: ScanHeading
    sum: str
    baseline: str
    nadir: str
    target: str
    caveats: tuple[str, ...]
    non_target: str
    new: str
    overall: str
    style: str
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LesionCell:
    """A lesion on one scan: its size, where the size is from, and how sure its identity is."""

    main: str = ""
    detail: str = ""


@dataclass(frozen=True)
class LesionRow:
    """One lesion over time."""

    name: str
    role: str
    organ: str
    node: bool
    why: str
    cells: tuple[LesionCell, ...]


@dataclass(frozen=True)
class LesionStrip:
    """The pictures of one lesion, one for each scan; None where there is no image."""

    name: str
    role: str
    pictures: tuple[Picture | None, ...]


@dataclass(frozen=True)
class UptakeRow:
    """Uptake at one scan: each value with its change from baseline."""

    scan: ScanHeading
    lesions: int
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RouteRow:
    """Changes over the cycles of one route of therapy."""

    route: str
    cycles: int
    first: str
    last: str
    changes: tuple[str, ...]
    lesions: str
    note: str = ""


@dataclass(frozen=True)
class ReadingContent:
    """Everything that the page shows of one reading."""

    evaluator: str
    accepted: tuple[str, ...]
    cards: tuple[AnswerCard, ...]
    questions: tuple[str, ...]
    warnings: tuple[str, ...]
    sums: Picture | None
    lines: Picture | None
    points: tuple[TimePointRow, ...]
    scans: tuple[ScanHeading, ...]
    lesions: tuple[LesionRow, ...]
    strips: tuple[LesionStrip, ...]
    uptake: tuple[UptakeRow, ...]
    routes: tuple[RouteRow, ...]
    plots: tuple[Plot, ...]
    progression: tuple[tuple[str, str], ...]
    """Names and values of the evidence for progression before entry"""
