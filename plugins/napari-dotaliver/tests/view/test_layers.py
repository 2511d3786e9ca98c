"""Records to layers and back are identities, and what no longer lies on its image is refused."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.grids import grid, some_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Layer, Points
from napari_dotaliver.view import layers

from dotaliver.errors import MaskError
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.study import Acquisition


def shown(labels: LabelMap) -> Layer:
    return Layer.create(*layers.lesions_layer(labels))


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations([0, 1, 2]),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    tilt=st.sampled_from([0.0, 0.05]),
    seed=st.integers(0, 99),
)
def test_a_mask_comes_back_from_its_layer_as_it_was(order, signs, tilt, seed):
    labels = some_labels(grid(order, signs, tilt=tilt), seed)
    back = layers.labels_of_layer(shown(labels), labels.geometry)
    assert back.geometry == labels.geometry
    np.testing.assert_array_equal(back.array, labels.array)


@settings(max_examples=30, deadline=None)
@given(order=st.permutations([0, 1, 2]), signs=st.tuples(*[st.sampled_from([1, -1])] * 3), voxel=st.integers(0, 59))
def test_a_layer_shows_each_voxel_where_the_patient_has_it(order, signs, voxel):
    geometry = grid(order, signs)
    mask = np.zeros(60, dtype=np.uint16)
    mask[voxel] = 7
    labels = LabelMap(mask.reshape(geometry.shape), geometry)
    layer = shown(labels)
    (place,) = np.argwhere(layer.data == 7)
    world = layer.data_to_world(place)
    expected = geometry.index_to_lps(np.argwhere(labels.array == 7)[0])
    np.testing.assert_allclose(layers.world_to_lps(world), expected, atol=1e-9)


def test_layers_run_to_head_back_and_left_whatever_the_series_did():
    geometry = grid((2, 0, 1), (-1, -1, 1))
    layer = shown(some_labels(geometry))
    steps = [layer.data_to_world(step) - np.array(layer.data_to_world((0, 0, 0))) for step in np.eye(3)]
    assert all(step[axis] > 0 and np.count_nonzero(np.abs(step) > 1e-9) == 1 for axis, step in enumerate(steps))


def test_painting_a_layer_leaves_the_record_alone():
    labels = some_labels(grid())
    before = labels.array.copy()
    layer = shown(labels)
    layer.data[:] = 9
    np.testing.assert_array_equal(labels.array, before)


MOVES = {
    "translate": lambda layer: setattr(layer, "translate", (0.0, 0.5, 0.0)),
    "scale": lambda layer: setattr(layer, "scale", (1.0, 1.0, 1.05)),
    "rotate": lambda layer: setattr(layer, "rotate", np.array([[1, 0, 0], [0, 0.999, -0.0447], [0, 0.0447, 0.999]])),
    "shear": lambda layer: setattr(layer, "shear", [0.01, 0.0, 0.0]),
    "affine": lambda layer: setattr(layer, "affine", np.diag([3.0, 2.0, 1.5, 1.0])),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_layer_that_was_moved_is_refused(move):
    labels = some_labels(grid())
    layer = shown(labels)
    MOVES[move](layer)
    with pytest.raises(MaskError, match=r"'Lesions' was moved or rescaled .* by up to \d+\.\d mm"):
        layers.labels_of_layer(layer, labels.geometry)


def test_a_layer_of_another_shape_is_refused():
    labels = some_labels(grid())
    layer = shown(some_labels(grid(shape=(3, 4, 6))))
    with pytest.raises(MaskError, match=r"shape \(3, 4, 6\) and its image \(3, 4, 5\)"):
        layers.labels_of_layer(layer, labels.geometry)


def test_an_image_of_another_frame_that_lies_elsewhere_is_refused():
    labels = some_labels(grid())
    layer = shown(LabelMap(labels.array, labels.geometry.moved((0.0, 0.0, 3.0))))
    with pytest.raises(MaskError, match=r"3\.0 mm"):
        layers.labels_of_layer(layer, labels.geometry)


def test_what_holds_no_labels_is_refused():
    geometry = grid()
    image = Layer.create(np.zeros(geometry.shape), {"name": "PET"}, "image")
    with pytest.raises(MaskError, match="'PET' holds no labels"):
        layers.labels_of_layer(image, geometry)
    with pytest.raises(MaskError, match="holds no labels"):
        layers.labels_of_layer(Points(np.zeros((2, 3))), geometry)


@pytest.mark.parametrize(("value", "says"), [(-1, "negative"), (70_000, "70000")])
def test_labels_that_cannot_be_stored_are_refused(value, says):
    labels = some_labels(grid())
    layer = shown(labels)
    layer.data = layer.data.astype(np.int32)
    layer.data[0, 0, 0] = value
    with pytest.raises(MaskError, match=says):
        layers.labels_of_layer(layer, labels.geometry)


def pet(quantity=Quantity.SUVBW, value=3.0) -> Volume:
    geometry = grid()
    return Volume(np.full(geometry.shape, value, dtype=np.float32), geometry, quantity)


def test_a_ct_is_shown_in_the_soft_tissue_window():
    geometry = grid()
    _, look, kind = layers.ct_layer(Volume(np.zeros(geometry.shape, dtype=np.int16), geometry, Quantity.HU))
    low, high = look["contrast_limits"]
    assert kind == "image"
    assert ((low + high) / 2, high - low) == (40.0, 400.0)


def test_a_pet_begins_at_0_and_fdg_is_shown_to_a_lower_maximum():
    receptor = layers.pet_layer(pet(), Acquisition(tracer_is_sstr=True), over_ct=True)[1]["contrast_limits"]
    sugar = layers.pet_layer(pet(), Acquisition(tracer_is_sstr=False), over_ct=True)[1]["contrast_limits"]
    assert receptor[0] == sugar[0] == 0.0
    # A normal liver (SUV 2.3 to 12.4 on receptor PET, 1.3 to 3.0 on FDG) is neither black nor white.
    assert receptor[1] > 12.4
    assert 3.0 < sugar[1] < receptor[1]


def test_relative_uptake_is_shown_to_what_there_is():
    limits = layers.pet_layer(pet(Quantity.RELATIVE, 4e4), Acquisition(), over_ct=True)[1]["contrast_limits"]
    assert limits == (0.0, pytest.approx(4e4))
    empty = layers.pet_layer(pet(Quantity.RELATIVE, 0.0), Acquisition(), over_ct=True)[1]["contrast_limits"]
    assert empty[1] > 0.0
