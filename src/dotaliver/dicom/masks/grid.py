"""Which image a mask was drawn on, and its voxels on that image's grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.arrays import Scalar
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.flags import Flag
from dotaliver.records.masks import DrawnOn
from dotaliver.records.positions import share_on
from dotaliver.records.study import StudyVolumes

__all__ = [
    "NamedMask",
    "check_patient",
    "check_study",
    "embedded",
    "grid_of",
    "image_grids",
    "laid_on",
    "share_inside",
]

Labels = npt.NDArray[np.uint16]
# Corners may lie this far apart: NIfTI stores affines as float32, other programs round them.
_SAME_GRID_MM = 0.1
_PARALLEL = 1 - 1e-4


@dataclass(frozen=True)
class NamedMask:
    """What a reader found in one file."""

    labels: LabelMap
    drawn_on: DrawnOn
    origin: str
    names: dict[int, str]
    flags: tuple[Flag, ...] = ()


def image_grids(volumes: StudyVolumes) -> dict[DrawnOn, Geometry]:
    """The grids of the study's images, the PET's first."""
    grids: dict[DrawnOn, Geometry] = {"pet": volumes.pet.geometry}
    if volumes.ct is not None:
        grids["ct"] = volumes.ct.geometry
    return grids


def grid_of(volumes: StudyVolumes, series_uids: Iterable[str], instance_uids: Iterable[str]) -> DrawnOn | None:
    """Which image a mask refers to by the UIDs of its series or slices; None where it names neither."""
    series, instances = set(series_uids), set(instance_uids)
    identity = volumes.identity
    if identity.pet.series_instance_uid in series or instances & set(identity.pet.sop_instance_uids):
        return "pet"
    if identity.ct is not None and (
        identity.ct.series_instance_uid in series or instances & set(identity.ct.sop_instance_uids)
    ):
        return "ct"
    return None


def check_study(
    name: str, volumes: StudyVolumes, study_uid: str | None, frame_uids: Iterable[str], drawn_on: DrawnOn | None
) -> None:
    """Refuse a mask of another study or another frame of reference.

    A mask that names one of the study's own series or slices (`drawn_on`) belongs to it whatever study it was filed
    under: planning systems open a study of their own.
    """
    if drawn_on is None and study_uid and study_uid != volumes.identity.study_instance_uid:
        msg = f"{name}: the mask belongs to another study (Study Instance UID {study_uid}); give one of this study"
        raise MaskError(msg)
    known = {g.frame_of_reference_uid for g in image_grids(volumes).values()} - {None}
    other = {uid for uid in frame_uids if uid} - known
    if known and other:
        msg = (
            f"{name}: the mask lies in another frame of reference than the images ({other.pop()}); "
            "give a mask that was drawn on this study"
        )
        raise MaskError(msg)


def check_patient(name: str, volumes: StudyVolumes, patient_id: str | None) -> None:
    """Refuse an object of another patient, whatever study and series it names; the IDs are not shown."""
    known = (volumes.patient_id or "").strip().casefold()
    stated = (patient_id or "").strip().casefold()
    if known and stated and known != stated:
        msg = f"{name}: the mask belongs to another patient (its Patient ID is not that of the images); give theirs"
        raise MaskError(msg)


def _turned(array: npt.NDArray[Scalar], grid: Geometry, onto: Geometry) -> tuple[npt.NDArray[Scalar], Geometry] | None:
    """The array and its grid with axes swapped and turned as `onto` has them; None where they are not parallel."""
    cosines = np.asarray(onto.directions) @ np.asarray(grid.directions).T
    order = np.abs(cosines).argmax(axis=1)
    if sorted(order.tolist()) != [0, 1, 2] or np.abs(cosines).max(axis=1).min() < _PARALLEL:
        return None
    turned = np.transpose(array, order)
    matrix = grid.affine.copy()
    for axis, own in enumerate(order):
        if cosines[axis, own] < 0:
            turned = np.flip(turned, axis=axis)
            matrix[:3, 3] += matrix[:3, own] * (grid.shape[own] - 1)
            matrix[:3, own] *= -1
    columns = matrix[:, [*order.tolist(), 3]]
    shape = (int(turned.shape[0]), int(turned.shape[1]), int(turned.shape[2]))
    return turned, Geometry.from_affine(shape, columns)


def embedded(array: npt.NDArray[Scalar], grid: Geometry, onto: Geometry) -> npt.NDArray[Scalar] | None:
    """Voxels of a grid that are voxels of another one (cut out of it, turned or flipped), laid on it; else None.

    None too where a voxel that is not 0 lies outside the other grid.
    """
    found = _turned(array, grid, onto)
    if found is None:
        return None
    turned, placed = found
    # All eight corners: two would not detect a grid that is rotated slightly about the line between them
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in placed.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    ends = onto.lps_to_index(placed.index_to_lps(corners))
    first = np.round(ends[0]).astype(int)
    off_mm = np.abs(ends - (first + corners)) * np.asarray(onto.spacing_mm)
    if off_mm.max() > _SAME_GRID_MM:
        return None
    low, high = np.maximum(first, 0), np.minimum(first + placed.shape, onto.shape)
    if (high <= low).any():
        return None
    there = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    here = tuple(slice(int(a - f), int(b - f)) for a, b, f in zip(low, high, first, strict=True))
    result = np.zeros(onto.shape, dtype=array.dtype)
    result[there] = turned[here]
    return result if np.count_nonzero(result) == np.count_nonzero(array) else None


def laid_on(labels: LabelMap, image: Geometry) -> LabelMap:
    """Labels on the grid of an image: its voxels as they are where they are voxels of it, else by majority.

    A voxel takes the label that at least half of it lies in; where two do, the lower.

    Raises
    ------
    MaskError
        Where a label would lose all its voxels: it is smaller than the image can show.
    """
    if labels.geometry.is_close(image):
        return LabelMap(labels.array, image)
    array = embedded(labels.array, labels.geometry, image)
    if array is not None:
        return LabelMap(array, image)
    result = np.zeros(image.shape, dtype=np.uint16)
    for label, box in labels.boxes():
        mask = (labels.array[box] == label).astype(np.uint8)
        share = share_on(LabelMap(mask, labels.geometry.crop(box)), image, (0.0, 0.0, 0.0), 0.0)
        if share is None or not share.inside.any():
            msg = f"outline {label} is smaller than a voxel of the image or outside it; take it out or draw it larger"
            raise MaskError(msg)
        free = share.inside & (result[share.box] == 0)
        result[share.box][free] = label
    return LabelMap(result, image)


def share_inside(labels: LabelMap, image: Geometry) -> float:
    """Share of a mask's voxels whose centres lie in an image, 0 to 1."""
    if labels.geometry == image:
        return 1.0
    index = np.argwhere(labels.array != 0)
    return float(image.contains(labels.geometry.index_to_lps(index)).mean()) if len(index) else 0.0
