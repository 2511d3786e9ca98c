"""Headers of the slices that a study was read from, for the DICOM objects that are derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag

from dotaliver.dicom.files.elements import quiet
from dotaliver.dicom.files.headers import CT_CLASS, MR_CLASS, PET_CLASS, SeriesHeaders, SliceHeader
from dotaliver.dicom.files.stack import stack_of
from dotaliver.errors import FileFormatError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["slice_headers"]

# What differs between the slices of one series and a derived object needs.
_PER_SLICE = (
    "SOPInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "AcquisitionDate",
    "AcquisitionTime",
    "RescaleSlope",
    "RescaleIntercept",
)
# What a derived object needs of every slice as well; patient, study and series are taken from the first.
_REFERENCE = (
    "SOPClassUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "Rows",
    "Columns",
)
# pydicom would look each keyword up for each slice.
_PER_SLICE_TAGS, _REFERENCE_TAGS = tuple(map(Tag, _PER_SLICE)), tuple(map(Tag, _REFERENCE))
# Frames are described as slices of their own, so what describes them as frames of one file would contradict it.
_OF_MULTIFRAME = ("NumberOfFrames", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# Libraries treat several headers of one multi-frame object as several objects; its frames become classic slices,
# and what refers to them is given the true class afterwards (`export.seg`).
_CLASSIC = {"PT": PET_CLASS, "CT": CT_CLASS, "MR": MR_CLASS}


def slice_headers(series: SeriesHeaders) -> list[Dataset]:
    """One header per slice in stack order, without pixels.

    The first is read whole, for patient, study and series; the others hold what distinguishes them and what they are,
    from the headers that were read when the folder was indexed, so a long series is not read twice.

    Raises
    ------
    FileFormatError
        Where the file can no longer be read.
    """
    ordered = stack_of(series).slices
    first = ordered[0]
    try:
        with quiet():
            whole = pydicom.dcmread(first.path, stop_before_pixels=True, force=True)
    except (OSError, InvalidDicomError, ValueError) as error:
        msg = f"{first.name}: the file could be read a moment ago and no longer can; check the disk or the network"
        raise FileFormatError(msg) from error
    for keyword in _OF_MULTIFRAME:
        whole.pop(keyword, None)
    with quiet():
        head = pydicom.Dataset()
        head.update(whole)
        headers = [_of_slice(first, head), *(_of_slice(part, pydicom.Dataset()) for part in ordered[1:])]
    for part, header in zip(ordered, headers, strict=True):
        if part.frame is not None:
            header.SOPClassUID = _CLASSIC[series.modality]
            header.ReferencedFrameNumber = part.frame + 1
    return headers


def _of_slice(part: SliceHeader, header: Dataset) -> Dataset:
    """A header with what one slice says of itself, where the header does not yet say it of the series."""
    for tag in _REFERENCE_TAGS:
        if tag in part.dataset and tag not in header:
            header[tag] = part.dataset[tag]
    for tag in _PER_SLICE_TAGS:
        if tag in part.dataset:
            header[tag] = part.dataset[tag]
    return header
