"""Clocks of one PET: offsets from UTC, malformed times, several injections."""

import copy
from datetime import datetime

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.config.scoring import AssumedValues, ScoringConfig
from dotaliver.dicom.files.headers import index_folder
from dotaliver.dicom.files.moments import parse_date, parse_moment, parse_time
from dotaliver.dicom.pet.suv_inputs import suv_inputs
from dotaliver.dicom.pet.timing import scan_start
from dotaliver.dicom.study import load_study
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.suv.arithmetic import suvbw_arithmetic
from fixtures.dicom_series import REMOVED, write_series, write_study

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")
# 3600 s of 4062.6 s: 2 ** -0.886132 = 0.541063; 78000 g / (150e6 Bq * 0.541063)
PER_BQML = 9.61073e-4
ZONE = {"TimezoneOffsetFromUTC": "+0200"}
NO_CLOCK = {"RadiopharmaceuticalStartTime": REMOVED}


def read(folder, assume=None, **changes):
    write_series(folder, **changes)
    (series,) = index_folder(folder).series
    inputs, flags = suv_inputs(series, assume or AssumedValues())
    return suvbw_arithmetic(inputs), {flag.code for flag in flags}


# --- offsets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "clock", "zone"),
    [
        ("20260302070000+0000", REMOVED, ZONE),  # 07:00 UTC is 09:00 at +02:00
        ("20260302070000.000000+0000", "090000", ZONE),
        ("20260302013000-0530", REMOVED, ZONE),
        ("20260302090000+0200", REMOVED, ZONE),
        ("20260302090000", REMOVED, ZONE),
        ("20260301233000-0730", REMOVED, ZONE),  # the day before, in another zone
        ("20260302070000+0000", "090000", {}),  # tied by the two clocks of one instant
        ("20260302090000+0100", "090000", {}),
    ],
)
def test_start_with_an_offset_is_converted_to_the_series_zone(tmp_path, moment, clock, zone):
    tracer = {"RadiopharmaceuticalStartDateTime": moment, "RadiopharmaceuticalStartTime": clock}
    result, flags = read(tmp_path, tracer=tracer, elements=zone)
    assert result.injection == datetime(2026, 3, 2, 9)
    assert result.voxel_factors == (pytest.approx(PER_BQML, rel=1e-5),)
    assert flags == set()


def test_an_offset_that_nothing_ties_to_the_scan_is_refused_with_what_mends_it(tmp_path):
    tracer = {"RadiopharmaceuticalStartDateTime": "20260302090000+0000", **NO_CLOCK}
    with pytest.raises(AcquisitionError, match=r"\(0018,1078\) has an offset from UTC .*\(0008,0201\) is missing"):
        read(tmp_path / "a", tracer=tracer)
    stated = AssumedValues(injection=datetime(2026, 3, 2, 9))
    assert read(tmp_path / "b", stated, tracer=tracer)[0].voxel_factors == (pytest.approx(PER_BQML, rel=1e-5),)


def test_an_offset_that_the_clock_contradicts_is_refused(tmp_path):
    tracer = {"RadiopharmaceuticalStartDateTime": "20260302090000+0000", "RadiopharmaceuticalStartTime": "090000"}
    with pytest.raises(AcquisitionError, match=r"is 11:00:00 in local time and Start Time \(0018,1072\) is 09:00:00"):
        read(tmp_path, tracer=tracer, elements=ZONE)


def test_slices_of_different_zones_are_refused(tmp_path):
    with pytest.raises(AcquisitionError, match=r"\(0008,0201\) differs between slices"):
        read(tmp_path, per_slice={"TimezoneOffsetFromUTC": ["+0200"] * 5 + ["+0100"]})


@pytest.mark.parametrize(
    ("group", "creator", "element"), [(0x0009, "GEMS_PETD_01", 0x0D), (0x0071, "SIEMENS MED PT", 0x22)]
)
def test_private_scan_times_are_converted_too(tmp_path, group, creator, element):
    private = {(group << 16 | 0x10, "LO"): creator, (group << 16 | 0x1000 | element, "DT"): "20260302080000+0000"}
    result, flags = read(tmp_path / "a", elements={**ZONE, **private})
    assert result.reference == datetime(2026, 3, 2, 10)
    assert "private scan time" in result.reference_source and not flags
    result, flags = read(tmp_path / "b", elements=private)
    assert result.reference == datetime(2026, 3, 2, 10) and "Series" in result.reference_source
    assert flags == {"PRIVATE_TIME_IGNORED"}


def test_acquisition_datetime_is_converted(tmp_path):
    elements = {"AcquisitionTime": REMOVED, "AcquisitionDate": REMOVED, "AcquisitionDateTime": "20260302080000+0000"}
    write_series(tmp_path / "a", elements={**elements, **ZONE})
    (series,) = index_folder(tmp_path / "a").series
    assert scan_start(series) == datetime(2026, 3, 2, 10)
    with pytest.raises(AcquisitionError, match=r"\(0008,002A\) has an offset from UTC"):
        read(tmp_path / "b", elements=elements)


@given(
    st.integers(2000, 2030), st.integers(1, 12), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59),
    st.integers(-48, 56),
)  # fmt: skip
def test_written_digits_and_offset_come_back(year, month, day, hour, minute, quarters):
    sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
    value = f"{year}{month:02d}{day:02d}{hour:02d}{minute:02d}{sign}{minutes // 60:02d}{minutes % 60:02d}"
    moment = parse_moment(value)
    assert moment.written == datetime(year, month, day, hour, minute)
    assert moment.offset.total_seconds() == quarters * 900


# --- malformed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["9:15:00", "10:11:12 PM", "1011122", "256000", "10 11 12", "morning", "10"])
def test_what_is_not_a_time_is_not_read_as_one(value):
    assert parse_time(value) is None


@pytest.mark.parametrize("value", ["20240931", "19500230", "00000000", "2024-9-1", "202409011", "101112.13"])
def test_what_is_not_a_date_is_not_read_as_one(value):
    assert parse_date(value) is None


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"elements": {"AcquisitionTime": "9:15:00"}}, r"Acquisition Time \(0008,0032\) is '9:15:00', which is not a"),
        ({"elements": {"SeriesTime": "10:00:00 AM"}}, r"Series Time \(0008,0031\) is '10:00:00 AM'"),
        ({"tracer": {"RadiopharmaceuticalStartTime": "9:00"}}, r"Start Time \(0018,1072\) is '9:00'"),
        (
            {"tracer": {"RadiopharmaceuticalStartDateTime": "2026-03-02 09:00"}},
            r"Start DateTime \(0018,1078\) is '2026-03-02 09:00', which is not a DICOM date and time",
        ),
        ({"elements": {"TimezoneOffsetFromUTC": "CET"}}, r"\(0008,0201\) is 'CET'"),
    ],
)
def test_malformed_times_are_shown_and_not_called_missing(tmp_path, changes, shown):
    write_study(tmp_path, pet=changes)
    with pytest.raises(AcquisitionError, match=shown):
        load_study(tmp_path, ScoringConfig())


def test_a_clock_that_is_not_needed_may_be_malformed(tmp_path):
    write_study(tmp_path, pet={"elements": {"AcquisitionTime": "9:15:00"}})
    study = load_study(tmp_path, ScoringConfig(assume=AssumedValues(relative=True)))
    (flag,) = (f for f in study.flags if f.code == "TIME_UNREADABLE")
    assert "'9:15:00'" in flag.sentence


@pytest.mark.parametrize("value", ["20240931", "00000000"])
def test_an_invalid_study_date_is_left_out_with_a_flag(tmp_path, value):
    write_study(tmp_path, pet={"elements": {"StudyDate": value}})
    study = load_study(tmp_path, ScoringConfig())
    assert study.identity.study_date is None
    assert any(f.sentence.startswith("Study Date (0008,0020) is not a date") for f in study.flags)


# --- several injections ----------------------------------------------------------------------------------------------


def with_items(folder, change, slices=range(6)):
    paths = write_series(folder)
    for k in slices:
        ds = pydicom.dcmread(paths[k])
        change(ds.RadiopharmaceuticalInformationSequence)
        ds.save_as(paths[k])
    (series,) = index_folder(folder).series
    return series


def second(**changes):
    def change(sequence):
        item = copy.deepcopy(sequence[0])
        for keyword, value in changes.items():
            setattr(item, keyword, value)
        sequence.append(item)

    return change


def test_two_injections_are_refused_unless_dose_and_time_are_stated(tmp_path):
    series = with_items(tmp_path, second(RadionuclideTotalDose="60000000"))
    with pytest.raises(SuvError, match=r"Sequence \(0054,0016\) holds 2 items .* --dose and --injection"):
        suv_inputs(series, AssumedValues())
    stated = AssumedValues(dose_mbq=150, injection=datetime(2026, 3, 2, 9))
    assert suv_inputs(series, stated)[0].dose_bq == 150e6


def test_two_tracers_are_refused_whatever_is_stated(tmp_path):
    series = with_items(tmp_path, second(Radiopharmaceutical="FDG"))
    stated = AssumedValues(dose_mbq=150, injection=datetime(2026, 3, 2, 9))
    for assume in (AssumedValues(), stated):
        with pytest.raises(SuvError, match=r"holds 2 items .*FDG"):
            suv_inputs(series, assume)


def test_an_item_that_stands_there_twice_is_one(tmp_path):
    assert suv_inputs(with_items(tmp_path, second()), AssumedValues())[0].dose_bq == 150e6


def test_items_that_differ_between_slices_are_refused(tmp_path):
    def change(sequence):
        sequence[0].RadionuclideTotalDose = "60000000"

    with pytest.raises(SuvError, match=r"\(0054,0016\) differs between slices"):
        suv_inputs(with_items(tmp_path, change, [5]), AssumedValues())
