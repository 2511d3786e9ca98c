"""The report for any DICOM viewer: an Encapsulated PDF and Secondary Captures in the patient's study."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from dotaliver.export.dicom.derived import NewObject, equipment, make_repeatable, new_object
from dotaliver.export.dicom.source_headers import uid_from
from dotaliver.export.report.content import ReportContent
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.pdf import picture_bytes
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import picture_name

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.sr.coding import Code

__all__ = ["encapsulated_pdf", "secondary_captures"]

_PDF = NewObject("pdf", "1.2.840.10008.5.1.4.1.1.104.1", "DOC", 9005, "dotaliver report")
_PICTURE_SERIES = 9006


def encapsulated_pdf(score: StudyScore, pdf: bytes, header: Dataset) -> Dataset:
    """A PDF as an object of the patient's study (DICOM PS3.3 A.45.1).

    Parameters
    ----------
    score : StudyScore
        What is reported; its ``record_id`` names the object.
    pdf : bytes
        The document. It shows no patient's name.
    header : pydicom.dataset.Dataset
        Header of an image, for patient and study.
    """
    from pydicom.sr.codedict import codes

    dataset: Dataset = new_object(score, _PDF, header)
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.DocumentTitle = "Liver score"
    dataset.ConceptNameCodeSequence = [_item(codes.DCM.ImagingMeasurementReport)]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    # Values have an even length (PS3.5 7.1.1)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return dataset


def _item(code: Code) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def secondary_captures(score: StudyScore, report: ReportContent, header: Dataset) -> dict[str, Dataset]:
    """The report's key pictures as images of the patient's study, one series, by file name.

    Parameters
    ----------
    report : ReportContent
        What the report shows: the projections, and the lesions with the highest total uptake.
    """
    named: list[tuple[str, Picture]] = [("Maximum-intensity projections", report.mip)]
    named += [(f"Lesion {c.label}", c.picture) for c in report.lesion_cards if c.picture is not None]
    return {
        picture_name(number): _capture(score, title, picture, number, header)
        for number, (title, picture) in enumerate(named, start=1)
    }


def _capture(score: StudyScore, title: str, picture: Picture, number: int, header: Dataset) -> Dataset:
    from highdicom.sc import SCImage
    from PIL import Image

    data = picture_bytes(picture)
    with Image.open(io.BytesIO(data)) as image:
        lossy = image.format == "JPEG"
        pixels = np.asarray(image.convert("RGB"))
    with warnings.catch_warnings():
        # Values copied from the patient's headers are not ours to mend (and their warnings would name them).
        warnings.simplefilter("ignore")
        dataset: Dataset = SCImage(
            pixel_array=pixels,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            study_instance_uid=header.StudyInstanceUID,
            series_instance_uid=uid_from(score.record_id, "pictures", "series"),
            series_number=_PICTURE_SERIES,
            sop_instance_uid=uid_from(score.record_id, "pictures", str(number)),
            instance_number=number,
            patient_orientation=("L", "P"),
            series_description="dotaliver key pictures",
            specific_character_set=header.get("SpecificCharacterSet"),
            **equipment(score),
        )
        dataset.copy_patient_and_study_information(header)
    if number == 1:
        # Two projections side by side have no one orientation
        dataset.PatientOrientation = ""
    dataset.ImageComments = f"{title}. {picture.alt}"[:10240]
    dataset.BurnedInAnnotation = "NO"
    dataset.DerivationDescription = "Drawn from PET, CT and the masks of a liver score; not for measurement"
    dataset.ConversionType = "WSD"
    dataset.Laterality = ""
    if lossy:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = f"{pixels.nbytes / len(data):.2f}"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    make_repeatable(dataset, header, score.record_id, "pictures", str(number))
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
    return dataset
