"""What the plots show, from a course: changes of lesions and sums, and the events of a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dotaliver.longitudinal.records import Cycle, PatientCourse, Reading, TrackedLesion
from dotaliver.longitudinal.uptake import relative_change

__all__ = [
    "LOBES",
    "ROUTES",
    "Bar",
    "Lane",
    "Line",
    "Mark",
    "Stretch",
    "best_sum_change",
    "diameter_lines",
    "lane_of",
    "lesion_bars",
    "route_bars",
    "sum_line",
]

LOBES = {"right": "Right lobe", "left": "Left lobe", None: "Lobe not known, or outside the liver"}
ROUTES: dict[Cycle, str] = {"ia": "Intra-arterial", "iv": "Intravenous"}


@dataclass(frozen=True)
class Bar:
    """One bar of a waterfall."""

    name: str
    percent: float | None
    """Change in percent; None where it is not known"""
    word: str = ""
    """The response, where the bar is a patient's"""


@dataclass(frozen=True)
class Line:
    """One line of a spider plot: change in percent by day."""

    name: str
    points: tuple[tuple[int, float, str], ...]
    """Day, change in percent, response of that day"""
    is_sum: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day: a response, death, another therapy."""

    day: int
    word: str


@dataclass(frozen=True)
class Stretch:
    """Days between two scans, with the therapy in between."""

    start: int
    end: int
    route: Cycle | None


@dataclass(frozen=True)
class Lane:
    """One lane of a swimmer plot; days count from the baseline scan."""

    name: str
    stretches: tuple[Stretch, ...]
    marks: tuple[Mark, ...]


def _day(reading: Reading, scan: int) -> int:
    return (reading.scans[scan].on - reading.scans[reading.baseline].on).days


def _percent(change: float | None) -> float | None:
    return None if change is None else 100.0 * change


def lesion_bars(reading: Reading) -> dict[str, tuple[Bar, ...]]:
    """Best change of each target's diameter from baseline, by lobe: the smallest diameter after it."""
    groups: dict[str, list[Bar]] = {}
    for line, lesion in _target_lines(reading):
        after = [percent for day, percent, _ in line.points if day > 0]
        groups.setdefault(LOBES[lesion.lobe], []).append(Bar(lesion.lesion, min(after, default=None)))
    return {name: tuple(groups[name]) for name in LOBES.values() if name in groups}


def route_bars(reading: Reading) -> dict[str, tuple[Bar, ...]]:
    """Change of each lesion's SUVpeak over the cycles of each route, one group per stretch of cycles."""
    groups = {}
    for effect in reading.routes:
        start, end = (reading.scans[n].visit or f"scan {n + 1}" for n in (effect.from_scan, effect.to_scan))
        bars = tuple(Bar(name, _percent(change)) for name, change in sorted(effect.lesions.items()))
        if bars:
            groups[f"{ROUTES[effect.route]}, {start} to {end}"] = bars
    return groups


def _target_lines(reading: Reading) -> list[tuple[Line, TrackedLesion]]:
    """The change of each target's counted diameter from baseline."""
    found = []
    for lesion in reading.role("target"):
        base: float | None = None
        points = []
        for point in reading.time_points:
            size = next((s for s in point.sizes if s.lesion == lesion.lesion), None)
            # A merged lesion has no diameter of its own: its line ends.
            known = (
                size is not None and size.status != "merged" and (size.size_mm is not None or size.status == "absent")
            )
            mm = None if size is None or not known else size.size_mm or 0.0
            if point.scan == reading.baseline:
                base = mm
            change = relative_change(base, mm)
            if change is not None:
                points.append((_day(reading, point.scan), 100.0 * change, ""))
        found.append((Line(lesion.lesion, tuple(points)), lesion))
    return found


def diameter_lines(reading: Reading) -> dict[str, tuple[Line, ...]]:
    """The sum of all targets, and each target, by lobe."""
    groups: dict[str, list[Line]] = {}
    total = sum_line(reading, "Sum of targets")
    for line, lesion in _target_lines(reading):
        if line.points:
            groups.setdefault(LOBES[lesion.lobe], []).append(line)
    ordered = {name: tuple(groups[name]) for name in LOBES.values() if name in groups}
    return {**({"All targets": (total,)} if total.points else {}), **ordered}


def sum_line(reading: Reading, name: str) -> Line:
    """The sum of the targets' diameters from baseline, with the overall response of each visit."""
    points = []
    for point in reading.time_points:
        if point.scan == reading.baseline and point.targets.sum_mm:
            points.append((0, 0.0, ""))
        elif point.targets.change_from_baseline is not None:
            word = "" if point.overall is None else point.overall.response
            points.append((_day(reading, point.scan), 100.0 * point.targets.change_from_baseline, word))
    return Line(name, tuple(points), is_sum=True)


def best_sum_change(course: PatientCourse, reading: Reading, name: str) -> Bar:
    """The smallest sum after baseline up to the first progression, against baseline, with the best response."""
    found = []
    for point in reading.time_points:
        if point.targets.change_from_baseline is not None and point.overall is not None:
            found.append(100.0 * point.targets.change_from_baseline)
        if point.overall is not None and point.overall.response == "PD":
            break
    best = reading.best_confirmed if course.config.confirm_responses else reading.best
    return Bar(name, min(found, default=None), best.response or "")


def lane_of(course: PatientCourse, reading: Reading, name: str) -> Lane:
    """A patient's scans with their responses and the therapy between them, and what the manifest adds."""
    scans: Sequence[int] = [point.scan for point in reading.time_points]
    stretches = tuple(
        Stretch(_day(reading, before), _day(reading, after), reading.scans[after].cycle)
        for before, after in pairwise(scans)
    )
    marks = [
        Mark(_day(reading, point.scan), "baseline" if point.overall is None else point.overall.response)
        for point in reading.time_points
    ]
    base, trial = reading.scans[reading.baseline].on, course.trial
    dates = () if trial is None else (("first treatment", trial.first_treatment), ("other therapy", trial.new_therapy),
                                      ("death", trial.death))  # fmt: skip
    marks += [Mark((on - base).days, word) for word, on in dates if on is not None]
    return Lane(name, stretches, tuple(sorted(marks, key=lambda mark: mark.day)))
