"""Figures of the report, rendered without a display and embedded in the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from dotaliver.export.plots.svg import ticks
from dotaliver.export.report.colours import uptake_colours
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, Rim, TextStyle, outline_lines
from dotaliver.records.body_record import LesionState

__all__ = [
    "BODY_STYLES",
    "CT_WINDOW_HU",
    "LESION_COLOUR",
    "LESION_DARK",
    "LIVER_COLOUR",
    "LIVER_DARK",
    "SECOND_COLOUR",
    "Drawing",
    "Picture",
    "colour_stops",
    "data_uri",
    "fused_rgb",
    "grey",
]

# Okabe and Ito's colours, distinguishable for colour-blind readers; lines also differ in style.
LIVER_COLOUR = "#56B4E9"
LESION_COLOUR = "#E69F00"
LIVER_DARK, LESION_DARK = "#0072B2", "#D55E00"
_NUMBER_COLOUR = "#8a3b00"
# Outside the liver, by what the reader says; lines also differ in style.
BODY_STYLES: dict[LesionState, tuple[str, Literal["-", "--", ":"]]] = {
    "unanswered": ("#8E4585", "--"),
    "accepted": ("#B8460B", "-"),
    "added": ("#00785A", "-"),
    "rejected": ("#707780", ":"),
}
SECOND_COLOUR = "#F0E442"
# Soft-tissue window of abdominal CT: level 40, width 400.
CT_WINDOW_HU = (-160.0, 240.0)
_MIP_SCALE, _HISTOGRAM_SCALE = 1.5, 1.6
_DARK_RIM, _LIGHT_RIM = Rim(1.25), Rim(1.5, "white")

Rgb = npt.NDArray[np.float32]
Inside = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """An image embedded in the page."""

    data_uri: str
    alt: str
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn over an axial picture."""

    lesions: Mapping[int, Inside]
    liver: Inside | None
    pixel_mm: float
    scale_mm: float
    emphasised: int | None = None
    second_liver: Inside | None = None
    """The liver as the audit outlines it, where it is shown."""


def grey(values: npt.NDArray[np.floating], low: float, high: float, *, inverted: bool = False) -> Rgb:
    """Values as grey between two bounds, shape (rows, columns, 3), 0 to 1."""
    level = np.clip((values.astype(np.float32) - low) / (high - low), 0.0, 1.0)
    return np.repeat((1.0 - level if inverted else level)[..., None], 3, axis=-1)


def fused_rgb(ct_hu: npt.NDArray[np.floating], uptake: npt.NDArray[np.floating], upper: float) -> Rgb:
    """PET in colour over CT in grey; the PET is faint where normal liver lies (a third of the upper bound)."""
    share = np.clip(uptake / upper, 0.0, 1.0)
    colour = uptake_colours(share) / np.float32(255)
    opacity = 0.75 * np.clip((share - 0.15) / 0.6, 0.0, 1.0)[..., None]
    return np.asarray(grey(ct_hu, *CT_WINDOW_HU) * (1.0 - opacity) + colour * opacity, dtype=np.float32)


def colour_stops(count: int = 9) -> list[str]:
    """The PET's colours from none to the upper bound, as CSS colours."""
    return [f"#{bytes(colour).hex()}" for colour in uptake_colours(np.linspace(0.0, 1.0, count))]


def data_uri(encoded: bytes, kind: str) -> str:
    """An encoded picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


def axial_picture(rgb: Rgb, drawing: Drawing, alt: str, caption: str) -> Picture:
    """An axial slice with outlines, side marks and a scale bar, one image pixel to one picture pixel."""
    figure = PixelFigure(rgb)
    if drawing.second_liver is not None:
        figure.outline(drawing.second_liver, LineStyle(SECOND_COLOUR, 1.8, "-"))
    if drawing.liver is not None:
        figure.outline(drawing.liver, LineStyle(LIVER_COLOUR, 1.8, "--"))
    for label, inside in drawing.lesions.items():
        # White on the fused colours, where orange would vanish in the hot ones; the others of them dotted.
        main = drawing.emphasised in {None, label}
        colour = LESION_COLOUR if drawing.emphasised is None else "white"
        figure.outline(inside, LineStyle(colour, 1.8 if main else 1.4, "-" if main else ":", Rim(0.7 if main else 0.5)))
    if drawing.emphasised is None:
        _number_beside(figure, drawing.lesions)
    sides = TextStyle("white", 12, rim=_DARK_RIM)
    figure.words(0.02 * figure.columns, 0.5 * figure.rows, "R", replace(sides, across="left"))
    figure.words(0.98 * figure.columns, 0.5 * figure.rows, "L", replace(sides, across="right"))
    _scale_bar(figure, drawing)
    return Picture(data_uri(figure.encoded("jpeg"), "jpeg"), alt, caption)


def _number_beside(figure: PixelFigure, lesions: Mapping[int, Inside]) -> None:
    """Each lesion's number to the upper right of it, pushed off other numbers."""
    corners = []
    for inside in lesions.values():
        rows, columns = np.nonzero(inside > 0.5)
        corners.append((columns.max() + 8.0, rows.min() - 5.0))
    if not corners:
        return
    shape = next(iter(lesions.values())).shape
    places = spread_apart(np.array(corners), np.empty((0, 2)), 15.0, (float(shape[1]), float(shape[0])))
    for label, (x, y) in zip(lesions, places, strict=True):
        figure.words(x, y, str(label), TextStyle(LESION_COLOUR, 11, rim=_DARK_RIM))


def _scale_bar(figure: PixelFigure, drawing: Drawing) -> None:
    length = drawing.scale_mm / drawing.pixel_mm
    right, bottom = figure.columns * 0.96, figure.rows * 0.95
    figure.line([right - length, right], [bottom, bottom], LineStyle("white", 2.5, rim=Rim(1.0)))
    words = TextStyle("white", 9, bold=False, rim=Rim(0.8), down="bottom")
    figure.words(right - length / 2, bottom - 5, f"{drawing.scale_mm / 10:g} cm", words)


@dataclass(frozen=True, eq=False)
class Shadow:
    """One view of the whole PET: its highest values, and the shadows of what was outlined."""

    title: str
    array: npt.NDArray[np.floating]
    extent_mm: tuple[float, float, float, float]
    liver: Inside | None
    lesions: Mapping[int, Inside]
    sides: tuple[str, str]
    body: Mapping[str, tuple[Inside, LesionState]] = field(default_factory=dict)


def mip_picture(shadows: Sequence[Shadow], upper: float, unit: str, alt: str, caption: str) -> Picture:
    """Maximum-intensity projections side by side, dark where hot, at one scale in mm."""
    widths = [s.extent_mm[1] for s in shadows]
    height = shadows[0].extent_mm[2]
    gap_mm, bar_mm = 0.03 * sum(widths), 0.10 * sum(widths)
    total = sum(widths) + gap_mm * (len(shadows) - 1) + bar_mm
    per_mm = _MIP_SCALE * min(1060 / total, 780 / height)
    title_px = round(26 * _MIP_SCALE)
    ground = np.full((round(height * per_mm) + title_px, round(total * per_mm), 3), 255, dtype=np.uint8)
    figure = PixelFigure(ground, _MIP_SCALE)
    left = 0.0
    for shadow, width in zip(shadows, widths, strict=True):
        _draw_shadow(figure, shadow, upper, _Panel(round(left * per_mm), title_px, per_mm))
        left += width + gap_mm
    bar = (round((left + 0.005 * total) * per_mm), round(0.28 * figure.rows), round(0.016 * figure.columns))
    _grey_bar(figure, bar, upper, unit)
    return Picture(data_uri(figure.encoded("jpeg"), "jpeg"), alt, caption)


def _grey_bar(figure: PixelFigure, place: tuple[int, int, int], upper: float, unit: str) -> None:
    """The scale: black is the upper bound of what is shown."""
    left, top, width = place
    height = round(0.6 * figure.rows)
    levels = np.linspace(0, 255, height).round().astype(np.uint8)
    figure.picture(np.repeat(levels[:, None], width, axis=1), left, top)
    words, thin = TextStyle("black", 9, bold=False, across="left"), LineStyle("black", 0.8)
    _frame(figure, (left, top, left + width, top + height), thin)
    mark = 3.5 * figure.dots_per_point
    for value in ticks(0.0, upper, most=8):
        y = top + height * (1 - value / upper)
        figure.line([left + width, left + width + mark], [y, y], thin)
        figure.words(left + width + 2 * mark, y, f"{value:g}", words)
    above = replace(words, across="center", down="bottom")
    figure.words(left + width / 2, top - 6 * figure.dots_per_point, unit.replace(" units", ""), above)


def _frame(figure: PixelFigure, box: tuple[float, float, float, float], style: LineStyle) -> None:
    """A frame around left, top, right and bottom."""
    left, top, right, bottom = box
    figure.line([left, right, right, left, left], [top, top, bottom, bottom, top], style)


@dataclass(frozen=True)
class _Panel:
    """Where a view lies in a picture: its left upper corner in pixels, and pixels per mm."""

    left: int
    top: int
    per_mm: float

    def places(self, points_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points of the view in the picture."""
        result: npt.NDArray[np.float64] = np.asarray(points_mm) * self.per_mm + (self.left, self.top)
        return result


@dataclass(frozen=True)
class _Number:
    """A lesion's number, the place that it belongs to, and its colour and its line's."""

    name: str
    place_mm: tuple[float, float]
    colour: str
    line_colour: str


def _draw_shadow(figure: PixelFigure, shadow: Shadow, upper: float, panel: _Panel) -> None:
    _, right, bottom, _ = shadow.extent_mm
    size = (round(right * panel.per_mm), round(bottom * panel.per_mm))
    figure.picture(_smooth_greys(shadow.array, upper, size), panel.left, panel.top)
    _frame(figure, (panel.left, panel.top, panel.left + size[0], panel.top + size[1]), LineStyle("#cccccc", 0.8))
    rows, columns = shadow.array.shape
    pixel = (right / columns, bottom / rows)
    if shadow.liver is not None:
        outline = [panel.places(line * pixel) for line in outline_lines(shadow.liver)]
        figure.lines(outline, LineStyle(LIVER_DARK, 1.6, "--"))
    marks = []
    for label, inside in shadow.lesions.items():
        marks.append((str(label), inside, LineStyle(LESION_DARK, 1.4), _NUMBER_COLOUR))
    for name, (inside, state) in shadow.body.items():
        colour, stroke = BODY_STYLES[state]
        marks.append((name, inside, LineStyle(colour, 1.4, stroke), colour))
    numbers = []
    for name, inside, style, colour in marks:
        figure.lines([panel.places(line * pixel) for line in outline_lines(inside)], style)
        row, column = np.argwhere(inside > 0.5).mean(axis=0) + 0.5
        numbers.append(_Number(name, (float(column * pixel[0]), float(row * pixel[1])), colour, style.colour))
    _number_with_leaders(figure, numbers, (right, bottom), panel)
    gap = 6 * figure.dots_per_point
    title = TextStyle("black", 12, bold=False, across="left", down="bottom")
    figure.words(panel.left, panel.top - gap, shadow.title, title)
    sides = TextStyle("#333333", 12, rim=_LIGHT_RIM, across="left", down="top")
    top = panel.top + 0.015 * size[1]
    figure.words(panel.left + 0.015 * size[0], top, shadow.sides[0], sides)
    figure.words(panel.left + 0.985 * size[0], top, shadow.sides[1], replace(sides, across="right"))


def _smooth_greys(uptake: npt.NDArray[np.floating], upper: float, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Uptake as grey, dark where hot, interpolated linearly to a width and height in pixels."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(uptake, dtype=np.float32))
    values = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    return np.asarray(255.0 * (1.0 - np.clip(values / upper, 0.0, 1.0)) + 0.5).astype(np.uint8)


def _number_with_leaders(
    figure: PixelFigure, numbers: Sequence[_Number], size_mm: tuple[float, float], panel: _Panel
) -> None:
    """Number lesions on a circle around their places, pushed apart, with a thin line to each."""
    if not numbers:
        return
    points = np.array([number.place_mm for number in numbers])
    middle = points.mean(axis=0) if len(points) > 1 else np.array(size_mm) / 2
    away = points - middle
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    away[np.linalg.norm(away, axis=1) < 0.5] = (0.7, -0.7)
    apart_mm = 15.0 if len(points) <= 40 else 8.0
    places = spread_apart(points + 1.6 * apart_mm * away, points, apart_mm, size_mm)
    for number, place in zip(numbers, places, strict=True):
        figure.lines([panel.places([number.place_mm, place])], LineStyle(number.line_colour, 0.7))
    size = 10 if len(points) <= 40 else 7
    for number, place in zip(numbers, panel.places(places), strict=True):
        figure.words(place[0], place[1], number.name, TextStyle(number.colour, size, rim=_LIGHT_RIM))


def spread_apart(
    places: npt.NDArray[np.float64], fixed: npt.NDArray[np.float64], apart: float, bounds: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Push labels from each other and from marked points until none is nearer than a distance, or 60 times."""
    places = places.copy()
    for _ in range(60):
        others = np.concatenate([places, fixed])
        gap = places[:, None] - others[None]
        distance = np.linalg.norm(gap, axis=-1)
        np.fill_diagonal(distance, np.inf)
        push = np.clip(apart - distance, 0, None) / 2
        if not push.any():
            break
        places = places + (gap / np.maximum(distance, 1e-6)[..., None] * push[..., None]).sum(axis=1)
        places = np.clip(places, apart / 2, np.asarray(bounds) - apart / 2)
    return places


@dataclass(frozen=True, eq=False)
class UptakeSamples:
    """PET values inside the liver (without lesions) and inside lesions, and the references drawn in."""

    liver: npt.NDArray[np.floating]
    lesions: npt.NDArray[np.floating]
    mean: float | None
    limit: float | None
    unit: str


def histogram_picture(samples: UptakeSamples, alt: str, caption: str) -> Picture:
    """How uptake is distributed in liver and lesions, each in percent of its own volume."""
    everything = np.concatenate([samples.liver, samples.lesions])
    top = float(np.percentile(everything, 99.9)) if samples.lesions.size == 0 else float(samples.lesions.max())
    top = max(top, 1.4 * (samples.limit or samples.mean or 0.0), 1e-6)
    edges = np.linspace(0.0, top, 81)
    parts = []
    for values, name, colour in (
        (samples.liver, "Lesion-free liver", LIVER_DARK),
        (samples.lesions, "Lesions", LESION_DARK),
    ):
        if values.size:
            percent = 100.0 * np.histogram(values, edges)[0] / values.size
            parts.append((percent, name, LineStyle(colour, 1.6)))
    chart = _Chart(top, 1.05 * max(float(percent.max()) for percent, _, _ in parts) or 1.0, samples.unit)
    for percent, _, style in parts:
        chart.steps(edges, percent, style)
    legend = [(name, style) for _, name, style in parts]
    if samples.mean is not None:
        legend.append((f"Normal liver, mean {samples.mean:.1f}", LineStyle("black", 1.5)))
        chart.upright(samples.mean, legend[-1][1])
    if samples.limit is not None:
        name = f"Normal liver, upper limit of a 1 ml mean {samples.limit:.1f}"
        legend.append((name, LineStyle("black", 1.5, "--")))
        chart.upright(samples.limit, legend[-1][1])
    chart.explain(legend)
    return Picture(data_uri(chart.figure.encoded("png"), "png"), alt, caption)


class _Chart:
    """Axes of uptake across and percent of volume upwards, and what is drawn between them."""

    def __init__(self, right: float, top: float, unit: str) -> None:
        scale = _HISTOGRAM_SCALE
        rows, columns = round(300 * scale), round(900 * scale)
        self.figure = PixelFigure(np.full((rows, columns, 3), 255, dtype=np.uint8), scale)
        self._box = (0.075 * columns, 0.11 * rows, 0.985 * columns, 0.81 * rows)
        self._right, self._top = right, top
        self._draw_axes(unit)

    def _x(self, uptake: npt.ArrayLike) -> npt.NDArray[np.float64]:
        left, _, right, _ = self._box
        return np.asarray(left + np.asarray(uptake, dtype=float) / self._right * (right - left))

    def _y(self, percent: npt.ArrayLike) -> npt.NDArray[np.float64]:
        _, top, _, bottom = self._box
        return np.asarray(bottom - np.asarray(percent, dtype=float) / self._top * (bottom - top))

    def _draw_axes(self, unit: str) -> None:
        left, top, right, bottom = self._box
        figure, thin, dot = self.figure, LineStyle("black", 0.8), self.figure.dots_per_point
        figure.line([left, left, right], [top, bottom, bottom], thin)
        words = TextStyle("black", 10, bold=False)
        for value in ticks(0.0, self._right, most=8):
            x = float(self._x(value))
            figure.line([x, x], [bottom, bottom + 3.5 * dot], thin)
            figure.words(x, bottom + 7 * dot, f"{value:g}", replace(words, down="top"))
        for value in ticks(0.0, self._top):
            y = float(self._y(value))
            figure.line([left - 3.5 * dot, left], [y, y], thin)
            figure.words(left - 7 * dot, y, f"{value:g}", replace(words, across="right"))
        figure.words((left + right) / 2, figure.rows - 8 * dot, f"Uptake ({unit})", replace(words, down="bottom"))
        figure.words(10 * dot, (top + bottom) / 2, "Volume (%)", replace(words, across="left", upright=True))

    def steps(self, edges: npt.NDArray[np.float64], percent: npt.NDArray[np.float64], style: LineStyle) -> None:
        """A histogram with its area filled."""
        x, y = self._x(np.repeat(edges, 2)), self._y(np.concatenate([[0.0], np.repeat(percent, 2), [0.0]]))
        corners = np.column_stack([x, y])
        self.figure.area(corners, style.colour, 0.25)
        self.figure.lines([corners], style)

    def upright(self, uptake: float, style: LineStyle) -> None:
        """A line at an uptake."""
        x = float(self._x(uptake))
        self.figure.line([x, x], [self._box[1], self._box[3]], style)

    def explain(self, legend: Sequence[tuple[str, LineStyle]]) -> None:
        """What each line shows, in the right upper corner."""
        figure, dot = self.figure, self.figure.dots_per_point
        words = TextStyle("black", 10, bold=False, rim=_LIGHT_RIM, across="left")
        widest = max(figure.width_of(name, words) for name, _ in legend)
        for place, (name, style) in enumerate(legend):
            x, y = self._box[2] - widest, self._box[1] + (8 + 15 * place) * dot
            figure.line([x - 28 * dot, x - 7 * dot], [y, y], style)
            figure.words(x, y, name, words)
