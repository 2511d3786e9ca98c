"""Unsaved edits that outlive a crash."""

from __future__ import annotations

import stat
import sys

import pytest
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.recovery import KEPT_EVERY_MS, RecoveryBanner, RecoveryFile

from dotaliver.errors import FileFormatError


@pytest.fixture
def edited(session) -> ReadingSession:
    """A reading with a lesion deleted, one marked, and a reader."""
    session.sign("A Reader", "radiologist")
    session.delete_lesion(session.lesions.labels[0])
    session.mark_lesion(session.lesions.labels[1], "treated")
    return session


def test_at_most_a_minute_is_lost():
    assert KEPT_EVERY_MS <= 60_000


def test_crashed_reading_is_offered_and_taken_up(qtbot, outcome, edited, tmp_path):
    banner = RecoveryBanner(edited, tmp_path)
    qtbot.addWidget(banner)
    assert not banner.offering
    banner._timer.setInterval(10)
    qtbot.waitUntil(banner.file.path.exists, timeout=300_000)
    banner.close_down()  # as if the program had ended here

    again = ReadingSession(outcome)
    offer = RecoveryBanner(again, tmp_path)
    qtbot.addWidget(offer)
    assert offer.offering
    assert "not saved" in offer.words.text()
    offer.take_up_button.click()
    assert not offer.offering
    assert again.lesions.labels == edited.lesions.labels
    assert again.edits == edited.edits
    assert again.dirty
    again.remeasure()
    edited.remeasure()
    assert again.score.record_id == edited.score.record_id


def test_waiting_offer_is_not_written_over(qtbot, outcome, edited, tmp_path):
    RecoveryFile(outcome.score, tmp_path).keep(edited.state)
    again = ReadingSession(outcome)
    offer = RecoveryBanner(again, tmp_path)
    qtbot.addWidget(offer)
    again.mark_lesion(again.lesions.labels[0], "simple_cyst")
    offer.keep()
    assert offer.file.find().state() == edited.state
    offer.discard_button.click()
    assert not offer.file.path.exists()
    offer.keep()
    assert offer.file.find().state() == again.state


def test_nothing_is_kept_of_what_was_saved_or_undone(qtbot, edited, tmp_path, masks_only):
    banner = RecoveryBanner(edited, tmp_path / "state")
    qtbot.addWidget(banner)
    banner.keep()
    assert banner.file.path.exists()
    edited.save(tmp_path / "read")
    assert not banner.file.path.exists()
    banner.keep()
    assert not banner.file.path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX's")
def test_only_the_user_may_read_it(outcome, edited, tmp_path):
    kept = RecoveryFile(outcome.score, tmp_path / "state")
    kept.keep(edited.state)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert [p.name for p in kept.path.parent.iterdir()] == [kept.path.name], "no half-written file stays"


def test_edits_of_another_scoring_or_damaged_ones_are_refused(qtbot, outcome, edited, tmp_path):
    kept = RecoveryFile(outcome.score, tmp_path)
    kept.keep(edited.state)
    other = outcome.score.model_copy(update={"record_id": "0" * 64})
    with pytest.raises(FileFormatError, match="another scoring"):
        RecoveryFile(other, tmp_path).find()
    text = kept.path.read_text()
    kept.path.write_text(text.replace(outcome.score.study.pet.pixel_sha256, "0" * 64))
    with pytest.raises(FileFormatError, match="other images"):
        kept.find()
    kept.path.write_text("{")
    banner = RecoveryBanner(ReadingSession(outcome), tmp_path)
    qtbot.addWidget(banner)
    assert "damaged" in banner.words.text()
    assert banner.take_up_button.isHidden()
    banner.discard_button.click()
    assert not kept.path.exists()


def test_mask_that_does_not_inflate_is_refused(outcome, edited, tmp_path, qtbot):
    kept = RecoveryFile(outcome.score, tmp_path)
    state = edited.state
    broken = PackedLabels(state.lesions.shape, state.lesions.start, state.lesions.size, b"nothing of zlib")
    kept.keep(type(state)(None, broken, state.edits))
    fresh = ReadingSession(outcome)
    banner = RecoveryBanner(fresh, tmp_path)
    qtbot.addWidget(banner)
    banner.take_up_button.click()
    assert "damaged" in banner.words.text()
    assert not fresh.dirty
