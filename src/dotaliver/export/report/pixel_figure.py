"""A picture whose places are pixels: an image with lines and words over it, drawn by Pillow without a screen."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from dotaliver.system.fonts import font_file

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["LineStyle", "PixelFigure", "Rim", "TextStyle", "outline_lines"]

_JPEG_QUALITY = 88
# Of 9. The default, 6, takes twice the time for files of the same size, which are noise for the most part.
_PNG_LEVEL = 3
_DOTS_PER_POINT = 100 / 72
# Lines are drawn so many times as large and then reduced, which smooths their edges.
_FINER = 4
# Cosine of the angle from which a corner is rounded: 15 degrees
_STRAIGHT = 0.966
# Lengths of a stroke and of the gap after it, in widths of the line
_STROKES: dict[str, tuple[float, float]] = {"--": (3.7, 1.6), ":": (1.0, 1.65)}

Line = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rim:
    """Another colour around lines and letters, seen on any ground; its width on each side in points."""

    width: float = 1.25
    colour: str = "black"


@dataclass(frozen=True)
class LineStyle:
    """How lines are drawn; widths in points."""

    colour: str = "white"
    width: float = 1.5
    stroke: Literal["-", "--", ":"] = "-"
    rim: Rim | None = None


@dataclass(frozen=True)
class TextStyle:
    """How words are drawn: size in points, and which part of them lies at the place."""

    colour: str = "white"
    size: float = 12.0
    bold: bool = True
    rim: Rim | None = None
    across: Literal["left", "center", "right"] = "center"
    down: Literal["top", "center", "bottom"] = "center"
    upright: bool = False


def outline_lines(inside: npt.NDArray[np.float32]) -> list[Line]:
    """The lines at 0.5 through the middles of an image's pixels, each of shape (n, 2): x and y, in pixels.

    The corner of the first pixel is the origin.
    """
    from skimage.measure import find_contours

    # Sought only where there is something: contouring whole pictures takes seconds.
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
    rgb : ndarray
        Shape (rows, columns, 3): floats of 0 to 1, or bytes.
    scale : float
        How many times as large lines and letters are drawn, for a picture that is shown smaller.
    """

    def __init__(self, rgb: npt.NDArray[np.floating] | npt.NDArray[np.uint8], scale: float = 1.0) -> None:
        from PIL import Image

        pixels = rgb if rgb.dtype == np.uint8 else np.uint8(np.clip(rgb, 0.0, 1.0) * 255.0 + 0.5)
        self.rows, self.columns = pixels.shape[:2]
        self._image = Image.fromarray(np.ascontiguousarray(pixels))
        self._dots = _DOTS_PER_POINT * scale

    @property
    def dots_per_point(self) -> float:
        """Pixels of a point, in which widths and sizes are given."""
        return self._dots

    def outline(self, inside: npt.NDArray[np.float32], style: LineStyle) -> None:
        """The line at 0.5 of an image of this picture's shape."""
        self.lines(outline_lines(inside), style)

    def line(self, x: npt.ArrayLike, y: npt.ArrayLike, style: LineStyle) -> None:
        """A line through some places."""
        self.lines([np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])], style)

    def lines(self, lines: Sequence[Line], style: LineStyle) -> None:
        """Lines through places of shape (n, 2), x and y each."""
        width = style.width * self._dots
        if style.stroke in _STROKES:
            lengths = tuple(width * part for part in _STROKES[style.stroke])
            lines = [stroke for line in lines for stroke in _strokes(line, lengths[0], lengths[1])]
        if style.rim is not None:
            self._draw(lines, width + 2 * style.rim.width * self._dots, style.rim.colour)
        self._draw(lines, width, style.colour)

    def area(self, corners: Line, colour: str, opacity: float) -> None:
        """Fill the area that a line encloses."""
        from PIL import Image, ImageDraw

        mask = Image.new("L", (self.columns, self.rows))
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in corners], fill=round(255 * opacity))
        self._image.paste(colour, mask=mask)

    def picture(self, pixels: npt.NDArray[np.uint8], x: int, y: int) -> None:
        """Put another image at a place."""
        from PIL import Image

        self._image.paste(Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB"), (x, y))

    def words(self, x: float, y: float, text: str, style: TextStyle) -> None:
        """Words at a place."""
        from PIL import Image, ImageDraw

        font = _font("DejaVuSans-Bold" if style.bold else "DejaVuSans", round(style.size * self._dots, 2))
        rim = 0 if style.rim is None else max(round(style.rim.width * self._dots), 1)
        left, top, right, bottom = font.getbbox(text, anchor="ls")
        width, height = right - left, bottom - top
        size = (int(width) + 2 * rim + 4, int(height) + 2 * rim + 4)
        middle = (size[0] / 2 - (left + right) / 2, size[1] / 2 - (top + bottom) / 2)
        letters, ground = Image.new("L", size), Image.new("L", size)
        ImageDraw.Draw(letters).text(middle, text, fill=255, font=font, anchor="ls")
        ImageDraw.Draw(ground).text(middle, text, fill=255, font=font, anchor="ls", stroke_width=rim)
        if style.upright:
            letters, ground = (part.transpose(Image.Transpose.ROTATE_90) for part in (letters, ground))
            width, height = height, width
        x += {"left": width / 2, "center": 0.0, "right": -width / 2}[style.across]
        y += {"top": height / 2, "center": 0.0, "bottom": -height / 2}[style.down]
        place = (round(x - letters.width / 2), round(y - letters.height / 2))
        if style.rim is not None:
            self._image.paste(style.rim.colour, place, ground)
        self._image.paste(style.colour, place, letters)

    def width_of(self, text: str, style: TextStyle) -> float:
        """How many pixels words take from left to right."""
        font = _font("DejaVuSans-Bold" if style.bold else "DejaVuSans", round(style.size * self._dots, 2))
        left, _, right, _ = font.getbbox(text, anchor="ls")
        return float(right - left)

    def encoded(self, kind: Literal["jpeg", "png"]) -> bytes:
        """The picture as a file of a kind."""
        stream = io.BytesIO()
        options = {"quality": _JPEG_QUALITY} if kind == "jpeg" else {"compress_level": _PNG_LEVEL}
        self._image.save(stream, format=kind, **options)
        return stream.getvalue()

    def _draw(self, lines: Iterable[Line], width: float, colour: str) -> None:
        """Draw lines of a width in pixels, within the part of the picture that they touch."""
        from PIL import Image, ImageDraw

        drawn = [line for line in lines if len(line) > 1]
        if not drawn:
            return
        places = np.concatenate(drawn)
        margin, size = width / 2 + 2, (self.columns, self.rows)
        low = np.clip(np.floor(places.min(axis=0) - margin), 0, size).astype(int)
        high = np.clip(np.ceil(places.max(axis=0) + margin), 0, size).astype(int)
        if (high <= low).any():
            return
        mask = Image.new("L", tuple((high - low) * _FINER))
        draw = ImageDraw.Draw(mask)
        for line in drawn:
            # Pillow's places are the middles of pixels.
            finer = (line - low) * _FINER - 0.5
            draw.line(finer.ravel().tolist(), fill=255, width=max(round(width * _FINER), 1))
            # Its own round joints take four times as long as the rest of a report's drawing.
            for x, y in _corners(finer):
                draw.circle((x, y), width * _FINER / 2, fill=255)
        self._image.paste(colour, (int(low[0]), int(low[1])), mask.reduce(_FINER))


def _strokes(line: Line, stroke: float, gap: float) -> Iterator[Line]:
    """The parts of a line that are drawn where it has gaps; lengths in pixels."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    for start in np.arange(0.0, along[-1], stroke + gap):
        end = min(start + stroke, along[-1])
        between = along[(along > start) & (along < end)]
        at = np.concatenate([[start], between, [end]])
        yield np.column_stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)])


def _corners(line: Line) -> list[list[float]]:
    """The places where a line turns by more than 15 degrees, and where it closes."""
    steps = np.diff(line, axis=0)
    before, after, at = steps[:-1], steps[1:], line[1:-1]
    if len(line) > 2 and np.array_equal(line[0], line[-1]):
        before, after, at = steps, np.roll(steps, -1, axis=0), line[1:]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    corners: list[list[float]] = at[(before * after).sum(axis=1) < _STRAIGHT * lengths].tolist()
    return corners


@lru_cache(maxsize=64)
def _font(name: str, pixels: float) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file(name)), pixels, layout_engine=ImageFont.Layout.BASIC)
