"""The lengths of a caliper are written where they hide neither lesion numbers nor each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_dotaliver.view.caliper_labels import label_centres

LONG, SHORT = np.array([[50.0, 30.0], [50.0, 70.0]]), np.array([[35.0, 50.0], [65.0, 50.0]])
NONE = np.zeros((0, 2))
# Of "39.3 mm" and of a number on the screen, in pixels.
HEIGHT, WIDTH, NUMBER = 22.0, 92.0, 26.0


def apart(one, other, width, pixel_mm=0.5) -> bool:
    rows, columns = np.abs(np.subtract(one, other)) / pixel_mm
    return bool(rows >= HEIGHT or columns >= width)


def test_alone_a_length_stands_beside_the_right_end():
    (centre,) = label_centres([LONG], NONE, 0.5)
    assert centre[0] == pytest.approx(50.0)
    assert centre[1] - 0.5 * WIDTH * 0.5 > 70.0


def test_both_lengths_of_a_cross_stand_clear_of_each_other_and_of_its_lines():
    first, second = label_centres([LONG, SHORT], NONE, 0.5)
    assert apart(first, second, WIDTH)
    for centre in (first, second):
        rows, columns = centre[0] + np.array([-1, 1]) * HEIGHT / 4, centre[1] + np.array([-1, 1]) * WIDTH / 4
        assert not (rows[0] < 50.0 < rows[1] and columns[0] < 70.0 and columns[1] > 30.0)
        assert not (columns[0] < 50.0 < columns[1] and rows[0] < 65.0 and rows[1] > 35.0)


@given(st.tuples(st.floats(20.0, 80.0), st.floats(0.0, 120.0)), st.sampled_from([0.3, 0.5, 0.8]))
def test_a_number_anywhere_stays_readable(number, pixel_mm):
    for centre in label_centres([LONG, SHORT], np.array([number]), pixel_mm):
        assert apart(centre, number, (WIDTH + NUMBER) / 2, pixel_mm)


def test_no_line_needs_no_place():
    assert label_centres([], np.array([[1.0, 2.0]]), 0.5) == []
