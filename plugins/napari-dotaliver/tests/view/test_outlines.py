"""Smooth outlines: what they may and may not say of a mask, without a window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from napari_dotaliver.view.outlines import label_outlines, smooth_outlines
from skimage.measure import points_in_poly

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8), elements=st.booleans())


def inside(lines, shape) -> np.ndarray:
    """Which voxel centres lie inside an odd number of closed lines."""
    centres = np.argwhere(np.ones(shape, bool)).astype(float)
    found = np.zeros(len(centres), bool)
    for line in lines:
        found ^= points_in_poly(centres, line)
    return found.reshape(shape)


def along(line, steps=8) -> np.ndarray:
    """Points of a closed line, corners and between them."""
    part = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    return (line + part * (np.roll(line, -1, axis=0) - line)).reshape(-1, 2)


def furthest_from_border(points, mask) -> float:
    """The largest distance of points from the border between the mask's voxels and others, in voxels."""
    room = np.pad(mask, 1)
    nearest = np.full(len(points), np.inf)
    for axis in (0, 1):
        # The side between two voxels: half a voxel beyond the first one's centre, one voxel long.
        sides = np.argwhere(np.diff(room, axis=axis)) - 1
        across = points[:, None, axis] - (sides[:, axis] + 0.5)
        beyond = np.maximum(np.abs(points[:, None, 1 - axis] - sides[:, 1 - axis]) - 0.5, 0)
        nearest = np.minimum(nearest, np.hypot(across, beyond).min(axis=1, initial=np.inf))
    return float(nearest.max(initial=0))


@settings(max_examples=50)
@given(masks)
def test_every_voxel_centre_is_on_its_side_of_the_lines(mask):
    np.testing.assert_array_equal(inside(smooth_outlines(mask), mask.shape), mask)


@settings(max_examples=50)
@given(masks)
def test_no_point_of_a_line_is_half_a_voxel_from_the_border(mask):
    for line in smooth_outlines(mask):
        assert furthest_from_border(along(line), mask) < 0.5


@settings(max_examples=50)
@given(arrays(np.uint8, (6, 7), elements=st.integers(0, 3)))
def test_each_label_has_the_lines_of_its_own_mask(labels):
    found = label_outlines(labels)
    assert set(found) == set(np.unique(labels)) - {0}
    for label, lines in found.items():
        np.testing.assert_array_equal(inside(lines, labels.shape), labels == label)


def test_an_island_and_a_hole_of_one_voxel_have_lines_of_their_own():
    mask = np.ones((9, 9), bool)
    mask[4, 4] = False
    mask = np.pad(mask, 4)
    mask[1, 1] = True
    lines = smooth_outlines(mask)
    assert len(lines) == 3
    sizes = sorted(np.ptp(line, axis=0).min() for line in lines)
    assert sizes[0] > 0.5, "still seen as a voxel"


def test_a_circle_looks_like_one():
    # A disc of 15 voxels radius: the border between its voxels leaves the circle by up to a voxel and turns by right
    # angles; the line stays within half a voxel and turns by little.
    y, x = np.mgrid[:50, :50]
    (line,) = smooth_outlines((y - 24.5) ** 2 + (x - 24.5) ** 2 < 15.0**2)
    radius = np.hypot(*(line - 24.5).T)
    assert np.abs(radius - 15.0).max() < 0.5
    sides = np.roll(line, -1, axis=0) - line
    turns = np.abs(np.angle(np.exp(1j * np.diff(np.arctan2(sides[:, 0], sides[:, 1])))))
    assert np.degrees(turns).max() < 25


@pytest.mark.parametrize("labels", [np.zeros((5, 5), np.uint8), np.zeros((0, 4), np.uint8)])
def test_nothing_has_no_lines(labels):
    assert label_outlines(labels) == {}
