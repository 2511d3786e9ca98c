"""Stored values of a series from the OME-Zarr image next to its headers, checked against the headers."""

from __future__ import annotations

from collections.abc import Callable

from dotaliver.dicom.files.omezarr_beside import HEADERS_FOLDER
from dotaliver.dicom.files.stack import Stack
from dotaliver.errors import FileFormatError, SeriesError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.omezarr.planes import PlaneImage

__all__ = ["planes_of_image"]

ReadPlane = Callable[[int, Array], None]


def planes_of_image(stack: Stack, dtype: ArrayType) -> ReadPlane | None:
    """What fills an array with the stored values of a plane of a stack; None where its pixels lie in its files.

    Parameters
    ----------
    stack : Stack
        As the headers have it.
    dtype : numpy dtype
        Of the stored values, by the headers.

    Raises
    ------
    SeriesError
        Where the pixels of a series lie in several images, or in an image and in files.
    FileFormatError
        Where the image is damaged, or another image than the headers'; so does reading a plane that is.
    """
    images = {part.image for part in stack.slices}
    if images == {None}:
        return None
    folder = next(iter(images))
    if len(images) > 1 or folder is None:
        msg = f"{stack.series.name}: its pixels are in several places; give one folder with the series, whole and once"
        raise SeriesError(msg)
    name = f"{folder.parent.name}/{folder.name}"
    if folder.is_symlink():
        raise _unusable(name, "it is a symbolic link, which is not followed")
    try:
        image = PlaneImage(folder)
    except FileFormatError as error:
        raise _unusable(name, error) from error
    if image.shape != stack.geometry.shape or image.dtype != dtype:
        why = (
            f"it holds {' x '.join(map(str, image.shape))} voxels of {image.dtype}, and the headers in "
            f"{HEADERS_FOLDER} describe {' x '.join(map(str, stack.geometry.shape))} of {dtype}"
        )
        raise _unusable(name, why)

    def read(k: int, out: Array) -> None:
        try:
            image.fill(k, out)
        except FileFormatError as error:
            raise _unusable(name, error) from error

    return read


def _unusable(name: str, why: object) -> FileFormatError:
    return FileFormatError(f"{name}: {why}; copy the folder again, or make it again with 'dotaliver zarr'")
