"""Images that replace the pixels of a DICOM series: stored values, plane by plane, each with its SHA-256.

The planes ascend along the slice normal of the headers that go with them. Their hashes are in the group's
attributes, so that a damaged or exchanged plane is noticed whenever it is read; zeros for a lost chunk never pass.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from dotaliver.errors import FileFormatError
from dotaliver.image.arrays import Array, ArrayType
from dotaliver.omezarr.ngff import attributes_of, image_metadata
from dotaliver.omezarr.reading import StoredArray
from dotaliver.system.parsing import Json

__all__ = ["ATTRIBUTE", "PlaneImage", "plane_attributes", "plane_sha256"]

ATTRIBUTE = "dotaliver"
"""Name of our attributes in the image's group"""
_ORDER = "ascending along the slice normal"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def plane_sha256(plane: Array) -> str:
    """SHA-256 of the stored values of a plane, row by row, little endian."""
    return hashlib.sha256(np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).data).hexdigest()


def plane_attributes(hashes: list[str], **others: str) -> dict[str, Json]:
    """What the group states in addition to NGFF: the planes' order and hashes, and other texts."""
    return {ATTRIBUTE: {"planes": _ORDER, "plane_sha256": [*hashes], **others}}


class PlaneImage:
    """An opened image of planes.

    Parameters
    ----------
    folder : Path
        The group of the OME-Zarr image.

    Raises
    ------
    FileFormatError
        Where it is not such an image, or its files are too small for it; the text does not name the folder.
    """

    def __init__(self, folder: Path) -> None:
        if any((folder / name).is_symlink() for name in ("zarr.json", ".zattrs")):
            msg = "its metadata are a link"
            raise FileFormatError(msg)
        said = attributes_of(folder).get(ATTRIBUTE)
        said = said if isinstance(said, dict) else {}
        stated = said.get("plane_sha256")
        listed = stated if isinstance(stated, list) else []
        hashes = [value for value in listed if isinstance(value, str) and _SHA256.fullmatch(value)]
        if said.get("planes") != _ORDER or not isinstance(stated, list) or len(hashes) != len(listed):
            msg = "it does not state the order and the SHA-256 of its planes"
            raise FileFormatError(msg)
        self._hashes = hashes
        self.texts = {key: value for key, value in said.items() if isinstance(value, str)}
        self._array = StoredArray(image_metadata(folder).array, folder)
        layout = self._array.layout
        if len(layout.shape) != 3 or layout.shape[0] != len(hashes):
            msg = f"its array has the shape {layout.shape}, and there are {len(hashes)} planes"
            raise FileFormatError(msg)
        self._array.refuse_impossible()

    @property
    def shape(self) -> tuple[int, ...]:
        """Planes, rows and columns."""
        return self._array.layout.shape

    @property
    def dtype(self) -> ArrayType:
        """Type of the stored values."""
        return self._array.layout.dtype

    def fill(self, k: int, out: Array) -> None:
        """Fill an array of the stored type, of a plane's shape, with the stored values of plane `k`.

        Raises
        ------
        FileFormatError
            Where it is missing, damaged or another one.
        """
        self._array.fill_plane(k, out)
        if plane_sha256(out) != self._hashes[k]:
            msg = f"its plane {k} is not the one that was written (by its SHA-256)"
            raise FileFormatError(msg)
