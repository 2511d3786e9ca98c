"""Candidates outside the liver are answered with one key each."""

from dataclasses import replace

import numpy as np
import pytest
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.body_list import BodyList
from qtpy.QtCore import Qt

from dotaliver.image.volume import LabelMap
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.body import BODY_PARTS, BodyCoverage, BodyFocus, BodySearch
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import MaskLayer


@pytest.fixture
def body(outcome):
    """A reading with two hand-made candidates outside the liver."""
    pet = outcome.opened.volumes.pet
    labels = np.zeros(pet.geometry.shape, np.uint16)
    labels[2:5, 2:5, 2:5], labels[-5:-2, -5:-2, -5:-2] = 1, 2
    foci = (
        BodyFocus(1, "skeleton, left femur", "bone", "metastasis", 0.9),
        BodyFocus(2, "ureter, right", "other", "physiological", 0.1, "It lies where the ureter runs."),
    )
    mask = MaskLayer(LabelMap(labels, pet.geometry), "pet", "body search", 1.5)
    search = BodySearch(foci, mask, (), BodyCoverage(BODY_PARTS), True)
    masks = replace(outcome.segmentations, body=search)
    score = score_labels(outcome.opened.volumes, masks, ReaderEdits(), outcome.score.config)
    return replace(outcome, score=score, segmentations=masks)


@pytest.fixture
def listed(body, qtbot):
    session = ReadingSession(body, None)
    widget = BodyList(session, lambda: session.sign("A Reader", "radiologist"))
    qtbot.addWidget(widget)
    return widget


def test_each_key_answers_and_goes_on(listed, qtbot):
    assert [listed.rows.item(row, 3).text() for row in (0, 1)] == ["unanswered", "unanswered"]
    with qtbot.waitSignal(listed.changed):
        qtbot.keyClick(listed.rows, Qt.Key.Key_A)
    assert listed.current.name == "B2"
    assert listed.why.text() == "It lies where the ureter runs."
    qtbot.keyClick(listed.rows, Qt.Key.Key_R)
    given = listed.session.edits.body.answers
    assert [(each.label, each.answer) for each in given] == [(1, "accepted"), (2, "rejected")]
    assert listed.rows.item(1, 3).text() == "rejected"
    qtbot.keyClick(listed.rows, Qt.Key.Key_Backspace)
    assert [each.label for each in listed.session.edits.body.answers] == [1]


def test_all_read_waits_for_every_answer(listed, qtbot):
    listed.all_read.click()
    assert not listed.all_read.isChecked()
    assert "B1 (skeleton, left femur) is unanswered" in listed.message.text()
    for key in (Qt.Key.Key_A, Qt.Key.Key_R):
        qtbot.keyClick(listed.rows, key)
    listed.all_read.click()
    assert listed.session.edits.body.all_read
    listed.session.remeasure()
    assert listed.session.score.body.scope == "body"
    assert [lesion.state for lesion in listed.lesions] == ["accepted", "rejected"]
