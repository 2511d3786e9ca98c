"""Cold cores of tumour are told from gallbladder and vena cava by the liver around them."""

import numpy as np
import pytest

from dotaliver.segmentation.liver.enclosed import enclosed_cores, share_of_directions

SPACING_MM = (4.0, 4.0, 4.0)
Z, Y, X = np.indices((40, 48, 48)) * 4.0 - np.array([80.0, 96.0, 96.0])[:, None, None, None]
BALL = X**2 + Y**2 + Z**2 < 70.0**2


def ball(x_mm, radius_mm):
    return (X - x_mm) ** 2 + Y**2 + Z**2 < radius_mm**2


def filled_share(hole, hot=None):
    liver = BALL & ~hole
    hot = liver if hot is None else hot & liver
    lost = BALL & hole
    return np.count_nonzero(enclosed_cores(liver, hot, np.ones_like(BALL), SPACING_MM) & lost) / np.count_nonzero(lost)


def test_directions_are_counted_within_the_image():
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 1, 1] = True
    share = share_of_directions(mask, SPACING_MM)
    assert share[2, 1, 1] * 26 == pytest.approx(1.0)
    assert share[0, 1, 1] == 0.0
    assert share_of_directions(~mask, SPACING_MM)[1, 1, 1] * 26 == pytest.approx(25.0)


@pytest.mark.parametrize("middle_mm", [0.0, 40.0, 58.0])
def test_a_core_is_filled_inside_and_where_it_opens_the_capsule(middle_mm):
    assert filled_share(ball(middle_mm, 16.0)) > 0.8


def test_a_gallbladder_half_in_the_liver_is_not():
    assert filled_share(ball(72.0, 18.0)) == 0.0


def test_a_groove_along_the_liver_is_not():
    liver = X**2 + Y**2 < 70.0**2
    liver &= (X - 68.0) ** 2 + Y**2 >= 14.0**2
    assert not enclosed_cores(liver, liver, np.ones_like(liver), SPACING_MM).any()


def test_a_cyst_in_normal_liver_is_not():
    assert filled_share(ball(40.0, 16.0), hot=ball(-60.0, 30.0)) == 0.0


def test_an_empty_liver_has_no_cores():
    nothing = np.zeros_like(BALL)
    assert not enclosed_cores(nothing, nothing, ~nothing, SPACING_MM).any()
