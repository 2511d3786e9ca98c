"""Lesions brought to the CT: whose border is looked for there, and when there is none to find."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.segmentation.lesions_on_ct import OutlinesJob
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
