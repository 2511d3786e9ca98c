"""Form controls change by deliberate acts alone: wheel, focus and stray keys enter nothing into a reading."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
from fixtures.desk import activate
from napari_dotaliver.widgets.deliberate import ChoiceBox, NumberBox, WholeNumberBox
from qtpy import sip
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QMessageBox, QWidget

STRAY = "apny2"
STEPS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End)


def turn_wheel(widget: QWidget, steps: int) -> None:
    """Turn the mouse wheel over the middle of a widget."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(widget.rect().center())),
        QPoint(0, 0),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


@pytest.fixture
def box(qtbot) -> ChoiceBox:
    """Three entries, none chosen yet but the first."""
    box = ChoiceBox()
    qtbot.addWidget(box)
    box.addItems(["open", "absent", "present"])
    box.show()
    box.setFocus()
    return box


def test_neither_wheel_nor_stray_keys_choose(box, qtbot):
    told = []
    box.activated.connect(told.append)
    for steps in (1, -1, 5, -5):
        turn_wheel(box, steps)
    for letter in "ap":
        qtbot.keyClick(box, letter)
    for key in STEPS:
        qtbot.keyClick(box, key)
    assert (box.currentIndex(), told) == (0, [])


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_F4])
def test_the_keyboard_opens_the_list_and_chooses_in_it(box, qtbot, key):
    told = []
    box.activated.connect(told.append)
    qtbot.keyClick(box, key)
    view = box.view()
    qtbot.waitUntil(view.isVisible)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert (box.currentIndex(), told) == (1, [1])
    qtbot.keyClick(box, key)
    qtbot.waitUntil(view.isVisible)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert (box.currentIndex(), told) == (1, [1])


def test_an_editable_box_takes_text_and_no_steps(box, qtbot):
    box.setEditable(True)
    box.setCurrentText("")
    qtbot.keyClicks(box, "absent from work")
    qtbot.keyClick(box, Qt.Key.Key_Down)
    turn_wheel(box, -1)
    assert box.currentText() == "absent from work"


@pytest.mark.parametrize("kind", [NumberBox, WholeNumberBox])
def test_the_wheel_changes_no_number(qtbot, kind):
    number = kind()
    qtbot.addWidget(number)
    number.setValue(12)
    number.show()
    number.setFocus()
    turn_wheel(number, 3)
    assert number.value() == 12


@pytest.fixture
def desk(kept):
    """A reading in a window, with a name given."""
    kept.give()
    kept.desk.session.sign("A Reader", "radiologist")
    QApplication.processEvents()
    # A proxy: pytest holds what a test was given until everything is torn down, and with it the whole window.
    return weakref.proxy(kept.desk)


def living(parent: QWidget, kind: type[QWidget]) -> Iterator[QWidget]:
    """Visible children, without those that Qt deletes while they are gone through.

    Python does not learn that a widget which Qt itself made is deleted; touching it would end the program.
    """
    for child in parent.findChildren(kind):
        there = {sip.unwrapinstance(other) for other in parent.findChildren(kind)}
        if sip.unwrapinstance(child) in there and child.isVisible():
            yield child


def test_no_accident_over_any_widget_enters_the_reading(desk, qtbot):
    state, tab = desk.session.state, desk.tabs.currentIndex()
    controls = 0
    for page in range(desk.tabs.count()):
        desk.tabs.setCurrentIndex(page)
        QApplication.processEvents()
        for widget in living(desk, QWidget):
            controls += isinstance(widget, QComboBox | QAbstractSpinBox)
            for steps in (1, -1):
                turn_wheel(widget, steps)
            # Keys that a panel does not take move the image, which is no accident but slow.
            if isinstance(widget, QComboBox | QAbstractButton):
                widget.setFocus()
                for key in STEPS[:2]:
                    QTest.keyClick(widget, key)
        for box in living(desk, QComboBox):
            if not box.isEditable():
                box.setFocus()
                for letter in STRAY:
                    QTest.keyClick(box, letter)
        QApplication.processEvents()
    assert controls > 10, "the forms were there"
    assert desk.session.state is state
    desk.tabs.setCurrentIndex(tab)
    turn_wheel(desk.tabs.tabBar(), -1)
    assert desk.tabs.currentIndex() == tab


def test_the_reading_asks_who_reads_and_shows_whose_study_it_is(desk, outcome, qtbot):
    assert not desk.reader_box.isVisible(), "somebody has signed"
    assert outcome.opened.volumes.patient_id in desk.patient.words.text()
    assert outcome.score.study.study_date in desk.patient.words.text()
    name = str(outcome.opened.sources.pet_headers[0].PatientName).split("^")[0]
    assert name not in desk.patient.words.text()
    desk.patient.name_button.click()
    assert name in desk.patient.words.text()


def test_leaving_saves_first_where_the_reader_says_so(desk, tmp_path, qtbot, monkeypatch, masks_only):
    left = []
    desk.confirm.folder = tmp_path / "read"
    desk.session.mark_lesion(desk.session.score.lesions[0].label, "treated")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Save)
    with qtbot.waitSignal(desk.confirm.saved, timeout=300_000):
        assert not desk.may_leave(lambda: left.append(True))
        assert left == []
    qtbot.waitUntil(lambda: left == [True])
    assert not desk.session.dirty


def test_leaving_without_a_name_stays_and_says_why(desk, qtbot, monkeypatch):
    desk.session._signed_in = None
    desk.reader_box.name.clear()
    desk.session.mark_lesion(desk.session.score.lesions[0].label, "treated")
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Save)
    left = []
    assert not desk.may_leave(lambda: left.append(True))
    assert "name and role" in desk.confirm.message.text()
    assert left == []


def test_ctrl_s_saves_the_reading(desk, tmp_path, qtbot, masks_only):
    desk.confirm.folder = tmp_path / "read"
    window = desk.window()
    activate(window, qtbot)
    with qtbot.waitSignal(desk.confirm.saved, timeout=300_000):
        QTest.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert (tmp_path / "read" / "score.json").exists()
