"""A lesion's outline on CT from one place inside it: right within 2 mm, or refused with a reason."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from dotaliver.config.clicks import CtClickConfig
from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import signed_distance_mm
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.segmentation.lesions.ct_site import NotSeenError
from dotaliver.segmentation.lesions.dragged_border import through_border_points
from dotaliver.segmentation.lesions.seeded_outline import outline_around
from dotaliver.segmentation.lesions.thinned_ct import Surroundings
from fixtures.arrays import AXIAL

CONFIGS = (CtClickConfig(), CtLesionConfig())
GRID = Geometry((34, 150, 150), (0.0, 0.0, 0.0), (3.0, 0.9, 0.9), AXIAL)
MIDDLE = np.array((67.0, 67.0, 50.0))
PLACES = GRID.index_to_lps(np.stack(np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij"), axis=-1))


def level(centre, radii):
    """Signed: under 1 inside; radii along x, y, z in mm."""
    return (((PLACES - np.asarray(centre)) / np.asarray(radii)) ** 2).sum(axis=-1)


LIVER = level(MIDDLE, (58.0, 58.0, 45.0)) <= 1


def scene(*lesions, noise=10.0, seed=0):
    """A CT of a liver in fat with ellipsoids: (centre, radii, HU difference)."""
    hu = np.where(LIVER, 100.0, -90.0)
    for centre, radii, difference in lesions:
        share = np.clip(0.5 + (1 - np.sqrt(level(centre, radii))) * min(radii) / 1.2, 0, 1) * LIVER
        hu += share * difference
    hu += noise * np.random.default_rng(seed).standard_normal(GRID.shape)
    return Volume(hu.astype(np.float32), GRID, Quantity.HU)


def pointed(ct, place, lesions=None, free=frozenset(), uptake=None):
    """The measured diameter from a click at a place."""
    labels = np.zeros(GRID.shape, np.uint16) if lesions is None else lesions
    around = Surroundings(LIVER, labels, free, uptake)
    found = outline_around(ct, around, np.asarray(GRID.lps_to_index(place)), CONFIGS)
    own = LabelMap(found.mask.astype(np.uint8), GRID.crop(found.box))
    return longest_diameter(own, "click", found.border).diameter, found


@pytest.mark.parametrize("difference", [-35.0, 30.0])
@pytest.mark.parametrize("radius", [6.0, 9.0, 14.0, 22.0])
def test_a_click_in_a_ball_gives_its_diameter_within_two_millimetres(radius, difference):
    ct = scene((MIDDLE, (radius, radius, radius), difference))
    found, _ = pointed(ct, MIDDLE)
    assert found.longest_mm == pytest.approx(2 * radius, abs=2.0)
    low, high = found.interval_mm
    assert low <= 2 * radius <= high


def test_the_short_axis_is_perpendicular_and_right():
    found, _ = pointed(scene((MIDDLE, (16.0, 10.0, 12.0), -35.0)), MIDDLE)
    assert found.longest_mm == pytest.approx(32.0, abs=2.0)
    assert found.short_mm == pytest.approx(20.0, abs=2.0)
    long, short = (np.subtract(*axis) for axis in (found.long_axis_lps_mm, found.short_axis_lps_mm))
    assert abs(long @ short) < 1e-6 * np.linalg.norm(long) * np.linalg.norm(short)


@pytest.mark.parametrize("offset", [(8.0, 0, 0), (0, -8.0, 0), (5.0, 5.0, 4.0), (0, 0, -8.0)])
def test_where_in_the_lesion_the_reader_points_makes_no_difference(offset):
    ct = scene((MIDDLE, (14.0, 14.0, 14.0), -30.0))
    middle, aside = (pointed(ct, place)[0].longest_mm for place in (MIDDLE, MIDDLE + offset))
    assert aside == pytest.approx(middle, abs=1.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_click_in_plain_liver_finds_no_lesion(seed):
    with pytest.raises(NotSeenError):
        pointed(scene(seed=seed), MIDDLE)


def test_a_known_neighbour_is_not_part_of_what_is_pointed_at():
    left, right = MIDDLE - (12.0, 0, 0), np.add(MIDDLE, (12.0, 0, 0))
    ct = scene((left, (12.0,) * 3, -35.0), (right, (12.0,) * 3, -35.0))
    known = np.where(level(right, (12.0,) * 3) <= 1, 7, 0).astype(np.uint16)
    found, outline = pointed(ct, left, known)
    assert found.longest_mm == pytest.approx(24.0, abs=2.5)
    assert not (known[outline.box][outline.mask] == 7).any()


def test_the_core_of_a_lesion_whose_uptake_is_far_larger_is_not_taken_for_it():
    ct = scene((MIDDLE, (6.0,) * 3, -45.0))
    whole = level(MIDDLE, (18.0,) * 3) <= 1
    with pytest.raises(NotSeenError, match="times the radius of its uptake"):
        pointed(ct, MIDDLE, whole.astype(np.uint16), frozenset({1}), whole)


def test_a_hidden_part_of_the_border_widens_the_interval():
    ball = (MIDDLE, (14.0,) * 3, -30.0)
    whole, _ = pointed(scene(ball), MIDDLE)
    vessel = (np.add(MIDDLE, (14.0, 0, 0)), (4.0, 40.0, 5.0), 90.0)
    hidden, _ = pointed(scene(ball, vessel), MIDDLE)
    assert hidden.seen_border_share < whole.seen_border_share
    assert np.ptp(hidden.interval_mm) > np.ptp(whole.interval_mm)


def test_a_lesion_that_runs_into_another_without_a_border_is_partial_evidence_with_a_wide_interval():
    beside = np.add(MIDDLE, (0.0, 22.0, 0.0))
    ct = scene((MIDDLE, (14.0,) * 3, -30.0), (beside, (18.0,) * 3, -30.0))
    both = (level(MIDDLE, (14.0,) * 3) < 1) & (level(beside, (18.0,) * 3) < 1)
    ct = ct.with_array(ct.array + np.where(both, 30, 0).astype(np.float32))
    uptake = level(MIDDLE, (15.0,) * 3) <= 1
    found, outline = pointed(ct, MIDDLE, uptake.astype(np.uint16), frozenset({1}), uptake)
    assert outline.border.partial
    # Inseparable on CT, both are measured as one (RECIST 1.1): from one far border to the other.
    low, high = found.interval_mm
    assert low <= 14 + 22 + 18 <= high
    assert high - low > 0.6 * found.longest_mm


def test_the_border_passes_through_the_point_that_it_was_dragged_to_and_stays_elsewhere():
    ball = LabelMap((level(MIDDLE, (12.0,) * 3) <= 1).astype(np.uint8), GRID)
    before = longest_diameter(ball, "click").diameter.longest_mm
    moved = through_border_points(ball, (tuple(np.add(MIDDLE, (18.0, 0, 0))),), 0.35)
    row = moved.mask[17, round(67 / 0.9)]
    ends = PLACES[17, round(67 / 0.9)][row][:, 0]
    assert ends.max() == pytest.approx(85.0, abs=1.5)
    assert ends.min() == pytest.approx(55.0, abs=1.5)
    assert longest_diameter(moved, "click").diameter.longest_mm == pytest.approx(before + 6.0, abs=1.5)


@pytest.mark.parametrize("offset", [(18.0, 0.0, 0.0), (4.0, 3.0, 0.0), (-30.0, 25.0, 9.0), (0.0, 0.0, 200.0)])
def test_what_lies_too_far_out_to_be_moved_may_be_left_out_of_the_distances(offset):
    ball, point = level(MIDDLE, (12.0,) * 3) <= 1, np.add(MIDDLE, offset)
    depth = signed_distance_mm(ball, GRID.spacing_mm)
    depth -= 0.45 * np.sign(depth)
    nearest = np.clip(GRID.lps_to_index(point), 0, np.array(GRID.shape) - 1)
    at = map_coordinates(depth, nearest[:, None], order=1, mode="nearest")[0]
    away2 = ((PLACES - point) ** 2).sum(axis=-1)
    radius = np.cbrt(3 * np.count_nonzero(ball) * 3.0 * 0.9**2 / (4 * np.pi))
    expected = depth - at * np.exp(-away2 / (2 * max(0.35 * radius, 3.0) ** 2)) > 0
    moved = through_border_points(LabelMap(ball.astype(np.uint8), GRID), (tuple(point),), 0.35)
    np.testing.assert_array_equal(moved.mask, expected)
