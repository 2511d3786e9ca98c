"""Candidates outside the liver are answered with one key each."""

import pytest
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.body_list import BodyList
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication


@pytest.fixture
def listed(body, qtbot):
    session = ReadingSession(body, None)
    widget = BodyList(session, lambda: session.sign("A Reader", "radiologist"))
    qtbot.addWidget(widget)
    return widget


def test_each_key_answers_and_goes_on(listed, qtbot):
    assert [listed.rows.item(row, 1).text() for row in (0, 1)] == ["unanswered", "unanswered"]
    with qtbot.waitSignal(listed.changed):
        qtbot.keyClick(listed.rows, Qt.Key.Key_A)
    assert listed.current.name == "B2"
    assert listed.why.text() == "It lies where the ureter runs."
    qtbot.keyClick(listed.rows, Qt.Key.Key_R)
    given = listed.session.edits.body.answers
    assert [(each.label, each.answer) for each in given] == [(1, "accepted"), (2, "rejected")]
    assert listed.rows.item(1, 1).text() == "rejected"
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


def test_a_lesion_is_added_by_a_click_named_and_removed_by_key(listed, qtbot):
    session = listed.session
    first, second = (lesion.centroid_lps_mm for lesion in listed.lesions)
    place = (first[0], second[1], second[2])
    listed.add_at(place)
    assert "size_mm" not in listed.message.text()
    assert "no border" in listed.message.text()
    assert session.edits.body is None, "without a border and a size there is no lesion"
    listed.by_size.setChecked(True)
    listed.add_button.click()
    with qtbot.waitSignal(listed.changed):
        listed.add_at(place)
    assert not listed.add_button.isChecked()
    last = listed.rows.rowCount() - 1
    assert [listed.rows.item(last, column).text() for column in (0, 1)] == ["new", "added"]
    session.remeasure()
    listed.show_reading()
    assert [listed.rows.item(last, column).text() for column in (0, 1)] == ["B3", "added"]
    listed.rows.setCurrentCell(last, 0)
    assert listed.organ.isEnabled()
    assert listed.reject_button.text() == "Remove (R)"
    qtbot.keyClick(listed.rows, Qt.Key.Key_A)
    assert len(session.edits.body.added) == 1
    qtbot.keyClick(listed.rows, Qt.Key.Key_R)
    assert session.edits.body is None
    assert listed.rows.rowCount() == last


def test_the_wheel_over_the_list_changes_no_organ_and_adds_nothing(listed, qtbot):
    qtbot.keyClick(listed.rows, Qt.Key.Key_A)
    listed.rows.setCurrentCell(0, 0)
    before, organ = listed.session.state, listed.organ.currentText()
    for part in (listed.organ, listed.size_mm, listed.rows, listed.add_button):
        middle = QPointF(part.rect().center())
        event = QWheelEvent(
            middle, middle, QPoint(0, 0), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(part, event)
        part.setFocus()
    assert listed.session.state is before
    assert listed.organ.currentText() == organ
