"""Headers of the source slices, prepared for DICOM segmentations."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dotaliver.dicom.files.moments import parse_date
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["ImageName", "SegSources", "uid_from", "usable_headers"]

ImageName = Literal["pet", "ct", "recist_image"]
"""The images of a study that masks are drawn on."""

_SEXES = {"M", "F", "O"}
# Required elements of a Clinical Trial Subject (PS3.3 C.7.1.3). Some archives leave part of them out, and then none is
# copied. The elements that describe de-identification are in the same group.
_TRIAL_SUBJECT = (
    ("ClinicalTrialSponsorName",),
    ("ClinicalTrialProtocolID",),
    ("ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"),
)
_ABOUT_IDENTITY = {0x0062, 0x0063, 0x0064}
# Type 2 elements of the patient and study modules (PS3.3 C.7.1.1, C.7.2.1): present, empty where unknown.
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


@dataclass(frozen=True, eq=False)
class SegSources:
    """Headers of the images' slices, each in stack order; pixel data are not needed."""

    pet_headers: Sequence[Dataset]
    ct_headers: Sequence[Dataset] | None = None
    recist_image_headers: Sequence[Dataset] | None = None
    # Requested again for each object of a record
    _usable: dict[tuple[ImageName, Geometry], list[Dataset]] = field(default_factory=dict, repr=False)

    def of(self, image: ImageName) -> Sequence[Dataset] | None:
        """The headers of one image."""
        return {"pet": self.pet_headers, "ct": self.ct_headers, "recist_image": self.recist_image_headers}[image]


def uid_from(*parts: str) -> str:
    """A DICOM UID derived from texts: the first 128 bits of their SHA-256 below 2.25 (PS3.5 B.2)."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def usable_headers(sources: SegSources, image: ImageName, grid: Geometry) -> list[Dataset]:
    """Copies of one image's headers for making segmentations; cached, so do not modify them.

    Elements that must be there are added empty, unreadable dates and times emptied, and the place of each
    slice is that of the grid, since headers of one series may differ in the last digit.

    Raises
    ------
    MaskError
        Where there are not as many headers as slices.
    """
    headers = sources.of(image)
    found = 0 if headers is None else len(headers)
    if headers is None or found != grid.shape[0]:
        name = image.upper().replace("_", " ")
        msg = (
            f"{found} {name} headers were given for {grid.shape[0]} slices, so the masks cannot be stored "
            "as DICOM; give one header per slice, in stack order"
        )
        raise MaskError(msg)
    if (image, grid) not in sources._usable:
        with warnings.catch_warnings():
            # Values of the patient's headers are not corrected here, and warnings would quote them.
            warnings.simplefilter("ignore")
            # Patient and study are taken from the first header; the others are only referenced.
            ready = [_in_unicode(deepcopy(headers[0])), *headers[1:]]
            sources._usable[image, grid] = [_usable(header, grid, index) for index, header in enumerate(ready)]
    return sources._usable[image, grid]


def _in_unicode(header: Dataset) -> Dataset:
    """A header with decoded texts, to be written as UTF-8 whatever the original character set."""
    # Names that were never bytes are set aside, since decoding would first encode them again.
    names = {element.tag: str(element.value) for element in header if element.VR == "PN" and element.VM == 1}
    header.decode()
    header.SpecificCharacterSet = "ISO_IR 192"
    for tag, name in names.items():
        header[tag].value = name
    return header


# Libraries check values of these representations, and one invalid date would prevent the object from being written.
_CHECKED = {"AS", "DA", "DS", "DT", "IS", "TM"}


def _without_invalid(header: Dataset) -> None:
    """Empty or remove invalid dates, times and numbers ("19500230", "9:15:00"), and retired formats."""
    from pydicom.config import RAISE
    from pydicom.valuerep import validate_value

    for element in list(header):
        if element.VR not in _CHECKED or element.is_empty:
            continue
        values = element.value if element.VM > 1 else [element.value]
        shown = [str(getattr(value, "original_string", value)) for value in values]
        try:
            for value in shown:
                validate_value(element.VR, value, RAISE)
            valid = not (element.VR == "DA" and any(parse_date(value) is None for value in shown))
        except ValueError:
            valid = False
        if valid:
            continue
        if element.keyword in _MAY_BE_EMPTY:
            header[element.tag].value = ""
        else:
            del header[element.tag]


def _usable(header: Dataset, grid: Geometry, index: int) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.valuerep import format_number_as_ds

    copy = Dataset()
    whole_trial = all(any(header.get(keyword) for keyword in alternatives) for alternatives in _TRIAL_SUBJECT)
    for element in header:
        of_trial = element.tag.group == 0x0012 and element.tag.element not in _ABOUT_IDENTITY
        if element.tag.group not in {0x0002, 0x7FE0} and (whole_trial or not of_trial):
            copy.add(element)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in copy or copy.get(keyword) is None:
            setattr(copy, keyword, "")
    _without_invalid(copy)
    if copy.PatientSex not in _SEXES:
        copy.PatientSex = ""
    if not copy.get("FrameOfReferenceUID"):
        copy.FrameOfReferenceUID = grid.frame_of_reference_uid or uid_from(copy.SeriesInstanceUID, "frame")
    _, rows, columns = grid.shape
    copy.Rows, copy.Columns = rows, columns
    _, along_rows, along_columns = grid.directions
    cosines = (*along_columns, *along_rows)
    copy.ImageOrientationPatient = [format_number_as_ds(float(c)) for c in cosines]
    copy.ImagePositionPatient = [format_number_as_ds(float(c)) for c in grid.index_to_lps((index, 0, 0))]
    copy.PixelSpacing = [format_number_as_ds(float(s)) for s in grid.spacing_mm[1:]]
    if not copy.get("SliceThickness"):
        copy.SliceThickness = format_number_as_ds(float(grid.spacing_mm[0]))
    return copy
