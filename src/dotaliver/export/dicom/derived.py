"""What every DICOM object of ours has in common: its makers, its UIDs and dates, what it refers to, its bytes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.records.score import StudyScore
from dotaliver.records.study import SeriesIdentity

if TYPE_CHECKING:
    from highdicom.base import SOPClass
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

__all__ = ["NewObject", "equipment", "instances", "make_repeatable", "new_object", "refer_to_multiframe"]

_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
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


@dataclass(frozen=True)
class NewObject:
    """What an object is: the name that its UIDs follow from, its class, its series."""

    name: str
    sop_class_uid: str
    modality: str
    series_number: int
    series_description: str


def new_object(score: StudyScore, kind: NewObject, header: Dataset) -> SOPClass:
    """An object of the patient's study without content yet, for classes that highdicom does not make itself."""
    from highdicom.base import SOPClass

    with warnings.catch_warnings():
        # Values copied from the patient's headers are not ours to mend (and their warnings would name them).
        warnings.simplefilter("ignore")
        dataset = SOPClass(
            study_instance_uid=header.StudyInstanceUID,
            series_instance_uid=uid_from(score.record_id, kind.name, "series"),
            series_number=kind.series_number,
            sop_instance_uid=uid_from(score.record_id, kind.name, "instance"),
            sop_class_uid=kind.sop_class_uid,
            instance_number=1,
            modality=kind.modality,
            transfer_syntax_uid=_EXPLICIT_LITTLE_ENDIAN,
            specific_character_set=header.get("SpecificCharacterSet"),
            series_description=kind.series_description,
            **equipment(score),
        )
        dataset.copy_patient_and_study_information(header)
    make_repeatable(dataset, header, score.record_id, kind.name)
    return dataset


def make_repeatable(dataset: Dataset, source: Dataset, *names: str) -> None:
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


def refer_to_multiframe(dataset: Dataset, identity: SeriesIdentity) -> None:
    """Give references their true class where the slices are frames of one object, which is then named once."""
    uids = set(identity.sop_instance_uids)

    def mend(item: Dataset, element: DataElement) -> None:
        if element.keyword == "ReferencedSOPClassUID" and item.get("ReferencedSOPInstanceUID") in uids:
            element.value = identity.sop_class_uid

    dataset.walk(mend)
    for series in dataset.get("ReferencedSeriesSequence", []):
        once = {item.ReferencedSOPInstanceUID: item for item in series.ReferencedInstanceSequence}
        series.ReferencedInstanceSequence = list(once.values())


def instances(headers: Sequence[Dataset], identity: SeriesIdentity) -> list[Dataset]:
    """The objects that contain the slices, each once and with its SOP class, for references."""
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
