"""Where the lengths of a caliper are written: over neither lesion numbers nor each other. No window in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

__all__ = ["label_centres"]

FloatArray = npt.NDArray[np.float64]
Rectangle = tuple[float, float, float, float]

# Height and width of "39.3 mm" and of a lesion's number as they are drawn, and the gap to the end of a line, in pixels.
_LABEL_PX, _NUMBER_PX, _GAP_PX = (22.0, 92.0), (22.0, 26.0), 10.0
# How far along a line its own course is avoided, in pixels.
_STEP_PX = 4.0
# A label on a number costs more than one on a line.
_LINE_COST_PX2 = 12.0
# Beside an end is read more easily than above or below it, and the right end more easily than the left one.
_ORDER_COST_PX2 = 1.0


def label_centres(lines: Sequence[FloatArray], numbers: FloatArray, pixel_mm: float) -> list[tuple[float, float]]:
    """The middle of each line's label, in mm (row, column).

    Parameters
    ----------
    lines : sequence of ndarray
        Both ends of each line in mm, shape (2, 2): rows down, columns to the right.
    numbers : ndarray
        Where the numbers of lesions are written, in mm, shape (n, 2).
    pixel_mm : float
        Size of a pixel of the screen.

    Returns
    -------
    list
        Among the places beside, above and below both ends of each line, those that cover least.
    """
    scale = 1.0 / pixel_mm
    drawn = [np.asarray(line, dtype=np.float64) * scale for line in lines]
    taken = [_around(place * scale, _NUMBER_PX) for place in np.asarray(numbers, dtype=np.float64).reshape(-1, 2)]
    courses = np.concatenate([_course(line) for line in drawn]) if drawn else np.zeros((0, 2))
    centres = []
    for line in drawn:
        places = _candidates(line)
        costs = [
            sum(_overlap(_around(place, _LABEL_PX), other) for other in taken)
            + _LINE_COST_PX2 * _within(courses, _around(place, _LABEL_PX))
            + _ORDER_COST_PX2 * rank
            for rank, place in enumerate(places)
        ]
        chosen = places[int(np.argmin(costs))]
        taken.append(_around(chosen, _LABEL_PX))
        centres.append((float(chosen[0]) * pixel_mm, float(chosen[1]) * pixel_mm))
    return centres


def _candidates(line: FloatArray) -> list[FloatArray]:
    """Places at the right end before those at the left one; beside it before above and below."""
    down, across = 0.5 * _LABEL_PX[0] + _GAP_PX, 0.5 * _LABEL_PX[1] + _GAP_PX
    right, left = sorted(line, key=lambda end: -float(end[1]))
    ways = [(right, 0, 1), (left, 0, -1)]
    ways += [(end, dy, dx) for end, dy, dx in product((right, left), (1, -1), (1, -1))]
    ways += [(end, dy, 0) for end, dy in product((right, left), (1, -1))]
    return [np.add(end, (dy * down, dx * across)) for end, dy, dx in ways]


def _course(line: FloatArray) -> FloatArray:
    """Points along a line."""
    steps = max(int(np.ceil(np.linalg.norm(line[1] - line[0]) / _STEP_PX)), 1)
    return np.asarray(line[0] + np.linspace(0.0, 1.0, steps + 1)[:, None] * (line[1] - line[0]))


def _around(centre: FloatArray, size: tuple[float, float]) -> Rectangle:
    row, column = float(centre[0]), float(centre[1])
    return (row - size[0] / 2, row + size[0] / 2, column - size[1] / 2, column + size[1] / 2)


def _overlap(one: Rectangle, other: Rectangle) -> float:
    """Area that two rectangles share."""
    high = min(one[1], other[1]) - max(one[0], other[0])
    wide = min(one[3], other[3]) - max(one[2], other[2])
    return max(high, 0.0) * max(wide, 0.0)


def _within(points: FloatArray, area: Rectangle) -> int:
    """How many points lie in a rectangle."""
    rows, columns = points[:, 0], points[:, 1]
    inside = (rows >= area[0]) & (rows <= area[1]) & (columns >= area[2]) & (columns <= area[3])
    return int(np.count_nonzero(inside))
