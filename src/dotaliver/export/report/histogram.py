"""The figure of how uptake is distributed in normal liver and in lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.export.plots.svg import ticks
from dotaliver.export.report.figures import LESION_DARK, LIVER_DARK, Picture, data_uri
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, Rim, TextStyle

_HISTOGRAM_SCALE = 1.6
_LIGHT_RIM = Rim(1.5, "white")


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
