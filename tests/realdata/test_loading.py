"""Real scans and reference objects, with the figures that their makers or other readers give."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.masks.reading import read_mask
from dotaliver.dicom.pet.suv_inputs import suv_inputs
from dotaliver.dicom.pixels.series import read_series
from dotaliver.dicom.study import load_study
from dotaliver.errors import SeriesError, StudyError, SuvError
from dotaliver.image.itk import geometry_from_itk
from dotaliver.pipeline.inspection import inspect_study
from dotaliver.suv.arithmetic import suvbw_arithmetic
from fixtures.dicom_series import REMOVED, ramp, write_series

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
    # Its Frame Reference Times are offsets of beds that share one Acquisition Time: no way to the reference time
    assert "REFERENCE_TIMES_DIFFER" not in codes(study)
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


OBJECTS = ["0_0", "1_0", "2_0", "2_1", "2_4", "3_1", "3_2", "3_3", "4_1", "5_0"]


@pytest.mark.parametrize("name", [f"DRO_{n}" for n in OBJECTS])
def test_reference_objects_to_two_decimals(data, name):
    folder = need(data, "suv_reference_objects") / name
    within = inspect_study(folder / "PT", mask=folder / "mask").suv.within_mask
    assert [f"{v:.2f}" for v in (within.min, within.median, within.max)] == ["0.20", "1.00", "4.00"]


VENDORS = ["SIEMENS", "GE_MEDICAL_AND_BQML", "PHILIPS_CNTS_AND_SUV", "RADIOPHARM_DATETIME_UNDEFINED"]


# The header sets hold no pixels, no nuclide and no position: these are put around them.
@pytest.mark.parametrize(
    "name", ["SIEMENS", "GE_MEDICAL_AND_BQML", "PHILIPS_CNTS_AND_SUV", "RADIOPHARM_DATETIME_UNDEFINED"]
)
def test_vendor_headers_lead_to_the_expected_factor(data, name, tmp_path):
    folder = need(data, "suv_vendor_headers")
    slices = json.loads((folder / f"{name}-instances.json").read_text())
    write_headers(tmp_path, slices)
    (series,) = index_folder(tmp_path).series
    inputs, flags = suv_inputs(series, AssumedValues())
    expected = json.loads((folder / "expected_suvbw_factor.json").read_text())[name]
    result = suvbw_arithmetic(inputs)
    assert result.voxel_factors == (pytest.approx(expected, rel=1e-6),)
    assert abs(result.alternative_percent or 0.0) < 1
    assert {flag.code for flag in flags} <= {"NUCLIDE_UNKNOWN"}


def write_headers(folder, slices):
    tracer = {k: str(v) for k, v in slices[0].items() if k.startswith("Radio")}
    gone = [k for k in ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime") if k not in tracer]
    elements = {(0x70530010, "LO"): "Philips PET Private Group"}
    for k in ("SUVScaleFactor", "ActivityConcentrationScaleFactor"):
        value = slices[0]["PhilipsPETPrivateGroup"].get(k)
        if value is not None:
            elements[0x70531000 if k == "SUVScaleFactor" else 0x70531009, "DS"] = value
    per_slice = {
        k: [str(part[k]) if not isinstance(part[k], list) else part[k] for part in slices]
        for k in slices[0]
        if not k.startswith(("Radio", "Philips"))
    }
    write_series(
        folder,
        stored=ramp((len(slices), 4, 4)),
        elements=elements,
        per_slice=per_slice,
        tracer=tracer
        | dict.fromkeys(gone, REMOVED)
        | {"RadionuclideCodeSequence": REMOVED, "Radiopharmaceutical": "FDG"},
    )


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


# --- series that are no single volume, made of a real scanner's headers ---------------------------------------------


def rearranged(source, target, changes):
    """Slices of a real PET, each with other elements: one dictionary of them a file."""
    target.mkdir()
    slices = sorted((pydicom.dcmread(p) for p in source.iterdir()), key=lambda ds: float(ds.ImagePositionPatient[2]))
    middle = slices[60:70]
    for k, (which, elements) in enumerate(changes):
        ds = pydicom.dcmread(middle[which].filename)
        ds.NumberOfSlices = len(changes)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        ds.save_as(target / f"{k}.dcm")
    return target


def places(source):
    slices = [pydicom.dcmread(p, stop_before_pixels=True) for p in source.iterdir()]
    return sorted(float(ds.ImagePositionPatient[2]) for ds in slices)[60:70]


def test_times_of_a_real_scanner_at_one_place_are_refused(data, tmp_path):
    source = need(data, "petct_fdg_ge") / "pet_ac"
    times = [(k, {"AcquisitionTime": f"10{10 * t:02d}00.00"}) for t in range(3) for k in range(10)]
    folder = rearranged(source, tmp_path / "dynamic", times)
    with pytest.raises(SeriesError, match=r"each of its 10 positions occurs 3 times, so it is a dynamic or gated"):
        load_study(folder, CONFIG)


@pytest.mark.parametrize("kind", ["DYNAMIC", "GATED"])
def test_series_that_call_themselves_dynamic_or_gated_are_refused(data, tmp_path, kind):
    source = need(data, "petct_fdg_ge") / "pet_ac"
    folder = rearranged(source, tmp_path / "gated", [(k, {"SeriesType": [kind, "IMAGE"]}) for k in range(10)])
    with pytest.raises(StudyError, match=rf"a {kind.lower()} series; give one static volume"):
        load_study(folder, CONFIG)


def test_beds_of_a_real_scanner_that_overlap_are_refused(data, tmp_path):
    source = need(data, "petct_fdg_ge") / "pet_ac"
    first = [(k, {"AcquisitionTime": "101000.00"}) for k in range(6)]
    # The second bed's slices lie between those of the first where the two meet
    second = []
    for k, z in enumerate(places(source)[4:10], start=4):
        where = pydicom.dcmread(next(source.iterdir()), stop_before_pixels=True).ImagePositionPatient
        second.append((k, {"AcquisitionTime": "101500.00", "ImagePositionPatient": [where[0], where[1], z + 1.5]}))
    folder = rearranged(source, tmp_path / "beds", first + second)
    with pytest.raises(SeriesError, match=r"its 2 bed positions overlap by up to .* give the whole-body series"):
        load_study(folder, CONFIG)
