"""Kidneys are told from liver and its tumours by what the left one looks like, by density, and by place."""

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.organs.kidneys import find_kidneys
from dotaliver.segmentation.organs.surroundings import Surroundings
from dotaliver.segmentation.organs.warm_parts import find_spleen_like

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((50, 50, 70), (-140.0, -140.0, 0.0), (4.0,) * 3, AXIAL)
Z, Y, X = (n * 4.0 for n in np.indices(GRID.shape))
X, Y = X - 138.0, Y - 140.0
LIVER_HU, LIVER_UPTAKE, KIDNEY_UPTAKE = 55.0, 5.0, 11.0


def ellipsoid(x, y, z, half_axes):
    return sum(((a - c) / h) ** 2 for a, c, h in zip((X, Y, Z), (x, y, z), half_axes, strict=True)) < 1


LIVER = ellipsoid(-80, -50, 120, (70, 80, 75))
LEFT, RIGHT = ellipsoid(60, 10, 70, (24, 24, 50)), ellipsoid(-60, 10, 60, (24, 24, 50))


def study(kidney_hu, tumour=None, tumour_hu=30.0, tumour_uptake=KIDNEY_UPTAKE, enhanced=False, spleen=None):
    """Liver, two kidneys (the right one touching the liver), a tumour and a spleen as hot as they are, in fat."""
    hu, uptake = np.full(GRID.shape, -100.0, np.float32), np.full(GRID.shape, 0.3, np.float32)
    for where, density, activity in (
        (LIVER, LIVER_HU, LIVER_UPTAKE),
        (LEFT | RIGHT, kidney_hu, KIDNEY_UPTAKE),
        (np.zeros(GRID.shape, bool) if tumour is None else tumour, tumour_hu, tumour_uptake),
        (np.zeros(GRID.shape, bool) if spleen is None else spleen & ~LEFT, kidney_hu, KIDNEY_UPTAKE),
    ):
        hu[where], uptake[where] = density, activity
    body = np.ones(GRID.shape, dtype=bool)
    around = Surroundings(
        body=body,
        soft=(hu > -30) & (hu < 400),
        lungs=np.zeros_like(body),
        lateral_mm=X[0, 0].astype(np.float32),
        posterior_mm=Y[0, :, 0].astype(np.float32),
        enhanced=enhanced,
    )
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    return find_kidneys(images, around, uptake, LIVER_HU, LIVER_UPTAKE)


def share(found, of):
    return np.count_nonzero(found & of) / np.count_nonzero(of)


@pytest.mark.parametrize("kidney_hu", [30.0, 180.0])
def test_both_kidneys_are_found_with_and_without_contrast_agent(kidney_hu):
    found = study(kidney_hu)
    # The mean over 12 mm leaves the outermost voxels undecided
    assert share(found, LEFT) > 0.4
    assert share(found, RIGHT & ~LIVER) > 0.4
    assert share(found, LIVER & ~RIGHT) < 0.01


def test_wrongly_presumed_contrast_agent_does_not_hide_kidneys():
    assert share(study(30.0, enhanced=True), RIGHT & ~LIVER) > 0.4


def test_a_fatty_liver_is_no_denser_than_kidneys_and_they_are_still_found():
    found = study(LIVER_HU - 4.0)
    assert share(found, RIGHT & ~LIVER) > 0.4
    assert share(found, LIVER & ~RIGHT) < 0.02


@pytest.mark.parametrize("place", [(-125, -30, 120), (-90, -100, 130), (-60, -70, 170)])
def test_a_tumour_that_looks_like_kidney_is_none_where_no_kidney_lies(place):
    tumour = ellipsoid(*place, (25, 25, 25)) & LIVER
    assert share(study(30.0, tumour), tumour) < 0.05


def test_a_tumour_full_of_embolic_agent_is_no_kidney():
    tumour = ellipsoid(-75, -65, 120, (25, 25, 25))
    found = study(180.0, tumour, tumour_hu=260.0)
    assert share(found, RIGHT & ~LIVER) > 0.4
    assert share(found, tumour) == 0.0


@pytest.mark.parametrize("kidney_hu", [30.0, 180.0])
def test_a_tumour_much_hotter_than_the_left_kidney_is_no_kidney_where_the_right_one_is_expected(kidney_hu):
    tumour = ellipsoid(-60, 0, 102, (26, 26, 26))
    found = study(kidney_hu, tumour, tumour_hu=LIVER_HU, tumour_uptake=2.0 * KIDNEY_UPTAKE)
    # The mean over 12 mm leaves the outermost voxels undecided
    inside = ellipsoid(-60, 0, 102, (20, 20, 20))
    assert share(found, inside) == 0.0
    assert share(found, RIGHT & ~LIVER & ~tumour) > 0.35


def test_a_spleen_that_touches_the_left_kidney_does_not_hide_either_kidney():
    spleen = ellipsoid(108, 20, 90, (28, 40, 45))
    found = study(180.0, spleen=spleen)
    assert share(found, LEFT) > 0.4
    assert share(found, spleen & ~LEFT) < 0.1
    assert share(found, RIGHT & ~LIVER) > 0.4


def spleen_found(uptakes):
    """What is taken for spleen beside a liver, with the uptake of other places."""
    uptake = np.full(GRID.shape, 0.3, np.float32)
    uptake[LIVER] = LIVER_UPTAKE
    for place, of_place in uptakes:
        uptake[place] = of_place
    hu = np.where(uptake > 1.0, 55.0, -100.0).astype(np.float32)
    body = np.ones(GRID.shape, dtype=bool)
    around = Surroundings(
        body=body,
        soft=hu > -30,
        lungs=np.zeros_like(body),
        lateral_mm=X[0, 0].astype(np.float32),
        posterior_mm=Y[0, :, 0].astype(np.float32),
        enhanced=False,
    )
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    return find_spleen_like(images, around, uptake, LIVER_UPTAKE)


SPLEEN = ellipsoid(100, 10, 130, (28, 40, 45))


def test_the_spleen_is_cut_off_and_a_hot_left_lobe_in_front_is_not():
    left_lobe = ellipsoid(20, -100, 130, (45, 30, 30))
    found = spleen_found([(SPLEEN, 18.0), (left_lobe, 18.0)])
    assert share(found, SPLEEN) > 0.8
    assert not (found & (LIVER | left_lobe) & ~SPLEEN).any()


def test_a_spleen_of_less_than_twice_the_livers_uptake_is_found_far_back():
    assert share(spleen_found([(SPLEEN, 1.6 * LIVER_UPTAKE)]), SPLEEN) > 0.8
    in_front = ellipsoid(100, -75, 130, (28, 30, 45))
    assert not spleen_found([(in_front, 1.6 * LIVER_UPTAKE)]).any()


def test_the_front_of_the_spleen_is_spleen_and_a_lobe_of_another_uptake_against_it_is_not():
    whole = ellipsoid(105, -35, 130, (28, 70, 45))
    lobe = ellipsoid(85, -115, 130, (40, 25, 25)) & ~whole
    for ratio in (1.0, 5.0):
        found = spleen_found([(whole, 3.0 * LIVER_UPTAKE), (lobe, ratio * LIVER_UPTAKE)])
        assert share(found, whole & (Y < -75)) > 0.7
        assert not (found & lobe).any()
