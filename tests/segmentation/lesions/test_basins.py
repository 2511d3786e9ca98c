"""Which basins of uptake are of the liver: by where they peak and lie, and how far beyond they reach."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.geometry import Geometry
from dotaliver.segmentation.lesions.basins import Basins, peaks_in_liver

GRID = Geometry((20, 20, 40), (0.0,) * 3, (4.0, 4.0, 4.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
# The liver lies at negative depths below its border, which is a plane.
Z, Y, BEYOND_MM = (np.indices(GRID.shape).T * 4.0 - np.array([40.0, 40.0, 80.0])).T
BASE = 5.0


def of_liver(own, uptake):
    basins = Basins(own.astype(np.int32), np.array([0.0, uptake[own].max()]))
    smooth = np.where(own, uptake, BASE).astype(np.float32)
    share = (BEYOND_MM < 2.0).astype(np.float32)
    return bool(peaks_in_liver(basins, smooth, share, BASE, LesionConfig(), GRID)[1])


def ball(middle_mm, radius_mm):
    return Z**2 + Y**2 + (BEYOND_MM - middle_mm) ** 2 < radius_mm**2


def level(own):
    return np.where(own, 20.0, BASE)


def hottest_at(beyond_mm):
    return 20.0 - 0.2 * np.abs(BEYOND_MM - beyond_mm)


def test_a_lesion_inside_is_of_the_liver_and_one_beside_it_is_not():
    assert of_liver(ball(-20.0, 14.0), hottest_at(-20.0))
    assert not of_liver(ball(20.0, 14.0), hottest_at(20.0))


@pytest.mark.parametrize(("middle_mm", "expected"), [(-6.0, True), (8.0, False)])
def test_one_that_peaks_just_beyond_the_outline_is_where_most_of_it_lies_inside(middle_mm, expected):
    assert of_liver(ball(middle_mm, 15.0), hottest_at(6.0)) is expected


def test_one_whose_hot_part_reaches_far_beyond_is_of_an_organ():
    lesion, organ = ball(-22.0, 22.0), (np.hypot(Z, Y) < 9.0) & (BEYOND_MM > -4.0) & (BEYOND_MM < 30.0)
    own = lesion | organ
    assert np.count_nonzero(own & (BEYOND_MM < 2.0)) > 0.5 * np.count_nonzero(own)
    assert not of_liver(own, level(own) + np.where(BEYOND_MM == 8.0, 1.0, 0.0))
