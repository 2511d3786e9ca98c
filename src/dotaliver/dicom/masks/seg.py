"""DICOM Segmentation objects: frames laid on the grid of the image by their positions.

Only non-empty frames need be stored, in any order, so each is placed by its own Image Position (Patient). A fractional
voxel belongs to a segment from one half on, and to the one with the larger share where two claim it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import first_item, numbers, text, texts, whole
from dotaliver.dicom.files.even_grid import even_grid, tolerance_mm
from dotaliver.dicom.files.objects import plain_text
from dotaliver.dicom.masks.grid import NamedMask, check_study, embedded, grid_of, image_grids
from dotaliver.dicom.masks.outlines import (
    ANATOMY,
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
from dotaliver.dicom.masks.seg_frames import Frame, FramePixels, frames_of, group_of
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["read_seg"]

_OWN_LESION = re.compile(r"dotaliver:lesion:(\d+)")
_OWN_OTHER = re.compile(r"dotaliver:(?!lesion:)")
_OWN_NUMBERED = {
    "ct_foci": re.compile(r"dotaliver:ct_focus:(\d+)"),
    "body": re.compile(r"dotaliver:body_lesion:(\d+)"),
}
_LESION_NAME = re.compile(r"lesion[\s_-]*(\d+)", re.IGNORECASE)
# A frame may lie this share of a voxel off the image's voxels.
_OFF_GRID = 0.1
_PARALLEL = 1e-4
_SAME_SPACING_SHARE = 1e-3
_LARGEST_LABEL = int(np.iinfo(np.uint16).max)
_LONGEST_NAME = 64
# Frames that lie far apart would span a grid that no study has (1 GB of labels).
_LARGEST_GRID = 1 << 29


@dataclass(frozen=True)
class _Segments:
    """What the segments are called, which are meant for what, and their tracking identifiers."""

    outlines: Outlines
    tracking: dict[int, str]

    @property
    def names(self) -> Mapping[int, str]:
        """Labels by segment number."""
        return self.outlines.names


def _segments(name: str, dataset: Dataset) -> _Segments:
    names, tracking = {}, {}
    livers, others, unsure = set(), set(), set()
    labelmap = text(dataset, "SegmentationType") == "LABELMAP"
    for segment in dataset.get("SegmentSequence") or ():
        number = whole(segment, "SegmentNumber") or 0
        if number == 0 and labelmap:
            continue  # the background
        if number in names or not 0 < number <= _LARGEST_LABEL:
            msg = f"{name}: segment number {number} is used twice or is none; export the segmentation again"
            raise MaskError(msg)
        names[number] = _shown(segment, "SegmentLabel") or f"Segment {number}"
        tracking[number] = _shown(segment, "TrackingID")
        code = first_item(segment, "SegmentedPropertyTypeCodeSequence")
        value = None if code is None else text(code, "CodeValue")
        own = tracking[number]
        if is_reference_name(names[number]) or own.startswith("dotaliver:reference"):
            others.add(number)
        elif own == "dotaliver:liver" or is_liver_name(names[number]) or (value in LIVER_CODES and not own):
            livers.add(number)
        elif _OWN_OTHER.match(own) or ((_is_anatomy(segment) or coded_organ(value)) and not own):
            others.add(number)
        elif is_organ_name(names[number]) and not own:
            unsure.add(number)
    found = Outlines(names, frozenset(livers), frozenset(others), unsure=frozenset(unsure))
    return _Segments(found, tracking)


def _shown(segment: Dataset, keyword: str) -> str:
    return plain_text(" ".join(texts(segment, keyword)), _LONGEST_NAME)


def _is_anatomy(segment: Dataset) -> bool:
    """Whether a segment is coded as an organ or another normal structure."""
    category = first_item(segment, "SegmentedPropertyCategoryCodeSequence")
    return category is not None and text(category, "CodeValue") in ANATOMY


def _lesion_labels(picked: list[int], segments: _Segments) -> dict[int, int]:
    """Label of each lesion segment: the number in our own tracking IDs or names where all have one, else its own."""
    labels = {}
    for number in picked:
        match = _OWN_LESION.fullmatch(segments.tracking[number]) or _LESION_NAME.fullmatch(segments.names[number])
        if match is None:
            return {n: n for n in picked}
        labels[number] = int(match.group(1))
    chosen = labels.values()
    unique = len(set(chosen)) == len(labels) and min(chosen) > 0 and max(chosen) <= _LARGEST_LABEL
    return labels if unique else {n: n for n in picked}


def _fits(frame: Frame, grid: Geometry) -> bool:
    """Whether a frame's pixels are those of an image's slices, apart from which slice it is."""
    along_rows, along_columns = np.asarray(grid.directions[1]), np.asarray(grid.directions[2])
    parallel = (
        np.abs(frame.cosines[0] - along_columns).max() < _PARALLEL**0.5
        and np.abs(frame.cosines[1] - along_rows).max() < _PARALLEL**0.5
    )
    spacing = np.abs(frame.spacing_mm / np.asarray(grid.spacing_mm[1:]) - 1).max() < _SAME_SPACING_SHARE
    index = grid.lps_to_index(frame.position_mm)
    off = np.array([index[0] - round(float(index[0])), index[1], index[2]])
    # Headers round positions, which is more than a share of a small voxel
    allowed = np.maximum(_OFF_GRID, tolerance_mm(0.0) / np.asarray(grid.spacing_mm))
    return bool(parallel and spacing and (np.abs(off) < allowed).all())


def _own_grid(name: str, frames: list[Frame], shape: tuple[int, int], dataset: Dataset) -> Geometry:
    """The grid that the frames themselves span, where it is none of the images'."""
    first = frames[0]
    normal = np.cross(first.cosines[0], first.cosines[1])
    along = np.array([f.position_mm @ normal for f in frames])
    places = np.unique(np.round(along, 3))
    measures = group_of(dataset, None, "PixelMeasuresSequence")
    stated = None
    if measures is not None:
        values = numbers(measures, "SpacingBetweenSlices") or numbers(measures, "SliceThickness")
        stated = None if values is None else values[0]
    fitted = even_grid(places) if len(places) > 1 else None
    spacing = stated if fitted is None else fitted.spacing_mm
    if not spacing or any(np.abs(f.cosines - first.cosines).max() > _PARALLEL**0.5 for f in frames):
        msg = f"{name}: its frames form no grid; export the segmentation on one of the study's images"
        raise MaskError(msg)
    steps = np.zeros(1) if fitted is None else fitted.steps
    if fitted is not None and not fitted.is_even:
        msg = f"{name}: its frames are unevenly spaced; export the segmentation on one of the study's images"
        raise MaskError(msg)
    if (float(steps[-1]) + 1) * shape[0] * shape[1] > _LARGEST_GRID:
        msg = f"{name}: its frames lie too far apart to be one grid; export the segmentation again"
        raise MaskError(msg)
    lowest = frames[int(along.argmin())].position_mm
    matrix = np.eye(4)
    matrix[:3, 0] = normal * spacing
    matrix[:3, 1] = first.cosines[1] * first.spacing_mm[0]
    matrix[:3, 2] = first.cosines[0] * first.spacing_mm[1]
    matrix[:3, 3] = lowest
    return Geometry.from_affine((round(float(steps[-1])) + 1, *shape), matrix)


def _reference_uids(dataset: Dataset) -> tuple[set[str], set[str]]:
    series, instances = set(), set()
    for part in dataset.get("ReferencedSeriesSequence") or ():
        series.add(text(part, "SeriesInstanceUID") or "")
        images = part.get("ReferencedInstanceSequence") or ()
        instances |= {text(image, "ReferencedSOPInstanceUID") or "" for image in images}
    return series - {""}, instances - {""}


def _place(
    name: str, frames: list[Frame], shape: tuple[int, int], dataset: Dataset, volumes: StudyVolumes
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


def _laid(
    name: str, frames: list[Frame], pixels: FramePixels, grid: Geometry, labels_of: dict[int, int]
) -> tuple[npt.NDArray[np.uint16], int]:
    """The wanted segments as labels on a grid, and in how many voxels several of them lie."""
    labels = sparse_zeros(grid.shape, np.uint16)
    shares = np.zeros(grid.shape, dtype=np.float32) if pixels.kind == "FRACTIONAL" else None
    table = np.zeros(_LARGEST_LABEL + 1, dtype=np.uint16)
    table[list(labels_of)] = list(labels_of.values())
    # The lower label comes first, and keeps what a later one claims too
    order = sorted(range(len(frames)), key=lambda i: (labels_of.get(frames[i].segment or 0, 0), i))
    outside = shared = 0
    for i in order:
        segment = frames[i].segment
        if segment is not None and segment not in labels_of:
            continue
        k = round(float(grid.lps_to_index(frames[i].position_mm)[0]))
        if segment is None:
            plane = table[pixels.values(i)]
            claimed = plane != 0
        else:
            share = pixels.share(i)
            plane, claimed = np.full(pixels.shape, labels_of[segment], dtype=np.uint16), share > 0
        if not claimed.any():
            continue
        if not 0 <= k < grid.shape[0]:
            outside += 1
            continue
        shared += int(np.count_nonzero(claimed & (labels[k] != 0) & (labels[k] != plane)))
        if shares is not None and segment is not None:
            claimed &= share > shares[k]
            shares[k][claimed] = share[claimed]
        else:
            claimed &= labels[k] == 0
        labels[k][claimed] = plane[claimed]
    if outside and not labels.any():
        msg = f"{name}: all {outside} frames lie outside the image; give a mask that was drawn on this study"
        raise MaskError(msg)
    return labels, shared


def _require_described(name: str, pixels: FramePixels, count: int, names: Mapping[int, str]) -> None:
    """Refuse a label map that shows a segment which it does not describe."""
    for i in range(count):
        unknown = set(np.unique(pixels.values(i)).tolist()) - names.keys() - {0}
        if unknown:
            msg = f"{name}: it holds voxels of segment {min(unknown)}, which it does not describe; export it again"
            raise MaskError(msg)


def _wanted(name: str, kind: MaskKind, segments: _Segments, wanted: tuple[str, ...]) -> dict[int, int]:
    """Labels of the segments that are meant, by their numbers."""
    if kind in _OWN_NUMBERED:
        matches = {n: _OWN_NUMBERED[kind].fullmatch(own) for n, own in sorted(segments.tracking.items())}
        return {n: int(match.group(1)) for n, match in matches.items() if match}
    picked = pick_outlines(name, kind, segments.outlines, wanted)
    return {n: 1 for n in picked} if kind == "liver" else _lesion_labels(picked, segments)


_ORIGINS = {
    "BINARY": "DICOM SEG",
    "FRACTIONAL": "DICOM SEG (fractional, cut at one half)",
    "LABELMAP": "DICOM SEG (label map)",
}


def read_seg(
    name: str, dataset: Dataset, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...] = ()
) -> NamedMask:
    """Lay the frames of the segments that are meant on a grid: the image's where they fit its voxels.

    Where two lesions overlap, the voxels stay with the one of the lower label, or with the larger share (flagged).
    """
    segments = _segments(name, dataset)
    labels_of = _wanted(name, kind, segments, wanted)
    frames = frames_of(name, dataset)
    pixels = FramePixels(name, dataset, len(frames))
    if pixels.kind == "LABELMAP":
        _require_described(name, pixels, len(frames), segments.names)
    grid, drawn_on = _place(name, frames, pixels.shape, dataset, volumes)
    labels, shared = _laid(name, frames, pixels, grid, labels_of)
    image = image_grids(volumes).get(drawn_on)
    if image is not None and grid != image and (inside := embedded(labels, grid, image)) is not None:
        labels, grid = inside, image
    called = {label: segments.names[n] for n, label in reversed(labels_of.items())}
    flags = (
        *overlap_flags(kind, shared, grid.voxel_volume_ml),
        *(() if _is_own(segments) else left_out_flags(kind, segments.outlines, list(labels_of), wanted)),
    )
    return NamedMask(LabelMap(labels, grid), drawn_on, _ORIGINS[pixels.kind], called, flags)


def _is_own(segments: _Segments) -> bool:
    """Whether a score wrote this segmentation, whose other segments are no lesions by design."""
    return any(own.startswith("dotaliver:") for own in segments.tracking.values())
