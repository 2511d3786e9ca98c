"""The dome's height on CT and PET."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.mismatch import estimate_mismatch, mismatch_of_outline
from dotaliver.segmentation.organs.surroundings import Surroundings

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
SPACING_MM = 4.0
GRID = Geometry((50, 40, 60), (0.0, 0.0, 0.0), (SPACING_MM,) * 3, AXIAL)
DIAPHRAGM_MM = 3.9


def dome(lowered_mm):
    """Height of the dome over each column: a cap of 90 mm radius on the right."""
    y, x = np.meshgrid(np.arange(40) * SPACING_MM, np.arange(60) * SPACING_MM, indexing="ij")
    return 120.0 - lowered_mm - ((x - 70.0) ** 2 + (y - 80.0) ** 2) / 180.0


def images(shift_mm, liver_uptake=5.0):
    z = np.arange(50)[:, None, None] * SPACING_MM
    share_ct = np.clip((dome(0.0) - z) / SPACING_MM + 0.5, 0, 1)
    share_pet = np.clip((dome(DIAPHRAGM_MM + shift_mm) - z) / SPACING_MM + 0.5, 0, 1)
    hu = (-800 + 860 * share_ct).astype(np.float32)
    uptake = gaussian_filter(0.4 + (liver_uptake - 0.4) * share_pet, 6.0 / 2.3548 / SPACING_MM).astype(np.float32)
    body = np.ones(GRID.shape, dtype=bool)
    around = Surroundings(
        body=body,
        soft=hu > -30,
        lungs=hu < -400,
        lateral_mm=((np.arange(60) - 35) * SPACING_MM).astype(np.float32),
        posterior_mm=((np.arange(40) - 30) * SPACING_MM).astype(np.float32),
        enhanced=False,
    )
    return CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW)), around


@pytest.mark.parametrize("shift_mm", [0.0, 4.0, 9.0, 15.0])
def test_known_shift_is_found(shift_mm):
    # Towards the feet is towards lower z.
    found = estimate_mismatch(*images(shift_mm), 2.5)
    assert found.shift_lps_mm[:2] == (0.0, 0.0)
    assert found.shift_lps_mm[2] == pytest.approx(-shift_mm, abs=1.5)


@pytest.mark.parametrize("shift_mm", [0.0, 5.0, 11.0])
def test_an_outline_without_a_dome_tells_the_shift(shift_mm):
    z, y, x = (n * SPACING_MM for n in np.indices(GRID.shape))

    def ball(lowered_mm):
        gap = np.sqrt((z - 110 + lowered_mm) ** 2 + (y - 80) ** 2 + (x - 110) ** 2) - 50
        return np.clip(0.5 - gap / SPACING_MM, 0, 1)

    uptake = gaussian_filter(0.4 + 4.6 * ball(shift_mm), 0.6).astype(np.float32)
    hu = (-100 + 150 * ball(0.0)).astype(np.float32)
    seen = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    nowhere = np.zeros(GRID.shape, dtype=bool)
    found = mismatch_of_outline(seen, ball(0.0) > 0.5, nowhere, 5.0)
    assert found.shift_lps_mm == (0.0, 0.0, pytest.approx(-shift_mm, abs=1.0))
    assert mismatch_of_outline(seen, nowhere, nowhere, 5.0) is None


def test_cold_organ_under_the_lung_is_not_the_liver():
    assert estimate_mismatch(*images(5.0, liver_uptake=1.0), 2.5) is None


def test_without_ct_there_is_nothing_to_compare():
    seen, around = images(5.0)
    assert estimate_mismatch(CoarseImages(GRID, None, seen.uptake, seen.pet), around, 2.5) is None
