"""Real scans and reference objects, with the figures that their makers or other readers give."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from dotaliver.config import AssumedValues, ScoringConfig
from dotaliver.dicom.headers import index_folder
from dotaliver.dicom.masks_in import read_mask
from dotaliver.dicom.series import read_series
from dotaliver.dicom.study import load_study
from dotaliver.errors import SuvError
from dotaliver.inspection import inspect_study
from dotaliver.itkimage import geometry_from_itk

CONFIG = ScoringConfig()


def need(data, name):
    folder = data / name
    if not folder.exists():
        pytest.skip(f"{name} is not among the real data")
    return folder


def codes(study):
    return {flag.code for flag in study.flags}


def test_ge_fdg_takes_the_corrected_pet(data):
    study = load_study(need(data, "petct_fdg_ge"), CONFIG)
    assert study.identity.pet.description == "PET AC"
    assert "PET NAC" in study.identity.pet.chosen_because
    assert study.pet.array.shape == (135, 128, 128)
    assert study.ct.array.shape == (135, 512, 512)
    # The study's own Real World Value Mapping
    assert f"{study.suv.slope_per_bqml:.5g}" == "0.00042111"
    assert {"TRACER_NOT_SSTR", "NUCLIDE_NOT_68GA", "UPTAKE_TIME_OUT_OF_RANGE"} <= codes(study)
    assert study.acquisition.nuclide == "18F"


def test_ge_private_stamp_is_moved_by_23_days(data):
    study = load_study(need(data, "petct_fdg_ge"), CONFIG)
    assert "+23 days" in next(s.source for s in study.suv.steps if s.quantity == "Decay reference")


def test_ge_segmentation_lies_on_the_pet(data):
    folder = need(data, "petct_fdg_ge")
    mask = read_mask(folder / "seg", load_study(folder, CONFIG), "lesions")
    assert (mask.drawn_on, mask.origin) == ("pet", "DICOM SEG")
    assert mask.labels.labels == (1, 2)


def test_lutetium_spect_lesions(data):
    folder = need(data, "spect_dotatate_lu177")
    study = load_study(folder, CONFIG)
    assert {"NUCLIDE_NOT_68GA", "NO_CT"} <= codes(study)
    assert study.suv.decay_correction == "ADMIN"
    mask = read_mask(folder / "mask", study, "lesions")
    one, two = (study.pet.array[mask.labels.where(n)].astype(float) for n in (1, 2))
    assert one.max() == pytest.approx(29.1, abs=0.1)
    assert one.mean() == pytest.approx(14.7, abs=0.1)
    assert mask.labels.volume_ml(1) == pytest.approx(107, rel=0.02)
    assert two.mean() == pytest.approx(19.0, abs=0.1)
    assert mask.labels.volume_ml(2) == pytest.approx(2.9, rel=0.05)


@pytest.mark.parametrize("name", ["hybrid_moderate", "hybrid_massive"])
def test_hybrid_studies_are_68ga_dotatate(data, name):
    folder = need(data, name)
    study = load_study(folder / "study", CONFIG)
    assert study.acquisition.tracer_is_sstr
    assert study.acquisition.nuclide == "68Ga"
    assert codes(study) == set()
    truth = json.loads((folder / "truth.json").read_text())
    liver = read_mask(folder / "truth_liver.nii.gz", study, "liver")
    assert liver.drawn_on == "ct"
    assert liver.labels.volume_ml() == pytest.approx(truth["liver_ml"], rel=1e-6)
    lesions = read_mask(folder / "truth_lesions_on_pet.nii.gz", study, "lesions")
    assert lesions.drawn_on == "pet"


@pytest.mark.parametrize("name", ["DRO_0_0", "DRO_1_0", "DRO_3_1", "DRO_3_2", "DRO_3_3", "DRO_4_1", "DRO_5_0"])
def test_reference_objects_in_activity_to_two_decimals(data, name):
    folder = need(data, "suv_reference_objects") / name
    within = inspect_study(folder / "PT", mask=folder / "mask").suv.within_mask
    assert [f"{v:.2f}" for v in (within.min, within.median, within.max)] == ["0.20", "1.00", "4.00"]


@pytest.mark.parametrize(("name", "units"), [("DRO_2_0", "GML"), ("DRO_2_1", "GML"), ("DRO_2_4", "CNTS")])
def test_reference_objects_in_other_units_are_refused_by_name(data, name, units):
    with pytest.raises(SuvError, match=rf"Units \(0054,1001\) is {units}"):
        load_study(need(data, "suv_reference_objects") / name / "PT", CONFIG)


def test_phantom_without_units_names_what_is_missing(data):
    with pytest.raises(SuvError) as caught:
        load_study(need(data, "nema_iq_pet_no_units"), CONFIG)
    for tag in ("0054,1001", "0010,1030", "0018,1074", "0018,1075"):
        assert tag in str(caught.value)
    assert inspect_study(data / "nema_iq_pet_no_units").refused is not None
    with pytest.raises(SuvError, match="Units"):
        assumed = AssumedValues(weight_kg=70, dose_mbq=100)
        load_study(data / "nema_iq_pet_no_units", ScoringConfig(assume=assumed))


def test_ct_of_another_scanner_reads_as_simpleitk_does(data):
    folder = need(data, "ct_abdomen_labelled") / "example_ct_dicom"
    (series,) = (s for s in index_folder(folder).series if s.modality == "CT")
    volume = read_series(series)
    reader = sitk.ImageSeriesReader()
    ordered = sorted(series.slices, key=lambda part: float(part.dataset.ImagePositionPatient[2]))
    reader.SetFileNames([str(part.path) for part in ordered])
    image = reader.Execute()
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    assert geometry_from_itk(image).is_close(volume.geometry, 0.01)
