"""The figure of the whole PET: maximum-intensity projections with lesions outlined and numbered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dotaliver.export.plots.svg import ticks
from dotaliver.export.report.figures import BODY_STYLES, LESION_DARK, LIVER_DARK, Inside, Picture, data_uri
from dotaliver.export.report.label_places import spread_apart
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, Rim, TextStyle, outline_lines
from dotaliver.records.body_record import LesionState

_NUMBER_COLOUR = "#8a3b00"
_MIP_SCALE = 1.5
_LIGHT_RIM = Rim(1.5, "white")


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
