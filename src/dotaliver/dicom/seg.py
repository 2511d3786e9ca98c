"""DICOM Segmentation objects, binary: frames laid on the grid of the image by their positions.

Only non-empty frames need be stored, in any order, so each is placed by its own Image Position (Patient).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.elements import first_item, joined, numbers, text, whole
from dotaliver.dicom.mask_grid import (
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
from dotaliver.geometry import FloatArray, Geometry
from dotaliver.records import DrawnOn, StudyVolumes
from dotaliver.volume import LabelMap

__all__ = ["read_seg"]

# Liver in SNOMED CT, the older SRT, and FMA.
_LIVER_CODES = {"10200004", "T-62000", "7197"}
# Categories of segments that are anatomy, and so no lesions: Anatomical Structure, in SNOMED CT and SRT.
_ANATOMY = {"123037004", "T-D000A"}
_OWN_LESION = re.compile(r"dotaliver:lesion:(\d+)")
_OWN_OTHER = re.compile(r"dotaliver:(?!lesion:)")
_OWN_FOCUS = re.compile(r"dotaliver:ct_focus:(\d+)")
_LESION_NAME = re.compile(r"lesion[\s_-]*(\d+)", re.IGNORECASE)
# A frame may lie this share of a voxel off the image's voxels.
_OFF_GRID = 0.1
_PARALLEL = 1e-4
_SAME_SPACING_SHARE = 1e-3


@dataclass(frozen=True)
class _Frame:
    """One stored frame: its segment and the affine columns of its plane."""

    segment: int
    position_mm: FloatArray
    cosines: FloatArray
    spacing_mm: FloatArray


def _group(dataset: Any, frame: Any, keyword: str) -> Any | None:
    """One functional group of a frame: its own, else the shared one."""
    shared = first_item(dataset, "SharedFunctionalGroupsSequence")
    for holder in (frame, shared):
        item = None if holder is None else first_item(holder, keyword)
        if item is not None:
            return item
    return None


def _frames(name: str, dataset: Any) -> list[_Frame]:
    found = []
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        position = _group(dataset, frame, "PlanePositionSequence")
        orientation = _group(dataset, frame, "PlaneOrientationSequence")
        measures = _group(dataset, frame, "PixelMeasuresSequence")
        segment = _group(dataset, frame, "SegmentIdentificationSequence")
        if position is None or orientation is None or measures is None or segment is None:
            msg = f"{name}: a frame has no position, orientation, spacing or segment; export the segmentation again"
            raise MaskError(msg)
        found.append(
            _Frame(
                whole(segment, "ReferencedSegmentNumber") or 0,
                np.array(numbers(position, "ImagePositionPatient"), dtype=np.float64),
                np.array(numbers(orientation, "ImageOrientationPatient"), dtype=np.float64).reshape(2, 3),
                np.array(numbers(measures, "PixelSpacing"), dtype=np.float64),
            )
        )
    return found


def _pixels(name: str, dataset: Any, count: int) -> npt.NDArray[Any]:
    """Frames as an array (frames, rows, columns), after holding the sizes to what the file really holds."""
    kind = text(dataset, "SegmentationType")
    if kind != "BINARY":
        msg = f"{name}: the segmentation is {kind or 'of no stated type'}, and only BINARY is read yet"
        raise MaskError(msg)
    rows, columns = whole(dataset, "Rows") or 0, whole(dataset, "Columns") or 0
    bits = whole(dataset, "BitsAllocated") or 1
    compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    if not compressed and len(dataset.PixelData) * 8 < count * rows * columns * bits:
        msg = f"{name}: the file is cut short: it holds fewer pixels than its {count} frames need; copy it again"
        raise MaskError(msg)
    return np.asarray(dataset.pixel_array).reshape(count, rows, columns)


def _segments(dataset: Any) -> tuple[dict[int, str], set[int], set[int], dict[int, str]]:
    """Labels of the segments by number, those that are the liver, those that are neither, and tracking IDs."""
    names, livers, others, tracking = {}, set(), set(), {}
    for segment in dataset.get("SegmentSequence") or ():
        number = whole(segment, "SegmentNumber") or 0
        names[number] = joined(segment, "SegmentLabel") or f"Segment {number}"
        tracking[number] = joined(segment, "TrackingID") or ""
        code = first_item(segment, "SegmentedPropertyTypeCodeSequence")
        coded_liver = code is not None and text(code, "CodeValue") in _LIVER_CODES
        own = tracking[number]
        if is_reference_name(names[number]) or own.startswith("dotaliver:reference"):
            others.add(number)
        elif own == "dotaliver:liver" or is_liver_name(names[number]) or (coded_liver and not own):
            livers.add(number)
        elif _OWN_OTHER.match(own) or (_is_anatomy(segment) and not own):
            others.add(number)
    return names, livers, others, tracking


def _is_anatomy(segment: Any) -> bool:
    """Whether a segment is coded as an organ or another normal structure."""
    category = first_item(segment, "SegmentedPropertyCategoryCodeSequence")
    return category is not None and text(category, "CodeValue") in _ANATOMY


def _lesion_labels(picked: list[int], names: dict[int, str], tracking: dict[int, str]) -> dict[int, int]:
    """Label of each lesion segment: the number in our own tracking IDs or names where all have one, else its own."""
    labels = {}
    for number in picked:
        match = _OWN_LESION.fullmatch(tracking[number]) or _LESION_NAME.fullmatch(names[number])
        if match is None:
            return {n: n for n in picked}
        labels[number] = int(match.group(1))
    unique = len(set(labels.values())) == len(labels) and min(labels.values()) > 0
    return labels if unique else {n: n for n in picked}


def _fits(frame: _Frame, grid: Geometry) -> bool:
    """Whether a frame's pixels are those of an image's slices, apart from which slice it is."""
    along_rows, along_columns = np.asarray(grid.directions[1]), np.asarray(grid.directions[2])
    parallel = (
        np.abs(frame.cosines[0] - along_columns).max() < _PARALLEL**0.5
        and np.abs(frame.cosines[1] - along_rows).max() < _PARALLEL**0.5
    )
    spacing = np.abs(frame.spacing_mm / np.asarray(grid.spacing_mm[1:]) - 1).max() < _SAME_SPACING_SHARE
    index = grid.lps_to_index(frame.position_mm)
    return bool(
        parallel
        and spacing
        and np.abs(index[1:]).max() < _OFF_GRID
        and abs(index[0] - round(float(index[0]))) < _OFF_GRID
    )


def _own_grid(name: str, frames: list[_Frame], shape: tuple[int, int], dataset: Any) -> Geometry:
    """The grid that the frames themselves span, where it is none of the images'."""
    first = frames[0]
    normal = np.cross(first.cosines[0], first.cosines[1])
    along = np.array([f.position_mm @ normal for f in frames])
    places = np.unique(np.round(along, 3))
    measures = _group(dataset, None, "PixelMeasuresSequence")
    stated = None
    if measures is not None:
        values = numbers(measures, "SpacingBetweenSlices") or numbers(measures, "SliceThickness")
        stated = None if values is None else values[0]
    spacing = float(np.diff(places).min()) if len(places) > 1 else stated
    if not spacing or any(np.abs(f.cosines - first.cosines).max() > _PARALLEL**0.5 for f in frames):
        msg = f"{name}: its frames form no grid; export the segmentation on one of the study's images"
        raise MaskError(msg)
    steps = (places - places[0]) / spacing
    if np.abs(steps - np.round(steps)).max() > _OFF_GRID:
        msg = f"{name}: its frames are unevenly spaced; export the segmentation on one of the study's images"
        raise MaskError(msg)
    lowest = frames[int(along.argmin())].position_mm
    matrix = np.eye(4)
    matrix[:3, 0] = normal * spacing
    matrix[:3, 1] = first.cosines[1] * first.spacing_mm[0]
    matrix[:3, 2] = first.cosines[0] * first.spacing_mm[1]
    matrix[:3, 3] = lowest
    return Geometry.from_affine((round(float(steps[-1])) + 1, *shape), matrix)


def _reference_uids(dataset: Any) -> tuple[set[str], set[str]]:
    series, instances = set(), set()
    for part in dataset.get("ReferencedSeriesSequence") or ():
        series.add(text(part, "SeriesInstanceUID") or "")
        images = part.get("ReferencedInstanceSequence") or ()
        instances |= {text(image, "ReferencedSOPInstanceUID") or "" for image in images}
    return series - {""}, instances - {""}


def _place(
    name: str, frames: list[_Frame], shape: tuple[int, int], dataset: Any, volumes: StudyVolumes
) -> tuple[Geometry, DrawnOn]:
    """The grid that the frames belong on: the image's that they fit, else their own."""
    series, instances = _reference_uids(dataset)
    stated = grid_of(volumes, series, instances)
    check_study(name, volumes, text(dataset, "StudyInstanceUID"), {text(dataset, "FrameOfReferenceUID") or ""}, stated)
    grids = image_grids(volumes)
    for image in sorted(grids, key=lambda i: (i != stated, i != "pet")):
        grid = grids[image]
        if (grid.shape[1], grid.shape[2]) == shape and all(_fits(f, grid) for f in frames):
            return grid, image
    return _own_grid(name, frames, shape, dataset), stated or "pet"


def read_seg(name: str, dataset: Any, volumes: StudyVolumes, kind: MaskKind) -> NamedMask:
    """Lay the frames of the segments that are meant on a grid.

    Where two lesions overlap, the voxels stay with the one of the lower label.
    """
    names, livers, others, tracking = _segments(dataset)
    foci = {n: int(m.group(1)) for n, own in tracking.items() if (m := _OWN_FOCUS.fullmatch(own))}
    picked = sorted(foci) if kind == "ct_foci" else pick_outlines(name, kind, names, livers, others)
    if kind == "ct_foci":
        labels_of = foci
    else:
        labels_of = {n: 1 for n in picked} if kind == "liver" else _lesion_labels(picked, names, tracking)
    frames = _frames(name, dataset)
    if not frames:
        msg = f"{name}: the segmentation holds no frame; give one that outlines something"
        raise MaskError(msg)
    pixels = _pixels(name, dataset, len(frames))
    shape = (int(pixels.shape[1]), int(pixels.shape[2]))
    grid, drawn_on = _place(name, frames, shape, dataset, volumes)
    labels = np.zeros(grid.shape, dtype=np.uint16)
    outside = 0
    order = sorted(range(len(frames)), key=lambda i: labels_of.get(frames[i].segment, 0))
    for i in order:
        label = labels_of.get(frames[i].segment)
        if label is None or not pixels[i].any():
            continue
        k = round(float(grid.lps_to_index(frames[i].position_mm)[0]))
        if not 0 <= k < grid.shape[0]:
            outside += 1
            continue
        plane = labels[k]
        plane[(pixels[i] != 0) & (plane == 0)] = label
    if outside and not labels.any():
        msg = f"{name}: all {outside} frames lie outside the image; give a mask that was drawn on this study"
        raise MaskError(msg)
    called = {labels_of[n]: names[n] for n in reversed(picked)}
    return NamedMask(LabelMap(labels, grid), drawn_on, "DICOM SEG", called)
