"""A small writer of SVG: shapes and text that stand in a page itself; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from typing import Literal, TypedDict, Unpack

__all__ = ["Svg", "TextStyle", "ticks"]

_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them plus one.

    Examples
    --------
    >>> ticks(-55.0, 30.0)
    [-40.0, -20.0, 0.0, 20.0]
    """
    raw = max(high - low, 1e-9) / most
    scale = 10.0 ** floor(log10(raw))
    step = next(factor * scale for factor in _STEPS if factor * scale >= raw * (1 - 1e-9))
    first, last = -floor(-low / step), floor(high / step)
    return [number * step + 0.0 for number in range(first, last + 1)]


class TextStyle(TypedDict, total=False):
    """How text looks."""

    size: float
    colour: str
    anchor: Literal["start", "middle", "end"]
    weight: str
    turn: float
    """Degrees, clockwise"""


class Svg:
    """One picture, drawn from the upper left corner in pixels.

    Parameters
    ----------
    width, height : float
        Size of the picture.
    title : str
        What a screen reader says of it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str, *, width: float = 1.0,
             dash: str = "") -> None:  # fmt: skip
        """A straight line."""
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
            f'stroke="{colour}" stroke-width="{width:g}"{style}/>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 1.6, dash: str = "") -> None:
        """A line through several points."""
        style = f' stroke-dasharray="{dash}"' if dash else ""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width:g}"{style}/>'
        )

    def box(self, corner: tuple[float, float], size: tuple[float, float], fill: str, *, edge: str = "none") -> None:
        """A rectangle from its upper left corner."""
        self._parts.append(
            f'<rect x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{max(size[0], 0):.1f}" '
            f'height="{max(size[1], 0):.1f}" fill="{fill}" stroke="{edge}"/>'
        )

    def dot(self, centre: tuple[float, float], radius: float, fill: str, *, edge: str = "none") -> None:
        """A disc."""
        self._parts.append(
            f'<circle cx="{centre[0]:.1f}" cy="{centre[1]:.1f}" r="{radius:g}" fill="{fill}" stroke="{edge}"/>'
        )

    def text(self, place: tuple[float, float], words: str, **style: Unpack[TextStyle]) -> None:
        """Text whose baseline begins, is centred or ends at a place (see `TextStyle`)."""
        x, y = place
        turn = style.get("turn", 0.0)
        turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{style.get("size", 11.0):g}" '
            f'fill="{style.get("colour", "#1c2430")}" text-anchor="{style.get("anchor", "start")}" '
            f'font-weight="{style.get("weight", "normal")}"{turned}>{escape(words)}</text>'
        )

    def render(self) -> str:
        """The picture as an element that may stand in HTML."""
        width, height = self._size
        return (
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'style="max-width: {width:.0f}px; width: 100%; height: auto; display: block" font-family="{_FONT}">'
            f"<title>{escape(self._title)}</title>{_joined(self._parts)}</svg>"
        )


def _joined(parts: Iterable[str]) -> str:
    return "".join(parts)
