"""A study as OME-Zarr: the pixels of each series as one image, with its DICOM headers.

What comes out is scored like the files that it was made of, with the same record. Whatever forms no volume of CT or PET
(localisers, dynamic series, masks, reports, files that are no DICOM) is copied as it is, since it has a word in which
series are chosen and which doubts are raised.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pydicom

from dotaliver.dicom.files.elements import quiet
from dotaliver.dicom.files.headers import SeriesHeaders, StudyIndex, index_folder
from dotaliver.dicom.files.omezarr_beside import HEADERS_FOLDER, IMAGE_FOLDER
from dotaliver.dicom.files.stack import Stack, stack_of
from dotaliver.dicom.pixels.planes import PlaneReader, refuse_impossible, stored_type
from dotaliver.errors import DotaliverError, FileFormatError, OutputError, StudyError
from dotaliver.omezarr.writing import ImageWriter, require_zarr
from dotaliver.system.files import output_folder, why_not_written
from dotaliver.system.folders import put_in_place, remove_left_over, temporary_beside
from dotaliver.system.progress import Progress
from dotaliver.system.temporary import discard

__all__ = ["ZarrStudy", "write_zarr_study"]

_OTHERS = "others"
_MODALITIES = {"CT", "PT"}


@dataclass(frozen=True)
class ZarrStudy:
    """What was written."""

    folder: Path
    images: tuple[str, ...]
    """Folder of each series that became an image"""
    copied: int
    """Files that were copied as they are"""


def write_zarr_study(study: Path, out: Path, progress: Progress = lambda _stage: None) -> ZarrStudy:
    """Write a study as OME-Zarr images with their DICOM headers.

    Parameters
    ----------
    study : Path
        Folder (or zip) of DICOM files.
    out : Path
        A new or empty folder; it is there whole or not at all.
    progress : callable
        Called with each stage in words.

    Raises
    ------
    StudyError, FileFormatError
        Where the study cannot be read.
    OutputError
        Where the folder cannot be written, has something in it, or lies in the study.
    ConfigError
        Where the extra that this needs is not installed.
    """
    require_zarr()
    _refuse_taken(study, out)
    progress("reading headers")
    index = index_folder(study)
    if any(part.image is not None for series in index.series for part in series.slices):
        msg = f"{study.name}: the folder holds OME-Zarr already; give the folder of the DICOM files"
        raise StudyError(msg)
    with output_folder(out.parent):
        remove_left_over(out.parent, re.escape(out.name))
        made = _made_beside(out)
        try:
            written = _written(index, made, progress)
            put_in_place(made, out, replacing=False)
        except DotaliverError:
            raise
        except OSError as error:
            raise OutputError(why_not_written(out, error)) from error
        finally:
            discard(made)
    return ZarrStudy(out, *written)


def _made_beside(out: Path) -> Path:
    try:
        return temporary_beside(out)
    except OSError as error:
        raise OutputError(why_not_written(out, error)) from error


def _refuse_taken(study: Path, out: Path) -> None:
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise OutputError(why_not_written(out, error)) from error
    if taken:
        msg = f"{out}: there is something in it; choose a new folder"
        raise OutputError(msg)
    if out.resolve().is_relative_to(study.resolve()):
        msg = f"{out}: it lies in the study's folder, of which it would become a part; choose another folder"
        raise OutputError(msg)


def _written(index: StudyIndex, folder: Path, progress: Progress) -> tuple[tuple[str, ...], int]:
    images: list[str] = []
    copied = list(index.other_files)
    for series in index.series:
        stack = _as_volume(series)
        if stack is None:
            copied += _names(series, index.folder)
            continue
        name = f"{series.modality}-{hashlib.sha256(series.uid.encode()).hexdigest()[:12]}".lower()
        progress(f"writing {series.name}: {len(series.slices)} slices")
        _write_series(stack, folder / name, progress)
        copied += [part.path.relative_to(index.folder).as_posix() for odd in series.set_aside for part in odd.slices]
        images.append(name)
    for name in copied:
        target = folder / _OTHERS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(index.folder / name, target)
    return tuple(images), len(copied)


def _names(series: SeriesHeaders, folder: Path) -> list[str]:
    """Names of a series' files, each once: the frames of one lie in one file."""
    odd = (part for aside in series.set_aside for part in aside.slices)
    return list(dict.fromkeys(part.path.relative_to(folder).as_posix() for part in (*series.slices, *odd)))


def _as_volume(series: SeriesHeaders) -> Stack | None:
    """The series on its grid; None where it forms no volume of stored values."""
    if series.modality not in _MODALITIES:
        return None
    try:
        stack = stack_of(series)
        refuse_impossible(stack, stored_type(series))
    except FileFormatError:
        raise
    except DotaliverError:
        return None
    return stack


def _write_series(stack: Stack, folder: Path, progress: Progress) -> None:
    headers, image = folder / HEADERS_FOLDER, folder / IMAGE_FOLDER
    headers.mkdir(parents=True)
    image.mkdir()
    for number, path in enumerate(dict.fromkeys(part.path for part in stack.slices)):
        _write_header(path, headers / f"{number:06d}.dcm")
    reader = PlaneReader(stack)
    writer = ImageWriter(image, folder.name, stack.geometry, reader.dtype, "exchange")
    reader.each(range(len(stack.slices)), None, writer.put, progress)
    writer.finish()


def _write_header(path: Path, target: Path) -> None:
    """A DICOM file without its pixels, in its own transfer syntax; elements are neither read nor changed."""
    try:
        with quiet():
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            pydicom.dcmwrite(target, dataset)
    except OSError:
        raise
    except Exception as error:
        # pydicom raises many types on values that cannot be written again
        msg = f"{path.name}: its header cannot be written again ({type(error).__name__}); export the file again"
        raise FileFormatError(msg) from error
