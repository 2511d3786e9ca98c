"""Signs stand where the patient has what they mark, and come back from their layers as they were."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.grids import grid, some_labels
from napari.layers import Layer, Shapes
from napari_dotaliver.view import sign_layers

from dotaliver.errors import MaskError
from dotaliver.image.orientation import anatomical


def test_a_diameter_comes_back_from_its_line():
    geometry = grid((1, 0, 2), (1, -1, 1))
    line = ((-8.0, 18.0, -28.0), (-5.0, 15.5, -28.0))
    layer = Layer.create(*sign_layers.diameters_layer({4: line}, geometry))
    assert isinstance(layer, Shapes)
    assert list(layer.features["lesion"]) == [4]
    p, q = sign_layers.line_of_shape(layer.data[0], layer)
    np.testing.assert_allclose((p, q), line, atol=1e-6)


def test_what_is_no_line_is_no_diameter():
    layer = Layer.create(*sign_layers.diameters_layer({}, grid()))
    with pytest.raises(MaskError, match="straight line"):
        sign_layers.line_of_shape(np.zeros((4, 3)), layer)
    with pytest.raises(MaskError, match="longer than"):
        sign_layers.line_of_shape(np.zeros((2, 3)), layer)


def test_the_sphere_of_normal_liver_stands_where_it_is_read():
    layer = Layer.create(*sign_layers.reference_layer(((-5.0, 22.0, -27.0), 30.0), grid()))
    np.testing.assert_allclose(sign_layers.points_lps_mm(layer), [(-5.0, 22.0, -27.0)], atol=1e-6)
    assert list(layer.size) == [30.0]
    assert len(Layer.create(*sign_layers.reference_layer(None, grid())).data) == 0


def test_each_lesion_is_numbered_on_each_of_its_slices_and_inside_itself():
    labels = some_labels(grid((2, 1, 0), (1, -1, -1), shape=(4, 5, 6)), 3)
    turned = anatomical(labels)
    data, look, _ = sign_layers.numbers_layer(labels)
    numbers = look["features"]["number"].astype(int)
    assert [turned.array[tuple(place.astype(int))] for place in data] == list(numbers)
    for label in labels.labels:
        slices = np.unique(np.argwhere(turned.array == label)[:, 0])
        np.testing.assert_array_equal(np.sort(data[numbers == label, 0]), slices)
        assert np.count_nonzero(look["features"]["middle"][numbers == label]) == 1


def test_a_lesion_is_looked_at_inside_itself():
    labels = some_labels(grid(), 5)
    place = sign_layers.middle_of(labels, 2)
    assert labels.array[tuple(np.rint(labels.geometry.lps_to_index(place)).astype(int))] == 2
    assert sign_layers.middle_of(labels, 99) is None
