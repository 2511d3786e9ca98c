"""Lesions brought to the CT: whose border is looked for there, and when there is none to find."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.masks import MaskLayer, Mismatch, Segmentations
from dotaliver.segmentation.lesions_on_ct import CtView, OutlinesJob, with_lesions_on_ct
from fixtures.arrays import ball, grid

GRID = grid((40, 60, 60), (2.0, 1.5, 1.5))
CENTRE = (44.0, 44.0, 40.0)


def job(tumour_share: float) -> OutlinesJob:
    """A dark ball of 20 mm in a quiet liver."""
    lesion = ball(GRID, CENTRE, 10.0)
    hu = np.where(lesion, 60.0, 110.0) + 5.0 * np.random.default_rng(1).standard_normal(GRID.shape)
    ct = Volume(hu.astype(np.float32), GRID, Quantity.HU)
    placed, liver = LabelMap(lesion.astype(np.uint16), GRID), np.ones(GRID.shape, bool)
    return OutlinesJob(ct, placed, liver, CtLesionConfig(), frozenset({1}), tumour_share)


@pytest.mark.parametrize(("share", "outlined"), [(0.05, (1,)), (0.5, (1,)), (0.51, ()), (0.9, ())])
def test_in_confluent_disease_no_lesion_has_a_border_of_its_own(share, outlined):
    found = job(share).run()
    assert found.labels.labels == outlined
    if not outlined:
        assert found.unseen[1].startswith(f"tumour fills {100 * share:.0f} % of the liver")


@pytest.mark.parametrize(("next_label", "labels"), [(None, (3,)), (8, (3, 8))])
def test_a_lesion_that_is_two_on_ct_becomes_two_on_pet_as_well_where_it_may(next_label, labels):
    left, right = (32.0, 44.0, 40.0), (56.0, 44.0, 40.0)
    hu = np.where(ball(GRID, left, 12.5), 60.0, np.where(ball(GRID, right, 11.0), 140.0, 100.0))
    hu += 5.0 * np.random.default_rng(1).standard_normal(GRID.shape)
    ct = Volume(hu.astype(np.float32), GRID, Quantity.HU)
    pet = grid((40, 22, 22), (2.0, 4.0, 4.0))
    uptake = LabelMap(3 * (ball(pet, left, 13.0) | ball(pet, right, 12.0)).astype(np.uint16), pet)
    # The PET shows the liver 6 mm higher, on its own grid.
    shift = Mismatch(shift_lps_mm=(0.0, 0.0, 6.0), method="known")
    on_pet = MaskLayer(uptake.placed(pet.moved((0.0, 0.0, 6.0))), "pet", "petct", 1.0)
    found = Segmentations("petct", None, on_pet, mismatch=shift)
    liver, whole = np.ones(GRID.shape, bool), tuple(slice(0, n) for n in GRID.shape)
    job = OutlinesJob(ct, resample_labels(uptake, GRID), liver, CtLesionConfig(), frozenset({3}), 0.1, None, next_label)
    after = with_lesions_on_ct(found, CtView(GRID, whole, job), job.run(), ScoringConfig())
    assert after.lesions.labels.labels == labels
    np.testing.assert_array_equal(after.lesions.labels.mask, on_pet.labels.mask)
    assert after.lesions.labels.geometry == on_pet.labels.geometry
    assert set(after.ct_lesions.labels.labels) | set(after.unseen_on_ct) == set(labels)


def job_of_three() -> OutlinesJob:
    """Three lesions: one that is two on CT, one that is one, and one that does not show."""
    left, right = (32.0, 44.0, 22.0), (56.0, 44.0, 22.0)
    alone, unseen = (30.0, 44.0, 60.0), (60.0, 44.0, 60.0)
    hu = np.where(ball(GRID, left, 12.5), 60.0, np.where(ball(GRID, right, 11.0), 140.0, 100.0))
    hu[ball(GRID, alone, 9.0)] = 60.0
    hu += 5.0 * np.random.default_rng(1).standard_normal(GRID.shape)
    labels = 3 * (ball(GRID, left, 13.0) | ball(GRID, right, 12.0)).astype(np.uint16)
    labels[ball(GRID, alone, 9.0)], labels[ball(GRID, unseen, 7.0)] = 5, 6
    ct, liver = Volume(hu.astype(np.float32), GRID, Quantity.HU), np.ones(GRID.shape, bool)
    return OutlinesJob(ct, LabelMap(labels, GRID), liver, CtLesionConfig(), frozenset({3, 5, 6}), 0.1, None, 8)


def test_lesions_looked_at_one_by_one_come_to_the_same_outlines():
    whole = job_of_three().run()
    assert whole.divided is not None
    assert set(whole.borders) == {3, 8, 5}
    assert set(whole.unseen) == {6}
    job = job_of_three()
    looks = {part: pickle.loads(pickle.dumps(job_of_three().do(part))) for part in range(job.parts)}
    for known in (looks, {1: looks[1]}, {}):
        found = job_of_three().merged(known)
        np.testing.assert_array_equal(found.labels.array, whole.labels.array)
        assert (found.borders, found.unseen) == (whole.borders, whole.unseen)
        assert found.divided is not None
        assert found.divided.lesion_of == whole.divided.lesion_of
        np.testing.assert_array_equal(found.divided.placed.array, whole.divided.placed.array)


def test_what_was_looked_at_is_not_looked_for_again(monkeypatch):
    job = job_of_three()
    looks = {part: job.do(part) for part in range(job.parts)}
    asked = []
    monkeypatch.setattr("dotaliver.segmentation.lesions.ct_outlines.site_of", lambda *_: asked.append("a site"))
    monkeypatch.setattr("dotaliver.segmentation.lesions.divided_lesions.bodies_on_ct", lambda *_: asked.append("two"))
    monkeypatch.setattr("dotaliver.segmentation.lesions.divided_lesions._outlines_of", lambda *_: None)
    job.merged(looks)
    assert not asked


def test_in_confluent_disease_no_lesion_is_a_part_of_the_work():
    assert job(0.5).parts == 1
    assert job(0.51).parts == 0
    assert job(0.51).merged({}).unseen == job(0.51).run().unseen
