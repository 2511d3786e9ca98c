"""From a folder to a study: choice of series, SUV, identity, and every refusal in one clear sentence."""

import shutil

import numpy as np
import pydicom
import pytest

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.dicom.recist_image import choose_recist_image
from dotaliver.dicom.study import choose_series, index_folder, load_study
from dotaliver.errors import DotaliverError, FileFormatError, SeriesError, StudyError, SuvError
from dotaliver.image.volume import Quantity
from fixtures.dicom_series import FRAME_UID, REMOVED, ramp, write_series, write_study

CONFIG = ScoringConfig()
OTHER_FRAME = "1.2.826.0.1.3680043.10.999.77"


def codes(study):
    return {flag.code for flag in study.flags}


def test_study_holds_pet_in_suv_and_ct_in_hu(tmp_path):
    study = load_study(write_study(tmp_path), CONFIG)
    assert study.pet.quantity is Quantity.SUVBW
    assert study.pet.array.dtype == np.float32
    assert study.ct.quantity is Quantity.HU
    np.testing.assert_array_equal(study.ct.array, ramp((9, 8, 8), -100))
    # 60 min after 150 MBq of 68Ga in 78 kg: 78000 g / (150e6 Bq * 2 ** (-3600 / 4062.6))
    slope = 78000 / (150e6 * 2 ** (-3600 / 4062.6))
    np.testing.assert_allclose(study.pet.array, ramp((6, 5, 4)) * slope, rtol=1e-6)
    assert codes(study) == set()


def test_identity_names_series_and_no_patient(tmp_path):
    study = load_study(write_study(tmp_path), CONFIG)
    assert study.identity.study_date == "2026-03-02"
    assert study.identity.pet.shape == (6, 5, 4)
    assert study.identity.pet.spacing_mm == (3.0, 2.0, 1.5)
    assert len(study.identity.pet.sop_instance_uids) == 6
    assert "Secret" not in study.identity.model_dump_json()
    assert "PAT-1" not in study.identity.model_dump_json()


def test_any_file_order_and_nesting_gives_the_same_study(tmp_path):
    one = load_study(write_study(tmp_path / "one"), CONFIG)
    files = sorted((tmp_path / "one").rglob("*.dcm"))
    order = np.random.default_rng(1).permutation(len(files))
    for place, k in enumerate(order):
        target = tmp_path / "two" / f"{place % 4}" / f"{place}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[k], target)
    two = load_study(tmp_path / "two", CONFIG)
    assert two.identity == one.identity
    np.testing.assert_array_equal(two.pet.array, one.pet.array)


def test_pixel_hash_is_that_of_the_activity_before_suv(tmp_path):
    light = load_study(write_study(tmp_path / "a", pet={"uid": "1.2.3"}), CONFIG)
    heavy = load_study(write_study(tmp_path / "b", pet={"uid": "1.2.3", "elements": {"PatientWeight": "156"}}), CONFIG)
    assert light.identity.pet.pixel_sha256 == heavy.identity.pet.pixel_sha256
    np.testing.assert_allclose(heavy.pet.array, 2 * light.pet.array, rtol=1e-6)


def test_attenuation_corrected_pet_is_taken_and_the_other_says_why_not(tmp_path):
    write_study(tmp_path)
    nac = {"Units": "PROPCNTS", "SeriesDescription": "PET NAC"}
    write_series(tmp_path / "nac", number=1, elements=nac)
    choice = choose_series(index_folder(tmp_path))
    assert choice.pet.number == 3
    assert "PROPCNTS" in choice.reason(choice.pet)
    assert {r.series.number: r.reason for r in choice.reports}[1].startswith("Units (0054,1001) is PROPCNTS")


@pytest.mark.parametrize(
    "other",
    [
        {"elements": {"CorrectedImage": ["NORM", "DECY"]}},
        {"elements": {"AttenuationCorrectionMethod": "NONE"}},
        {"elements": {"SeriesDescription": "WB NAC"}},
        {"elements": {"ImageType": ["DERIVED", "SECONDARY", "MIP"]}},
        {"elements": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}},
        {"elements": {"SeriesType": ["DYNAMIC", "IMAGE"]}},
        {"elements": {"SeriesType": ["WHOLE BODY", "REPROJECTION"]}},
        {"elements": {"Units": "GML"}},
        {"stored": ramp((2, 5, 4))},
        {"stored": ramp((5, 5, 4))},
    ],
)
def test_series_that_suit_less_are_passed_over(tmp_path, other):
    write_study(tmp_path)
    write_series(tmp_path / "other", number=1, **other)
    assert choose_series(index_folder(tmp_path)).pet.number == 3


def test_user_names_a_series_by_number_or_uid(tmp_path):
    write_study(tmp_path)
    write_series(tmp_path / "other", number=7, uid="1.2.3.7")
    for wanted in ("7", "1.2.3.7"):
        choice = choose_series(index_folder(tmp_path), pet=wanted)
        assert choice.pet.number == 7
        assert choice.reason(choice.pet) == "named by the user"
    with pytest.raises(StudyError, match=r"--pet 8: there is no such PT series .*there are: 3, 7"):
        choose_series(index_folder(tmp_path), pet="8")


def test_study_without_ct_is_flagged(tmp_path):
    write_series(tmp_path)
    study = load_study(tmp_path, CONFIG)
    assert study.ct is None
    assert codes(study) == {"NO_CT"}


def test_ct_in_another_frame_is_used_only_if_the_user_says_so(tmp_path):
    write_study(tmp_path, ct={"elements": {"FrameOfReferenceUID": OTHER_FRAME}})
    study = load_study(tmp_path, CONFIG)
    assert study.ct is None
    assert codes(study) == {"CT_IN_ANOTHER_FRAME", "NO_CT"}
    insisted = load_study(tmp_path, CONFIG, ct="2")
    assert insisted.ct is not None
    assert codes(insisted) == {"CT_FRAME_ASSUMED"}


def test_thinner_of_two_equal_cts_is_preferred(tmp_path):
    write_study(tmp_path)
    thin = {"modality": "CT", "number": 9, "spacing": (1.0, 1.0, 1.0), "origin": (-10.5, -20.5, 29.0)}
    write_series(tmp_path / "thin", stored=ramp((18, 8, 8)), **thin)
    assert choose_series(index_folder(tmp_path)).ct.number == 9


def test_ct_that_covers_more_beats_a_thinner_one(tmp_path):
    write_study(tmp_path)
    thin = {"modality": "CT", "number": 9, "spacing": (1.0, 1.0, 1.0), "origin": (-10.5, -20.5, 29.0)}
    write_series(tmp_path / "thin", stored=ramp((9, 8, 8)), **thin)
    assert choose_series(index_folder(tmp_path)).ct.number == 2
    named = choose_series(index_folder(tmp_path), ct="9")
    assert {f.code for f in named.flags} == {"CT_COVERS_PET_PARTLY"}


def test_localizer_and_distant_ct_are_no_partners(tmp_path):
    write_series(tmp_path / "pet")
    write_series(
        tmp_path / "scout", modality="CT", number=1, elements={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    )
    write_series(tmp_path / "head", modality="CT", number=2, origin=(-10, -20, 900))
    choice = choose_series(index_folder(tmp_path))
    assert choice.ct is None
    reasons = {r.series.number: r.reason for r in choice.reports}
    assert reasons[1] == "a localizer, not a volume"
    assert "does not cover" in reasons[2]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("MAT_SPECIFIC", "a CT material-specific map"),
        ("EFF_ATOMIC_NUM", "a CT map of effective atomic numbers"),
        ("SUBTRACTION", "a CT subtraction"),
    ],
)
def test_a_map_made_from_a_ct_is_neither_the_pets_ct_nor_measured_on(tmp_path, kind, said):
    write_study(tmp_path)
    made = {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", kind]}
    write_series(
        tmp_path / "map", modality="CT", number=9, stored=ramp((9, 8, 8)), spacing=(1.0, 1.0, 1.0), elements=made
    )
    index = index_folder(tmp_path)
    choice = choose_series(index)
    assert choice.ct.number == 2
    with pytest.raises(StudyError) as refused:
        choose_recist_image(index, choice, "9")
    assert str(refused.value) == (
        f"CT series 9 cannot be used for RECIST: {said}, which does not show the densities of tissue; name a plain CT "
        "series instead"
    )


def test_text_files_among_the_dicom_are_left_out_and_flagged_without_their_names(tmp_path):
    write_study(tmp_path)
    (tmp_path / "Secret_Name.txt").write_text("notes")
    (tmp_path / "pet" / "zero").write_bytes(b"")
    flags = load_study(tmp_path, CONFIG).flags
    assert [f.code for f in flags] == ["FILES_LEFT_OUT"]
    assert flags[0].sentence.startswith("2 file(s)")
    assert "Secret" not in flags[0].sentence


def test_missing_patient_ids_are_flagged(tmp_path):
    write_study(tmp_path, ct={"elements": {"PatientID": ""}})
    assert codes(load_study(tmp_path, CONFIG)) == {"PATIENT_IDENTITY_MISSING"}


# --- refusals ----------------------------------------------------------------------------------------------------


def refuse(folder, error, match, **kwargs):
    with pytest.raises(error, match=match) as caught:
        load_study(folder, CONFIG, **kwargs)
    assert isinstance(caught.value, DotaliverError)
    sentence = str(caught.value)
    assert "Secret" not in sentence
    assert "PAT-" not in sentence
    return sentence


def test_empty_folder(tmp_path):
    refuse(tmp_path, StudyError, "holds no files; give the folder")


def test_absent_folder(tmp_path):
    refuse(tmp_path / "nowhere", StudyError, "nowhere: there is no such folder")


def test_folder_without_dicom(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    refuse(tmp_path, StudyError, "1 file.s. and none is DICOM")


def test_no_pet(tmp_path):
    write_series(tmp_path, modality="CT")
    refuse(tmp_path, StudyError, r"no PET series \(there are: CT\)")


def test_ct_and_pet_of_different_patients(tmp_path):
    write_study(tmp_path, ct={"elements": {"PatientID": "PAT-2"}})
    refuse(tmp_path, StudyError, "2 different Patient IDs; give a folder that holds one patient")


def test_two_patients(tmp_path):
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", elements={"PatientID": "PAT-2", "StudyInstanceUID": "1.2.3"})
    refuse(tmp_path, StudyError, "2 different Patient IDs")


def test_two_studies_of_one_patient_need_a_word_of_the_user(tmp_path):
    write_series(tmp_path / "a")
    later = {"StudyInstanceUID": "1.2.3", "StudyDate": "20260901"}
    write_series(tmp_path / "b", number=4, elements=later)
    sentence = refuse(tmp_path, StudyError, "PETs of 2 studies")
    assert "2026-09-01" in sentence
    assert "--pet" in sentence
    assert load_study(tmp_path, CONFIG, pet="4").identity.study_instance_uid == "1.2.3"


@pytest.mark.parametrize("modality", ["pet", "ct"])
def test_missing_slice(tmp_path, modality):
    write_study(tmp_path)
    (tmp_path / modality / "002.dcm").unlink()
    # the third slices lie at 30 + 2 * 3 mm and 29.5 + 2 * 2 mm
    where = "33.00 mm and 39.00 mm" if modality == "pet" else "31.50 mm and 35.50 mm"
    refuse(tmp_path, SeriesError, rf"1 slice\(s\) are missing, between {where}")


def test_missing_slice_at_the_end_of_a_pet(tmp_path):
    write_study(tmp_path)
    (tmp_path / "pet" / "005.dcm").unlink()
    refuse(tmp_path, SeriesError, r"1 slice\(s\) are missing: Number of Slices \(0054,0081\) says 6 and 5 are there")


def test_slice_twice(tmp_path):
    write_study(tmp_path)
    copy = pydicom.dcmread(tmp_path / "pet" / "002.dcm")
    copy.SOPInstanceUID = "1.2.3"
    copy.save_as(tmp_path / "pet" / "copy.dcm")
    refuse(tmp_path, SeriesError, r"duplicated and differ, such as pet/002.dcm and pet/copy.dcm, both at 36.00 mm")


@pytest.mark.parametrize("lost", [3, 30])
def test_truncated_pixels(tmp_path, lost):
    write_study(tmp_path)
    path = tmp_path / "pet" / "003.dcm"
    path.write_bytes(path.read_bytes()[:-lost])
    refuse(tmp_path, FileFormatError, r"pet/003.dcm: the file is cut short")


@pytest.mark.parametrize("kept", [200, 400, 600, 900])
def test_truncated_header(tmp_path, kept):
    write_study(tmp_path)
    path = tmp_path / "pet" / "003.dcm"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises((FileFormatError, SeriesError), match=r"003.dcm|missing"):
        load_study(tmp_path, CONFIG)


def test_propcnts_alone(tmp_path):
    write_series(tmp_path, elements={"Units": "PROPCNTS"})
    refuse(tmp_path, SuvError, r"PT series 3: Units \(0054,1001\) is PROPCNTS")


def test_weight_and_dose_given_by_the_user_are_recorded(tmp_path):
    write_study(tmp_path, pet={"elements": {"PatientWeight": REMOVED}, "tracer": {"RadionuclideTotalDose": REMOVED}})
    sentence = refuse(tmp_path, SuvError, r"Patient's Weight \(0010,1030\)")
    assert "--weight" in sentence
    assert "Radionuclide Total Dose (0018,1074)" in sentence
    assert "--dose" in sentence
    config = ScoringConfig(assume=AssumedValues(weight_kg=78, dose_mbq=150))
    study = load_study(tmp_path, config)
    assert codes(study) == {"WEIGHT_ASSUMED", "DOSE_ASSUMED"}
    assert study.acquisition.injected_activity_mbq == 150
    np.testing.assert_allclose(study.suv.slope_per_bqml, 78000 / (150e6 * 2 ** (-3600 / 4062.6)), rtol=1e-12)


def test_enhanced_pet_is_refused_by_name(tmp_path):
    write_series(tmp_path, elements={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.130"})
    refuse(tmp_path, StudyError, "multi-frame object whose functional groups are damaged or missing")


def test_frame_of_reference_stands_in_the_grid(tmp_path):
    assert load_study(write_study(tmp_path), CONFIG).pet.geometry.frame_of_reference_uid == FRAME_UID


def test_input_is_not_touched(tmp_path):
    write_study(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    load_study(tmp_path, CONFIG)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_values_that_break_their_vr_do_not_leak_warnings(tmp_path):
    write_study(tmp_path)
    path = tmp_path / "pet" / "000.dcm"
    # A text of Latin-1 without a character set
    data = path.read_bytes().replace(b"Maker ", b"Ma\xe9er ")
    path.write_bytes(data)
    assert load_study(tmp_path, CONFIG).pet.array.shape == (6, 5, 4)


def test_series_whose_uid_was_blanked_are_told_apart_by_number(tmp_path):
    blank = {"SeriesInstanceUID": ""}
    write_study(tmp_path, pet={"elements": blank}, ct={"elements": blank})
    write_series(tmp_path / "other", number=8, stored=ramp((5, 5, 4)), elements=blank)
    study = load_study(tmp_path, CONFIG)
    assert (study.identity.pet.series_number, study.identity.ct.series_number) == (3, 2)
    assert load_study(tmp_path, CONFIG, pet="8").identity.pet.series_number == 8
