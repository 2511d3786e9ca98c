"""Strokes "more here, less there" on blurred balls whose true extent is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from dotaliver.config.segmentation import LesionConfig
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.editing.scribbles import Scribbles, corrected_lesion

GRID = Geometry((24, 32, 32), (0.0, 0.0, 0.0), (3.0, 3.0, 3.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
NORMAL, HOT = 5.0, 20.0
CONFIG = LesionConfig()


def ball(centre, radius_mm) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    places = GRID.index_to_lps(np.stack([k, j, i], axis=-1))
    return np.linalg.norm(places - np.asarray(centre), axis=-1) <= radius_mm


LESION, NEIGHBOUR = ball((45, 45, 36), 13.0), ball((74, 45, 36), 10.0)


def blurred(*hot) -> Volume:
    """Balls in normal liver, blurred by 6 mm FWHM."""
    activity = np.where(np.logical_or.reduce(hot), HOT, NORMAL).astype(np.float32)
    return Volume(gaussian_filter(activity, 6.0 / 2.3548 / 3.0), GRID, Quantity.SUVBW)


PET = blurred(LESION, NEIGHBOUR)


def stroke(*voxels) -> np.ndarray:
    drawn = np.zeros(GRID.shape, dtype=bool)
    for voxel in voxels:
        drawn[voxel] = True
    return drawn


def dice(one, other) -> float:
    return 2.0 * (one & other).sum() / (one.sum() + other.sum())


def correct(mask, drawn, kind, *, taken=None, before=None, pet=PET) -> np.ndarray:
    shape = GRID.shape
    return corrected_lesion(
        pet, mask, before or Scribbles.none(shape), drawn, kind,
        taken=np.zeros(shape, dtype=bool) if taken is None else taken, normal_uptake=NORMAL, config=CONFIG,
    )  # fmt: skip


def test_one_stroke_more_completes_a_lesion_of_which_half_is_missing():
    half = LESION.copy()
    half[:, :, 15:] = False
    result = correct(half, stroke((12, 15, 16), (12, 15, 17)), "more", taken=NEIGHBOUR)
    assert dice(half, LESION) < 0.7
    assert dice(result, LESION) > 0.93
    assert (result | half == result).all(), "more only adds"


def test_a_stroke_less_on_each_side_takes_a_dilated_rim_back():
    wide = ball((45, 45, 36), 19.0)
    rim = stroke((12, 15, 21), (12, 14, 21), (12, 16, 21))
    once = correct(wide, rim, "less")
    result = correct(once, rim[:, :, ::-1], "less", before=Scribbles.none(GRID.shape).with_stroke(rim, "less"))
    assert dice(wide, LESION) < 0.6
    assert dice(once, LESION) > 0.8
    assert dice(result, LESION) > 0.9
    assert not (result & ~wide).any(), "less only removes"


def test_less_in_a_neighbour_that_was_merged_removes_the_neighbour():
    result = correct(LESION | NEIGHBOUR, stroke((12, 15, 24), (12, 15, 25)), "less")
    assert not (result & NEIGHBOUR).any()
    assert dice(result, LESION) > 0.95


def test_less_at_the_margin_of_the_hotter_of_two_removes_neither():
    # The reader takes back a rim that is too wide; the lesion is the hotter one, and most of the mask.
    activity = np.where(LESION, HOT, np.where(NEIGHBOUR, 0.7 * HOT, NORMAL)).astype(np.float32)
    pet = Volume(gaussian_filter(activity, 6.0 / 2.3548 / 3.0), GRID, Quantity.SUVBW)
    wide = ball((45, 45, 36), 16.0) | NEIGHBOUR
    rim = stroke((12, 15, 11), (12, 14, 11), (12, 16, 11))
    assert (pet.array[rim] > 0.5 * (HOT + NORMAL)).all(), "it is hot there"
    nothing = np.zeros(GRID.shape, dtype=bool)
    result = corrected_lesion(
        pet, wide, Scribbles.none(GRID.shape), rim, "less", taken=nothing, normal_uptake=NORMAL, config=CONFIG
    )
    assert (result & LESION).sum() > 0.8 * LESION.sum()
    assert (result & NEIGHBOUR).sum() > 0.95 * NEIGHBOUR.sum()
    assert not result[rim].any()


def test_more_never_enters_another_lesion_and_less_never_empties():
    small = ball((45, 45, 36), 6.0)
    result = correct(small, stroke((12, 15, 18)), "more", taken=NEIGHBOUR)
    assert not (result & NEIGHBOUR).any()
    with pytest.raises(MaskError, match="in another lesion"):
        correct(small, stroke((12, 15, 25)), "more", taken=NEIGHBOUR)
    with pytest.raises(MaskError, match="delete the lesion"):
        correct(stroke((12, 15, 15)), stroke((12, 15, 15)), "less")


def test_more_stays_in_the_organ_where_another_as_hot_touches_the_lesion():
    # A kidney of the lesion's uptake lies against the liver's edge, at x = 60 mm, where the lesion does too.
    kidney = ball((82, 45, 36), 22.0) & ~LESION
    pet = blurred(LESION, kidney)
    liver = np.zeros(GRID.shape, dtype=bool)
    liver[:, :, :20] = True
    half = LESION.copy()
    half[:, :, 15:] = False
    drawn = stroke((12, 15, 18), (12, 15, 19), (12, 15, 20))
    nothing = np.zeros(GRID.shape, dtype=bool)
    free, bound = (
        corrected_lesion(
            pet, half, Scribbles.none(GRID.shape), drawn, "more",
            taken=nothing, normal_uptake=NORMAL, config=CONFIG, organ=organ,
        )
        for organ in (None, liver)
    )  # fmt: skip
    assert (free & kidney & ~liver).sum() > 50, "without the liver, the kidney is taken for the lesion"
    assert not (bound & ~liver & ~drawn).any()
    assert bound[drawn].all(), "where the reader draws, the reader is followed"
    assert dice(bound, LESION) > 0.9


def noisy(pet, share, seed=3) -> Volume:
    """An image with white noise of a share of normal uptake."""
    noise = np.random.default_rng(seed).normal(0.0, share * NORMAL, GRID.shape)
    return pet.with_array((pet.array + noise).astype(np.float32))


def faint() -> Volume:
    """The ball with 1.6 times normal uptake, whose edge at half height lies within 0.3 times normal uptake."""
    activity = np.where(LESION, 1.6 * NORMAL, NORMAL).astype(np.float32)
    return Volume(gaussian_filter(activity, 6.0 / 2.3548 / 3.0), GRID, Quantity.SUVBW)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_does_not_fray_what_a_stroke_adds(seed):
    pet = noisy(faint(), 0.2, seed)
    half = LESION.copy()
    half[:, :, 15:] = False
    result = correct(half, stroke(*((12, 15, n) for n in range(15, 19))), "more", pet=pet)
    threshold = half | ((pet.array > 1.3 * NORMAL) & ball((45, 45, 36), 30.0))
    assert dice(threshold, LESION) < 0.7, "the noise is worth a test"
    assert dice(result, LESION) > 0.8
    _, parts = label(result)
    assert parts == 1


def test_a_mask_that_ran_out_into_normal_tissue_goes_in_one_stroke():
    # Up to 65 mm from the stroke, twice the reach of a stroke at a border
    wide = LESION.copy()
    wide[4:20, 4:24, 8:30] = True
    result = correct(wide, stroke(*((12, n, 27) for n in range(6, 12))), "less")
    assert dice(wide, LESION) < 0.1
    assert dice(result, LESION | (NEIGHBOUR & wide)) > 0.85


def test_the_same_strokes_give_the_same_mask():
    drawn = stroke((12, 15, 18))
    half = LESION & (np.arange(32) < 15)
    np.testing.assert_array_equal(correct(half, drawn, "more"), correct(half, drawn, "more"))


def test_the_rest_of_a_large_mask_stays_as_the_reader_made_it():
    far = ball((45, 45, 36), 6.0) | stroke(*((2, 2, n) for n in range(2, 10)))
    result = correct(far, stroke((12, 15, 18)), "more")
    np.testing.assert_array_equal(result[:5], far[:5])


def test_a_stroke_takes_less_than_half_a_second():
    start = time.process_time()
    correct(ball((45, 45, 36), 6.0), stroke((12, 15, 18)), "more")
    assert time.process_time() - start < 0.5


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["more", "less"]), st.integers(11, 20), st.integers(11, 20)), max_size=4))
def test_what_was_drawn_is_kept_by_every_later_stroke(strokes):
    mask, scribbles = LESION, Scribbles.none(GRID.shape)
    for kind, row, column in strokes:
        drawn = stroke((12, row, column))
        try:
            mask = correct(mask, drawn, kind, before=scribbles, taken=NEIGHBOUR)
        except MaskError:
            return
        scribbles = scribbles.with_stroke(drawn, kind)
        assert (mask & scribbles.more == scribbles.more).all()
        assert not (mask & scribbles.less).any()
        assert not (mask & NEIGHBOUR).any(), "another lesion stays as it is"
