"""Small axial pictures of one lesion, with its outline and its diameters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from dotaliver.export.report.figures import CT_WINDOW_HU, LESION_COLOUR, LIVER_COLOUR, Picture, data_uri, grey
from dotaliver.export.report.pixel_figure import LineStyle, PixelFigure, Rim, TextStyle
from dotaliver.export.report.views import Plane, axial_plane, outlines_on, sample
from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.measurements import Diameter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ThumbnailView", "figure_of", "png_of", "thumbnail"]

_DPI = 110
_FIELD_MM = 90.0
_PIXELS = 209
_MR_PERCENT = (1.0, 99.5)


@dataclass(frozen=True, eq=False)
class ThumbnailView:
    """What one thumbnail shows: an image around a place, with outlines and a diameter where there are any."""

    image: Volume
    centre_lps_mm: Vector
    outlines: LabelMap | None
    labels: tuple[int, ...]
    diameter: Diameter | None
    upper: float
    """Uptake shown black, where the image is a PET."""


def figure_of(width: float, height: float) -> Figure:
    """A figure without a screen, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI)


def png_of(figure: Figure, alt: str) -> Picture:
    """A figure as a picture within the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return Picture(data_uri(stream.getvalue(), "png"), alt)


def thumbnail(view: ThumbnailView, alt: str, caption: str = "") -> Picture:
    """An axial section of 9 cm around a place, seen from the feet, with sides and a scale bar."""
    image = anatomical(view.image)
    grid = image.geometry
    index = int(np.clip(round(float(grid.lps_to_index(view.centre_lps_mm)[0])), 0, grid.shape[0] - 1))
    plane = axial_plane(grid, index, view.centre_lps_mm, (_FIELD_MM, _FIELD_MM), _PIXELS)
    values = sample(image, plane, (0.0, 0.0, 0.0), outside=-1000.0 if image.quantity is Quantity.HU else 0.0)
    low, high = _window(image, values, view.upper)
    is_anatomical = image.quantity in {Quantity.HU, Quantity.MR_SIGNAL}
    figure = PixelFigure(grey(values, low, high, inverted=not is_anatomical))
    if view.outlines is not None:
        for label, inside in outlines_on(view.outlines, plane, (0.0, 0.0, 0.0)).items():
            own = label in view.labels
            figure.outline(inside, LineStyle(LESION_COLOUR, 1.6) if own else LineStyle("white", 0.8, ":"))
    if view.diameter is not None:
        _draw_axes(figure, view.diameter, plane, index, grid)
    _draw_sides_and_scale(figure)
    return Picture(data_uri(figure.encoded("png"), "png"), alt, caption)


def _window(image: Volume, values: npt.NDArray[np.float32], upper: float) -> tuple[float, float]:
    """What is shown black and white: soft tissue of a CT, most of what is shown of an MR, uptake up to ``upper``."""
    if image.quantity is Quantity.HU:
        return CT_WINDOW_HU
    if image.quantity is not Quantity.MR_SIGNAL:
        return 0.0, upper
    low, high = (float(np.percentile(values, percent)) for percent in _MR_PERCENT)
    return low, max(1.15 * high, low + 1e-6)


def _draw_sides_and_scale(figure: PixelFigure) -> None:
    sides = TextStyle("white", 9, rim=Rim(0.8))
    figure.words(0.02 * figure.columns, 0.5 * figure.rows, "R", replace(sides, across="left"))
    figure.words(0.98 * figure.columns, 0.5 * figure.rows, "L", replace(sides, across="right"))
    length, right, bottom = 20.0 / _FIELD_MM * figure.columns, 0.96 * figure.columns, 0.95 * figure.rows
    figure.line([right - length, right], [bottom, bottom], LineStyle("white", 2.0, rim=Rim(1.0)))
    words = TextStyle("white", 7, bold=False, rim=Rim(0.8), down="bottom")
    figure.words(right - length / 2, bottom - 4, "2 cm", words)


def _draw_axes(figure: PixelFigure, diameter: Diameter, plane: Plane, index: int, grid: Geometry) -> None:
    """Long and short axis, where they lie on the slice that is shown."""
    ends: Sequence[tuple[Vector, Vector] | None] = (diameter.long_axis_lps_mm, diameter.short_axis_lps_mm)
    styles: tuple[Literal["-", "--"], ...] = ("-", "--")
    for pair, style in zip(ends, styles, strict=True):
        if pair is None or abs(float(grid.lps_to_index(pair[0])[0]) - index) > 0.6:
            continue
        places = plane.pixels(pair) + 0.5
        figure.line(places[:, 1], places[:, 0], LineStyle(LIVER_COLOUR, 1.4, style))
