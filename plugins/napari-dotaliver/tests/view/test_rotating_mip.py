"""Projections show each focus where it lies, from every side, and lead back to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.rotating_mip import RotatingMip
from scipy import ndimage

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume

# Feet to head, front to back, right to left
GRID = Geometry((30, 50, 60), (-110.0, -100.0, -50.0), (5.0, 4.0, 4.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), "1.2")
FRONT_LEFT, BACK_RIGHT = (20, 8, 50), (8, 40, 10)


@pytest.fixture(scope="module")
def mip() -> RotatingMip:
    array = np.full(GRID.shape, 0.5, np.float32)
    array[FRONT_LEFT] = 40.0
    array[BACK_RIGHT] = 30.0
    return RotatingMip.of(Volume(array, GRID, Quantity.SUVBW))


def world(index):
    return lps_to_world(GRID.index_to_lps(index))


def test_from_the_front_the_patient_s_left_is_on_the_right_and_the_head_up(mip):
    image = mip.frame(0).image
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert row < image.shape[0] / 2
    assert column > image.shape[1] / 2


def test_from_the_left_the_front_is_on_the_left(mip):
    image = mip.frame(90).image
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert row < image.shape[0] / 2
    # Facing the patient's left side, the patient looks to the left of the picture.
    assert column < image.shape[1] / 2


def test_the_breadth_is_that_of_the_body_from_every_side_not_of_the_air_around_it():
    body = np.full(GRID.shape, 0.02, np.float32)
    body[:, 15:35, 20:40] = 2.0
    body[5:8, 20:24, 25:29] = 30.0
    mip = RotatingMip.of(Volume(body, GRID, Quantity.SUVBW))
    # A square of 80 mm turns within 113 mm; the field of view of 200 by 240 mm turns within 312.
    assert 113 <= mip.breadth * mip.spacing_mm <= 113 + 60
    for angle in range(0, 360, 30):
        seen = np.flatnonzero((mip.frame(angle).image > 1.0).any(axis=0))
        assert abs(seen - (mip.voxels.shape[2] - 1) / 2).max() <= mip.breadth / 2


@pytest.mark.parametrize("angle", range(0, 360, 30))
@pytest.mark.parametrize("focus", [FRONT_LEFT, BACK_RIGHT])
def test_a_focus_is_seen_where_it_lies_and_a_click_leads_back(mip, angle, focus):
    row, column = (round(v) for v in mip.pixel_of(angle, world(focus)))
    image = mip.frame(angle).image
    near = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    assert near.max() > 5.0, "the focus is not where it should be"
    offset = np.unravel_index(near.argmax(), near.shape)
    found = mip.world_of(angle, max(row - 1, 0) + int(offset[0]), max(column - 1, 0) + int(offset[1]))
    assert np.linalg.norm(np.subtract(found, world(focus))) < 9.0


def test_a_quarter_turn_moves_voxels_without_changing_any():
    voxels = np.random.default_rng(3).random((4, 11, 11)).astype(np.float32)
    mip = RotatingMip(voxels, np.diag([4.0, 4.0, 4.0, 1.0]))
    # From the left, depth runs from the patient's left to the right, and columns from the front to the back.
    assert np.array_equal(mip.frame(90).image, voxels[::-1].max(axis=2))
    assert np.array_equal(mip.frame(180).image, voxels[::-1, :, ::-1].max(axis=1))


def test_between_voxels_the_projection_is_interpolated_as_scipy_does():
    voxels = np.pad(np.random.default_rng(4).random((3, 9, 9)).astype(np.float32), ((0, 0), (6, 6), (6, 6)))
    angle = np.deg2rad(30)
    # Independent of the module: each slice turned about its middle.
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(voxels.shape[1:]) - 1) / 2
    turned = [ndimage.affine_transform(part, turn, middle - turn @ middle, order=1) for part in voxels[::-1]]
    image = RotatingMip(voxels, np.diag([4.0, 4.0, 4.0, 1.0])).frame(30).image
    assert image == pytest.approx(np.max(turned, axis=1), abs=1e-5)


@given(st.floats(-80, 80), st.floats(-80, 80), st.floats(-40, 40), st.integers(0, 35))
def test_the_height_of_a_place_is_the_same_from_every_side(x, y, z, step):
    # Only geometry is asked for; the voxels may be empty.
    mip = RotatingMip(np.zeros((11, 21, 21), np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))
    assert mip.pixel_of(10 * step, (z, y, x))[0] == pytest.approx(mip.pixel_of(0, (z, y, x))[0])


def test_outside_and_in_the_air_there_is_nothing(mip):
    assert mip.world_of(0, -1, 0) is None
    assert mip.world_of(0, 0, 0) is None
