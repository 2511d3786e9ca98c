"""What the kidney's cortex continues into is no lesion; tumours beside the kidney are."""

from __future__ import annotations

import numpy as np
import pytest

from dotaliver.config.segmentation import LesionConfig
from dotaliver.segmentation.lesions.kidney_cortex import without_kidney_cortex
from dotaliver.segmentation.liver.parenchyma import Parenchyma
from fixtures.segmentations import GRID, MIDDLE, NORMAL, ball, pet

CONFIG = LesionConfig()
USUAL = Parenchyma(NORMAL, 0.1 * NORMAL)
CORTEX = 3.0 * NORMAL


def kidney(tumour=None, noise=0.1):
    """A hot cortex around a cold middle within liver, half of it found; and a tumour: offset, radius, uptake."""
    whole, activity = near(MIDDLE, 27.0), np.full(GRID.shape, NORMAL)
    activity[near(MIDDLE, 26.0)] = CORTEX
    activity[near(MIDDLE, 16.0)] = 0.4 * NORMAL
    if tumour is not None:
        activity[near(np.add(MIDDLE, (tumour[0], 0.0, 0.0)), tumour[1])] = tumour[2]
    columns = np.arange(whole.shape[2])[None, None, :]
    return pet(activity, noise, 1), whole & (columns >= whole.shape[2] // 2), whole


def near(centre_lps_mm, radius_mm):
    return ball(centre_lps_mm, radius_mm, subsamples=1) > 0


def test_the_rest_of_the_cortex_is_no_lesion():
    image, found, whole = kidney()
    labels = (whole & ~found & (image.array > 1.5 * NORMAL)).astype(np.uint16)
    assert labels.any()
    assert not without_kidney_cortex(labels, image, found, USUAL, CONFIG).any()


@pytest.mark.parametrize(
    ("offset_mm", "radius_mm", "uptake"),
    [
        # Hotter than the cortex, against it
        (-36.0, 11.0, 8.0 * NORMAL),
        # As hot, with liver between
        (-46.0, 9.0, CORTEX),
    ],
)
def test_a_tumour_beside_the_kidney_stays_and_is_numbered_anew(offset_mm, radius_mm, uptake):
    image, found, whole = kidney((offset_mm, radius_mm, uptake))
    centre = np.add(MIDDLE, (offset_mm, 0.0, 0.0))
    tumour, beyond_its_blur = near(centre, radius_mm), ~near(centre, radius_mm + 9.0)
    cortex = whole & ~found & beyond_its_blur & (image.array > 1.5 * NORMAL)
    labels = np.where(tumour, 2, np.where(cortex, 1, 0)).astype(np.uint16)
    left = without_kidney_cortex(labels, image, found, USUAL, CONFIG)
    np.testing.assert_array_equal(left, tumour)


def test_a_tumour_a_little_hotter_than_all_of_the_cortex_stays_where_it_lies_against_it():
    place = (-22.0, 11.0, 1.1 * CORTEX)
    image, found, _ = kidney(place, noise=0.02)
    tumour = near(np.add(MIDDLE, (place[0], 0.0, 0.0)), place[1]).astype(np.uint16)
    np.testing.assert_array_equal(without_kidney_cortex(tumour, image, found, USUAL, CONFIG), tumour)


def test_without_kidneys_nothing_changes():
    image, found, whole = kidney()
    labels = whole.astype(np.uint16)
    assert without_kidney_cortex(labels, image, np.zeros_like(found), USUAL, CONFIG) is labels
