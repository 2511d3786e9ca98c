"""Series whose pixels are in an OME-Zarr image next to their headers.

A series is a folder with two in it: ``dicom`` holds the headers, DICOM files without Pixel Data (7FE0,0010), and
``image.ome.zarr`` the stored values, its planes ascending along the slice normal. OME-Zarr alone has no dose, weight,
time or rescale slope, so without headers there is no SUV.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dotaliver.errors import FileFormatError
from dotaliver.omezarr.layout import METADATA_FILES

__all__ = ["HEADERS_FOLDER", "IMAGE_FOLDER", "belongs_to_image", "image_beside", "refuse_lone_image"]

HEADERS_FOLDER, IMAGE_FOLDER = "dicom", "image.ome.zarr"


def image_beside(file: Path) -> Path | None:
    """The image that holds the pixels of a DICOM file; None where they are in the file itself."""
    if file.parent.name != HEADERS_FOLDER:
        return None
    image = file.parent.parent / IMAGE_FOLDER
    return image if image.is_dir() else None


def belongs_to_image(path: Path, name: str) -> bool:
    """Whether a file, by its name from the study's folder on, is a piece of such an image.

    Raises
    ------
    FileFormatError
        Where the image has no headers next to it.
    """
    parents = name.split("/")[:-1]
    if IMAGE_FOLDER not in parents:
        return False
    if parents[-1] == IMAGE_FOLDER and not (path.parent.parent / HEADERS_FOLDER).is_dir():
        raise FileFormatError(_without_headers("/".join(parents)))
    return True


def refuse_lone_image(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder without DICOM files that is, or holds, an OME-Zarr image.

    Raises
    ------
    FileFormatError
        Where that is so.
    """
    found = [parent for parent, _, last in (name.rpartition("/") for name in names) if last in METADATA_FILES]
    if found:
        raise FileFormatError(_without_headers(min(found, key=len) or folder.name))


def _without_headers(name: str) -> str:
    return (
        f"{name}: the OME-Zarr image has no DICOM headers beside it (in a folder '{HEADERS_FOLDER}'), without which "
        "SUV cannot be computed; give the DICOM files, or a folder that 'dotaliver zarr' made of them"
    )
