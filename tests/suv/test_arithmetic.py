"""SUV arithmetic against closed forms, without any DICOM."""

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dotaliver.errors import SuvError
from dotaliver.suv.arithmetic import (
    DecayCorrection,
    FrameTiming,
    SuvInputs,
    average_decay_during_frame,
    decay_factor,
    frame_decay_reference,
    suvbw_arithmetic,
)
from dotaliver.suv.records import SuvArithmetic

HALF_LIFE_S = 4062.6
INJECTED = datetime(2026, 3, 2, 9)


def after(seconds):
    return INJECTED + timedelta(seconds=seconds)


def inputs(correction=DecayCorrection.START, *, scan_s=3600.0, **changes):
    fields = {
        "decay_correction": correction,
        "weight_kg": 70.0,
        "dose_bq": 140e6,
        "half_life_s": HALF_LIFE_S,
        "injection": INJECTED,
        "series": after(scan_s),
        "frames": (FrameTiming(acquisition=after(scan_s), duration_s=180.0),),
        "sources": {},
    }
    return SuvInputs(**(fields | changes))


def test_one_half_life_doubles_the_factor():
    # 70000 g / 140e6 Bq = 5e-4 at injection
    assert suvbw_arithmetic(inputs(scan_s=0)).slope_per_bqml == pytest.approx(5e-4, rel=1e-12)
    assert suvbw_arithmetic(inputs(scan_s=HALF_LIFE_S)).slope_per_bqml == pytest.approx(1e-3, rel=1e-9)


@given(st.floats(0, 5 * HALF_LIFE_S), st.floats(1, 300))
def test_factor_is_proportional_to_weight_and_inverse_to_dose(scan_s, factor):
    one = suvbw_arithmetic(inputs(scan_s=scan_s)).slope_per_bqml
    heavy = suvbw_arithmetic(inputs(scan_s=scan_s, weight_kg=70 * factor)).slope_per_bqml
    strong = suvbw_arithmetic(inputs(scan_s=scan_s, dose_bq=140e6 * factor)).slope_per_bqml
    assert heavy == pytest.approx(one * factor, rel=1e-9)
    assert strong == pytest.approx(one / factor, rel=1e-9)


def test_ten_minutes_of_68ga_are_eleven_percent():
    late = suvbw_arithmetic(inputs(scan_s=4200)).slope_per_bqml / suvbw_arithmetic(inputs(scan_s=3600)).slope_per_bqml
    assert late == pytest.approx(1.108, abs=5e-4)


def test_admin_does_not_decay():
    result = suvbw_arithmetic(inputs(DecayCorrection.ADMIN, scan_s=3600))
    assert result.slope_per_bqml == pytest.approx(5e-4, rel=1e-12)


@given(st.floats(1, 3600), st.floats(60, 1e6))
def test_mean_decay_in_a_frame_lies_between_its_ends(duration_s, half_life_s):
    mean = average_decay_during_frame(duration_s, half_life_s)
    assert decay_factor(duration_s, half_life_s) <= mean <= 1


@given(st.floats(10, 1800), st.floats(0, 3000))
def test_reference_is_recovered_from_a_frame(duration_s, offset_s):
    # A frame that starts `offset_s` after the reference shows its mean activity at the instant where
    # 2 ** (-t / T) equals the mean over the frame: Frame Reference Time is that instant after the reference.
    left = average_decay_during_frame(duration_s, HALF_LIFE_S)
    mean_instant_s = HALF_LIFE_S * -math.log2(left)
    frame = FrameTiming(acquisition=after(offset_s), duration_s=duration_s, reference_s=offset_s + mean_instant_s)
    gap = frame_decay_reference(frame, HALF_LIFE_S) - INJECTED
    assert abs(gap.total_seconds()) < 1e-4


def test_none_uses_the_mean_of_each_frame():
    beds = tuple(FrameTiming(acquisition=after(3600 + 180 * k), duration_s=180.0) for k in range(3))
    result = suvbw_arithmetic(inputs(DecayCorrection.NONE, frames=beds))
    assert result.slope_per_bqml is None
    for k, slope in enumerate(result.slopes_per_bqml):
        # mean of 2 ** (-t / T) over the bed, by the midpoint rule
        times = [3600 + 180 * k + (i + 0.5) * 0.18 for i in range(1000)]
        mean = sum(2 ** (-t / HALF_LIFE_S) for t in times) / 1000
        assert slope == pytest.approx(5e-4 / mean, rel=1e-8)


def test_series_time_after_the_acquisition_is_not_the_reference():
    frame = FrameTiming(acquisition=after(3600), duration_s=180.0, reference_s=90.0)
    result = suvbw_arithmetic(inputs(series=after(7200), frames=(frame,)))
    # the mean of a 180 s frame of 68Ga lies 89.77 s after its start, 0.23 s before Frame Reference Time
    assert (result.reference - after(3600)).total_seconds() == pytest.approx(-0.23, abs=0.01)


def test_private_stamp_comes_first_and_others_are_cross_checks():
    result = suvbw_arithmetic(inputs(private_reference=after(3000)))
    assert result.reference == after(3000)
    assert result.alternative_percent == pytest.approx(100 * (2 ** (600 / HALF_LIFE_S) - 1), rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"scan_s": -60.0}, "precedes the injection"),
        ({"scan_s": 11 * HALF_LIFE_S}, "11 half-lives after the injection"),
    ],
)
def test_impossible_times_are_refused(changes, why):
    with pytest.raises(SuvError, match=why):
        suvbw_arithmetic(inputs(**changes))


def test_none_without_duration_is_refused():
    bare = (FrameTiming(acquisition=after(3600)),)
    with pytest.raises(SuvError, match=r"Actual Frame Duration \(0018,1242\)"):
        suvbw_arithmetic(inputs(DecayCorrection.NONE, frames=bare))


def test_steps_end_in_the_factor():
    result = suvbw_arithmetic(inputs())
    line = next(s for s in result.steps if s.quantity == "SUVbw per Bq/ml")
    assert float(line.value) == pytest.approx(result.slope_per_bqml, rel=1e-7)


def test_steps_give_activities_in_mbq():
    result = suvbw_arithmetic(inputs())
    shown = {step.quantity: step for step in result.steps}
    assert shown["Injected activity"].value == f"{result.dose_bq / 1e6:g} MBq"
    left = shown["Activity left"]
    assert left.value.split(" (")[0].endswith(" MBq")
    assert left.source.startswith(f"{result.dose_bq / 1e6:g} MBq × 2^")


@pytest.mark.parametrize("one", ["slope_per_bqml", "suv_per_voxel_unit"])
def test_a_record_with_one_factor_and_one_for_each_slice_is_refused(one):
    several = {"slope_per_bqml": "slopes_per_bqml", "suv_per_voxel_unit": "suvs_per_voxel_unit"}[one]
    record = {"steps": (), one: 1e-3}
    assert SuvArithmetic.model_validate(record).voxel_factors == (1e-3,)
    with pytest.raises(ValidationError, match=several):
        SuvArithmetic.model_validate(record | {several: (1e-3, 2e-3)})
