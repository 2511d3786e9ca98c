"""The coarse grid: same anatomy, whatever the storage."""

import numpy as np
import pytest

from dotaliver.image.distance import distance_inside_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import largest_component
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import coarse_images

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
PET_GRID = Geometry((20, 24, 24), (2.0, 2.0, 2.0), (4.0, 4.0, 4.0), AXIAL)
CT_GRID = Geometry((27, 96, 96), (0.5, 0.5, 0.5), (3.0, 1.0, 1.0), AXIAL)


def on(geometry, function, quantity):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    return Volume(function(geometry.index_to_lps(index)).astype(np.float32), geometry, quantity)


def ramp(points):
    return 2 * points[..., 0] - points[..., 1] + 0.5 * points[..., 2]


def flipped(volume, axis):
    matrix = volume.geometry.affine.copy()
    matrix[:3, 3] += matrix[:3, axis] * (volume.array.shape[axis] - 1)
    matrix[:3, axis] *= -1
    return Volume(np.flip(volume.array, axis), Geometry.from_affine(volume.array.shape, matrix), volume.quantity)


def test_linear_images_keep_their_values_at_their_places():
    images = coarse_images(on(PET_GRID, ramp, Quantity.SUVBW), on(CT_GRID, ramp, Quantity.HU), 4.0)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in images.geometry.shape), indexing="ij"), axis=-1)
    expected = ramp(images.geometry.index_to_lps(index))
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(images.hu[inner], expected[inner], atol=1e-3)
    np.testing.assert_allclose(images.uptake[inner], expected[inner], atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_storage_order_changes_nothing(axis):
    pet, ct = on(PET_GRID, ramp, Quantity.SUVBW), on(CT_GRID, ramp, Quantity.HU)
    plain, other = coarse_images(pet, ct, 4.0), coarse_images(flipped(pet, axis), flipped(ct, axis), 4.0)
    assert other.geometry.is_close(plain.geometry)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(other.hu[inner], plain.hu[inner], atol=1e-3)
    np.testing.assert_allclose(other.uptake[inner], plain.uptake[inner], atol=1e-3)


def test_beyond_the_pet_the_ct_is_followed_and_the_last_uptake_repeats():
    part = PET_GRID.crop((slice(5, 10), slice(None), slice(None)))
    short = on(part, ramp, Quantity.SUVBW)
    whole = coarse_images(on(PET_GRID, ramp, Quantity.SUVBW), on(CT_GRID, ramp, Quantity.HU), 4.0)
    images = coarse_images(short, on(CT_GRID, ramp, Quantity.HU), 4.0)
    assert images.geometry.is_close(whole.geometry)
    height = images.geometry.origin_lps_mm[2] + 4.0 * np.arange(images.geometry.shape[0])
    low, high = (part.index_to_lps((k, 0, 0))[2] for k in (0, 4))
    above, below = np.flatnonzero(height > high), np.flatnonzero(height < low)
    assert above.size
    assert below.size
    for beyond, last in ((above, above[0] - 1), (below, below[-1] + 1)):
        for k in beyond:
            np.testing.assert_array_equal(images.uptake[k], images.uptake[last])


def test_the_ct_is_followed_no_further_than_100_mm():
    tall = Geometry((80, 20, 20), (0.0, 0.0, 0.0), (5.0, 5.0, 5.0), AXIAL)
    pet = Geometry((20, 20, 20), (0.0, 0.0, 150.0), (5.0, 5.0, 5.0), AXIAL)
    images = coarse_images(on(pet, ramp, Quantity.SUVBW), on(tall, ramp, Quantity.HU), 4.0)
    assert images.geometry.size_mm[0] == pytest.approx(100 + 2 * 100, abs=4)


def test_distance_is_to_the_nearest_voxel_outside():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:7, 2:7, 2:7] = True
    assert distance_inside_mm(mask, (2.0, 3.0, 5.0))[4, 4, 4] == 6.0  # three slices of 2 mm


def test_largest_of_two_parts():
    mask = np.zeros((1, 1, 9), dtype=bool)
    mask[..., :2] = mask[..., 4:8] = True
    assert np.flatnonzero(largest_component(mask)[0, 0]).tolist() == [4, 5, 6, 7]
