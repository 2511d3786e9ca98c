"""Focal lesions on CT: balls are found, tubes, water, fat clefts, vessels and noise are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dotaliver.config.segmentation import CtFociConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci

GRID = Geometry((40, 80, 80), (0.0, 0.0, 0.0), (4.0, 2.0, 2.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
MIDDLE = np.array(GRID.centre_lps_mm)
PLACES = GRID.index_to_lps(np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1))
LIVER = np.linalg.norm((PLACES - MIDDLE) / [1.0, 1.0, 1.0], axis=-1) < 70
CONFIG = CtFociConfig()


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
    assert labels.labels == (CONFIG.first_label,)
    mask = labels.mask
    assert 2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()) > 0.7
    assert search.visible_contrast_hu < below
    assert search.liver_hu == pytest.approx(105, abs=3)


def test_two_balls_are_numbered_from_the_feet_up():
    labels, _ = found(ct([(ball((0, 0, 35), 9), 75), (ball((0, 0, -30), 9), 75)]))
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
    ],
    ids=["nothing", "dark vein", "dark fork", "bright vein", "cyst", "fissure of fat", "notch at the border"],
)
def test_what_is_no_focal_lesion_is_not_listed(parts):
    assert found(ct(parts))[0].labels == ()


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_gives_none(seed):
    assert found(ct(noise=14.0, seed=seed))[0].labels == ()


def test_a_focus_that_the_pet_shows_is_not_listed_nor_is_its_core():
    lesion, core = ball((10, 0, 0), 14), ball((10, 0, 0), 8)
    assert found(ct([(lesion, 75.0)]), avid=lesion)[0].labels == ()
    assert found(ct([(core, 75.0)]), avid=lesion & ~core)[0].labels == ()


def test_more_noise_hides_more():
    contrasts = [found(ct(noise=noise))[1].visible_contrast_hu for noise in (6.0, 25.0, 60.0)]
    assert contrasts == sorted(contrasts)
    assert contrasts[-1] > CONFIG.largest_contrast_hu


def test_a_liver_full_of_avid_tumour_is_not_searched():
    labels, search = found(ct(), avid=LIVER)
    assert labels.labels == ()
    assert search.visible_contrast_hu is None
    assert "free of lesions" in search.reason
