"""Normal liver is the plateau that most of it shares, or what is left in the valleys between tumours."""

import numpy as np
import pytest

from dotaliver.config.segmentation import LiverConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.parenchyma import measure_parenchyma, normal_liver

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((30, 30, 30), (0.0, 0.0, 0.0), (4.0,) * 3, AXIAL)
EVERYWHERE = np.ones(GRID.shape, dtype=bool)
MUSCLE = 0.8


def read(uptake, hu=None):
    hu = np.full(GRID.shape, 60.0, np.float32) if hu is None else hu
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


@pytest.mark.parametrize(("tumour", "normal"), [(9.0, 4.5), (9.2, 6.2), (7.5, 3.3)])
def test_confluent_tumour_of_one_uptake_is_not_normal_liver(tumour, normal):
    # Nine tenths of the liver take up 9 to 12 times muscle, which a normal liver may; what is left takes up less
    uptake = np.full(GRID.shape, tumour)
    uptake[:10, :, :10] = normal
    assert read(uptake).uptake == pytest.approx(normal, rel=0.05)


@pytest.mark.parametrize(("rest_ml", "is_unsure"), [(12.0, True), (50.0, False)])
def test_little_that_was_taken_as_normal_leaves_a_usual_plateau_above_it_in_doubt(rest_ml, is_unsure):
    # Smoothing takes a layer from each of the cube's three sides towards the rest
    uptake = np.full(GRID.shape, 7.5)
    edge = round((rest_ml / 0.064) ** (1 / 3)) + 1
    uptake[:edge, :edge, :edge] = 4.5
    plateau = read(uptake).plateau
    assert plateau.uptake == pytest.approx(4.5, rel=0.05)
    assert plateau.volume_ml == pytest.approx(rest_ml, rel=0.25)
    assert (plateau.higher is not None) == is_unsure
    if is_unsure:
        assert plateau.higher.ratio == pytest.approx(7.5 / 4.5, rel=0.05)


def test_a_plateau_that_no_normal_liver_reaches_leaves_no_doubt():
    uptake = np.full(GRID.shape, 20.0)
    uptake[:8, :8, :8] = 5.0
    assert read(uptake).plateau.higher is None


@pytest.mark.parametrize("touching", ["less dense", "of a usual uptake", "a few millilitres"])
def test_tissue_that_touches_a_normal_liver_is_not_what_is_left_of_it(touching):
    uptake, hu = np.full(GRID.shape, 9.0), np.full(GRID.shape, 60.0, np.float32)
    place = np.s_[:10, :, :10]
    uptake[place] = 4.5
    if touching == "less dense":
        hu[place] = 48.0
    elif touching == "of a usual uptake":
        # A liver of 5 with bowel that takes up half of it
        uptake /= 1.8
    else:
        uptake[place], uptake[:5, :5, :5] = 9.0, 4.5
    normal = 5.0 if touching == "of a usual uptake" else 9.0
    assert read(uptake, hu).uptake == pytest.approx(normal, rel=0.05)


@pytest.mark.parametrize("end", [0, -1])
def test_the_blurred_last_slice_of_a_scan_that_ends_in_the_liver_is_not_what_is_left_of_it(end):
    # Smoothed, the slice takes up 4.4, the usual uptake over this muscle; 58 ml of it
    uptake = np.full(GRID.shape, 6.8)
    uptake[end] = 3.2
    found = read(uptake)
    assert found.uptake == pytest.approx(6.8)
    assert found.plateau.higher is None
    assert found.lower_share == 0.0


def test_a_scan_of_two_slices_has_a_normal_liver_too():
    uptake = np.full(GRID.shape, 6.8, np.float32)
    images = CoarseImages(GRID, np.full(GRID.shape, 60.0, np.float32), uptake, Volume(uptake, GRID, Quantity.SUVBW))
    ends = np.zeros(GRID.shape, dtype=bool)
    ends[[0, -1]] = True
    assert normal_liver(images, uptake, ends, MUSCLE, LiverConfig()).uptake == pytest.approx(6.8)


def test_what_no_normal_liver_takes_up_is_none_and_valleys_tell():
    # Tumour of SUV 25 (over 12 times muscle) with ridges of parenchyma too narrow to be level
    uptake = np.full(GRID.shape, 25.0)
    uptake[::10] = uptake[:, ::10] = 5.0
    assert 5.0 <= read(uptake).uptake <= 12.0 * MUSCLE


def test_liver_that_undercuts_the_plateau_is_told():
    # Of two plateaus, the more usual one of a liver is taken, and the other one counted
    uptake = np.full(GRID.shape, 5.0)
    uptake[:8, :8, :8] = 2.4
    found = read(uptake)
    assert found.uptake == pytest.approx(5.0)
    assert found.lower_share == pytest.approx(8**3 / (30**3 - 8**3), rel=0.35)  # borders are means of both


def test_a_whole_block_of_liver_that_takes_up_a_little_less_is_told():
    """A spared part of 0.8 times the uptake around it: faint confluent tumour looks like a liver."""
    uptake = np.full(GRID.shape, 6.0)
    uptake[8:22, 8:22, 8:22] = 4.8
    found = read(uptake)
    assert found.uptake == pytest.approx(6.0)
    # Smoothing takes the edges of the block
    assert found.lower_share == pytest.approx(14**3 / (30**3 - 14**3), rel=0.15)


def test_a_blurred_border_and_noise_are_no_block():
    rng = np.random.default_rng(5)
    # 8 mm all around, and at one end as much as breathing blurs
    uptake = np.full(GRID.shape, 0.82)
    uptake[2:-4, 2:-2, 2:-2] = 1.0
    assert read(6.0 * uptake * np.exp(rng.normal(0.0, 0.2, GRID.shape))).lower_share < 0.05


def test_the_mode_does_not_move_to_tumour_of_little_more_uptake():
    rng = np.random.default_rng(4)
    normal, tumour = rng.normal(7.2, 0.4, 4000), rng.normal(10.4, 0.9, 40_000)
    values = np.concatenate([normal, tumour]).astype(np.float32).reshape(40, 10, 110)
    found = measure_parenchyma(values, np.ones(values.shape, dtype=bool), 7.2)
    assert found.uptake == pytest.approx(7.2, rel=0.1)
