"""What the PET's header says of tracer, times and dose, and what is missing."""

from datetime import datetime

import numpy as np
import pytest
from pydicom.sequence import Sequence

from dotaliver.config.measurement import AcquisitionConfig
from dotaliver.config.protocol import default_protocol
from dotaliver.config.scoring import AssumedValues
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.pet.acquisition import attenuation_corrected, grid_flags, read_acquisition
from dotaliver.dicom.pet.suv_inputs import suv_inputs
from dotaliver.dicom.pet.tracer import nuclide_of, tracer_of
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.image.geometry import Geometry
from dotaliver.suv.arithmetic import suvbw_arithmetic
from fixtures.dicom_series import REMOVED, _code, write_series

PROTOCOL = default_protocol()
NOBODY = AssumedValues()
NUCLIDE_GONE = {"RadionuclideCodeSequence": REMOVED, "Radiopharmaceutical": "Solution"}


def pet(folder, **changes):
    write_series(folder, **changes)
    (series,) = index_folder(folder).series
    return series


def codes(flags):
    return {flag.code for flag in flags}


def slope(folder, **changes):
    inputs, flags = suv_inputs(pet(folder, **changes), NOBODY)
    return suvbw_arithmetic(inputs), codes(flags)


# --- refusals, one element at a time -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"elements": {"PatientWeight": REMOVED}}, r"Patient's Weight \(0010,1030\) \(or give --weight\)"),
        ({"elements": {"PatientWeight": "0"}}, r"Patient's Weight \(0010,1030\)"),
        ({"elements": {"Units": REMOVED}}, r"Units \(0054,1001\)"),
        ({"elements": {"DecayCorrection": REMOVED}}, r"Decay Correction \(0054,1102\)"),
        ({"elements": {"AcquisitionTime": REMOVED}}, r"Acquisition Time \(0008,0032\)"),
        ({"tracer": {"RadionuclideTotalDose": REMOVED}}, r"Radionuclide Total Dose \(0018,1074\) \(or give --dose\)"),
        ({"tracer": {"RadionuclideTotalDose": "0"}}, r"Radionuclide Total Dose \(0018,1074\)"),
        (
            {"tracer": {"RadionuclideHalfLife": REMOVED, **NUCLIDE_GONE}},
            r"Radionuclide Half Life \(0018,1075\)",
        ),
        (
            {"tracer": {"RadiopharmaceuticalStartTime": REMOVED, "RadiopharmaceuticalStartDateTime": REMOVED}},
            r"Radiopharmaceutical Start Time \(0018,1072\)",
        ),
    ],
)
def test_each_missing_element_is_named(tmp_path, changes, named):
    with pytest.raises(SuvError, match=rf"^PT series 3: SUV cannot be computed; missing: {named}"):
        suv_inputs(pet(tmp_path, **changes), NOBODY)


def test_missing_sequence_names_everything_it_held(tmp_path):
    with pytest.raises(SuvError) as caught:
        suv_inputs(pet(tmp_path, elements={"RadiopharmaceuticalInformationSequence": REMOVED}), NOBODY)
    for tag in ("0018,1074", "0018,1075", "0018,1072"):
        assert tag in str(caught.value)


@pytest.mark.parametrize("units", ["PROPCNTS", "PROPCPS", "CPS", "1CM", "CNTS"])
def test_other_units_are_refused_by_name(tmp_path, units):
    with pytest.raises(SuvError, match=rf"Units \(0054,1001\) is {units}"):
        suv_inputs(pet(tmp_path, elements={"Units": units}), NOBODY)


def test_contradictory_decay_correction_is_refused(tmp_path):
    with pytest.raises(SuvError, match=r"NONE and Corrected Image .* lists DECY"):
        suv_inputs(pet(tmp_path, elements={"DecayCorrection": "NONE"}), NOBODY)
    with pytest.raises(SuvError, match="is SOMETIMES, and not START, ADMIN or NONE"):
        suv_inputs(pet(tmp_path / "b", elements={"DecayCorrection": "SOMETIMES"}), NOBODY)


def test_slices_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(AcquisitionError, match=r"Patient's Weight \(0010,1030\) differs between slices"):
        suv_inputs(pet(tmp_path, per_slice={"PatientWeight": ["78"] * 5 + ["80"]}), NOBODY)


def test_implausible_dose_is_refused(tmp_path):
    with pytest.raises(SuvError, match=r"Radionuclide Total Dose \(0018,1074\) is 5000, which is plausible neither"):
        suv_inputs(pet(tmp_path, tracer={"RadionuclideTotalDose": "5000"}), NOBODY)


def test_scan_before_its_injection_is_refused(tmp_path):
    inputs, _ = suv_inputs(pet(tmp_path, tracer={"RadiopharmaceuticalStartDateTime": "20260302110000"}), NOBODY)
    with pytest.raises(SuvError, match="precedes the injection"):
        suvbw_arithmetic(inputs)


def test_dates_that_escaped_a_shift_are_refused(tmp_path):
    inputs, _ = suv_inputs(pet(tmp_path, tracer={"RadiopharmaceuticalStartDateTime": "20260207090000"}), NOBODY)
    with pytest.raises(SuvError, match="half-lives after the injection"):
        suvbw_arithmetic(inputs)


# --- START, ADMIN, NONE against figures worked out by hand -------------------------------------------------------


def test_start_decays_from_injection_to_series_time(tmp_path):
    result, flags = slope(tmp_path)
    # 3600 s of 4062.6 s: 2 ** -0.886132 = 0.541063; 78000 / (150e6 * 0.541063) = 9.61073e-4
    assert result.slope_per_bqml == pytest.approx(9.61073e-4, rel=1e-5)
    assert flags == set()


def test_admin_decays_nothing(tmp_path):
    result, _ = slope(tmp_path, elements={"DecayCorrection": "ADMIN"})
    assert result.slope_per_bqml == pytest.approx(78000 / 150e6, rel=1e-12)


def test_admin_needs_no_acquisition_time(tmp_path):
    result, _ = slope(tmp_path, elements={"DecayCorrection": "ADMIN", "AcquisitionTime": REMOVED})
    assert result.slope_per_bqml == pytest.approx(5.2e-4, rel=1e-12)


def test_none_decays_to_each_bed(tmp_path):
    none = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN", "SCAT"]}
    times = ["100000"] * 3 + ["100300"] * 3
    result, _ = slope(tmp_path, elements=none, per_slice={"AcquisitionTime": times})
    # 180 s frames: mean decay (1 - exp(-x)) / x at x = ln 2 * 180 / 4062.6 = 0.0307110 is 0.984800
    assert result.slopes_per_bqml[0] == pytest.approx(78000 / (150e6 * 0.541063 * 0.984800), rel=1e-5)
    # the second bed is 180 s later: 2 ** (180 / 4062.6) = 1.031187
    assert result.slopes_per_bqml[5] / result.slopes_per_bqml[0] == pytest.approx(1.031187, rel=1e-6)


def test_none_without_frame_duration_is_refused(tmp_path):
    none = {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"], "ActualFrameDuration": REMOVED}
    with pytest.raises(SuvError, match=r"Actual Frame Duration \(0018,1242\)"):
        suv_inputs(pet(tmp_path, elements=none), NOBODY)


def test_beds_in_any_order_share_the_earliest_time(tmp_path):
    times = ["100600"] * 2 + ["100300"] * 2 + ["100000"] * 2
    acquisition, _ = read_acquisition(pet(tmp_path, per_slice={"AcquisitionTime": times}), None, PROTOCOL)
    assert acquisition.scan_start == datetime(2026, 3, 2, 10)
    assert acquisition.uptake_time_min == 60


def test_frames_are_in_stack_order(tmp_path):
    times = [f"10{k:02d}00" for k in range(6)]
    down = np.array([[0, 0, -3.0 * k] for k in range(6)])
    inputs, _ = suv_inputs(pet(tmp_path, per_slice={"AcquisitionTime": times}, positions=down), NOBODY)
    assert [f.acquisition.minute for f in inputs.frames] == [5, 4, 3, 2, 1, 0]


# --- injection ---------------------------------------------------------------------------------------------------


def test_time_alone_is_put_on_the_day_of_the_scan(tmp_path):
    inputs, flags = suv_inputs(pet(tmp_path, tracer={"RadiopharmaceuticalStartDateTime": REMOVED}), NOBODY)
    assert inputs.injection == datetime(2026, 3, 2, 9)
    assert codes(flags) == set()


def test_time_alone_over_midnight_is_put_on_the_day_before_and_flagged(tmp_path):
    tracer = {"RadiopharmaceuticalStartDateTime": REMOVED, "RadiopharmaceuticalStartTime": "233000"}
    early = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    inputs, flags = suv_inputs(pet(tmp_path, tracer=tracer, elements=early), NOBODY)
    assert inputs.injection == datetime(2026, 3, 1, 23, 30)
    assert codes(flags) == {"INJECTION_DATE_ASSUMED"}


def test_date_and_time_over_midnight_need_no_assumption(tmp_path):
    early = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    tracer = {
        "RadiopharmaceuticalStartDateTime": "20260301233000.000000+0100",
        "RadiopharmaceuticalStartTime": "233000",
    }
    inputs, flags = suv_inputs(pet(tmp_path, tracer=tracer, elements=early), NOBODY)
    assert inputs.injection == datetime(2026, 3, 1, 23, 30)
    assert codes(flags) == set()


# --- the vendors' own stamps -------------------------------------------------------------------------------------

GE = {(0x00090010, "LO"): "GEMS_PETD_01"}
DERIVED = {"SeriesTime": "113000"}


@pytest.mark.parametrize(
    ("stamp", "administered", "expected"),
    [
        ("20260302095900", None, datetime(2026, 3, 2, 9, 59)),  # between injection and scan: taken as it stands
        ("20260207095900", "20260207090000", datetime(2026, 3, 2, 9, 59)),  # moved by the 23 days of the injection
        ("20260207100000", None, datetime(2026, 3, 2, 10)),  # moved by the 23 days of the acquisition
        ("20260207095900", None, None),  # nothing pairs
        ("20260207095900", "20260208090000", None),  # pairs, but lands before the injection
    ],
)
def test_ge_stamp_is_moved_onto_the_public_dates_or_left_out(tmp_path, stamp, administered, expected):
    private = {**GE, (0x0009100D, "DT"): stamp}
    if administered:
        private[(0x0009103B, "DT")] = administered
    inputs, flags = suv_inputs(pet(tmp_path, elements={**DERIVED, **private}), NOBODY)
    assert inputs.private_reference == expected
    assert codes(flags) == (set() if expected else {"PRIVATE_TIME_IGNORED"})


def test_siemens_stamp_counts_before_series_time(tmp_path):
    private = {(0x00710010, "LO"): "SIEMENS MED PT", (0x00711022, "DT"): "20260302095500"}
    inputs, _ = suv_inputs(pet(tmp_path, elements={**DERIVED, **private}), NOBODY)
    assert suvbw_arithmetic(inputs).reference == datetime(2026, 3, 2, 9, 55)


def test_stamp_of_another_creator_is_not_the_vendors(tmp_path):
    private = {(0x00090010, "LO"): "SOMEBODY ELSE", (0x0009100D, "DT"): "20260302095900"}
    inputs, flags = suv_inputs(pet(tmp_path, elements=private), NOBODY)
    assert inputs.private_reference is None
    assert codes(flags) == set()


# --- conversions -------------------------------------------------------------------------------------------------


def test_dose_of_68ga_in_mbq_is_converted_and_flagged(tmp_path):
    inputs, flags = suv_inputs(pet(tmp_path, tracer={"RadionuclideTotalDose": "150"}), NOBODY)
    assert inputs.dose_bq == 150e6
    assert codes(flags) == {"DOSE_READ_AS_MBQ"}


def test_weight_in_grams_is_converted_and_flagged(tmp_path):
    inputs, flags = suv_inputs(pet(tmp_path, elements={"PatientWeight": "78000"}), NOBODY)
    assert inputs.weight_kg == 78
    assert codes(flags) == {"WEIGHT_READ_AS_GRAMS"}


def test_half_life_comes_from_the_coded_nuclide(tmp_path):
    inputs, flags = suv_inputs(pet(tmp_path, tracer={"RadionuclideHalfLife": REMOVED}), NOBODY)
    assert inputs.half_life_s == 4062.6
    assert codes(flags) == {"HALF_LIFE_FROM_NUCLIDE"}


def test_half_life_of_another_nuclide_is_flagged(tmp_path):
    _, flags = suv_inputs(pet(tmp_path, tracer={"RadionuclideHalfLife": "6586.2"}), NOBODY)
    assert codes(flags) == {"HALF_LIFE_UNUSUAL"}


# --- tracer and nuclide ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tracer", "expected"),
    [
        ({}, "68Ga"),
        ({"RadionuclideCodeSequence": Sequence([_code("77004003", "SCT", "^18^Fluorine")])}, "18F"),
        ({"RadionuclideCodeSequence": Sequence([_code("C-101ED", "99SDM", "177 Lutetium")])}, "177Lu"),
        ({"RadionuclideCodeSequence": Sequence([_code("C-111A1", "99SDM", "18F")])}, "18F"),
        ({"RadionuclideCodeSequence": Sequence([_code("C-131A3", "SRT", "")])}, "68Ga"),
        ({"RadionuclideCodeSequence": Sequence([_code("C-163A8", "SRT", "^99m^Technetium")])}, "99mTc"),
        ({"RadionuclideCodeSequence": REMOVED, "RadionuclideHalfLife": "4057"}, "68Ga"),
        ({"RadionuclideCodeSequence": REMOVED, "RadionuclideHalfLife": "45720"}, "64Cu"),
        ({**NUCLIDE_GONE, "RadionuclideHalfLife": "9999"}, None),
        ({"RadionuclideCodeSequence": REMOVED, "RadionuclideHalfLife": REMOVED}, "68Ga"),
        (
            {
                "RadionuclideCodeSequence": REMOVED,
                "RadionuclideHalfLife": REMOVED,
                "Radiopharmaceutical": "[64Cu]Cu-DOTATATE",
            },
            "64Cu",
        ),
    ],
)
def test_nuclide_by_code_half_life_and_name(tmp_path, tracer, expected):
    assert nuclide_of(pet(tmp_path, tracer=tracer).first)[0] == expected


@pytest.mark.parametrize(
    ("name", "description", "is_sstr"),
    [
        ("Ga-68 DOTATATE", "PET", True),
        ("68Ga-DOTA-TOC", "PET", True),
        ("FDG -- fluorodeoxyglucose", "PET", False),
        ("Ga68-PSMA", "PET", False),
        ("Solution", "PET", None),
        ("Solution", "WB DOTATATE AC", True),
        ("FDG", "WB DOTATATE AC", False),
        ("Solution", "no prior FDG", None),
        ("Solution", "DOTATATE, no prior FDG", True),
        ("Solution", "FDG negative, DOTATATE", True),
        ("Solution", "WB_FDG_AC", False),
        ("Solution", "GA_68_DOTA_TATE", True),
        ("68Ga", "PET_DOTATOC", True),
        ("Solution", "FDG and DOTATATE", None),
        ("68Ga-NODAGA-LM3", "compare with FDG", None),
        ("68Ga-NODAGA-LM3", "FDG", None),
        ("Detectnet", "WB DOTATATE AC", None),
        ("Ga_DOTA_TATE", "no prior FDG", True),
    ],
)
def test_tracer_by_name_then_description(tmp_path, name, description, is_sstr):
    elements = {"SeriesDescription": description}
    series = pet(tmp_path, tracer={"Radiopharmaceutical": name}, elements=elements)
    assert tracer_of(series.first, PROTOCOL.tracer).is_sstr is is_sstr


def test_the_coded_tracer_counts_before_free_text(tmp_path):
    coded = {"RadiopharmaceuticalCodeSequence": Sequence([_code("724025002", "SCT", "")])}
    study = {"StudyDescription": "no prior FDG"}
    series = pet(tmp_path / "a", tracer={**coded, "Radiopharmaceutical": "FDG"}, elements=study)
    assert tracer_of(series.first, PROTOCOL.tracer).is_sstr is True
    coded = {"RadiopharmaceuticalCodeSequence": Sequence([_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")])}
    series = pet(tmp_path / "b", tracer=coded)
    assert tracer_of(series.first, PROTOCOL.tracer).is_sstr is False


@pytest.mark.parametrize(
    "description",
    ["WB_NAC", "PET_NAC_2MM", "STATIC_NoAC", "PET NAC", "WB non-AC", "NO_ATTN", "PET_uncorrected", "WB w/o AC", "nac"],
)
def test_an_uncorrected_series_is_told_by_its_description(tmp_path, description):
    assert attenuation_corrected(pet(tmp_path, elements={"SeriesDescription": description})) is False


@pytest.mark.parametrize("description", ["WB_AC", "PET_CTAC", "WB_MAC_2MM", "pancreas_PET", "ACETATE_WB", "NACL flush"])
def test_other_descriptions_do_not_speak_of_missing_correction(tmp_path, description):
    assert attenuation_corrected(pet(tmp_path, elements={"SeriesDescription": description})) is True


def test_one_slice_without_attenuation_correction_is_enough(tmp_path):
    corrections = [["ATTN", "SCAT", "DECY"]] * 5 + [["SCAT", "DECY"]]
    assert attenuation_corrected(pet(tmp_path, per_slice={"CorrectedImage": corrections})) is False


# --- flags -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"tracer": {"Radiopharmaceutical": "FDG"}}, {"TRACER_NOT_SSTR"}),
        ({"tracer": {"Radiopharmaceutical": REMOVED}}, {"TRACER_UNKNOWN"}),
        (
            {"tracer": {"RadionuclideCodeSequence": Sequence([_code("77004003", "SCT", "^18^Fluorine")])}},
            {"NUCLIDE_NOT_68GA"},
        ),
        ({"tracer": {"RadionuclideHalfLife": "9999", **NUCLIDE_GONE}}, {"TRACER_UNKNOWN", "NUCLIDE_UNKNOWN"}),
        ({"tracer": {"RadiopharmaceuticalStartDateTime": "20260302091501"}}, {"UPTAKE_TIME_OUT_OF_RANGE"}),
        ({"tracer": {"RadiopharmaceuticalStartDateTime": "20260302091500"}}, set()),  # 45 min: within
        ({"tracer": {"RadiopharmaceuticalStartDateTime": "20260302082959"}}, {"UPTAKE_TIME_OUT_OF_RANGE"}),
        ({"tracer": {"RadionuclideTotalDose": "99e6"}}, {"ACTIVITY_OUT_OF_RANGE"}),
        ({"tracer": {"RadionuclideTotalDose": "200e6"}}, set()),
        ({"tracer": {"RadionuclideTotalDose": "201e6"}}, {"ACTIVITY_OUT_OF_RANGE"}),
        ({"elements": {"CorrectedImage": ["SCAT", "DECY"]}}, {"NOT_ATTENUATION_CORRECTED"}),
        ({"elements": {"SeriesDescription": "PET NAC"}}, {"NOT_ATTENUATION_CORRECTED"}),
        ({"elements": {"CorrectedImage": ["ATTN", "DECY"]}}, {"NOT_SCATTER_CORRECTED"}),
        ({"elements": {"ScatterCorrectionMethod": "None"}}, {"NOT_SCATTER_CORRECTED"}),
        ({"elements": {"CorrectedImage": REMOVED}}, {"CORRECTIONS_UNKNOWN"}),
    ],
)
def test_departures_from_the_protocol_are_flagged(tmp_path, changes, expected):
    _, flags = read_acquisition(pet(tmp_path, **changes), None, PROTOCOL)
    assert codes(flags) == expected


def test_coarse_grids_are_flagged_above_their_limits_only():
    limits = AcquisitionConfig()
    axes = ((0, 0, 1), (0, 1, 0), (1, 0, 0))

    def grid(slices, pixels):
        return Geometry((4, 4, 4), (0, 0, 0), (slices, pixels, pixels), axes)

    assert codes(grid_flags(grid(5.0, 5.5), grid(5.0, 1.0), limits)) == set()
    assert codes(grid_flags(grid(4.0, 5.6), None, limits)) == {"VOXELS_LARGE"}
    thick = grid_flags(grid(3.0, 4.0), grid(7.5, 1.0), limits)
    assert [f.sentence for f in thick] == ["CT slices of 7.5 mm exceed 5 mm."]
