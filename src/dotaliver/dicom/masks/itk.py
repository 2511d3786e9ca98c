"""Masks as NIfTI, NRRD or MetaImage files."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.masks.grid import MaskKind, NamedMask, embedded, image_grids, share_inside
from dotaliver.errors import GeometryError, MaskError
from dotaliver.image.geometry import FloatArray, Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["IMAGE_ENDINGS", "LARGEST_GRID", "labels_on_image", "read_image_mask"]

_NIFTI = (".nii.gz", ".nii")
_ORIGINS = {
    ".nii.gz": "NIfTI",
    ".nii": "NIfTI",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
IMAGE_ENDINGS = tuple(_ORIGINS)
# NIfTI readers look for other files of the same stem beside the one that they are asked for.
_NIFTI_SIBLINGS = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_LARGEST_LABEL = np.iinfo(np.uint16).max
_SAME_SPACING_SHARE = 0.01
_SAME_PLACE_MM = 0.1
LARGEST_GRID = 1 << 30
"""Voxels that a mask may have"""


def _ending(path: Path) -> str:
    return next(e for e in IMAGE_ENDINGS if path.name.lower().endswith(e))


def _read_itk(path: Path) -> Any:
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if math.prod(reader.GetSize()) > LARGEST_GRID:
        msg = f"{path.name}: {' x '.join(map(str, reader.GetSize()))} voxels are no mask of a scan; write it again"
        raise MaskError(msg)
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        msg = (
            f"{path.name}: a mask has three dimensions and one value per voxel, not {reader.GetDimension()} and "
            f"{reader.GetNumberOfComponents()}"
        )
        raise MaskError(msg)
    _require_place(path, reader)
    return reader.Execute()


def _require_place(path: Path, reader: Any) -> None:
    """Refuse a file that does not say where its voxels lie, or says it twice and differently."""
    keys = set(reader.GetMetaDataKeys())
    ending = _ending(path)
    if ending in {".nrrd", ".nhdr"} and "NRRD_space" not in keys:
        msg = f"{path.name}: the NRRD names no space, so where the mask lies is unknown; write it with its geometry"
        raise MaskError(msg)
    if ending not in _NIFTI or "sform_code" not in keys:
        return
    stated = [form(reader) for key, form in (("sform_code", _sform), ("qform_code", _qform)) if _code(reader, key) > 0]
    if not stated:
        msg = (
            f"{path.name}: neither sform nor qform of the NIfTI is set, so where the mask lies is unknown; "
            "write it with its geometry"
        )
        raise MaskError(msg)
    if not all(_is_place_of(reader, affine) for affine in stated):
        msg = f"{path.name}: sform and qform of the NIfTI say different places; write it with one geometry"
        raise MaskError(msg)


def _code(reader: Any, key: str) -> int:
    value: str = reader.GetMetaData(key).strip()
    # Some versions tell the code's name, such as NIFTI_XFORM_SCANNER_ANAT
    if value.lstrip("-").isdigit():
        return int(value)
    return 0 if value == "NIFTI_XFORM_UNKNOWN" else 1


def _numbers(reader: Any, *keys: str) -> list[float]:
    return [float(v) for key in keys for v in reader.GetMetaData(key).split()]


def _sform(reader: Any) -> FloatArray:
    """The sform, 3 x 4, from column, row and slice to RAS millimetres."""
    return np.array(_numbers(reader, "srow_x", "srow_y", "srow_z")).reshape(3, 4)


def _qform(reader: Any) -> FloatArray:
    """The qform, 3 x 4: a rotation as a unit quaternion, voxel sizes, and the sense of the third axis (NIfTI-1)."""
    from scipy.spatial.transform import Rotation

    b, c, d = _numbers(reader, "quatern_b", "quatern_c", "quatern_d")
    a = max(1.0 - (b * b + c * c + d * d), 0.0) ** 0.5
    sense, *sizes = _numbers(reader, "pixdim[0]", "pixdim[1]", "pixdim[2]", "pixdim[3]")
    sizes[2] *= -1.0 if sense < 0 else 1.0
    rotation = Rotation.from_quat([b, c, d, a]).as_matrix()
    offset = np.array(_numbers(reader, "qoffset_x", "qoffset_y", "qoffset_z"))
    return np.column_stack([rotation * np.array(sizes), offset])


def _is_place_of(reader: Any, affine: FloatArray) -> bool:
    """Whether ITK takes the corner voxels to lie where an affine to RAS puts them."""
    in_lps = np.array([[-1.0], [-1.0], [1.0]]) * affine
    size = np.array(reader.GetSize(), dtype=np.float64) - 1
    directions = np.array(reader.GetDirection()).reshape(3, 3) * np.array(reader.GetSpacing())
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]) * size
    found = corners @ directions.T + np.array(reader.GetOrigin())
    return bool(np.abs(corners @ in_lps[:, :3].T + in_lps[:, 3] - found).max() <= _SAME_PLACE_MM)


def _read(path: Path) -> Any:
    """The file's own voxels: asked for ``q.nii.gz`` with ``q.nii`` beside it, ITK returns the other's."""
    ending = _ending(path)
    stem = path.name[: -len(ending)]
    siblings = [path.with_name(stem + e) for e in _NIFTI_SIBLINGS if stem + e != path.name]
    try:
        if ending not in _NIFTI or not any(s.exists() for s in siblings):
            return _read_itk(path)
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / f"mask{ending}"
            shutil.copyfile(path, alone)
            return _read_itk(alone)
    except (RuntimeError, OSError) as error:
        msg = f"{path.name}: the mask cannot be read as {_ORIGINS[ending]}; write it again"
        raise MaskError(msg) from error


def _whole_labels(name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
        msg = f"{name}: the mask holds fractions, not labels; give one whose voxels are whole numbers"
        raise MaskError(msg)
    if values.min() < 0 or values.max() > _LARGEST_LABEL:
        msg = f"{name}: labels must lie between 0 and {_LARGEST_LABEL}, not {values.min():g} to {values.max():g}"
        raise MaskError(msg)
    return np.asarray(values.astype(np.uint16))


def _on_image(
    labels: npt.NDArray[np.uint16], grid: Geometry, volumes: StudyVolumes, kind: MaskKind
) -> tuple[LabelMap, DrawnOn]:
    """The labels on the grid of the image that they fit, else on their own grid.

    Where the CT and the PET have one grid, livers count as drawn on the CT and lesions on the PET.
    """
    grids = image_grids(volumes)
    preferred: tuple[DrawnOn, ...] = ("ct", "pet") if kind == "liver" else ("pet", "ct")
    for image in preferred:
        if image in grids:
            turned = embedded(labels, grid, grids[image])
            if turned is not None:
                return LabelMap(turned, grids[image]), image
    own = LabelMap(labels, grid)
    return own, _closest(own, grids)


def _closest(own: LabelMap, grids: dict[DrawnOn, Geometry]) -> DrawnOn:
    """The image that a mask on a grid of its own was most likely drawn on: the CT if it has the CT's spacing."""
    ct = grids.get("ct")
    if ct is None:
        return "pet"
    mine, theirs = np.sort(own.geometry.spacing_mm), np.sort(ct.spacing_mm)
    same_spacing = bool((np.abs(mine / theirs - 1) <= _SAME_SPACING_SHARE).all())
    return "ct" if same_spacing and share_inside(own, ct) > 0 else "pet"


def read_image_mask(path: Path, volumes: StudyVolumes, kind: MaskKind) -> NamedMask:
    """Read a mask file; world coordinates are LPS millimetres whatever the format (ITK turns NIfTI's RAS).

    Raises
    ------
    MaskError
        Where the voxels are no labels, or a liver mask holds several.
    """
    import SimpleITK as sitk  # noqa: N813

    from dotaliver.image.itk import geometry_from_itk

    image = _read(path)
    try:
        grid = geometry_from_itk(image)
    except GeometryError as error:
        msg = f"{path.name}: {error}"
        raise MaskError(msg) from error
    found = (sitk.GetArrayFromImage(image), grid, _ORIGINS[_ending(path)])
    return labels_on_image(path.name, found, volumes, kind)


def labels_on_image(
    name: str, found: tuple[npt.NDArray[Any], Geometry, str], volumes: StudyVolumes, kind: MaskKind
) -> NamedMask:
    """A mask from what a file holds.

    Parameters
    ----------
    name : str
        Of the file.
    found : tuple
        Its voxels ``[slice, row, column]``, their grid, and what the file's format is called.
    volumes : StudyVolumes
    kind : str
        As for `dotaliver.dicom.masks.reading.read_mask`.

    Raises
    ------
    MaskError
        Where the voxels are no labels, or a liver mask holds several.
    """
    values, grid, origin = found
    labels = _whole_labels(name, values)
    present = [int(n) for n in np.flatnonzero(np.bincount(labels.ravel())) if n]
    if kind == "liver" and len(present) > 1:
        listed = ", ".join(str(n) for n in present[:20])
        msg = f"{name}: which label is the liver cannot be told (there are: {listed}); give a mask of one label"
        raise MaskError(msg)
    if kind == "liver":
        labels = (labels != 0).astype(np.uint16)
    placed, drawn_on = _on_image(labels, grid, volumes, kind)
    names = {1: "Liver"} if kind == "liver" else {n: f"Lesion {n}" for n in present}
    return NamedMask(placed, drawn_on, origin, names)
