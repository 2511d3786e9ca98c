import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dotaliver.volume import LabelMap
from scoring_cases import grid


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint16, (4, 5, 6), elements=st.sampled_from([0, 0, 0, 1, 3, 700])))
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
@given(arrays(np.uint16, (4, 5, 6), elements=st.sampled_from([0, 0, 0, 1, 3, 700])))
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
