"""A picture whose places are pixels: an image with lines and words over it, without axes, which take most of the time.

Drawn by matplotlib's own renderer, in memory, without a screen.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.patheffects import AbstractPathEffect

__all__ = ["JPEG_QUALITY", "LineStyle", "OutlineStyle", "PixelFigure", "TextStyle", "halo", "outline_lines"]

_DPI = 100
JPEG_QUALITY = 88


class OutlineStyle(TypedDict, total=False):
    """How an outline is drawn, in matplotlib's words; widths in points."""

    colors: str
    linewidths: float
    linestyles: str
    path_effects: list[AbstractPathEffect]


class LineStyle(TypedDict, total=False):
    """How a line is drawn, in matplotlib's words; widths in points."""

    color: str
    linewidth: float
    linestyle: Literal["-", "--", ":"]
    path_effects: list[AbstractPathEffect]


class TextStyle(TypedDict, total=False):
    """How words are drawn, in matplotlib's words; sizes in points."""

    color: str
    fontsize: float
    fontweight: str
    path_effects: list[AbstractPathEffect]
    va: str


def halo(width: float = 2.5, colour: str = "black") -> list[AbstractPathEffect]:
    """A rim around lines and words, in points, so that they are seen on any ground."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=colour)]


def outline_lines(inside: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float64]]:
    """The lines at 0.5 through the middles of an image's pixels, each of shape (n, 2): x and y, in pixels.

    The corner of the first pixel is the origin.
    """
    from skimage.measure import find_contours

    # Sought only where there is something, and not by matplotlib: contouring whole pictures takes seconds.
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return []
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    part = inside[top : rows[-1] + 2, left : columns[-1] + 2]
    found = find_contours(part, 0.5) if min(part.shape) >= 2 else []
    return [line[:, ::-1] + (left + 0.5, top + 0.5) for line in found]


class PixelFigure:
    """An image, one of its pixels to one of the picture's, and what is drawn over it.

    Places are x to the right and y downwards in pixels, from the upper left corner of the first pixel; widths of lines
    and sizes of letters are in points of 1/72 inch at 100 dots per inch.

    Parameters
    ----------
    rgb : ndarray of float
        Shape (rows, columns, 3), 0 to 1.
    """

    def __init__(self, rgb: npt.NDArray[np.floating]) -> None:
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.rows, self.columns = rgb.shape[:2]
        self._figure = Figure(figsize=(self.columns / _DPI, self.rows / _DPI), dpi=_DPI)
        self._figure.figimage(np.uint8(np.clip(rgb, 0.0, 1.0) * 255.0 + 0.5), origin="upper")
        self._place = Affine2D().scale(1.0, -1.0).translate(0.0, self.rows)

    def outline(self, inside: npt.NDArray[np.float32], **style: Unpack[OutlineStyle]) -> None:
        """The line at 0.5 of an image of this picture's shape."""
        from matplotlib.collections import LineCollection

        self._figure.add_artist(LineCollection(outline_lines(inside), transform=self._place, **style))

    def line(self, x: npt.ArrayLike, y: npt.ArrayLike, **style: Unpack[LineStyle]) -> None:
        """A line through some places."""
        from matplotlib.lines import Line2D

        self._figure.add_artist(Line2D(np.asarray(x), np.asarray(y), transform=self._place, **style))

    def words(self, x: float, y: float, text: str, *, ha: str = "center", **style: Unpack[TextStyle]) -> None:
        """Words at a place."""
        self._figure.text(x, y, text, ha=ha, transform=self._place, **style)

    def encoded(self, kind: Literal["jpeg", "png"]) -> bytes:
        """The picture as a file of a kind."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        canvas = FigureCanvasAgg(self._figure)
        canvas.draw()
        stream = io.BytesIO()
        options = {"quality": JPEG_QUALITY} if kind == "jpeg" else {}
        Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(stream, format=kind, **options)
        return stream.getvalue()
