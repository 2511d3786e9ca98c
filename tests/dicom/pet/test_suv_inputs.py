"""Units, factors, times and options of a PET on their way to SUV: every trap once, against figures by hand."""

from datetime import datetime

import numpy as np
import pytest

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.pet.suv_inputs import suv_inputs
from dotaliver.dicom.study import load_study
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.image.volume import Quantity
from dotaliver.pipeline.inspection import inspect_study
from dotaliver.suv.arithmetic import suvbw_arithmetic
from dotaliver.suv.body_size import Normalisation
from fixtures.dicom_series import REMOVED, ramp, write_series, write_study

NOBODY = AssumedValues()
# 3600 s of 4062.6 s: 2 ** -0.886132 = 0.541063; 78000 g / (150e6 Bq * 0.541063)
PER_BQML = 9.61073e-4
NO_DOSE = {"RadionuclideTotalDose": REMOVED, "RadiopharmaceuticalStartTime": REMOVED}
NO_DOSE |= {"RadiopharmaceuticalStartDateTime": REMOVED}


def read(folder, assume=NOBODY, normalisation=Normalisation.BODY_WEIGHT, **changes):
    write_series(folder, **changes)
    (series,) = index_folder(folder).series
    inputs, flags = suv_inputs(series, assume, normalisation)
    return suvbw_arithmetic(inputs), {flag.code for flag in flags}


# --- SUV that is stored already -----------------------------------------------------------------------------------

# 78 kg, 172 cm, female: (78/172)² = 0.205652
F_JAMES = 1.07 * 78 - 148 * 0.205652
F_JANMA = 9270 * 78 / (8780 + 244 * 78 / 1.72**2)
F_IDEAL = 45.5 + 0.91 * 20
BSA_CM2 = 0.007184 * 78**0.425 * 172**0.725 * 1e4


@pytest.mark.parametrize(
    ("units", "kind", "expected"),
    [
        ("GML", REMOVED, 1),
        ("GML", "", 1),
        ("GML", "BW", 1),
        ("GML", "LBM", 78 / F_JAMES),
        ("GML", "LBMJAMES128", 78 / F_JAMES),
        ("GML", "LBMJANMA", 78 / F_JANMA),
        ("GML", "IBW", 78 / F_IDEAL),
        ("CM2ML", REMOVED, 78000 / BSA_CM2),
        ("CM2ML", "BSA", 78000 / BSA_CM2),
    ],
)
def test_stored_suv_becomes_body_weight_suv_without_dose_or_time(tmp_path, units, kind, expected):
    result, flags = read(tmp_path, elements={"Units": units, "SUVType": kind}, tracer=NO_DOSE)
    assert result.voxel_factors == (pytest.approx(expected, rel=1e-6),)
    assert flags == set()


def test_other_sex_takes_the_mean_of_both_and_says_so(tmp_path):
    elements = {"Units": "GML", "SUVType": "IBW", "PatientSex": "O"}
    result, flags = read(tmp_path, elements=elements)
    assert result.voxel_factors == (pytest.approx(78 / ((48 + 1.06 * 20 + F_IDEAL) / 2), rel=1e-9),)
    assert flags == {"SEX_OTHER"}


@pytest.mark.parametrize(
    ("elements", "named"),
    [
        ({"Units": "GML", "SUVType": "BSA"}, "SUV Type .* is BSA"),
        ({"Units": "CM2ML", "SUVType": "BW"}, "CM2ML and SUV Type .* contradict"),
        ({"Units": "GML", "SUVType": "IBW", "PatientSize": REMOVED}, r"Patient's Size \(0010,1020\)"),
        ({"Units": "GML", "SUVType": "IBW", "PatientSex": REMOVED}, r"Patient's Sex \(0010,0040\)"),
        ({"Units": "CM2ML", "PatientSize": "17"}, r"Patient's Size .* plausible neither in m nor in cm"),
    ],
)
def test_stored_suv_that_cannot_be_told_is_refused(tmp_path, elements, named):
    with pytest.raises(SuvError, match=named):
        read(tmp_path, elements=elements)


def test_height_in_centimetres_is_converted_and_flagged(tmp_path):
    elements = {"Units": "CM2ML", "PatientSize": "172"}
    result, flags = read(tmp_path, elements=elements)
    assert result.voxel_factors == (pytest.approx(78000 / BSA_CM2, rel=1e-9),)
    assert flags == {"HEIGHT_READ_AS_CM"}


def test_values_of_the_user_that_cannot_enter_are_refused(tmp_path):
    with pytest.raises(SuvError, match="--dose cannot enter"):
        read(tmp_path / "a", AssumedValues(dose_mbq=150), elements={"Units": "GML"})
    with pytest.raises(SuvError, match="--decay-correction cannot enter"):
        read(tmp_path / "b", AssumedValues(decay_correction="START"), elements={"Units": "GML"})


# --- Philips ------------------------------------------------------------------------------------------------------


def philips(factor_suv=None, factor_activity=None, *, block=0x10, creator="Philips PET Private Group", **more):
    elements = {"Units": "CNTS", "Manufacturer": "Philips", **more}
    if creator is not None:
        elements[0x70530000 | block, "LO"] = creator
    for offset, value in ((0x00, factor_suv), (0x09, factor_activity)):
        if value is not None:
            elements[0x70530000 | (block << 8) | offset, "DS"] = value
    return elements


@pytest.mark.parametrize(
    ("block", "creator"),
    [(0x10, "Philips PET Private Group"), (0x12, "Philips PET Private Group"), (0x10, None)],
)
def test_factor_to_suv_in_the_block_of_its_creator(tmp_path, block, creator):
    result, flags = read(tmp_path, elements=philips("0.000728", block=block, creator=creator), tracer=NO_DOSE)
    assert result.voxel_factors == (0.000728,)
    assert flags == set()


def test_factor_of_another_creator_is_not_philips(tmp_path):
    with pytest.raises(SuvError, match="absent or 0"):
        read(tmp_path, elements=philips("0.000728", creator="SOMEBODY ELSE"))


@pytest.mark.parametrize("factors", [(None, None), ("0.0", None), (None, "0"), ("0", "0")])
def test_factor_of_zero_is_no_factor(tmp_path, factors):
    with pytest.raises(SuvError, match=r"\(7053,1000\) and to activity \(7053,1009\) are absent or 0"):
        read(tmp_path, elements=philips(*factors))


@pytest.mark.parametrize("to_suv", [None, "0.0"])
def test_factor_to_activity_needs_dose_and_time(tmp_path, to_suv):
    result, _ = read(tmp_path / "a", elements=philips(to_suv, "2.5"))
    assert result.voxel_factors == (pytest.approx(2.5 * PER_BQML, rel=1e-5),)
    with pytest.raises(SuvError, match=r"Radionuclide Total Dose \(0018,1074\)"):
        read(tmp_path / "b", elements=philips(to_suv, "2.5"), tracer=NO_DOSE)


def test_two_factors_check_each_other(tmp_path):
    result, _ = read(tmp_path, elements=philips(f"{2.5 * PER_BQML:.10g}", "2.5"))
    assert abs(result.alternative_percent) < 0.01
    write_study(tmp_path / "off", pet={"elements": philips(f"{2.6 * PER_BQML:.10g}", "2.5")})
    study = load_study(tmp_path / "off", ScoringConfig())
    flag = next(f for f in study.flags if f.code == "PHILIPS_FACTORS_DIFFER")
    assert "3.8 %" in flag.sentence  # 2.5 / 2.6 - 1


def test_counts_without_decay_correction_need_the_factor_to_activity(tmp_path):
    none = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN", "SCAT"]}
    times = {"AcquisitionTime": ["100000"] * 3 + ["100300"] * 3}
    result, _ = read(tmp_path / "a", elements=philips("0.0007", "2.5", **none), per_slice=times)
    assert result.voxel_factors[5] / result.voxel_factors[0] == pytest.approx(2 ** (180 / 4062.6), rel=1e-6)
    with pytest.raises(SuvError, match="NONE, for which Philips' factor to activity"):
        read(tmp_path / "b", elements=philips("0.0007", **none), per_slice=times)


def test_stated_weight_goes_by_activity_for_the_other_factor_holds_the_old_weight(tmp_path):
    stated = AssumedValues(weight_kg=39)
    result, flags = read(tmp_path / "a", stated, elements=philips("0.000728", "2.5"))
    assert result.voxel_factors == (pytest.approx(2.5 * PER_BQML / 2, rel=1e-5),)
    assert flags == {"WEIGHT_ASSUMED"}
    with pytest.raises(SuvError, match="--weight cannot enter"):
        read(tmp_path / "b", stated, elements=philips("0.000728"))


# --- decay correction that contradicts itself ---------------------------------------------------------------------


@pytest.mark.parametrize("correction", ["START", "ADMIN"])
def test_corrected_image_without_decay_contradicts_decay_correction(tmp_path, correction):
    with pytest.raises(SuvError, match=f"is {correction} and Corrected Image .* does not list DECY"):
        read(tmp_path, elements={"DecayCorrection": correction, "CorrectedImage": ["ATTN", "SCAT"]})


def test_decay_correction_by_the_user_ends_a_contradiction(tmp_path):
    elements = {"DecayCorrection": "START", "CorrectedImage": ["ATTN", "SCAT"]}
    result, flags = read(tmp_path, AssumedValues(decay_correction="ADMIN"), elements=elements)
    assert result.voxel_factors == (pytest.approx(78000 / 150e6, rel=1e-12),)
    assert flags == {"DECAY_CORRECTION_GIVEN"}


def test_slices_of_different_decay_correction_are_refused(tmp_path):
    with pytest.raises(AcquisitionError, match=r"Decay Correction \(0054,1102\) differs between slices"):
        read(tmp_path / "a", per_slice={"DecayCorrection": ["START"] * 5 + ["ADMIN"]})
    corrections = [["ATTN", "DECY"]] * 5 + [["ATTN"]]
    with pytest.raises(AcquisitionError, match="lists DECY in some slices only"):
        read(tmp_path / "b", per_slice={"CorrectedImage": corrections})


def test_blank_corrected_image_contradicts_nothing(tmp_path):
    assert read(tmp_path, elements={"CorrectedImage": REMOVED})[0].voxel_factors == (pytest.approx(PER_BQML, rel=1e-5),)


# --- injection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "clock"),
    [("20260302", "090000"), ("20260302090000", REMOVED), (REMOVED, "0900"), ("202603020900", "")],
)
def test_injection_by_whatever_is_there(tmp_path, moment, clock):
    tracer = {"RadiopharmaceuticalStartDateTime": moment, "RadiopharmaceuticalStartTime": clock}
    result, flags = read(tmp_path, tracer=tracer)
    assert result.injection == datetime(2026, 3, 2, 9)
    assert flags == set()


def test_injection_by_a_time_where_a_date_and_time_should_stand(tmp_path):
    tracer = {(0x00181078, "LO"): "090000.00", "RadiopharmaceuticalStartTime": REMOVED}
    assert read(tmp_path, tracer=tracer)[0].injection == datetime(2026, 3, 2, 9)


def test_date_of_the_scan_on_an_injection_before_midnight_is_put_right_and_flagged(tmp_path):
    early = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    tracer = {"RadiopharmaceuticalStartDateTime": "20260302233000", "RadiopharmaceuticalStartTime": "233000"}
    result, flags = read(tmp_path, tracer=tracer, elements=early)
    assert result.elapsed_s == 3600
    assert flags == {"INJECTION_DATE_CONTRADICTS"}


def test_scan_over_midnight_keeps_its_beds_in_order(tmp_path):
    none = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "SeriesTime": "235900"}
    per_slice = {
        "AcquisitionTime": ["235900"] * 3 + ["000200"] * 3,
        "AcquisitionDate": ["20260302"] * 3 + ["20260303"] * 3,
    }
    tracer = {"RadiopharmaceuticalStartDateTime": "20260302230000", "RadiopharmaceuticalStartTime": "230000"}
    result, _ = read(tmp_path, elements=none, per_slice=per_slice, tracer=tracer)
    assert result.voxel_factors[5] / result.voxel_factors[0] == pytest.approx(2 ** (180 / 4062.6), rel=1e-6)


def test_two_clocks_of_one_injection_are_flagged(tmp_path):
    _, flags = read(tmp_path, tracer={"RadiopharmaceuticalStartTime": "091000"})
    assert flags == {"INJECTION_TIMES_DIFFER"}


def test_a_time_alone_says_nothing_of_a_nuclide_of_days(tmp_path):
    lutetium = {"RadionuclideCodeSequence": REMOVED, "RadionuclideHalfLife": "574300"}
    lutetium |= {"RadionuclideTotalDose": "7.4e9", "RadiopharmaceuticalStartDateTime": REMOVED}
    with pytest.raises(AcquisitionError, match="has no date"):
        read(tmp_path, tracer=lutetium)


def test_stated_times_count_and_are_flagged(tmp_path):
    stated = AssumedValues(injection=datetime(2026, 3, 2, 8), reference_time=datetime(2026, 3, 2, 9))
    result, flags = read(tmp_path, stated, tracer=NO_DOSE | {"RadionuclideTotalDose": "150e6"})
    assert result.voxel_factors == (pytest.approx(PER_BQML, rel=1e-5),)
    assert flags == {"INJECTION_ASSUMED", "REFERENCE_TIME_GIVEN"}


# --- weight and dose ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "named"),
    [
        ({"PatientWeight": "1.72", "PatientSize": "78"}, "look interchanged"),
        ({"PatientWeight": "600"}, "plausible neither in kg nor in g"),
    ],
)
def test_implausible_weight_is_refused(tmp_path, elements, named):
    with pytest.raises(SuvError, match=named):
        read(tmp_path, elements=elements)


@pytest.mark.parametrize("dose", ["39", "401", "150000", "5e9"])
def test_dose_that_could_be_many_things_is_refused(tmp_path, dose):
    with pytest.raises(SuvError, match="plausible neither in Bq nor in MBq"):
        read(tmp_path, tracer={"RadionuclideTotalDose": dose})


def test_dose_of_lutetium_in_mbq(tmp_path):
    lutetium = {"RadionuclideCodeSequence": REMOVED, "RadionuclideHalfLife": "574300", "RadionuclideTotalDose": "7400"}
    result, flags = read(tmp_path, tracer=lutetium)
    assert result.dose_bq == 7.4e9
    assert "DOSE_READ_AS_MBQ" in flags


def test_half_life_in_minutes_is_refused(tmp_path):
    with pytest.raises(SuvError, match=r"Radionuclide Half Life \(0018,1075\) is 67.7 s and that of 68Ga is 4062.6 s"):
        read(tmp_path, tracer={"RadionuclideHalfLife": "67.7"})


# --- voxels -------------------------------------------------------------------------------------------------------


def test_mixed_slopes_with_a_whole_number_first(tmp_path):
    # 5 where the truth is 5.328: what comes of taking the pixel type from the first slice
    slopes = ["1", "1.776", "0.333", "2.5", "1", "0.001"]
    write_study(tmp_path, pet={"slopes": slopes, "stored": np.full((6, 5, 4), 3, np.int16)})
    pet = load_study(tmp_path, ScoringConfig()).pet
    assert pet.array.dtype == np.float32
    np.testing.assert_allclose(pet.array[:, 0, 0], [3 * float(s) * PER_BQML for s in slopes], rtol=1e-5)


@pytest.mark.parametrize(
    ("normalisation", "quantity", "size_g"),
    [
        ("lbm_janmahasatian", Quantity.SUVLBM, 1000 * F_JANMA),
        ("lbm_james", Quantity.SUVLBM, 1000 * F_JAMES),
        ("bsa", Quantity.SUVBSA, BSA_CM2),
        ("ibw", Quantity.SUVIBW, 1000 * F_IDEAL),
    ],
)
def test_other_normalisations_by_configuration(tmp_path, normalisation, quantity, size_g):
    write_study(tmp_path)
    study = load_study(tmp_path, ScoringConfig(normalisation=normalisation))
    assert study.pet.quantity is quantity
    assert study.suv.slope_per_bqml == pytest.approx(PER_BQML * size_g / 78000, rel=1e-5)


def test_morgan_is_read_and_never_made(tmp_path):
    write_study(tmp_path)
    with pytest.raises(SuvError, match="can be read but not computed"):
        load_study(tmp_path, ScoringConfig(normalisation="lbm_morgan"))


# --- relative units -----------------------------------------------------------------------------------------------

RELATIVE = ScoringConfig(assume=AssumedValues(relative=True))
NOTHING = {"PatientWeight": REMOVED, "RadiopharmaceuticalInformationSequence": REMOVED}


@pytest.mark.parametrize("units", ["BQML", "CNTS", "PROPCPS"])
def test_relative_units_need_no_dose_weight_or_clock(tmp_path, units):
    write_study(tmp_path, pet={"elements": {**NOTHING, "Units": units}, "stored": ramp((6, 5, 4), 1)})
    study = load_study(tmp_path, RELATIVE)
    assert study.pet.quantity is Quantity.RELATIVE
    assert study.suv is None
    assert "RELATIVE_UNITS" in {f.code for f in study.flags}
    assert study.pet.array[0, 0, 1] / study.pet.array[0, 0, 0] == 2
    found = inspect_study(tmp_path, config=RELATIVE)
    assert found.refused is None
    assert found.suv.arithmetic is None


def test_relative_units_take_the_decay_correction_that_the_user_states(tmp_path):
    write_study(tmp_path, pet={"elements": {"DecayCorrection": REMOVED}})
    assume = AssumedValues(relative=True, decay_correction="ADMIN")
    study = load_study(tmp_path, ScoringConfig(assume=assume))
    assert {"RELATIVE_UNITS", "DECAY_CORRECTION_GIVEN"} <= {f.code for f in study.flags}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"elements": {"CorrectedImage": ["DECY", "SCAT"]}}, "not corrected for attenuation"),
        ({"elements": {"CorrectedImage": REMOVED}}, "not corrected for attenuation"),
        ({"elements": {"Units": "1CM"}}, "1CM"),
        ({"elements": {"DecayCorrection": REMOVED}}, "Decay Correction .* missing"),
        (
            {
                "elements": {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"]},
                "per_slice": {"AcquisitionTime": ["100000"] * 3 + ["100300"] * 3},
            },
            "not acquired at one time",
        ),
        (
            {"per_slice": {"AcquisitionTime": ["100000"] * 3 + ["100300"] * 3}},  # each bed to its own start
            "corrected to different instants, from 09:59:59 to 10:02:59",
        ),
    ],
)
def test_voxels_that_cannot_be_compared_are_refused(tmp_path, changes, why):
    write_study(tmp_path, pet=changes)
    with pytest.raises(SuvError, match=f"relative units need .*{why}"):
        load_study(tmp_path, RELATIVE)
