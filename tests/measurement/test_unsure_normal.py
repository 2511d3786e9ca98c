"""Where the assumed normal liver may be tumour, the burden's interval includes that it is."""

import numpy as np
import pytest

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.placement import place
from dotaliver.measurement.unsure_normal import usual_uptake, with_higher_normal, with_unsure_normal
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Burden, Reference

GRID = Geometry((30, 30, 30), (0.0, 0.0, 0.0), (4.0,) * 3, ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
NONE_FOUND = Burden(fraction=0.0, low=0.0, high=0.02, tumour_ml=0.0, liver_ml=884.0)


def liver_of(*uptakes_and_shares):
    """A cube of liver in slabs of one uptake each, by share of its depth."""
    uptake, liver = np.zeros(GRID.shape, np.float32), np.zeros(GRID.shape, bool)
    liver[3:27, 3:27, 3:27] = True
    first = 3
    for suv, share in uptakes_and_shares:
        last = first + round(24 * share)
        uptake[3:27, 3:27, first:last] = suv
        first = last
    found = Segmentations(segmenter="test", liver=MaskLayer(LabelMap(liver, GRID), "pet", "test", 2.0), lesions=None)
    return Volume(uptake, GRID, Quantity.SUVBW), place(found, GRID)


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


def test_the_lower_end_counts_what_exceeds_the_most_common_uptake():
    # A core of 3 was taken as normal, and everything hotter as tumour; only a quarter exceeds the 5 of half the liver
    pet, placement = liver_of((3.0, 0.25), (5.0, 0.5), (12.0, 0.25))
    core = Reference(organ="liver", method="small_sphere", suv_mean=3.0, suv_sd=0.3, suv_max=3.5)
    usual = usual_uptake(pet, placement, core)
    assert usual == pytest.approx(5.0, rel=0.04)
    mostly = Burden(fraction=0.75, low=0.7, high=0.8, tumour_ml=660.0, liver_ml=884.0)
    wider = with_higher_normal(mostly, usual, pet, placement)
    assert wider.low == pytest.approx(0.25 * 0.7 / 0.75), "with the border as unsure as before"
    assert (wider.fraction, wider.high) == (0.75, 0.8)
    assert usual_uptake(pet, placement, core.model_copy(update={"method": "reader"})) is None


def test_a_lower_end_never_rises_and_stays_where_nothing_higher_may_be_normal():
    pet, placement = liver_of((3.0, 0.25), (5.0, 0.25), (12.0, 0.5))
    little = Burden(fraction=0.1, low=0.05, high=0.2, tumour_ml=88.0, liver_ml=884.0)
    assert with_higher_normal(little, 5.0, pet, placement).low == 0.05
    assert with_higher_normal(little, None, pet, placement) is little
