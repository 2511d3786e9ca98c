"""The MR in the viewer: native voxels, moved to the liver, and lines that come back in the MR's own coordinates."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Layer, Shapes
from napari_dotaliver.view import sign_layers
from napari_dotaliver.view.measured_image import MR, measured_display, measured_layer, shown_line

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import ImageRegistration, MaskLayer, Mismatch, Segmentations

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def turned(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])


def case(degrees: float, tilt: float, offset: tuple[float, float, float]):
    """An MR of its own frame, tilted about x, registered to the CT by a rotation about z and an offset."""
    liver_grid = Geometry((20, 30, 30), (-45.0, -45.0, 100.0), (3.0, 3.0, 3.0), AXIAL)
    mask = np.zeros(liver_grid.shape, np.uint8)
    mask[5:15, 8:20, 5:22] = 1
    axes = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    directions = tuple(tuple(float(c) for c in axes @ axis) for axis in np.eye(3)[::-1])
    grid = Geometry((12, 20, 22), (10.0, -30.0, -40.0), (5.0, 2.0, 2.0), directions, "1.2.55")
    mr = Volume(np.random.default_rng(1).random(grid.shape).astype(np.float32), grid, Quantity.MR_SIGNAL)
    rotation = tuple(tuple(float(c) for c in row) for row in turned(degrees))
    registration = ImageRegistration(
        series_instance_uid="1.2.3", onto="ct", rotation=rotation, offset_lps_mm=offset, measure="mutual_information",
        similarity=0.2,
    )  # fmt: skip
    found = Segmentations(
        segmenter="test",
        liver=MaskLayer(LabelMap(mask, liver_grid), "ct", "test", 1.0),
        lesions=None,
        mismatch=Mismatch(shift_lps_mm=(0.0, 0.0, 5.0), method="test"),
        recist_registration=registration,
    )
    return mr, found


@settings(max_examples=30, deadline=None)
@given(
    degrees=st.floats(-10, 10),
    tilt=st.floats(-0.4, 0.4),
    offset=st.tuples(*[st.floats(-100, 100)] * 3),
    ends=st.tuples(*[st.integers(0, 19)] * 4),
    slice_index=st.integers(0, 11),
)
def test_a_line_within_one_shown_slice_is_a_line_within_one_slice_of_the_mr(degrees, tilt, offset, ends, slice_index):
    mr, found = case(degrees, tilt, offset)
    display = measured_display(mr, found)
    line = np.array([(slice_index, ends[0], ends[1]), (slice_index, ends[2], ends[3])], dtype=float)
    as_shown = display.shown.index_to_lps(line)
    there = display.to_image(as_shown)
    # Both ends lie in one slice of the MR, at the pixels that were clicked, as far apart as the pixels are
    index = mr.geometry.lps_to_index(there)
    assert np.ptp(index[:, 0]) < 1e-6
    expected = np.linalg.norm((line[1] - line[0]) * np.asarray(display.shown.spacing_mm))
    np.testing.assert_allclose(np.linalg.norm(there[1] - there[0]), expected, atol=1e-6)
    np.testing.assert_allclose(shown_line(display, there), as_shown, atol=1e-6)


def test_the_livers_centre_is_shown_where_the_ct_has_it_and_voxels_are_not_interpolated():
    mr, found = case(6.0, 0.1, (40.0, -20.0, 90.0))
    display = measured_display(mr, found)
    mask = found.liver.labels
    middle = mask.geometry.index_to_lps(np.argwhere(mask.array).mean(axis=0))
    there = found.recist_registration.places_on_image(middle)
    np.testing.assert_allclose(display.to_shown(there), middle, atol=1e-6)
    layer = Layer.create(*measured_layer(display))
    assert (layer.name, layer.visible) == (MR, False)
    assert set(np.unique(layer.data)) == set(np.unique(mr.array))


def test_a_drawn_shape_has_the_ends_that_the_layer_shows():
    mr, found = case(3.0, 0.0, (0.0, 0.0, 100.0))
    display = measured_display(mr, found)
    line = display.shown.index_to_lps([(4, 3, 2), (4, 9, 12)])
    data, look, _ = sign_layers.diameters_layer({1: (tuple(line[0]), tuple(line[1]))}, display.shown)
    layer = Shapes(data, **look)
    drawn = sign_layers.line_of_shape(layer.data[0], layer)
    np.testing.assert_allclose(drawn, line, atol=1e-6)


def test_without_a_liver_there_is_nothing_to_show():
    mr, found = case(0.0, 0.0, (0.0, 0.0, 0.0))
    assert measured_display(mr, Segmentations(segmenter="test", liver=None, lesions=None)) is None
    assert measured_display(mr, found) is not None
