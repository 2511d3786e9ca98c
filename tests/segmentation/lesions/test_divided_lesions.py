"""Neighbours that are one on PET are two where the CT shows two; one lesion stays one, whatever its inside."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.lesions.bodies_on_ct import bodies_on_ct
from dotaliver.segmentation.lesions.ct_outlines import Divided, outline_lesions_on_ct
from dotaliver.segmentation.lesions.divided_lesions import divided_like, with_lesions_divided
from fixtures.arrays import ball, grid

CONFIG = CtLesionConfig()
GRID = grid((34, 76, 110), (3.0, 1.0, 1.0))
LIVER = np.ones(GRID.shape, dtype=bool)
LEFT, RIGHT = (43.0, 38.0, 50.0), (67.0, 38.0, 50.0)


def scene(balls, noise_hu=10.0):
    """A CT of liver of 100 HU with balls in it: centre, radius in mm, HU against liver."""
    hu = np.full(GRID.shape, 100.0)
    for centre, radius_mm, difference_hu in balls:
        hu[ball(GRID, centre, radius_mm)] = 100.0 + difference_hu
    hu += noise_hu * np.random.default_rng(0).standard_normal(GRID.shape)
    return Volume(hu.astype(np.float32), GRID, Quantity.HU)


def one_uptake(*balls):
    """One label over some balls, a little larger as uptake is."""
    mask = np.zeros(GRID.shape, dtype=bool)
    for centre, radius_mm in balls:
        mask |= ball(GRID, centre, radius_mm + 1.0)
    return LabelMap(mask.astype(np.uint16), GRID)


def divided(ct, placed):
    found = outline_lesions_on_ct(ct, placed, LIVER, CONFIG)
    return with_lesions_divided(ct, placed, LIVER, found, CONFIG, next_label=5)


@pytest.mark.parametrize(
    ("radius_mm", "densities"), [(12.5, (-35.0, 30.0)), (12.5, (-45.0, -18.0)), (10.5, (-35.0, -35.0))]
)
def test_two_bodies_under_one_uptake_are_told_apart_by_density_or_by_liver_between(radius_mm, densities):
    balls = [(place, radius_mm, hu) for place, hu in zip((LEFT, RIGHT), densities, strict=True)]
    placed = one_uptake(*[(place, radius_mm + 1.0) for place in (LEFT, RIGHT)])
    bodies = bodies_on_ct(scene(balls), placed.array, LIVER, 1, CONFIG)
    assert bodies is not None
    cores = [ball(GRID, place, radius_mm - 3.0) for place in (LEFT, RIGHT)]
    shares = sorted(float(bodies.smaller[core].mean()) for core in cores)
    assert shares[0] < 0.02
    assert shares[1] > 0.98


@pytest.mark.parametrize(
    "balls",
    [
        [(LEFT, 18.0, -30.0)],
        # A necrotic core, in the middle and to one side
        [(LEFT, 18.0, 25.0), (LEFT, 10.0, -40.0)],
        [(LEFT, 18.0, -20.0), ((49.0, 38.0, 50.0), 9.0, -60.0)],
        # Not to be seen at all
        [(LEFT, 18.0, 0.0)],
    ],
)
def test_one_lesion_is_one_body(balls):
    assert bodies_on_ct(scene(balls), one_uptake((LEFT, 18.0)).array, LIVER, 1, CONFIG) is None


def test_uptake_beyond_a_lesion_is_no_second_body():
    placed = one_uptake((LEFT, 12.5), (RIGHT, 12.5))
    assert bodies_on_ct(scene([(LEFT, 12.5, -35.0)]), placed.array, LIVER, 1, CONFIG) is None


def test_both_bodies_are_outlined_under_two_labels():
    balls = [(LEFT, 13.0, -40.0), (RIGHT, 11.0, 35.0)]
    found = divided(scene(balls), one_uptake((LEFT, 13.0), (RIGHT, 11.0)))
    assert found.labels.labels == (1, 5)
    assert set(found.borders) == {1, 5}
    assert found.divided is not None
    assert dict(found.divided.lesion_of) == {5: 1}
    for label, place, radius_mm in ((1, LEFT, 13.0), (5, RIGHT, 11.0)):
        own, true = found.labels.array == label, ball(GRID, place, radius_mm)
        assert 2 * (own & true).sum() / (own.sum() + true.sum()) > 0.9


def test_a_lesion_of_one_body_is_left_as_it_is():
    ct, placed = scene([(LEFT, 13.0, -40.0)]), one_uptake((LEFT, 13.0))
    found = divided(ct, placed)
    assert found.divided is None
    np.testing.assert_array_equal(found.labels.array, outline_lesions_on_ct(ct, placed, LIVER, CONFIG).labels.array)


def test_labels_on_pet_are_divided_like_those_on_ct_and_no_voxel_is_lost():
    pet = grid((34, 19, 27), (3.0, 4.0, 4.0))
    both = ball(pet, LEFT, 13.0) | ball(pet, RIGHT, 13.0)
    other = ball(pet, (90.0, 38.0, 80.0), 9.0)
    lesions = LabelMap(np.where(both, 2, np.where(other, 1, 0)).astype(np.uint16), pet)
    # The uptake on CT is smaller than that on PET, as where it is cut at the liver's border
    on_ct = np.where(ball(GRID, RIGHT, 11.0), 3, np.where(ball(GRID, LEFT, 11.0), 2, 0)).astype(np.uint16)
    found = divided_like(lesions, Divided(LabelMap(on_ct, GRID), {3: 2})).array
    np.testing.assert_array_equal(found > 0, lesions.array > 0)
    np.testing.assert_array_equal(found == 1, lesions.array == 1)
    assert (found[ball(pet, LEFT, 9.0)] == 2).all()
    assert (found[ball(pet, RIGHT, 9.0)] == 3).all()
