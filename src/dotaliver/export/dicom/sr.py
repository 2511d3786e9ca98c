"""The record as a DICOM structured report: Comprehensive 3D SR, Imaging Measurement Report (TID 1500).

It refers to the segments that were measured, to the PET and the CT or MR that they were measured on and to the map from
stored values to SUV, and says who made it: the program, and the reader where there was one. It counts as verified
where a named reader answered every criterion that has an answer; what the reader left to the program stays unverified.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from dotaliver.export.dicom.derived import equipment, instances, make_repeatable
from dotaliver.export.dicom.source_headers import ImageName, SegSources, uid_from, usable_headers
from dotaliver.export.dicom.sr_evaluations import qualitative_evaluations
from dotaliver.export.dicom.sr_items import ReportSources, SourceImage, centres_of
from dotaliver.export.dicom.sr_measurements import measurement_groups
from dotaliver.image.volume import Volume
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.study import SeriesIdentity, StudyVolumes

if TYPE_CHECKING:
    from highdicom import ContributingEquipment
    from highdicom.seg import Segmentation
    from highdicom.sr import Comprehensive3DSR, ContainerContentItem, ObservationContext
    from pydicom.dataset import Dataset

__all__ = ["is_complete", "is_verified", "measurement_report"]

_SERIES_NUMBER = 9003
_TITLE = "dotaliver measurements"
_LONGEST_NAME = 64


def is_verified(score: StudyScore) -> bool:
    """Whether a named reader answered every criterion that has an answer."""
    answered = [verdict for verdict in score.criteria.values() if verdict.verdict != "not_evaluable"]
    decided = bool(answered) and all(verdict.status != "proposed" for verdict in answered)
    return score.edits.reader is not None and decided


def is_complete(score: StudyScore) -> bool:
    """Whether nothing that is measured is missing: liver, its normal uptake, lesions; or a reader verified it so."""
    looked_for = any(mask.name == "lesions" for mask in score.segmentation.masks)
    reference = score.references.get("liver")
    found = score.liver.volume_ml is not None and reference is not None and reference.reason is None
    return is_verified(score) or (looked_for and found)


def measurement_report(
    score: StudyScore,
    volumes: StudyVolumes,
    segmentations: Segmentations,
    sources: SegSources,
    stored: Sequence[Segmentation],
    suv_map: Dataset | None,
) -> Comprehensive3DSR:
    """The record as a structured report.

    Parameters
    ----------
    score : StudyScore
        What is reported.
    volumes : StudyVolumes
        The images, for their grids.
    segmentations : Segmentations
        The masks, for where they lie.
    sources : SegSources
        Headers of the images' slices.
    stored : sequence of highdicom.seg.Segmentation
        The masks as DICOM objects, which the report refers to.
    suv_map : pydicom.dataset.Dataset or None
        The Real World Value Mapping of the PET, if there is one.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
    """
    from highdicom.sr import Comprehensive3DSR, MeasurementReport
    from pydicom.sr.codedict import codes

    pet = _image(score.study.pet, sources, volumes.pet, "pet")
    ct, recist_image = (_image_if_any(score, sources, volumes, name) for name in ("ct", "recist_image"))
    evidence = [*instances(pet.headers, score.study.pet)]
    for image, identity in ((ct, score.study.ct), (recist_image, score.study.recist_image)):
        if image is not None and identity is not None:
            evidence += instances(image.headers, identity)
    library = _image_library(evidence, pet, ct, recist_image, is_mr=_is_mr(score.study.recist_image))
    evidence += [*stored, *([] if suv_map is None else [suv_map])]
    # Patient and study are taken from the first.
    evidence[0] = _with_identity(evidence[0], pet.headers[0])
    content = ReportSources(pet, ct, recist_image, tuple(stored), suv_map, centres_of(segmentations, pet, ct))
    with warnings.catch_warnings():
        # Values copied from the patient's headers are not ours to mend (and their warnings would name them).
        warnings.simplefilter("ignore")
        report = MeasurementReport(
            observation_context=_observers(score),
            procedure_reported=codes.LN.PETWholeBody,
            imaging_measurements=measurement_groups(score, content),
            title=codes.DCM.ImagingMeasurementReport,
        )
        items = report[0].ContentSequence
        items.insert(len(items) - 1, library)
        items.append(qualitative_evaluations(score))
        _require_evidence(items, {each.SOPInstanceUID for each in evidence})
        dataset = Comprehensive3DSR(
            evidence=evidence,
            content=_without_items(report[0]),
            series_instance_uid=uid_from(score.record_id, "measurements", "series"),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=uid_from(score.record_id, "measurements", "instance"),
            instance_number=1,
            is_complete=is_complete(score),
            is_final=is_verified(score),
            series_description=_TITLE,
            contributing_equipment=[_processing(score)],
            **equipment(score),
        )
        dataset["ContentSequence"] = report[0]["ContentSequence"]
        if is_verified(score):
            _verify(dataset, score, pet.headers[0])
    make_repeatable(dataset, pet.headers[0], score.record_id, "measurements")
    return dataset


def _without_items(root: Dataset) -> Dataset:
    """The root of a report's content alone.

    highdicom copies, parses and searches what it is given; of a report with many lesions that takes longer than
    all the rest, so the items follow afterwards.
    """
    from pydicom.dataset import Dataset

    alone = Dataset()
    alone.update(root)
    # Another element: the root's own would lose its items.
    del alone.ContentSequence
    alone.ContentSequence = []
    return alone


def _require_evidence(items: Iterable[Dataset], known: Set[str]) -> None:
    """Refuse content that refers to an instance which is not among the evidence (PS3.3 C.17.2).

    Raises
    ------
    ValueError
        Naming the first of them.
    """
    for item in items:
        for reference in item.get("ReferencedSOPSequence", ()):
            if reference.ReferencedSOPInstanceUID not in known:
                uid = reference.ReferencedSOPInstanceUID
                msg = f"the report refers to the instance {uid}, which is not among its evidence"
                raise ValueError(msg)
        _require_evidence(item.get("ContentSequence", ()), known)


def _image_if_any(
    score: StudyScore, sources: SegSources, volumes: StudyVolumes, name: Literal["ct", "recist_image"]
) -> SourceImage | None:
    identity, volume = getattr(score.study, name), getattr(volumes, name)
    return None if identity is None or volume is None else _image(identity, sources, volume, name)


def _image(identity: SeriesIdentity, sources: SegSources, volume: Volume, name: ImageName) -> SourceImage:
    headers = usable_headers(sources, name, volume.geometry)
    return SourceImage(volume.geometry, headers, identity.sop_class_uid or headers[0].SOPClassUID)


def _with_identity(reference: Dataset, header: Dataset) -> Dataset:
    """A reference that also names patient and study."""
    from pydicom.dataset import Dataset

    whole = Dataset()
    whole.update(header)
    whole.update(reference)
    return whole


def _is_mr(series: SeriesIdentity | None) -> bool:
    return series is not None and series.modality == "MR"


def _image_library(
    evidence: Sequence[Dataset], pet: SourceImage, ct: SourceImage | None, recist: SourceImage | None, *, is_mr: bool
) -> ContainerContentItem:
    """The images that were measured, grouped by series (TID 1600), each with what holds for the whole series."""
    from highdicom.sr import (
        CodeContentItem,
        ContainerContentItem,
        ContentSequence,
        ImageContentItem,
        RelationshipTypeValues,
        UIDRefContentItem,
    )
    from pydicom.sr.codedict import codes

    contains, context = RelationshipTypeValues.CONTAINS, RelationshipTypeValues.HAS_ACQ_CONTEXT
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=contains, template_id="1600")
    library.ContentSequence = ContentSequence()
    named = (
        (codes.DCM.PositronEmissionTomography, pet),
        (codes.DCM.ComputedTomography, ct),
        (codes.DCM.MagneticResonance if is_mr else codes.DCM.ComputedTomography, recist),
    )
    for modality, image in named:
        if image is None:
            continue
        group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=contains)
        frame = image.headers[0].FrameOfReferenceUID
        group.ContentSequence = ContentSequence(
            [
                CodeContentItem(codes.DCM.Modality, modality, context),
                UIDRefContentItem(codes.DCM.FrameOfReferenceUID, frame, context),
            ]
        )
        series = image.headers[0].SeriesInstanceUID
        for item in evidence:
            if item.SeriesInstanceUID == series:
                entry = ImageContentItem(
                    codes.DCM.SourceImage, item.SOPClassUID, item.SOPInstanceUID, relationship_type=contains
                )
                group.ContentSequence.append(entry)
        library.ContentSequence.append(group)
    return library


def person_name(name: str) -> str:
    """A reader's name as a DICOM person name: what separates its parts is taken out, and it is not cut into parts."""
    plain = "".join(" " if c in "^=\\" or not c.isprintable() else c for c in name)
    return " ".join(plain.split())[: _LONGEST_NAME - 1] + "^"


def _observers(score: StudyScore) -> ObservationContext:
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )
    from pydicom.sr.codedict import codes

    device = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=uid_from("dotaliver", score.provenance.dotaliver_version),
            name="dotaliver",
            manufacturer_name="dotaliver",
            model_name="dotaliver",
            serial_number=score.provenance.dotaliver_version,
        ),
    )
    person = None
    if score.edits.reader is not None:
        person = ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=PersonObserverIdentifyingAttributes(
                name=person_name(score.edits.reader.name)
            ),
        )
    return ObservationContext(observer_person_context=person, observer_device_context=device)


def _processing(score: StudyScore) -> ContributingEquipment:
    """The program as the equipment that processed the images, with what it did (PS3.3 C.12.1)."""
    from highdicom import ContributingEquipment
    from pydicom.sr.codedict import codes

    return ContributingEquipment(
        manufacturer="dotaliver",
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name="dotaliver",
        software_versions=score.provenance.dotaliver_version,
        contribution_description="Outlines and measures liver lesions, and proposes answers to trial criteria",
    )


def _verify(dataset: Comprehensive3DSR, score: StudyScore, header: Dataset) -> None:
    """Say who verified the report, and when: the time that the edits give, else that of scoring with them."""
    from pydicom.dataset import Dataset

    assert score.edits.reader is not None
    when: datetime = score.edits.made_at or score.provenance.scored_at
    item = Dataset()
    item.VerifyingObserverName = person_name(score.edits.reader.name)
    item.VerifyingOrganization = str(header.get("InstitutionName") or "not stated")[:_LONGEST_NAME]
    item.VerificationDateTime = when.strftime("%Y%m%d%H%M%S") + (when.strftime("%z") if when.tzinfo else "")
    item.VerifyingObserverIdentificationCodeSequence = []
    dataset.VerifyingObserverSequence = [item]
    dataset.VerificationFlag = "VERIFIED"
