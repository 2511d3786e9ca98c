"""A caliper on one slice: a lesion's longest diameter, the short axis across it, and what follows when an end is moved.

RECIST 1.1 (Eisenhauer 2009) takes the longest diameter in the plane of acquisition and, of nodes, the short axis: the
longest line perpendicular to it in the same plane. Here the short axis stays perpendicular unless a reader wants it
free. Its ends are kept as shares along the longest diameter and as distances from it, so that it follows when the
longest diameter is turned or stretched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dotaliver.image.geometry import FloatArray, Vector, as_vector
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import BORDER_PIXELS, short_axis_across
from dotaliver.records.edits import DiameterEdit

__all__ = [
    "Caliper",
    "CaliperEnd",
    "Line",
    "border_place",
    "with_end_moved",
    "with_outline_short_axis",
    "with_short_axis",
]

Line = tuple[Vector, Vector]
CaliperEnd = Literal["long_first", "long_second", "short_first", "short_second"]


@dataclass(frozen=True)
class Caliper:
    """End points in patient coordinates (mm), all in one slice."""

    long_axis_lps_mm: Line
    short_axis_lps_mm: Line | None = None

    @property
    def long_mm(self) -> float:
        """Length of the longest diameter."""
        return _length_mm(self.long_axis_lps_mm)

    @property
    def short_mm(self) -> float | None:
        """Length of the short axis; None without one."""
        return None if self.short_axis_lps_mm is None else _length_mm(self.short_axis_lps_mm)

    @property
    def ends(self) -> dict[CaliperEnd, Vector]:
        """Every end by its name."""
        found: dict[CaliperEnd, Vector] = {
            "long_first": self.long_axis_lps_mm[0],
            "long_second": self.long_axis_lps_mm[1],
        }
        if self.short_axis_lps_mm is not None:
            found |= {"short_first": self.short_axis_lps_mm[0], "short_second": self.short_axis_lps_mm[1]}
        return found

    def as_edit(self, series_instance_uid: str | None = None) -> DiameterEdit:
        """As a reader's edit stores it."""
        return DiameterEdit(
            long_axis_lps_mm=self.long_axis_lps_mm,
            short_axis_lps_mm=self.short_axis_lps_mm,
            series_instance_uid=series_instance_uid,
        )


def with_end_moved(
    caliper: Caliper, end: CaliperEnd, place_lps_mm: Vector, normal: Vector, *, perpendicular: bool = True
) -> Caliper:
    """The caliper with one end at another place of the same slice.

    Parameters
    ----------
    caliper : Caliper
        As it was.
    end : str
        Which end. With an end of the longest diameter the short axis turns and keeps its place on it; an end of the
        short axis takes the whole short axis along the longest diameter.
    place_lps_mm : Vector
        Where it goes, in mm.
    normal : Vector
        Unit vector across the slices.
    perpendicular : bool
        Whether the short axis stays perpendicular; otherwise its end goes where it is put.

    Examples
    --------
    A short axis of 10 mm in the middle of 20 mm turns with them:

    >>> drawn = Caliper(((0.0, 0.0, 0.0), (20.0, 0.0, 0.0)), ((10.0, -5.0, 0.0), (10.0, 5.0, 0.0)))
    >>> moved = with_end_moved(drawn, "long_second", (0.0, 30.0, 0.0), (0.0, 0.0, 1.0))
    >>> moved.long_mm, moved.short_mm, moved.short_axis_lps_mm
    (30.0, 10.0, ((5.0, 15.0, 0.0), (-5.0, 15.0, 0.0)))
    """
    first, second = caliper.long_axis_lps_mm
    if end in {"long_first", "long_second"}:
        line = (place_lps_mm, second) if end == "long_first" else (first, place_lps_mm)
        if caliper.short_axis_lps_mm is None or _length_mm(line) == 0 or caliper.long_mm == 0:
            return replace(caliper, long_axis_lps_mm=line)
        before, after = _Frame(caliper.long_axis_lps_mm, normal), _Frame(line, normal)
        short = tuple(after.place(*before.of(point)) for point in caliper.short_axis_lps_mm)
        return Caliper(line, (short[0], short[1]))
    if caliper.short_axis_lps_mm is None:
        msg = "the caliper has no short axis whose end could be moved"
        raise ValueError(msg)
    one, other = caliper.short_axis_lps_mm
    kept = other if end == "short_first" else one
    line = (place_lps_mm, kept) if end == "short_first" else (kept, place_lps_mm)
    if not perpendicular:
        return replace(caliper, short_axis_lps_mm=line)
    frame = _Frame(caliper.long_axis_lps_mm, normal)
    share, off_mm = frame.of(place_lps_mm)
    share, kept_mm = float(np.clip(share, 0, 1)), frame.of(kept)[1]
    moved, opposite = frame.place(share, off_mm), frame.place(share, kept_mm)
    return replace(caliper, short_axis_lps_mm=(moved, opposite) if end == "short_first" else (opposite, moved))


def with_short_axis(caliper: Caliper, line: Line, normal: Vector, *, perpendicular: bool = True) -> Caliper:
    """The caliper with a short axis that was drawn: made perpendicular through its own middle, or as it is."""
    if not perpendicular or caliper.long_mm == 0:
        return replace(caliper, short_axis_lps_mm=line)
    frame = _Frame(caliper.long_axis_lps_mm, normal)
    (a, from_mm), (b, to_mm) = frame.of(line[0]), frame.of(line[1])
    share = float(np.clip((a + b) / 2, 0, 1))
    return replace(caliper, short_axis_lps_mm=(frame.place(share, from_mm), frame.place(share, to_mm)))


def with_outline_short_axis(caliper: Caliper, outline: LabelMap | None) -> Caliper:
    """The caliper with the longest line across it within a lesion's outline; as it is where there is none."""
    across = None if outline is None else short_axis_across(outline, caliper.long_axis_lps_mm)
    return caliper if across is None else replace(caliper, short_axis_lps_mm=across)


def border_place(outline: LabelMap, place_lps_mm: Vector, within_mm: float) -> Vector | None:
    """The place on a lesion's border in the same slice that is nearest to a place; None where it is farther away.

    The border runs where that of `dotaliver.measurement.diameters` does.
    """
    from scipy.ndimage import binary_fill_holes

    grid = outline.geometry
    index = grid.lps_to_index(place_lps_mm)
    k = round(float(index[0]))
    if not 0 <= k < grid.shape[0] or not outline.array[k].any():
        return None
    filled = np.pad(binary_fill_holes(outline.array[k] != 0), 1)
    points = []
    for row, column in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        # Pixels whose neighbour on that side lies outside
        border = filled & ~np.roll(filled, (-row, -column), axis=(0, 1))
        points.append(np.argwhere(border) - 1 + BORDER_PIXELS * np.array([row, column]))
    places = np.concatenate(points)
    away = np.linalg.norm((places - index[1:]) * np.asarray(grid.spacing_mm[1:]), axis=1)
    nearest = int(away.argmin())
    if float(away[nearest]) > within_mm:
        return None
    return as_vector(grid.index_to_lps((float(index[0]), *places[nearest])))


class _Frame:
    """Places along a line (share of its length) and across it (mm)."""

    def __init__(self, line: Line, normal: Vector) -> None:
        self._start, end = (np.asarray(point, dtype=np.float64) for point in line)
        self._along: FloatArray = end - self._start
        across = np.cross(np.asarray(normal, dtype=np.float64), self._along)
        self._across: FloatArray = across / max(float(np.linalg.norm(across)), 1e-9)

    def of(self, place: Vector) -> tuple[float, float]:
        offset = np.asarray(place, dtype=np.float64) - self._start
        return float(offset @ self._along / (self._along @ self._along)), float(offset @ self._across)

    def place(self, share: float, off_mm: float) -> Vector:
        return as_vector(self._start + share * self._along + off_mm * self._across)


def _length_mm(line: Line) -> float:
    return float(np.linalg.norm(np.subtract(line[1], line[0])))
