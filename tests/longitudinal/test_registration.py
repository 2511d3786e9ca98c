"""Scans of a patient on one grid: every lesion where it lies, however far from the liver."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.image.registration import Pose
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.registration import common_grid, place_scans
from fixtures.arrays import ball, grid
from longitudinal.test_assembly import loaded

WHOLE = grid((160, 60, 60), (4.0, 4.0, 4.0))
# In the pelvis and a thigh, below a liver at 520 mm.
FAR = {10001: (150.0, 120.0, 240.0), 10002: (150.0, 120.0, 60.0)}


def body_scan(number, shift_mm=0.0):
    made = loaded(number, (90, 14))
    labels = np.zeros(WHOLE.shape, dtype=np.uint16)
    labels[ball(WHOLE, (90.0, 120.0, 520.0), 14.0)] = 1
    for label, place in FAR.items():
        labels[ball(WHOLE, place, 12.0)] = label
    here = replace(WHOLE, origin_lps_mm=(0.0, 0.0, shift_mm))
    liver = ball(WHOLE, (120.0, 120.0, 520.0), 70.0).astype(np.uint8)
    return replace(made, lesions=LabelMap(labels, here), liver=LabelMap(liver, here))


@pytest.mark.parametrize("shift_mm", [0.0, 700.0])
def test_lesions_far_from_the_liver_keep_their_places(shift_mm):
    """Put at the nearest place around the liver, two lesions would be one, and any two would seem the same."""
    import SimpleITK as sitk

    moved = Pose(sitk.TranslationTransform(3, (0.0, 0.0, shift_mm)), 1.0)
    for placed in place_scans([body_scan(0), body_scan(1, shift_mm)], (None, moved)):
        assert set(placed.labels.labels) == {1, *FAR}
        for label, place in FAR.items():
            index = np.argwhere(placed.labels.array == label)
            assert placed.labels.geometry.index_to_lps(index).mean(axis=0) == pytest.approx(place, abs=1.5)


def test_lesions_of_the_liver_alone_need_no_more_than_its_surroundings():
    scan = loaded(0, (90, 14))
    (placed,) = place_scans([scan], (None,))
    assert placed.labels.geometry == common_grid(scan.liver)
