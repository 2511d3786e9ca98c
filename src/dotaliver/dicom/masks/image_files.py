"""Masks as NIfTI, NRRD or MetaImage files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dotaliver.dicom.masks.grid import NamedMask, embedded, image_grids, share_inside
from dotaliver.dicom.masks.metaimage import read_metaimage
from dotaliver.dicom.masks.nifti import read_nifti
from dotaliver.dicom.masks.nrrd import read_nrrd
from dotaliver.dicom.masks.outlines import MaskKind, Outlines, pick_outlines
from dotaliver.dicom.masks.remarks import left_out_flags, overlap_flags
from dotaliver.dicom.masks.voxel_file import VoxelFile
from dotaliver.errors import GeometryError, MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["IMAGE_ENDINGS", "labels_on_image", "read_image_mask"]

_READERS: dict[str, Callable[[Path], VoxelFile]] = {
    ".nii.gz": read_nifti,
    ".nii": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}
IMAGE_ENDINGS = tuple(_READERS)
_LARGEST_LABEL = np.iinfo(np.uint16).max
_SAME_SPACING_SHARE = 0.01
# Labels that went through floating-point arithmetic are this near to whole numbers; fractions of a voxel are not.
_ROUNDING = 1e-3


def read_image_mask(path: Path, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...] = ()) -> NamedMask:
    """Read a mask file; world coordinates are LPS millimetres whatever the format.

    Raises
    ------
    MaskError
        Where the file is damaged, its voxels are not labels, or a liver mask holds several.
    """
    ending = next(e for e in IMAGE_ENDINGS if path.name.lower().endswith(e))
    try:
        found = _READERS[ending](path)
    except OSError as error:
        msg = f"{path.name}: the mask cannot be read ({error.strerror or error}); give a readable file"
        raise MaskError(msg) from error
    except GeometryError as error:
        msg = f"{path.name}: {error}"
        raise MaskError(msg) from error
    return labels_on_image(path.name, found, volumes, kind, wanted)


def labels_on_image(
    name: str, found: VoxelFile, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...] = ()
) -> NamedMask:
    """The outlines that are meant, on the grid of the image that they fit, else on their own.

    Parameters
    ----------
    name : str
        Of the file.
    found : VoxelFile
    volumes : StudyVolumes
    kind, wanted
        As for `dotaliver.dicom.masks.reading.read_mask`.

    Raises
    ------
    MaskError
        Where the voxels are not labels, or a liver mask holds several.
    """
    values = _whole_labels(name, found.values)
    layers = values if values.ndim == 4 else values[None]
    if found.outlines is None:
        present = [int(n) for n in np.flatnonzero(np.bincount(layers[0].ravel())) if n]
        outlines = Outlines({n: f"Lesion {n}" for n in present})
        places = {n: (0, n) for n in present}
        if kind == "liver" and len(present) > 1 and not wanted:
            listed = ", ".join(str(n) for n in present[:20])
            msg = (
                f"{name}: it is unclear which label is the liver (there are: {listed}); give a mask of one label, or "
                f"name it after the file, as in {name}#{present[0]}"
            )
            raise MaskError(msg)
        picked = present if not wanted else pick_outlines(name, kind, outlines, wanted)
    else:
        outlines, places = found.outlines, dict(found.places)
        picked = pick_outlines(name, kind, outlines, wanted)
    labels, shared = _merged(name, layers, [places[n] for n in picked], kind)
    placed, drawn_on = _on_image(labels, found.grid, volumes, kind)
    numbers = _label_numbers([places[n] for n in picked])
    names = {1: "Liver"} if kind == "liver" else {numbers[i]: outlines.names[n] for i, n in enumerate(picked)}
    flags = (*overlap_flags(kind, shared, found.grid.voxel_volume_ml), *left_out_flags(kind, outlines, picked, wanted))
    return NamedMask(placed, drawn_on, found.origin, names, flags)


def _label_numbers(places: list[tuple[int, int]]) -> list[int]:
    """Labels of outlines: their values in the file where all differ, else 1, 2 and so on."""
    values = [value for _, value in places]
    return values if len(set(values)) == len(values) else list(range(1, len(values) + 1))


def _merged(
    name: str, layers: npt.NDArray[np.uint16], places: list[tuple[int, int]], kind: MaskKind
) -> tuple[npt.NDArray[np.uint16], int]:
    """One label map of some outlines, and in how many voxels several of them lie; the first keeps those."""
    if kind == "lesions" and len(layers) == 1 and len({value for _, value in places}) == len(places):
        keep = np.zeros(_LARGEST_LABEL + 1, dtype=np.uint16)
        wanted = [value for _, value in places]
        keep[wanted] = wanted
        return keep[layers[0]], 0
    result = np.zeros(layers.shape[1:], dtype=np.uint16)
    shared = 0
    for (layer, value), number in zip(places, _label_numbers(places), strict=True):
        if not 0 <= layer < len(layers):
            msg = f"{name}: a segment lies in layer {layer} and the file has {len(layers)}; export it again"
            raise MaskError(msg)
        mask = layers[layer] == value
        shared += int(np.count_nonzero(mask & (result != 0)))
        result[mask & (result == 0)] = 1 if kind == "liver" else number
    return result, shared


def _whole_labels(name: str, values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint16]:
    if values.dtype.kind == "f":
        numbers = values.astype(np.float64, copy=False)
        whole = np.round(numbers)
        if not (np.isfinite(numbers).all() and np.abs(numbers - whole).max() <= _ROUNDING):
            msg = f"{name}: the mask holds fractions, not labels; give one whose voxels are whole numbers"
            raise MaskError(msg)
    else:
        whole = values  # type: ignore[assignment]
    if whole.min() < 0 or whole.max() > _LARGEST_LABEL:
        msg = f"{name}: labels must lie between 0 and {_LARGEST_LABEL}, not {whole.min():g} to {whole.max():g}"
        raise MaskError(msg)
    return np.asarray(whole.astype(np.uint16))


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
