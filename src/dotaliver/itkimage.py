"""The only door between our images and SimpleITK, and resampling from one grid to another.

ITK orders axes column, row, slice and stores directions as the columns of a matrix; both turnings happen here
and nowhere else.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from dotaliver.geometry import Geometry
from dotaliver.volume import LabelMap, Quantity, Volume

__all__ = [
    "geometry_from_itk",
    "labels_from_itk",
    "occupancy_on",
    "resample",
    "resample_labels",
    "resample_through",
    "to_itk",
    "volume_from_itk",
]

AnyImage = TypeVar("AnyImage", Volume, LabelMap)


def to_itk(image: Volume | LabelMap) -> Any:
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


def geometry_from_itk(image: Any, frame_of_reference_uid: str | None = None) -> Geometry:
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


def volume_from_itk(image: Any, quantity: Quantity, frame_of_reference_uid: str | None = None) -> Volume:
    """Our image from a SimpleITK image (a copy of its voxels)."""
    return Volume(sitk.GetArrayFromImage(image), geometry_from_itk(image, frame_of_reference_uid), quantity)


def labels_from_itk(image: Any, frame_of_reference_uid: str | None = None) -> LabelMap:
    """Our label map from a SimpleITK image of whole numbers (a copy)."""
    return LabelMap(sitk.GetArrayFromImage(image), geometry_from_itk(image, frame_of_reference_uid))


def _resample(image: Any, onto: Geometry, interpolator: int, outside: float, pixel_type: int) -> npt.NDArray[Any]:
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize(tuple(reversed(onto.shape)))
    filter_.SetOutputSpacing(tuple(reversed(onto.spacing_mm)))
    filter_.SetOutputOrigin(onto.origin_lps_mm)
    filter_.SetOutputDirection(np.asarray(onto.directions)[::-1].T.ravel().tolist())
    filter_.SetInterpolator(interpolator)
    filter_.SetDefaultPixelValue(outside)
    filter_.SetOutputPixelType(pixel_type)
    result = filter_.Execute(image)
    return np.asarray(sitk.GetArrayFromImage(result))


def resample(volume: Volume, onto: Geometry, *, outside: float = 0.0) -> Volume:
    """The image on another grid by linear interpolation, float32; `outside` where it has no voxels.

    For looking and for segmentation only: what is measured is never interpolated.
    """
    array = _resample(to_itk(volume), onto, sitk.sitkLinear, outside, sitk.sitkFloat32)
    return Volume(array, onto, volume.quantity)


def resample_labels(labels: LabelMap, onto: Geometry) -> LabelMap:
    """The labels on another grid: each voxel takes the label found at its centre."""
    if labels.geometry.is_close(onto):
        return LabelMap(labels.array, onto)
    image = to_itk(labels)
    array = _resample(image, onto, sitk.sitkNearestNeighbor, 0, image.GetPixelID())
    return LabelMap(array, onto)


def resample_through(labels: LabelMap, onto: Geometry, transform: Any) -> LabelMap:
    """The labels on another grid, through a SimpleITK transform from places on that grid to places on theirs."""
    image = to_itk(labels)
    filter_ = sitk.ResampleImageFilter()
    filter_.SetSize(tuple(reversed(onto.shape)))
    filter_.SetOutputSpacing(tuple(reversed(onto.spacing_mm)))
    filter_.SetOutputOrigin(onto.origin_lps_mm)
    filter_.SetOutputDirection(np.asarray(onto.directions)[::-1].T.ravel().tolist())
    filter_.SetInterpolator(sitk.sitkNearestNeighbor)
    filter_.SetTransform(transform)
    result = filter_.Execute(image)
    return LabelMap(np.asarray(sitk.GetArrayFromImage(result)), onto)


def occupancy_on(mask: LabelMap, onto: Geometry, *, subsamples: int = 3) -> npt.NDArray[np.float32]:
    """Share of each voxel of a grid that lies inside a mask, 0 to 1, float32, of the grid's shape.

    Each voxel of `onto` is probed at ``subsamples`` points along each axis, evenly spread inside it, by nearest
    neighbour; the share is the mean of the probes. On the mask's own grid the answer is the mask.
    """
    binary = LabelMap(mask.mask.astype(np.uint8), mask.geometry)
    if mask.geometry.is_close(onto):
        return binary.array.astype(np.float32)
    fine_spacing = tuple(s / subsamples for s in onto.spacing_mm)
    fine = resample_labels(binary, onto.with_spacing(fine_spacing)).array  # type: ignore[arg-type]
    slices, rows, columns = onto.shape
    blocks = fine.reshape(slices, subsamples, rows, subsamples, columns, subsamples)
    return np.asarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32))
