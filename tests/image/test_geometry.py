"""Grids: indices and patient coordinates, against highdicom and SimpleITK."""

import highdicom
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.errors import GeometryError
from dotaliver.image.geometry import Geometry, box_within
from dotaliver.image.itk import geometry_from_itk, to_itk
from dotaliver.image.volume import Quantity, Volume
from strategies import geometries

AXIAL = Geometry((4, 5, 6), (-10.0, -20.0, 30.0), (3.0, 2.0, 1.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))


def test_axial_index_maps_to_known_point():
    # 1 slice of 3 mm up, 2 rows of 2 mm back, 3 columns of 1 mm left
    np.testing.assert_allclose(AXIAL.index_to_lps((1, 2, 3)), (-7, -16, 33))


@given(geometries(), st.tuples(*[st.floats(-20, 20)] * 3))
def test_index_and_point_are_inverse(geometry, index):
    np.testing.assert_allclose(geometry.lps_to_index(geometry.index_to_lps(index)), index, atol=1e-6)


@given(geometries())
def test_agrees_with_simpleitk(geometry):
    image = to_itk(Volume(np.zeros(geometry.shape, np.float32), geometry, Quantity.HU))
    index = (geometry.shape[0] - 1, 0, geometry.shape[2] - 1)
    np.testing.assert_allclose(
        image.TransformIndexToPhysicalPoint(tuple(reversed(index))), geometry.index_to_lps(index), atol=1e-6
    )
    assert geometry_from_itk(image).is_close(geometry)


@given(geometries())
def test_agrees_with_highdicom(geometry):
    theirs = highdicom.VolumeGeometry(geometry.affine, geometry.shape, coordinate_system="PATIENT")
    np.testing.assert_allclose(theirs.affine, geometry.affine)
    index = np.array([[0, 0, geometry.shape[2] - 1]])
    np.testing.assert_allclose(theirs.map_indices_to_reference(index)[0], geometry.index_to_lps(index[0]), atol=1e-9)


@given(geometries())
def test_affine_round_trip(geometry):
    assert Geometry.from_affine(geometry.shape, geometry.affine).is_close(geometry, 1e-6)


@given(geometries(), st.sampled_from([0, 1, 2]))
def test_flipped_grid_is_another_grid(geometry, axis):
    shape = tuple(max(n, 2) for n in geometry.shape)
    geometry = Geometry(shape, geometry.origin_lps_mm, geometry.spacing_mm, geometry.directions)
    matrix = geometry.affine.copy()
    matrix[:3, 3] += matrix[:3, axis] * (shape[axis] - 1)
    matrix[:3, axis] *= -1
    assert not Geometry.from_affine(shape, matrix).is_close(geometry)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (4, 5, 7)},
        {"origin_lps_mm": (-10.0, -20.0, 30.1)},
        {"spacing_mm": (3.0, 2.0, 1.1)},
        {"directions": ((0, 0, -1), (0, 1, 0), (1, 0, 0))},
    ],
)
def test_each_single_change_is_noticed(change):
    fields = {k: getattr(AXIAL, k) for k in ("shape", "origin_lps_mm", "spacing_mm", "directions")} | change
    assert not Geometry(**fields).is_close(AXIAL)


def test_frames_of_reference_must_be_equal_where_both_are_known():
    one = Geometry(AXIAL.shape, AXIAL.origin_lps_mm, AXIAL.spacing_mm, AXIAL.directions, "1.2")
    two = Geometry(AXIAL.shape, AXIAL.origin_lps_mm, AXIAL.spacing_mm, AXIAL.directions, "1.3")
    assert not one.is_close(two)
    assert one.is_close(AXIAL)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape", (0, 5, 6)),
        ("spacing_mm", (3.0, 0.0, 1.0)),
        ("origin_lps_mm", (float("nan"), 0.0, 0.0)),
        ("directions", ((0, 0, 1), (0, 1, 0), (0, 1, 0))),
    ],
)
def test_impossible_grids_are_refused(field, value):
    fields = {k: getattr(AXIAL, k) for k in ("shape", "origin_lps_mm", "spacing_mm", "directions")} | {field: value}
    with pytest.raises(GeometryError):
        Geometry(**fields)


def test_crop_keeps_places():
    box = (slice(1, 3), slice(2, 5), slice(0, 4))
    np.testing.assert_allclose(AXIAL.crop(box).index_to_lps((1, 1, 1)), AXIAL.index_to_lps((2, 3, 1)))


def test_other_spacing_covers_the_same_field():
    fine = AXIAL.with_spacing((1.5, 1.0, 0.5))
    assert fine.shape == (8, 10, 12)
    np.testing.assert_allclose(fine.corners_lps_mm(), AXIAL.corners_lps_mm())


def test_a_box_within_another_one_holds_the_same_voxels_of_the_whole_grid():
    array = np.arange(6 * 7 * 8).reshape(6, 7, 8)
    outer, inner = (slice(1, 5), slice(2, 7), slice(3, 8)), (slice(0, 2), slice(1, 3), slice(2, 5))
    assert np.array_equal(array[box_within(outer, inner)], array[outer][inner])
