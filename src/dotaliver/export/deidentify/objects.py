"""De-identified outputs: record, headers and grids, from which every file is made, without the patient.

After the Basic Application Level Confidentiality Profile of DICOM PS3.15 E, with the options to keep patient
characteristics (sex, size and weight, which SUV rests on), longitudinal times with modified dates, and cleaned
structured content. Files are made from what is left here, so nothing has to be taken out of them afterwards. Headers
keep the elements of a list and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dotaliver.export.deidentify.pseudonyms import Pseudonyms
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.records.body import BodyFocus, BodySearch
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyVolumes
from dotaliver.system.parsing import Json, as_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["deidentified", "mark_deidentified", "pseudonyms_for"]

# Pixel storage, geometry, kind of scan, and the patient characteristics that SUV needs.
_KEPT = (
    "SOPClassUID", "Modality", "Manufacturer", "ManufacturerModelName", "InstanceNumber", "ReferencedFrameNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleSlope", "RescaleIntercept",
    "PatientSex", "PatientSize", "PatientWeight", "StudyTime",
)  # fmt: skip
_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_EMPTY = ("PatientBirthDate", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_REMOVED = "removed at de-identification"
# Sentences that quote file names
_QUOTING = {"FILES_LEFT_OUT": "Some files were not DICOM images and were left out."}
_METHOD = "dotaliver: PS3.15 basic profile, keyed"
_METHOD_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113108", "Retain Patient Characteristics Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113104", "Clean Structured Content Option"),
)


def pseudonyms_for(key: bytes, sources: SegSources) -> Pseudonyms:
    """Pseudonyms of the patient named in the headers; of the study where no patient is named."""
    first = sources.pet_headers[0]
    patient = str(first.get("PatientID") or "").strip() or str(first.StudyInstanceUID)
    return Pseudonyms(key, patient)


def deidentified(
    score: StudyScore,
    volumes: StudyVolumes,
    segmentations: Segmentations,
    sources: SegSources,
    pseudonyms: Pseudonyms,
) -> tuple[StudyScore, StudyVolumes, Segmentations, SegSources]:
    """The inputs of every file, without the patient.

    Returns
    -------
    tuple
        Record (under a new ``record_id``), images with their grids, masks and headers.
    """
    uids = _uids_of(score, sources)
    record = _record(score, pseudonyms, uids)

    def grid(geometry: Geometry) -> Geometry:
        uid = geometry.frame_of_reference_uid
        return geometry if uid is None else replace(geometry, frame_of_reference_uid=pseudonyms.uid(uid))

    def image(volume: Volume) -> Volume:
        return volume.placed(grid(volume.geometry))

    def labels(found: LabelMap) -> LabelMap:
        return LabelMap(found.array, grid(found.geometry))

    def layer(found: MaskLayer | None) -> MaskLayer | None:
        return None if found is None else replace(found, labels=labels(found.labels))

    images = replace(
        volumes,
        pet=image(volumes.pet),
        ct=None if volumes.ct is None else image(volumes.ct),
        recist_image=None if volumes.recist_image is None else image(volumes.recist_image),
        identity=record.study,
        acquisition=record.acquisition,
        suv=record.suv,
        flags=(),
        patient_id=None,
        fdg=_fdg(volumes.fdg, record, image),
    )
    masks = replace(
        segmentations,
        liver=layer(segmentations.liver),
        lesions=layer(segmentations.lesions),
        ct_foci=layer(segmentations.ct_foci),
        ct_lesions=layer(segmentations.ct_lesions),
        body_on_ct=layer(segmentations.body_on_ct),
        body=_body(segmentations.body, record, layer),
        references=tuple(
            replace(r, region=None if r.region is None else labels(r.region)) for r in segmentations.references
        ),
        neighbours={},
        recist_registration=record.segmentation.recist_registration,
        flags=record.segmentation.flags,
    )
    return record, images, masks, _headers(sources, pseudonyms)


def _fdg(fdg: StudyVolumes | None, record: StudyScore, image: Callable[[Volume], Volume]) -> StudyVolumes | None:
    """The FDG scan with its identity of the clean record."""
    if fdg is None or record.netpet is None:
        return None
    scan = record.netpet.scan
    return replace(
        fdg,
        pet=image(fdg.pet),
        ct=None if fdg.ct is None else image(fdg.ct),
        identity=scan.study,
        acquisition=scan.acquisition,
        suv=scan.suv,
        flags=(),
        patient_id=None,
    )


def _body(
    search: BodySearch | None, record: StudyScore, layer: Callable[[MaskLayer], MaskLayer | None]
) -> BodySearch | None:
    """The search outside the liver with its mask in the new frame of reference and the regions of the clean record."""
    if search is None or record.segmentation.body is None:
        return None
    mask = layer(search.mask)
    foci = tuple(BodyFocus(**focus.model_dump()) for focus in record.segmentation.body.foci)
    return None if mask is None else replace(search, mask=mask, foci=foci)


def mark_deidentified(dataset: Dataset) -> None:
    """State in an object that it was de-identified, and how (PS3.3 C.7.1.1, C.12.1)."""
    from pydicom.dataset import Dataset

    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethodCodeSequence = []
    for value, meaning in _METHOD_CODES:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        dataset.DeidentificationMethodCodeSequence.append(item)


# --- headers ---------------------------------------------------------------------------------------------------------


def _headers(sources: SegSources, pseudonyms: Pseudonyms) -> SegSources:
    def clean(headers: Sequence[Dataset]) -> list[Dataset]:
        return [_header(header, pseudonyms) for header in headers]

    ct, recist = sources.ct_headers, sources.recist_image_headers
    return SegSources(
        clean(sources.pet_headers), None if ct is None else clean(ct), None if recist is None else clean(recist)
    )


def _header(header: Dataset, pseudonyms: Pseudonyms) -> Dataset:
    from pydicom.dataset import Dataset

    clean = Dataset()
    for keyword in _KEPT:
        if keyword in header:
            clean[keyword] = header[keyword]
    for keyword in _UIDS:
        if header.get(keyword):
            setattr(clean, keyword, pseudonyms.uid(str(header.get(keyword))))
    for keyword in _EMPTY:
        setattr(clean, keyword, "")
    clean.SpecificCharacterSet = "ISO_IR 192"
    clean.PatientName, clean.PatientID = f"{pseudonyms.name}^", pseudonyms.name
    clean.StudyDate = pseudonyms.dates_in(str(header.get("StudyDate") or ""))
    return clean


# --- the record ------------------------------------------------------------------------------------------------------


def _uids_of(score: StudyScore, sources: SegSources) -> set[str]:
    """Every UID in the record and the headers."""
    studies = [score.study, *([] if score.netpet is None else [score.netpet.scan.study])]
    found = {study.study_instance_uid for study in studies}
    for series in (series for study in studies for series in (study.pet, study.ct, study.recist_image)):
        if series is not None:
            found |= {series.series_instance_uid, series.frame_of_reference_uid or "", *series.sop_instance_uids}
    for headers in (sources.pet_headers, sources.ct_headers or (), sources.recist_image_headers or ()):
        found |= {str(header.get(keyword) or "") for header in headers for keyword in _UIDS}
    return found - {""}


def _record(score: StudyScore, pseudonyms: Pseudonyms, uids: set[str]) -> StudyScore:
    data = score.model_dump(mode="json")
    protocol = data["config"].pop("protocol")

    readers = _readers_in_sentences(score, pseudonyms)

    def walk(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, str):
            return value
        for words, instead in readers:
            value = value.replace(words, instead)
        return pseudonyms.text(value, uids)

    _clean_study(data["study"], pseudonyms)
    second = None
    if data["netpet"] is not None:
        data["netpet"]["scan"]["acquisition"]["ct_contrast_agent"] = None
        second = data["netpet"]["scan"].pop("study")
        _clean_study(second, pseudonyms)
    data["acquisition"]["ct_contrast_agent"] = None
    _clean_edits(data["edits"], protocol["checklist"], pseudonyms)
    _clean_regions(data)
    for verdict in data["criteria"].values():
        if (decision := verdict["decision"]) is not None:
            decision["reader"] = pseudonyms.reader(decision["reader"])
            decision["reason"] = decision["reason"] and _REMOVED
    for flag in (*data["flags"], *data["segmentation"]["flags"]):
        flag["sentence"] = _QUOTING.get(flag["code"], flag["sentence"])
    clean = {key: value if key == "study" else walk(value) for key, value in data.items()}
    if second is not None:
        as_object(as_object(clean["netpet"])["scan"])["study"] = second
    as_object(clean["config"])["protocol"] = protocol
    as_object(clean["provenance"]).update({"revises": None, "deidentified": True})
    record = StudyScore.model_validate(clean)
    provenance = record.provenance.model_copy(update={"config_sha256": record.config.sha256()})
    return record.model_copy(update={"provenance": provenance}).with_record_id()


def _clean_study(study: dict[str, Any], pseudonyms: Pseudonyms) -> None:
    """Replace UIDs and date of a study and remove what was written about it, in place."""
    study["study_description"] = None
    for series in (study["pet"], study["ct"], study["recist_image"]):
        if series is not None:
            series |= {"description": None, "chosen_because": _REMOVED}
            # Long lists of plain UIDs need no search
            series["sop_instance_uids"] = [pseudonyms.uid(uid) for uid in series["sop_instance_uids"]]
            series["series_instance_uid"] = pseudonyms.uid(series["series_instance_uid"])
            if series["frame_of_reference_uid"]:
                series["frame_of_reference_uid"] = pseudonyms.uid(series["frame_of_reference_uid"])
    study["study_instance_uid"] = pseudonyms.uid(study["study_instance_uid"])
    study["study_date"] = pseudonyms.dates_in(study["study_date"] or "") or None


def _readers_in_sentences(score: StudyScore, pseudonyms: Pseudonyms) -> tuple[tuple[str, str], ...]:
    """How reasons and flags name the reader, within a sentence and at its beginning, each with its pseudonym."""
    reader = score.edits.reader
    if reader is None:
        return ()
    words = score.edits.reader_words
    instead = f"{pseudonyms.reader(reader.name)} ({reader.role})"
    return tuple((form, instead) for form in dict.fromkeys((words, words[:1].upper() + words[1:])))


def _clean_regions(data: dict[str, Any]) -> None:
    """Replace regions that a reader wrote by the organ, in place."""
    lists = [data["body"]["lesions"]] if data["body"] is not None else []
    lists += [data["segmentation"]["body"]["foci"]] if data["segmentation"]["body"] is not None else []
    for place in (each for found in lists for each in found):
        if place["source"] != "search":
            place["region"] = place["organ"].replace("_", " ")


def _clean_edits(edits: dict[str, Any], checklist: list[str], pseudonyms: Pseudonyms) -> None:
    """Remove names and free text of readers from their edits, in place."""
    for reader in (edits["reader"], *(drawn["reader"] for drawn in edits["mask_edits"])):
        if reader is not None:
            reader["name"] = pseudonyms.reader(reader["name"])
    for lesion in edits["lesions"]:
        lesion["comment"] = lesion["comment"] and _REMOVED
    if (body := edits["body"]) is not None:
        for said in (*body["answers"], *body["added"]):
            said["comment"] = said["comment"] and _REMOVED
        for point in body["added"]:
            point["region"] = None
    if (fdg := edits["fdg"]) is not None:
        for said in fdg["answers"]:
            said["comment"] = said["comment"] and _REMOVED
    for verdict in edits["verdicts"]:
        verdict["reason"] = verdict["reason"] and _REMOVED
    edits["checklist"] = {key: value for key, value in edits["checklist"].items() if key in checklist}
