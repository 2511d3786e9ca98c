from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter, reader_diameter
from dotaliver.records.edits import DiameterEdit
from dotaliver.records.study import StudyIdentity
from fixtures.arrays import AXIAL, grid, series


def measured(mask, geometry=None):
    mask = np.atleast_3d(mask) if mask.ndim == 3 else mask[None]
    return longest_diameter(LabelMap(mask, geometry or grid(mask.shape, (1.0, 1.0, 1.0))), "ct")


def ellipse(a, b, angle, centre, n):
    y, x = np.mgrid[-n : n + 1, -n : n + 1].astype(float)
    y, x = y - centre[0], x - centre[1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


@pytest.mark.parametrize("diameter", [8.0, 10.0, 20.0, 45.0, 90.0])
def test_a_digitised_disc_measures_its_diameter_within_half_a_pixel(diameter):
    random = np.random.default_rng(int(diameter))
    for _ in range(25):
        mask = ellipse(diameter / 2, diameter / 2, 0.0, random.random(2), int(diameter / 2) + 3)
        found = measured(mask).diameter
        assert found.longest_mm == pytest.approx(diameter, abs=0.5)
        assert found.short_mm == pytest.approx(diameter, abs=1.0)


@pytest.mark.parametrize("ratio", [0.8, 0.5])
@pytest.mark.parametrize("length", [10.0, 30.0, 80.0])
def test_ellipses_are_measured_without_bias_beyond_half_a_pixel(ratio, length):
    random = np.random.default_rng(7)
    errors, short_errors = [], []
    for _ in range(60):
        angle, n = random.random() * np.pi, int(length / 2) + 3
        found = measured(ellipse(length / 2, ratio * length / 2, angle, random.random(2), n)).diameter
        errors.append(found.longest_mm - length)
        short_errors.append(found.short_mm - ratio * length)
    assert abs(np.mean(errors)) < 0.5
    assert abs(np.mean(short_errors)) < 0.6


def test_an_ellipsoid_is_measured_in_its_largest_slice_on_anisotropic_pixels():
    # Semi-axes 9, 14 and 20 mm along slices, rows and columns; pixels of 0.8 x 1.2 mm, slices of 3 mm.
    geometry = Geometry((9, 40, 40), (0.0, 0.0, 0.0), (3.0, 0.8, 1.2), AXIAL)
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij")
    mask = ((k - 4) * 3 / 9) ** 2 + ((j - 19.6) * 0.8 / 14) ** 2 + ((i - 19.4) * 1.2 / 20) ** 2 <= 1
    found = measured(mask, geometry).diameter
    assert found.longest_mm == pytest.approx(40.0, abs=0.6)
    assert found.short_mm == pytest.approx(28.0, abs=0.6)
    ends = np.array(found.long_axis_lps_mm)
    np.testing.assert_allclose(ends[:, 2], 12.0)  # the middle slice
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(found.longest_mm, rel=1e-12)
    short = np.array(found.short_axis_lps_mm)
    assert np.linalg.norm(short[1] - short[0]) == pytest.approx(found.short_mm, rel=1e-12)
    assert (ends[1] - ends[0]) @ (short[1] - short[0]) == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7))),
    st.tuples(*[st.floats(0.4, 5.0)] * 2),
)
def test_the_longest_diameter_equals_brute_force_over_all_outline_points(mask, pixel):
    geometry = Geometry(mask.shape, (5.0, -3.0, 2.0), (2.0, *pixel), AXIAL)
    found = measured(mask, geometry)
    if not mask.any():
        assert found is None
        return
    longest = 0.0
    for part in mask:
        centres = np.argwhere(part).astype(float)
        if len(centres):
            outline = np.concatenate([centres + q for q in ((0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25))])
            longest = max(longest, pdist(outline * pixel).max())
    assert found.diameter.longest_mm == pytest.approx(longest, rel=1e-12)
    assert found.diameter.short_mm <= found.diameter.longest_mm * (1 + 1e-9)


def test_the_short_axis_of_a_rectangle_is_its_longest_chord_across_the_diagonal():
    # Outline corners lie a quarter pixel out. For the rectangle 30 x 10 the chord across its diagonal, from one
    # long side to the other, is width / cos(angle of the diagonal): about 10 / (30 / sqrt(1000)) = 10.5.
    found = measured(np.pad(np.ones((11, 31), dtype=bool), 2)).diameter
    assert found.longest_mm == pytest.approx(np.hypot(30, 10), abs=0.5)
    assert found.short_mm == pytest.approx(10 / (30 / np.hypot(30, 10)), abs=0.6)


def test_a_diameter_that_leaves_a_concave_lesion_is_flagged_and_a_convex_one_is_not():
    horseshoe = np.zeros((30, 30), dtype=bool)
    horseshoe[2:28, 2:8] = horseshoe[2:28, 22:28] = horseshoe[2:8, 2:28] = True
    assert measured(horseshoe[:, ::-1][::-1]).leaves_mask
    assert not measured(ellipse(12, 7, 0.4, (0.2, 0.3), 15)).leaves_mask


def test_a_hole_does_not_make_a_diameter_leave_the_lesion():
    ring = ellipse(12, 12, 0, (0, 0), 15) & ~ellipse(6, 6, 0, (0, 0), 15)
    assert not measured(ring).leaves_mask


def test_flipping_rows_or_columns_changes_no_length():
    random = np.random.default_rng(3)
    mask = random.random((4, 12, 9)) > 0.6
    geometry = Geometry(mask.shape, (0, 0, 0), (2.0, 1.1, 0.7), AXIAL)
    found = measured(mask, geometry).diameter
    for axes in ((1,), (2,), (0, 1)):
        again = measured(np.flip(mask, axes), geometry).diameter
        assert again.longest_mm == pytest.approx(found.longest_mm, rel=1e-12)
        assert again.short_mm == pytest.approx(found.short_mm, rel=1e-9)


def test_a_readers_diameter_is_the_distance_between_its_ends():
    edit = DiameterEdit(long_axis_lps_mm=((0, 0, 5), (3, 4, 5)), short_axis_lps_mm=((0, 0, 5), (0, 2, 5)))
    made = grid((2, 3, 4))
    identity = StudyIdentity(study_instance_uid="1", pet=series("PT", made), ct=series("CT", made))
    found = reader_diameter(edit, identity)
    assert (found.longest_mm, found.short_mm, found.source) == (5.0, 2.0, "reader")
    assert reader_diameter(DiameterEdit(long_axis_lps_mm=((0, 0, 0), (0, 0, 7))), identity).short_mm is None


@pytest.mark.parametrize(
    ("named", "modality", "uid"),
    [(None, "MR", None), ("1.2.3.9", "MR", "1.2.3.9"), ("1.2.3.1", "CT", "1.2.3.1"), ("1.2.3.2", "PT", "1.2.3.2")],
)
def test_a_readers_diameter_has_the_modality_of_the_image_that_it_names(named, modality, uid):
    made = grid((2, 3, 4))
    mr = series("MR", made).model_copy(update={"series_instance_uid": "1.2.3.9"})
    images = {"pet": series("PT", made), "ct": series("CT", made), "recist_image": mr}
    identity = StudyIdentity(study_instance_uid="1", **images)
    edit = DiameterEdit(long_axis_lps_mm=((0, 0, 5), (3, 4, 5)), series_instance_uid=named)
    found = reader_diameter(edit, identity)
    assert (found.modality, found.series_instance_uid) == (modality, uid)


def test_the_longest_slice_is_found_among_many_alike():
    # 40 slices of discs that differ by less than a pixel; the one with a single pixel more is the longest.
    disc = ellipse(15, 15, 0, (0, 0), 18)
    stack = np.repeat(disc[None], 40, axis=0)
    stack[23, 18, 2] = True
    found = measured(stack)
    assert found.diameter.long_axis_lps_mm[0][2] == 23.0


def horseshoe():
    mask = np.zeros((30, 30), dtype=bool)
    mask[2:28, 2:8] = mask[2:28, 22:28] = mask[2:8, 2:28] = True
    return mask


def test_a_concave_lesion_gets_its_longest_chord_inside_too():
    found = measured(horseshoe())
    assert found.leaves_mask
    inside = found.diameter.inside_mm
    # One arm or the bar, each 26 x 6 pixels: a diagonal of about 26.7, and the pixel that a chord may leave by.
    assert 26.0 < inside < 30.0
    assert inside < found.diameter.longest_mm
    ends = np.array(found.diameter.inside_axis_lps_mm)
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(inside, rel=1e-12)


def test_a_convex_lesion_needs_no_chord_inside():
    found = measured(ellipse(12, 7, 0.4, (0.2, 0.3), 15))
    assert found.diameter.inside_mm is None
    assert found.diameter.inside_axis_lps_mm is None


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.tuples(st.integers(2, 9), st.integers(2, 9))))
def test_the_chord_inside_equals_brute_force(mask):
    from scipy.ndimage import binary_dilation, binary_fill_holes

    found = measured(mask)
    if found is None or not found.leaves_mask:
        return
    filled = binary_fill_holes(mask)
    near = binary_dilation(filled, structure=np.ones((3, 3), dtype=bool))
    outline = np.concatenate([np.argwhere(filled) + q for q in ((0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25))])
    best = 0.0
    for n, a in enumerate(outline):
        for b in outline[n + 1 :]:
            length = np.linalg.norm(b - a)
            if best < length < found.diameter.longest_mm - 1e-9 and all(near[pixel] for pixel in passed(a, b, near)):
                best = length
    # The ends of chords lie on the outline there, and a quarter of a pixel inside it here.
    assert (found.diameter.inside_mm or 0.0) == pytest.approx(best, abs=0.6)


def passed(a, b, grid):
    """Pixels that the straight way between two points leads through, found by walking from side to side."""
    sides = [
        (k + 0.5 - p) / (q - p) for p, q in zip(a, b, strict=True) if p != q for k in range(-1, max(grid.shape) + 1)
    ]
    stops = [0.0, *sorted(s for s in sides if 0 < s < 1), 1.0]
    for here, there in pairwise(stops):
        if there - here > 1e-9:
            row, column = (round(float(p + (here + there) / 2 * (q - p))) for p, q in zip(a, b, strict=True))
            yield min(max(row, 0), grid.shape[0] - 1), min(max(column, 0), grid.shape[1] - 1)


def test_no_pixel_is_missed_by_a_chord_that_only_cuts_its_corner():
    """Three far pixels in a row of knights' moves: the way from the first to the last leaves what is near them."""
    mask = np.zeros((8, 8), bool)
    mask[[2, 4, 7], [6, 3, 2]] = True
    found = measured(mask)
    # From (7, 2) to (4, 3) and from (4, 3) to (2, 6): no chord that stays near the mask is longer than the second.
    assert found.diameter.inside_mm == pytest.approx(np.hypot(2.0, 3.0) + 0.4, abs=0.3)


@pytest.mark.parametrize("tilt", [0.0, 20.0, 65.0])
def test_an_oblique_acquisition_is_measured_in_its_own_plane(tilt):
    # A ball of 30 mm: whatever the plane, its greatest section is a disc of 30 mm, with ends on one slice.
    angle = np.radians(tilt)
    slices = (0.0, -np.sin(angle), np.cos(angle))
    rows = (0.0, np.cos(angle), np.sin(angle))
    geometry = Geometry((15, 60, 50), (-20.0, 5.0, 7.0), (2.5, 0.7, 0.9), (slices, rows, (1.0, 0.0, 0.0)))
    k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij")
    centre = geometry.index_to_lps((7, 29.3, 24.6))
    ball = np.linalg.norm(geometry.index_to_lps(np.stack([k, j, i], axis=-1)) - centre, axis=-1) <= 15
    found = measured(ball, geometry)
    assert found.slice_index == 7
    assert found.diameter.longest_mm == pytest.approx(30.0, abs=0.45)
    ends = geometry.lps_to_index(found.diameter.long_axis_lps_mm)
    np.testing.assert_allclose(ends[:, 0], 7.0, atol=1e-9)


@pytest.mark.parametrize("radii", [(6.0, 5.0, 8.0), (14.0, 9.0, 11.0), (30.0, 18.0, 22.0)])
def test_ellipsoids_are_measured_within_half_a_pixel_on_average(radii):
    """In-plane semi-axes a > b on pixels of 0.8 mm, turned at random; the third lies along the slices."""
    a, b, c = radii
    random, errors = np.random.default_rng(4), []
    for _ in range(25):
        size = int(2 * a / 0.8) + 8
        geometry = Geometry((int(2 * c / 2) + 5, size, size), (0, 0, 0), (2.0, 0.8, 0.8), AXIAL)
        k, j, i = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij")
        centre = np.array([(n - 1) / 2 for n in geometry.shape])[::-1] * (0.8, 0.8, 2.0)
        centre += np.append(random.uniform(-0.4, 0.4, 2), 0.0)
        x, y, z = np.moveaxis(geometry.index_to_lps(np.stack([k, j, i], axis=-1)) - centre, -1, 0)
        turn = random.uniform(0, np.pi)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        errors.append(measured((u / a) ** 2 + (v / b) ** 2 + (z / c) ** 2 <= 1, geometry).diameter.longest_mm - 2 * a)
    assert abs(np.mean(errors)) < 0.4
    assert np.max(np.abs(errors)) < 0.8
