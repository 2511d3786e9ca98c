"""Where the assumed normal liver may be tumour, the burden's interval includes that it is."""

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.placement import place
from dotaliver.measurement.unsure_normal import with_unsure_normal
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Burden, Reference

GRID = Geometry((30, 30, 30), (0.0, 0.0, 0.0), (4.0,) * 3, ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
NONE_FOUND = Burden(fraction=0.0, low=0.0, high=0.02, tumour_ml=0.0, liver_ml=884.0)


def interval_end(normal_suv, method="sphere", burden=NONE_FOUND):
    # A tenth of the liver takes up 5, the rest 11
    uptake, liver = np.zeros(GRID.shape, np.float32), np.zeros(GRID.shape, bool)
    liver[3:27, 3:27, 3:27] = True
    uptake[liver] = 11.0
    uptake[3:27, 3:27, 3:7] = 5.0
    pet = Volume(uptake, GRID, Quantity.SUVBW)
    found = Segmentations(segmenter="test", liver=MaskLayer(LabelMap(liver, GRID), "pet", "test", 2.0), lesions=None)
    normal = Reference(organ="liver", method=method, suv_mean=normal_suv, suv_sd=0.5, suv_max=7.0)
    return with_unsure_normal(burden, pet, place(found, GRID), normal).high


def test_the_upper_end_counts_what_exceeds_the_lower_part():
    # Of 22 voxels across that lie deeper than the blur, 3 belong to the lower part
    assert interval_end(11.0) == pytest.approx(1 - 3 / 22, abs=0.02)


def test_an_interval_never_shrinks():
    assert interval_end(11.0, burden=NONE_FOUND.model_copy(update={"high": 0.97})) == 0.97


def test_a_reference_that_a_reader_placed_is_normal():
    assert interval_end(11.0, method="reader") == NONE_FOUND.high
