"""RTSTRUCT: closed planar contours, filled slice by slice on the grid of the image that they were drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import first_item, joined, stored_element, text, whole
from dotaliver.dicom.files.objects import plain_text
from dotaliver.dicom.masks.contours import PlaneContour, TooManyContoursError, fill_contours
from dotaliver.dicom.masks.grid import NamedMask, check_study, grid_of, image_grids
from dotaliver.dicom.masks.outlines import (
    LIVER_CODES,
    MaskKind,
    Outlines,
    coded_organ,
    is_liver_name,
    is_organ_name,
    is_reference_name,
    pick_outlines,
)
from dotaliver.dicom.masks.remarks import left_out_flags, overlap_flags
from dotaliver.errors import MaskError
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.flags import Flag, raise_flag
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["read_rtstruct"]

# A contour's points may lie this share of a slice spacing off one plane.
_PLANE_TOLERANCE = 0.1
# Planes nearer than this share of a slice spacing are one plane.
_SAME_PLANE = 0.01
_EXCLUSIVE = "CLOSEDPLANAR_XOR"
_CLOSED = {"CLOSED_PLANAR", _EXCLUSIVE}
_NOT_CLOSED = {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"}
# RT ROI Interpreted Type (3006,00A4), PS3.3 C.8.8.8.1: gross tumour, volumes with a margin, and what is no volume of
# tumour at all. Other values, and a blank one, leave it open.
_TUMOUR = {"GTV"}
_MARGINS = {"CTV", "PTV", "ITV", "TREATED_VOLUME", "IRRAD_VOLUME"}
_OTHER = {
    *{"EXTERNAL", "ORGAN", "AVOIDANCE", "BOLUS", "MARKER", "REGISTRATION", "ISOCENTER", "CONTRAST_AGENT", "CAVITY"},
    *{"BRACHY_CHANNEL", "BRACHY_ACCESSORY", "BRACHY_SRC_APP", "BRACHY_CHNL_SHLD", "SUPPORT", "FIXATION"},
    *{"DOSE_REGION", "CONTROL", "DOSE_MEASUREMENT", "DEVICE"},
}
# Outlines of a whole liver have some ten thousand corners.
_MOST_POINTS = 500_000
_LONGEST_NAME = 64
# Contours on every slice lie one slice apart; more than this many slices apart they are drawn coarser.
_SPARSE = 1.5
# Contours this far apart, in mm, do not say what the outline is between them.
_TOO_FAR_MM = 10.0
# Areas on both sides of a gap that share this much of the smaller belong to one object.
_SAME_OBJECT = 0.5
Planes = dict[float, list[PlaneContour]]


@dataclass(frozen=True)
class _Contour:
    """One closed contour: its corners in mm, shape (points, 3), and whether it is combined by exclusive or."""

    points: FloatArray
    exclusive: bool


def _points(name: str, contour: Dataset) -> FloatArray:
    """Corners of one contour, shape (points, 3), in mm; read from its bytes, for there may be very many."""
    stored = stored_element(contour, "ContourData")
    if isinstance(stored, RawDataElement):
        values = np.array((stored.value or b"").strip(b" \0").split(b"\\"), dtype=np.bytes_)
        flat = values.astype(np.float64)
    else:
        flat = np.array([float(v) for v in contour.get("ContourData") or ()], dtype=np.float64)
    points = flat.reshape(-1, 3)
    stated = whole(contour, "NumberOfContourPoints")
    if stated is not None and stated != len(points):
        msg = (
            f"{name}: a contour says {stated} points and holds {len(points)}, so contours are damaged or cut short; "
            "export the structure set again"
        )
        raise MaskError(msg)
    return points


def _contours(name: str, called: str, item: Dataset) -> tuple[list[_Contour], int]:
    """Closed planar contours of one ROI, and how many points and open lines it also holds."""
    found, open_ones = [], 0
    for contour in item.get("ContourSequence") or ():
        kind = text(contour, "ContourGeometricType")
        if kind in _NOT_CLOSED:
            open_ones += 1
            continue
        if kind not in _CLOSED:
            msg = (
                f"{name}: a contour of {called!r} has {'no type' if kind is None else f'the unknown type {kind[:16]}'} "
                "(Contour Geometric Type (3006,0042)), so the outline would be incomplete without it; export the "
                "structure set again"
            )
            raise MaskError(msg)
        points = _points(name, contour)
        if len(points) >= 3:
            found.append(_Contour(points, kind == _EXCLUSIVE))
        else:
            open_ones += 1
    return found, open_ones


def _planes(name: str, contours: list[_Contour], grid: Geometry) -> Planes:
    """Contours in (row, column) indices, by the fractional slice index that they lie on."""
    placed: list[tuple[float, PlaneContour]] = []
    for contour in contours:
        if not np.isfinite(contour.points).all():
            msg = f"{name}: a contour's coordinates are not numbers; export the structure set again"
            raise MaskError(msg)
        index = grid.lps_to_index(contour.points)
        if np.ptp(index[:, 0]) > _PLANE_TOLERANCE:
            msg = f"{name}: its contours do not lie in the slices of the image; draw them on this study's images"
            raise MaskError(msg)
        placed.append((float(index[:, 0].mean()), PlaneContour(index[:, 1:], contour.exclusive)))
    planes: Planes = {}
    level = -np.inf
    for k, corners in sorted(placed, key=lambda part: part[0]):
        if k - level > _SAME_PLANE:
            level = k
        planes.setdefault(level, []).append(corners)
    return planes


def _fill(name: str, planes: Planes, grid: Geometry) -> npt.NDArray[np.bool_]:
    """Voxels inside the contours: each slice takes the nearest plane within half the contours' own spacing.

    With contours on every slice that is the slice's own; contours finer than the slices are not added up, and
    contours on every second slice leave no gaps.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    levels = np.array(sorted(planes))
    reach = max(_step(levels), 1.0) / 2
    for k in range(grid.shape[0]):
        gaps = levels - k
        # Half open, so that a plane midway between two slices fills one of them
        near = np.flatnonzero((gaps > -reach + 1e-6) & (gaps <= reach + 1e-6))
        if near.size:
            nearest = levels[near[int(np.abs(gaps[near]).argmin())]]
            try:
                mask[k] = fill_contours(planes[float(nearest)], (grid.shape[1], grid.shape[2]))
            except TooManyContoursError as error:
                msg = f"{name}: {error}; export the outlines simplified"
                raise MaskError(msg) from error
    return mask


def _step(levels: FloatArray) -> float:
    """The usual distance between neighbouring planes, in slices."""
    return float(np.median(np.diff(levels))) if len(levels) > 1 else 1.0


def _gap_flags(name: str, called: str, planes: Planes, mask: npt.NDArray[np.bool_], grid: Geometry) -> list[Flag]:
    """Say where an outline has no contours between others; refused where more of it is missing than there.

    Raises
    ------
    MaskError
        Where contours lie so far apart, or so many slices of one object are without, that its shape is unknown.
    """
    levels = np.array(sorted(planes))
    step, slice_mm = _step(levels), grid.spacing_mm[0]
    if step > _SPARSE and step * slice_mm > _TOO_FAR_MM:
        msg = (
            f"{name}: the contours of {called!r} lie {step * slice_mm:.1f} mm apart, so its outline between them is "
            "unknown and contours may have been lost; export the structure set with all its contours"
        )
        raise MaskError(msg)
    flags = []
    if step > _SPARSE:
        flags.append(raise_flag("OUTLINE_SPARSE", mm=step * slice_mm, slice_mm=slice_mm))
    missing = 0
    for low, high in pairwise(levels.tolist()):
        lost = round((high - low) / max(step, 1.0)) - 1
        ends = [int(np.clip(round(float(k)), 0, grid.shape[0] - 1)) for k in (low, high)]
        if lost > 0 and _same_object(mask[ends[0]], mask[ends[1]]):
            missing += lost
    if missing >= len(levels):
        msg = (
            f"{name}: {missing} slices of {called!r} have no contour and {len(levels)} have one, so most of its "
            "contours are missing; export the structure set with all its contours"
        )
        raise MaskError(msg)
    if missing:
        flags.append(raise_flag("OUTLINE_WITH_GAPS", count=missing))
    return flags


def _same_object(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
    smaller = min(int(np.count_nonzero(one)), int(np.count_nonzero(other)))
    return bool(smaller > 0 and np.count_nonzero(one & other) >= _SAME_OBJECT * smaller)


def _references(dataset: Dataset) -> tuple[set[str], set[str], set[str]]:
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


def _fitting_image(contours: list[_Contour], volumes: StudyVolumes) -> DrawnOn:
    """The image whose slices the contours lie on best, where the object refers to none; the PET where equal."""

    def off_slice(grid: Geometry) -> float:
        k = np.array([grid.lps_to_index(contour.points)[:, 0].mean() for contour in contours])
        return float(np.abs(k - np.round(k)).mean() * grid.spacing_mm[0])

    grids = image_grids(volumes)
    return min(grids, key=lambda image: (round(off_slice(grids[image]), 2), image != "pet"))


def _outlines(name: str, dataset: Dataset) -> tuple[Outlines, dict[int, Dataset]]:
    """What the ROIs are, by ROI Number, and the contour items of those that have any."""
    names = {}
    for roi in dataset.get("StructureSetROISequence") or ():
        number = whole(roi, "ROINumber") or 0
        if number in names:
            msg = f"{name}: ROI number {number} is used twice; export the structure set again"
            raise MaskError(msg)
        names[number] = plain_text(joined(roi, "ROIName") or f"ROI {number}", _LONGEST_NAME)
    items: dict[int, Dataset] = {}
    for item in dataset.get("ROIContourSequence") or ():
        number = whole(item, "ReferencedROINumber") or 0
        kinds = [text(contour, "ContourGeometricType") for contour in item.get("ContourSequence") or ()]
        if any(kind not in _NOT_CLOSED for kind in kinds) and number in names:
            if number in items:
                msg = f"{name}: ROI number {number} has two sets of contours; export the structure set again"
                raise MaskError(msg)
            items[number] = item
    named = {n: names[n] for n in sorted(items)}
    return _typed(named, dataset), items


def _typed(names: dict[int, str], dataset: Dataset) -> Outlines:
    """Outlines with what their types, codes and names say of them."""
    types: dict[int, str] = {}
    codes: dict[int, str | None] = {}
    for observation in dataset.get("RTROIObservationsSequence") or ():
        number = whole(observation, "ReferencedROINumber") or 0
        types[number] = (text(observation, "RTROIInterpretedType") or "").upper()
        code = first_item(observation, "RTROIIdentificationCodeSequence")
        codes[number] = None if code is None else text(code, "CodeValue")
    livers = {n for n, called in names.items() if is_liver_name(called) or codes.get(n) in LIVER_CODES}
    others = {
        n
        for n, called in names.items()
        if n not in livers and (is_reference_name(called) or types.get(n) in _OTHER or coded_organ(codes.get(n)))
    }
    left = set(names) - livers - others
    tumours = {n for n in left if types.get(n) in _TUMOUR}
    # A volume with a margin is not a lesion, and next to one an outline without a type may be anything
    planned = any(kind in _MARGINS for kind in types.values())
    unsure = {n for n in left - tumours if planned or is_organ_name(names[n])}
    return Outlines(names, frozenset(livers), frozenset(others), frozenset(tumours), frozenset(unsure))


def _wanted_contours(
    name: str, names: Mapping[int, str], items: dict[int, Dataset], picked: list[int]
) -> tuple[dict[int, list[_Contour]], list[Flag]]:
    """Contours of the picked ROIs, after counting their points."""
    stored = 0
    for number in picked:
        for contour in items[number].ContourSequence:
            element = stored_element(contour, "ContourData")
            if isinstance(element, RawDataElement):
                stored += (element.value or b"").count(b"\\") // 3 + 1
    if stored > _MOST_POINTS:
        msg = f"{name}: its outlines have {stored} points (at most {_MOST_POINTS} are read); export them simplified"
        raise MaskError(msg)
    contours, open_ones = {}, 0
    for number in picked:
        contours[number], count = _contours(name, names[number], items[number])
        open_ones += count
        if not contours[number]:
            msg = f"{name}: ROI number {number} holds no closed planar contour; export the structure set again"
            raise MaskError(msg)
    return contours, [raise_flag("CONTOURS_NOT_CLOSED", count=open_ones)] if open_ones else []


def read_rtstruct(
    name: str, dataset: Dataset, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...] = ()
) -> NamedMask:
    """Fill the contours of the ROIs that are meant; lesions are labelled 1, 2, … in the order of ROI Number.

    Where two lesions overlap, the voxels stay with the first (flagged).
    """
    outlines, items = _outlines(name, dataset)
    names = outlines.names
    if not names:
        msg = f"{name}: the structure set holds no closed planar contours; export it with its contours"
        raise MaskError(msg)
    frames, series, instances = _references(dataset)
    drawn_on = grid_of(volumes, series, instances)
    check_study(name, volumes, text(dataset, "StudyInstanceUID"), frames, drawn_on)
    picked = pick_outlines(name, kind, outlines, wanted)
    contours, flags = _wanted_contours(name, names, items, picked)
    if drawn_on is None:
        drawn_on = _fitting_image([c for n in picked for c in contours[n]], volumes)
    grid = image_grids(volumes)[drawn_on]
    labels = np.zeros(grid.shape, dtype=np.uint16)
    called: dict[int, str] = {}
    shared = 0
    for order, number in enumerate(picked, start=1):
        label = 1 if kind == "liver" else order
        planes = _planes(name, contours[number], grid)
        mask = _fill(name, planes, grid)
        if kind == "lesions" and not mask.any():
            msg = (
                f"{name}: the outline {names[number]!r} encloses no voxel of the {drawn_on.upper()}: it lies outside "
                "the image or between its voxels; give a mask that was drawn on this study"
            )
            raise MaskError(msg)
        flags += _gap_flags(name, names[number], planes, mask, grid)
        shared += int(np.count_nonzero(mask & (labels != 0)))
        labels[mask & (labels == 0)] = label
        called.setdefault(label, names[number])
    if not labels.any():
        msg = f"{name}: the contours lie outside the image; give a mask that was drawn on this study"
        raise MaskError(msg)
    flags += overlap_flags(kind, shared, grid.voxel_volume_ml)
    flags += left_out_flags(kind, outlines, picked, wanted)
    return NamedMask(LabelMap(labels, grid), drawn_on, "RTSTRUCT", called, tuple(dict.fromkeys(flags)))
