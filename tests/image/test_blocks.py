"""Work in pieces gives what the whole image in memory gives, bit for bit, whatever the size of the pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dotaliver.image.blocks import block_shape, map_overlap, memory_bound, slices_at_once
from dotaliver.image.geometry import Geometry
from dotaliver.segmentation.liver.window_sums import RunningSums, window_sums
from strategies import blocks, seeds, shapes, windows


def grid(shape, spacing=(2.0, 1.5, 1.25)):
    return Geometry(shape, (3.0, -7.0, 11.0), spacing, ((0, 0, 1), (0, 1, 0), (1, 0, 0)), "1.2.3")


def image(shape, seed, dtype=np.float32):
    return (1000 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


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


def test_with_bounded_memory_blocks_are_whole_slices_that_fit_from_the_first_to_the_last():
    array, seen = image((32, 8, 8), 1), []

    def watched(part):
        seen.append(part)
        return part

    assert block_shape(array.shape, (0, 0, 0), 8) == array.shape
    with memory_bound(16 * 1024):
        # A quarter of the bound for pieces: eight slices of 512 bytes.
        block = block_shape(array.shape, (0, 0, 0), 8)
        map_overlap(watched, (array,), (0, 0, 0), block, np.empty_like(array))
    assert block == (8, 8, 8)
    np.testing.assert_array_equal(np.concatenate(seen), array)


@given(shapes, seeds)
def test_window_sums_add_up_what_lies_in_the_window(shape, seed):
    array = image(shape, seed).astype(np.int64)
    expected = ndimage.convolve(array, np.ones((5, 3, 7), dtype=np.int64), mode="constant")
    np.testing.assert_array_equal(window_sums(array, (5, 3, 7)), expected)


def test_a_window_sum_that_fits_is_exact_though_the_running_sum_does_not():
    array = np.full((400, 1, 1), 2**30, dtype=np.int32)
    assert (window_sums(array, (1, 1, 1)) == 2**30).all()


@given(shapes, seeds, windows, st.data())
@settings(deadline=None)
def test_running_sums_are_the_window_sums_in_whatever_order_and_part_slices_are_asked_for(shape, seed, size, data):
    images = image((2, *shape), seed).astype(np.int64)
    expected = [window_sums(each, size) for each in images]
    whole = (slice(0, shape[1]), slice(0, shape[2]))
    sums = RunningSums(lambda k: (whole, images[:, k]), shape, size)
    for k in [*range(shape[0]), *data.draw(st.lists(st.integers(0, shape[0] - 1), max_size=5))]:
        part = tuple(slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in shape[1:])
        np.testing.assert_array_equal(sums.at(k, part), [each[k][part] for each in expected])


@given(shapes, seeds, windows)
@settings(deadline=None)
def test_running_sums_count_what_lies_outside_a_slices_part_as_nothing(shape, seed, size):
    images = image((1, *shape), seed).astype(np.int64)
    part = (slice(shape[1] // 3, shape[1]), slice(0, (shape[2] + 1) // 2))
    inside = np.zeros_like(images)
    inside[(..., *part)] = images[(..., *part)]
    # Every third slice has nothing in it
    inside[:, ::3] = 0
    sums = RunningSums(lambda k: None if k % 3 == 0 else (part, images[(slice(None), k, *part)]), shape, size)
    whole = (slice(0, shape[1]), slice(0, shape[2]))
    expected = window_sums(inside[0], size)
    for k in range(shape[0]):
        found = sums.at(k, whole)
        np.testing.assert_array_equal(0 if found is None else found[0], expected[k])


def test_running_sums_ask_for_each_slice_once():
    asked = []

    def plane(k):
        asked.append(k)
        return (slice(0, 1), slice(0, 1)), np.full((1, 1, 1), k)

    sums = RunningSums(plane, (100, 1, 1), (11, 1, 1))
    assert [int(sums.at(k, (slice(0, 1), slice(0, 1)))[0, 0, 0]) for k in range(100)][50] == sum(range(45, 56))
    assert asked == list(range(100))


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
