"""Windows: the named ones are what their names say, and a drag changes them smoothly and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_dotaliver.view.windows import CT_WINDOWS, PET_WINDOWS, ct_dragged, pet_dragged, window_words


def test_the_named_windows():
    assert [window.limits for window in PET_WINDOWS.values()] == [(0, 7), (0, 10), (0, 15), (0, 20)]
    assert window_words("CT", CT_WINDOWS["ct_soft"].limits, "HU") == "CT W 400 L 40 HU"
    assert window_words("CT", CT_WINDOWS["ct_lung"].limits, "HU") == "CT W 1500 L -600 HU"


@given(st.floats(-600, 600), st.floats(-600, 600))
def test_a_drag_and_its_way_back_leave_a_width_as_it_was(right, down):
    low, high = ct_dragged((-160.0, 240.0), right, 0.0)
    assert high > low
    assert ct_dragged((low, high), -right, 0.0) == (pytest.approx(-160, abs=2), pytest.approx(240, abs=2))
    low, high = pet_dragged((0.0, 20.0), down)
    assert (low, high) == (0.0, pytest.approx(20 * 2 ** (down / 150)))


def test_a_window_never_closes():
    assert pet_dragged((0.0, 0.2), -10_000.0)[1] > 0
    low, high = ct_dragged((0.0, 10.0), -10_000.0, 0.0)
    assert high - low >= 2
