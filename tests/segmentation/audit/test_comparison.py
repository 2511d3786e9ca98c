"""Two outlines of a liver: borders never make a dispute, places do, and a place is named as a reader would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_erosion

from dotaliver.image.geometry import Geometry
from dotaliver.segmentation.audit.comparison import compare_outlines, measure_difference

AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((50, 60, 80), (-160.0, -120.0, -100.0), (4.0, 4.0, 4.0), AXES)
GRID_SMALL = Geometry((5, 6, 7), (0.0, 0.0, 0.0), (4.0, 4.0, 4.0), AXES)
unit_interval = st.floats(0.0, 1.0, width=32)
LATERAL_MM = np.arange(80) * 4.0 - 160.0


def box(slices, rows, columns):
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[slices, rows, columns] = True
    return mask


# A right lobe of 160 x 128 x 120 mm and a left one in front: 2.9 l with round numbers.
LIVER = box(slice(5, 45), slice(10, 42), slice(8, 38)) | box(slice(20, 45), slice(10, 24), slice(38, 60))


def compare(outlined, second, likely=None):
    return compare_outlines(outlined, second, GRID, LATERAL_MM, likely)


def test_equal_outlines_agree() -> None:
    audit = compare(LIVER, LIVER).audit
    assert audit.agreement == 1.0
    assert not audit.disputed
    assert audit.places == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_border_moved_by_one_voxel_on_one_side_is_no_dispute(axis) -> None:
    assert not compare(LIVER, LIVER & np.roll(LIVER, 1, axis)).audit.disputed


def test_a_border_moved_on_all_sides_is_a_dispute() -> None:
    # 4 mm all around are a tenth of this liver.
    assert compare(LIVER, binary_erosion(LIVER)).audit.disputed


def test_a_border_that_the_second_outline_is_unsure_of_is_no_dispute() -> None:
    """As likely as not: it may lie on either side."""
    second = binary_erosion(LIVER)
    unsure = np.where(LIVER & ~second, 0.5, second).astype(np.float32)
    assert not compare(LIVER, second, unsure).audit.disputed


def test_a_part_that_the_second_outline_is_unsure_of_is_no_dispute() -> None:
    part = box(slice(5, 13), slice(10, 42), slice(8, 38))
    likely = np.where(part, 0.55, LIVER).astype(np.float32)
    assert not compare(LIVER & ~part, LIVER, likely).audit.disputed
    assert compare(LIVER & ~part, LIVER, LIVER.astype(np.float32)).audit.disputed


def test_a_kidney_is_a_dispute_however_large_the_liver() -> None:
    """It changes the overlap of a liver of 2.9 l by 0.02 only."""
    kidney = box(slice(8, 22), slice(42, 54), slice(20, 34))
    assert measure_difference(LIVER | kidney, LIVER, GRID).shortfall < 0.03
    assert compare(LIVER | kidney, LIVER).audit.disputed


@given(arrays(bool, GRID_SMALL.shape), arrays(bool, GRID_SMALL.shape))
def test_without_uncertainty_the_shortfall_is_what_lacks_in_the_dice_coefficient(outlined, second) -> None:
    second[2, 2, 2] = True
    difference = measure_difference(outlined, second, GRID_SMALL)
    assert difference.shortfall == pytest.approx(1.0 - difference.agreement, abs=1e-9)


@given(arrays(bool, GRID_SMALL.shape), arrays(np.float32, GRID_SMALL.shape, elements=unit_interval))
def test_the_second_outline_falls_short_of_itself_by_nothing(second, likely) -> None:
    difference = measure_difference(second, second, GRID_SMALL, likely)
    assert (difference.shortfall, difference.beyond_ml) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("at the back of the right lobe", box(slice(15, 35), slice(34, 42), slice(8, 38))),
        ("at the lower end of the right lobe", box(slice(5, 13), slice(10, 42), slice(8, 38))),
        ("at the front of the right lobe", box(slice(10, 40), slice(10, 17), slice(8, 38))),
        ("at the top of the right lobe", box(slice(38, 45), slice(10, 42), slice(8, 38))),
        ("in the middle of the left lobe", box(slice(20, 45), slice(10, 24), slice(46, 60))),
    ],
)
def test_a_place_that_is_left_out_is_named(place, part) -> None:
    found = compare(LIVER & ~part, LIVER)
    audit = found.audit
    assert audit.disputed
    first = audit.places[0]
    assert (first.kind, first.place) == ("left_out", place)
    # A voxel has 0.064 ml; what is left out reaches from the far side to the cut.
    assert first.volume_ml == pytest.approx(part.sum() * 0.064, rel=0.02)
    index = np.rint(GRID.lps_to_index(first.centre_lps_mm)).astype(int)
    assert part[tuple(index)]
    assert found.regions[tuple(index)] == 1


def test_a_neighbour_that_is_included_is_named() -> None:
    kidney = box(slice(0, 20), slice(42, 54), slice(20, 34))
    audit = compare(LIVER | kidney, LIVER).audit
    assert audit.disputed
    assert audit.places[0].kind == "included"
    assert audit.places[0].words.startswith("it includes 2")
    assert audit.sentence.endswith("at the back of the right lobe")


def test_both_kinds_in_one_outline_are_told_apart() -> None:
    lost, won = box(slice(20, 45), slice(10, 24), slice(44, 60)), box(slice(0, 20), slice(42, 54), slice(20, 34))
    found = compare((LIVER & ~lost) | won, LIVER)
    assert {place.kind for place in found.audit.places} == {"left_out", "included"}
    assert [p.volume_ml for p in found.audit.places] == sorted((p.volume_ml for p in found.audit.places), reverse=True)


def test_liver_that_is_left_out_is_named_beside_many_larger_places() -> None:
    """It keeps criteria from being denied, whatever else the outline includes."""
    won = [box(slice(n, n + 8), slice(42, 54), slice(8, 34)) for n in (3, 13, 23, 33)]
    won.append(box(slice(20, 45), slice(24, 38), slice(44, 60)))
    lost = box(slice(38, 45), slice(10, 18), slice(8, 14))
    audit = compare((LIVER & ~lost) | np.logical_or.reduce(won), LIVER).audit
    assert [place.kind for place in audit.places].count("left_out") == 1
    assert audit.places[-1].volume_ml >= 8.0
