"""Cold cores of lesions, with closed rims and open ones."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.filters import gaussian
from dotaliver.image.geometry import Geometry
from dotaliver.segmentation.lesions.extents import with_cores
from dotaliver.segmentation.liver.parenchyma import Parenchyma

GRID = Geometry((48, 40, 40), (0.0,) * 3, (3.0, 4.0, 4.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
Z, Y, X = (np.indices(GRID.shape).T * np.array([3.0, 4.0, 4.0]) - np.array([72.0, 80.0, 80.0])).T
LIVER = X**2 + Y**2 + Z**2 < 62.0**2
NORMAL = Parenchyma(5.0, 0.4)


def core_share(middle_mm, uptake_of_core, tumour):
    """Share of a ball of 15 mm, which lies in the liver's tumour, that counts as tumour."""
    hole = (X - middle_mm) ** 2 + Y**2 + Z**2 < 15.0**2
    owners = (LIVER & tumour & ~hole).astype(np.int32)
    smooth = np.where(owners > 0, 20.0, np.where(LIVER, 5.0, 0.5))
    smooth[hole & LIVER] = uptake_of_core
    owned = with_cores(owners, smooth.astype(np.float32), LIVER, NORMAL, LesionConfig(), GRID)
    return np.count_nonzero(owned[hole & LIVER]) / np.count_nonzero(hole & LIVER)


@pytest.mark.parametrize("middle_mm", [0.0, 35.0, 48.0])
def test_a_cold_core_is_tumour_inside_and_at_the_capsule(middle_mm):
    assert core_share(middle_mm, 1.0, LIVER) > 0.75


def test_spared_liver_at_the_capsule_is_not():
    assert core_share(52.0, 4.8, LIVER) == 0.0


def test_a_cold_place_next_to_tumour_is_not():
    assert core_share(35.0, 1.0, X < 30.0) < 0.1


def blurred_core(middle_mm, core_uptake):
    """Tumour of 20 with a core, blurred; what lies above 12.5, half the step from normal liver, is outlined already."""
    hole = (X - middle_mm) ** 2 + Y**2 + Z**2 < 15.0**2
    smooth = gaussian(np.where(LIVER, np.where(hole, core_uptake, 20.0), 0.5).astype(np.float32), 3.0, GRID)
    owners = (LIVER & (smooth > 12.5)).astype(np.int32)
    return hole & LIVER, with_cores(owners, smooth, LIVER, NORMAL, LesionConfig(), GRID) > 0


@pytest.mark.parametrize("middle_mm", [0.0, 42.0, 44.0])
def test_nothing_is_left_out_between_a_cold_core_and_its_rim(middle_mm):
    hole, owned = blurred_core(middle_mm, 0.5)
    assert np.count_nonzero(owned & hole) > 0.9 * np.count_nonzero(hole)


def test_the_blurred_border_of_an_island_of_normal_liver_is_not_a_core():
    hole, owned = blurred_core(0.0, 5.0)
    assert not (owned & hole & (np.hypot(np.hypot(X, Y), Z) < 12.0)).any()
