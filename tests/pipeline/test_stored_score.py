"""A stored score is opened as it was stored; what does not belong to its numbers is noticed."""

import json
import shutil

import numpy as np
import pydicom
import pytest

from dotaliver.errors import MaskError, StudyError
from dotaliver.pipeline import open_score, outcome_as_stored, read_record
from dotaliver.pipeline.score_labels import score_labels


@pytest.fixture
def folder(scored, tmp_path):
    """A copy of the score that a test may spoil."""
    return shutil.copytree(scored, tmp_path / "score")


def test_nothing_is_measured_when_a_score_is_opened(scored, monkeypatch):
    def never(*_given, **_options):
        raise AssertionError

    monkeypatch.setattr("dotaliver.pipeline.rescoring.score_labels", never)
    monkeypatch.setattr("dotaliver.pipeline.run.add_lesions_and_reference", never)
    outcome = outcome_as_stored(open_score(scored))
    assert outcome.score == read_record(scored)
    assert outcome.remarks == ()


def test_measuring_what_was_stored_gives_the_stored_record(scored):
    outcome = outcome_as_stored(open_score(scored))
    again = score_labels(outcome.opened.volumes, outcome.segmentations, outcome.score.edits, outcome.score.config)
    assert again.record_id == outcome.score.record_id


def test_numbers_of_another_mask_are_not_shown_as_those_of_this_one(folder):
    path = folder / "segmentation.dcm"
    seg = pydicom.dcmread(path)
    pixels = np.frombuffer(seg.PixelData, dtype=np.uint8).copy()
    used = np.flatnonzero(pixels)
    pixels[used[len(used) // 2 :]] = 0
    seg.PixelData = pixels.tobytes()
    seg.save_as(path)
    outcome = outcome_as_stored(open_score(folder))
    assert outcome.remarks == (
        "segmentation.dcm: this is not the mask that the record was made from, so everything was measured again.",
    )
    before = read_record(folder)
    assert outcome.score.provenance.revises == before.record_id
    assert outcome.score.record_id != before.record_id
    assert sum(n.volume_ml for n in outcome.score.lesions) < sum(n.volume_ml for n in before.lesions)


def test_a_missing_mask_is_refused_by_its_name(folder):
    (folder / "segmentation_ct.dcm").unlink()
    with pytest.raises(MaskError, match=r"segmentation_ct\.dcm"):
        outcome_as_stored(open_score(folder))


def test_other_images_are_refused(folder, copy):
    path = next(p for p in sorted(copy.rglob("*.dcm")) if pydicom.dcmread(p).Modality == "PT")
    image = pydicom.dcmread(path)
    pixels = image.pixel_array.copy()
    pixels[0, 0] += 1
    image.PixelData = pixels.tobytes()
    image.save_as(path)
    local = json.loads((folder / "local.json").read_text())
    (folder / "local.json").write_text(json.dumps({**local, "study": str(copy)}))
    with pytest.raises(StudyError, match="is not the one that was scored"):
        open_score(folder)
