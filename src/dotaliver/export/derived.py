"""What every DICOM object of ours has in common: its makers, its UIDs and dates, what it refers to, its bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dotaliver.export.seg_sources import uid_from
from dotaliver.records import SeriesIdentity
from dotaliver.score import StudyScore

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["encoded", "equipment", "instances", "make_repeatable", "refer_to_multiframe"]

# Dates and times of the object itself; patient and study keep their own.
_DATES = ("InstanceCreationDate", "ContentDate", "SeriesDate")
_TIMES = ("InstanceCreationTime", "ContentTime", "SeriesTime")


def equipment(score: StudyScore) -> dict[str, str]:
    """The equipment that made the object, as highdicom's constructors take it."""
    return {
        "manufacturer": "dotaliver",
        "manufacturer_model_name": "dotaliver",
        "software_versions": score.provenance.dotaliver_version,
        "device_serial_number": "1",
    }


def make_repeatable(dataset: Any, source: Dataset, *names: str) -> None:
    """Put what highdicom draws at random or takes from the clock onto the record and the study.

    Parameters
    ----------
    dataset : pydicom.dataset.Dataset
        The new object; changed in place.
    source : pydicom.dataset.Dataset
        Header of an image of the study.
    *names : str
        What the object's own UIDs follow from.
    """
    organisation = uid_from(*names, "dimensions")
    for item in (*dataset.get("DimensionOrganizationSequence", ()), *dataset.get("DimensionIndexSequence", ())):
        item.DimensionOrganizationUID = organisation
    for item in dataset.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in item:
            del item.ContributionDateTime
    date = source.get("StudyDate") or "19000101"
    time = source.get("StudyTime") or "000000"
    for keyword in _DATES:
        setattr(dataset, keyword, date)
    for keyword in _TIMES:
        setattr(dataset, keyword, time)


def refer_to_multiframe(dataset: Any, identity: SeriesIdentity) -> None:
    """Give references their true class where the slices are frames of one object, which is then named once."""
    uids = set(identity.sop_instance_uids)

    def mend(item: Any, element: Any) -> None:
        if element.keyword == "ReferencedSOPClassUID" and item.get("ReferencedSOPInstanceUID") in uids:
            element.value = identity.sop_class_uid

    dataset.walk(mend)
    for series in dataset.get("ReferencedSeriesSequence", []):
        once = {item.ReferencedSOPInstanceUID: item for item in series.ReferencedInstanceSequence}
        series.ReferencedInstanceSequence = list(once.values())


def instances(headers: Sequence[Dataset], identity: SeriesIdentity) -> list[Dataset]:
    """The objects that slices stand in, each once and with its true class: what an object may refer to."""
    from pydicom.dataset import Dataset

    found: dict[str, Dataset] = {}
    for header in headers:
        if header.SOPInstanceUID in found:
            continue
        item = Dataset()
        item.StudyInstanceUID, item.SeriesInstanceUID = header.StudyInstanceUID, header.SeriesInstanceUID
        item.SOPInstanceUID = header.SOPInstanceUID
        item.SOPClassUID = identity.sop_class_uid or header.SOPClassUID
        found[header.SOPInstanceUID] = item
    return list(found.values())


def encoded(dataset: Any) -> bytes:
    """An object as the bytes of a DICOM file."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Values copied from the patient's headers are not ours to mend (and their warnings would name them).
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
