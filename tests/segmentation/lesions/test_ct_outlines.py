import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.segmentation.lesions import ct_outlines
from dotaliver.segmentation.lesions.ct_outlines import outline_lesions_on_ct, remember_outlines, with_surroundings
from dotaliver.segmentation.lesions.ct_site import site_of
from dotaliver.system.recent import Recent
from fixtures.arrays import AXIAL

CONFIG = CtLesionConfig()
GRID = Geometry((34, 150, 150), (0.0, 0.0, 0.0), (3.0, 0.9, 0.9), AXIAL)
MIDDLE = (67.0, 67.0, 50.0)


def ellipsoid(centre, radii):
    """Signed: under 1 inside; radii along x, y, z in mm."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    points = GRID.index_to_lps(np.stack([k, j, i], axis=-1))
    return (((points - centre) / np.asarray(radii)) ** 2).sum(axis=-1)


LIVER = ellipsoid(MIDDLE, (58.0, 58.0, 45.0)) <= 1


def scene(lesions, *, noise=12.0, seed=0, liver_hu=100.0):
    """A CT of a liver in fat with soft-bordered ellipsoids: (centre, radii, HU difference)."""
    hu = np.where(LIVER, liver_hu, -90.0)
    for centre, radii, difference in lesions:
        # The border is a ramp of about one pixel.
        share = np.clip(0.5 + (1 - np.sqrt(ellipsoid(centre, radii))) * min(radii) / 1.2, 0, 1) * LIVER
        hu += share * difference
    hu += noise * np.random.default_rng(seed).standard_normal(GRID.shape)
    return Volume(hu.astype(np.float32), GRID, Quantity.HU)


def placed(*balls, spacing=4.0):
    """The uptake's outlines as the PET shows them: coarse, brought to the CT's grid."""
    labels = np.zeros(GRID.shape, dtype=np.uint16)
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    points = GRID.index_to_lps(np.stack([k, j, i], axis=-1))
    coarse = np.round(points / spacing) * spacing
    for number, (centre, radius) in enumerate(balls, start=1):
        labels[(np.linalg.norm(coarse - centre, axis=-1) <= radius) & LIVER] = number
    return LabelMap(labels, GRID)


def diameter(found, label=1):
    outline = LabelMap(found.labels.where(label).astype(np.uint8), GRID)
    return longest_diameter(outline, "ct", found.borders[label]).diameter


@pytest.mark.parametrize("difference", [-35.0, -20.0, 30.0])
@pytest.mark.parametrize("radius", [8.0, 14.0, 20.0])
def test_a_lesion_that_stands_out_is_measured_within_a_tenth_or_two_millimetres(difference, radius):
    ct = scene([(MIDDLE, (radius, 0.7 * radius, radius), difference)])
    found = outline_lesions_on_ct(ct, placed((MIDDLE, 0.9 * radius + 2)), LIVER, CONFIG)
    assert not found.unseen
    assert diameter(found).longest_mm == pytest.approx(2 * radius, abs=max(2.0, 0.2 * radius))
    assert diameter(found).short_mm == pytest.approx(1.4 * radius, abs=max(2.0, 0.2 * radius))


def test_a_place_that_breathing_moved_by_a_few_millimetres_still_finds_the_lesion():
    ct = scene([(MIDDLE, (13.0, 13.0, 13.0), -35.0)])
    moved = np.add(MIDDLE, (2.0, -2.0, 4.0))
    found = outline_lesions_on_ct(ct, placed((moved, 14.0)), LIVER, CONFIG)
    assert diameter(found).longest_mm == pytest.approx(26.0, abs=2.0)


@pytest.mark.parametrize("seed", range(6))
def test_a_lesion_as_dense_as_liver_is_not_seen_and_no_outline_is_made_up(seed):
    found = outline_lesions_on_ct(scene([], seed=seed), placed((MIDDLE, 14.0)), LIVER, CONFIG)
    assert not found.labels.array.any()
    assert set(found.unseen) == {1}
    assert "HU" in found.unseen[1]


def test_a_faint_lesion_in_noise_is_refused():
    ct = scene([(MIDDLE, (14.0, 14.0, 14.0), -7.0)], noise=25.0)
    assert set(outline_lesions_on_ct(ct, placed((MIDDLE, 15.0)), LIVER, CONFIG).unseen) == {1}


def test_a_cyst_beside_the_uptake_is_not_taken_for_the_lesion():
    beside = np.add(MIDDLE, (24.0, 0.0, 0.0))
    ct = scene([(beside, (8.0, 8.0, 8.0), -90.0)])
    found = outline_lesions_on_ct(ct, placed((MIDDLE, 12.0)), LIVER, CONFIG)
    assert set(found.unseen) == {1}


def test_two_lesions_that_touch_on_ct_share_the_space_between_them():
    left, right = np.add(MIDDLE, (-12.0, 0, 0)), np.add(MIDDLE, (12.0, 0, 0))
    balls = [(left, (12.0, 12.0, 12.0), -35.0), (right, (12.0, 12.0, 12.0), -35.0)]
    found = outline_lesions_on_ct(scene(balls), placed((left, 12.0), (right, 12.0)), LIVER, CONFIG)
    assert found.labels.labels == (1, 2)
    assert diameter(found, 1).longest_mm == pytest.approx(24.0, abs=2.4)
    assert diameter(found, 2).longest_mm == pytest.approx(24.0, abs=2.4)


@pytest.mark.parametrize(
    ("radius", "difference", "noise"), [(7.0, -25.0, 12.0), (15.0, -12.0, 12.0), (15.0, 25.0, 18.0)]
)
def test_the_interval_holds_the_true_diameter_and_is_narrower_for_what_shows_better(radius, difference, noise):
    where = placed((MIDDLE, 0.93 * radius))
    plain = outline_lesions_on_ct(
        scene([(MIDDLE, (radius, 0.8 * radius, radius), difference)], noise=noise), where, LIVER, CONFIG
    )
    clear = outline_lesions_on_ct(
        scene([(MIDDLE, (radius, 0.8 * radius, radius), 2 * difference)], noise=noise), where, LIVER, CONFIG
    )
    low, high = diameter(plain).interval_mm
    assert low <= 2 * radius <= high
    assert clear.borders[1].diameter_error_mm < plain.borders[1].diameter_error_mm
    assert clear.borders[1].seen_share > 0.9


def test_a_border_that_a_vessel_hides_in_part_is_bridged_and_less_of_it_is_said_to_be_seen():
    radius = 14.0
    ball = (MIDDLE, (radius, radius, radius), -30.0)
    alone = scene([ball])
    # An enhanced vessel lies over a part of the border.
    vessel = ellipsoid(np.add(MIDDLE, (radius, 0, 0)), (4.0, 40.0, 5.0)) <= 1
    whole = outline_lesions_on_ct(alone, placed((MIDDLE, 14.0)), LIVER, CONFIG)
    both = alone.with_array(np.where(vessel, alone.array + 90.0, alone.array).astype(np.float32))
    hidden = outline_lesions_on_ct(both, placed((MIDDLE, 14.0)), LIVER, CONFIG)
    assert diameter(hidden).longest_mm == pytest.approx(2 * radius, abs=2.8)
    assert hidden.borders[1].seen_share < whole.borders[1].seen_share


def test_tissue_beyond_the_capsule_that_is_as_dense_as_the_lesion_is_not_taken_for_it():
    centre = np.add(MIDDLE, (46.0, 0, 0))
    ct = scene([(centre, (11.0, 11.0, 11.0), -40.0)])
    muscle = np.where((ellipsoid(MIDDLE, (75.0, 75.0, 60.0)) <= 1) & ~LIVER, 60.0, ct.array)
    ct = ct.with_array(muscle.astype(np.float32))
    found = outline_lesions_on_ct(ct, placed((centre, 11.0)), LIVER, CONFIG)
    outside = found.labels.mask & ~LIVER
    assert np.count_nonzero(outside) < 0.05 * np.count_nonzero(found.labels.mask) or found.unseen


def test_the_answer_does_not_depend_on_where_the_study_lies():
    ct, where = scene([(MIDDLE, (13.0, 10.0, 12.0), -25.0)]), placed((MIDDLE, 13.0))
    here = outline_lesions_on_ct(ct, where, LIVER, CONFIG)
    moved = GRID.moved((120.5, -33.0, 812.25))
    there = outline_lesions_on_ct(Volume(ct.array, moved, Quantity.HU), LabelMap(where.array, moved), LIVER, CONFIG)
    assert np.array_equal(here.labels.array, there.labels.array)
    assert here.borders == there.borders


def test_a_part_of_the_image_gives_what_the_whole_gives():
    ct, where = scene([(MIDDLE, (9.0, 8.0, 9.0), -30.0)]), placed((MIDDLE, 9.0))
    whole = outline_lesions_on_ct(ct, where, LIVER, CONFIG)
    part = with_surroundings(dict(where.boxes())[1], GRID, CONFIG)
    cut = outline_lesions_on_ct(ct.crop(part), LabelMap(where.array[part], GRID.crop(part)), LIVER[part], CONFIG)
    assert np.array_equal(whole.labels.array[part], cut.labels.array)
    assert whole.borders == cut.borders


def test_lesions_keep_their_labels_and_apart_from_each_other_are_both_outlined():
    left, right = np.add(MIDDLE, (-26.0, 0, 0)), np.add(MIDDLE, (26.0, 0, 0))
    ct = scene([(left, (10.0, 10.0, 10.0), -35.0), (right, (13.0, 13.0, 13.0), -30.0)])
    found = outline_lesions_on_ct(ct, placed((right, 14.0), (left, 11.0)), LIVER, CONFIG)
    assert found.labels.labels == (1, 2)
    assert diameter(found, 1).longest_mm == pytest.approx(26.0, abs=2.0)
    assert diameter(found, 2).longest_mm == pytest.approx(20.0, abs=2.0)


def test_the_part_of_a_lesion_that_is_as_dense_as_embolic_agent_is_stated_and_enhancement_is_not():
    size = (14.0, 14.0, 14.0)
    # Lipiodol fills a third of the volume; a hypervascular metastasis enhances by 60 HU.
    filled = scene([(MIDDLE, size, 40.0), (MIDDLE, (9.7, 9.7, 9.7), 250.0)])
    bright = scene([(MIDDLE, size, 60.0)])
    shares = [
        outline_lesions_on_ct(ct, placed((MIDDLE, 15.0)), LIVER, CONFIG).borders[1].dense_share
        for ct in (filled, bright)
    ]
    assert 0.2 < shares[0] < 0.6
    assert shares[1] < 0.01


def test_every_lesion_is_either_outlined_or_has_a_reason():
    ct = scene([(MIDDLE, (12.0, 12.0, 12.0), -35.0)])
    where = placed((MIDDLE, 13.0), (np.add(MIDDLE, (0, 40.0, 0)), 6.0), (np.add(MIDDLE, (0, -40.0, 0)), 5.0))
    found = outline_lesions_on_ct(ct, where, LIVER, CONFIG)
    assert set(found.labels.labels) | set(found.unseen) == set(where.labels)
    assert not set(found.labels.labels) & set(found.unseen)


def test_flipped_slices_and_columns_give_the_flipped_outline():
    ct, where = scene([(MIDDLE, (13.0, 10.0, 12.0), -35.0)]), placed((MIDDLE, 13.0))
    once = outline_lesions_on_ct(ct, where, LIVER, CONFIG).labels.array
    affine = np.array(GRID.affine)
    affine[:3, 3] = GRID.index_to_lps((GRID.shape[0] - 1, 0, GRID.shape[2] - 1))
    affine[:3, 0] *= -1
    affine[:3, 2] *= -1
    turned = Geometry.from_affine(GRID.shape, affine)
    flip = (slice(None, None, -1), slice(None), slice(None, None, -1))
    again = outline_lesions_on_ct(
        Volume(ct.array[flip], turned, Quantity.HU), LabelMap(where.array[flip], turned), LIVER[flip], CONFIG
    )
    assert np.mean(again.labels.array[flip] != once) < 1e-4


def test_a_stricter_contrast_refuses_what_a_looser_one_takes():
    ct, where = scene([(MIDDLE, (14.0, 14.0, 14.0), -20.0)]), placed((MIDDLE, 14.0))
    assert not outline_lesions_on_ct(ct, where, LIVER, CONFIG).unseen
    strict = CONFIG.model_copy(update={"least_contrast_hu": 30.0})
    assert outline_lesions_on_ct(ct, where, LIVER, strict).unseen


def test_a_lesion_that_leaves_no_liver_around_it_is_refused():
    ct = scene([(MIDDLE, (56.0, 56.0, 43.0), -35.0)])
    found = outline_lesions_on_ct(ct, placed((MIDDLE, 50.0)), LIVER, CONFIG)
    assert set(found.unseen) == {1}


@pytest.mark.parametrize("radius", [8.0, 14.0, 20.0])
def test_the_diameter_of_a_ball_lies_between_its_own_and_that_to_the_outer_corners_of_its_voxels(radius):
    ct = scene([(MIDDLE, (radius, radius, radius), -40.0)], noise=6.0)
    found = outline_lesions_on_ct(ct, placed((MIDDLE, radius)), LIVER, CONFIG)
    # Corners of pixels lie up to a pixel's diagonal beyond the ball; half a millimetre is left for noise.
    assert -0.5 <= diameter(found).longest_mm - 2 * radius <= 0.9 * np.sqrt(2) + 0.5


def test_a_cold_core_that_leaves_a_hole_in_the_uptake_does_not_make_the_lesion_smaller():
    ct = scene([(MIDDLE, (17.0, 17.0, 17.0), -35.0)])
    whole = placed((MIDDLE, 17.0))
    ring = np.where(ellipsoid(MIDDLE, (9.0, 9.0, 9.0)) <= 1, 0, whole.array).astype(np.uint16)
    found = outline_lesions_on_ct(ct, LabelMap(ring, GRID), LIVER, CONFIG)
    assert diameter(found).longest_mm == pytest.approx(34.0, abs=2.0)


def test_a_necrotic_core_on_the_other_side_of_the_livers_density_does_not_hide_that_the_rim_is_one_lesion():
    # An enhancing rim of 7 mm around a core less dense than liver: between them lies the liver's density.
    radius = 22.0
    ct = scene([(MIDDLE, (radius, radius, radius), 25.0), (MIDDLE, (15.0, 15.0, 15.0), -57.0)])
    found = outline_lesions_on_ct(ct, placed((MIDDLE, 22.0)), LIVER, CONFIG)
    assert not found.unseen
    assert diameter(found).longest_mm == pytest.approx(2 * radius, abs=2.2)


def test_the_reason_concerns_the_whole_uptake_where_a_part_of_it_was_tried_too():
    # Half of the uptake lies over a lesion that goes on far beyond it, half over liver. The lesion is 1.4 times as wide
    # as that half, which is not what a reader sees.
    ct = scene([(np.add(MIDDLE, (16.0, 0.0, 0.0)), (20.0, 20.0, 20.0), -35.0)])
    found = outline_lesions_on_ct(ct, placed((MIDDLE, 18.0)), LIVER, CONFIG)
    assert "% of its uptake lies outside of what the CT shows" in found.unseen[1]


@pytest.mark.parametrize("difference", [0.0, 30.0])
def test_an_uptake_over_two_places_of_which_one_is_not_as_dense_is_not_measured_as_one(difference):
    left, right = np.add(MIDDLE, (-13.0, 0, 0)), np.add(MIDDLE, (13.0, 0, 0))
    lesions = [(left, (13.0, 13.0, 13.0), -35.0), (right, (13.0, 13.0, 13.0), difference)]
    both = placed((left, 14.0), (right, 14.0))
    found = outline_lesions_on_ct(scene(lesions), LabelMap((both.array > 0).astype(np.uint16), GRID), LIVER, CONFIG)
    if found.unseen:
        assert "density" in found.unseen[1] or "border" in found.unseen[1] or "radius" in found.unseen[1]
    else:
        assert diameter(found).longest_mm == pytest.approx(26.0, abs=2.6)


@pytest.mark.parametrize("radius", [11.0, 16.0])
def test_a_vessel_as_dense_as_the_lesion_that_meets_it_is_not_taken_into_it(radius):
    ct = scene([(MIDDLE, (radius, radius, radius), 35.0)])
    vessel = ellipsoid(np.add(MIDDLE, (radius + 20, 0, 0)), (23.0, 4.0, 4.0)) <= 1
    joined = np.where(vessel & (ellipsoid(MIDDLE, (radius,) * 3) > 1), ct.array + 35.0, ct.array).astype(np.float32)
    found = outline_lesions_on_ct(ct.with_array(joined), placed((MIDDLE, radius)), LIVER, CONFIG)
    assert diameter(found).longest_mm == pytest.approx(2 * radius, abs=max(2.0, 0.2 * radius))


def test_stored_outlines_are_remembered_as_if_found_just_now_unless_they_touch(monkeypatch):
    left, right = np.add(MIDDLE, (-36.0, 0, 0)), np.add(MIDDLE, (36.0, 0, 0))
    beside, faint = np.add(left, (17.0, 0, 0)), np.add(MIDDLE, (36.0, 0, 36.0))
    ct = scene([(left, (9.0, 9.0, 9.0), -35.0), (beside, (9.0, 9.0, 9.0), -35.0), (right, (9.0, 9.0, 9.0), -35.0)])
    where = placed((left, 9.0), (right, 9.0), (beside, 9.0), (faint, 7.0))
    stored = outline_lesions_on_ct(ct, where, LIVER, CONFIG)
    assert set(stored.labels.labels) == {1, 2, 3}
    assert set(stored.unseen) == {4}
    array = stored.labels.array
    gap = ct_outlines.dilated(array == 1) & (array == 3)
    assert gap.any(), "the scene has two outlines that touch"
    recent, searched = Recent(8), []

    def counted(ct, placed, liver, label, config):
        searched.append(label)
        return site_of(ct, placed, liver, label, config)

    monkeypatch.setattr(ct_outlines, "site_of", counted)
    remember_outlines(ct, where, LIVER, stored, CONFIG, recent)
    again = outline_lesions_on_ct(ct, where, LIVER, CONFIG, recent=recent)
    assert searched == [1, 3]
    np.testing.assert_array_equal(again.labels.array, array)
    assert (again.unseen, again.borders) == (stored.unseen, stored.borders)


def test_an_outline_is_searched_again_only_where_a_mask_near_it_changed(monkeypatch):
    left, right = np.add(MIDDLE, (-36.0, 0, 0)), np.add(MIDDLE, (36.0, 0, 0))
    ct = scene([(left, (9.0, 9.0, 9.0), -35.0), (right, (9.0, 9.0, 9.0), -35.0)])
    where, recent, searched = placed((left, 9.0), (right, 9.0)), Recent(8), []

    def counted(ct, placed, liver, label, config):
        searched.append(label)
        return site_of(ct, placed, liver, label, config)

    monkeypatch.setattr(ct_outlines, "site_of", counted)
    first = outline_lesions_on_ct(ct, where, LIVER, CONFIG, recent=recent)
    again = outline_lesions_on_ct(ct, where, LIVER, CONFIG, recent=recent)
    assert searched == [1, 2]
    assert first.labels.labels == (1, 2)
    np.testing.assert_array_equal(first.labels.array, again.labels.array)
    assert (first.unseen, first.borders) == (again.unseen, again.borders)
    # A stroke that rubs out liver on the right side, far from the lesion on the left.
    stroke = LIVER & (ellipsoid(np.add(MIDDLE, (56.0, 0, 0)), (6.0, 6.0, 6.0)) > 1)
    near = outline_lesions_on_ct(ct, where, stroke, CONFIG, recent=recent)
    assert searched == [1, 2, 2]
    np.testing.assert_array_equal(near.labels.array, outline_lesions_on_ct(ct, where, stroke, CONFIG).labels.array)
