"""From the positions in the headers to one regular grid: order, spacing and everything that spoils them.

Slices are ordered by their position along the normal of the image plane (DICOM PS3.3 C.7.6.2.1.1), never by name
or instance number, so that feet-first, prone and oblique series need no case of their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np

from dotaliver.dicom.files.elements import element_name, numbers, text, texts, whole
from dotaliver.dicom.files.even_grid import even_grid, tolerance_mm
from dotaliver.dicom.files.series_headers import SeriesHeaders, SliceHeader
from dotaliver.errors import AcquisitionError, FileFormatError, GeometryError, SeriesError
from dotaliver.image.geometry import FloatArray, Geometry, as_vector

__all__ = ["Stack", "stack_of"]

# Two slices nearer than this share of the usual spacing lie at one place.
_SAME_PLACE_SHARE = 0.1
# In-plane drift of positions over the whole stack: more than both of these is a tilted gantry.
_DRIFT_MM = 0.2
_DRIFT_PIXELS = 0.1
# Direction cosines are rounded to about six digits; 1e-3 is 0.06 degrees.
_SAME_ORIENTATION = 1e-3
_FEWEST = 2


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of one series in order along the normal, and their grid."""

    series: SeriesHeaders
    geometry: Geometry

    @property
    def slices(self) -> tuple[SliceHeader, ...]:
        """Headers in stack order."""
        return self.series.slices


def _vectors(series: SeriesHeaders, keyword: str, length: int) -> FloatArray:
    """One element of every slice, shape (slices, length)."""
    rows = []
    for part in series.slices:
        try:
            value = numbers(part.dataset, keyword)
        except AcquisitionError as error:
            msg = f"{series.name}, {part.name}: {error}"
            raise SeriesError(msg) from error
        if value is None or len(value) != length:
            msg = (
                f"{series.name}, {part.name}: {element_name(keyword)} is missing or incomplete, so the position "
                "of the slice is unknown; export the series again"
            )
            raise SeriesError(msg)
        rows.append(value)
    return np.array(rows, dtype=np.float64)


def _refuse_mixed(series: SeriesHeaders, values: FloatArray, what: str, tolerance: float) -> None:
    usual = np.median(values, axis=0)
    odd = np.flatnonzero(np.abs(values - usual).max(axis=1) > tolerance)
    if odd.size:
        part = series.slices[int(odd[0])]
        place = texts(part.dataset, "ImagePositionPatient")
        where = f" at ({', '.join(place)}) mm" if len(place) == 3 else ""
        msg = (
            f"{series.name}: {odd.size} of {len(values)} slices differ in {what} (such as {part.name}{where}), so they "
            "are not one volume; export each image series on its own"
        )
        raise SeriesError(msg)


def _axes(series: SeriesHeaders) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors along the slice normal, rows and columns."""
    cosines = _vectors(series, "ImageOrientationPatient", 6)
    _refuse_mixed(series, cosines, "orientation", _SAME_ORIENTATION)
    along_columns, along_rows = cosines[0, :3], cosines[0, 3:]
    lengths = np.linalg.norm(along_columns), np.linalg.norm(along_rows)
    if min(lengths) < 0.5 or abs(along_columns @ along_rows) > _SAME_ORIENTATION:
        msg = (
            f"{series.name}: Image Orientation (0020,0037) does not hold two perpendicular directions; export it again"
        )
        raise SeriesError(msg)
    along_columns = along_columns / lengths[0]
    normal = np.cross(along_columns, along_rows)
    normal /= np.linalg.norm(normal)
    return normal, np.cross(normal, along_columns), along_columns


def _refuse_overlapping_beds(series: SeriesHeaders, along_mm: FloatArray) -> None:
    """Bed positions that overlap and were not joined: each with an Acquisition Time and a range of its own."""
    beds: dict[tuple[str | None, ...], list[float]] = {}
    for part, place in zip(series.slices, along_mm.tolist(), strict=True):
        stamp = tuple(text(part.dataset, k) for k in ("AcquisitionDate", "AcquisitionTime"))
        beds.setdefault(stamp, []).append(place)
    ranges = sorted((min(places), max(places)) for places in beds.values())
    if len(ranges) < 2 or any(len(places) < 2 for places in beds.values()):
        return
    steps = [b[0] - a[0] for a, b in pairwise(ranges)]
    overlaps = [a[1] - b[0] for a, b in pairwise(ranges)]
    if min(steps) > 0.5 * (ranges[0][1] - ranges[0][0]) / len(along_mm) and max(overlaps) > 0:
        msg = (
            f"{series.name}: its {len(ranges)} bed positions overlap by up to {max(overlaps):.1f} mm and were not "
            "joined into one volume; give the whole-body series that the scanner joined"
        )
        raise SeriesError(msg)


def _refuse_duplicates(series: SeriesHeaders, along_mm: FloatArray) -> None:
    """`along_mm` ascends; two slices at one place are refused, and many of them are called what they are."""
    gaps = np.diff(along_mm)
    usual = float(np.median(gaps[gaps > 0.01])) if (gaps > 0.01).any() else 1.0
    same = np.flatnonzero(gaps < _SAME_PLACE_SHARE * usual)
    if not same.size:
        return
    _refuse_overlapping_beds(series, along_mm)
    places = Counter(np.round(along_mm, 1).tolist())
    repeats = set(places.values())
    if len(repeats) == 1 and len(places) > 1:
        msg = (
            f"{series.name}: each of its {len(places)} positions occurs {repeats.pop()} times, so it is a dynamic or "
            "gated series, or holds two versions of each slice; give one static volume"
        )
        raise SeriesError(msg)
    first = int(same[0])
    names = " and ".join(sorted(part.name for part in series.slices[first : first + 2]))
    msg = (
        f"{series.name}: {same.size} slice(s) are duplicated and differ, such as {names}, both at "
        f"{along_mm[first]:.2f} mm along the slice normal; take the wrong ones out of the folder"
    )
    raise SeriesError(msg)


def _even_spacing(series: SeriesHeaders, along_mm: FloatArray) -> float:
    """The one distance between neighbouring slices in mm, or a refusal that names where it fails."""
    grid = even_grid(along_mm)
    if grid.is_even and not grid.missing:
        return grid.spacing_mm
    _refuse_overlapping_beds(series, along_mm)
    gaps = np.diff(along_mm)
    wide = np.flatnonzero(np.diff(grid.steps) > 1)
    odd = wide if grid.is_even else np.flatnonzero(np.abs(gaps - np.median(gaps)) > tolerance_mm(grid.spacing_mm))
    first = int(odd[0]) if odd.size else int(np.abs(gaps - np.median(gaps)).argmax())
    names = " and ".join(part.name for part in series.slices[first : first + 2])
    between = f"between {along_mm[first]:.2f} mm and {along_mm[first + 1]:.2f} mm along the slice normal ({names})"
    if grid.is_even:
        aside = f" (set aside were {series.set_aside_text})" if series.set_aside else ""
        msg = (
            f"{series.name}: {grid.missing} slice(s) are missing, {'the first gap ' if odd.size > 1 else ''}{between}"
            f"{aside}; copy the whole series again"
        )
        raise SeriesError(msg)
    msg = (
        f"{series.name}: the slices are unevenly spaced ({gaps.min():.3f} to {gaps.max():.3f} mm), first "
        f"{between}; give a series with even spacing"
    )
    raise SeriesError(msg)


def _refuse_tilt(series: SeriesHeaders, positions: FloatArray, normal: FloatArray, pixel_mm: float) -> None:
    offsets = positions - positions[0]
    along = offsets @ normal
    drift = np.linalg.norm(offsets - along[:, None] * normal, axis=1)
    if drift.max() <= max(_DRIFT_MM, _DRIFT_PIXELS * pixel_mm):
        return
    worst = int(drift.argmax())
    first, last = series.slices[0].name, series.slices[worst].name
    degrees = float(np.degrees(np.arctan2(drift[worst], abs(along[worst]))))
    msg = (
        f"{series.name}: the slices drift sideways by {drift[worst]:.1f} mm over {abs(along[worst]):.1f} mm of the "
        f"stack, from {first} to {last} (a gantry tilt of {degrees:.1f} degrees), so they do not lie on a rectangular "
        "grid; give a series reconstructed without tilt"
    )
    raise SeriesError(msg)


def _refuse_incomplete(series: SeriesHeaders) -> None:
    """Number of Slices (0054,0081) counts the slices of a PET volume: fewer files are an incomplete copy.

    Only this element shows that a slice is missing at either end of the stack.
    """
    stated = max((whole(part.dataset, "NumberOfSlices") or 0 for part in series.slices), default=0)
    # What says itself that it is no slice may have been counted; what merely lies elsewhere may be a damaged slice
    counted = len(series.slices) + sum(len(part.slices) for part in series.set_aside if part.marked)
    if series.modality == "PT" and stated > counted:
        msg = (
            f"{series.name}: {stated - len(series.slices)} slice(s) are missing: Number of Slices (0054,0081) says "
            f"{stated} and {len(series.slices)} are there; copy the whole series again"
        )
        raise SeriesError(msg)


def _refuse_other_forms(series: SeriesHeaders) -> None:
    for part in series.slices:
        if text(part.dataset, "Rows") is None:
            # The pixels' own elements come last: without them the header ends early
            msg = f"{part.name}: the file is cut short or holds no image; copy it again or take it out of the folder"
            raise FileFormatError(msg)
        frames = text(part.dataset, "NumberOfFrames")
        if frames not in {None, "1"}:
            msg = (
                f"{series.name}, {part.name}: the file holds {frames} frames without functional groups, so their "
                "positions are unknown; export the series as single-frame or enhanced images"
            )
            raise SeriesError(msg)
    studies = series.distinct("StudyInstanceUID")
    if len(studies) > 1:
        msg = (
            f"{series.name}: its slices name {len(studies)} studies; give the series as it was exported from one study"
        )
        raise SeriesError(msg)
    frames_of_reference = series.distinct("FrameOfReferenceUID")
    if len(frames_of_reference) > 1:
        msg = f"{series.name}: its slices lie in {len(frames_of_reference)} frames of reference; export it again"
        raise SeriesError(msg)


# A series is laid out when it is chosen and again when it is read.
_stacks: WeakKeyDictionary[SeriesHeaders, Stack] = WeakKeyDictionary()


def stack_of(series: SeriesHeaders) -> Stack:
    """Order the slices of a series and lay them on one grid.

    The grid's slice axis is the unit normal, so voxels ascend along it whatever the order of the files.

    Raises
    ------
    SeriesError
        Where the slices form no single, complete, evenly spaced volume; the text names files and positions.
    FileFormatError
        Where a file's header ends before its image.
    """
    found = _stacks.get(series)
    if found is None:
        found = _stacks[series] = _laid_out(series)
    return found


def _laid_out(series: SeriesHeaders) -> Stack:
    _refuse_other_forms(series)
    if len(series.slices) < _FEWEST:
        msg = f"{series.name}: a single slice is not a volume; give the whole series"
        raise SeriesError(msg)
    sizes = np.hstack([_vectors(series, "Rows", 1), _vectors(series, "Columns", 1)])
    _refuse_mixed(series, sizes, "Rows or Columns", 0.0)
    pixel_mm = _vectors(series, "PixelSpacing", 2)
    _refuse_mixed(series, pixel_mm, "Pixel Spacing", 1e-4)
    normal, along_rows, along_columns = _axes(series)
    positions = _vectors(series, "ImagePositionPatient", 3)
    order = np.argsort(positions @ normal, kind="stable")
    ordered = replace(series, slices=tuple(series.slices[int(k)] for k in order))
    positions = positions[order]
    along_mm = positions @ normal
    _refuse_duplicates(ordered, along_mm)
    _refuse_tilt(ordered, positions, normal, float(pixel_mm[0].min()))
    spacing = _even_spacing(ordered, along_mm)
    _refuse_incomplete(ordered)
    frame = texts(series.first, "FrameOfReferenceUID")
    try:
        geometry = Geometry(
            (len(ordered.slices), int(sizes[0, 0]), int(sizes[0, 1])),
            as_vector(positions[0]),
            (spacing, float(pixel_mm[0, 0]), float(pixel_mm[0, 1])),
            (as_vector(normal), as_vector(along_rows), as_vector(along_columns)),
            frame[0] if frame else None,
        )
    except GeometryError as error:
        msg = f"{series.name}: {error}"
        raise SeriesError(msg) from error
    return Stack(ordered, geometry)
