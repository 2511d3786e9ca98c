"""What uptake alone proves of a lesion's size: only large, evenly avid lesions are bounded."""

import numpy as np
import pytest

from dotaliver.config.criteria import Inc4Config, Inc7Config
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.measurement.least_size import DensityOnCt, least_size_mm
from dotaliver.measurement.lesion_surroundings import LiverSurroundings
from dotaliver.measurement.placement import Placement
from dotaliver.phantom.physics import PetPhysics, simulate_pet
from dotaliver.records.measurements import Reference
from dotaliver.records.positions import Share, VoxelSet

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
SIDE_MM = 72
FINE = Geometry((SIDE_MM,) * 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), AXIAL)
MIDDLE = np.array([0.5, 0.5, 0.5]) * SIDE_MM
# A sphere of 3 cm near a corner, which no lesion reaches
NORMAL = Reference(organ="liver", method="sphere", suv_mean=1.0, centre_lps_mm=(16.0, 16.0, 16.0), diameter_mm=30.0)


def balls(centres, diameters):
    """Voxels of 1 mm in any of some balls."""
    inside = np.zeros((SIDE_MM,) * 3, dtype=bool)
    for centre, diameter in zip(centres, diameters, strict=True):
        low = np.maximum(np.floor(centre - diameter / 2), 0).astype(int)
        box = tuple(slice(a, a + int(diameter) + 2) for a in low)
        offsets = np.argwhere(np.ones_like(inside[box])) + low - centre
        inside[box] |= (np.sum(offsets**2, axis=1) <= (diameter / 2) ** 2).reshape(inside[box].shape)
    return inside


def packed(count, diameter, gap):
    """Balls that touch or nearly so, as dense as a crystal, the nearest to the middle first."""
    step = (diameter + gap) * np.sqrt(2) / 2
    lattice = np.argwhere(np.ones((11, 11, 11))) - 5
    places = lattice[lattice.sum(axis=1) % 2 == 0] * step
    order = np.argsort(np.linalg.norm(places, axis=1), kind="stable")
    return MIDDLE + places[order[:count]], np.full(count, diameter)


def bound(tumour, contrast=6.0, fwhm=6.0, voxel=(4.0, 4.0, 4.0), liver_border_mm=0.0, config=None, cov=0.1, **seen):
    """The bound of one outline around all of the uptake, in a liver that fills the image but for one side."""
    config = config or Inc4Config()
    activity = Volume(np.where(tumour, contrast, 1.0).astype(np.float32), FINE, Quantity.BQML)
    shape = tuple(int((SIDE_MM - 1) / v) for v in voxel)
    grid = Geometry(shape, (0.0, 0.0, 0.0), voxel, AXIAL)
    pet = simulate_pet(activity, grid, PetPhysics(fwhm, cov, 1.0, 5.0), np.random.default_rng(1))
    whole = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    lesion = VoxelSet(whole, np.asarray(pet.array > 1 + 0.4 * (float(pet.array.max()) - 1)))
    liver = np.ones(shape, dtype=np.float32)
    liver[..., : round(liver_border_mm / voxel[2])] = 0
    placement = Placement(grid, Share(whole, grid, liver), {1: lesion})
    surroundings = LiverSurroundings(pet, placement, Inc7Config())
    return least_size_mm(pet, lesion, surroundings, NORMAL, on_ct(tumour, **seen), config)


def on_ct(tumour, hu=80.0, noise_hu=10.0, displaced_mm=0.0, onto_ct_mm=(0.0, 0.0, 0.0)):
    """A CT on which liver has 100 HU, and which may show everything farther along the first axis than the PET does."""
    shown = np.roll(tumour, int(displaced_mm), axis=0)
    noise = np.random.default_rng(2).normal(0.0, noise_hu, tumour.shape)
    return DensityOnCt(Volume((np.where(shown, hu, 100.0) + noise).astype(np.float32), FINE, Quantity.HU), onto_ct_mm)


@pytest.mark.parametrize("voxel", [(4.0, 4.0, 4.0), (3.0, 2.7, 2.7), (5.0, 6.0, 6.0)])
@pytest.mark.parametrize("contrast", [4.0, 10.0])
def test_a_large_lesion_of_even_uptake_is_at_least_as_large_as_the_sphere(voxel, contrast):
    assert bound(balls([MIDDLE], [38.0]), contrast=contrast, voxel=voxel) == 20.0


@pytest.mark.parametrize("diameter", [9.8, 14.0, 19.0])
@pytest.mark.parametrize("fwhm", [5.0, 9.0])
def test_blur_makes_no_small_lesion_large(diameter, fwhm):
    assert bound(balls([MIDDLE], [diameter]), contrast=30.0, fwhm=fwhm, cov=0.0) is None


@pytest.mark.parametrize(("count", "gap"), [(2, 0.0), (6, 0.0), (13, 0.0), (19, 1.0), (43, 2.0), (80, 3.0)])
def test_small_lesions_that_the_pet_merges_are_not_one_large_lesion(count, gap):
    assert bound(balls(*packed(count, 8.0, gap)), contrast=10.0, fwhm=7.0) is None


def test_a_lesion_with_a_cold_core_has_no_bound():
    rim = balls([MIDDLE], [40.0]) & ~balls([MIDDLE], [24.0])
    assert bound(rim) is None


def test_faint_uptake_and_uptake_at_the_livers_border_prove_nothing():
    lesion = balls([MIDDLE], [38.0])
    assert bound(lesion, contrast=1.8) is None
    # An organ whose uptake falls on the liver's edge by a shift between PET and CT
    assert bound(lesion, liver_border_mm=32.0) is None


def test_voxels_too_coarse_for_the_sphere_prove_nothing():
    assert bound(balls([MIDDLE], [44.0]), voxel=(8.0, 8.0, 8.0)) is None


def test_a_lesion_that_the_ct_does_not_show_has_no_bound():
    lesion = balls([MIDDLE], [38.0])
    assert bound(lesion, hu=96.0) is None
    assert bound(lesion, hu=90.0, noise_hu=25.0) is None
    assert bound(lesion, hu=125.0) == 20.0


def test_the_ct_is_read_where_it_shows_the_liver():
    lesion = balls([MIDDLE + np.array([-12.0, 0.0, 0.0])], [30.0])
    assert bound(lesion, displaced_mm=24, onto_ct_mm=(0.0, 0.0, 24.0)) == 20.0
    assert bound(lesion, displaced_mm=24) is None
