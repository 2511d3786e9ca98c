"""Headers of the slices that the small cases were 'read' from, and what conformance tools say of an object."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from export_factory import DIAGNOSTIC_FRAME, DIAGNOSTIC_SERIES_UID, DIAGNOSTIC_STUDY_UID, FRAME, STUDY_UID, Case
from pydicom.dataset import Dataset

from dotaliver.export.dicom.derived import encoded
from dotaliver.export.dicom.source_headers import SegSources
from dotaliver.image.geometry import Geometry

CT_CLASS, PET_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
PET_SLOPE = 1.5
needs_dciodvfy = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed"
)
needs_dsrdump = pytest.mark.skipif(
    shutil.which("dsrdump") is None, reason="dsrdump (Debian package dcmtk) is not installed"
)


def headers(grid: Geometry, modality: str) -> list[Dataset]:
    result = []
    for index in range(grid.shape[0]):
        ds = Dataset()
        ds.SOPClassUID = CT_CLASS if modality == "CT" else PET_CLASS
        ds.SOPInstanceUID = f"1.2.3.{30 if modality == 'CT' else 40}.{index}"
        ds.Modality = modality
        ds.PatientName, ds.PatientID = "Secret^Name", "P1"
        ds.PatientBirthDate, ds.PatientSex = "19600101", "F"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY_UID, f"1.2.3.{10 if modality == 'CT' else 20}"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240301", "091500", "1", ""
        ds.FrameOfReferenceUID = FRAME
        ds.Rows, ds.Columns = grid.shape[1:]
        ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation = 16, 16, 1
        ds.RescaleSlope, ds.RescaleIntercept = str(PET_SLOPE if modality == "PT" else 1), "0"
        ds.ImagePositionPatient = [f"{c:.6g}" for c in grid.index_to_lps((index, 0, 0))]
        ds.ImageOrientationPatient = [f"{c:.9g}" for c in (*grid.directions[2], *grid.directions[1])]
        ds.PixelSpacing = [f"{s:.6g}" for s in grid.spacing_mm[1:]]
        ds.SliceThickness = f"{grid.spacing_mm[0]:.6g}"
        ds.PatientWeight = 70.0
        result.append(ds)
    return result


def sources(case: Case) -> SegSources:
    ct, diagnostic = case.volumes.ct, case.volumes.recist_ct
    return SegSources(
        headers(case.volumes.pet.geometry, "PT"),
        None if ct is None else headers(ct.geometry, "CT"),
        None if diagnostic is None else diagnostic_headers(diagnostic.geometry),
    )


def diagnostic_headers(grid: Geometry) -> list[Dataset]:
    result = headers(grid, "CT")
    for index, ds in enumerate(result):
        ds.StudyInstanceUID, ds.SeriesInstanceUID = DIAGNOSTIC_STUDY_UID, DIAGNOSTIC_SERIES_UID
        ds.SOPInstanceUID, ds.FrameOfReferenceUID = f"1.2.3.50.77.{index}", DIAGNOSTIC_FRAME
    return result


def written(dataset, path: Path) -> Path:
    path.write_bytes(dataset if isinstance(dataset, bytes) else encoded(dataset))
    return path


def dciodvfy_errors(path: Path) -> list[str]:
    """The errors that dciodvfy finds in one file; it ends with status 0 after some of them."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert done.returncode == 0 or errors
    return errors
