"""Polygons enclose the pixels that they were drawn around, holes left out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import points_in_poly

from dotaliver.export.dicom.contours import polygons_of

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def area(polygon: np.ndarray) -> float:
    """By the shoelace formula, as planning systems compute it."""
    rows, columns = polygon.T
    return abs(float(np.dot(columns, np.roll(rows, -1)) - np.dot(rows, np.roll(columns, -1)))) / 2


def filled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose middle lies in an odd number of polygons, by scikit-image."""
    middles = np.argwhere(np.ones(shape, bool)).astype(float)
    counts = np.zeros(len(middles), int)
    for polygon in polygons:
        counts += points_in_poly(middles, polygon)
    return (counts % 2 == 1).reshape(shape)


@given(MASKS)
def test_area_and_pixels_come_back(mask: np.ndarray) -> None:
    polygons = polygons_of(mask)
    assert sum(area(p) for p in polygons) == mask.sum()
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


@given(MASKS)
def test_polygons_run_along_the_edges_of_pixels(mask: np.ndarray) -> None:
    for polygon in polygons_of(mask):
        steps = np.roll(polygon, -1, axis=0) - polygon
        assert ((steps == 0).sum(axis=1) == 1).all()
        assert np.all(polygon % 1 == 0.5)


def test_a_ring_is_one_polygon_with_a_keyhole() -> None:
    mask = np.ones((5, 6), bool)
    mask[2, 2:4] = False
    (polygon,) = polygons_of(mask)
    assert area(polygon) == 28


def test_pixels_that_touch_at_a_corner_are_two_polygons() -> None:
    assert len(polygons_of(np.eye(2, dtype=bool))) == 2
