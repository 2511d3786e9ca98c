"""Enhanced and legacy converted objects: the same study as one file, made by another library and by hand."""

import numpy as np
import pydicom
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.slice_headers import slice_headers
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.pixels.series import read_series
from dotaliver.dicom.study import load_study
from dotaliver.errors import StudyError
from fixtures.dicom_series import CT_CLASS, PET_CLASS, ramp, write_series, write_study
from fixtures.enhanced_dicom import ENHANCED_PET, SLOPES, enhanced

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"


def test_enhanced_pet_reads_as_its_single_frames(tmp_path):
    paths = write_series(tmp_path / "single", slopes=SLOPES, stored=ramp((6, 5, 4), 1))
    folder = enhanced(paths, tmp_path / "multi")
    one, many = (load_study(tmp_path / name, ScoringConfig()) for name in ("multi", "single"))
    assert one.pet.geometry == many.pet.geometry
    # corrected to 09:58 in place of 10:00: two minutes less of decay
    ratio = 2 ** (-120 / 4062.6)
    np.testing.assert_allclose(one.pet.array, many.pet.array * ratio, rtol=1e-6)
    assert one.acquisition.attenuation_corrected
    assert one.identity.pet.sop_class_uid == ENHANCED_PET
    (series,) = index_folder(folder).series
    assert [h.ImagePositionPatient[2] for h in slice_headers(series)] == [30, 33, 36, 39, 42, 45]


def test_enhanced_pet_in_suv_needs_no_dose(tmp_path):
    paths = write_series(tmp_path / "single", slopes=["0.25"] * 6)
    folder = enhanced(paths, tmp_path / "multi", units="g/ml{SUVbw}", drop=["RadiopharmaceuticalInformationSequence"])
    study = load_study(folder, ScoringConfig())
    np.testing.assert_array_equal(study.pet.array, ramp((6, 5, 4)) * 0.25)


def test_enhanced_ct_goes_with_a_pet(tmp_path):
    write_series(tmp_path / "study" / "pet")
    changes = {"modality": "CT", "number": 2, "stored": ramp((9, 8, 8), -100), "spacing": (2.0, 1.0, 1.0)}
    paths = write_series(tmp_path / "single", **changes, origin=(-10.5, -20.5, 29.5), intercept=-24)
    enhanced(paths, tmp_path / "study" / "ct", sop_class=ENHANCED_CT)
    study = load_study(tmp_path / "study", ScoringConfig())
    np.testing.assert_array_equal(study.ct.array, ramp((9, 8, 8), -124))


@pytest.mark.parametrize(("modality", "sop_class"), [("PT", PET_CLASS), ("CT", CT_CLASS)])
def test_legacy_converted_objects_of_another_library_read_alike(tmp_path, modality, sop_class):
    legacy = pytest.importorskip("highdicom.legacy")
    changes = {"modality": modality, "stored": ramp((6, 5, 4), 1)}
    paths = write_series(tmp_path / "single", **changes, slopes=SLOPES if modality == "PT" else ())
    sources = [pydicom.dcmread(path) for path in paths]
    for part in sources:
        part.PatientBirthDate, part.AccessionNumber, part.StudyID, part.ReferringPhysicianName = "", "", "", ""
        part.PositionReferenceIndicator = ""
    make = legacy.LegacyConvertedEnhancedPETImage if modality == "PT" else legacy.LegacyConvertedEnhancedCTImage
    try:
        made = make(
            sources, series_instance_uid="1.2.3.4", series_number=9, sop_instance_uid="1.2.3.5", instance_number=1
        )
    except Exception as error:  # the library's own limits are no failure of ours
        pytest.skip(f"highdicom cannot convert it: {error}")
    (tmp_path / "multi").mkdir()
    made.save_as(tmp_path / "multi" / "legacy.dcm")
    (one,), (many,) = (index_folder(tmp_path / name).series for name in ("multi", "single"))
    first, second = read_series(one), read_series(many)
    np.testing.assert_array_equal(first.array, second.array)
    assert first.geometry.is_close(second.geometry, 1e-6)
    if modality == "PT":
        suv = load_study(tmp_path / "multi", ScoringConfig()).pet.array
        np.testing.assert_allclose(suv, load_study(tmp_path / "single", ScoringConfig()).pet.array, rtol=1e-6)


@pytest.mark.parametrize("frames", [5, 7, 65535])
def test_frames_that_are_not_there_are_refused(tmp_path, frames):
    paths = write_series(tmp_path / "single")
    folder = enhanced(paths, tmp_path / "multi", frames=frames)
    with pytest.raises(StudyError, match="functional groups are damaged or missing"):
        load_study(folder, ScoringConfig())


def test_frames_in_one_place_are_refused_as_dynamic(tmp_path):
    paths = write_series(tmp_path / "single", positions=np.array([[0, 0, 3.0 * (k // 2)] for k in range(6)]))
    (series,) = index_folder(enhanced(paths, tmp_path / "multi")).series
    with pytest.raises(ValueError, match="dynamic or gated"):
        stack_of(series)


def test_a_damaged_object_does_not_keep_others_from_being_read(tmp_path):
    write_study(tmp_path / "study")
    paths = write_series(tmp_path / "single", number=8)
    enhanced(paths, tmp_path / "study" / "damaged", frames=99)
    assert load_study(tmp_path / "study", ScoringConfig()).identity.pet.series_number == 3
