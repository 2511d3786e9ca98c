"""Parts merged across slabs are those of the whole mask."""

import cc3d
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dotaliver.image.connected_parts import ConnectedParts
from strategies import seeds, shapes


def image(shape, seed):
    return (1000 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def slices_of(mask):
    return lambda part: mask[part]


@given(shapes, seeds, st.integers(1, 25), st.floats(-1500, 1500))
@settings(deadline=None)
def test_parts_merged_across_faces_are_those_of_the_whole(shape, seed, thickness, level):
    mask = image(shape, seed) > level
    expected = cc3d.connected_components(mask, connectivity=6)
    parts = ConnectedParts(slices_of(mask), shape[0], thickness)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in parts.slabs()]), expected)
    assert parts.count == expected.max()
    counts = np.bincount(expected.ravel(), minlength=parts.count + 1)
    assert parts.sizes()[1:].tolist() == counts[1:].tolist()
    where = image(shape, seed + 1) > 0
    inside = np.bincount(expected[where].ravel(), minlength=parts.count + 1)
    assert parts.sizes(slices_of(where))[1:].tolist() == inside[1:].tolist()
    wanted = np.arange(parts.count + 1) % 2 == 1
    chosen = list(parts.chosen(wanted))
    np.testing.assert_array_equal(np.concatenate([part for _, part in chosen]), wanted[expected])
    assert [slab for slab, _ in chosen] == [slab for slab, _ in parts.slabs()]


def test_a_part_that_joins_two_others_further_on_is_one_with_both():
    mask = np.zeros((5, 1, 5), dtype=bool)
    mask[:, 0, 0] = mask[:, 0, 4] = mask[4, 0, :] = True
    assert ConnectedParts(slices_of(mask), 5, 1).count == 1
    assert ConnectedParts(slices_of(mask), 4, 1).count == 2
