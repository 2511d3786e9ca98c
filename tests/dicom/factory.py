"""Small DICOM series, written slice by slice with pydicom, with every element open to change."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid
from pydicom.valuerep import format_number_as_ds

PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
STUDY_UID = "1.2.826.0.1.3680043.10.999.1"
FRAME_UID = "1.2.826.0.1.3680043.10.999.2"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
REMOVED = object()


@dataclass
class Recipe:
    """One series: stored values, grid, per-slice slopes, and elements to set (REMOVED takes one away)."""

    modality: str = "PT"
    number: int = 3
    stored: np.ndarray = field(default_factory=lambda: ramp((6, 5, 4)))
    origin: tuple = (-10.0, -20.0, 30.0)
    spacing: tuple = (3.0, 2.0, 1.5)
    cosines: tuple = AXIAL
    slopes: tuple = ()
    intercept: float = 0.0
    uid: str = ""
    elements: dict = field(default_factory=dict)
    tracer: dict = field(default_factory=dict)
    per_slice: dict = field(default_factory=dict)
    positions: np.ndarray | None = None
    name: str = "{n:03d}.dcm"


def ramp(shape, start=0):
    """Distinct whole numbers, int16."""
    return (np.arange(np.prod(shape)).reshape(shape) + start).astype(np.int16)


def _code(value, scheme, meaning):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _tracer(changes):
    item = Dataset()
    item.Radiopharmaceutical = "Ga-68 DOTATATE"
    item.RadiopharmaceuticalStartTime = "090000"
    item.RadiopharmaceuticalStartDateTime = "20260302090000"
    item.RadionuclideTotalDose = "150000000"
    item.RadionuclideHalfLife = "4062.6"
    item.RadionuclideCodeSequence = Sequence([_code("C-131A3", "SRT", "^68^Gallium")])
    _change(item, changes)
    return item


def _change(dataset, changes):
    for keyword, value in changes.items():
        if value is REMOVED:
            if keyword in dataset:
                delattr(dataset, keyword)
        elif isinstance(keyword, str):
            setattr(dataset, keyword, value)
        else:
            tag, vr = keyword
            dataset.add_new(tag, vr, value)


def _common(recipe, uid):
    ds = Dataset()
    ds.SOPClassUID = PET_CLASS if recipe.modality == "PT" else CT_CLASS
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality = recipe.modality
    ds.PatientName, ds.PatientID = "Secret^Name", "PAT-1"
    ds.PatientSex, ds.PatientSize, ds.PatientWeight = "F", "1.72", "78"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY_UID, uid, FRAME_UID
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20260302"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "100000"
    ds.SeriesNumber = str(recipe.number)
    ds.SeriesDescription = "PET AC" if recipe.modality == "PT" else "CT AC"
    ds.Manufacturer = "Maker"
    ds.PixelSpacing = [str(recipe.spacing[1]), str(recipe.spacing[2])]
    ds.SliceThickness = str(recipe.spacing[0])
    ds.ImageOrientationPatient = [format_number_as_ds(float(c)) for c in recipe.cosines]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = recipe.stored.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(recipe.stored.dtype.kind == "i")
    return ds


def _pet(ds, recipe):
    ds.Units, ds.DecayCorrection = "BQML", "START"
    ds.SeriesType = ["WHOLE BODY", "IMAGE"]
    ds.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    ds.ActualFrameDuration, ds.FrameReferenceTime = "180000", "89769.7"
    ds.NumberOfSlices = len(recipe.stored)
    ds.RadiopharmaceuticalInformationSequence = Sequence([_tracer(recipe.tracer)])


def write_series(folder, **changes):
    """Write one series into a folder; returns the paths, in the order of the stored slices."""
    recipe = Recipe(**changes)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    uid = recipe.uid or generate_uid()
    cosines = np.array(recipe.cosines, dtype=float)
    normal = np.cross(cosines[:3], cosines[3:])
    paths = []
    for k, plane in enumerate(recipe.stored):
        ds = _common(recipe, uid)
        if recipe.modality == "PT":
            _pet(ds, recipe)
        place = np.array(recipe.origin) + k * recipe.spacing[0] * normal
        if recipe.positions is not None:
            place = recipe.positions[k]
        ds.ImagePositionPatient = [format_number_as_ds(float(v)) for v in place]
        ds.RescaleSlope = str(recipe.slopes[k] if len(recipe.slopes) else 1)
        ds.RescaleIntercept = str(recipe.intercept)
        ds.InstanceNumber = str(k + 1)
        ds.SOPInstanceUID = generate_uid()
        ds.PixelData = plane.tobytes()
        _change(ds, recipe.elements)
        _change(ds, {keyword: values[k] for keyword, values in recipe.per_slice.items()})
        path = folder / recipe.name.format(n=k)
        _save(ds, path)
        paths.append(path)
    return paths


def _save(ds, path):
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds["PixelData"].VR = "OW"
    ds.save_as(path, enforce_file_format=True)


def rewritten(path, syntax):
    """Write one file again in another transfer syntax."""
    ds = pydicom.dcmread(path)
    if syntax in {RLELossless, JPEG2000Lossless}:
        ds.compress(syntax)
        ds.save_as(path)
        return
    ds.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, force_encoding=True)


def write_study(folder, *, pet=None, ct=None):
    """A PET of 6 slices and a CT of 9 that covers it."""
    write_series(Path(folder) / "pet", **(pet or {}))
    write_series(
        Path(folder) / "ct",
        **(
            {
                "modality": "CT",
                "number": 2,
                "stored": ramp((9, 8, 8), -100),
                "spacing": (2.0, 1.0, 1.0),
                "origin": (-10.5, -20.5, 29.5),
            }
            | (ct or {})
        ),
    )
    return Path(folder)
