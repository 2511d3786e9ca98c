"""The normal-liver sphere: calm, away from lesions and borders, never inside a tumour."""

import numpy as np
import pytest

from dotaliver.config.measurement import ReferenceConfig
from dotaliver.segmentation.liver.parenchyma import Parenchyma
from dotaliver.segmentation.liver.reference import find_liver_reference
from fixtures.segmentations import MIDDLE, NORMAL, ball, liver, pet, with_lesions

CONFIG = ReferenceConfig()
NORMAL_LIVER = Parenchyma(NORMAL, 0.4)


def reference(lesions, noise=0.1, share=None, seed=0):
    outlined = np.zeros(liver().shape, dtype=bool)
    for offset, radius, _ in lesions:
        outlined |= ball(MIDDLE + np.asarray(offset, dtype=float), radius) > 0.5
    share = liver() if share is None else share
    return find_liver_reference(
        pet(with_lesions(lesions), noise, seed), share.astype(np.float32), outlined, NORMAL_LIVER, CONFIG
    )


@pytest.mark.parametrize("seed", range(3))
def test_sphere_keeps_its_distances(seed):
    lesion = ((30.0, 0.0, 0.0), 14.0, 5 * NORMAL)
    region = reference([lesion], seed=seed)
    assert region.method == "sphere"
    assert region.diameter_mm == 30.0
    centre = np.array(region.centre_lps_mm)
    slack = 3.5  # distances are counted between voxel centres
    assert np.linalg.norm(centre - MIDDLE) <= 62.0 - 15.0 - CONFIG.border_margin_mm + slack
    assert np.linalg.norm(centre - MIDDLE - lesion[0]) >= 14.0 + 15.0 + CONFIG.lesion_margin_mm - slack


def test_smaller_sphere_where_lesions_leave_no_more_room():
    lesions = [((s * 34.0, 0.0, 0.0), 12.0, 4 * NORMAL) for s in (-1, 1)]
    lesions += [((0.0, s * 34.0, 0.0), 12.0, 4 * NORMAL) for s in (-1, 1)]
    lesions += [((0.0, 0.0, s * 40.0), 12.0, 4 * NORMAL) for s in (-1, 1)]
    region = reference(lesions)
    assert region.method == "small_sphere"
    assert region.diameter_mm < 30.0


def test_calm_place_inside_a_tumour_is_not_normal_liver():
    # The tumour was not outlined, and is the calmest place there is.
    activity = with_lesions([((0.0, 0.0, 0.0), 40.0, 3 * NORMAL)])
    nothing = np.zeros(liver().shape, dtype=bool)
    region = find_liver_reference(pet(activity, 0.05), liver().astype(np.float32), nothing, NORMAL_LIVER, CONFIG)
    assert np.linalg.norm(np.array(region.centre_lps_mm) - MIDDLE) > 40.0


def test_nothing_left_of_normal_liver_is_said():
    everywhere = liver() > 0.1
    region = find_liver_reference(
        pet(liver() * 4 * NORMAL), liver().astype(np.float32), everywhere, NORMAL_LIVER, CONFIG
    )
    assert region.method == "none"
    assert "too little" in region.reason
