"""Masks of others: what the images contradict is refused in one sentence, what they bear out is taken."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import MaskError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.segmentation.mask_checks import OWN_ORIGIN, require_plausible_masks
from fixtures.arrays import AXIAL, ball, study

CONFIG = ScoringConfig()
# A body of 30 by 20 cm with a liver of 1.1 l on its right; patient's left is positive x.
GRID = Geometry((50, 64, 88), (-174.0, -126.0, -98.0), (4.0, 4.0, 4.0), AXIAL, "1.2.3")
LIVER_MM = (-65.0, -10.0, 0.0)


def body(grid=GRID):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    x, y, _ = np.moveaxis(grid.index_to_lps(index), -1, 0)
    return (x / 150.0) ** 2 + (y / 100.0) ** 2 <= 1.0


def images(with_ct=True):
    inside, liver = body(), ball(GRID, LIVER_MM, 64.0) & body()
    suv = np.where(liver, 5.0, np.where(inside, 0.8, 0.02))
    suv[ball(GRID, (80.0, 40.0, 10.0), 30.0)] = 18.0  # spleen
    volumes = study(suv, GRID)
    if not with_ct:
        return volumes
    hu = np.where(inside, 40.0, -1000.0)
    hu[liver] = 100.0
    hu[ball(GRID, (0.0, 70.0, 0.0), 18.0)] = 400.0  # a vertebra in every slice would change nothing here
    identity = volumes.identity
    return replace(volumes, ct=Volume(hu.astype(np.float32), GRID, Quantity.HU), identity=identity)


def mask(array, origin="NIfTI", drawn_on="ct"):
    return MaskLayer(LabelMap(np.asarray(array).astype(np.uint16), GRID), drawn_on, origin, 1.5)


LIVER = ball(GRID, LIVER_MM, 62.0)


def checked(liver=None, lesions=None, *, volumes=None):
    found = Segmentations("imported", mask(LIVER) if liver is None else liver, lesions)
    require_plausible_masks(volumes or images(), found, CONFIG)


def one_voxel():
    array = np.zeros(GRID.shape)
    array[25, 30, 28] = 1
    return array


WRONG_LIVERS = {
    "one voxel": (one_voxel(), "too little for a liver"),
    "the whole image": (np.ones(GRID.shape), "ml"),
    "mirrored": (ball(GRID, (65.0, -10.0, 0.0), 62.0), "on the patient's left"),
    "outside the body": (ball(GRID, (-165.0, -110.0, 0.0), 50.0), "outside the body"),
    "far off the liver": (ball(GRID, (-10.0, 30.0, 0.0), 50.0), "no more than soft tissue"),
}


@pytest.mark.parametrize("name", WRONG_LIVERS)
@pytest.mark.parametrize("with_ct", [True, False])
def test_a_liver_mask_that_the_images_contradict_is_refused(name, with_ct):
    array, words = WRONG_LIVERS[name]
    with pytest.raises(MaskError, match=r"^the liver mask ") as refusal:
        checked(mask(array, drawn_on="ct" if with_ct else "pet"), volumes=images(with_ct))
    assert words in str(refusal.value)
    assert "give a mask of the whole liver" in str(refusal.value)


def test_a_liver_mask_off_the_pet_is_refused():
    far = Geometry(GRID.shape, (-174.0, -126.0, 900.0), GRID.spacing_mm, AXIAL, "1.2.3")
    layer = MaskLayer(LabelMap(LIVER.astype(np.uint8), far), "ct", "NIfTI", 1.5)
    with pytest.raises(MaskError, match="outside the PET"):
        checked(layer)


def test_a_liver_mask_in_fat_is_refused_by_its_density():
    volumes = images()
    hu = volumes.ct.array.copy()
    hu[ball(GRID, LIVER_MM, 62.0)] = -100.0
    with pytest.raises(MaskError, match="in air, fat or bone"):
        checked(volumes=replace(volumes, ct=volumes.ct.with_array(hu)))


@pytest.mark.parametrize("with_ct", [True, False])
@pytest.mark.parametrize("shift_mm", [(0, 0, 0), (0, 0, 15), (8, 8, -8)])
def test_a_true_liver_mask_is_taken_with_tumours_cysts_and_breathing(with_ct, shift_mm):
    volumes = images(with_ct)
    suv = volumes.pet.array.copy()
    suv[ball(GRID, (-80.0, -10.0, 0.0), 35.0)] = 30.0  # confluent tumour
    suv[ball(GRID, (-40.0, -30.0, 10.0), 22.0)] = 0.3  # a cyst
    moved = ball(GRID, np.add(LIVER_MM, shift_mm), 60.0)
    checked(mask(moved), volumes=replace(volumes, pet=volumes.pet.with_array(suv)))


def test_what_our_own_segmenter_found_is_not_checked_again():
    checked(mask(one_voxel(), OWN_ORIGIN), mask(np.ones(GRID.shape), OWN_ORIGIN))


WRONG_LESIONS = {
    "the whole image": (np.ones(GRID.shape), "lesion 1"),
    "the whole body": (body(), "more than any lesion"),
    "outside the body": (ball(GRID, LIVER_MM, 10.0) + 2 * ball(GRID, (-165.0, -110.0, 0.0), 12.0), "lesion 2"),
    "the liver itself": (LIVER, "it is the liver"),
}


@pytest.mark.parametrize("name", WRONG_LESIONS)
@pytest.mark.parametrize("with_ct", [True, False])
def test_a_lesion_mask_that_body_and_liver_contradict_is_refused(name, with_ct):
    array, words = WRONG_LESIONS[name]
    with pytest.raises(MaskError, match=r"^the lesion mask ") as refusal:
        checked(lesions=mask(array), volumes=images(with_ct))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(GRID.shape),
        ball(GRID, LIVER_MM, 5.0),
        LIVER & ~ball(GRID, np.add(LIVER_MM, (20.0, 20.0, 0.0)), 30.0),  # nine tenths of the liver
        ball(GRID, (100.0, 40.0, 60.0), 12.0),  # elsewhere in the body
        ball(GRID, (-140.0, -10.0, 0.0), 12.0),  # at the skin
    ],
)
def test_lesions_in_the_body_are_taken_wherever_they_lie(array):
    checked(lesions=mask(array))
