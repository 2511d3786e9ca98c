"""Whether two series are of one patient, as far as their headers say."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dotaliver.dicom.files.elements import joined
from dotaliver.dicom.files.headers import SeriesHeaders
from dotaliver.errors import AcquisitionError

__all__ = ["other_patient", "stated"]

# What must agree between two examinations of one patient, where both state it.
_OF_THE_PATIENT = (
    ("PatientID", "Patient ID"),
    ("PatientBirthDate", "Patient's Birth Date"),
    ("PatientSex", "Patient's Sex"),
)


def other_patient(one: SeriesHeaders, other: SeriesHeaders) -> str | None:
    """The element by which any slice of two series names another patient; None where none does."""
    for keyword, words in _OF_THE_PATIENT:
        values = [stated(series, keyword) for series in (one, other)]
        if any(len(found) > 1 for found in values) or (all(values) and values[0] != values[1]):
            return words
    return None


def stated(series: SeriesHeaders, keyword: str) -> set[str]:
    """The different values of an element in a series, in lower case; those that cannot be read are left out."""
    return {value.casefold() for part in series.slices if (value := _value(part.dataset, keyword))}


def _value(dataset: Dataset, keyword: str) -> str | None:
    try:
        return joined(dataset, keyword)
    except AcquisitionError:
        return None
