"""Masks of one slice as closed polygons along the edges of their pixels.

Every polygon encloses exactly the pixels of the mask, so that both the area inside it and the pixel centres inside it
give the mask back. A hole is joined to the outline around it by a channel of no width (a "keyhole"), as structure sets
ask for, which know no holes (PS3.3 C.8.8.6.3).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from dotaliver.image.volume import BoolArray

__all__ = ["polygons_of"]

Vertex = tuple[int, int]
"""A corner of pixels, row and column: (0, 0) is the upper left corner of the first pixel."""
# Down, right, up, left as steps of row and column; the turn to the right comes first where two ways lead on.
_TURNS = {(0, 1): ((1, 0), (0, 1), (-1, 0)), (1, 0): ((0, -1), (1, 0), (0, 1)),
          (0, -1): ((-1, 0), (0, -1), (1, 0)), (-1, 0): ((0, 1), (-1, 0), (0, -1))}  # fmt: skip


def polygons_of(mask: BoolArray) -> list[npt.NDArray[np.float64]]:
    """The outlines of a mask, each of shape (n, 2): row and column, the middle of the first pixel at (0, 0).

    Parameters
    ----------
    mask : ndarray of bool
        Shape (rows, columns).

    Examples
    --------
    >>> polygons_of(np.ones((1, 2), bool))[0].tolist()
    [[-0.5, -0.5], [-0.5, 1.5], [0.5, 1.5], [0.5, -0.5]]
    """
    loops = _loops(mask)
    outer = [loop for loop in loops if _area(loop) > 0]
    holes = sorted((loop for loop in loops if _area(loop) < 0), key=_leftmost)
    for hole in holes:
        _join(outer, hole)
    return [np.asarray(_corners(loop), dtype=np.float64) - 0.5 for loop in outer]


def _loops(mask: BoolArray) -> list[list[Vertex]]:
    """Closed walks along the mask's edges, the mask on the right: outlines clockwise, holes counter-clockwise."""
    whole = np.pad(np.asarray(mask, dtype=bool), 1)
    inside = whole[1:-1, 1:-1]
    steps: dict[Vertex, set[Vertex]] = defaultdict(set)
    for beyond, corner, step in (
        (whole[:-2, 1:-1], (0, 0), (0, 1)),
        (whole[1:-1, 2:], (0, 1), (1, 0)),
        (whole[2:, 1:-1], (1, 1), (0, -1)),
        (whole[1:-1, :-2], (1, 0), (-1, 0)),
    ):
        for row, column in np.argwhere(inside & ~beyond).tolist():
            steps[row + corner[0], column + corner[1]].add(step)
    loops = []
    left = {(place, step) for place, ways in steps.items() for step in ways}
    for first in sorted(left):
        edge, loop = first, []
        while edge in left:
            left.remove(edge)
            (row, column), step = edge
            loop.append((row, column))
            place = (row + step[0], column + step[1])
            # To the right first: pixels that touch at a corner are not joined
            edge = (place, next(turn for turn in _TURNS[step] if turn in steps[place]))
        if loop:
            loops.append(loop)
    return loops


def _area(loop: list[Vertex]) -> float:
    """Twice the signed area, positive where the walk is clockwise."""
    rows, columns = np.asarray(loop, dtype=np.float64).T
    return float(np.dot(columns, np.roll(rows, -1)) - np.dot(rows, np.roll(columns, -1)))


def _leftmost(loop: list[Vertex]) -> Vertex:
    row, column = min(loop, key=lambda vertex: (vertex[1], vertex[0]))
    return (column, row)


def _join(outer: list[list[Vertex]], hole: list[Vertex]) -> None:
    """Put a hole into the outline that a straight way to the left from it meets first; changed in place."""
    column, row = _leftmost(hole)
    start = hole.index((row, column))
    for target in range(column, -1, -1):
        for loop in outer:
            if (row, target) in loop:
                at = loop.index((row, target))
                there = [*hole[start:], *hole[:start], hole[start]]
                loop[at + 1 : at + 1] = [*there, loop[at]]
                return


def _corners(loop: list[Vertex]) -> list[Vertex]:
    """A walk without the vertices in the middle of straight parts."""
    count = len(loop)
    kept = []
    for index, (row, column) in enumerate(loop):
        before, after = loop[index - 1], loop[(index + 1) % count]
        coming, going = (row - before[0], column - before[1]), (after[0] - row, after[1] - column)
        straight = coming[0] * going[1] == coming[1] * going[0] and coming[0] * going[0] + coming[1] * going[1] > 0
        if not straight:
            kept.append((row, column))
    return kept
