"""Closed contours of one plane filled on a pixel grid, by the rules that people draw with.

A contour is filled as one polygon (nonzero winding, so that a contour traced twice stays full and a keyhole stays
open). A contour inside another one is the edge of a hole, and one inside that hole an island. Contours that cross
or lie side by side are added up. Equal contours count once. Only contours that are stated to be combined by exclusive
or (CLOSEDPLANAR_XOR) follow the even-odd rule throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import FloatArray

__all__ = ["PlaneContour", "TooManyContoursError", "fill_contours", "fill_polygon"]

# Rows crossed by the edges that are worked on at once: what bounds the memory
_MOST_CROSSINGS = 4_000_000
# Comparisons of points with edges in one plane: what bounds the time
_MOST_COMPARISONS, _AT_ONCE, _MOST_CONTOURS = 300_000_000, 2_000_000, 4000
# Corners nearer than this, in pixels, are the same corner, and lie on an edge.
_SAME_CORNER, _ON_EDGE = 1e-3, 1e-6
Mask = npt.NDArray[np.bool_]


class TooManyContoursError(ValueError):
    """Contours of one plane that would take too long to compare."""


@dataclass(frozen=True)
class PlaneContour:
    """One closed contour: corners as (row, column) indices, and whether it is combined by exclusive or."""

    corners: FloatArray
    exclusive: bool = False


# --- one polygon -----------------------------------------------------------------------------------------------------


def fill_polygon(corners: FloatArray, shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie inside a polygon, by nonzero winding.

    Parameters
    ----------
    corners : array, shape (points, 2)
        As (row, column) indices; closed by the first point. Centres that lie on an edge count as inside on the
        polygon's upper and left side, so that neighbouring polygons share no pixel.
    shape : tuple of int
        Rows and columns.
    """
    rows, columns = shape
    turns = np.zeros(rows * (columns + 1), dtype=np.int64)
    for edges in _edges_in_pieces(corners, rows):
        index, sense = _crossings(edges, rows, columns)
        for sign in (1, -1):
            turns += sign * np.bincount(index[sense == sign], minlength=turns.size)
    filled: Mask = (np.cumsum(turns.reshape(rows, columns + 1), axis=1) != 0)[:, :columns]
    return filled


def _edges_in_pieces(corners: FloatArray, rows: int) -> Iterator[FloatArray]:
    """Edges (row, column, next row, next column) that are not level, in pieces that cross not too many rows at once."""
    edges = np.hstack([corners, np.roll(corners, -1, axis=0)])
    edges = edges[edges[:, 0] != edges[:, 2]]
    piece = max(_MOST_CROSSINGS // max(rows, 1), 1)
    for start in range(0, len(edges), piece):
        yield edges[start : start + piece]


def _crossings(edges: FloatArray, rows: int, columns: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For every row that an edge crosses, the first pixel to the right of it, and the edge's sense (1 down, -1 up)."""
    r0, c0, r1, c1 = edges.T
    first = np.clip(np.ceil(np.minimum(r0, r1)), 0, rows).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(r0, r1)), 0, rows).astype(np.int64)
    lengths = last - first
    edge = np.repeat(np.arange(len(edges)), lengths)
    row = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(first, lengths)
    at = c0[edge] + (row - r0[edge]) * ((c1 - c0) / (r1 - r0))[edge]
    right = np.clip(np.ceil(at), 0, columns).astype(np.int64)
    sense = np.where(r1 > r0, 1, -1)[edge]
    return np.asarray(row * (columns + 1) + right, dtype=np.int64), np.asarray(sense, dtype=np.int64)


# --- all contours of a plane -----------------------------------------------------------------------------------------


def fill_contours(contours: list[PlaneContour], shape: tuple[int, int]) -> Mask:
    """Pixels whose centres lie inside the contours of one plane, by the rules of this module.

    Raises
    ------
    TooManyContoursError
        Where comparing the contours would take too long.
    """
    parts = _once(contours)
    if any(part.exclusive for part in parts):
        parity = np.zeros(shape, dtype=bool)
        for part in parts:
            parity ^= fill_polygon(part.corners, shape)
        return parity
    inside = _nesting([part.corners for part in parts])
    depth = inside.sum(axis=1)
    mask = np.zeros(shape, dtype=bool)
    for outer in np.flatnonzero(depth % 2 == 0):
        filled = fill_polygon(parts[outer].corners, shape)
        for hole in np.flatnonzero(inside[:, outer] & (depth == depth[outer] + 1)):
            filled &= ~fill_polygon(parts[hole].corners, shape)
        mask |= filled
    return mask


def _once(contours: list[PlaneContour]) -> list[PlaneContour]:
    """The contours without repetitions: the same corners from any start and in either sense are the same contour."""
    if len(contours) > _MOST_CONTOURS:
        msg = f"one plane holds {len(contours)} contours"
        raise TooManyContoursError(msg)
    found: dict[tuple[bytes, bool], PlaneContour] = {}
    for contour in contours:
        corners = np.unique(np.round(contour.corners / _SAME_CORNER), axis=0)
        found.setdefault((corners.tobytes(), contour.exclusive), contour)
    return list(found.values())


def _nesting(polygons: list[FloatArray]) -> Mask:
    """Which polygon (row) lies wholly inside which other (column), shape (n, n)."""
    count = len(polygons)
    inside = np.zeros((count, count), dtype=bool)
    if count < 2:
        return inside
    low = np.array([p.min(axis=0) for p in polygons])
    high = np.array([p.max(axis=0) for p in polygons])
    boxed = (low[:, None] >= low[None] - _ON_EDGE).all(axis=2) & (high[:, None] <= high[None] + _ON_EDGE).all(axis=2)
    pairs = np.argwhere(boxed & ~np.eye(count, dtype=bool))
    work = sum(len(polygons[inner]) * len(polygons[outer]) for inner, outer in pairs)
    if work > _MOST_COMPARISONS:
        msg = f"comparing the {count} contours of one plane would take too long"
        raise TooManyContoursError(msg)
    for inner, outer in pairs:
        inside[inner, outer] = _lies_inside(polygons[inner], polygons[outer])
    # Two that hold each other differ by less than a corner's rounding: only one of them may be the outer
    both = inside & inside.T
    inside &= ~np.triu(both)
    return inside


def _lies_inside(inner: FloatArray, outer: FloatArray) -> bool:
    """Whether a polygon leaves another one nowhere: no corner outside it, and no edge across its edges."""
    starts, stops = outer, np.roll(outer, -1, axis=0)
    ends = np.roll(inner, -1, axis=0)
    piece = max(_AT_ONCE // len(outer), 1)
    within_somewhere = False
    for first in range(0, len(inner), piece):
        a, b = inner[first : first + piece], ends[first : first + piece]
        winding = _winding(a, starts, stops)
        on_edge = _on_edges(a, starts, stops)
        if ((winding == 0) & ~on_edge).any() or _crosses(a, b, starts, stops):
            return False
        within_somewhere |= bool((~on_edge).any())
    if within_somewhere:
        return True
    middle = (inner + ends) / 2
    return bool((_winding(middle, starts, stops) != 0).any())


def _winding(points: FloatArray, starts: FloatArray, stops: FloatArray) -> npt.NDArray[np.int64]:
    """How often a polygon goes round each point."""
    r = points[:, :1]
    side = _side(starts[None], stops[None], points[:, None])
    down = (starts[:, 0] <= r) & (stops[:, 0] > r) & (side > 0)
    up = (starts[:, 0] > r) & (stops[:, 0] <= r) & (side < 0)
    return np.asarray(down.sum(axis=1) - up.sum(axis=1), dtype=np.int64)


def _side(start: FloatArray, stop: FloatArray, point: FloatArray) -> FloatArray:
    """Twice the signed area of a triangle: on which side of an edge a point lies."""
    edge, to = stop - start, point - start
    return np.asarray(edge[..., 0] * to[..., 1] - edge[..., 1] * to[..., 0], dtype=np.float64)


def _on_edges(points: FloatArray, starts: FloatArray, stops: FloatArray) -> Mask:
    """Whether each point lies on an edge of a polygon."""
    edges = stops - starts
    squares = np.maximum((edges**2).sum(axis=1), 1e-30)
    along = ((points[:, None] - starts[None]) * edges[None]).sum(axis=2) / squares
    nearest = starts[None] + np.clip(along, 0.0, 1.0)[..., None] * edges[None]
    return np.asarray((((points[:, None] - nearest) ** 2).sum(axis=2) <= _ON_EDGE**2).any(axis=1))


def _crosses(a: FloatArray, b: FloatArray, starts: FloatArray, stops: FloatArray) -> bool:
    """Whether an edge of one polygon crosses an edge of another, apart from touching it."""
    floor = _ON_EDGE * max(math.sqrt(float(((stops - starts) ** 2).sum(axis=1).max())), 1.0)
    of_a, of_b = _side(starts[None], stops[None], a[:, None]), _side(starts[None], stops[None], b[:, None])
    of_start, of_stop = _side(a[:, None], b[:, None], starts[None]), _side(a[:, None], b[:, None], stops[None])
    apart = (np.abs(of_a) > floor) & (np.abs(of_b) > floor) & (np.abs(of_start) > floor) & (np.abs(of_stop) > floor)
    return bool((apart & (of_a * of_b < 0) & (of_start * of_stop < 0)).any())
