"""Splitting lesions by seeds, valleys and cut lines, on shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.editing.splitting import connected_parts, cut_parts, parts_of

GRID = Geometry((20, 40, 40), (0.0, 0.0, 0.0), (3.0, 2.0, 2.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
FROM_BELOW = (0.0, 0.0, 1.0)


def ball(centre, radius_mm, grid=GRID) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    places = grid.index_to_lps(np.stack([k, j, i], axis=-1))
    return np.linalg.norm(places - np.asarray(centre), axis=-1) <= radius_mm


def labels(array) -> LabelMap:
    return LabelMap(array.astype(np.uint16), GRID)


def pet(array) -> Volume:
    return Volume(array.astype(np.float32), GRID, Quantity.SUVBW)


def whole(found) -> np.ndarray:
    """Parts of a box on the whole grid."""
    array = np.zeros(GRID.shape, dtype=int)
    array[found[0]] = found[1]
    return array


def test_lesion_splits_along_the_valley_between_its_maxima():
    first, second = ball((30, 30, 30), 9.0), ball((48, 30, 30), 9.0)
    image = np.where(first | second, 5.0, 1.0)
    image[ball((30, 30, 30), 3.0)], image[ball((48, 30, 30), 3.0)] = 12.0, 10.0
    box, parts = parts_of(pet(image), labels(4 * (first | second)), 4)
    whole = np.zeros(GRID.shape, dtype=int)
    whole[box] = parts
    assert set(np.unique(whole[first & ~second])) == {whole[first & ~second][0]}
    assert set(np.unique(whole)) == {0, 1, 2}
    assert (whole > 0).sum() == (first | second).sum()


def test_lesion_splits_at_seeds():
    lesion = ball((36, 30, 30), 15.0)
    seeds = [(26.0, 30.0, 30.0), (46.0, 30.0, 30.0)]
    _, parts = parts_of(pet(np.ones(GRID.shape)), labels(lesion), 1, seeds)
    assert set(np.unique(parts)) == {0, 1, 2}
    assert np.count_nonzero(parts) == lesion.sum()
    with pytest.raises(MaskError, match="outside the lesion"):
        parts_of(pet(np.ones(GRID.shape)), labels(lesion), 1, [(0.0, 0.0, 0.0), seeds[0]])
    with pytest.raises(MaskError, match="once in each part"):
        parts_of(pet(np.ones(GRID.shape)), labels(lesion), 1, [seeds[0]])


def test_slivers_stay_with_the_nearest_part_and_are_no_lesions():
    left, right = ball((20, 30, 30), 8.0), ball((60, 30, 30), 10.0)
    both = left | right
    sliver = np.zeros_like(both)
    sliver[10, 15, 16] = True
    assert not (sliver & both).any()
    box, parts = parts_of(pet(np.where(both, 10.0, 1.0)), labels(both | sliver), 1)
    assert set(np.unique(parts)) == {0, 1, 2}
    whole = np.zeros(GRID.shape, dtype=int)
    whole[box] = parts
    assert whole[10, 15, 16] == whole[tuple(np.argwhere(left)[0])] == 2
    assert min(int((parts == n).sum()) for n in (1, 2)) >= 4
    assert int((parts > 0).sum()) == int((both | sliver).sum()), "no voxel is lost"


def test_seeds_that_would_leave_a_sliver_are_refused():
    lesion = np.zeros(GRID.shape, dtype=bool)
    lesion[10, 15, 10:14] = True
    ends = [tuple(GRID.index_to_lps((10, 15, column))) for column in (10, 13)]
    with pytest.raises(MaskError, match="fewer than"):
        parts_of(pet(np.where(lesion, 10.0, 1.0)), labels(lesion), 1, ends)


def test_lesion_with_one_maximum_is_not_split():
    lesion = ball((30, 30, 30), 9.0)
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    distance = np.linalg.norm(GRID.index_to_lps(np.stack([k, j, i], axis=-1)) - np.array([30.0, 30.0, 30.0]), axis=-1)
    with pytest.raises(MaskError, match="single maximum"):
        parts_of(pet(50.0 - distance), labels(lesion), 1)


def test_parts_that_do_not_touch_come_largest_first():
    small, large = ball((20, 20, 30), 5.0), ball((60, 60, 30), 9.0)
    parts = connected_parts(small | large)
    np.testing.assert_array_equal(parts[0], large)
    np.testing.assert_array_equal(parts[1], small)


def test_three_seeds_make_three_parts():
    lesion = np.zeros(GRID.shape, dtype=bool)
    lesion[9:12, 14:17, 5:35] = True
    seeds = [tuple(GRID.index_to_lps((10, 15, column))) for column in (8, 20, 32)]
    parts = whole(parts_of(pet(np.where(lesion, 10.0, 1.0)), labels(lesion), 1, seeds))
    assert set(np.unique(parts)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(parts > 0, lesion)
    assert len({int(parts[10, 15, column]) for column in (8, 20, 32)}) == 3


def test_a_line_cuts_through_the_whole_lesion_along_the_line_of_sight():
    lesion = ball((40, 40, 30), 18.0)
    parts = whole(cut_parts(labels(5 * lesion), 5, ((41.0, 15.0, 30.0), (41.0, 65.0, 30.0)), FROM_BELOW))
    np.testing.assert_array_equal(parts > 0, lesion)
    x = GRID.index_to_lps(np.argwhere(parts == 1))[:, 0]
    assert x.max() <= 41.0
    assert GRID.index_to_lps(np.argwhere(parts == 2))[:, 0].min() > 41.0


def test_a_line_drawn_on_a_coronal_view_cuts_from_front_to_back():
    lesion = ball((40, 40, 30), 18.0)
    parts = whole(cut_parts(labels(lesion), 1, ((10.0, 40.0, 34.5), (70.0, 40.0, 34.5)), (0.0, 1.0, 0.0)))
    heights = [set(np.argwhere(parts == n)[:, 0]) for n in (1, 2)]
    assert max(heights[0]) < min(heights[1])


def test_a_line_through_one_arm_leaves_the_rest_in_one_piece():
    lesion = np.zeros(GRID.shape, dtype=bool)
    lesion[8:12, 5:35, 5:10] = lesion[8:12, 30:35, 5:35] = lesion[8:12, 5:10, 5:35] = True  # an open square
    line = (tuple(GRID.index_to_lps((9, 2, 25.5))), tuple(GRID.index_to_lps((9, 13, 25.5))))
    parts = whole(cut_parts(labels(lesion), 1, line, FROM_BELOW))
    assert set(np.unique(parts)) == {0, 1, 2}
    assert set(np.argwhere(parts == 2)[:, 2]) == set(range(26, 35))
    assert set(np.argwhere(parts == 2)[:, 1]) == set(range(5, 10)), "the other arm stays with the first part"


@pytest.mark.parametrize("end_mm", [(41.0, 38.0, 30.0), (41.0, 15.5, 30.0)])
def test_a_line_that_ends_inside_or_is_a_point_is_refused(end_mm):
    lesion = ball((40, 40, 30), 18.0)
    with pytest.raises(MaskError, match=r"border to border|shorter than 1 mm"):
        cut_parts(labels(lesion), 1, ((41.0, 15.0, 30.0), end_mm), FROM_BELOW)


def test_a_cut_that_leaves_a_sliver_is_refused():
    lesion = np.zeros(GRID.shape, dtype=bool)
    lesion[10, 15, 10:16] = True
    line = (tuple(GRID.index_to_lps((10, 10, 11.5))), tuple(GRID.index_to_lps((10, 20, 11.5))))
    with pytest.raises(MaskError, match="fewer than 4 voxels"):
        cut_parts(labels(lesion), 1, line, FROM_BELOW)


def test_parts_of_a_split_hold_no_piece_that_the_cut_did_not_touch():
    lesion, island = ball((40, 40, 30), 14.0), ball((64, 40, 30), 4.0)
    parts = whole(cut_parts(labels(lesion | island), 1, ((41.0, 15.0, 30.0), (41.0, 65.0, 30.0)), FROM_BELOW))
    assert set(np.unique(parts)) == {0, 1, 2}
    right = parts[tuple(np.argwhere(island)[0])]
    assert (parts[island] == right).all()
    assert right == parts[10, 20, 24], "with the part on its side"


def test_seeds_at_the_rim_of_a_lesion_without_a_valley_halve_it():
    lesion = ball((40, 40, 30), 18.0)
    blurred = gaussian_filter(np.where(lesion, 20.0, 2.0), 1.5)
    parts = whole(parts_of(pet(blurred), labels(lesion), 1, [(23.0, 40.0, 30.0), (57.0, 40.0, 30.0)]))
    assert parts[10, 20, 12] != parts[10, 20, 28]
    assert min((parts == 1).sum(), (parts == 2).sum()) > 0.4 * lesion.sum()


def test_seeds_off_the_middle_still_split_at_the_valley():
    large, small = ball((28, 40, 30), 16.0), ball((58, 40, 30), 10.0)
    blurred = gaussian_filter(np.where(large | small, 20.0, 2.0), 1.2)
    lesion = large | small
    parts = whole(parts_of(pet(blurred), labels(lesion), 1, [(36.0, 44.0, 33.0), (64.0, 38.0, 30.0)]))
    mine = parts == parts[10, 20, 14]
    assert (mine & large).sum() > 0.97 * large.sum()
    assert (~mine & small).sum() > 0.97 * small.sum()
