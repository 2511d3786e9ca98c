"""A click on an MR: the border as on CT, without any rule of densities, and refusals in the words of an MR."""

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError, QuantityError
from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.records.edits import LesionClick
from dotaliver.records.masks import ImageRegistration
from dotaliver.segmentation.clicked_lesions import ClickSite
from dotaliver.segmentation.clicks_on_mr import in_words_of_mr, liver_contrast, pose_of
from fixtures.arrays import AXIAL

GRID = Geometry((22, 90, 90), (0.0, 0.0, 0.0), (4.0, 1.4, 1.4), AXIAL)
MIDDLE = np.array((62.0, 62.0, 42.0))
PLACES = GRID.index_to_lps(np.stack(np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij"), axis=-1))
LIVER = (((PLACES - MIDDLE) / (48.0, 48.0, 34.0)) ** 2).sum(axis=-1) <= 1
BODY = np.hypot(PLACES[..., 0] - 62.0, PLACES[..., 1] - 62.0) <= 56.0


def site(lesion, radius_mm=11.0, seed=0):
    """An MR of a liver of signal 800 with a ball of another signal, brighter near a coil, and air around the body."""
    away = np.linalg.norm(PLACES - MIDDLE, axis=-1)
    share = np.clip(0.5 + (radius_mm - away) / 1.5, 0, 1)
    signal = np.where(LIVER, 800.0 + share * (lesion - 800.0), np.where(BODY, 300.0, 0.0))
    signal *= 1 + 0.1 * (PLACES[..., 0] - 62.0) / 62.0
    signal = np.abs(signal + 35.0 * np.random.default_rng(seed).standard_normal(GRID.shape) * np.where(BODY, 1, 0.1))
    mr = Volume(signal.astype(np.float32), GRID, Quantity.MR_SIGNAL)
    none = LabelMap(np.zeros(GRID.shape, np.uint16), GRID)
    contrast = liver_contrast(mr, LIVER)
    return ClickSite(mr, LIVER, none, none, None, frozenset(), False, None, ScoringConfig(), contrast=contrast)


def place(*lps_mm):
    return LesionClick(place_lps_mm=tuple(float(v) for v in lps_mm))


@pytest.mark.parametrize("signal", [350.0, 1500.0])
def test_a_dark_and_a_bright_lesion_have_their_diameter_within_two_millimetres(signal):
    there = site(signal)
    clicked = there.measure(place(*MIDDLE))
    found = longest_diameter(clicked.own(there), "click", clicked.outline.border).diameter
    assert found.longest_mm == pytest.approx(22.0, abs=2.0)
    low, high = found.interval_mm
    assert low <= 22.0 <= high
    assert found.short_mm == pytest.approx(22.0, abs=3.0)
    assert clicked.outline.border.dense_share is None, "a bright lesion on MR holds no lipiodol for that"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((1.0, 1.0, 42.0), "lies on air or lung (without signal)"),
        ((62.0, 114.0, 42.0), "lies outside the liver"),
        ((62.0, 62.0, 900.0), "lies outside the image"),
        ((90.0, 62.0, 42.0), "signal"),
    ],
)
def test_what_holds_no_lesion_is_refused_in_one_sentence_without_densities(where, words):
    with pytest.raises(ConfigError) as refusal:
        site(800.0).measure(place(*where))
    said = str(refusal.value)
    assert words in said
    assert "HU" not in said
    assert len(said.splitlines()) == 1


def test_only_an_mr_is_scaled_and_only_by_a_liver_that_varies():
    flat = Volume(np.full(GRID.shape, 500.0, np.float32), GRID, Quantity.MR_SIGNAL)
    with pytest.raises(ConfigError, match="does not vary"):
        liver_contrast(flat, LIVER)
    with pytest.raises(ConfigError, match="shows no liver"):
        liver_contrast(flat, np.zeros_like(LIVER))
    with pytest.raises(QuantityError):
        liver_contrast(flat.with_array(flat.array, Quantity.HU), LIVER)


def test_the_recorded_registration_is_the_transform_that_brings_the_liver():
    turn = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    known = ImageRegistration(
        series_instance_uid="1.2", onto="ct", rotation=turn, offset_lps_mm=(5.0, -3.0, 8.0),
        measure="mutual_information", similarity=0.4,
    )  # fmt: skip
    points = [(10.0, 20.0, 30.0), (-4.0, 7.0, 0.5)]
    np.testing.assert_allclose(pose_of(known).places(points), known.places(points))


def test_reasons_speak_of_signal():
    said = in_words_of_mr("its density (99 HU) does not stand out from the liver around it (114 HU, SD 9) on CT")
    assert said == "its signal does not stand out from the liver around it on the MR"
