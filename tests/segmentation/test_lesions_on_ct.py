"""Lesions brought to the CT: whose border is looked for there, and when there is none to find."""

from __future__ import annotations

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
