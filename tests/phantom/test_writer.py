"""The DICOM files that a phantom study is written as."""

import json
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dotaliver.errors import OutputError
from dotaliver.phantom.study import study_volumes
from dotaliver.phantom.writer import write_study


@pytest.fixture(scope="module")
def folder(moderate, tmp_path_factory):
    path = tmp_path_factory.mktemp("phantom") / "new"
    write_study(moderate, path)
    return path


def series(folder, name):
    slices = [pydicom.dcmread(path) for path in sorted((folder / "study" / name).iterdir())]
    return slices, sorted(slices, key=lambda ds: float(ds.ImagePositionPatient[2]))


@pytest.mark.parametrize("name", ["ct", "pet"])
def test_voxels_and_places_come_back_from_the_files(folder, moderate, name):
    volume = getattr(moderate, name)
    _, stack = series(folder, name)
    array = np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in stack])
    assert (array.astype(volume.array.dtype) == volume.array).all()
    for k, ds in enumerate(stack):
        assert np.allclose(
            [float(v) for v in ds.ImagePositionPatient], volume.geometry.index_to_lps((k, 0, 0)), atol=1e-4
        )
        assert np.allclose([float(v) for v in ds.PixelSpacing], volume.geometry.spacing_mm[1:])
        assert [float(v) for v in ds.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
    assert [str(ds.SOPInstanceUID) for ds in stack] == list(
        getattr(study_volumes(moderate).identity, name).sop_instance_uids
    )


def test_pet_slices_have_slopes_of_their_own(folder):
    _, stack = series(folder, "pet")
    assert len({str(ds.RescaleSlope) for ds in stack}) > len(stack) // 2


def test_file_names_carry_no_order(folder):
    by_name, by_place = series(folder, "ct")
    assert [ds.SOPInstanceUID for ds in by_name] != [ds.SOPInstanceUID for ds in by_place]
    assert all(path.suffix == ".dcm" for path in (folder / "study").rglob("*") if path.is_file())


def test_what_suv_needs_stands_in_the_header(folder, moderate):
    ds = series(folder, "pet")[1][0]
    item = ds.RadiopharmaceuticalInformationSequence[0]
    assert (ds.Units, ds.DecayCorrection) == ("BQML", "START")
    assert float(item.RadionuclideHalfLife) == 4062.6
    assert float(item.RadionuclideTotalDose) == pytest.approx(moderate.truth.injected_activity_mbq * 1e6)
    assert "DOTATATE" in item.Radiopharmaceutical
    assert item.RadionuclideCodeSequence[0].CodeMeaning == "^68^Gallium"
    assert float(ds.PatientWeight) == moderate.truth.weight_kg
    assert float(ds.PatientSize) == moderate.truth.height_m
    ct = series(folder, "ct")[1][0]
    assert ct.FrameOfReferenceUID == ds.FrameOfReferenceUID
    assert ct.StudyInstanceUID == ds.StudyInstanceUID
    assert ct.SeriesInstanceUID != ds.SeriesInstanceUID


def test_the_truth_stands_beside_the_files(folder, moderate):
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["burden"] == pytest.approx(moderate.truth.burden)
    assert truth["expected"]["INC7"] == "met"
    names = {"truth_liver": "liver", "truth_lesions": "lesions", "truth_lesions_on_pet": "lesions_on_pet"}
    for file, field in names.items():
        image = sitk.ReadImage(str(folder / f"{file}.nii.gz"))
        labels = getattr(moderate, field)
        assert (sitk.GetArrayFromImage(image) == labels.array).all()
        assert np.allclose(image.GetOrigin(), labels.geometry.origin_lps_mm, atol=1e-3)


def test_the_same_specification_writes_the_same_files(folder, moderate, tmp_path):
    write_study(moderate, tmp_path / "again")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.dcm"))
    assert files == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.dcm"))
    assert (folder / files[0]).read_bytes() == (tmp_path / "again" / files[0]).read_bytes()


def test_a_folder_with_files_in_it_is_left_alone(folder, moderate):
    with pytest.raises(OutputError, match="not an empty folder"):
        write_study(moderate, folder)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("name", ["ct", "pet"])
def test_dciodvfy_finds_no_error(folder, name):
    path = sorted((folder / "study" / name).iterdir())[0]
    result = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Error" not in result.stderr
