"""Radiological orientation, whatever the grid's axes: a marked voxel lands where a physician looks for it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from dotaliver.export.report.views import _Places, axial_plane, outlines_on, project, sample
from dotaliver.image.geometry import Geometry
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap, Quantity, Volume
from fixtures.scores import FRAME, axial

SENSES = {"head": (0.0, 0.0, 1.0), "back": (0.0, 1.0, 0.0), "left": (1.0, 0.0, 0.0)}
# Every way to lay the three body axes along slices, rows and columns, each in both senses.
LAYOUTS = [
    tuple(tuple(s * c for c in SENSES[name]) for name, s in zip(names, signs, strict=True))
    for names in permutations(SENSES)
    for signs in product((1, -1), repeat=3)
]
SPACING = {"head": 3.0, "back": 2.0, "left": 4.0}


def marked(layout: tuple[tuple[float, float, float], ...], place: tuple[float, float, float]) -> Volume:
    """A 64 mm cube around the origin whose voxel nearest `place` is 1."""
    names = [next(n for n, s in SENSES.items() if abs(np.dot(s, axis)) > 0.5) for axis in layout]
    spacing = tuple(SPACING[n] for n in names)
    shape = tuple(int(64 / s) for s in spacing)
    first = -sum(0.5 * (n - 1) * s * np.asarray(a) for n, s, a in zip(shape, spacing, layout, strict=True))
    grid = Geometry(shape, tuple(first), spacing, layout, FRAME)  # type: ignore[arg-type]
    array = np.zeros(shape, np.float32)
    array[tuple(np.round(grid.lps_to_index(place)).astype(int))] = 1.0
    return Volume(array, grid, Quantity.SUVBW)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_left_front_head_is_where_it_belongs(layout) -> None:
    """Left, front, towards the head: upper right of the coronal view, upper left of the sagittal."""
    image = anatomical(marked(layout, (20.0, -24.0, 21.0)))
    k, row, column = np.argwhere(image.array)[0]
    slices, rows, columns = image.array.shape
    assert k > 0.7 * slices and row < 0.3 * rows and column > 0.7 * columns
    assert np.allclose(image.geometry.index_to_lps((k, row, column)), (20, -24, 21), atol=2.0)
    assert image.geometry.spacing_mm == (3.0, 2.0, 4.0)
    coronal = project(image, "coronal")
    assert (coronal.row_mm, coronal.column_mm) == (3.0, 4.0)
    row, column = np.argwhere(coronal.array)[0]
    assert row < 0.3 * slices and column > 0.7 * columns
    sagittal = project(image, "sagittal")
    assert (sagittal.row_mm, sagittal.column_mm) == (3.0, 2.0)
    row, column = np.argwhere(sagittal.array)[0]
    assert row < 0.3 * slices and column < 0.3 * rows


@pytest.mark.parametrize("layout", LAYOUTS[::7])
def test_every_voxel_keeps_its_place(layout) -> None:
    image = marked(layout, (0, 0, 0))
    random = np.random.default_rng(1).random(image.array.shape).astype(np.float32)
    given = image.with_array(random)
    turned = anatomical(given)
    index = np.argwhere(np.ones(turned.array.shape, bool))[::97]
    back = np.round(given.geometry.lps_to_index(turned.geometry.index_to_lps(index))).astype(int)
    assert np.array_equal(turned.array[tuple(index.T)], random[tuple(back.T)])


def test_an_oblique_grid_takes_the_nearest_axes_once_each() -> None:
    a = np.deg2rad(40)
    layout = ((0, 0, 1), (-np.sin(a), np.cos(a), 0), (np.cos(a), np.sin(a), 0))
    grid = Geometry((4, 5, 6), (0, 0, 0), (3, 2, 4), layout, FRAME)  # type: ignore[arg-type]
    assert anatomical(LabelMap(np.zeros((4, 5, 6), np.uint8), grid)).geometry.directions == pytest.approx(
        np.asarray(layout)
    )


def test_the_axial_picture_has_left_on_the_right_and_front_on_top() -> None:
    image = anatomical(marked(LAYOUTS[13], (20.0, -24.0, 1.5)))
    index = round(float(image.geometry.lps_to_index((0, 0, 1.5))[0]))
    plane = axial_plane(image.geometry, index, (0.0, 0.0, 0.0), (64.0, 64.0))
    picture = sample(image, plane, (0.0, 0.0, 0.0), outside=-1.0)
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    # 64 mm over 320 pixels: 20 mm to the left of the middle is column 260, 24 mm to the front is row 40.
    assert column == pytest.approx(260, abs=12)
    assert row == pytest.approx(40, abs=8)


def test_samples_are_linear_and_outside_is_outside() -> None:
    grid = axial((3, 5, 5), (2.0, 2.0, 2.0))
    slope = Volume(np.broadcast_to(np.arange(5, dtype=np.float32), (3, 5, 5)), grid, Quantity.SUVBW)
    plane = axial_plane(grid, 1, (0.0, 0.0, 0.0), (4.0, 20.0))
    picture = sample(slope, plane, (0.0, 0.0, 0.0), outside=-7.0)
    x = plane.first_lps_mm[0] + np.arange(plane.shape[1]) * plane.across_lps_mm[0]
    inner = np.abs(x) < 4.0
    assert np.allclose(picture[0, inner], x[inner] / 2.0 + 2.0, atol=1e-5)
    assert (picture[0, np.abs(x) > 5.01] == -7.0).all()
    assert (sample(slope, plane, (500.0, 0.0, 0.0), outside=-7.0) == -7.0).all()


def test_outlines_follow_the_labels_and_the_offset() -> None:
    grid = axial((3, 16, 16), (2.0, 2.0, 2.0))
    array = np.zeros(grid.shape, np.uint16)
    array[1, 4:8, 4:8] = 3
    plane = axial_plane(grid, 1, (0.0, 0.0, 0.0), (32.0, 32.0))
    [(label, inside)] = outlines_on(LabelMap(array, grid), plane, (0.0, 0.0, 0.0)).items()
    assert label == 3
    rows, columns = np.nonzero(inside > 0.5)
    # Voxels 4 to 7 of 16, on 320 pixels: pixels 80 to 159.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((80, 159, 80, 159), abs=1)
    moved = outlines_on(LabelMap(array, grid), plane, (-8.0, 0.0, 0.0))[3]
    assert np.nonzero(moved > 0.5)[1].min() == pytest.approx(160, abs=1)
    assert outlines_on(LabelMap(array, grid), plane, (0.0, 0.0, 90.0)) == {}


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2), (2, 0), (0, 1), (1, 0)])
def test_a_picture_along_the_grid_is_that_of_scipy(axes):
    from scipy.ndimage import affine_transform

    values = np.random.default_rng(4).normal(size=(5, 7, 9)).astype(np.float32)
    steps = np.zeros((2, 3))
    steps[0, axes[0]], steps[1, axes[1]] = 0.37, -0.61
    first = np.array([2.3, 1.7, 3.1])
    # It begins within the grid and leaves it on two sides.
    places = _Places(first, steps, (25, 14))
    matrix = np.column_stack([np.zeros(3), *steps])
    expected = affine_transform(values, matrix, first, (1, 25, 14), order=1, mode="nearest")[0]
    np.testing.assert_allclose(places.interpolated(values, (0, 0, 0)), expected, atol=1e-5)
