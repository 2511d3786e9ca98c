"""Suspicion of a place: what its features see, that a cut-out gives the same, and that one limit holds everywhere."""

import numpy as np
import pytest

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.lesions.ct_focus_features import FEATURES, RISING, features_of
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, liver_image
from dotaliver.segmentation.lesions.ct_focus_shape import Seed, box_around_place, shape_of
from dotaliver.segmentation.lesions.ct_focus_suspicion import stored_trees, suspicion_of
from dotaliver.segmentation.trees import logits

GRID = Geometry((60, 60, 60), (0.0, 0.0, 0.0), (2.0, 2.0, 2.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
MIDDLE = np.array(GRID.centre_lps_mm)
PLACES = GRID.index_to_lps(np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1))
AWAY = np.linalg.norm(PLACES - MIDDLE, axis=-1)
LIVER = AWAY < 56
SEED = Seed((30, 30, 30), 7.5, -1, 12.0)
CONFIG = CtFociConfig()


def seen(change, avid=None):
    """A liver of 100 HU with little noise and a change of density, and the place in its middle."""
    hu = np.where(LIVER, 100.0 + change, -90.0) + np.random.default_rng(0).normal(0, 1.0, GRID.shape)
    ct = Volume(hu.astype(np.float32), GRID, Quantity.HU)
    avid = None if avid is None else LabelMap(avid.astype(np.uint8), GRID)
    image = liver_image(ct, tuple(slice(0, n) for n in GRID.shape), LabelMap(LIVER, GRID), avid, CONFIG)
    assert isinstance(image, LiverImage)
    return image, shape_of(image, SEED, CONFIG)


def named(image, shape):
    return dict(zip(FEATURES, features_of(image, shape, CONFIG), strict=True))


BALL = -30.0 * (AWAY < 7.5)
HUMP = -30.0 * np.exp(-0.5 * (AWAY / 6.4) ** 2)
# A vein of 40 % of the ball's contrast, through the ball and to one side of it
VEIN = np.minimum(BALL, -12.0 * (np.linalg.norm((PLACES - MIDDLE)[..., :2], axis=-1) < 6.0))
HALF_VEIN = np.where(PLACES[..., 2] > MIDDLE[2], VEIN, BALL)


def test_a_ball_is_flat_inside_and_sharp_at_its_border():
    ball, hump = named(*seen(BALL)), named(*seen(HUMP))
    assert ball["edge_middle"] > 1.3 * hump["edge_middle"]
    assert ball["plateau"] > hump["plateau"] + 0.05
    assert ball["axis_ratio"] < 1.15 and ball["goes_on"] == 0


def test_a_fainter_vein_is_seen_beyond_the_border_one_way_or_two():
    ball, half, vein = (named(*seen(x)) for x in (BALL, HALF_VEIN, VEIN))
    assert ball["one_way"] < 0.2 > ball["two_ways"]
    assert half["one_way"] > 0.25 and half["two_ways"] < 0.2
    assert vein["two_ways"] > 0.25


@pytest.mark.parametrize(("gap", "expected"), [(2.0, 2.0), (20.0, 8.0)])
def test_distance_to_an_avid_lesion_is_read_up_to_8_mm(gap, expected):
    avid = np.linalg.norm(PLACES - MIDDLE - (0, 17.5 + gap, 0), axis=-1) < 10
    assert named(*seen(BALL, avid))["avid_mm"] == pytest.approx(expected, abs=2.1)
    assert named(*seen(BALL))["avid_mm"] == 8.0


def test_a_cut_out_of_the_ct_gives_the_same_features():
    """What a CT can show is found by putting lesions into cut-outs: they have to be judged as any other place."""
    image, shape = seen(BALL)
    box, middle = box_around_place(GRID, SEED.place, 2.4 * SEED.radius_mm + 9.0)
    part = image.crop(box)
    again = shape_of(part, Seed(middle, SEED.radius_mm, SEED.sign, SEED.sds), CONFIG)
    np.testing.assert_allclose(
        features_of(part, again, CONFIG), features_of(image, shape, CONFIG), rtol=1e-4, atol=1e-4
    )


def test_the_stored_trees_know_the_features_and_rise_with_what_stands_out():
    trees = stored_trees()
    assert trees.features.max() < len(FEATURES)
    assert np.isfinite(trees.values).all()
    image, shape = seen(BALL)
    row = features_of(image, shape, CONFIG)
    rows = np.tile(row, (20, 1))
    for name in RISING:
        rows[:, FEATURES.index(name)] = np.linspace(1.0, 4.0, 20)
        assert (np.diff(logits(trees, rows)) >= 0).all()
    assert 0 <= suspicion_of(image, shape, CONFIG) <= 1


def test_a_limit_that_refuses_a_lesion_is_the_limit_of_what_the_ct_can_show():
    hu = np.where(LIVER, 100.0 + BALL, -90.0) + np.random.default_rng(1).normal(0, 8, GRID.shape)
    ct, liver = Volume(hu.astype(np.float32), GRID, Quantity.HU), LabelMap(LIVER, GRID)
    usual = CONFIG.model_copy(update={"inserted_places": 10})
    labels, search = find_ct_foci(ct, liver, None, usual)
    (focus,) = search.foci.values()
    assert labels.labels == (CONFIG.first_label,) and focus.suspicion >= CONFIG.least_suspicion
    assert search.visible_contrast_hu is not None
    strict = usual.model_copy(update={"least_suspicion": 1.0, "least_suspicion_bright": 1.0})
    labels, search = find_ct_foci(ct, liver, None, strict)
    assert labels.labels == () and search.visible_contrast_hu is None
