"""Windows in which PET and CT are looked at: named ones, and what a drag of the mouse makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CT_WINDOWS", "PET_WINDOWS", "Window", "ct_dragged", "pet_dragged", "window_words"]

Limits = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A named window.

    Parameters
    ----------
    limits : tuple of float
        Lowest and highest value shown, in SUV or HU.
    """

    name: str
    limits: Limits


PET_WINDOWS: dict[str, Window] = {
    f"pet_{highest}": Window(f"SUV 0 to {highest}", (0.0, float(highest))) for highest in (7, 10, 15, 20)
}
"""FDG is usually read up to 7 or 10, somatostatin-receptor PET up to 15 or 20."""


def _level_and_width(name: str, level: float, width: float) -> Window:
    return Window(name, (level - width / 2, level + width / 2))


CT_WINDOWS: dict[str, Window] = {
    "ct_liver": _level_and_width("CT liver", 60.0, 160.0),
    "ct_soft": _level_and_width("CT soft tissue", 40.0, 400.0),
    "ct_lung": _level_and_width("CT lung", -600.0, 1500.0),
    "ct_bone": _level_and_width("CT bone", 400.0, 1800.0),
}
"""Levels and widths in common use (Radiopaedia, 'Windowing (CT)')."""

# A drag over so many pixels halves or doubles a width.
_DOUBLING_PIXELS = 150.0
_NARROWEST_HU, _LOWEST_SUV = 2.0, 0.1
# So many pixels move the level by the width.
_LEVEL_PIXELS = 300.0


def pet_dragged(start: Limits, down_px: float) -> Limits:
    """Limits of a PET after a drag: upwards shows more (a lower maximum), downwards less.

    Examples
    --------
    >>> pet_dragged((0.0, 20.0), 150.0)
    (0.0, 40.0)
    """
    return start[0], max(start[1] * 2.0 ** (down_px / _DOUBLING_PIXELS), start[0] + _LOWEST_SUV)


def ct_dragged(start: Limits, right_px: float, down_px: float) -> Limits:
    """Limits of a CT after a drag: right widens, down raises the level (the picture darkens).

    Examples
    --------
    >>> ct_dragged((-160.0, 240.0), 150.0, 0.0)
    (-360.0, 440.0)
    """
    width = start[1] - start[0]
    level = (start[0] + start[1]) / 2 + width * down_px / _LEVEL_PIXELS
    width = max(width * 2.0 ** (right_px / _DOUBLING_PIXELS), _NARROWEST_HU)
    return level - width / 2, level + width / 2


def window_words(kind: Literal["PET", "FDG", "CT", "MR"], limits: Limits, unit: str) -> str:
    """How a window is named beside the picture.

    Examples
    --------
    >>> window_words("PET", (0.0, 20.0), "SUV"), window_words("CT", (-160.0, 240.0), "HU")
    ('PET SUV 0 to 20', 'CT W 400 L 40 HU')
    """
    low, high = limits
    if kind in {"CT", "MR"}:
        return f"{kind} W {high - low:.0f} L {(low + high) / 2:.0f} {unit}".rstrip()
    return f"{kind} {unit} {low:.3g} to {high:.3g}"
