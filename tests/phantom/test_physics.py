"""The simulated scanner against what can be worked out by hand."""

import numpy as np
import pytest
from scipy.special import erf

from dotaliver.errors import QuantityError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.phantom.physics import PetPhysics, displaced, fwhm_to_sigma, pet_slopes, simulate_pet

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def cube(shape, spacing):
    corner = [-(n - 1) / 2 * s for n, s in zip(shape, spacing, strict=True)]
    return Geometry(shape, (corner[2], corner[1], corner[0]), spacing, AXES)


def test_fwhm_of_a_gaussian():
    """Half of exp(-x²/2) is reached at x = sqrt(2 ln 2) = 1.17741."""
    assert fwhm_to_sigma(2.35482) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("fwhm_mm", [5.0, 6.0, 7.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 0.9, 0.9)])
def test_an_edge_is_blurred_to_the_stated_resolution(fwhm_mm, spacing):
    """A straight edge becomes the error function of the stated width, on the PET's own voxels."""
    shape = tuple(int(120 / s) // 2 * 2 for s in spacing)
    grid = cube(shape, spacing)
    x = grid.index_to_lps(np.argwhere(np.ones(shape, bool)))[:, 0].reshape(shape)
    activity = Volume(np.where(x < 0, 1000.0, 0.0).astype(np.float32), grid, Quantity.BQML)
    onto = cube((13, 24, 25), (4.0, 4.0, 4.0))
    pet = simulate_pet(activity, onto, PetPhysics(fwhm_mm, cov=0.0), np.random.default_rng(0))
    profile = pet.array[6, 12]
    places = onto.index_to_lps([(6, 12, i) for i in range(25)])[:, 0]
    wanted = 500 * (1 - erf(places / (np.sqrt(2) * fwhm_to_sigma(fwhm_mm))))
    assert np.abs(profile - wanted).max() < 25  # 2.5 % of the step


def test_a_point_keeps_its_activity_and_has_the_stated_width():
    grid = cube((81, 81, 81), (1.0, 1.0, 1.0))
    array = np.zeros(grid.shape, np.float32)
    array[40, 40, 40] = 1e6
    onto = cube((41, 41, 41), (2.0, 2.0, 2.0))
    pet = simulate_pet(Volume(array, grid, Quantity.BQML), onto, PetPhysics(6.0, cov=0.0), np.random.default_rng(0))
    total = pet.array.sum(dtype=float)
    assert total * onto.voxel_volume_ml == pytest.approx(1e6 * grid.voxel_volume_ml, rel=0.01)
    for axis in range(3):
        line = pet.array.sum(axis=tuple(k for k in range(3) if k != axis), dtype=float)
        place = 2.0 * np.arange(41)
        mean = (line * place).sum() / line.sum()
        sigma = np.sqrt((line * (place - mean) ** 2).sum() / line.sum())
        assert sigma * 2.35482 == pytest.approx(6.0, rel=0.05)


def test_noise_keeps_the_mean_has_the_stated_variation_and_grows_with_activity():
    grid = cube((60, 60, 60), (4.0, 4.0, 4.0))
    array = np.full(grid.shape, 5000.0, np.float32)
    array[:, :, 30:] = 20000.0
    physics = PetPhysics(6.0, cov=0.12, reference_bqml=5000.0)
    pet = simulate_pet(Volume(array, grid, Quantity.BQML), grid, physics, np.random.default_rng(1)).array
    low, high = pet[6:-6, 6:-6, 6:22], pet[6:-6, 6:-6, 38:-6]
    assert low.mean() == pytest.approx(5000, rel=0.01)
    assert high.mean() == pytest.approx(20000, rel=0.01)
    assert low.std() / low.mean() == pytest.approx(0.12, rel=0.1)
    # Counts: four times the activity, twice the standard deviation
    assert high.std() / low.std() == pytest.approx(2.0, rel=0.1)


def test_noise_is_correlated_between_neighbours():
    grid = cube((40, 40, 40), (4.0, 4.0, 4.0))
    activity = Volume(np.full(grid.shape, 5000.0, np.float32), grid, Quantity.BQML)
    physics = PetPhysics(6.0, cov=0.12, reference_bqml=5000.0, noise_correlation_mm=5.0)
    pet = simulate_pet(activity, grid, physics, np.random.default_rng(2)).array[5:-5, 5:-5, 5:-5]
    noise = pet - pet.mean()
    near = (noise[1:] * noise[:-1]).mean() / noise.var()
    far = (noise[5:] * noise[:-5]).mean() / noise.var()
    # White noise smoothed by sigma has the correlation exp(-d²/(4 sigma²)): 0.41 at 4 mm for FWHM 5 mm
    assert 0.25 < near < 0.55
    assert abs(far) < 0.1


def test_an_image_displaced_is_the_same_voxels_elsewhere():
    grid = cube((4, 4, 4), (2.0, 2.0, 2.0))
    volume = Volume(np.arange(64, dtype=np.float32).reshape(4, 4, 4), grid, Quantity.BQML)
    moved = displaced(volume, (0.0, 0.0, -6.0))
    assert (moved.array == volume.array).all()
    assert np.allclose(np.subtract(moved.geometry.origin_lps_mm, grid.origin_lps_mm), (0, 0, -6))


def test_hounsfield_units_are_refused_as_activity():
    grid = cube((4, 4, 4), (2.0, 2.0, 2.0))
    with pytest.raises(QuantityError):
        simulate_pet(Volume(np.zeros(grid.shape), grid, Quantity.HU), grid, PetPhysics(), np.random.default_rng(0))


def test_slopes_use_the_stored_range_and_are_found_again_from_rounded_voxels():
    rng = np.random.default_rng(3)
    array = rng.uniform(0, 1, (50, 8, 8)).astype(np.float32) * np.float32(10) ** rng.uniform(0, 6, (50, 1, 1))
    array = array.astype(np.float32)
    array[0] = 0
    slopes = pet_slopes(array)
    stored = np.rint(array / slopes[:, None, None])
    assert slopes[0] == 1.0
    assert stored.max() <= 32767
    assert stored[1:].max(axis=(1, 2)).min() >= 32766
    again = (stored * slopes[:, None, None]).astype(np.float32)
    assert (pet_slopes(again) == slopes).all()
