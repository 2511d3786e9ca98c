"""Focal lesions on CT: balls are found; tubes, water, fat clefts, vessels and noise are not offered."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.backends import LazyBoxes
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.lesions.ct_focus_image import _Mean

GRID = Geometry((40, 80, 80), (0.0, 0.0, 0.0), (4.0, 2.0, 2.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
MIDDLE = np.array(GRID.centre_lps_mm)
PLACES = GRID.index_to_lps(np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1))
LIVER = np.linalg.norm((PLACES - MIDDLE) / [1.0, 1.0, 1.0], axis=-1) < 70
CONFIG = CtFociConfig()
# Where it does not matter what could be seen, few lesions are put in.
QUICK = CONFIG.model_copy(update={"inserted_places": 10, "inserted_contrasts_hu": (20.0,)})


def ball(offset_mm, radius_mm):
    return np.linalg.norm(PLACES - MIDDLE - np.asarray(offset_mm, dtype=float), axis=-1) <= radius_mm


def tube(radius_mm, along=1):
    across = [a for a in range(3) if a != along]
    return np.linalg.norm((PLACES - MIDDLE)[..., across], axis=-1) <= radius_mm


def ct(parts=(), noise=8.0, seed=0):
    """Liver of 105 HU in fat, parts of (mask, HU), blurred and noisy."""
    hu = np.where(LIVER, 105.0, -90.0)
    for mask, value in parts:
        hu[mask & LIVER] = value
    hu = gaussian_filter(hu, [0.4, 0.6, 0.6])
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal(GRID.shape), 0.5)
    return Volume((hu + rough / rough.std() * noise).astype(np.float32), GRID, Quantity.HU)


def found(volume, avid=None, config=CONFIG):
    avid = None if avid is None else LabelMap(avid, GRID)
    return find_ct_foci(volume, LabelMap(LIVER, GRID), avid, config)


@pytest.mark.parametrize(("radius", "below"), [(6.0, 35), (7.5, 25), (12.0, 20), (18.0, 20)])
def test_a_ball_is_found_where_it_lies_with_its_size(radius, below):
    lesion = ball((15, -20, 8), radius)
    labels, search = found(ct([(lesion, 105.0 - below)]))
    assert labels.labels == (CONFIG.first_label,) == tuple(search.foci)
    mask = labels.mask
    assert 2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()) > 0.7
    assert search.visible_contrast_hu < below
    assert search.liver_hu == pytest.approx(105, abs=3)


def test_two_balls_are_numbered_from_the_feet_up():
    labels, _ = found(ct([(ball((0, 0, 35), 9), 75), (ball((0, 0, -30), 9), 75)]), config=QUICK)
    first, second = (np.argwhere(labels.where(n))[:, 0].mean() for n in labels.labels)
    assert labels.labels == (901, 902)
    assert first < second


@pytest.mark.parametrize(
    "parts",
    [
        (),
        [(tube(5.0), 80.0)],
        [(tube(4.0, along=0), 75.0), (tube(4.0, along=1), 75.0)],
        [(tube(5.0), 165.0)],
        [(ball((10, 0, 0), 9), 8.0)],
        [(np.abs(PLACES[..., 0] - MIDDLE[0]) < 3, -60.0)],
        [(ball((0, -69, 0), 9), 75.0)],
        [(LIVER & ~ball((0, 0, 0), 65), 75.0)],
        [(LIVER & ~ball((0, 8, 0), 70), 75.0)],
    ],
    ids=[
        "nothing",
        "dark vein",
        "dark fork",
        "bright vein",
        "cyst",
        "fissure of fat",
        "notch at the border",
        "dark rim",
        "dark crescent at the border",
    ],
)
def test_what_is_no_focal_lesion_is_not_listed(parts):
    assert found(ct(parts), config=QUICK)[0].labels == ()


def elongated(radius_mm, half_length_mm, along=1):
    """An ellipsoid that is longer along one axis."""
    axes = [half_length_mm if a == along else radius_mm for a in range(3)]
    return np.linalg.norm((PLACES - MIDDLE) / axes, axis=-1) <= 1


@pytest.mark.parametrize(("radius", "of_vein", "hu"), [(6.0, 4.0, 88.0), (5.5, 3.5, 85.0)])
def test_the_wide_part_of_a_faint_vein_is_not_offered_and_an_elongated_lesion_is(radius, of_vein, hu):
    wide = elongated(radius, 10.0)
    vein = wide | (tube(of_vein) & (PLACES[..., 1] > MIDDLE[1]))
    assert found(ct([(vein, hu)]), config=QUICK)[0].labels == ()
    labels, search = found(ct([(wide, hu)]), config=QUICK)
    assert labels.labels == (CONFIG.first_label,)
    assert search.foci[CONFIG.first_label].may_be == ("elongated",)


def test_noise_alone_gives_at_most_one_in_four_livers():
    assert sum(len(found(ct(noise=10.0, seed=seed), config=QUICK)[0].labels) for seed in range(4)) <= 1


@pytest.mark.parametrize(("radius", "contrast"), [(7.5, -12), (7.5, 12), (5.5, -20)])
def test_faint_and_small_lesions_are_found_in_textured_noise(radius, contrast):
    offsets = [(25, -20, 8), (-30, 10, -12), (0, 30, 20), (-10, -35, -20), (20, 25, -28)]
    lesions = [(ball(offset, radius), 105.0 + contrast) for offset in offsets]
    labels, search = found(ct(lesions, noise=10.0, seed=3), config=QUICK)
    hits = sum(labels.array[mask].any() for mask, _ in lesions)
    assert hits >= 4
    assert len(labels.labels) <= hits + 1
    assert all(focus.contrast_hu * contrast > 0 for focus in search.foci.values())


@pytest.mark.parametrize("direction", [(0, -1, 0), (1, 0, 0), (-0.6, 0.8, 0)])
def test_a_lesion_that_the_capsule_cuts_is_found(direction):
    lesion = ball(63.5 * np.asarray(direction), 7.5)
    labels, search = found(ct([(lesion, 80.0)]), config=QUICK)
    assert labels.labels == (CONFIG.first_label,)
    assert (labels.mask & lesion).sum() > 0.8 * labels.mask.sum()
    assert any("liver's border" in reason for reason in search.foci[CONFIG.first_label].may_be)


def test_noise_counts_for_more_where_the_border_cuts_the_mean():
    """At a flat border half of the weights remain: the SD of a mean of white noise is √2 of that deep inside."""
    grid = GRID.crop((slice(0, 40), slice(0, 41), slice(0, 41)))
    half = np.zeros(grid.shape, dtype=bool)
    half[:, 20:] = True
    widening = _Mean(half, 8.0, grid).widening()
    assert widening[20, 40, 20] == pytest.approx(1.0, abs=0.01)
    assert widening[20, 20, 20] == pytest.approx(np.sqrt(2), rel=0.1)


def test_a_lesion_outranks_a_faint_place_and_says_what_it_may_be():
    lesion, faint = ball((20, -20, 8), 10), ball((-25, 15, -10), 7.5)
    labels, search = found(ct([(lesion, 70.0), (faint, 93.0)], noise=6.0), config=QUICK)
    of = {name: search.foci[int(labels.array[mask].max())] for name, mask in (("strong", lesion), ("faint", faint))}
    assert of["strong"].suspicion >= of["faint"].suspicion
    assert of["strong"].noise_sds > of["faint"].noise_sds
    bright = found(ct([(lesion, 130.0)], noise=6.0), config=QUICK)[1].foci
    assert [focus.may_be[0].split(",")[0] for focus in bright.values()] == ["brighter than liver"]


def test_a_place_beside_a_fissure_of_fat_is_not_offered():
    fat = (np.abs(PLACES[..., 0] - MIDDLE[0]) < 3) & (PLACES[..., 1] < MIDDLE[1])
    assert found(ct([(fat, -60.0), (ball((0, 3, 0), 5), 75.0)], noise=6.0), config=QUICK)[0].labels == ()


def test_a_focus_that_the_pet_shows_is_not_listed_nor_is_its_core():
    lesion, core = ball((10, 0, 0), 14), ball((10, 0, 0), 8)
    assert found(ct([(lesion, 75.0)]), avid=lesion, config=QUICK)[0].labels == ()
    assert found(ct([(core, 75.0)]), avid=lesion & ~core, config=QUICK)[0].labels == ()


def test_a_core_in_a_thin_shell_that_the_pet_outlines_apart_from_it_is_no_focus():
    """Uptake of a rim is blurred, so that its outline may touch neither the core nor itself all around."""
    core, shell = ball((10, 0, 0), 7), ball((10, 0, 0), 14) & ~ball((10, 0, 0), 11.5)
    assert found(ct([(core, 70.0)]), avid=shell, config=QUICK)[0].labels == ()
    half = shell & (PLACES[..., 0] > MIDDLE[0] + 10)
    assert found(ct([(core, 70.0)]), avid=half, config=QUICK)[0].labels == (CONFIG.first_label,)


@pytest.mark.parametrize("off", [(0, 0, 5), (0, 4, -3), (-5, 0, 0)])
def test_an_avid_lesion_that_lies_a_little_off_on_the_pet_is_no_focus_without_uptake(off):
    """Breathing moves the outline by more than is estimated; a crescent of the lesion lies outside of it."""
    lesion = ball((20, 10, 0), 8)
    avid = ball(np.add((20, 10, 0), off), 8)
    assert found(ct([(lesion, 70.0)]), avid=avid, config=QUICK)[0].labels == ()


@pytest.mark.parametrize(("radius", "gap"), [(5.0, 1.0), (7.5, 0.0), (10.0, 2.0)])
def test_a_lesion_without_uptake_next_to_avid_ones_is_found(radius, gap):
    """Between two avid lesions, each of which lies near to half of it."""
    away = 10.0 + gap + radius
    avid = np.zeros(GRID.shape, np.uint8)
    avid[ball((0, away, 0), 10)], avid[ball((0, -away, 0), 10)] = 1, 2
    cold = ball((0, 0, 0), radius)
    labels, _ = found(ct([(cold, 70.0), (avid == 1, 75.0), (avid == 2, 75.0)]), avid=avid, config=QUICK)
    assert (labels.mask & cold).sum() > 0.3 * cold.sum()


def test_more_noise_hides_more():
    searches = [found(ct(noise=noise))[1] for noise in (5.0, 20.0, 60.0)]
    contrasts = [1e3 if x.visible_contrast_hu is None else x.visible_contrast_hu for x in searches]
    assert contrasts == sorted(contrasts)
    assert contrasts[0] < CONFIG.largest_contrast_hu < contrasts[-1]


def test_smaller_lesions_need_more_contrast_and_the_same_ct_gives_the_same_answer():
    first, again = (found(ct(noise=10.0))[1] for _ in range(2))
    assert first == again
    small, reference = first.detectable
    assert (small.diameter_mm, reference.diameter_mm) == (10.0, CONFIG.reference_diameter_mm)
    assert small.below_liver_hu >= reference.below_liver_hu == first.visible_contrast_hu


def test_what_is_called_detectable_is_found():
    """Nine in ten balls of the stated size and contrast are found where nothing else is, all the more at twice that."""
    contrast = found(ct(noise=10.0))[1].visible_contrast_hu
    offsets = [(25, -20, 8), (-30, 10, -12), (0, 30, 20), (-10, -35, -20), (20, 25, -28), (-35, -15, 15)]
    lesions = [(ball(offset, 7.5), 105.0 - 2 * contrast) for offset in offsets]
    labels = found(ct(lesions, noise=10.0, seed=5), config=QUICK)[0]
    assert sum(labels.array[mask].any() for mask, _ in lesions) >= len(offsets) - 1


def test_a_ct_read_in_blocks_gives_the_same_answer():
    whole = ct([(ball((15, -20, 8), 9), 80.0)])
    read = LazyBoxes(lambda box: whole.array[box], whole.geometry.shape, whole.array.dtype)
    labels, search = found(Volume(read, whole.geometry, whole.quantity), config=QUICK)
    expected, same = found(whole, config=QUICK)
    assert search == same
    np.testing.assert_array_equal(labels.array, expected.array)


def test_a_liver_full_of_avid_tumour_is_not_searched():
    labels, search = found(ct(), avid=LIVER)
    assert labels.labels == ()
    assert search.visible_contrast_hu is None
    assert "free of lesions" in search.reason
