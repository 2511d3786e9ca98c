"""Headers of the slices that a study was read from, for the DICOM objects that are derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
from pydicom.errors import InvalidDicomError

from dotaliver.dicom.elements import quiet
from dotaliver.dicom.headers import SeriesHeaders, SliceHeader
from dotaliver.errors import FileFormatError
from dotaliver.records import SeriesIdentity

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["slice_headers"]

# What differs between the slices of one series and is of use to a derived object.
_PER_SLICE = ("SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "AcquisitionDate", "AcquisitionTime")


def slice_headers(series: SeriesHeaders, identity: SeriesIdentity) -> list[Dataset]:
    """One header per slice in stack order, without pixels.

    Patient, study and series modules are read whole from one file; the slices' own places and UIDs come from the
    headers that were read when the folder was indexed, so a long series is not read twice.

    Raises
    ------
    FileFormatError
        Where the file can no longer be read.
    """
    by_uid = {str(part.dataset.get("SOPInstanceUID", "")): part for part in series.slices}
    ordered = [by_uid[uid] for uid in identity.sop_instance_uids]
    first = ordered[0]
    try:
        with quiet():
            whole = pydicom.dcmread(first.path, stop_before_pixels=True, force=True)
    except (OSError, InvalidDicomError, ValueError) as error:
        msg = f"{first.name}: the file could be read a moment ago and no longer can; check the disk or the network"
        raise FileFormatError(msg) from error
    with quiet():
        return [_of_slice(part, whole) for part in ordered]


def _of_slice(part: SliceHeader, whole: Dataset) -> Dataset:
    """The header of one slice: its own place and UID, and what the whole series shares."""
    header = pydicom.Dataset()
    header.update(whole)
    for keyword in _PER_SLICE:
        if keyword in part.dataset:
            header[keyword] = part.dataset[keyword]
    return header
