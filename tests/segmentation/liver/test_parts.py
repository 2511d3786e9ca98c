"""Which hot parts that lie apart from the liver are liver."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.morphology import eroded
from dotaliver.image.volume import Quantity, Volume
from dotaliver.segmentation.coarse import CoarseImages
from dotaliver.segmentation.liver.core import LiverCore
from dotaliver.segmentation.liver.parenchyma import NormalLiver
from dotaliver.segmentation.liver.parts import liver_parts
from dotaliver.segmentation.organs.warm_parts import warm_parts
from fixtures.surroundings import soft_everywhere

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((45, 50, 70), (-120.0, -160.0, 0.0), (4.0,) * 3, AXIAL)
Z, Y, X = (n * 4.0 for n in np.indices(GRID.shape))
X, Y = X - 120.0, Y - 160.0
NORMAL = 5.0
RIGHT_LOBE = ((X + 45.0) / 60.0) ** 2 + ((Y + 70.0) / 60.0) ** 2 + ((Z - 90.0) / 60.0) ** 2 < 1


NO_GAS = np.zeros(GRID.shape, dtype=bool)


def is_chosen(part, ratio, difference_hu, *, neck=False, gas=NO_GAS, spleen=None):
    """Whether a part of an uptake and density joins a right lobe whose core lies 90 mm high."""
    return bool(chosen_with(part, ratio, difference_hu, neck=neck, gas=gas, spleen=spleen)[part].mean() > 0.5)


def chosen_with(part, ratio, difference_hu, *, neck=False, gas=NO_GAS, spleen=None):
    """What joins a right lobe whose core lies 90 mm high, where there is a part of an uptake and density.

    With a neck, the part touches the lobe but is one of its own. A spleen takes up three times as much as liver.
    """
    uptake = np.where(RIGHT_LOBE, 2.0 * NORMAL, 0.5).astype(np.float32)
    uptake[part] = ratio * NORMAL
    if spleen is not None:
        uptake[spleen] = 3.0 * NORMAL
    hu = np.full(GRID.shape, 60.0, dtype=np.float32)
    hu[part] += difference_hu
    hu[gas] = -300.0
    around = soft_everywhere(GRID, enhanced=False)
    images = CoarseImages(GRID, hu, uptake, Volume(uptake, GRID, Quantity.SUVBW))
    core = LiverCore((22, 22, 18), NormalLiver(NORMAL, 60.0, 8.0), 2.0)
    parts = warm_parts((RIGHT_LOBE | part) & ~gas, 4.0)
    if neck:
        parts = replace(parts, labels=np.where(part, 2, RIGHT_LOBE.astype(np.int32)))
    parts, chosen = liver_parts(images, around, core, parts, uptake, spleen)
    return np.isin(parts.labels, sorted(chosen))


def plate(y_mm, z_mm, half_height_mm=19.0):
    """A flat part (about 60 ml) to the left of the lobe, 4 mm from it."""
    beside = ((X + 45.0) / 65.0) ** 2 + ((Y + 70.0) / 65.0) ** 2 + ((Z - 90.0) / 65.0) ** 2 >= 1
    return beside & (X > -10.0) & (X < 135.0) & (np.abs(Y - y_mm) < 7.0) & (np.abs(Z - z_mm) < half_height_mm)


@pytest.mark.parametrize("z_mm", [90.0, 110.0])
def test_a_small_hot_left_lobe_in_front_is_liver(z_mm):
    assert is_chosen(plate(-95.0, z_mm), 1.8, -35.0)


def test_hot_bowel_below_the_core_is_not():
    assert not is_chosen(plate(-85.0, 60.0), 1.8, -35.0)


def test_a_left_lobe_that_hangs_below_the_core_ends_above_it():
    assert is_chosen(plate(-95.0, 74.0, 27.0), 1.8, -35.0)
    assert not is_chosen(plate(-95.0, 66.0, 19.0), 1.8, -35.0), "bowel ends below"


def test_a_hot_part_at_the_spines_level_is_not():
    assert not is_chosen(plate(-45.0, 90.0), 1.8, -35.0)


@pytest.mark.parametrize("difference_hu", [-75.0, 45.0])
def test_a_hot_part_with_the_density_of_no_tumour_is_not(difference_hu):
    assert not is_chosen(plate(-95.0, 90.0), 1.8, difference_hu)


def test_a_large_tip_of_the_left_lobe_behind_a_thin_bridge_is_liver():
    """Over a stomach full of gas, all of the bridge but a few voxels looks like gas."""
    tip = (X > 40.0) & (X < 135.0) & (np.abs(Y + 95.0) < 10.0) & (np.abs(Z - 95.0) < 26.0)
    bridge = (X > 14.0) & (X <= 40.0) & (np.abs(Y + 90.0) < 5.0) & (np.abs(Z - 95.0) < 3.0)
    assert is_chosen(tip | bridge & ~RIGHT_LOBE, 1.8, -15.0)
    assert not is_chosen(tip, 1.8, -15.0), "without a bridge"
    loop = tip & (X < 75.0)
    assert not is_chosen(loop | bridge & ~RIGHT_LOBE, 1.8, -15.0), "a loop of bowel is smaller"


def test_the_wall_of_the_stomach_is_not():
    assert not is_chosen(plate(-95.0, 90.0), 1.1, -35.0)


def test_a_lobe_whose_rim_is_blurred_and_mixed_with_fat_is_judged_by_its_middle():
    """All but the innermost voxels of a plate of 20 mm take up three quarters, and hold 25 HU less."""
    broad = plate(-95.0, 90.0) | plate(-91.0, 92.0)
    middle = eroded(broad)
    ratio, difference_hu = np.where(middle, 1.0, 0.7)[broad], np.where(middle, 0.0, -25.0)[broad]
    assert middle.sum() < 0.4 * broad.sum()
    assert is_chosen(broad, ratio, difference_hu)
    assert not is_chosen(broad, 0.8, -2.0), "a stomach with four fifths of the liver's uptake throughout"


def test_tumour_in_a_thin_lobe_is_judged_by_its_middle():
    """Blur leaves the rim of tumour with twice normal uptake no hotter than normal liver."""
    broad = plate(-95.0, 90.0) | plate(-91.0, 92.0)
    middle = eroded(broad)
    assert is_chosen(broad, np.where(middle, 2.0, 1.1)[broad], np.where(middle, -15.0, -30.0)[broad])
    assert not is_chosen(broad, np.where(middle, 2.0, 1.1)[broad], np.where(middle, 45.0, -70.0)[broad])


SPLEEN = (X > 100.0) & (np.abs(Y + 75.0) < 14.0) & (np.abs(Z - 90.0) < 25.0)


def test_what_takes_up_as_much_as_the_spleen_next_to_it_is_spleen():
    part = plate(-95.0, 90.0) & ~SPLEEN
    assert not is_chosen(part, 2.9, 5.0, spleen=SPLEEN)
    assert is_chosen(part & (X < 90.0), 2.9, 5.0, spleen=SPLEEN & (X > 110.0)), "it does not reach the spleen"


@pytest.mark.parametrize("ratio", [1.6, 4.5])
def test_tumour_of_another_uptake_in_a_lobe_that_reaches_the_spleen_is_liver(ratio):
    assert is_chosen(plate(-95.0, 90.0) & ~SPLEEN, ratio, 5.0, spleen=SPLEEN)


def test_tumour_that_varies_around_the_uptake_of_the_spleen_is_liver():
    part = plate(-95.0, 90.0) & ~SPLEEN
    varied = np.where(X[part] > 45.0, 2.7, 4.2)
    assert is_chosen(part, varied, 5.0, spleen=SPLEEN)


def test_a_stomach_beside_the_spleen_is_not_judged_by_its_middle():
    """Blur from the spleen makes its wall, mixed with fat, warmer than its middle."""
    broad = plate(-95.0, 90.0) | plate(-91.0, 92.0)
    middle = eroded(broad)
    assert not is_chosen(broad, np.where(middle, 0.9, 1.1)[broad], np.where(middle, -2.0, -25.0)[broad])


def test_a_stomach_as_warm_and_dense_as_liver_is_known_by_its_gas():
    broad = plate(-95.0, 90.0) | plate(-91.0, 92.0)
    gas = (np.abs(X - 60.0) < 5.0) & (np.abs(Y + 93.0) < 3.0) & (np.abs(Z - 91.0) < 5.0)
    beside = (np.abs(X - 60.0) < 20.0) & (np.abs(Y + 78.0) < 3.0) & (np.abs(Z - 91.0) < 15.0)
    assert gas.any()
    assert not (beside & broad).any()
    assert not is_chosen(broad, 1.0, 0.0, gas=gas)
    assert is_chosen(broad, 1.0, 0.0, gas=beside), "gas behind a lobe is that of its neighbour"


def below_the_right_lobe(half_width_mm):
    """A broad part that lies against the lobe's lower surface, its middle over 60 mm lower than the core."""
    against = ((X + 45.0) / 84.0) ** 2 + ((Y + 70.0) / 84.0) ** 2 + ((Z - 90.0) / 84.0) ** 2 < 1
    return against & ~RIGHT_LOBE & (Z < 50.0) & (np.hypot(X + 45.0, Y + 72.0) < half_width_mm)


def test_tumour_that_fills_a_long_right_lobe_is_liver():
    assert is_chosen(below_the_right_lobe(44.0), 3.5, -12.0, neck=True)


def test_a_hot_bowel_loop_under_the_right_lobe_is_not():
    assert not is_chosen(below_the_right_lobe(30.0), 3.5, -12.0, neck=True)


def test_a_tip_of_the_right_lobe_that_is_one_part_with_bowel_is_liver_and_the_bowel_is_not():
    """The lukewarm bowel below takes up 0.6 times what liver does, and has no neck towards the tip."""
    bowel = ~RIGHT_LOBE & (Z < 28.0) & (np.hypot(X + 45.0, Y + 72.0) < 60.0)
    tip = below_the_right_lobe(44.0) & ~bowel
    both = bowel | tip
    assert bowel.sum() > tip.sum()
    chosen = chosen_with(both, np.where(bowel, 0.6, 1.0)[both], np.where(bowel, -30.0, 0.0)[both], neck=True)
    assert chosen[tip].mean() > 0.6, "all but its thin rim"
    assert chosen[bowel].mean() < 0.2


def test_a_warm_spot_in_bowel_that_hardly_touches_the_liver_is_not():
    both = below_the_right_lobe(44.0)
    spot = both & (np.hypot(X + 45.0, Y + 72.0) < 25.0) & (Z < 20.0)
    chosen = chosen_with(both, np.where(spot, 1.0, 0.6)[both], np.where(spot, 0.0, -30.0)[both], neck=True)
    assert not chosen[spot].any()
