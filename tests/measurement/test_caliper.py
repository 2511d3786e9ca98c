"""Calipers: what follows when an end is moved, and snapping to the border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.image.volume import LabelMap
from dotaliver.measurement.caliper import (
    Caliper,
    border_place,
    with_end_moved,
    with_outline_short_axis,
    with_short_axis,
)
from dotaliver.measurement.diameters import longest_diameter
from fixtures.arrays import grid

NORMAL = (0.0, 0.0, 1.0)
DRAWN = Caliper(((0.0, 0.0, 5.0), (20.0, 0.0, 5.0)), ((8.0, -4.0, 5.0), (8.0, 6.0, 5.0)))
PLACES = st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.just(5.0))
ENDS = st.sampled_from(["long_first", "long_second", "short_first", "short_second"])


def direction(line):
    return np.subtract(line[1], line[0])


@given(moves=st.lists(st.tuples(ENDS, PLACES), min_size=1, max_size=6))
def test_whatever_end_is_moved_the_axes_stay_perpendicular_in_their_slice_and_cross(moves):
    now = DRAWN
    for end, place in moves:
        moved = with_end_moved(now, end, place, NORMAL)
        if moved.long_mm < 1.0:
            continue
        now = moved
        long, short = direction(now.long_axis_lps_mm), direction(now.short_axis_lps_mm)
        assert abs(long @ short) <= 1e-6 * max(now.long_mm * now.short_mm, 1.0)
        assert {end[2] for end in now.ends.values()} == {5.0}
        middle = np.mean(now.short_axis_lps_mm, axis=0) - now.long_axis_lps_mm[0]
        assert -1e-6 <= (middle @ long) / (long @ long) <= 1 + 1e-6


@given(place=PLACES)
def test_the_end_that_is_moved_goes_to_its_place_and_the_other_end_of_its_axis_stays(place):
    moved = with_end_moved(DRAWN, "long_first", place, NORMAL)
    assert moved.long_axis_lps_mm == (place, DRAWN.long_axis_lps_mm[1])
    free = with_end_moved(DRAWN, "short_second", place, NORMAL, perpendicular=False)
    assert free.short_axis_lps_mm == (DRAWN.short_axis_lps_mm[0], place)


def test_a_short_axis_drawn_aslant_is_made_perpendicular_unless_it_is_wanted_free():
    line = ((6.0, -5.0, 5.0), (12.0, 7.0, 5.0))
    made = with_short_axis(DRAWN, line, NORMAL)
    assert made.short_axis_lps_mm == ((9.0, -5.0, 5.0), (9.0, 7.0, 5.0))
    assert made.short_mm == 12.0
    assert with_short_axis(DRAWN, line, NORMAL, perpendicular=False).short_axis_lps_mm == line


def disc(radius_mm=15.0, spacing=(3.0, 0.5, 0.5)):
    geometry = grid((3, 120, 120), spacing)
    _, y, x = np.indices(geometry.shape) * np.array(spacing).reshape(3, 1, 1, 1)
    inside = np.hypot(y - 30.0, x - 30.0) <= radius_mm
    return LabelMap(inside.astype(np.uint8), geometry)


def test_an_end_near_the_border_snaps_to_where_diameters_are_measured():
    lesion = disc()
    there = border_place(lesion, (30.0, 42.0, 3.0), within_mm=5.0)
    assert there == pytest.approx((30.0, 45.0, 3.0), abs=0.6)
    assert border_place(lesion, (30.0, 30.0, 3.0), within_mm=5.0) is None
    assert border_place(lesion, (30.0, 42.0, 30.0), within_mm=5.0) is None
    measured = longest_diameter(lesion, "ct").diameter
    for end in measured.long_axis_lps_mm:
        assert border_place(lesion, end, within_mm=1.0) == pytest.approx(end, abs=0.6)


def test_the_outline_gives_the_short_axis_of_a_drawn_diameter():
    drawn = Caliper(((15.5, 30.0, 3.0), (44.5, 30.0, 3.0)))
    made = with_outline_short_axis(drawn, disc(14.0))
    assert made.short_mm == pytest.approx(28.0, abs=0.6)
    assert with_outline_short_axis(drawn, None) == drawn
