"""Images that are read, turned or filtered when they are asked for are the images in memory."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dotaliver.image.backends import LazyBoxes
from dotaliver.image.lazy import lazily_filtered, lazy_planes, turned
from dotaliver.image.volume import Quantity, Volume
from fixtures.arrays import grid
from strategies import axis_orders, boxes_in, flips, seeds, shapes


def image(shape, seed, dtype=np.float32):
    return (1000 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def lazily(array, log=None):
    def read(box):
        if log is not None:
            log.append(box)
        return array[box].copy()

    return Volume(LazyBoxes(read, array.shape, array.dtype), grid(array.shape), Quantity.HU)


@given(shapes, seeds, st.data())
def test_a_lazy_image_is_the_image(shape, seed, data):
    array = image(shape, seed)
    whole, lazy = Volume(array, grid(shape), Quantity.HU), lazily(array)
    box = data.draw(boxes_in(shape))
    np.testing.assert_array_equal(lazy.loaded().array, array)
    np.testing.assert_array_equal(lazy.crop(box).array, array[box])
    assert lazy.crop(box).geometry == whole.crop(box).geometry
    inner = data.draw(boxes_in(array[box].shape))
    np.testing.assert_array_equal(lazy.part(box).crop(inner).array, array[box][inner])
    assert lazy.part(box).geometry == whole.crop(box).geometry
    assert lazy.sha256() == whole.sha256()
    np.testing.assert_array_equal(np.concatenate([slab.array for slab in lazy.slabs()]), array)


@given(shapes, seeds, axis_orders, flips, st.data())
def test_a_lazy_image_turns_as_the_image_does(shape, seed, order, flipped, data):
    array = image(shape, seed)
    new = tuple(shape[axis] for axis in order)
    whole = turned(Volume(array, grid(shape), Quantity.HU), order, flipped, grid(new))
    lazy = turned(lazily(array), order, flipped, grid(new))
    box = data.draw(boxes_in(new))
    np.testing.assert_array_equal(lazy.crop(box).array, whole.array[box])


def test_a_crop_reads_no_more_than_its_box():
    log = []
    lazily(image((40, 6, 5), 1), log).crop((slice(3, 5), slice(0, 2), slice(1, 4)))
    assert log == [(slice(3, 5), slice(0, 2), slice(1, 4))]


def test_a_lazy_image_is_read_whole_only_on_purpose():
    log = []
    volume = lazily(image((40, 6, 5), 1), log)
    with pytest.raises(RuntimeError, match="not in memory"):
        volume.array  # noqa: B018
    assert not log
    assert volume.loaded().in_memory
    assert len(log) == 1
    assert volume.loaded().loaded().array.shape == (40, 6, 5)


@pytest.mark.parametrize(
    "use",
    [
        lambda volume: volume.placed(volume.geometry.moved((1, 2, 3))),
        lambda volume: volume.part((slice(3, 30), slice(0, 2), slice(1, 4))),
        lambda volume: turned(volume, (2, 0, 1), (True, False, True), grid((5, 40, 6))),
        lambda volume: lazily_filtered(volume, (slice(0, 40), slice(0, 6), slice(0, 5)), lambda part: part, 3),
        lambda volume: (volume.dtype, volume.geometry, volume.in_memory, repr(volume), volume.require(Quantity.HU)),
        lambda volume: volume.with_array(np.zeros((40, 6, 5))),
    ],
    ids=["placed", "part", "turned", "filtered", "described", "with other voxels"],
)
def test_what_needs_no_voxels_reads_none(use):
    log = []
    use(lazily(image((40, 6, 5), 1), log))
    assert not log


def test_an_image_is_looked_through_slab_by_slab():
    log = []
    array = image((40, 6, 5), 1)
    volume = lazily(array, log)
    assert volume.max() == array.max()
    assert [(box[0].start, box[0].stop) for box in log] == [(0, 16), (16, 32), (32, 40)]


def test_the_hash_of_a_lazy_image_reads_it_once():
    log = []
    volume = lazily(image((40, 6, 5), 1), log)
    assert volume.sha256() == volume.sha256()
    assert sum(box[0].stop - box[0].start for box in log) == 40


def test_a_lazy_image_is_sent_with_its_voxels():
    array = image((4, 3, 2), 5)
    arrived = pickle.loads(pickle.dumps(lazily(array)))
    np.testing.assert_array_equal(arrived.array, array)
    assert arrived.geometry == grid((4, 3, 2))


def test_an_image_may_be_made_one_slice_at_a_time():
    array = image((9, 4, 3), 2)
    np.testing.assert_array_equal(
        lazy_planes(lambda k: array[k], np.float32, grid(array.shape), Quantity.HU).loaded().array, array
    )


@given(shapes, seeds, st.data())
@settings(deadline=None)
def test_a_box_filtered_when_it_is_read_is_the_filtered_box(shape, seed, data):
    array = image(shape, seed)
    box = data.draw(boxes_in(shape))

    def filtered(part):
        return ndimage.gaussian_filter(part.astype(np.float32), 1.0, mode="nearest", truncate=2.5)

    lazy = lazily_filtered(lazily(array), box, filtered, 3, keep_slices=data.draw(st.integers(0, 40)))
    expected = filtered(array[box])
    inner = data.draw(boxes_in(expected.shape))
    np.testing.assert_array_equal(lazy.crop(inner).array, expected[inner])
