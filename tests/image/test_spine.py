"""Two CTs of one person show one spine, whatever the breath-hold, contrast agent and position on the couch."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from dotaliver.image.geometry import Geometry
from dotaliver.image.registration import Pose
from dotaliver.image.spine import spine_similarity
from dotaliver.image.volume import Quantity, Volume

GRID = Geometry(
    (40, 64, 64), (-80.0, -80.0, -60.0), (3.0, 2.5, 2.5), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), "1.2"
)
LIVER = np.zeros(GRID.shape, dtype=bool)
LIVER[6:34, 12:34, 8:30] = True


def person(seed, breath=0, enhanced_hu=0.0):
    """Vertebrae of uneven bone behind a liver, whose height breathing changes; bone differs from person to person."""
    rng = np.random.default_rng(seed)
    hu = np.full(GRID.shape, 30.0)
    hu[np.roll(LIVER, breath, axis=0)] = 60.0 + enhanced_hu
    height, width, discs = rng.uniform(26, 36), rng.uniform(13, 19), rng.uniform(0, 30)
    k, j, i = np.meshgrid(*(np.arange(n) * s for n, s in zip(GRID.shape, GRID.spacing_mm, strict=True)), indexing="ij")
    across = np.hypot(i - 80.0, j - 120.0)
    waist = width * (1 - 0.2 * np.cos(2 * np.pi * (k + discs) / height))
    bone = (across < waist) & (np.abs((k + discs) % height - height / 2) < height / 2 - 4)
    hu[bone] = 180.0 + 250.0 * (across[bone] > waist[bone] - 4)
    spinous = (np.abs(i - 80.0) < 5) & (j > 125) & (j < 150) & ((k + discs) % height < rng.uniform(8, 18))
    hu[spinous] = 350.0
    hu += 12 * np.random.default_rng(seed + 100 + breath).standard_normal(GRID.shape)
    return Volume(hu.astype(np.float32), GRID, Quantity.HU)


def on_another_couch(ct, shift_lps_mm):
    origin = tuple(a + b for a, b in zip(ct.geometry.origin_lps_mm, shift_lps_mm, strict=True))
    return Volume(ct.array, replace(ct.geometry, origin_lps_mm=origin, frame_of_reference_uid="1.3"), ct.quantity)


def pose(shift_lps_mm):
    """As the liver's registration finds it."""
    transform = sitk.Euler3DTransform()
    transform.SetTranslation(tuple(-s for s in shift_lps_mm))
    return Pose(transform, 0.7)


@pytest.mark.parametrize("breath", [0, 5])
def test_one_person_in_another_breath_hold_and_phase_shows_the_same_spine(breath):
    shift = (10.0, -5.0, 500.0 - 3.0 * breath)
    other = on_another_couch(person(1, breath, enhanced_hu=60.0), (10.0, -5.0, 500.0))
    assert spine_similarity(other, person(1), LIVER, pose(shift)) > 0.85


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_another_person_shows_another_spine(seed):
    found = spine_similarity(person(seed), person(1), LIVER, pose((0.0, 0.0, 0.0)))
    assert found is None or found < 0.72


def test_without_bone_at_the_height_of_the_liver_nothing_is_said():
    soft = Volume(np.full(GRID.shape, 40, np.int16), GRID, Quantity.HU)
    assert spine_similarity(person(1), soft, LIVER, pose((0.0, 0.0, 0.0))) is None
    assert spine_similarity(soft, person(1), LIVER, pose((0.0, 0.0, 0.0))) is None
