"""MR series: what each shows, how its values and grid are read, and which cannot be measured on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.dicom.choice.mr import mr_note, unfit_mr
from dotaliver.dicom.choice.pet import choose_series
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.stack import stack_of
from dotaliver.dicom.mr.description import describe_mr
from dotaliver.dicom.pixels.lazy import mr_image_of
from dotaliver.dicom.pixels.series import read_series
from dotaliver.dicom.recist_image import choose_recist_image
from dotaliver.errors import SeriesError, StudyError
from dotaliver.image.volume import Quantity
from fixtures.dicom_series import write_study
from fixtures.mr_dicom import DWI, T1, T2, write_enhanced_mr, write_mr


def only_mr(folder):
    (series,) = index_folder(folder).of_modality("MR")
    return series


def described(folder, elements, **changes):
    return describe_mr(only_mr(write_mr(folder, elements, **changes)))


# --- what a series shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "weighting", "phase", "shift", "b_values"),
    [
        (T1, "T1", "hepatobiliary", None, ()),
        (T1 | {"SeriesDescription": "LAVA ART"}, "T1", "arterial", None, ()),
        (T1 | {"SeriesDescription": "THRIVE portal venous"}, "T1", "portal_venous", None, ()),
        (T1 | {"SeriesDescription": "vibe delayed 3 min"}, "T1", "transitional", None, ()),
        (T1 | {"SeriesDescription": "vibe pre"}, "T1", "before_contrast", None, ()),
        (T2, "T2", None, None, ()),
        (DWI, "DWI", None, None, (800.0,)),
        # By the elements alone, with a description that says nothing
        (T2 | {"SeriesDescription": "tra 5mm"}, "T2", None, None, ()),
        (T1 | {"SeriesDescription": "dual", "EchoTime": "2.3"}, "T1", None, "out_of_phase", ()),
        (T1 | {"SeriesDescription": "dual", "EchoTime": "4.5"}, "T1", None, "in_phase", ()),
        (T1 | {"SeriesDescription": "tra", "ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]}, "T1", None, "water",
         ()),
        # Balanced sequences have the times of T1 and show something else; nothing known stays unknown
        (T1 | {"SeriesDescription": "trufi cor"}, None, None, None, ()),
        ({"SeriesDescription": "tra"}, None, None, None, ()),
    ],
)  # fmt: skip
def test_a_series_is_described_by_its_sequence_phase_echo_and_b_value(
    elements, weighting, phase, shift, b_values, tmp_path
):
    # At 1.5 T fat and water are out of phase at 2.2 ms and in phase at 4.5 ms (3.5 ppm); 1.9 ms is out of phase too
    found = described(tmp_path, elements)
    assert (found.weighting, found.contrast_phase, found.b_values_s_per_mm2) == (weighting, phase, b_values)
    if shift is not None:
        assert found.chemical_shift == shift
    assert found.kind is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "ADC map"),
        ({"ImageType": ["ORIGINAL", "PRIMARY"], "SeriesDescription": "ep2d_diff_b50_800_ADC"}, "ADC map"),
        ({"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]}, "subtraction"),
        ({"ImageType": ["DERIVED", "SECONDARY", "FAT_FRACTION"]}, "fat-fraction map"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase image"),
        ({"ImageType": ["DERIVED", "PRIMARY", "T1 MAP"]}, "T1 map"),
        ({"SeriesDescription": "3-plane localizer"}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
    ],
)
def test_maps_subtractions_and_localizers_are_no_images_to_measure_on(changes, kind, tmp_path):
    series = only_mr(write_mr(tmp_path, T1 | changes))
    assert kind in unfit_mr(series)
    assert kind in mr_note(series)


def test_words_that_the_acquisition_contradicts_are_not_believed(tmp_path):
    # A "T1" with an echo of 92 ms; a hepatobiliary phase of an agent that liver cells do not take up, or at two minutes
    assert described(tmp_path / "a", T2 | {"SeriesDescription": "T1 tra"}).weighting is None
    agent = T1 | {"ContrastBolusAgent": "Gadobutrol"}
    assert described(tmp_path / "b", agent).contrast_phase is None
    early = {"ContrastBolusAgent": "Primovist", "ContrastBolusStartTime": "100000", "AcquisitionTime": "100200"}
    assert described(tmp_path / "c", T1 | early).contrast_phase is None
    late = T1 | early | {"AcquisitionTime": "102000", "SeriesDescription": "vibe"}
    assert described(tmp_path / "d", late).contrast_phase == "hepatobiliary"


# --- values and grid -------------------------------------------------------------------------------------------------


def test_values_without_rescale_are_as_stored_and_carry_no_hounsfield_units(tmp_path):
    volume = read_series(only_mr(write_mr(tmp_path)))
    assert volume.quantity is Quantity.MR_SIGNAL
    expected = np.arange(56).reshape(8, 7) + 100 * np.arange(6)[:, None, None]
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.geometry.spacing_mm == (4.0, 1.5, 1.25)


def test_each_slice_is_rescaled_by_its_own_slope_and_intercept(tmp_path):
    per_slice = {k: {"RescaleSlope": f"{1 + k}", "RescaleIntercept": f"{-k}"} for k in range(6)}
    series = only_mr(write_mr(tmp_path, per_slice=per_slice))
    stored = np.arange(56).reshape(8, 7) + 100 * np.arange(6)[:, None, None]
    factors = np.arange(6)[:, None, None]
    np.testing.assert_allclose(read_series(series).array, stored * (1 + factors) - factors)
    lazy = mr_image_of(stack_of(series), memory_bytes=1000)
    assert not lazy.in_memory
    np.testing.assert_allclose(lazy.loaded().array, stored * (1 + factors) - factors)


def test_a_rescale_in_some_slices_only_is_refused(tmp_path):
    series = only_mr(write_mr(tmp_path, per_slice={2: {"RescaleSlope": "2", "RescaleIntercept": "0"}}))
    with pytest.raises(SeriesError, match="Rescale Slope"):
        read_series(series)


@settings(deadline=None, max_examples=25)
@given(angles=st.tuples(*[st.floats(-40, 40)] * 3))
def test_oblique_grids_lie_where_the_elements_put_them(angles, tmp_path_factory):
    x, y, z = np.radians(angles)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    turn = about_z @ about_y @ about_x
    folder = tmp_path_factory.mktemp("oblique")
    grid = stack_of(only_mr(write_mr(folder, cosines=(*turn[:, 0], *turn[:, 1])))).geometry
    # Row 3, column 5 of slice 2: PS3.3 C.7.6.2.1.1, written out
    place = np.array((-8.0, -9.0, 20.0)) + 2 * 4.0 * turn[:, 2] + 3 * 1.5 * turn[:, 1] + 5 * 1.25 * turn[:, 0]
    np.testing.assert_allclose(grid.index_to_lps((2, 3, 5)), place, atol=1e-4)


def test_an_enhanced_object_is_read_as_its_classic_slices(tmp_path):
    series = only_mr(write_enhanced_mr(tmp_path))
    assert unfit_mr(series) is None
    volume = read_series(series)
    stored = np.arange(56).reshape(8, 7) + 100 * np.arange(6)[:, None, None]
    # Frames are stored from the last slice on, and every second has a slope of 1.5
    slopes = np.array([1.5, 1.0] * 3)[:, None, None]
    np.testing.assert_allclose(volume.array, stored * slopes + 10)
    found = describe_mr(series)
    assert (found.weighting, found.echo_times_ms, found.technique) == ("T1", (1.9,), "gradient echo")


# --- what cannot be measured on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"per_slice": {k: {"EchoTime": "2.3" if k % 2 else "4.6"} for k in range(6)}}, "2 echo times (2.3, 4.6 ms)"),
        ({"elements": DWI, "per_slice": {k: {"DiffusionBValue": 400.0 * (k % 3)} for k in range(6)}}, "3 b-values"),
        ({"per_slice": {k: {"TemporalPositionIdentifier": 1 + k % 2} for k in range(6)}}, "2 time points"),
        ({"per_slice": {k: {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER" if k % 2 else "FAT"]}
                        for k in range(6)}}, "FAT, WATER"),
        ({"elements": T1 | {"ImageOrientationPatient": None}}, "Image Orientation (Patient) (0020,0037)"),
        ({"count": 3}, "only 3 slice(s)"),
        ({"per_slice": {3: {"ImagePositionPatient": ["-8", "-9", "33.3"]}}}, "unevenly spaced"),
        ({"per_slice": {5: {"ImagePositionPatient": ["-8", "-9", "48"]}}}, "2 slice(s) are missing"),
        ({"elements": T1 | {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}}, "secondary capture"),
    ],
)  # fmt: skip
def test_what_is_no_single_volume_is_refused_by_one_sentence(changes, says, tmp_path):
    write_study(tmp_path)
    write_mr(tmp_path / "mr", **changes)
    index = index_folder(tmp_path)
    with pytest.raises(StudyError) as refused:
        choose_recist_image(index, choose_series(index), "11")
    assert says in str(refused.value)
    assert "MR series 11" in str(refused.value)
    assert "Secret" not in str(refused.value)


def test_enhanced_objects_with_several_echoes_or_b_values_are_refused(tmp_path):
    assert "2 echo times" in unfit_mr(only_mr(write_enhanced_mr(tmp_path / "a", echoes=(2.3, 4.6))))
    several = write_enhanced_mr(tmp_path / "b", DWI, contrast="DIFFUSION", b_values=(50, 400, 800))
    assert "3 b-values" in unfit_mr(only_mr(several))


@pytest.mark.parametrize(
    ("stray", "kind"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "ADC map"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture Image"),
        ({"ImagePositionPatient": None}, "image without a position"),
    ],
)
@pytest.mark.parametrize("place", [0, 6])
def test_one_odd_image_is_set_aside_by_name_and_decides_for_nothing(stray, kind, place, tmp_path):
    changes = {place: stray} if place else {0: stray | {"ImagePositionPatient": ["-8", "-9", "16"]}}
    if place == 0 and "ImagePositionPatient" in stray:
        changes = {0: stray}
    series = only_mr(write_mr(tmp_path, count=7, per_slice=changes))
    assert f"1 × {kind}" in series.set_aside_text
    assert unfit_mr(series) is None
    assert len(stack_of(series).slices) == 6


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"PatientID": "SOMEBODY-ELSE"}, "Patient ID"),
        ({"PatientSex": "F"}, "Patient's Sex"),
        ({"PatientBirthDate": "19550505"}, "Patient's Birth Date"),
    ],
)
@pytest.mark.parametrize("slices", [range(6), [4]])
def test_an_mr_of_another_patient_is_refused_whichever_slice_says_so(changes, says, slices, tmp_path):
    write_study(tmp_path, pet={"elements": {"PatientSex": "M", "PatientBirthDate": "19600101"}})
    write_mr(tmp_path / "mr", per_slice={k: changes for k in slices})
    index = index_folder(tmp_path)
    with pytest.raises(StudyError, match=says):
        choose_recist_image(index, choose_series(index), "11")


def test_mr_series_are_listed_and_change_nothing_of_what_is_scored(tmp_path):
    write_study(tmp_path)
    before = choose_series(index_folder(tmp_path))
    for number, elements in enumerate((T1, T2, DWI, T1 | {"SeriesDescription": "t1 SUB"}), start=11):
        write_mr(tmp_path / f"mr{number}", elements, number=number)
    choice = choose_series(index_folder(tmp_path))
    assert (choice.pet.uid, choice.ct.uid, choice.flags) == (before.pet.uid, before.ct.uid, before.flags)
    notes = {report.series.number: report.reason for report in choice.reports}
    assert "hepatobiliary phase" in notes[11]
    assert "--recist-image 11" in notes[11]
    assert notes[12].startswith("T2 spin echo")
    assert "b 800" in notes[13]
    assert "subtraction" in notes[14]
    assert "--recist-image" not in notes[14]


def test_the_image_for_diameters_is_found_by_its_description_where_one_series_alone_matches(tmp_path):
    write_study(tmp_path, pet={"elements": {"PatientSex": "M", "PatientBirthDate": "19600101"}})
    same = {"PatientSex": "M", "PatientBirthDate": "19600101"}
    for number, elements in enumerate((T1, T2, DWI), start=11):
        write_mr(
            tmp_path / f"mr{number}", elements | same | {"SeriesDescription": f"liver {number} tra"}, number=number
        )
    index = index_folder(tmp_path)
    choice = choose_series(index)
    assert choose_recist_image(index, choice, "*Liver 12*").number == 12
    assert choose_recist_image(index, choice, "12").number == 12
    # The PET's own CT is measured anyway, so a wide pattern does not mean it.
    with pytest.raises(StudyError, match=r"descriptions of 3 series match \(11, 12, 13\)"):
        choose_recist_image(index, choice, "*")
    with pytest.raises(StudyError, match="there is no such CT or MR series"):
        choose_recist_image(index, choice, "*portal*")


def test_no_mr_can_be_named_as_the_ct_of_the_pet(tmp_path):
    write_study(tmp_path)
    write_mr(tmp_path / "mr")
    with pytest.raises(StudyError, match="no such CT"):
        choose_series(index_folder(tmp_path), ct="11")


def test_orders_of_files_give_one_series(tmp_path):
    write_mr(tmp_path / "a")
    first = only_mr(tmp_path / "a")
    files = sorted((tmp_path / "a").iterdir())
    for n, order in enumerate(itertools.islice(itertools.permutations(range(6)), 0, 700, 233)):
        folder = tmp_path / f"b{n}"
        folder.mkdir()
        for place, k in enumerate(order):
            (folder / f"{place}").write_bytes(files[k].read_bytes())
        np.testing.assert_array_equal(read_series(only_mr(folder)).array, read_series(first).array)
