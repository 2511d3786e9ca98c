"""Small axial pictures of one lesion, with its outline and its diameters."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dotaliver.export.report_figures import CT_WINDOW_HU, LESION_COLOUR, Picture, grey
from dotaliver.export.views import anatomical, axial_plane, outlines_on, sample
from dotaliver.geometry import Vector
from dotaliver.records import Diameter
from dotaliver.volume import LabelMap, Quantity, Volume

__all__ = ["ThumbnailView", "figure_of", "png_of", "thumbnail"]

_DPI = 110
_FIELD_MM = 90.0


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


def figure_of(width: float, height: float) -> Any:
    """A figure without a screen, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI)


def png_of(figure: Any, alt: str) -> Picture:
    """A figure as a picture that stands in the page itself."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return Picture(f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}", alt)


def thumbnail(view: ThumbnailView, alt: str) -> Picture:
    """An axial section of 9 cm around a place, head first, the patient's right on the left."""
    image = anatomical(view.image)
    grid = image.geometry
    index = int(np.clip(round(float(grid.lps_to_index(view.centre_lps_mm)[0])), 0, grid.shape[0] - 1))
    plane = axial_plane(grid, index, view.centre_lps_mm, (_FIELD_MM, _FIELD_MM))
    is_ct = image.quantity is Quantity.HU
    values = sample(image, plane, (0.0, 0.0, 0.0), outside=-1000.0 if is_ct else 0.0)
    low, high = CT_WINDOW_HU if is_ct else (0.0, view.upper)
    rgb = grey(values, low, high, inverted=not is_ct)
    rows, columns = rgb.shape[:2]
    figure = figure_of(1.9, 1.9)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(rgb, extent=(0, columns, rows, 0), aspect="auto", interpolation="bilinear")
    axes.set_axis_off()
    if view.outlines is not None:
        for label, inside in outlines_on(view.outlines, plane, (0.0, 0.0, 0.0)).items():
            _draw_outline(axes, inside, own=label in view.labels)
    if view.diameter is not None:
        _draw_axes(axes, view.diameter, plane, index, grid)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return png_of(figure, alt)


def _draw_outline(axes: Any, inside: Any, *, own: bool) -> None:
    rows, columns = inside.shape
    x, y = np.arange(columns) + 0.5, np.arange(rows) + 0.5
    axes.contour(
        x, y, inside, levels=[0.5], colors=LESION_COLOUR if own else "white",
        linewidths=1.6 if own else 0.8, linestyles="-" if own else ":",
    )  # fmt: skip


def _draw_axes(axes: Any, diameter: Diameter, plane: Any, index: int, grid: Any) -> None:
    """Long and short axis, where they lie on the slice that is shown."""
    points = plane.points_lps_mm
    steps = np.stack([points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]]) / plane.pixel_mm**2
    ends: Sequence[tuple[Vector, Vector] | None] = (diameter.long_axis_lps_mm, diameter.short_axis_lps_mm)
    for pair, style in zip(ends, ("-", "--"), strict=True):
        if pair is None or abs(float(grid.lps_to_index(pair[0])[0]) - index) > 0.6:
            continue
        places = (np.asarray(pair) - points[0, 0]) @ steps.T + 0.5
        axes.plot(places[:, 1], places[:, 0], color="#56B4E9", linewidth=1.4, linestyle=style)
