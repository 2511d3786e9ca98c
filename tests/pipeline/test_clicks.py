"""Lesions that a reader points at on CT: measured, added where none was known, or refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import ConfigError
from dotaliver.image.volume import Quantity, Volume
from dotaliver.pipeline.clicks import with_clicks
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import LesionClick, Reader, ReaderEdits
from dotaliver.records.masks import CtSearch, Mismatch, ReferenceRegion, Segmentations
from dotaliver.segmentation import clicked_lesions
from dotaliver.segmentation.clicked_lesions import click_site
from dotaliver.segmentation.lesions_on_ct import view_of_lesions, with_lesions_on_ct
from fixtures.arrays import ball, grid, layer, series, study

PET, CT = grid((40, 44, 44), (4.0, 4.0, 4.0)), grid((54, 176, 176), (3.0, 1.0, 1.0))
MIDDLE = np.array((86.0, 86.0, 80.0))
# The PET shows the liver 6 mm towards the feet.
SHIFT = (0.0, 0.0, -6.0)
HOT, COLD = np.add(MIDDLE, (30.0, 0.0, 0.0)), MIDDLE - (25.0, 10.0, 0.0)
CONFIG = ScoringConfig()


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(3)
    liver = ball(CT, MIDDLE, 70.0)
    hu = np.where(liver, 110.0, -80.0)
    for place, radius in ((HOT, 12.0), (COLD, 10.0)):
        hu[ball(CT, place, radius)] = 70.0
    hu[:, :, :6] = -1000.0
    hu += 9.0 * rng.standard_normal(CT.shape)
    suv = np.where(ball(PET, MIDDLE + SHIFT, 70.0), 5.0, 0.5) + 0.2 * rng.standard_normal(PET.shape)
    suv[ball(PET, HOT + SHIFT, 13.0)] = 20.0
    suv[ball(PET, COLD + SHIFT, 10.0)] = 2.0
    volumes = study(suv, PET, ct=series("CT", CT))
    return replace(volumes, ct=Volume(hu.astype(np.float32), CT, Quantity.HU))


@pytest.fixture(scope="module")
def found():
    hot = np.where(ball(PET, HOT + SHIFT, 14.0), 3, 0)
    return Segmentations(
        segmenter="test",
        liver=layer(ball(CT, MIDDLE, 70.0), CT, drawn_on="ct"),
        lesions=layer(hot, PET),
        references=(ReferenceRegion("liver", "sphere", tuple(MIDDLE + SHIFT - (0, 0, 35.0)), 30.0),),
        mismatch=Mismatch(shift_lps_mm=SHIFT, method="known"),
        ct_search=CtSearch(diameter_mm=15.0, liver_hu=110.0, noise_hu=9.0, visible_contrast_hu=15.0),
        unseen_on_ct={3: "made up for this test"},
    )


def clicked(images, found, *clicks):
    return with_clicks(images, found, clicks, CONFIG, lambda masks: masks)


def click(place, **more):
    return LesionClick(place_lps_mm=tuple(float(v) for v in place), **more)


def scored(images, found, *clicks):
    edits = ReaderEdits(clicks=clicks, reader=Reader(name="A. Reader", role="radiologist"))
    return score_labels(images, clicked(images, found, *clicks), edits, CONFIG)


def test_a_click_in_a_known_lesion_gives_it_the_diameter_that_the_search_refused(images, found):
    before, after = scored(images, found), scored(images, found, click(np.add(HOT, (4.0, 3.0, 0.0))))
    assert before.lesions[0].diameter_source == "pet"
    # Its uptake is that of a lesion of 26 mm, and no diameter
    assert before.lesions[0].least_size_mm == 20.0
    assert "not a RECIST diameter" in before.criteria["INC4"].reason
    assert after.lesions[0].least_size_mm is None
    (lesion,) = after.lesions
    assert (lesion.label, lesion.diameter_source) == (3, "click")
    assert lesion.longest_diameter_mm == pytest.approx(24.0, abs=2.0)
    assert lesion.short_axis_mm == pytest.approx(24.0, abs=2.5)
    low, high = lesion.diameter.interval_mm
    assert low <= 24.0 <= high
    assert lesion.diameter.slice_index == round(80 / 3)
    assert after.criteria["INC4"].verdict == "met"
    assert "click by A. Reader" in after.criteria["INC4"].reason
    assert after.segmentation.clicked[3].added is False
    assert "LESION_NOT_SEEN_ON_CT" not in {flag.code for flag in lesion.flags}


def test_a_click_in_a_lesion_that_the_search_measured_keeps_outline_axes_and_interval(images, found):
    searched = replace(found, unseen_on_ct={})
    view = view_of_lesions(images, searched, CONFIG)
    measured = with_lesions_on_ct(searched, view, view.job.run(), CONFIG)
    edits = ReaderEdits(reader=Reader(name="A. Reader", role="radiologist"))
    (before,) = score_labels(images, measured, edits, CONFIG).lesions
    assert before.diameter_source == "ct"
    (after,) = scored(images, measured, click(np.add(HOT, (3.0, -4.0, 0.0)))).lesions
    assert after.diameter_source == "click"
    for name in ("longest_mm", "short_mm", "interval_mm", "long_axis_lps_mm", "short_axis_lps_mm"):
        assert getattr(after.diameter, name) == getattr(before.diameter, name)
    assert "LESION_BORDER_PARTIAL" not in {flag.code for flag in after.flags}


def test_a_diameter_from_a_border_that_shows_only_in_part_says_so_and_limits_inclusion_4(images, found):
    there = click(np.add(HOT, (4.0, 3.0, 0.0)))
    masks = clicked(images, found, there)
    border = masks.ct_lesions.borders[3].model_copy(update={"partial": True, "seen_share": 0.6})
    masks = replace(masks, ct_lesions=replace(masks.ct_lesions, borders={3: border}))
    edits = ReaderEdits(clicks=(there,), reader=Reader(name="A. Reader", role="radiologist"))
    (lesion,) = score_labels(images, masks, edits, CONFIG).lesions
    (flag,) = (flag for flag in lesion.flags if flag.code == "LESION_BORDER_PARTIAL")
    assert "(60 % of it)" in flag.sentence
    assert "INC4" in flag.weakens


def test_a_click_where_no_lesion_is_known_adds_one_with_all_that_follows(images, found):
    before, after = scored(images, found), scored(images, found, click(COLD))
    assert [lesion.label for lesion in after.lesions] == [3, 4]
    added = after.lesions[1]
    assert added.diameter_source == "click"
    assert added.longest_diameter_mm == pytest.approx(20.0, abs=2.0)
    # The mask lies where the PET shows the place, and is no extent of uptake.
    assert added.centroid_lps_mm == pytest.approx(COLD + SHIFT, abs=2.0)
    assert added.pet_extent_mm is None
    assert added.in_liver is True
    assert added.suv_mean < 3.0
    assert "LESION_ADDED_BY_CLICK" in {flag.code for flag in added.flags}
    assert after.criteria["INC4"].verdict == "met"
    # A lesion on CT without uptake is for the reader to decide.
    assert before.criteria["EXC6"].liver_finding == "not_met"
    assert after.criteria["EXC6"].verdict == "indeterminate"
    assert "Lesion 4" in after.criteria["EXC6"].reason
    assert after.segmentation.lesions_complete == before.segmentation.lesions_complete


def test_a_lesion_that_was_known_keeps_its_voxels_and_numbers(images, found):
    after = clicked(images, found, click(COLD))
    assert np.array_equal(after.lesions.labels.array == 3, found.lesions.labels.array == 3)
    assert after.automatic is found
    # Without clicks, or with others, the earlier ones leave nothing behind.
    assert clicked(images, after) is found
    again = clicked(images, after, click(COLD))
    assert again.lesions.labels.sha256() == after.lesions.labels.sha256()


def test_the_reader_may_choose_the_number_of_an_added_lesion(images, found):
    assert clicked(images, found, click(COLD, label=9)).clicked[9].added
    with pytest.raises(ConfigError, match="below 901"):
        clicked(images, found, click(COLD, label=901))


def test_dragging_the_border_outwards_makes_the_diameter_larger(images, found):
    there = click(HOT, border_lps_mm=(tuple(np.add(HOT, (17.0, 0.0, 0.0))),))
    longer = scored(images, found, there).lesions[0]
    plain = scored(images, found, click(HOT)).lesions[0]
    assert longer.longest_diameter_mm == pytest.approx(plain.longest_diameter_mm + 5.0, abs=2.0)


def test_dragging_the_border_fits_the_outline_no_second_time(images, found, monkeypatch):
    site = click_site(images, found, CONFIG)
    plain = site.measure(click(HOT)).outline
    monkeypatch.setattr(clicked_lesions, "outline_around", None)
    dragged = site.measure(click(HOT, border_lps_mm=(tuple(np.add(HOT, (17.0, 0.0, 0.0))),))).outline
    assert np.count_nonzero(dragged.mask) > np.count_nonzero(plain.mask)
    np.testing.assert_array_equal(site.measure(click(HOT)).outline.mask, plain.mask)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ((0.0, 0.0, 5000.0), "lies outside the image"),
        ((2.0, 86.0, 80.0), "lies on air or lung"),
        ((160.0, 160.0, 80.0), "lies outside the liver"),
        (tuple(np.add(MIDDLE, (0.0, 40.0, 0.0))), "no border of a lesion is found"),
    ],
)
def test_a_place_from_which_nothing_can_be_measured_is_refused_in_one_sentence(images, found, place, sentence):
    with pytest.raises(ConfigError, match=sentence) as refusal:
        clicked(images, found, click(place))
    assert "\n" not in str(refusal.value)


def test_a_click_in_another_lesion_than_the_one_named_is_refused(images, found):
    with pytest.raises(ConfigError, match="lies in lesion 3, not in lesion 5"):
        clicked(images, found, click(HOT, label=5))


def test_two_clicks_in_one_lesion_are_refused(images, found):
    with pytest.raises(ConfigError, match="two clicks measure lesion 3"):
        clicked(images, found, click(HOT), click(np.add(HOT, (3.0, 0, 0))))


def test_without_a_liver_or_a_ct_no_lesion_can_be_pointed_at(images, found):
    with pytest.raises(ConfigError, match="the liver was not found"):
        clicked(images, replace(found, liver=None), click(HOT))
    with pytest.raises(ConfigError, match="there is no CT"):
        clicked(replace(images, ct=None), found, click(HOT))
