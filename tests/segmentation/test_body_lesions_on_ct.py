"""Diameters on CT of confirmed lesions outside the liver: known balls in fat, lung and muscle, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.filters import gaussian
from dotaliver.image.volume import Quantity, Volume
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.pipeline.run import clicked_in
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import BodyReading, ReaderEdits
from dotaliver.records.masks import Mismatch, Segmentations
from dotaliver.segmentation.body_lesions_on_ct import with_body_lesions_on_ct
from fixtures.arrays import ball, grid, layer, series, study
from fixtures.body import focus, search_on

CONFIG = ScoringConfig()
CT = grid((41, 100, 100), (3.0, 1.2, 1.2), (-60.0, -60.0, -60.0))
PET = grid((31, 31, 31), (4.0, 4.0, 4.0), (-60.0, -60.0, -60.0))
FAT, LUNG, MUSCLE, NODE, VESSEL = -100.0, -850.0, 55.0, 50.0, 60.0
MIDDLE = (0.0, 0.0, 0.0)


def scene(host=FAT, radius_mm=9.0, beside=None, seed=1):
    """A ball of soft tissue in one tissue, on a CT with blur and noise."""
    hu = np.full(CT.shape, host)
    if beside is not None:
        hu[beside] = VESSEL
    hu[ball(CT, MIDDLE, radius_mm)] = NODE
    hu = gaussian(hu.astype(np.float32), 0.6, CT) + np.random.default_rng(seed).normal(0, 10, CT.shape)
    return Volume(hu.astype(np.int16), CT, Quantity.HU)


def volumes_of(ct):
    made = study(np.ones(PET.shape), PET, ct=series("CT", CT, 3.0))
    return replace(made, ct=ct)


def masks_of(radius_mm=9.0, organ="lymph_node", place=MIDDLE):
    found = search_on(PET, ((place, radius_mm),), (focus(1, organ=organ),))
    liver = layer(ball(PET, (48.0, 48.0, 48.0), 10.0), PET)
    return Segmentations("made", liver, layer(np.zeros(PET.shape), PET), body=found)


def reading(*answers):
    return BodyReading.model_validate({"answers": list(answers)})


ACCEPTED = reading({"label": 1, "answer": "accepted"})


def measured(ct, masks, answers=ACCEPTED):
    return with_body_lesions_on_ct(volumes_of(ct), masks, answers, CONFIG)


def diameter_of(found):
    return longest_diameter(found.body_on_ct.labels, "ct", found.body_on_ct.borders[1]).diameter


@pytest.mark.parametrize("host", [FAT, LUNG])
@pytest.mark.parametrize("radius_mm", [5.0, 9.0, 16.0])
def test_the_interval_holds_the_diameter_of_a_ball(host, radius_mm):
    diameter = diameter_of(measured(scene(host, radius_mm), masks_of(radius_mm)))
    low, high = diameter.interval_mm
    assert low <= 2 * radius_mm <= high
    assert high - low < 8.0
    assert abs(diameter.short_mm - 2 * radius_mm) <= (high - low) / 2


def test_a_vessel_that_touches_a_node_is_not_part_of_it():
    """A tube of 6 mm along the rows, as dense as the node, which it touches."""
    rows, columns = np.arange(100) * 1.2 - 60.0, np.arange(100) * 1.2 - 60.0
    tube = np.zeros(CT.shape, dtype=bool)
    tube[19:23, :, :] = (np.abs(rows)[:, None] < 3.0) & (columns > 0)[None, :]
    diameter = diameter_of(measured(scene(beside=tube), masks_of()))
    low, high = diameter.interval_mm
    assert low <= 18.0 <= high
    assert diameter.longest_mm < 23.0


def test_a_lesion_is_found_where_breathing_left_it():
    """Its uptake lies 6 mm lower on the PET: near the liver the same shift holds, far from it none."""
    masks = masks_of(place=(0.0, 0.0, -6.0))
    found = measured(scene(), replace(masks, mismatch=Mismatch(shift_lps_mm=(0.0, 0.0, -6.0), method="made")))
    assert diameter_of(found).longest_mm == pytest.approx(18.0, abs=2.5)


@pytest.mark.parametrize(
    ("host", "organ", "why"),
    [
        (MUSCLE, "soft_tissue", "does not stand out from the soft tissue around it"),
        (FAT, "bone", "it lies in bone"),
    ],
)
def test_what_does_not_show_a_border_has_a_reason_instead(host, organ, why):
    found = measured(scene(host), masks_of(organ=organ))
    assert found.body_on_ct is None or not found.body_on_ct.labels.labels
    assert why in found.body_unseen_on_ct[1]


def test_uptake_in_plain_fat_is_not_measured():
    found = measured(scene(radius_mm=0.1), masks_of())
    assert "nothing denser than the tissue around it" in found.body_unseen_on_ct[1]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        reading({"label": 1, "answer": "rejected"}),
        reading(
            {"label": 1, "answer": "accepted", "diameter": {"long_axis_lps_mm": [[-9.0, 0.0, 0.0], [9.0, 0.0, 0.0]]}}
        ),
    ],
)
def test_only_what_a_reader_confirmed_and_did_not_measure_is_outlined(answer):
    found = measured(scene(), masks_of(), answer)
    assert found.body_on_ct is None
    assert not found.body_unseen_on_ct


def test_an_outline_goes_when_the_answer_is_taken_back():
    once = measured(scene(), masks_of())
    assert measured(scene(), once, None).body_on_ct is None


def scored(ct, masks, **answer):
    edits = ReaderEdits.model_validate(
        {"reader": {"name": "A. Reader", "role": "radiologist"},
         "body": {"answers": [{"label": 1, "answer": "accepted"} | answer]}}
    )  # fmt: skip
    volumes = volumes_of(ct)
    found = clicked_in(volumes, masks, edits, CONFIG)
    return score_labels(volumes, found, edits, CONFIG)


@pytest.mark.parametrize(
    ("radius_mm", "organ", "verdict"),
    [
        # A node is measurable from a short axis of 15 mm on, another lesion from 10 mm on.
        (11.0, "lymph_node", "met"),
        (6.0, "lymph_node", "indeterminate"),
        (8.0, "soft_tissue", "met"),
        (11.0, "bone", "indeterminate"),
    ],
)
def test_inclusion_4_follows_what_was_measured(radius_mm, organ, verdict):
    score = scored(scene(radius_mm=radius_mm), masks_of(radius_mm, organ))
    assert score.criteria["INC4"].verdict == verdict
    lesion = score.body.lesions[0]
    if organ == "bone":
        assert lesion.diameter_source == "pet"
        assert {"BODY_LESION_NOT_MEASURED"} <= {flag.code for flag in lesion.flags}
    else:
        assert lesion.diameter_source == "ct"
        assert lesion.diameter.interval_mm is not None


def test_a_readers_own_diameter_wins():
    drawn = {"long_axis_lps_mm": [[-7.0, 0.0, 0.0], [7.0, 0.0, 0.0]]}
    lesion = scored(scene(), masks_of(organ="soft_tissue"), diameter=drawn).body.lesions[0]
    assert (lesion.diameter_source, lesion.longest_diameter_mm) == ("reader", 14.0)
