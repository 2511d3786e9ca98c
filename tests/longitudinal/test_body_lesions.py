"""Lesions outside the liver in a course: only where every scan was read and shows their places."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.export.report.tables import target_rows
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.baseline_targets import proposed_targets
from dotaliver.longitudinal.body_lesions import FIRST_LABEL, body_not_followed, with_body_lesions
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from fixtures.arrays import series
from fixtures.body import BodyCase, focus
from fixtures.courses import RULES
from longitudinal.test_assembly import loaded


@pytest.fixture(scope="module")
def made():
    case = BodyCase()
    body = {"answers": [{"label": 1, "answer": "accepted"}], "all_read": True}
    edits = ReaderEdits.model_validate({"reader": {"name": "A. Reader"}, "body": body})
    return case, score_labels(case.volumes(), case.segmentations(), edits, ScoringConfig())


def scan_of(made, number, *, scope="body", from_slice=0):
    """A scan with B1 near the lower end of the images, which may begin above it."""
    case, score = made
    kept = (slice(from_slice, None), slice(None), slice(None))
    part = case.search.mask.labels.crop(kept)
    none = part.with_array(np.zeros(part.geometry.shape, dtype=np.uint16))
    liver = np.zeros(case.geometry.shape, dtype=np.uint8)
    liver[tuple(n // 2 for n in liver.shape)] = 1
    record = score.model_copy(update={"body": score.body.model_copy(update={"scope": scope})})
    whole = LabelMap(liver, case.geometry).crop(kept)
    return replace(loaded(number), score=record, liver=whole, lesions=none, body=part)


def test_confirmed_lesions_enter_under_labels_of_their_own(made):
    scans = [scan_of(made, 0), scan_of(made, 1)]
    assert body_not_followed(scans) == ()
    for scan in with_body_lesions(scans):
        assert FIRST_LABEL + 1 in scan.lesions.labels
        assert FIRST_LABEL + 1 in {lesion.label for lesion in scan.score.lesions}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"scope": "liver"}, "was not read on every scan"), ({"from_slice": 12}, "lesion B1 of scan 1 lies outside the")],
)
def test_what_another_scan_does_not_show_is_neither_new_nor_gone(made, changes, words):
    scans = [scan_of(made, 0), scan_of(made, 1, **changes)]
    (warning,) = body_not_followed(scans)
    assert words in warning
    assert all(FIRST_LABEL + 1 not in scan.lesions.labels for scan in with_body_lesions(scans))


# Through the middle of the ball B1: 24 mm along x, and 17 mm across.
DRAWN = {
    "long_axis_lps_mm": [[6.0, 18.0, 18.0], [30.0, 18.0, 18.0]],
    "short_axis_lps_mm": [[18.0, 9.5, 18.0], [18.0, 26.5, 18.0]],
}


@pytest.mark.parametrize(("organ", "size_mm", "location"), [("lymph_node", 17.0, "LYMPH NODE"), ("bone", 24.0, "BONE")])
def test_a_drawn_diameter_outside_the_liver_reaches_the_targets_and_their_sum(organ, size_mm, location):
    case = BodyCase(foci=(focus(1, organ=organ, region="somewhere"),))
    body = {"answers": [{"label": 1, "answer": "accepted", "diameter": DRAWN}], "all_read": True}
    edits = ReaderEdits.model_validate({"reader": {"name": "A. Reader"}, "body": body})
    score = score_labels(
        case.volumes(ct=series("CT", case.geometry, 3.0)), case.segmentations(), edits, ScoringConfig()
    )
    (lesion,) = score.body.lesions
    assert (lesion.diameter_source, lesion.longest_diameter_mm, lesion.short_axis_mm) == ("reader", 24.0, 17.0)
    proposed = proposed_targets(score)
    assert (proposed.targets, proposed.sum_mm) == (("B1",), size_mm)
    assert target_rows(score)[0][:3] == ("B1", "24 × 17 mm (reader)", "yes")
    scans = []
    for n in (0, 1):
        made = scan_of((case, score), n)
        scans.append(replace(made, score=made.score.model_copy(update={"study": loaded(n).score.study})))
    (reading,) = assemble(scans, None, (), RULES, lambda _: None).course.readings
    assert [(one.role, one.organ) for one in reading.lesions] == [("target", location)]
    assert [point.targets.sum_mm for point in reading.time_points] == [size_mm, size_mm]
