"""Longest in-plane diameter of a mask, and the longest one across it.

The plane is that of acquisition: the slices (first axis) of the mask's own grid. **Border model**: a lesion's
outline runs a quarter of a pixel outside the centres of its outermost pixels, along rows and along columns;
it is the convex hull of the points so gained. Half a pixel (the contour at half height between pixel centres)
would overestimate a digitised disc by 0.5 to 0.9 pixel, the bare centres would underestimate a slim ellipse by
0.3 to 0.9; a quarter stays within half a pixel of discs and, on average, of ellipses.

The longest diameter is the longest distance between two points of that outline in one slice, which is always
between two corners of the hull (exact, no search grid). The short axis is the longest chord of the outline at
right angles to it in the same slice (RECIST 1.1, Eisenhauer 2009). Among equally long diameters the one with
the longest short axis is taken. All pairs of the hull's corners are compared: a lesion's hull has few, and unlike
rotating calipers that keeps every one of several equally long diameters.

Where a lesion is concave, its longest diameter may pass outside it. That is flagged, and the longest chord that
stays inside, in the same slice, is given as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.records.edits import DiameterEdit
from dotaliver.records.masks import BorderEvidence
from dotaliver.records.measurements import Diameter, DiameterSource
from dotaliver.records.study import StudyIdentity

__all__ = ["BORDER_PIXELS", "MeasuredDiameter", "longest_diameter", "reader_diameter", "short_axis_across"]

BORDER_PIXELS = 0.25
"""How far outside the centres of its outermost pixels an outline runs."""

# Lengths that differ by less than this are equal (rounding of coordinates).
_TIE_MM = 1e-9
# A diameter leaves the lesion where it passes over more than one pixel outside it. Of its length, a share below this
# within one pixel is rounding at a corner.
_TOUCHED_SHARE = 1e-9
_DIRECTIONS = 16
# Chords tested at once for staying inside, and outline points above which pixel centres are used instead.
_CHORDS_AT_ONCE = 2048
_MOST_CHORD_ENDS = 2400


@dataclass(frozen=True)
class MeasuredDiameter:
    """A diameter, whether it leaves the mask, and its slice on the mask's grid."""

    diameter: Diameter
    leaves_mask: bool
    slice_index: int


@dataclass(frozen=True, eq=False)
class _Chords:
    """Longest diameter and short axis in one slice; points are (row, column) in mm from pixel (0, 0)."""

    slice_index: int
    long_ends: FloatArray
    short_ends: FloatArray
    long_mm: float
    short_mm: float


def _hull(mask: BoolArray, spacing: FloatArray) -> FloatArray:
    """Corners of the outline's convex hull, in order around it, shape (n, 2), in mm."""
    from scipy.spatial import ConvexHull

    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    centres = np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)]).astype(np.float64)
    q = BORDER_PIXELS
    steps = np.array([(q, 0.0), (-q, 0.0), (0.0, q), (0.0, -q)])
    points = ((centres[:, None] + steps).reshape(-1, 2)) * spacing
    return np.asarray(points[ConvexHull(points).vertices], dtype=np.float64)


def _short_axis(hull: FloatArray, start: FloatArray, end: FloatArray) -> tuple[float, FloatArray]:
    """Longest chord of a convex outline perpendicular to an axis.

    The chord's length over the position along the axis is a concave, piecewise linear function that bends only
    at corners, so its maximum lies at a corner.
    """
    along = (end - start) / np.linalg.norm(end - start)
    across = np.array([-along[1], along[0]])
    u, v = (hull - start) @ along, (hull - start) @ across
    order = np.argsort(u, kind="stable")
    chain = np.arange(len(hull))
    a, b = int(order[0]), int(order[-1])
    one = np.take(chain, np.arange(a, b + 1 if b >= a else b + 1 + len(hull)), mode="wrap")
    other = np.take(chain, np.arange(b, a + 1 if a >= b else a + 1 + len(hull)), mode="wrap")[::-1]
    sides = [np.interp(u, u[side], v[side]) for side in (one, other)]
    lengths = np.abs(sides[0] - sides[1])
    best = int(lengths.argmax())
    ends = np.array([start + u[best] * along + side[best] * across for side in sides])
    return float(lengths[best]), ends


def _longest_in_slice(mask: BoolArray, spacing: FloatArray, slice_index: int) -> _Chords:
    hull = _hull(mask, spacing)
    distances = np.linalg.norm(hull[:, None] - hull[None], axis=2)
    longest = float(distances.max())
    best: _Chords | None = None
    for a, b in np.argwhere(np.triu(distances) >= longest - _TIE_MM):
        short, ends = _short_axis(hull, hull[a], hull[b])
        if best is None or short > best.short_mm + _TIE_MM:
            best = _Chords(slice_index, hull[[a, b]], ends, longest, short)
    assert best is not None
    return best


def _upper_bounds(mask: BoolArray, spacing: FloatArray) -> FloatArray:
    """Upper bound of the longest diameter of each slice, in mm; 0 where it is empty.

    The outline's width is taken along 16 directions. Any diameter lies within π/32 of one of them, so it cannot
    exceed the greatest width by more than the factor 1 / cos(π/32), half a percent.
    """
    rows: BoolArray = np.asarray(mask.any(axis=2))
    first = mask.argmax(axis=2)
    last = mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    down = np.arange(mask.shape[1])
    widest = np.zeros(mask.shape[0])
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        u, v = np.cos(angle) * spacing[0], np.sin(angle) * spacing[1]  # v is never negative
        high = np.where(rows, u * down + v * last, -np.inf).max(axis=1)
        low = np.where(rows, u * down + v * first, np.inf).min(axis=1)
        border = 2 * BORDER_PIXELS * max(abs(u), v)
        widest = np.maximum(widest, np.where(rows.any(axis=1), high - low + border, 0.0))
    return np.asarray(widest / np.cos(np.pi / (2 * _DIRECTIONS)))


def _near(filled: BoolArray) -> BoolArray:
    """Where a diameter may pass: the filled mask and one pixel around it."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(filled, structure=np.ones((3, 3), dtype=bool)))


def _stay_inside(near: BoolArray, starts: FloatArray, ends: FloatArray) -> BoolArray:
    """Whether each chord between points in pixels, shape (n, 2), stays within `near`.

    Each chord is cut where it crosses from one pixel into the next, and the middle of each piece names its pixel: no
    pixel is missed, however short the way through it. Touching a corner does not count as passing.
    """
    steps = ends - starts
    cuts = [np.zeros((len(starts), 1)), np.ones((len(starts), 1))]
    for axis in (0, 1):
        first = np.floor(np.minimum(starts, ends)[:, axis] + 0.5) + 0.5
        sides = first[:, None] + np.arange(int(np.ceil(np.abs(steps[:, axis]).max())) + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (sides - starts[:, axis, None]) / steps[:, axis, None]
        cuts.append(np.where((share > 0) & (share < 1), share, 1.0))
    share = np.sort(np.concatenate(cuts, axis=1), axis=1)
    middle = np.where(np.diff(share) > _TOUCHED_SHARE, 0.5 * (share[:, 1:] + share[:, :-1]), 0.0)[..., None]
    pixels = np.rint(starts[:, None] + middle * steps[:, None]).astype(int)
    pixels = np.clip(pixels, 0, np.asarray(near.shape) - 1)
    return np.asarray(near[pixels[..., 0], pixels[..., 1]].all(axis=1))


def _leaves(mask: BoolArray, chords: _Chords, spacing: FloatArray) -> bool:
    """Whether the longest diameter passes more than a pixel outside the filled mask."""
    from scipy.ndimage import binary_fill_holes

    ends = chords.long_ends / spacing
    return not bool(_stay_inside(_near(binary_fill_holes(mask)), ends[:1], ends[1:])[0])


def _longest_inside(mask: BoolArray, chords: _Chords, spacing: FloatArray) -> FloatArray | None:
    """Ends of the longest chord between two points of the outline that does not leave the mask; None without one."""
    from scipy.ndimage import binary_erosion, binary_fill_holes
    from scipy.spatial.distance import pdist

    filled = binary_fill_holes(mask)
    border = np.argwhere(filled & ~binary_erosion(filled)).astype(np.float64)
    q = BORDER_PIXELS
    steps = np.array([(q, 0.0), (-q, 0.0), (0.0, q), (0.0, -q)])
    # Outline points are outside the pixel centres; those that face inwards are never farther apart.
    points = ((border[:, None] + steps).reshape(-1, 2)) * spacing
    if len(points) > _MOST_CHORD_ENDS:
        points = border * spacing
    lengths = pdist(points)
    first, second = np.triu_indices(len(points), k=1)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] < chords.long_mm - _TIE_MM]
    near = _near(filled)
    for start in range(0, len(order), _CHORDS_AT_ONCE):
        batch = order[start : start + _CHORDS_AT_ONCE]
        inside = _stay_inside(near, points[first[batch]] / spacing, points[second[batch]] / spacing)
        if inside.any():
            best = batch[int(inside.argmax())]
            return np.asarray(points[[first[best], second[best]]])
    return None


def longest_diameter(
    labels: LabelMap, source: DiameterSource, border: BorderEvidence | None = None
) -> MeasuredDiameter | None:
    """Longest in-plane diameter of a binary label map over all its slices, with its short axis; None if empty.

    Parameters
    ----------
    labels : LabelMap
        One lesion, on the grid that it was drawn on; slices are the plane of acquisition.
    source : {"ct", "click", "pet", "reader"}
        Which image the mask was drawn on. A diameter from PET is an extent, not a RECIST diameter.
    border : BorderEvidence, optional
        How well the image shows the mask's border; kept with the diameter.

    Examples
    --------
    Eleven pixels of 1 mm in a row: 10 mm between the outer centres, and a quarter of a pixel at each end.

    >>> from dotaliver.image.geometry import Geometry
    >>> lesion = np.zeros((1, 21, 21), np.uint16)
    >>> lesion[0, 10, 5:16] = 1
    >>> grid = Geometry((1, 21, 21), (0.0, 0.0, 0.0), (3.0, 1.0, 1.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    >>> longest_diameter(LabelMap(lesion, grid), "ct").diameter.longest_mm
    10.5
    """
    mask = labels.mask
    spacing = np.asarray(labels.geometry.spacing_mm[1:])
    bounds = _upper_bounds(mask, spacing)
    best: _Chords | None = None
    for k in np.argsort(-bounds, kind="stable"):
        if bounds[k] <= 0 or (best is not None and bounds[k] < best.long_mm - _TIE_MM):
            break
        found = _longest_in_slice(mask[k], spacing, int(k))
        tie = best is not None and abs(found.long_mm - best.long_mm) <= _TIE_MM
        if best is None or found.long_mm > best.long_mm + _TIE_MM or (tie and found.short_mm > best.short_mm + _TIE_MM):
            best = found
    return None if best is None else _measured(labels, best, source, border)


def _measured(
    labels: LabelMap, best: _Chords, source: DiameterSource, border: BorderEvidence | None
) -> MeasuredDiameter:
    mask = labels.array[best.slice_index] != 0
    spacing = np.asarray(labels.geometry.spacing_mm[1:])
    leaves = _leaves(mask, best, spacing)
    inside = _longest_inside(mask, best, spacing) if leaves else None
    return MeasuredDiameter(
        Diameter(
            longest_mm=best.long_mm,
            short_mm=best.short_mm,
            source=source,
            long_axis_lps_mm=_ends_lps(labels, best.slice_index, best.long_ends),
            short_axis_lps_mm=_ends_lps(labels, best.slice_index, best.short_ends),
            interval_mm=None if border is None else _interval_mm(best.long_mm, border),
            seen_border_share=None if border is None else border.seen_share,
            inside_mm=None if inside is None else float(np.linalg.norm(inside[1] - inside[0])),
            inside_axis_lps_mm=None if inside is None else _ends_lps(labels, best.slice_index, inside),
        ),
        leaves,
        best.slice_index,
    )


def _interval_mm(longest_mm: float, border: BorderEvidence) -> tuple[float, float]:
    return max(longest_mm - border.diameter_error_mm, 0.0), longest_mm + border.diameter_error_mm


def _ends_lps(labels: LabelMap, slice_index: int, ends_mm: FloatArray) -> tuple[Vector, Vector]:
    spacing = np.asarray(labels.geometry.spacing_mm[1:])
    index = np.column_stack([np.full(2, float(slice_index)), ends_mm / spacing])
    points = labels.geometry.index_to_lps(index)
    a, b = ((float(p[0]), float(p[1]), float(p[2])) for p in points)
    return a, b


def short_axis_across(lesion: LabelMap, long_axis_lps_mm: tuple[Vector, Vector]) -> tuple[Vector, Vector] | None:
    """The longest chord of a lesion's outline at right angles to a drawn diameter, in the slice of that.

    Parameters
    ----------
    lesion : LabelMap
        One lesion, on the image that the diameter was drawn on.
    long_axis_lps_mm : tuple of Vector
        Ends of the diameter, in mm.

    Returns
    -------
    tuple of Vector or None
        None where the outline has no part in that slice beside the diameter, or is wider there than that is long.
    """
    ends = lesion.geometry.lps_to_index(long_axis_lps_mm)
    slice_index = round(float(ends[:, 0].mean()))
    if not 0 <= slice_index < lesion.geometry.shape[0] or not lesion.array[slice_index].any():
        return None
    spacing = np.asarray(lesion.geometry.spacing_mm[1:])
    start, end = ends[:, 1:] * spacing
    length = float(np.linalg.norm(end - start))
    hull = _hull(lesion.array[slice_index] != 0, spacing)
    short_mm, across = _short_axis(hull, start, end) if length > 0 else (0.0, hull)
    along = (across.mean(axis=0) - start) @ (end - start) / max(length, 1e-9)
    if not 0 < short_mm <= length or not 0 <= along <= length:
        return None
    return _ends_lps(lesion, slice_index, across)


def reader_diameter(edit: DiameterEdit, identity: StudyIdentity) -> Diameter:
    """The diameter that a reader drew: distances between the end points, on the image that the reader names.

    Where none is named it was drawn on the image that diameters are measured on: with an MR,
    `dotaliver.measurement.statements_on_images` asks for the series.
    """
    named = edit.series_instance_uid
    images = [image for image in (identity.recist_image, identity.ct, identity.pet) if image is not None]
    image = next((image for image in images if image.series_instance_uid == named), None)
    ends = np.asarray(edit.long_axis_lps_mm)
    short = edit.short_axis_lps_mm
    return Diameter(
        longest_mm=float(np.linalg.norm(ends[1] - ends[0])),
        short_mm=None if short is None else float(np.linalg.norm(np.subtract(short[1], short[0]))),
        source="reader",
        modality=(image or images[0]).modality,
        series_instance_uid=None if image is None else image.series_instance_uid,
        long_axis_lps_mm=edit.long_axis_lps_mm,
        short_axis_lps_mm=short,
    )
