"""MetaImage files (``.mha``, ``.mhd``), decoded by ITK after their length was checked, which ITK does not do."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np

from dotaliver.dicom.masks.voxel_file import VoxelFile, require_size
from dotaliver.errors import MaskError

__all__ = ["read_metaimage"]

_LONGEST_HEADER = 1 << 16
_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_DOUBLE", "MET_LONG_LONG", "MET_ULONG_LONG"), 8),
}


def read_metaimage(path: Path) -> VoxelFile:
    """Read a MetaImage file.

    Raises
    ------
    MaskError
        Where it is none, or is cut short or damaged.
    OSError
        Where the file cannot be read.
    """
    import SimpleITK as sitk  # noqa: N813

    from dotaliver.image.itk import geometry_from_itk

    _require_whole(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("MetaImageIO")
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path.name) from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        msg = (
            f"{path.name}: a mask has three dimensions and one value per voxel, not {image.GetDimension()} and "
            f"{image.GetNumberOfComponentsPerPixel()}"
        )
        raise MaskError(msg)
    return VoxelFile(sitk.GetArrayFromImage(image), geometry_from_itk(image), "MetaImage")


def _unreadable(name: str) -> MaskError:
    return MaskError(f"{name}: the mask cannot be read as MetaImage; write it again")


def _require_whole(path: Path) -> None:
    """Refuse a file that holds other than the bytes of voxels that its header says."""
    name = path.name
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    match = re.search(rb"ElementDataFile\s*=\s*([^\r\n]*)\r?\n?", start)
    if match is None:
        raise _unreadable(name)
    fields = dict(re.findall(r"(\w+)\s*=\s*([^\r\n]*)", start[: match.start()].decode("latin-1")))
    try:
        sizes = [int(n) for n in fields["DimSize"].split()]
        each = _BYTES[fields["ElementType"].strip()] * int(fields.get("ElementNumberOfChannels", "1"))
    except (KeyError, ValueError) as error:
        raise _unreadable(name) from error
    require_size(name, tuple(sizes))
    expected = int(np.prod(sizes)) * each
    where = match.group(1).decode("latin-1").strip()
    local = where.upper() == "LOCAL"
    data = path if local else path.parent / where
    if not local and (Path(where).name != where or not data.is_file()):
        msg = f"{name}: its voxels are not in one file beside it; write the mask as one file"
        raise MaskError(msg)
    with data.open("rb") as file:
        file.seek(match.end() if local else 0)
        packed = fields.get("CompressedData", "False").strip().lower() == "true"
        held = _unpacked_length(file.read(), expected) if packed else len(file.read(expected + 1))
    if held != expected:
        msg = (
            f"{name}: its header says {expected} bytes of voxels and it does not hold them, so the file is cut short "
            "or damaged; copy or write it again"
        )
        raise MaskError(msg)


def _unpacked_length(data: bytes, most: int) -> int:
    """How many bytes a zlib stream holds; -1 where it ends early or does not match its checksum."""
    inflater = zlib.decompressobj()
    try:
        held = len(inflater.decompress(data, most + 1))
    except zlib.error:
        return -1
    return held if inflater.eof else -1
