import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.image.volume import LabelMap, as_mask, mean_index, used_box
from fixtures.arrays import grid
from strategies import label_arrays, seeds, shapes


@settings(max_examples=50, deadline=None)
@given(label_arrays((4, 5, 6)))
def test_each_label_is_listed_with_the_smallest_box_that_holds_it(array):
    labels = LabelMap(array, grid(array.shape))
    assert labels.labels == tuple(sorted(set(array.ravel().tolist()) - {0}))
    boxes = dict(labels.boxes())
    assert tuple(boxes) == labels.labels
    for label, box in boxes.items():
        where = np.argwhere(array == label)
        assert [(b.start, b.stop) for b in box] == list(
            zip(where.min(axis=0).tolist(), (where.max(axis=0) + 1).tolist(), strict=True)
        )


@settings(max_examples=50, deadline=None)
@given(label_arrays((4, 5, 6)))
def test_labels_that_are_sent_to_another_process_arrive_as_they_were(array):
    labels = LabelMap(array, grid(array.shape))
    there = pickle.loads(pickle.dumps(labels))
    np.testing.assert_array_equal(there.array, array)
    assert there.array.dtype == labels.array.dtype
    assert there.geometry == labels.geometry
    assert not there.array.flags.writeable


def test_the_background_of_a_label_map_is_not_sent():
    array = np.zeros((100, 200, 200), dtype=np.uint16)
    array[50, 100:110, 90:100] = 2
    assert len(pickle.dumps(LabelMap(array, grid(array.shape)))) < 2000


def test_labels_that_are_placed_elsewhere_are_not_looked_through_again(monkeypatch):
    array = np.zeros((4, 5, 6), dtype=np.uint16)
    array[1:3, 2, 3:5] = 7
    labels = LabelMap(array, grid(array.shape))
    known = (labels.used, labels.labels, list(labels.boxes()), labels.sha256())
    there = labels.placed(labels.geometry.moved((1.0, 2.0, 3.0)))
    monkeypatch.setattr("dotaliver.image.volume.used_box", lambda _: pytest.fail("looked through"))
    assert (there.used, there.labels, list(there.boxes()), there.sha256()) == known
    assert there.geometry == labels.geometry.moved((1.0, 2.0, 3.0))


def test_labels_placed_before_anything_is_known_find_it_themselves():
    array = np.zeros((4, 5, 6), dtype=np.uint8)
    array[0, 0, 0] = 1
    assert LabelMap(array, grid(array.shape)).placed(grid(array.shape)).labels == (1,)


@given(label_arrays((2, 3, 4), np.uint8, (0, 1)), st.booleans())
def test_a_mask_of_zeros_and_ones_is_seen_where_it_lies(array, several):
    array = array * np.uint8(5) if several else array
    mask = as_mask(array)
    np.testing.assert_array_equal(mask, array != 0)
    assert np.shares_memory(mask, array) == (array.max() <= 1)
    np.testing.assert_array_equal(as_mask(array.astype(np.uint16)), array != 0)


@given(shapes, seeds, st.integers(0, 400))
def test_a_label_map_knows_its_labels_boxes_and_hash(shape, seed, most):
    rng = np.random.default_rng(seed)
    array = np.where(rng.random(shape) < 0.1, rng.integers(0, most + 1, shape), 0).astype(np.uint16)
    labels = LabelMap(array, grid(shape))
    there = sorted(set(np.unique(array).tolist()) - {0})
    assert list(labels.labels) == there
    assert dict(labels.boxes()) == {label: used_box(array == label) for label in there}
    assert labels.used == used_box(array)
    np.testing.assert_array_equal(labels.mask, array != 0)
    for label in there[:3]:
        np.testing.assert_array_equal(labels.where(label), array == label)
    assert labels.sha256() == LabelMap(array.astype(np.uint32), grid(shape)).sha256()


def test_the_used_box_holds_all_that_is_not_zero_and_nothing_less():
    array = np.zeros((6, 7, 8), dtype=np.uint8)
    assert used_box(array) is None
    array[2, 3, 6] = array[4, 1, 5] = 9
    assert used_box(array) == (slice(2, 5), slice(1, 4), slice(5, 7))


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([0.01, 0.3, 1.0]))
def test_the_mean_index_of_a_mask_is_that_of_its_voxels(seed, density):
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(rng.integers(1, 40, 3))) < density
    mask[tuple(int(rng.integers(0, n)) for n in mask.shape)] = True
    np.testing.assert_array_equal(mean_index(mask), np.argwhere(mask).mean(axis=0))
