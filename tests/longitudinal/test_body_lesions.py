"""Lesions outside the liver in a course: only where every scan was read and shows their places."""

from dataclasses import replace

import numpy as np
import pytest

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.body_lesions import FIRST_LABEL, body_not_followed, with_body_lesions
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from fixtures.body import BodyCase
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
