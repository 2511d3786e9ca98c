"""RTSTRUCT: closed planar contours, filled slice by slice on the grid of the image that they were drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement

from dotaliver.dicom.files.elements import joined, text, whole
from dotaliver.dicom.files.objects import plain_text
from dotaliver.dicom.masks.grid import (
    MaskKind,
    NamedMask,
    check_study,
    grid_of,
    image_grids,
    is_liver_name,
    is_reference_name,
    pick_outlines,
)
from dotaliver.errors import MaskError
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["fill_polygons", "read_rtstruct"]

# A contour's points may lie this share of a slice spacing off one plane.
_PLANE_TOLERANCE = 0.1
# Planes nearer than this share of a slice spacing are one plane.
_SAME_PLANE = 0.01
_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# Outlines of a whole liver have some ten thousand corners.
_MOST_POINTS = 500_000
# Rows crossed by the edges that are worked on at once: what bounds the memory
_MOST_CROSSINGS = 4_000_000
_LONGEST_NAME = 64
Planes = dict[float, list[FloatArray]]


def fill_polygons(polygons: list[FloatArray], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels whose centres lie inside an odd number of polygons (even-odd rule, so inner contours are holes).

    Parameters
    ----------
    polygons : list of array, shape (points, 2)
        Corners as (row, column) indices; closed by their first point. Centres that lie on an edge count as inside
        on a polygon's upper and left side, so that neighbouring polygons share no pixel.
    shape : tuple of int
        Rows and columns.
    """
    rows, columns = shape
    counts = np.zeros(rows * (columns + 1), dtype=np.int64)
    for edges in _edges_in_pieces(polygons, rows):
        counts += np.bincount(_crossings(edges, rows, columns), minlength=counts.size)
    toggles = (counts % 2 == 1).reshape(rows, columns + 1)
    filled: npt.NDArray[np.bool_] = np.logical_xor.accumulate(toggles, axis=1)[:, :columns]
    return filled


def _edges_in_pieces(polygons: list[FloatArray], rows: int) -> Iterator[FloatArray]:
    """Edges (row, column, next row, next column) that are not level, in pieces that cross not too many rows at once."""
    if not polygons:
        return
    edges = np.concatenate([np.hstack([p, np.roll(p, -1, axis=0)]) for p in polygons])
    edges = edges[edges[:, 0] != edges[:, 2]]
    piece = max(_MOST_CROSSINGS // max(rows, 1), 1)
    for start in range(0, len(edges), piece):
        yield edges[start : start + piece]


def _crossings(edges: FloatArray, rows: int, columns: int) -> npt.NDArray[np.int64]:
    """For every row that an edge crosses, the first pixel to the right of it, as an index into the toggles."""
    r0, c0, r1, c1 = edges.T
    first = np.clip(np.ceil(np.minimum(r0, r1)), 0, rows).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(r0, r1)), 0, rows).astype(np.int64)
    lengths = last - first
    edge = np.repeat(np.arange(len(edges)), lengths)
    row = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(first, lengths)
    at = c0[edge] + (row - r0[edge]) * ((c1 - c0) / (r1 - r0))[edge]
    right = np.clip(np.ceil(at), 0, columns).astype(np.int64)
    return np.asarray(row * (columns + 1) + right, dtype=np.int64)


def _points(contour: Any) -> FloatArray:
    """Corners of one contour, shape (points, 3), in mm; read from its bytes, for there may be very many."""
    stored = contour.get_item("ContourData") if "ContourData" in contour else None
    if isinstance(stored, RawDataElement):
        values = np.array((stored.value or b"").strip(b" \0").split(b"\\"), dtype=np.bytes_)
        flat = values.astype(np.float64)
    else:
        flat = np.array([float(v) for v in contour.get("ContourData") or ()], dtype=np.float64)
    return flat.reshape(-1, 3)


def _contours(item: Any) -> list[FloatArray]:
    """Closed planar contours of one ROI, each of shape (points, 3), in mm."""
    found = []
    for contour in item.get("ContourSequence") or ():
        # CLOSEDPLANAR_XOR says in words what the even-odd rule does anyway.
        if text(contour, "ContourGeometricType") not in _CLOSED:
            continue
        points = _points(contour)
        if len(points) >= 3:
            found.append(points)
    return found


def _planes(name: str, contours: list[FloatArray], grid: Geometry) -> Planes:
    """Contours in (row, column) indices, by the fractional slice index that they lie on."""
    placed: list[tuple[float, FloatArray]] = []
    for points in contours:
        if not np.isfinite(points).all():
            msg = f"{name}: a contour's coordinates are no numbers; export the structure set again"
            raise MaskError(msg)
        index = grid.lps_to_index(points)
        if np.ptp(index[:, 0]) > _PLANE_TOLERANCE:
            msg = f"{name}: its contours do not lie in the slices of the image; draw them on this study's images"
            raise MaskError(msg)
        placed.append((float(index[:, 0].mean()), index[:, 1:]))
    planes: Planes = {}
    level = -np.inf
    for k, corners in sorted(placed, key=lambda part: part[0]):
        if k - level > _SAME_PLANE:
            level = k
        planes.setdefault(level, []).append(corners)
    return planes


def _fill(planes: Planes, grid: Geometry) -> npt.NDArray[np.bool_]:
    """Voxels inside the contours: each slice takes the nearest plane within half the contours' own spacing.

    With contours on every slice that is the slice's own; contours finer than the slices are not added up, and
    contours on every second slice leave no gaps.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    levels = np.array(sorted(planes))
    reach = max(float(np.median(np.diff(levels))) if len(levels) > 1 else 1.0, 1.0) / 2
    for k in range(grid.shape[0]):
        gaps = levels - k
        # Half open, so that a plane midway between two slices fills one of them
        near = np.flatnonzero((gaps > -reach + 1e-6) & (gaps <= reach + 1e-6))
        if near.size:
            nearest = levels[near[int(np.abs(gaps[near]).argmin())]]
            mask[k] = fill_polygons(planes[float(nearest)], (grid.shape[1], grid.shape[2]))
    return mask


def _references(dataset: Any) -> tuple[set[str], set[str], set[str]]:
    """UIDs of frames of reference, series and slices that the object refers to."""
    frames, series, instances = set(), set(), set()
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        frames.add(text(frame, "FrameOfReferenceUID") or "")
        for study in frame.get("RTReferencedStudySequence") or ():
            for part in study.get("RTReferencedSeriesSequence") or ():
                series.add(text(part, "SeriesInstanceUID") or "")
                images = part.get("ContourImageSequence") or ()
                instances |= {text(image, "ReferencedSOPInstanceUID") or "" for image in images}
    for roi in dataset.get("StructureSetROISequence") or ():
        frames.add(text(roi, "ReferencedFrameOfReferenceUID") or "")
    return frames - {""}, series - {""}, instances - {""}


def _fitting_image(contours: list[FloatArray], volumes: StudyVolumes) -> DrawnOn:
    """The image whose slices the contours lie on best, where the object refers to none; the PET where equal."""

    def off_slice(grid: Geometry) -> float:
        k = np.array([grid.lps_to_index(points)[:, 0].mean() for points in contours])
        return float(np.abs(k - np.round(k)).mean() * grid.spacing_mm[0])

    grids = image_grids(volumes)
    return min(grids, key=lambda image: (round(off_slice(grids[image]), 2), image != "pet"))


def _outlines(name: str, dataset: Any) -> tuple[dict[int, str], dict[int, Any], set[int]]:
    """Names and contour items of the ROIs that have any, by ROI Number, and those that are the body's surface."""
    names = {}
    for roi in dataset.get("StructureSetROISequence") or ():
        number = whole(roi, "ROINumber") or 0
        if number in names:
            msg = f"{name}: ROI number {number} is used twice; export the structure set again"
            raise MaskError(msg)
        names[number] = plain_text(joined(roi, "ROIName") or f"ROI {number}", _LONGEST_NAME)
    items: dict[int, Any] = {}
    for item in dataset.get("ROIContourSequence") or ():
        number = whole(item, "ReferencedROINumber") or 0
        closed = any(
            text(contour, "ContourGeometricType") in _CLOSED and (whole(contour, "NumberOfContourPoints") or 3) >= 3
            for contour in item.get("ContourSequence") or ()
        )
        if closed and number in names:
            items[number] = item
    external = {
        whole(o, "ReferencedROINumber") or 0
        for o in dataset.get("RTROIObservationsSequence") or ()
        if text(o, "RTROIInterpretedType") == "EXTERNAL"
    }
    return {n: names[n] for n in sorted(items)}, items, external


def _wanted_contours(name: str, items: dict[int, Any], picked: list[int]) -> dict[int, list[FloatArray]]:
    """Contours of the picked ROIs, after counting their points."""
    stored = 0
    for number in picked:
        for contour in items[number].ContourSequence:
            element = contour.get_item("ContourData") if "ContourData" in contour else None
            if isinstance(element, RawDataElement):
                stored += (element.value or b"").count(b"\\") // 3 + 1
    if stored > _MOST_POINTS:
        msg = f"{name}: its outlines have {stored} points (at most {_MOST_POINTS} are read); export them simplified"
        raise MaskError(msg)
    contours = {number: _contours(items[number]) for number in picked}
    empty = [number for number in picked if not contours[number]]
    if empty:
        msg = f"{name}: ROI number {empty[0]} holds no closed planar contour; export the structure set again"
        raise MaskError(msg)
    return contours


def read_rtstruct(name: str, dataset: Any, volumes: StudyVolumes, kind: MaskKind) -> NamedMask:
    """Fill the contours of the ROIs that are meant; lesions are labelled 1, 2, … in the order of ROI Number.

    Where two lesions overlap, the voxels stay with the first.
    """
    names, items, external = _outlines(name, dataset)
    if not names:
        msg = f"{name}: the structure set holds no closed planar contours; export it with its contours"
        raise MaskError(msg)
    frames, series, instances = _references(dataset)
    drawn_on = grid_of(volumes, series, instances)
    check_study(name, volumes, text(dataset, "StudyInstanceUID"), frames, drawn_on)
    livers = {n for n, called in names.items() if is_liver_name(called)}
    others = {n for n, called in names.items() if is_reference_name(called)} | external
    picked = pick_outlines(name, kind, names, livers, others)
    contours = _wanted_contours(name, items, picked)
    if drawn_on is None:
        drawn_on = _fitting_image([c for n in picked for c in contours[n]], volumes)
    grid = image_grids(volumes)[drawn_on]
    labels = np.zeros(grid.shape, dtype=np.uint16)
    called: dict[int, str] = {}
    for order, number in enumerate(picked, start=1):
        label = 1 if kind == "liver" else order
        mask = _fill(_planes(name, contours[number], grid), grid)
        if kind == "lesions" and not mask.any():
            msg = (
                f"{name}: the outline {names[number]!r} encloses no voxel of the {drawn_on.upper()}: it lies outside "
                "the image or between its voxels; give a mask that was drawn on this study"
            )
            raise MaskError(msg)
        labels[mask & (labels == 0)] = label
        called.setdefault(label, names[number])
    if not labels.any():
        msg = f"{name}: the contours lie outside the image; give a mask that was drawn on this study"
        raise MaskError(msg)
    return NamedMask(LabelMap(labels, grid), drawn_on, "RTSTRUCT", called)
