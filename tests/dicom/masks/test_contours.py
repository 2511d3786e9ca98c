"""Contours of one plane: rings are holes, everything else adds up, and nothing is counted twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.dicom.masks.contours import PlaneContour, TooManyContoursError, fill_contours, fill_polygon

SHAPE = (60, 60)


def disc(row, column, radius, points=64, sense=1, start=0.0):
    angle = start + sense * np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)


def box(top, left, bottom, right):
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)], dtype=float)


def fill(*polygons, exclusive=False):
    return fill_contours([PlaneContour(p, exclusive) for p in polygons], SHAPE)


def test_a_contour_stored_twice_counts_once_from_any_start_and_in_either_sense():
    one = disc(30, 30, 12)
    for other in (one, one[::-1], np.roll(one, 17, axis=0), np.vstack([one, one[:1]])):
        np.testing.assert_array_equal(fill(one, other), fill(one))


def test_contours_that_cross_are_added_up():
    one, two = disc(30, 24, 10), disc(30, 36, 10)
    np.testing.assert_array_equal(fill(one, two), fill(one) | fill(two))
    np.testing.assert_array_equal(
        fill(box(5.5, 5.5, 20.5, 20.5), box(5.5, 12.5, 20.5, 30.5)), fill(box(5.5, 5.5, 20.5, 30.5))
    )


def test_a_contour_that_just_leaves_another_is_no_hole_in_it():
    outer, inner = disc(30, 30, 15, 256), disc(30, 40, 5.2, 256)
    np.testing.assert_array_equal(fill(outer, inner), fill(outer) | fill(inner))


def test_rings_have_holes_and_islands_in_them():
    outer, hole, island = disc(30, 30, 20), disc(30, 30, 14), disc(30, 30, 6)
    expected = (fill(outer) & ~fill(hole)) | fill(island)
    np.testing.assert_array_equal(fill(outer, hole, island), expected)
    np.testing.assert_array_equal(fill(island, outer, hole), expected)


def test_a_hole_does_not_cut_into_a_contour_that_crosses_it():
    outer, hole, across = disc(30, 30, 20), disc(30, 30, 10), box(25.5, 15.5, 34.5, 55.5)
    expected = (fill(outer) & ~fill(hole)) | fill(across)
    np.testing.assert_array_equal(fill(outer, hole, across), expected)


def test_holes_that_cross_make_one_hole():
    outer, one, two = disc(30, 30, 22), disc(30, 26, 7), disc(30, 34, 7)
    np.testing.assert_array_equal(fill(outer, one, two), fill(outer) & ~(fill(one) | fill(two)))


def test_a_contour_traced_twice_in_one_stays_full():
    one = disc(30, 30, 12)
    np.testing.assert_array_equal(fill(np.vstack([one, one])), fill(one))


def test_contours_of_exclusive_or_follow_the_even_odd_rule():
    one, two = disc(30, 24, 10), disc(30, 36, 10)
    np.testing.assert_array_equal(fill(one, two, exclusive=True), fill(one) ^ fill(two))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(8, 50), st.floats(8, 50), st.floats(1.5, 9)), min_size=1, max_size=6), st.randoms())
def test_the_order_of_contours_never_matters_and_nothing_outside_all_is_filled(discs, random):
    polygons = [disc(*d) for d in discs]
    mask = fill(*polygons)
    shuffled = list(polygons)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(fill(*shuffled), mask)
    assert not (mask & ~np.any([fill_polygon(p, SHAPE) for p in polygons], axis=0)).any()


@settings(max_examples=60, deadline=None)
@given(st.floats(5, 14), st.floats(0.5, 20), st.floats(0, 6.3))
def test_two_discs_have_the_area_that_their_distance_gives(radius, apart, angle):
    smaller = radius * 0.6
    row, column = 30 + apart * np.sin(angle), 30 + apart * np.cos(angle)
    one, two = disc(30, 30, radius, 400), disc(row, column, smaller, 400)
    if abs(apart + smaller - radius) < 0.01:
        return
    nested = apart + smaller < radius
    expected = fill(one) & ~fill(two) if nested else fill(one) | fill(two)
    np.testing.assert_array_equal(fill(one, two), expected)


def test_contours_made_to_exhaust_the_reader_are_refused():
    many = [PlaneContour(disc(30, 30, 20 - 0.01 * k, 9000)) for k in range(4)]
    with pytest.raises(TooManyContoursError):
        fill_contours(many, SHAPE)
