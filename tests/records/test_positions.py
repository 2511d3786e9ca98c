"""Masks of CT and PET are brought to each other by one shift, the right way round."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotaliver.image.volume import LabelMap, used_box
from dotaliver.records.masks import Mismatch
from dotaliver.records.positions import VoxelSet, box_on, in_position_of, own_labels, share_on, shift_between
from fixtures.arrays import ball, grid, layer
from strategies import seeds, shifts_mm

images = st.sampled_from(["ct", "pet"])
GRID = grid((12, 14, 16), spacing=(3.0, 2.0, 2.5))
LABELS = np.zeros(GRID.shape, dtype=np.uint16)
LABELS[4:6, 5:9, 6:8] = 1
LABELS[8:9, 5:7, 10:12] = 7


def mismatch(shift):
    return Mismatch(shift_lps_mm=shift, method="made for a test")


# --- the shift -------------------------------------------------------------------------------------------------


def test_a_place_on_ct_plus_the_shift_is_the_place_on_pet():
    found = mismatch((1.0, 2.0, -6.0))
    assert shift_between("ct", "pet", found) == (1.0, 2.0, -6.0)
    assert shift_between("pet", "ct", found) == (-1.0, -2.0, 6.0)


@given(images, images, shifts_mm)
def test_there_and_back_is_no_shift(source, target, shift):
    there = np.array(shift_between(source, target, mismatch(shift)))
    back = np.array(shift_between(target, source, mismatch(shift)))
    assert (there + back == 0).all()


@given(images, images)
def test_without_a_known_mismatch_nothing_moves(source, target):
    assert shift_between(source, target, None) == (0.0, 0.0, 0.0)
    drawn = layer(LABELS, GRID, drawn_on=source)
    assert in_position_of(target, drawn, None).geometry == GRID


@given(images, shifts_mm)
def test_a_mask_on_its_own_image_stays(image, shift):
    assert shift_between(image, image, mismatch(shift)) == (0.0, 0.0, 0.0)
    drawn = layer(LABELS, GRID, drawn_on=image)
    assert in_position_of(image, drawn, mismatch(shift)) is drawn.labels


@given(images, images, shifts_mm)
def test_a_moved_mask_keeps_its_voxels_and_lies_where_the_other_image_shows_it(source, target, shift):
    drawn = layer(LABELS, GRID, drawn_on=source)
    moved = in_position_of(target, drawn, mismatch(shift))
    np.testing.assert_array_equal(moved.array, LABELS)
    step = np.subtract(moved.geometry.origin_lps_mm, GRID.origin_lps_mm)
    np.testing.assert_array_equal(step, shift_between(source, target, mismatch(shift)))
    assert moved.geometry.spacing_mm == GRID.spacing_mm
    assert moved.geometry.frame_of_reference_uid == GRID.frame_of_reference_uid


# --- masks on another grid -------------------------------------------------------------------------------------


def test_own_labels_are_the_smallest_binary_map_of_one_label_or_of_all():
    labels = LabelMap(LABELS, GRID)
    one = own_labels(labels, 7)
    assert one is not None
    assert one.geometry == GRID.crop((slice(8, 9), slice(5, 7), slice(10, 12)))
    assert one.array.all()
    every = own_labels(labels)
    assert every is not None
    assert every.geometry == GRID.crop((slice(4, 9), slice(5, 9), slice(6, 12)))
    assert every.labels == (1,)
    assert np.count_nonzero(every.array) == np.count_nonzero(LABELS)
    assert own_labels(labels, 3) is None
    assert own_labels(labels.with_array(np.zeros_like(LABELS))) is None


def test_the_share_of_a_moved_mask_follows_the_shift_and_keeps_the_volume():
    ball_on_ct = LabelMap(ball(GRID, GRID.centre_lps_mm, 8.0).astype(np.uint8), GRID)
    pet = grid((20, 20, 20), spacing=(4.0, 4.0, 4.0), origin=(-20.0, -20.0, -20.0))
    shift = (3.0, -2.0, 5.0)
    share = share_on(ball_on_ct, pet, shift, 0.0)
    assert share is not None
    volume_ml = float(share.part.sum()) * pet.voxel_volume_ml
    assert volume_ml == pytest.approx(ball_on_ct.volume_ml(), rel=0.05)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in share.part.shape), indexing="ij"), axis=-1)
    middle = (share.geometry.index_to_lps(index) * share.part[..., None]).sum(axis=(0, 1, 2)) / share.part.sum()
    np.testing.assert_allclose(middle, np.add(GRID.centre_lps_mm, shift), atol=0.3)


def test_on_its_own_grid_a_share_is_the_mask():
    labels = LabelMap((LABELS == 1).astype(np.uint8), GRID)
    share = share_on(labels, GRID, (0.0, 0.0, 0.0), 0.0)
    assert share is not None
    whole = np.zeros(GRID.shape, dtype=bool)
    whole[share.box] = share.inside
    np.testing.assert_array_equal(whole, LABELS == 1)


def test_a_mask_off_the_other_image_has_no_share():
    labels = LabelMap((LABELS == 1).astype(np.uint8), GRID)
    assert share_on(labels, GRID, (0.0, 0.0, 500.0), 0.0) is None
    assert box_on(GRID.moved((500.0, 0.0, 0.0)), GRID, 50.0) is None


@given(st.floats(0, 30))
def test_a_box_with_a_margin_holds_the_margin_and_stays_on_the_grid(margin_mm):
    part = GRID.crop((slice(5, 7), slice(6, 9), slice(7, 9)))
    box = box_on(part, GRID, margin_mm)
    assert box is not None
    for axis, (own, spacing, size) in enumerate(
        zip(((5, 7), (6, 9), (7, 9)), GRID.spacing_mm, GRID.shape, strict=True)
    ):
        steps = int(np.ceil(margin_mm / spacing))
        assert (box[axis].start, box[axis].stop) == (max(own[0] - steps, 0), min(own[1] + steps, size))


def test_corners_that_touch_by_rounding_add_no_layer():
    part = GRID.crop((slice(5, 7), slice(6, 9), slice(7, 9)))
    nudged = replace(part, origin_lps_mm=tuple(c + 1e-6 for c in part.origin_lps_mm))
    assert box_on(nudged, GRID, 0.0) == box_on(part, GRID, 0.0) == (slice(5, 7), slice(6, 9), slice(7, 9))


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 5)), min_size=6, max_size=6), seeds)
def test_voxels_seen_in_another_box_are_those_of_the_whole_image(spans, seed):
    whole = np.random.default_rng(seed).random((12, 12, 12)) < 0.3
    own, other = (tuple(slice(a, a + n) for a, n in spans[k : k + 3]) for k in (0, 3))
    kept = np.zeros_like(whole)
    kept[own] = whole[own]
    seen = VoxelSet(own, whole[own]).within(other)
    np.testing.assert_array_equal(seen, kept[other])
    assert used_box(seen) == used_box(kept[other])
