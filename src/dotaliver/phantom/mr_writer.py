"""Write an MR series of a phantom as classic MR Image Storage objects, as a scanner would send them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dotaliver.phantom.clock import phantom_uid, timing
from dotaliver.phantom.mr import MrSequence, PhantomMr

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dotaliver.phantom.study import PhantomStudy

__all__ = ["write_mr"]

_MR_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.4"
_DAYS_AFTER_PET = 3
# Usual acquisitions at 1.5 T: spoiled gradient echo 20 min after gadoxetate, fat-suppressed fast spin echo, and
# spin-echo echo planar imaging.
_ELEMENTS: dict[MrSequence, dict[str, str | list[str] | float]] = {
    "t1_hepatobiliary": {
        "SeriesDescription": "T1 VIBE FS tra HBP 20 min",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"],
        "ScanningSequence": "GR",
        "SequenceVariant": ["SP", "OSP"],
        "ScanOptions": "FS",
        "MRAcquisitionType": "3D",
        "RepetitionTime": "4.2",
        "EchoTime": "1.9",
        "FlipAngle": "20",
        "ContrastBolusAgent": "Gadoxetate disodium",
        "ContrastBolusStartTime": "100000",
        "AcquisitionTime": "102000",
    },
    "t2": {
        "SeriesDescription": "T2 TSE FS tra",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ScanningSequence": "SE",
        "SequenceVariant": ["SK", "SP"],
        "ScanOptions": "FS",
        "MRAcquisitionType": "2D",
        "RepetitionTime": "3000",
        "EchoTime": "82",
        "FlipAngle": "150",
        "AcquisitionTime": "101000",
    },
    "dwi": {
        "SeriesDescription": "DWI tra b800",
        "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"],
        "ScanningSequence": ["SE", "EP"],
        "SequenceVariant": "SK",
        "ScanOptions": "FS",
        "MRAcquisitionType": "2D",
        "RepetitionTime": "5200",
        "EchoTime": "68",
        "FlipAngle": "90",
        "DiffusionBValue": 800.0,
        "AcquisitionTime": "101500",
    },
}


def write_mr(study: PhantomStudy, mr: PhantomMr, folder: Path, number: int) -> None:
    """Write one MR series of a phantom, three days after its PET; file names carry no order.

    Parameters
    ----------
    folder : pathlib.Path
        Made here.
    number : int
        Series Number.
    """
    folder.mkdir(parents=True)
    for k in range(mr.image.geometry.shape[0]):
        dataset = _slice(study, mr, k, number)
        name = hashlib.sha256(str(dataset.SOPInstanceUID).encode()).hexdigest()[:16]
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _slice(study: PhantomStudy, mr: PhantomMr, k: int, number: int) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    grid, names = mr.image.geometry, ("mr", mr.spec.seed, mr.spec.sequence)
    ds = Dataset()
    _patient_and_study(ds, study)
    ds.Modality, ds.SOPClassUID = "MR", _MR_SOP_CLASS
    ds.StudyInstanceUID = phantom_uid(study.spec, "mr study", mr.spec.seed)
    ds.SeriesInstanceUID = phantom_uid(study.spec, *names)
    ds.SOPInstanceUID = phantom_uid(study.spec, *names, k)
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = number, k + 1, 1
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = grid.frame_of_reference_uid, ""
    ds.PatientPosition, ds.MagneticFieldStrength = "HFS", "1.5"
    ds.ImagePositionPatient = [_decimal(v) for v in grid.index_to_lps((k, 0, 0))]
    _, along_rows, along_columns = grid.directions
    ds.ImageOrientationPatient = [_decimal(v) for v in (*along_columns, *along_rows)]
    ds.PixelSpacing = [_decimal(v) for v in grid.spacing_mm[1:]]
    ds.SliceThickness = ds.SpacingBetweenSlices = _decimal(grid.spacing_mm[0])
    for keyword, value in _ELEMENTS[mr.spec.sequence].items():
        setattr(ds, keyword, value)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = grid.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = mr.image.array[k].astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def _patient_and_study(ds: Dataset, study: PhantomStudy) -> None:
    spec, on = study.spec, timing(study.spec).scan + timedelta(days=_DAYS_AFTER_PET)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID = "Phantom^Dotaliver", f"PHANTOM-{spec.name}-{spec.seed}"
    ds.PatientBirthDate, ds.PatientSex = "", spec.patient.sex
    ds.PatientWeight = f"{spec.patient.weight_kg:g}"
    ds.BodyPartExamined, ds.StudyDescription = "LIVER", "Phantom MR liver"
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "2", "", ""
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, name, on.strftime("%Y%m%d"))
    for name in ("StudyTime", "SeriesTime", "ContentTime"):
        setattr(ds, name, "100000")
    ds.Manufacturer, ds.ManufacturerModelName = "dotaliver", "phantom"


def _decimal(value: float) -> str:
    return f"{float(value):.9g}"
