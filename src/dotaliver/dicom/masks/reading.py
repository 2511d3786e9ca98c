"""Masks that others drew: DICOM SEG, RTSTRUCT, NIfTI, NRRD and OME-Zarr, laid on the study's images.

A mask stays on the grid of the image that it was drawn on. `read_mask` looks at what the file is, not at what it is
called, apart from the endings of NIfTI, NRRD and MetaImage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import joined, quiet, text
from dotaliver.dicom.files.objects import CutShortError, read_object
from dotaliver.dicom.masks.grid import NamedMask, check_patient, image_grids, laid_on, share_inside
from dotaliver.dicom.masks.image_files import IMAGE_ENDINGS, read_image_mask
from dotaliver.dicom.masks.omezarr import is_zarr_mask, read_zarr_mask
from dotaliver.dicom.masks.outlines import MaskKind, split_outlines
from dotaliver.dicom.masks.remarks import overlap_flags
from dotaliver.dicom.masks.rtstruct import read_rtstruct
from dotaliver.dicom.masks.seg import read_seg
from dotaliver.errors import MaskError
from dotaliver.image.volume import LabelMap
from dotaliver.records.flags import Flag
from dotaliver.records.masks import DrawnOn
from dotaliver.records.study import StudyVolumes

__all__ = ["ImportedMask", "on_image", "read_lesion_masks", "read_mask"]

_SEG = "1.2.840.10008.5.1.4.1.1.66.4"
_LABELMAP_SEG = "1.2.840.10008.5.1.4.1.1.66.7"
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
# A mask with less than this share of its voxels inside the image was drawn on another one.
_LEAST_INSIDE = 0.5


@dataclass(frozen=True)
class ImportedMask:
    """Labels that were read from a file, where they were drawn, and what the file calls them."""

    labels: LabelMap
    drawn_on: DrawnOn
    origin: str
    names: dict[int, str]
    flags: tuple[Flag, ...] = ()


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(IMAGE_ENDINGS)


def _dicom_class(path: Path) -> str | None:
    """SOP class of a DICOM file; None where it is none."""
    try:
        with quiet():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return text(header, "SOPClassUID")
    except MemoryError:
        raise
    except Exception:
        # pydicom raises many types on files that are no DICOM or damaged
        return None


def _mask_files(path: Path) -> list[Path]:
    """A mask file or OME-Zarr, or those in a folder in the order of their names."""
    if is_zarr_mask(path):
        return [path]
    if path.is_dir():
        return [p for p in sorted(path.iterdir()) if is_zarr_mask(p) or (p.is_file() and _is_mask_file(p))]
    if not path.is_file():
        msg = f"{path.name}: there is no such mask file"
        raise MaskError(msg)
    return [path]


def _is_mask_file(path: Path) -> bool:
    return _is_image(path) or _dicom_class(path) in {_SEG, _LABELMAP_SEG, _RTSTRUCT}


def _read_dicom(path: Path, volumes: StudyVolumes, kind: MaskKind, wanted: tuple[str, ...]) -> NamedMask:
    sop_class = _dicom_class(path)
    readers = {_SEG: read_seg, _LABELMAP_SEG: read_seg, _RTSTRUCT: read_rtstruct}
    if sop_class not in readers:
        msg = f"{path.name}: the file is not a mask; give a DICOM SEG, RTSTRUCT, NIfTI, NRRD or OME-Zarr"
        raise MaskError(msg)
    try:
        with quiet():
            dataset: Dataset = read_object(path, check_pixels=False)
            check_patient(path.name, volumes, joined(dataset, "PatientID"))
            return readers[sop_class](path.name, dataset, volumes, kind, wanted)
    except MaskError:
        raise
    except CutShortError as error:
        msg = f"{path.name}: the file is cut short; copy it again"
        raise MaskError(msg) from error
    except Exception as error:
        # A damaged object fails in as many ways as there are elements in it
        msg = f"{path.name}: the mask is damaged and cannot be read ({type(error).__name__}); export it again"
        raise MaskError(msg) from error


def read_mask(path: Path, volumes: StudyVolumes, kind: MaskKind) -> ImportedMask:
    """Read a liver or lesion mask that belongs to a study.

    Parameters
    ----------
    path : Path
        A file or OME-Zarr, or a folder that holds one; ``FILE#NAME`` names the outline in it that is meant, and
        ``FILE#NAME#NAME`` several.
    volumes : StudyVolumes
        The study; a mask of another study, or outside its images, is refused.
    kind : str
        "liver" takes the segment called or coded liver, else the only one, as label 1. "lesions" takes every segment
        that is neither the liver, another organ, a planning volume nor a reference region, and keeps their numbers as
        labels where they have them; where that is unclear, the user is asked to name them.
        "ct_foci" takes the CT candidates that an earlier score stored, under their numbers, and "body" the candidates
        and lesions outside the liver.

    Raises
    ------
    MaskError
        Where the file is not a mask, is empty, belongs to another study or lies outside the images, or where it holds
        several outlines and only the user can say which is meant.
    """
    path, wanted = split_outlines(path)
    files = _mask_files(path)
    if len(files) != 1:
        msg = f"{path.name}: the folder holds {len(files)} mask files; name the one that is meant"
        raise MaskError(msg)
    path = files[0]
    if is_zarr_mask(path):
        found = read_zarr_mask(path, volumes, kind, wanted)
    else:
        found = (read_image_mask if _is_image(path) else _read_dicom)(path, volumes, kind, wanted)
    labels = found.labels
    if not labels.array.any():
        msg = f"{path.name}: the mask is empty; give one that outlines something"
        raise MaskError(msg)
    image = volumes.ct if found.drawn_on == "ct" and volumes.ct is not None else volumes.pet
    inside = share_inside(labels, image.geometry)
    if inside < _LEAST_INSIDE:
        msg = (
            f"{path.name}: {100 * (1 - inside):.0f} % of the mask lies outside the {found.drawn_on.upper()}; "
            "give a mask that was drawn on this study"
        )
        raise MaskError(msg)
    names = {n: found.names[n] for n in labels.labels if n in found.names}
    return ImportedMask(labels, found.drawn_on, found.origin, names, found.flags)


def read_lesion_masks(paths: Sequence[Path], volumes: StudyVolumes) -> ImportedMask:
    """Read lesions from one or several files (or folders of them), on the grid of the image they were drawn on.

    Labels are kept where the files have different ones, else lesions are numbered in the order of the files. Where
    two overlap, the voxels stay with the first.

    Raises
    ------
    MaskError
        As `read_mask`; also where the files were drawn on different images.
    """
    files = [file for path in paths for file in _lesion_files(path)]
    if not files:
        msg = f"{', '.join(path.name for path in paths)}: there is no mask file in it; name one"
        raise MaskError(msg)
    masks = [read_mask(file, volumes, "lesions") for file in files]
    drawn_on = masks[0].drawn_on
    for file, mask in zip(files, masks, strict=True):
        if mask.drawn_on != drawn_on:
            msg = (
                f"{file.name}: it was drawn on the {mask.drawn_on.upper()}, and {files[0].name} on the "
                f"{drawn_on.upper()}; give lesions that were all drawn on one image"
            )
            raise MaskError(msg)
    placed = [on_image(mask, volumes) for mask in masks]
    if len(placed) == 1:
        return placed[0]
    every = [label for mask in placed for label in mask.labels.labels]
    kept = len(set(every)) == len(every)
    grid = placed[0].labels.geometry
    result = np.zeros(grid.shape, dtype=np.uint16)
    names: dict[int, str] = {}
    shared = 0
    for mask in placed:
        for label in mask.labels.labels:
            number = label if kept else len(names) + 1
            own = mask.labels.where(label)
            shared += int(np.count_nonzero(own & (result != 0)))
            result[own & (result == 0)] = number
            names[number] = mask.names.get(label, f"Lesion {number}")
    origin = ", ".join(dict.fromkeys(mask.origin for mask in placed))
    flags = (*overlap_flags("lesions", shared, grid.voxel_volume_ml), *(f for mask in placed for f in mask.flags))
    return ImportedMask(LabelMap(result, grid), drawn_on, origin, names, tuple(dict.fromkeys(flags)))


def _lesion_files(path: Path) -> list[Path]:
    """The mask files that a path refers to; one followed by names of outlines is kept as it is."""
    return [path] if split_outlines(path)[1] else _mask_files(path)


def on_image(mask: ImportedMask, volumes: StudyVolumes) -> ImportedMask:
    """A mask on the grid of the image that it was drawn on: unchanged where it has it, else by majority.

    Raises
    ------
    MaskError
        Where an outline is too small for the image's voxels.
    """
    grid = image_grids(volumes).get(mask.drawn_on, volumes.pet.geometry)
    return replace(mask, labels=laid_on(mask.labels, grid))
