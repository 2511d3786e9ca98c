"""All scans of a patient on one grid, by registering each liver to that of the first scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.image.itk import resample_through
from dotaliver.image.registration import Pose, register_livers
from dotaliver.image.volume import LabelMap, used_box
from dotaliver.longitudinal.matching import PlacedScan
from dotaliver.longitudinal.scans import LoadedScan

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

__all__ = ["common_grid", "place_scans", "poses_of"]

# Fine enough for the smallest lesion (0.15 ml, 6.6 mm across), coarse enough to be quick.
_STEP_MM = 2.0
_MARGIN_MM = 40.0


def poses_of(scans: Sequence[LoadedScan], progress: Callable[[str], None]) -> tuple[Pose | None, ...]:
    """For each scan the mapping from places on the first to places on it; None for the first itself."""
    poses: list[Pose | None] = [None]
    for number, scan in enumerate(scans[1:], start=2):
        progress(f"registering the liver of scan {number}")
        poses.append(register_livers(scans[0].liver, scan.liver).bent)
    return tuple(poses)


def common_grid(first: LabelMap) -> Geometry:
    """A grid of 2 mm around the first scan's liver."""
    box = used_box(first.mask)
    part = first.geometry if box is None else first.geometry.crop(box)
    return _grid_around(part.corners_lps_mm())


def _grid_around(corners_lps_mm: FloatArray) -> Geometry:
    low, high = corners_lps_mm.min(axis=0) - _MARGIN_MM, corners_lps_mm.max(axis=0) + _MARGIN_MM
    counts = np.ceil((high - low) / _STEP_MM).astype(int)
    origin: Vector = as_vector(low)
    axes = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    return Geometry((int(counts[2]), int(counts[1]), int(counts[0])), origin, (_STEP_MM,) * 3, axes)


def _grid_of_all(scans: Sequence[LoadedScan], poses: Sequence[Pose | None]) -> Geometry:
    """The common grid, with room for lesions that lie far from the liver.

    Of another scan's lesions the displacement of the liver's middle is taken off, which is near enough for a margin.
    """
    grid = common_grid(scans[0].liver)
    own = grid.corners_lps_mm()
    middle, corners = own.mean(axis=0), []
    for scan, pose in zip(scans, poses, strict=True):
        shift = 0.0 if pose is None else pose.places(middle)[0] - middle
        for _, box in scan.lesions.boxes():
            lesion = scan.lesions.geometry.crop(box).corners_lps_mm() - shift
            if not bool(grid.contains(lesion.mean(axis=0))):
                corners.append(lesion)
    if not corners:
        return grid
    # The liver has its margin already.
    low, high = own.min(axis=0) + _MARGIN_MM, own.max(axis=0) - _MARGIN_MM
    return _grid_around(np.concatenate([low[None], high[None], *corners]))


def place_scans(scans: Sequence[LoadedScan], poses: Sequence[Pose | None]) -> tuple[PlacedScan, ...]:
    """Lesions of every scan on the common grid.

    A lesion too small for the grid, or outside it, is put on the nearest voxel, so that none is lost.
    """
    import SimpleITK as sitk  # noqa: N813

    grid = _grid_of_all(scans, poses)
    placed = []
    for scan, pose in zip(scans, poses, strict=True):
        transform = sitk.Transform() if pose is None else pose.transform
        labels = resample_through(scan.lesions, grid, transform)
        labels = _with_lost(labels, scan.lesions, transform)
        placed.append(PlacedScan(labels, 1.0 if pose is None else pose.similarity))
    return tuple(placed)


def _with_lost(placed: LabelMap, lesions: LabelMap, transform: sitk.Transform) -> LabelMap:
    """Put lesions that have no voxel on the grid where the mapping comes nearest to them."""
    lost = set(lesions.labels) - set(placed.labels)
    if not lost:
        return placed
    array = placed.array.copy()
    grid = placed.geometry
    # Every fourth point of the grid, mapped: enough to find the nearest place.
    index = np.stack(np.meshgrid(*(np.arange(0, n, 4) for n in grid.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    there = Pose(transform, 1.0).places(grid.index_to_lps(index))
    for label, box in lesions.boxes():
        if label in lost:
            middle = np.argwhere(lesions.array[box] == label).mean(axis=0) + [part.start for part in box]
            gaps = np.linalg.norm(there - lesions.geometry.index_to_lps(middle), axis=1)
            array[tuple(index[int(gaps.argmin())])] = label
    return LabelMap(array, grid)
