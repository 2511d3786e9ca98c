"""The instant that a START series is corrected to: which ways are valid, and in which order."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.errors import SuvError
from dotaliver.suv.decay import FrameTiming, ReferenceWay, back_computed, start_references

START = datetime(2026, 3, 2, 10)
GA68_S = 4062.6


def at(seconds):
    return START + timedelta(seconds=seconds)


def beds(reference, *, acquired=None, bed_s=180.0, count=4):
    """Frames of beds scanned one after the other; reference and acquired map a bed's offset in s to a time in s."""
    acquired = acquired or (lambda offset: offset)
    return tuple(
        FrameTiming(acquisition=at(acquired(k * bed_s)), duration_s=bed_s, reference_s=reference(k * bed_s))
        for k in range(count)
    )


def standard(offset_s):
    # 68Ga shows its mean activity of a 180 s frame 89.77 s after the frame's start
    return offset_s + 89.77


SERIES = ReferenceWay("series", START)


def test_frames_by_the_standard_give_the_start_of_the_series():
    instants = back_computed(beds(standard), GA68_S, counts_to_start=False)
    assert all(abs((t - START).total_seconds()) < 0.01 for t in instants)


def test_series_time_counts_before_back_computation_and_is_checked_by_it():
    ways = start_references(beds(standard), GA68_S, series=SERIES)
    assert [way.source[:8] for way in ways] == ["series", "back-com"]


def test_late_series_time_leaves_back_computation():
    ways = start_references(beds(standard), GA68_S, series=ReferenceWay("series", at(1)))
    assert len(ways) == 1
    assert abs((ways[0].instant - START).total_seconds()) < 0.01
    assert not ways[0].assumed


def test_a_lost_first_bed_does_not_move_the_reference():
    ways = start_references(beds(standard)[1:], GA68_S)
    assert abs((ways[0].instant - START).total_seconds()) < 0.01


def test_beds_that_share_one_acquisition_time_cannot_be_computed_back():
    # GE: Frame Reference Time is the bed's offset, Acquisition Time that of the series in every slice
    frames = beds(lambda offset: offset, acquired=lambda _: 0.0)
    for counts_to_start in (False, True):
        assert back_computed(frames, GA68_S, counts_to_start=counts_to_start) is None
    assert [way.source for way in start_references(frames, GA68_S, series=SERIES)] == ["series"]


def test_ge_counts_to_the_start_of_the_frame():
    frames = beds(lambda offset: offset)
    assert back_computed(frames, GA68_S, counts_to_start=True) == (START,) * 4
    # By the standard's meaning the series would be corrected to an instant after its own start
    assert back_computed(frames, GA68_S, counts_to_start=False) is None


def test_continuous_beds_of_different_durations_agree():
    # Siemens: the ends of the axial range are shorter frames that begin together
    frames = tuple(
        FrameTiming(acquisition=at(1.35), duration_s=d, reference_s=d / 2 + 1.35) for d in (74.324, 75.676, 77.027)
    )
    instants = back_computed(frames, 6586.2, counts_to_start=False)
    assert all(abs((t - START).total_seconds()) < 0.2 for t in instants)


def test_beds_corrected_to_their_own_starts_contradict_each_other():
    frames = beds(lambda _: 90.0)
    ways = start_references(frames, GA68_S, series=SERIES)
    assert ways[0] == SERIES
    assert "contradict each other" in ways[1].source
    assert abs((ways[1].instant - at(540)).total_seconds()) < 0.5
    with pytest.raises(SuvError, match="corrected to instants from 09:59:59 to 10:08:59"):
        start_references(frames, GA68_S)


def test_without_any_other_way_the_first_acquisition_is_assumed():
    bare = tuple(FrameTiming(acquisition=at(180 * k)) for k in (2, 0, 1))
    (way,) = start_references(bare, GA68_S, series=ReferenceWay("series", at(3600)))
    assert way.instant == START
    assert way.assumed


@given(st.permutations(range(4)), st.floats(0, 600))
def test_order_of_the_slices_does_not_matter(order, early_s):
    frames = beds(standard)
    series = ReferenceWay("series", at(-early_s))
    assert start_references(tuple(frames[k] for k in order), GA68_S, series=series) == start_references(
        frames, GA68_S, series=series
    )
