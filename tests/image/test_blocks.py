"""Work in pieces gives what the whole image in memory gives, bit for bit, whatever the size of the pieces."""

import math
import pickle
import time

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dotaliver.image.blocks import ConnectedParts, block_shape, map_overlap, memory_bound, slices_at_once
from dotaliver.image.geometry import Geometry
from dotaliver.image.lazy import LazyVolume, SlabCache, lazily_filtered, lazy_planes, turned
from dotaliver.image.volume import LabelMap, Quantity, Volume, used_box
from dotaliver.segmentation.liver.window_sums import RunningSums, window_sums

shapes = st.tuples(st.integers(1, 23), st.integers(1, 9), st.integers(1, 9))
blocks = st.tuples(st.integers(1, 25), st.integers(1, 10), st.integers(1, 10))
seeds = st.integers(0, 2**32 - 1)


def grid(shape, spacing=(2.0, 1.5, 1.25)):
    return Geometry(shape, (3.0, -7.0, 11.0), spacing, ((0, 0, 1), (0, 1, 0), (1, 0, 0)), "1.2.3")


def image(shape, seed, dtype=np.float32):
    return (1000 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def lazily(array, log=None):
    def read(box):
        if log is not None:
            log.append(box)
        return array[box].copy()

    return LazyVolume(read, array.dtype, grid(array.shape), Quantity.HU)


def boxes_in(shape):
    return st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in shape)).map(
        lambda spans: tuple(slice(a, max(a + 1, b)) for a, b in spans)
    )


# --- images that are read when they are needed -------------------------------------------------------------------


@given(shapes, seeds, st.data())
def test_a_lazy_image_is_the_image(shape, seed, data):
    array = image(shape, seed)
    whole, lazy = Volume(array, grid(shape), Quantity.HU), lazily(array)
    box = data.draw(boxes_in(shape))
    np.testing.assert_array_equal(lazy.array, array)
    np.testing.assert_array_equal(lazy.crop(box).array, array[box])
    assert lazy.crop(box).geometry == whole.crop(box).geometry
    inner = data.draw(boxes_in(array[box].shape))
    np.testing.assert_array_equal(lazy.part(box).crop(inner).array, array[box][inner])
    assert lazy.part(box).geometry == whole.crop(box).geometry
    assert lazy.sha256() == whole.sha256()
    np.testing.assert_array_equal(np.concatenate([slab.array for slab in lazy.slabs()]), array)


@given(shapes, seeds, st.permutations(range(3)), st.tuples(*[st.booleans()] * 3), st.data())
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


@given(shapes, seeds, st.integers(0, 2000), st.data())
def test_slabs_that_are_kept_or_made_again_are_the_same(shape, seed, keep_bytes, data):
    array = image(shape, seed)
    cache = SlabCache(lambda slices: array[slices.start : slices.stop].copy(), shape, array.dtype, keep_bytes)
    for _ in range(5):
        box = data.draw(boxes_in(shape))
        np.testing.assert_array_equal(cache(box), array[box])


def test_no_more_slabs_are_kept_than_allowed():
    made = []

    def make(slices):
        made.append(slices.start)
        return np.zeros((len(slices), 4, 4), dtype=np.float32)

    cache = SlabCache(make, (64, 4, 4), np.float32, 0)
    for first in (0, 16, 0, 32, 0, 16):
        cache((slice(first, first + 16), slice(0, 4), slice(0, 4)))
    assert made == [0, 16, 32, 16]  # two are kept, those used last


def test_an_image_may_be_made_one_slice_at_a_time():
    array = image((9, 4, 3), 2)
    np.testing.assert_array_equal(
        lazy_planes(lambda k: array[k], np.float32, grid(array.shape), Quantity.HU).array, array
    )


# --- filters -----------------------------------------------------------------------------------------------------


@given(shapes, seeds, blocks)
@settings(deadline=None)
def test_a_gaussian_in_blocks_is_that_of_the_whole(shape, seed, block):
    array = image(shape, seed)

    def filtered(part):
        return ndimage.gaussian_filter(part, (1.0, 0.7, 1.3), mode="nearest", truncate=2.5)

    out = map_overlap(filtered, (array,), (3, 2, 4), block, np.empty_like(array))
    np.testing.assert_array_equal(out, filtered(array))


@given(shapes, seeds, blocks)
@settings(deadline=None)
def test_morphology_in_blocks_is_that_of_the_whole(shape, seed, block):
    mask = image(shape, seed) > 0
    allowed = image(shape, seed + 1) > -300

    def grown(own, where):
        return ndimage.binary_dilation(own, iterations=3, mask=where | own)

    out = map_overlap(grown, (mask, lambda box: allowed[box]), (3, 3, 3), block, np.empty_like(mask))
    np.testing.assert_array_equal(out, grown(mask, allowed))


@given(shapes, seeds, blocks)
@settings(deadline=None)
def test_window_sums_in_blocks_are_those_of_the_whole(shape, seed, block):
    array = image(shape, seed).astype(np.int32)
    out = map_overlap(lambda part: window_sums(part, (5, 3, 7)), (array,), (2, 1, 3), block, np.empty_like(array))
    np.testing.assert_array_equal(out, window_sums(array, (5, 3, 7)))


@given(shapes, seeds, st.integers(1, 3), st.tuples(*[st.integers(0, 3)] * 3))
@settings(deadline=None)
def test_blocks_for_several_threads_cover_the_image_and_give_the_whole(shape, seed, threads, halo):
    array = image(shape, seed)

    def filtered(part):
        return ndimage.minimum_filter(part, [2 * h + 1 for h in halo], mode="nearest")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dotaliver.image.blocks.threads_at_once", lambda: threads)
        block = block_shape(shape, halo, 8)
        out = map_overlap(filtered, (array,), halo, block, np.empty_like(array))
    np.testing.assert_array_equal(out, filtered(array))
    assert math.prod(-(-n // b) for n, b in zip(shape, block, strict=True)) <= threads


def test_with_bounded_memory_blocks_are_whole_slices_that_fit_and_one_is_worked_on_at_a_time(monkeypatch):
    monkeypatch.setattr("dotaliver.image.blocks.threads_at_once", lambda: 4)
    at_once, most = 0, 0

    def watched(part):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)
        at_once -= 1
        return part

    array = image((32, 8, 8), 1)
    with memory_bound(16 * 1024):
        # A quarter of the bound for pieces: eight slices of 512 bytes.
        block = block_shape(array.shape, (0, 0, 0), 8)
        map_overlap(watched, (array,), (0, 0, 0), block, np.empty_like(array))
    assert block == (8, 8, 8)
    assert most == 1


@given(shapes, seeds)
def test_window_sums_add_up_what_lies_in_the_window(shape, seed):
    array = image(shape, seed).astype(np.int64)
    expected = ndimage.convolve(array, np.ones((5, 3, 7), dtype=np.int64), mode="constant")
    np.testing.assert_array_equal(window_sums(array, (5, 3, 7)), expected)


def test_a_window_sum_that_fits_is_exact_though_the_running_sum_does_not():
    array = np.full((400, 1, 1), 2**30, dtype=np.int32)
    assert (window_sums(array, (1, 1, 1)) == 2**30).all()


windows = st.tuples(*[st.integers(0, 6).map(lambda half: 2 * half + 1)] * 3)


@given(shapes, seeds, windows, st.data())
@settings(deadline=None)
def test_running_sums_are_the_window_sums_in_whatever_order_slices_are_asked_for(shape, seed, size, data):
    images = image((2, *shape), seed).astype(np.int64)
    expected = [window_sums(each, size) for each in images]
    sums = RunningSums(lambda k: images[:, k], shape[0], size)
    for k in [*range(shape[0]), *data.draw(st.lists(st.integers(0, shape[0] - 1), max_size=5))]:
        np.testing.assert_array_equal(sums.at(k), [each[k] for each in expected])


def test_running_sums_ask_for_each_slice_when_it_enters_and_when_it_leaves():
    asked = []

    def planes(k):
        asked.append(k)
        return np.full((1, 1, 1), k)

    sums = RunningSums(planes, 100, (11, 1, 1))
    assert [int(sums.at(k)[0, 0, 0]) for k in range(100)][50] == sum(range(45, 56))
    assert max(asked.count(k) for k in range(100)) == 2


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


# --- connected parts ---------------------------------------------------------------------------------------------


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


# --- label maps ----------------------------------------------------------------------------------------------------


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


# --- the bound -------------------------------------------------------------------------------------------------------


def test_a_bound_makes_pieces_smaller_and_ends_with_its_block():
    unbounded = slices_at_once(1 << 20)
    with memory_bound(256 << 20):
        assert slices_at_once(1 << 20) == 64
        assert slices_at_once(1 << 20, halo=10) == 44
        assert slices_at_once(1 << 40) == 1
    assert slices_at_once(1 << 20) == unbounded


@pytest.mark.parametrize("amount", [1, 1 << 30])
def test_the_bound_is_restored_after_an_error(amount):
    before = slices_at_once(1000)
    with pytest.raises(ZeroDivisionError), memory_bound(amount):
        1 / 0  # noqa: B018
    assert slices_at_once(1000) == before
