"""Which dense and hot places are tumours full of embolic agent, and which are kidneys or vessels."""

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.liver.deposits import without_enclosed_deposits
from dotaliver.segmentation.liver.parenchyma import NormalLiver
from fixtures.surroundings import soft_everywhere

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((44, 48, 60), (-118.0, -94.0, 0.0), (4.0,) * 3, AXIAL)
Z, Y, X = (n * 4.0 for n in np.indices(GRID.shape))
X, Y = X - 118.0, Y - 94.0
NORMAL, LIVER_HU = 5.0, 60.0


def ball(x_mm, y_mm, z_mm, radii_mm):
    across, deep, high = np.broadcast_to(radii_mm, 3)
    return ((X - x_mm) / across) ** 2 + ((Y - y_mm) / deep) ** 2 + ((Z - z_mm) / high) ** 2 < 1


LIVER = ball(-45.0, -25.0, 85.0, 60.0)


def density_after(place, ratio, hu, around_ratio=1.0):
    """The density of a place of an uptake and density in or at a liver, as the following steps see it."""
    uptake = np.where(LIVER, around_ratio * NORMAL, 0.5).astype(np.float32)
    uptake[place] = ratio * NORMAL
    density = np.where(LIVER, LIVER_HU, 40.0).astype(np.float32)
    density[place] = hu
    around = soft_everywhere(GRID, enhanced=True)
    images = CoarseImages(GRID, density, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    core = LiverCore((21, 17, 18), NormalLiver(NORMAL, LIVER_HU, 8.0), 2.0)
    found = without_enclosed_deposits(images, around, core, uptake)
    assert found.hu is not None
    np.testing.assert_array_equal(found.hu[~place], density[~place])
    return float(np.median(found.hu[place]))


# Its outer surface is the liver's
AT_CAPSULE = ball(-45.0, -65.0, 85.0, 18.0) & LIVER


@pytest.mark.parametrize("hu", [110.0, 200.0])
def test_a_dense_tumour_at_the_capsule_is_given_the_density_of_liver(hu):
    assert density_after(AT_CAPSULE, 2.0, hu) == LIVER_HU


def test_a_tumour_of_a_density_that_tumours_have_is_left_as_it_is():
    assert density_after(AT_CAPSULE, 2.0, 80.0) == 80.0


@pytest.mark.parametrize("depth_mm", [0.0, 15.0])
def test_a_kidney_against_the_liver_keeps_its_density(depth_mm):
    """Also one that indents the liver by half its thickness."""
    kidney = ball(-45.0, 57.0 - depth_mm, 85.0, (26.0, 22.0, 45.0))
    assert density_after(kidney, 2.0, 180.0) == 180.0


def test_a_kidney_that_a_large_liver_embraces_keeps_its_density():
    kidney = ball(-45.0, 20.0, 85.0, (20.0, 20.0, 35.0))
    assert density_after(kidney, 2.0, 180.0) == 180.0


def test_a_dense_tumour_with_liver_all_around_is_given_the_density_of_liver_at_a_kidneys_place_too():
    assert density_after(ball(-45.0, -20.0, 85.0, 18.0), 2.0, 180.0) == LIVER_HU


def test_a_cold_vessel_within_the_liver_keeps_its_density():
    vein = (np.hypot(X + 45.0, Y + 25.0) < 9.0) & LIVER
    assert density_after(vein, 0.4, 160.0) == 160.0


def test_a_vessel_within_hot_tumour_keeps_its_density():
    """Blur makes it warmer than normal liver."""
    vein = (np.hypot(X + 45.0, Y + 25.0) < 9.0) & LIVER
    assert density_after(vein, 1.5, 160.0, around_ratio=5.0) == 160.0
