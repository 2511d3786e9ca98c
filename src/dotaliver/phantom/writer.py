"""Write a phantom study: DICOM series as a scanner would send them, and the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset

from dotaliver.errors import OutputError
from dotaliver.image.arrays import Array
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.phantom.clock import (
    CT_SOP_CLASS,
    FRAME_DURATION_S,
    HALF_LIFE_68GA_S,
    PET_SOP_CLASS,
    frame_timing,
    phantom_uid,
    timing,
)
from dotaliver.phantom.mr import PhantomMr
from dotaliver.phantom.mr_writer import write_mr
from dotaliver.phantom.physics import pet_slopes
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.study import PhantomStudy

__all__ = ["write_images", "write_study"]

_CT_INTERCEPT = -1024
_FIRST_MR_NUMBER = 11
_POSITRON_FRACTION_68GA = 0.891  # Nuclear Data Sheets, A = 68


def write_study(study: PhantomStudy, folder: Path, mrs: Sequence[PhantomMr] = ()) -> None:
    """Write a phantom study and its truth.

    Makes ``study/ct/*.dcm`` and ``study/pet/*.dcm`` (file names carry no order), ``truth_liver.nii.gz`` and
    ``truth_lesions.nii.gz`` on the CT's grid, ``truth_lesions_on_pet.nii.gz`` on the PET's, and ``truth.json``. Each MR
    goes to ``study/mr_SEQUENCE``, with its lesions in ``truth_lesions_on_mr_SEQUENCE.nii.gz`` and how it was made in
    ``truth_mr.json``.

    Parameters
    ----------
    study : PhantomStudy
    folder : pathlib.Path
        Made where absent; must be empty.
    mrs : sequence of PhantomMr
        MR series of the same phantom.

    Raises
    ------
    OutputError
        Where the folder holds files already, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} is not an empty folder; name a new one for the phantom study"
        raise OutputError(msg)
    try:
        write_images(study, folder / "study")
        _write_mrs(study, mrs, folder)
        _write_labels(study.liver, folder / "truth_liver.nii.gz")
        _write_labels(study.lesions, folder / "truth_lesions.nii.gz")
        _write_labels(study.lesions_on_pet, folder / "truth_lesions_on_pet.nii.gz")
        (folder / "truth.json").write_text(study.truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{folder} cannot be written ({error.strerror or error}); choose another folder or make room"
        raise OutputError(msg) from error


def write_images(study: PhantomStudy, folder: Path) -> None:
    """Write the images alone, slice by slice: ``ct/*.dcm`` and ``pet/*.dcm``."""
    for name, write in (("ct", _write_ct), ("pet", _write_pet)):
        (folder / name).mkdir(parents=True)
        write(study, folder / name)


def _write_mrs(study: PhantomStudy, mrs: Sequence[PhantomMr], folder: Path) -> None:
    for number, mr in enumerate(mrs, start=_FIRST_MR_NUMBER):
        name = f"mr_{mr.spec.sequence}"
        write_mr(study, mr, folder / "study" / name, number)
        _write_labels(mr.lesions, folder / f"truth_lesions_on_{name}.nii.gz")
    if mrs:
        text = json.dumps([mr.spec.model_dump(mode="json") for mr in mrs], indent=1)
        (folder / "truth_mr.json").write_text(text + "\n", encoding="utf-8")


def _planes(volume: Volume) -> Iterator[Array]:
    for slab in volume.slabs():
        yield from slab.array


def _write_labels(labels: LabelMap, path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    sitk.WriteImage(to_itk(labels), str(path), useCompression=True, compressionLevel=1)


def _save(dataset: Dataset, folder: Path) -> None:
    name = hashlib.sha256(str(dataset.SOPInstanceUID).encode()).hexdigest()[:16]
    dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _common(study: PhantomStudy, modality: str) -> Dataset:
    """Patient, study, equipment and frame of reference: what all files of a series share."""
    spec, clock = study.spec, timing(study.spec)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.Modality = modality
    ds.PatientName = "Phantom^Dotaliver"
    ds.PatientID = f"PHANTOM-{spec.name}-{spec.seed}"
    ds.PatientBirthDate = ""
    ds.PatientSex = spec.patient.sex
    ds.PatientWeight = f"{spec.patient.weight_kg:g}"
    ds.PatientSize = f"{spec.patient.height_m:g}"
    ds.BodyPartExamined = "ABDOMEN"
    ds.StudyInstanceUID = phantom_uid(spec, "study")
    ds.StudyID = "1"
    ds.StudyDescription = "Phantom 68Ga-DOTATATE PET/CT"
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, name, clock.scan.strftime("%Y%m%d"))
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(ds, name, clock.scan.strftime("%H%M%S"))
    ds.Manufacturer = "dotaliver"
    ds.ManufacturerModelName = "phantom"
    ds.FrameOfReferenceUID = study.ct.geometry.frame_of_reference_uid
    ds.PositionReferenceIndicator = ""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    return ds


def _image(common: Dataset, study: PhantomStudy, kind: str, k: int) -> Dataset:
    """One slice of a series, without its pixels."""
    from pydicom.uid import ExplicitVRLittleEndian

    grid = (study.ct if kind == "ct" else study.pet).geometry
    ds = Dataset()
    ds.update(common)
    ds.SOPInstanceUID = phantom_uid(study.spec, kind, k)
    ds.InstanceNumber = k + 1
    ds.ImagePositionPatient = [_ds(v) for v in grid.index_to_lps((k, 0, 0))]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = [_ds(grid.spacing_mm[1]), _ds(grid.spacing_mm[2])]
    ds.SliceThickness = _ds(grid.spacing_mm[0])
    ds.Rows, ds.Columns = grid.shape[1:]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{float(value):.9g}"


def _write_ct(study: PhantomStudy, folder: Path) -> None:
    common = _common(study, "CT")
    common.SOPClassUID = CT_SOP_CLASS
    common.SeriesInstanceUID = phantom_uid(study.spec, "ct")
    common.SeriesNumber = 2
    common.SeriesDescription = "CT abdomen"
    common.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    common.AcquisitionNumber = 1
    common.PatientPosition = "HFS"  # the PET has coded patient orientation instead
    common.KVP = "120"
    common.PixelRepresentation = 0
    common.RescaleIntercept, common.RescaleSlope, common.RescaleType = str(_CT_INTERCEPT), "1", "HU"
    common.WindowCenter, common.WindowWidth = "60", "360"
    if study.spec.scanner.contrast_phase != "native":
        common.ContrastBolusAgent = "Iodinated contrast"
    for k, plane in enumerate(_planes(study.ct)):
        ds = _image(common, study, "ct", k)
        ds.PixelData = (plane.astype(np.int32) - _CT_INTERCEPT).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
        _save(ds, folder)


def _write_pet(study: PhantomStudy, folder: Path) -> None:
    common = _pet_common(study)
    count = study.pet.geometry.shape[0]
    for k, stored in enumerate(_planes(study.pet)):
        plane = stored.astype(np.float32, copy=False)
        slope = pet_slopes(plane[None])[0]
        ds = _image(common, study, "pet", k)
        ds.RescaleIntercept, ds.RescaleSlope = "0", f"{slope:.5e}"
        ds.ImageIndex = count - k
        ds.SliceLocation = _ds(study.pet.geometry.index_to_lps((k, 0, 0))[2])
        ds.PixelData = _stored(plane, float(slope)).tobytes()
        ds["PixelData"].VR = "OW"
        _save(ds, folder)


def _stored(plane: npt.NDArray[np.float32], slope: float) -> Array:
    return np.asarray(np.rint(plane / slope), dtype="<i2")


def _pet_common(study: PhantomStudy) -> Dataset:
    common = _common(study, "PT")
    common.SOPClassUID = PET_SOP_CLASS
    common.SeriesInstanceUID = phantom_uid(study.spec, "pet")
    common.SeriesNumber = 3
    common.SeriesDescription = "PET AC abdomen"
    common.ImageType = ["ORIGINAL", "PRIMARY"]
    common.PixelRepresentation = 1
    common.Units = "BQML"
    common.CountsSource = "EMISSION"
    common.SeriesType = ["STATIC", "IMAGE"]
    common.NumberOfSlices = study.pet.geometry.shape[0]
    common.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
    common.DecayCorrection = "START"
    common.DecayFactor = "1"
    common.AttenuationCorrectionMethod = "CT"
    common.ScatterCorrectionMethod = "model"
    common.RandomsCorrectionMethod = "DLYD"
    common.ReconstructionMethod = "OSEM"
    common.CollimatorType = "NONE"
    common.ActualFrameDuration = str(int(FRAME_DURATION_S * 1000))
    common.FrameReferenceTime = _ds((frame_timing(study.spec).reference_s or 0.0) * 1000)
    common.RadiopharmaceuticalInformationSequence = [_radiopharmaceutical(study.spec)]
    common.PatientOrientationCodeSequence = [_recumbent_supine()]
    common.PatientGantryRelationshipCodeSequence = [_code("102540008", "SCT", "headfirst")]
    return common


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _recumbent_supine() -> Dataset:
    item = _code("102538003", "SCT", "recumbent")
    item.PatientOrientationModifierCodeSequence = [_code("40199007", "SCT", "supine")]
    return item


def _radiopharmaceutical(spec: PhantomSpec) -> Dataset:
    clock = timing(spec)
    item = Dataset()
    item.Radiopharmaceutical = "68Ga-DOTATATE"
    item.RadiopharmaceuticalRoute = "Intravenous"
    item.RadiopharmaceuticalStartTime = clock.injection.strftime("%H%M%S")
    item.RadiopharmaceuticalStartDateTime = clock.injection.strftime("%Y%m%d%H%M%S")
    item.RadionuclideTotalDose = _ds(clock.injected_activity_bq)
    item.RadionuclideHalfLife = _ds(HALF_LIFE_68GA_S)
    item.RadionuclidePositronFraction = _ds(_POSITRON_FRACTION_68GA)
    item.RadionuclideCodeSequence = [_code("35337001", "SCT", "^68^Gallium")]
    item.RadiopharmaceuticalCodeSequence = [_code("724025002", "SCT", "Dotatate Ga^68^")]
    return item
