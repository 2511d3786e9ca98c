"""A diagnostic CT is registered and checked in one place: every step refuses another person's by the same sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import MaskLayer, Mismatch, Segmentations
from dotaliver.segmentation.clicked_lesions import click_site
from dotaliver.segmentation.lesions_on_ct import view_of_lesions
from dotaliver.segmentation.organs_and_ct_foci import with_other_organs
from dotaliver.segmentation.recist_ct import pose_of_recist_ct
from fixtures.arrays import ball
from fixtures.scores import axial, series, small_case

GRID = axial((48, 80, 80), (4.0, 4.0, 4.0))
LIVER_MM, LESION_MM = (-50.0, -10.0, 10.0), (-60.0, -15.0, 10.0)


def trunk(seed: int, liver_mm: float = 62.0) -> np.ndarray:
    """A trunk with a liver, a lesion and a spine of uneven bone; the seed is the person."""
    rng = np.random.default_rng(seed)
    wide, deep, fat, air = rng.uniform((0.88, 0.88, 8.0, 35.0), (1.05, 1.05, 30.0, 75.0))
    z, y, x = np.moveaxis(GRID.index_to_lps(np.stack(np.indices(GRID.shape), axis=-1)), -1, 0)[::-1]
    hu = np.full(GRID.shape, -1000.0)
    x, y = x / wide, y / deep
    hu[(x / 150) ** 2 + (y / 110) ** 2 < 1] = -90.0
    hu[(x / (150 - fat)) ** 2 + (y / (110 - fat)) ** 2 < 1] = 40.0
    hu[((x / 118) ** 2 + (y / 80) ** 2 < 1) & (z > air + 0.003 * (x**2 + y**2))] = -850.0
    hu[ball(GRID, LIVER_MM, liver_mm)] = 110.0
    hu[ball(GRID, LESION_MM, 15.0)] = 65.0
    height, width, discs = rng.uniform(26, 36), rng.uniform(13, 19), rng.uniform(0, 30)
    across, along = np.hypot(x, y - 70.0), z + 200.0 + discs
    waist = width * (1 - 0.25 * np.cos(2 * np.pi * along / height))
    bone = (across < waist) & (np.abs(along % height - height / 2) < height / 2 - 4)
    hu[bone] = 180.0 + 250.0 * (across[bone] > waist[bone] - 5)
    return hu


def ct(hu: np.ndarray, seed: int) -> Volume:
    noisy = hu + 12.0 * np.random.default_rng(seed).standard_normal(GRID.shape)
    return Volume(noisy.astype(np.float32), GRID, Quantity.HU)


def masks() -> Segmentations:
    liver = LabelMap(ball(GRID, LIVER_MM, 62.0).astype(np.uint8), GRID)
    lesions = LabelMap(ball(GRID, LESION_MM, 15.0).astype(np.uint16), GRID)
    still = Mismatch(shift_lps_mm=(0.0, 0.0, 0.0), method="test")
    return Segmentations(
        "petct", MaskLayer(liver, "ct", "petct", 2.0), MaskLayer(lesions, "pet", "petct", 2.0), mismatch=still
    )


def study(diagnostic: Volume):
    """A CT, and a diagnostic CT whose coordinates start elsewhere."""
    case = small_case()
    away = replace(
        GRID, origin_lps_mm=tuple(a + b for a, b in zip(GRID.origin_lps_mm, (8.0, -4.0, 300.0), strict=True))
    )
    away = replace(away, frame_of_reference_uid="1.2.3.4.77")
    named = series("CT", GRID, "diagnostic").model_copy(update={"series_number": 7})
    identity = case.volumes.identity.model_copy(update={"recist_image": named})
    pet = Volume(np.ones(GRID.shape, np.float32), GRID, case.volumes.pet.quantity)
    return replace(case.volumes, pet=pet, ct=ct(trunk(1), 1), recist_image=diagnostic.placed(away), identity=identity)


def refusals(volumes) -> list[str]:
    """What each step says that brings masks to the diagnostic CT."""
    found, config, said = masks(), ScoringConfig(), []
    for step in (click_site, view_of_lesions, with_other_organs):
        with pytest.raises(StudyError) as refused:
            step(volumes, found, config)
        said.append(str(refused.value))
    return said


def head() -> np.ndarray:
    hu = np.full(GRID.shape, -1000.0)
    hu[ball(GRID, (0.0, 0.0, 0.0), 88.0)] = 900.0
    hu[ball(GRID, (0.0, 0.0, 0.0), 80.0)] = 36.0
    hu[ball(GRID, (0.0, -75.0, -70.0), 14.0)] = -900.0
    return hu


def legs() -> np.ndarray:
    _, y, x = np.moveaxis(GRID.index_to_lps(np.stack(np.indices(GRID.shape), axis=-1)), -1, 0)[::-1]
    hu = np.full(GRID.shape, -1000.0)
    for side in (-85.0, 85.0):
        across = np.hypot(x - side, y)
        hu[across < 75] = -100.0
        hu[across < 62] = 55.0
        hu[across < 14] = 1100.0
    return hu


def test_the_same_person_is_registered_once_for_a_liver():
    volumes = study(ct(trunk(1), 2))
    site = click_site(volumes, masks(), ScoringConfig())
    view = view_of_lesions(volumes, masks(), ScoringConfig())
    assert view is not None
    assert view.registration is not None
    assert pose_of_recist_ct(volumes, masks().liver.labels) is site.pose
    np.testing.assert_allclose(view.registration.places((8.0, -4.0, 300.0)), (0.0, 0.0, 0.0), atol=2.0)


def test_a_ct_without_a_lesion_to_look_for_is_registered_too():
    volumes, found = study(ct(trunk(1), 2)), masks()
    none = LabelMap(np.zeros(GRID.shape, np.uint16), GRID)
    view = view_of_lesions(volumes, replace(found, lesions=replace(found.lesions, labels=none)), ScoringConfig())
    assert view is not None
    assert view.registration is not None
    assert view.job.run().labels.labels == ()


def test_every_step_refuses_a_ct_of_another_person_by_one_sentence():
    said = set(refusals(study(ct(trunk(7), 5))))
    assert len(said) == 1
    assert said.pop().startswith("the diagnostic CT (series 7) shows another spine than the PET's CT (similarity")


@pytest.mark.parametrize(
    ("diagnostic", "why"),
    [
        pytest.param(head(), "may show another part of the body or another person", id="head"),
        pytest.param(legs(), "may show another part of the body or another person", id="legs"),
        pytest.param(np.full(GRID.shape, 40.0), "may show another part of the body or another person", id="uniform"),
        pytest.param(np.full(GRID.shape, -1000.0), "shows no part of a body", id="air"),
    ],
)
def test_a_ct_of_something_else_is_refused_with_what_would_mend_it(diagnostic, why):
    with pytest.raises(StudyError) as refused:
        click_site(study(ct(diagnostic, 5)), masks(), ScoringConfig())
    said = str(refused.value)
    assert said.startswith("the diagnostic CT (series 7) ")
    assert why in said
    assert said.endswith("name a CT of the same patient that shows the whole liver with --recist-image")
