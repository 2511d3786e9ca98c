"""What `inspect` tells: series, choice, SUV arithmetic and statistics; also where SUV is refused."""

import json
import shutil
from datetime import timedelta
from io import StringIO

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid
from rich.console import Console

from dotaliver.cli.inspection_tables import inspection_tables
from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.moments import parse_date
from dotaliver.dicom.study import load_study
from dotaliver.errors import MaskError, StudyError
from dotaliver.image.itk import to_itk
from dotaliver.image.volume import LabelMap
from dotaliver.pipeline.inspection import inspect_study
from fixtures.dicom_series import REMOVED, write_series, write_study

# 60 min after 150 MBq of 68Ga in 78 kg
SLOPE = 78000 / (150e6 * 2 ** (-3600 / 4062.6))


def write_mask(path, labels, grid):
    sitk.WriteImage(to_itk(LabelMap(labels, grid)), str(path))
    return path


def test_statistics_of_image_and_mask(tmp_path):
    folder = tmp_path / "study"
    write_series(folder)
    grid = load_study(folder, ScoringConfig()).pet.geometry
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[0, 0, :4] = 1  # stored values 0, 1, 2, 3
    mask = write_mask(tmp_path / "m.nrrd", labels, grid)
    told = json.loads(inspect_study(folder, mask=mask).model_dump_json())
    image, within = told["suv"]["image"], told["suv"]["within_mask"]
    # stored values run from 0 to 119
    for key, value in {"min": 0, "median": 59.5, "mean": 59.5, "max": 119}.items():
        assert image[key] == pytest.approx(value * SLOPE, rel=1e-6)
    for key, value in {"min": 0, "median": 1.5, "mean": 1.5, "max": 3}.items():
        assert within[key] == pytest.approx(value * SLOPE, rel=1e-6)
    assert within["voxels"] == 4
    assert told["refused"] is None


def test_mask_drawn_on_ct_is_brought_to_the_pet(tmp_path):
    folder = write_study(tmp_path / "study")
    study = load_study(folder, ScoringConfig())
    labels = np.ones(study.ct.array.shape, np.uint8)
    mask = write_mask(tmp_path / "m.nrrd", labels, study.ct.geometry)
    within = inspect_study(folder, mask=mask).suv.within_mask
    # every centre of the 6 x 5 x 4 PET voxels that lies in the CT's field of 18 x 8 x 8 mm from (-11, -21, 28.5)
    points = study.pet.geometry.index_to_lps(np.argwhere(np.ones((6, 5, 4))))
    assert within.voxels == study.ct.geometry.contains(points).sum()


def test_series_are_listed_with_choice_and_reason(tmp_path):
    write_study(tmp_path)
    write_series(tmp_path / "nac", number=9, elements={"Units": "PROPCNTS", "SeriesDescription": "PET NAC"})
    lines = {line.number: line for line in inspect_study(tmp_path).series}
    assert {n: line.used_as for n, line in lines.items()} == {2: "ct", 3: "pet", 9: None}
    assert lines[3].spacing_mm == (3.0, 2.0, 1.5)
    assert (lines[3].units, lines[3].attenuation_corrected) == ("BQML", True)
    assert (lines[9].units, lines[9].attenuation_corrected) == ("PROPCNTS", False)
    assert (lines[2].slices, lines[2].rows, lines[2].columns) == (9, 8, 8)


def test_refused_suv_still_lists_the_series(tmp_path):
    write_series(tmp_path, elements={"PatientWeight": REMOVED})
    inspection = inspect_study(tmp_path)
    assert inspection.suv is None
    assert "Patient's Weight (0010,1030)" in inspection.refused
    assert inspection.acquisition.tracer == "Ga-68 DOTATATE"
    assert [line.used_as for line in inspection.series] == ["pet"]


def test_folder_without_pet_still_lists_the_series(tmp_path):
    write_series(tmp_path, modality="CT")
    inspection = inspect_study(tmp_path)
    assert "no PET series" in inspection.refused
    assert [line.modality for line in inspection.series] == ["CT"]


def test_broken_ct_does_not_hide_why(tmp_path):
    write_study(tmp_path)
    (tmp_path / "ct" / "004.dcm").unlink()
    inspection = inspect_study(tmp_path)
    assert "1 slice(s) are missing" in inspection.refused
    assert {line.modality: line.spacing_mm is None for line in inspection.series} == {"CT": True, "PT": False}


def test_empty_folder_and_foreign_mask_are_errors(tmp_path):
    with pytest.raises(StudyError):
        inspect_study(tmp_path)
    write_series(tmp_path / "study")
    grid = load_study(tmp_path / "study", ScoringConfig()).pet.geometry.moved((0, 0, 900))
    mask = write_mask(tmp_path / "m.nrrd", np.ones(grid.shape, np.uint8), grid)
    with pytest.raises(MaskError, match="lies outside"):
        inspect_study(tmp_path / "study", mask=mask)


def test_an_fdg_pet_is_named_with_its_days_and_whether_it_can_be_compared(tmp_path):
    folder = write_study(tmp_path / "study")
    shutil.copytree(write_study(tmp_path / "other"), tmp_path / "fdg")
    for path in (tmp_path / "fdg").rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(ds, keyword, generate_uid(entropy_srcs=[getattr(ds, keyword)]))
        ds.StudyDate = (parse_date(ds.StudyDate) + timedelta(days=12)).strftime("%Y%m%d")
        if ds.Modality == "PT":
            ds.RadiopharmaceuticalInformationSequence[0].Radiopharmaceutical = "Fluorodeoxyglucose"
            ds.RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife = "6586.2"
            for keyword in ("RadionuclideCodeSequence", "RadiopharmaceuticalCodeSequence"):
                ds.RadiopharmaceuticalInformationSequence[0].pop(keyword, None)
        ds.save_as(path)
    found = inspect_study(folder, fdg=tmp_path / "fdg")
    (pet,) = found.fdg
    assert (pet.days, pet.usable) == (12, True)
    assert found.refused is None
    screen = StringIO()
    Console(file=screen, width=200).print(inspection_tables(found))
    assert "FDG PET" in screen.getvalue()
    assert "+12" in screen.getvalue()
    assert inspect_study(folder).fdg == ()
    with pytest.raises(StudyError, match=r"^--fdg: the folder holds no FDG PET"):
        inspect_study(folder, fdg=folder)
