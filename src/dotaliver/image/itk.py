"""Conversion between our images and SimpleITK, and resampling from one grid to another.

ITK orders axes column, row, slice and stores directions as the columns of a matrix; the conversion of both happens
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from dotaliver.image.arrays import Array
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume

__all__ = [
    "geometry_from_itk",
    "labels_from_itk",
    "occupancy_on",
    "resample",
    "resample_labels",
    "resample_moved",
    "resample_through",
    "to_itk",
    "volume_from_itk",
]

AnyImage = TypeVar("AnyImage", Volume, LabelMap)


def to_itk(image: Volume | LabelMap) -> sitk.Image:
    """A SimpleITK image with the voxels and grid of ours (a copy)."""
    array = image.array
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    result = sitk.GetImageFromArray(array)
    grid = image.geometry
    result.SetSpacing(tuple(reversed(grid.spacing_mm)))
    result.SetOrigin(grid.origin_lps_mm)
    result.SetDirection(np.asarray(grid.directions)[::-1].T.ravel().tolist())
    return result


def geometry_from_itk(image: sitk.Image, frame_of_reference_uid: str | None = None) -> Geometry:
    """The grid of a three-dimensional SimpleITK image."""
    axes = np.asarray(image.GetDirection()).reshape(3, 3).T[::-1]
    spacing, size, origin = image.GetSpacing(), image.GetSize(), image.GetOrigin()
    return Geometry(
        (size[2], size[1], size[0]),
        (origin[0], origin[1], origin[2]),
        (spacing[2], spacing[1], spacing[0]),
        tuple(tuple(float(c) for c in axis) for axis in axes),  # type: ignore[arg-type]
        frame_of_reference_uid,
    )


def volume_from_itk(image: sitk.Image, quantity: Quantity, frame_of_reference_uid: str | None = None) -> Volume:
    """Our image from a SimpleITK image (a copy of its voxels)."""
    return Volume(sitk.GetArrayFromImage(image), geometry_from_itk(image, frame_of_reference_uid), quantity)


def labels_from_itk(image: sitk.Image, frame_of_reference_uid: str | None = None) -> LabelMap:
    """Our label map from a SimpleITK image of whole numbers (a copy)."""
    return LabelMap(sitk.GetArrayFromImage(image), geometry_from_itk(image, frame_of_reference_uid))


def _filter(onto: Geometry, interpolator: int, outside: float, pixel_type: int) -> sitk.ResampleImageFilter:
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize(tuple(reversed(onto.shape)))
    filter_.SetOutputSpacing(tuple(reversed(onto.spacing_mm)))
    filter_.SetOutputOrigin(onto.origin_lps_mm)
    filter_.SetOutputDirection(np.asarray(onto.directions)[::-1].T.ravel().tolist())
    filter_.SetInterpolator(interpolator)
    filter_.SetDefaultPixelValue(outside)
    filter_.SetOutputPixelType(pixel_type)
    return filter_


# Voxels around the region that is read, so that its edge does not affect interpolation.
_MARGIN = 2


def _box_under(grid: Geometry, image: Geometry) -> Box | None:
    """The voxels of an image that interpolation onto a grid needs; None where they do not meet."""
    return image.box_of(grid.corners_lps_mm(), _MARGIN)


# Slices of a grid that are resampled together. Fixed, and counted from the first slice of the grid, so that a slice is
# the same whichever part of the grid is resampled: ITK's coordinates depend in the last digit on where a grid begins.
_TOGETHER = 16


def _in_slabs(
    image: Volume | LabelMap, onto: Geometry, wanted: Box, interpolator: int, outside: float
) -> Iterator[tuple[slice, Array]]:
    """Resample an image onto a box of another grid, slab by slab, reading only what each slab needs.

    Yields the slices within the box and their voxels; slabs that the image does not reach are left out.
    """
    first, last = wanted[0].start, wanted[0].stop
    for start in range(first - first % _TOGETHER, last, _TOGETHER):
        stop = min(start + _TOGETHER, onto.shape[0])
        grid = onto.crop((slice(start, stop), *wanted[1:]))
        box = _box_under(grid, image.geometry)
        if box is None:
            continue
        source = to_itk(image.crop(box))
        pixel_type = sitk.sitkFloat32 if interpolator == sitk.sitkLinear else source.GetPixelID()
        result = _filter(grid, interpolator, outside, pixel_type).Execute(source)
        low, high = max(start, first), min(stop, last)
        del source
        yield slice(low - first, high - first), sitk.GetArrayViewFromImage(result)[low - start : high - start]


def resample(volume: Volume, onto: Geometry, *, outside: float = 0.0, slices: slice | None = None) -> Volume:
    """The image on another grid by linear interpolation, float32; `outside` where it has no voxels.

    For display and segmentation only: measurements never interpolate. With `slices`, only those of the grid are
    resampled, with the same result as in the whole.
    """
    wanted = (slices or slice(0, onto.shape[0]), slice(0, onto.shape[1]), slice(0, onto.shape[2]))
    grid = onto.crop(wanted)
    array = np.full(grid.shape, outside, dtype=np.float32)
    for part, voxels in _in_slabs(volume, onto, wanted, sitk.sitkLinear, outside):
        array[part] = voxels
    return Volume(array, grid, volume.quantity)


def _labels_found(labels: LabelMap, onto: Geometry) -> Iterator[tuple[Box, Array]]:
    """Boxes of another grid outside which there are no labels, with the labels found there."""
    if labels.used is None:
        return
    part = labels.crop(labels.used)
    wanted = _box_under(part.geometry, onto)
    if wanted is None:
        return
    for slices, found in _in_slabs(part, onto, wanted, sitk.sitkNearestNeighbor, 0):
        rows = np.flatnonzero(found.any(axis=(0, 2)))
        if rows.size:
            some = slice(int(rows[0]), int(rows[-1]) + 1)
            first_slice, first_row = wanted[0].start, wanted[1].start
            box = (
                slice(first_slice + slices.start, first_slice + slices.stop),
                slice(first_row + some.start, first_row + some.stop),
                wanted[2],
            )
            yield box, found[:, some]


def resample_labels(labels: LabelMap, onto: Geometry) -> LabelMap:
    """The labels on another grid: each voxel takes the label found at its centre."""
    if labels.geometry.is_close(onto):
        return labels.placed(onto)
    result = sparse_zeros(onto.shape, labels.array.dtype)
    # Rows without labels are not written, so that they take no memory
    for box, found in _labels_found(labels, onto):
        result[box] = found
    return LabelMap(result, onto)


def resample_through(labels: LabelMap, onto: Geometry, transform: sitk.Transform) -> LabelMap:
    """The labels on another grid, through a SimpleITK transform from places on that grid to places on theirs."""
    result = sparse_zeros(onto.shape, labels.array.dtype)
    if labels.used is None:
        return LabelMap(result, onto)
    image = to_itk(labels.crop(labels.used))
    for k in range(onto.shape[0]):
        grid = onto.crop((slice(k, k + 1), slice(0, onto.shape[1]), slice(0, onto.shape[2])))
        filter_ = _filter(grid, sitk.sitkNearestNeighbor, 0, image.GetPixelID())
        filter_.SetTransform(transform)
        plane = filter_.Execute(image)
        found = sitk.GetArrayViewFromImage(plane)[0]
        if found.any():
            result[k] = found
    return LabelMap(result, onto)


def resample_moved(volume: Volume, onto: Geometry, transform: sitk.Transform, *, outside: float = 0.0) -> Volume:
    """The image on another grid by linear interpolation, float32, through a transform from that grid to the image.

    For display and segmentation only: measurements never interpolate.
    """
    filter_ = _filter(onto, sitk.sitkLinear, outside, sitk.sitkFloat32)
    filter_.SetTransform(transform)
    return Volume(sitk.GetArrayFromImage(filter_.Execute(to_itk(volume))), onto, volume.quantity)


def occupancy_on(mask: LabelMap, onto: Geometry, *, subsamples: int = 3) -> npt.NDArray[np.float32]:
    """Fraction of each voxel of a grid inside a mask, 0 to 1, float32, of the grid's shape.

    Each voxel of `onto` is probed at ``subsamples`` points along each axis, evenly spread inside it, by nearest
    neighbour; the fraction is the mean of the probes. On the mask's own grid the result is the mask.
    """
    if mask.geometry.is_close(onto):
        return mask.mask.astype(np.float32)
    inside = np.zeros(onto.shape, dtype=np.uint16)
    fine_spacing = tuple(s / subsamples for s in onto.spacing_mm)
    for k in range(0, onto.shape[0], _TOGETHER):
        slab = onto.crop(
            (slice(k, min(k + _TOGETHER, onto.shape[0])), slice(0, onto.shape[1]), slice(0, onto.shape[2]))
        )
        fine = slab.with_spacing(fine_spacing)  # type: ignore[arg-type]
        if mask.geometry.is_close(fine):
            whole = (slice(0, fine.shape[0]), slice(0, fine.shape[1]), slice(0, fine.shape[2]))
            _count(mask.mask, whole, subsamples, inside[k:])
        else:
            for box, found in _labels_found(mask, fine):
                _count(found != 0, box, subsamples, inside[k:])
    return (inside / np.float32(subsamples**3)).astype(np.float32)


def _count(probes: BoolArray, box: Box, size: int, inside: npt.NDArray[np.uint16]) -> None:
    """Add to each voxel those of its probes that belong to a mask; the probes of a box are given."""
    voxels = tuple(slice(part.start // size, -(-part.stop // size)) for part in box)
    around = [(part.start - v.start * size, v.stop * size - part.stop) for part, v in zip(box, voxels, strict=True)]
    counts = np.pad(probes, around).astype(np.uint16)
    for axis in range(3):
        every = [counts[(slice(None),) * axis + (slice(first, None, size),)] for first in range(size)]
        counts = sum(every[1:], start=every[0])
    inside[voxels] += counts
