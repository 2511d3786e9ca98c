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
