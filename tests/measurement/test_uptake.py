import numpy as np
import pytest

from dotaliver.config.measurement import PeakConfig
from dotaliver.image.volume import Quantity, Volume
from dotaliver.measurement.uptake import lesion_uptake
from dotaliver.records.positions import VoxelSet
from fixtures.arrays import ball, grid

WHOLE = (slice(None),) * 3


def voxels(mask):
    used = np.argwhere(mask)
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(used.min(0), used.max(0), strict=True))
    return VoxelSet(box, mask[box])


def test_a_uniform_lesion_larger_than_the_sphere_has_its_own_uptake_throughout():
    geometry = grid((24, 24, 24))
    mask = ball(geometry, (33, 36, 39), 20.0)
    pet = Volume(np.where(mask, 12.0, 2.0), geometry, Quantity.SUVBW)
    uptake = lesion_uptake(pet, voxels(mask), PeakConfig())
    assert uptake.maximum == uptake.mean == 12.0
    assert uptake.peak == pytest.approx(12.0, rel=1e-12)
    assert not uptake.at_field_edge


def test_a_small_lesion_is_diluted_by_what_the_sphere_holds_around_it():
    # One voxel of 27 mm3 lies wholly inside the sphere of 1000 mm3: 2 + 100 * 0.027 (volume by subsampling: 1 %).
    geometry = grid((15, 15, 15))
    array = np.full((15, 15, 15), 2.0)
    array[7, 7, 7] = 102.0
    uptake = lesion_uptake(Volume(array, geometry, Quantity.SUVBW), voxels(array > 50), PeakConfig())
    assert uptake.peak == pytest.approx(2.0 + 100.0 * 0.027, rel=0.01)
    assert uptake.maximum == 102.0


def test_the_peak_is_searched_and_not_put_on_the_hottest_voxel():
    geometry = grid((21, 21, 21))
    array = np.zeros((21, 21, 21))
    array[:, :, 12:] = 10.0
    array[10, 10, 4] = 30.0  # the hottest voxel stands alone in the cold
    mask = np.zeros(array.shape, dtype=bool)
    mask[8:13, 8:13, 3:18] = True
    uptake = lesion_uptake(Volume(array, geometry, Quantity.SUVBW), voxels(mask), PeakConfig())
    assert uptake.maximum == 30.0
    assert uptake.peak == pytest.approx(10.0, rel=1e-12)
    assert uptake.peak_centre_lps_mm[0] >= 3 * 12


def test_at_the_images_edge_the_mean_is_over_the_voxels_that_exist():
    geometry = grid((10, 10, 10))
    array = np.full((10, 10, 10), 7.0)
    mask = np.zeros(array.shape, dtype=bool)
    mask[0, 5, 5] = True
    uptake = lesion_uptake(Volume(array, geometry, Quantity.SUVBW), voxels(mask), PeakConfig())
    assert uptake.peak == pytest.approx(7.0, rel=1e-12)
    assert uptake.at_field_edge
