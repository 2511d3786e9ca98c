"""Masks as OME-Zarr: a label image, or any image of whole numbers, that says where in the patient it lies.

NGFF leaves open which side of an image is left unless its axes have an anatomical orientation (RFC-4), and Zarr leaves
out chunks of background, as an incomplete copy does. Both are refused with what would mend them.
"""

from __future__ import annotations

from pathlib import Path

from dotaliver.dicom.masks.grid import NamedMask
from dotaliver.dicom.masks.image_files import labels_on_image
from dotaliver.dicom.masks.outlines import MaskKind
from dotaliver.dicom.masks.voxel_file import LARGEST_GRID, VoxelFile
from dotaliver.errors import FileFormatError, MaskError
from dotaliver.image.arrays import Array
from dotaliver.image.geometry import Geometry
from dotaliver.omezarr.layout import METADATA_FILES
from dotaliver.omezarr.ngff import image_metadata, placed_grid
from dotaliver.omezarr.reading import StoredArray
from dotaliver.records.study import StudyVolumes

__all__ = ["is_zarr_mask", "read_zarr_mask"]

# Labels of a study's images take one or two bytes a voxel.
_LARGEST_BYTES = 2 * LARGEST_GRID


def is_zarr_mask(path: Path) -> bool:
    """Whether a folder is a Zarr hierarchy."""
    return path.is_dir() and any((path / name).is_file() for name in METADATA_FILES)


def read_zarr_mask(path: Path, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...] = ()) -> NamedMask:
    """Read the finest level of an OME-Zarr image or label image (NGFF 0.4 or 0.5) as a mask.

    Raises
    ------
    MaskError
        Where it does not say where it lies, a chunk is missing or damaged, or its voxels are no labels.
    """
    try:
        values, grid = _voxels(path)
    except FileFormatError as error:
        msg = (
            f"{path.name}: {error}; write the mask as OME-Zarr with axes z, y, x in millimeter, scale, translation, "
            "orientation (RFC-4) and all its chunks, or give it as DICOM SEG or NIfTI"
        )
        raise MaskError(msg) from error
    return labels_on_image(path.name, VoxelFile(values, grid, "OME-Zarr"), volumes, kind, wanted)


def _voxels(path: Path) -> tuple[Array, Geometry]:
    metadata = image_metadata(path)
    array = StoredArray(metadata.array, path)
    shape = array.layout.shape
    grid, space = placed_grid(metadata, shape)
    if array.layout.image_bytes > _LARGEST_BYTES:
        msg = f"{' x '.join(map(str, shape))} voxels are not a mask of a scan"
        raise FileFormatError(msg)
    array.refuse_incomplete()
    values = array.read(tuple(slice(0, n) for n in shape))
    return values.reshape([shape[n] for n in space]), grid
