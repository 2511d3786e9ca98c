"""Waterfall, spider and swimmer as SVG, each with the table of what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from dotaliver.export.plots.data import ROUTES, Bar, Lane, Line, Mark
from dotaliver.export.plots.svg import Svg, ticks

__all__ = ["Plot", "spider", "swimmer", "waterfall"]

# Colours of Okabe and Ito, distinguishable with colour blindness; the words are shown as well.
_RESPONSE_COLOURS = {
    "CR": "#0072B2", "PR": "#56B4E9", "SD": "#8a94a0", "NON-CR/NON-PD": "#8a94a0", "PD": "#D55E00", "NE": "#d5dae0",
    "NED": "#009E73",
}  # fmt: skip
_LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_ROUTE_COLOURS = {"ia": "#E69F00", "iv": "#56B4E9", None: "#c9d0d8"}
_DOWN, _UP, _GRID, _INK, _SOFT = "#0072B2", "#D55E00", "#e6eaee", "#1c2430", "#5a6675"
# Pixels per bar from which it has its name and value, and from which both are written in full.
_NARROW, _WIDE = 11.0, 34.0
_PANEL, _GAP, _LEFT, _TOP, _HEIGHT = 360.0, 26.0, 44.0, 26.0, 210.0


@dataclass(frozen=True)
class Plot:
    """A picture with its title, what is to be known of it, and the table behind it."""

    title: str
    svg: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Frame:
    """A panel with its scale."""

    x: float
    y: float
    width: float
    low: float
    high: float

    def level(self, percent: float) -> float:
        """Position of a percentage from the top; values beyond the scale are drawn at its end."""
        share = (min(max(percent, self.low), self.high) - self.low) / (self.high - self.low)
        return self.y + _HEIGHT * (1 - share)


def _grid(count: int) -> tuple[int, float]:
    """Panels in a row, and the width of one."""
    return (1, 2 * _PANEL + _GAP) if count == 1 else (2, _PANEL)


def _scale(values: Sequence[float], thresholds: Sequence[float]) -> tuple[float, float]:
    """Bounds of an axis in percent; bars beyond +200 % are cut, and the table has their value."""
    known = [*values, *thresholds, 0.0]
    low, high = max(min(known), -100.0), min(max(known), 200.0)
    return min(low * 1.12, -10.0), max(high * 1.12, 10.0)


def _frames(names: Sequence[str], values: Sequence[float], thresholds: Sequence[float], foot: float) -> tuple[
    list[_Frame], tuple[float, float]
]:  # fmt: skip
    """One frame per panel, all with one scale, and the size of the picture."""
    columns, width = _grid(len(names))
    low, high = _scale(values, thresholds)
    tall = _TOP + _HEIGHT + foot
    frames = [
        _Frame(_LEFT + (n % columns) * (width + _GAP + _LEFT), _TOP + (n // columns) * tall, width - _LEFT, low, high)
        for n in range(len(names))
    ]
    size = (columns * width + (columns - 1) * (_GAP + _LEFT) + 16, ceil(len(names) / columns) * tall)
    return frames, size


def _axes(svg: Svg, frame: _Frame, name: str, thresholds: Mapping[float, str]) -> None:
    svg.text((frame.x - _LEFT + 4, frame.y - 10), name, size=12, weight="600")
    for value in ticks(frame.low, frame.high):
        y = frame.level(value)
        svg.line((frame.x, y), (frame.x + frame.width, y), _SOFT if value == 0 else _GRID)
        svg.text((frame.x - 5, y + 4), f"{value:+.0f} %" if value else "0 %", size=10, colour=_SOFT, anchor="end")
    for value, word in thresholds.items():
        y = frame.level(value)
        svg.line((frame.x, y), (frame.x + frame.width, y), _INK, dash="5 3")
        svg.text((frame.x + frame.width, y - 3), word, size=9.5, colour=_SOFT, anchor="end")


def _response_key(svg: Svg, frame: _Frame) -> None:
    """The colours of the responses, at the upper right of a panel."""
    x = frame.x + frame.width - 5 * 34
    for word in ("CR", "PR", "SD", "PD", "NE"):
        svg.dot((x, frame.y - 14), 4, _RESPONSE_COLOURS[word], edge=_INK)
        svg.text((x + 7, frame.y - 10), word, size=9.5, colour=_SOFT)
        x += 34


def _change(percent: float | None) -> str:
    return "not evaluable" if percent is None else f"{percent:+.1f} %"


def waterfall(
    title: str, groups: Mapping[str, Sequence[Bar]], thresholds: Mapping[float, str], note: str
) -> Plot | None:
    """Bars from the largest increase to the largest decrease, one panel per group; None where there is no bar.

    Parameters
    ----------
    title : str
        What is shown, with its unit.
    groups : mapping
        Panels by name. Bars without a value stand in the table alone.
    thresholds : mapping
        Dashed lines: percent and name.
    note : str
        What is to be known.
    """
    shown = {name: [bar for bar in bars if bar.percent is not None] for name, bars in groups.items()}
    shown = {name: sorted(bars, key=lambda bar: -(bar.percent or 0.0)) for name, bars in shown.items() if bars}
    rows = tuple(
        (name, bar.name, _change(bar.percent), bar.word)
        for name, bars in groups.items()
        for bar in sorted(bars, key=lambda bar: (bar.percent is None, -(bar.percent or 0.0)))
    )
    if not shown:
        return None
    values = [bar.percent or 0.0 for bars in shown.values() for bar in bars]
    frames, size = _frames(list(shown), values, list(thresholds), 26.0)
    svg = Svg(*size, title)
    for frame, (name, bars) in zip(frames, shown.items(), strict=True):
        _axes(svg, frame, name, thresholds)
        if any(bar.word for bar in bars):
            _response_key(svg, frame)
        step = frame.width / len(bars)
        for n, bar in enumerate(bars):
            _bar(svg, frame, bar, (frame.x + n * step, step))
    has_words = any(row[3] for row in rows)
    columns = ("Group", "Lesion or patient", "Change", "Best response")
    return Plot(title, svg.render(), note, columns if has_words else columns[:3],
                rows if has_words else tuple(row[:3] for row in rows))  # fmt: skip


def _bar(svg: Svg, frame: _Frame, bar: Bar, place: tuple[float, float]) -> None:
    (left, step), value = place, bar.percent or 0.0
    width = min(0.72 * step, 46.0)
    top, zero = frame.level(max(value, 0.0)), frame.level(0.0)
    bottom = frame.level(min(value, 0.0))
    colour = _RESPONSE_COLOURS.get(bar.word, _UP if value > 0 else _DOWN)
    x = left + (step - width) / 2
    svg.box((x, top), (width, max(bottom - top, 1.0)), colour)
    _label_bar(svg, bar, (left + step / 2, top, bottom), (zero, step))


def _label_bar(svg: Svg, bar: Bar, ends: tuple[float, float, float], scale: tuple[float, float]) -> None:
    """Value and name of a bar, where there is room for them; the table holds both."""
    (x, top, bottom), (zero, step) = ends, scale
    if step < _NARROW:
        return
    value = bar.percent or 0.0
    above, is_wide = value > 0, step >= _WIDE
    size = 10 if is_wide else 8
    svg.text(
        (x, top - 3 if above else bottom + 10), f"{value:+.0f}{' %' if is_wide else ''}", size=size, anchor="middle"
    )
    if len(bar.name) * 0.6 * size <= step:
        svg.text((x, zero + 11 if above else zero - 4), bar.name, size=size, colour=_SOFT, anchor="middle")
    else:
        place = (x + 3, zero + 6 if above else zero - 5)
        svg.text(place, bar.name, size=size, colour=_SOFT, anchor="end" if above else "start", turn=-60)


def spider(title: str, groups: Mapping[str, Sequence[Line]], thresholds: Mapping[float, str], note: str) -> Plot | None:
    """Change in percent by day, one panel per group; None where no line has a point. See `waterfall`."""
    shown = {name: [line for line in lines if line.points] for name, lines in groups.items()}
    shown = {name: lines for name, lines in shown.items() if lines}
    if not shown:
        return None
    points = [point for lines in shown.values() for line in lines for point in line.points]
    last = max(*(day for day, _, _ in points), 1)
    frames, size = _frames(list(shown), [percent for _, percent, _ in points], list(thresholds), 44.0)
    svg = Svg(*size, title)
    for frame, (name, lines) in zip(frames, shown.items(), strict=True):
        _axes(svg, frame, name, thresholds)
        _day_axis(svg, (frame.x, frame.y + _HEIGHT, frame.width - 40.0), last)
        if any(word for line in lines for _, _, word in line.points):
            _response_key(svg, frame)
        for n, line in enumerate(lines):
            _spider_line(svg, frame, line, (last, n), alone=len(lines) == 1 and line.is_sum)
    rows = tuple(
        (name, line.name, str(day), f"{percent:+.1f} %", word)
        for name, lines in shown.items()
        for line in lines
        for day, percent, word in line.points
    )
    return Plot(title, svg.render(), note, ("Group", "Line", "Day", "Change", "Response"), rows)


def _spider_line(svg: Svg, frame: _Frame, line: Line, order: tuple[int, int], *, alone: bool) -> None:
    """One line: its name at its end, or, where it is alone, the responses at its points."""
    last, number = order
    colour = _INK if alone else _LINE_COLOURS[number % len(_LINE_COLOURS)]
    places = [(frame.x + (frame.width - 40.0) * day / last, frame.level(percent)) for day, percent, _ in line.points]
    svg.path(places, colour, width=2.2 if line.is_sum else 1.5, dash=("", "6 3", "2 3")[number // 7 % 3])
    for place, (_, _, word) in zip(places, line.points, strict=True):
        svg.dot(place, 4 if word else 2.6, _RESPONSE_COLOURS.get(word, colour), edge=_INK if word else "none")
        if word and alone:
            svg.text((place[0], place[1] - 7), word, size=9.5, anchor="middle", weight="600")
    if not alone:
        svg.text((places[-1][0] + 7, places[-1][1] + 4), line.name, size=9.5, colour=colour)


def _day_axis(svg: Svg, place: tuple[float, float, float], last: int, first: int = 0) -> None:
    x, y, width = place
    svg.line((x, y), (x + width, y), _SOFT)
    for value in ticks(first, last):
        at = x + width * (value - first) / (last - first)
        svg.line((at, y), (at, y + 4), _SOFT)
        svg.text((at, y + 16), f"{value:.0f}", size=10, colour=_SOFT, anchor="middle")
    svg.text((x + width, y + 30), "days since the baseline scan", size=10, colour=_SOFT, anchor="end")


def swimmer(title: str, lanes: Sequence[Lane], note: str) -> Plot | None:
    """One lane per patient or evaluator, from the first to the last event; None where there is no lane."""
    days = [mark.day for lane in lanes for mark in lane.marks]
    if not days:
        return None
    first, last = min(0, *days), max(1, *days)
    left, width, tall = 190.0, 520.0, 46.0
    svg = Svg(left + width + 60, 34 + tall * len(lanes) + 36, title)
    _legend(svg, left)
    for n, lane in enumerate(lanes):
        y = 34 + tall * n + 18
        svg.text((left - 12, y + 5), lane.name, size=11, anchor="end")

        def at(day: int) -> float:
            return left + width * (day - first) / (last - first)

        for stretch in lane.stretches:
            svg.box(
                (at(stretch.start), y - 7), (at(stretch.end) - at(stretch.start), 14), _ROUTE_COLOURS[stretch.route]
            )
        for mark in lane.marks:
            _mark(svg, mark, (at(mark.day), y))
    _day_axis(svg, (left, 34 + tall * len(lanes) + 2, width), last, first)
    rows = tuple(_lane_rows(lanes))
    return Plot(title, svg.render(), note, ("Lane", "Day", "Event"), rows)


def _legend(svg: Svg, x: float) -> None:
    for route, name in (*ROUTES.items(), (None, "therapy not given")):
        svg.box((x, 6), (16, 10), _ROUTE_COLOURS[route])
        svg.text((x + 21, 15), name, size=10, colour=_SOFT)
        x += 42 + 6.2 * len(name)


def _mark(svg: Svg, mark: Mark, place: tuple[float, float]) -> None:
    x, y = place
    if mark.word in _RESPONSE_COLOURS:
        svg.dot((x, y), 6, _RESPONSE_COLOURS[mark.word], edge=_INK)
        svg.text((x, y + 19), mark.word, size=9.5, anchor="middle", weight="600")
    elif mark.word == "baseline":
        svg.dot((x, y), 5, "#ffffff", edge=_INK)
    else:
        svg.line((x, y - 12), (x, y + 9), _INK, width=2)
        svg.text((x + 3, y - 10), mark.word, size=9.5)


def _lane_rows(lanes: Sequence[Lane]) -> list[tuple[str, str, str]]:
    found = []
    for lane in lanes:
        events = [(mark.day, mark.word) for mark in lane.marks]
        events += [
            (stretch.start, f"{ROUTES[stretch.route].lower()} therapy up to day {stretch.end}")
            for stretch in lane.stretches
            if stretch.route is not None
        ]
        found += [(lane.name, str(day), word) for day, word in sorted(events, key=lambda event: event[0])]
    return found
