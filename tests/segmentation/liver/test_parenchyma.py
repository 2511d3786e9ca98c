"""Normal liver is the plateau that most of it shares, or what is left in the valleys between tumours."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.parenchyma import normal_liver

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((30, 30, 30), (0.0, 0.0, 0.0), (4.0,) * 3, AXIAL)
EVERYWHERE = np.ones(GRID.shape, dtype=bool)
MUSCLE = 0.8


def read(uptake):
    hu = np.full(GRID.shape, 60.0, np.float32)
    uptake = uptake.astype(np.float32)
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    return normal_liver(images, uptake, EVERYWHERE, MUSCLE, LiverConfig())


def test_most_of_a_moderately_diseased_liver_is_normal():
    uptake = np.full(GRID.shape, 5.0)
    uptake[:, :, :8] = 20.0
    found = read(uptake)
    assert found.uptake == pytest.approx(5.0)
    assert found.lower_share == 0.0


def test_the_lowest_plateau_is_normal_where_tumour_fills_most():
    uptake = np.full(GRID.shape, 20.0)
    uptake[:10, :10, :10] = 5.0
    assert read(uptake).uptake == pytest.approx(5.0)


@pytest.mark.parametrize(("lies", "normal"), [("beside the liver", 5.0), ("in tumour", 2.6)])
def test_a_small_plateau_is_normal_liver_only_within_tumour(lies, normal):
    # Tumour, liver and a bowel loop of half the liver's uptake that the region includes; or as much liver in tumour
    uptake = np.full(GRID.shape, 0.8)
    uptake[8:] = 20.0
    uptake[8:, 18:, :] = 5.0
    place = np.s_[:7, 2:9, 2:28] if lies == "beside the liver" else np.s_[17:24, 5:12, 2:28]
    uptake[place] = 2.6
    assert read(uptake).uptake == pytest.approx(normal, rel=0.05)


def test_what_no_normal_liver_takes_up_is_none_and_valleys_tell():
    # Tumour of SUV 25 (over 12 times muscle) with ridges of parenchyma too narrow to be level
    uptake = np.full(GRID.shape, 25.0)
    uptake[::10] = uptake[:, ::10] = 5.0
    assert 5.0 <= read(uptake).uptake <= 12.0 * MUSCLE


def test_liver_that_undercuts_the_plateau_is_told():
    uptake = np.full(GRID.shape, 9.0)
    uptake[:8, :8, :8] = 5.0
    found = read(uptake)
    assert found.uptake == pytest.approx(9.0)
    assert found.lower_share == pytest.approx(8**3 / (30**3 - 8**3), rel=0.35)  # borders are means of both
