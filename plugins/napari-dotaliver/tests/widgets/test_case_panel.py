"""A central reading at the desk: answers before the score is shown, the code alone, saving, signing, the next case."""

from __future__ import annotations

import weakref

import pytest
from fixtures.desk import PATIENCE_MS, activate, close
from napari_dotaliver.widgets.case_panel import CasePanel
from napari_dotaliver.widgets.desk import Desk
from napari_dotaliver.widgets.start import desk_of
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from dotaliver.agreement.central import CentralReading
from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.pipeline.reading_plan import PlanOptions, plan_reading


@pytest.fixture
def reading(scored, tmp_path) -> CentralReading:
    """One scan, read twice by each reader, blinded to the automatic answers."""
    root = tmp_path / "cohort"
    root.mkdir()
    (root / "one").symlink_to(scored, target_is_directory=True)
    return plan_reading(root, tmp_path / "reading", PlanOptions(("A", "B"), "C", None, 7, True, 1))


@pytest.fixture
def desk(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 768)
    desk = weakref.proxy(desk_of(viewer))
    QApplication.processEvents()
    yield desk
    close(viewer)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """Every question that is asked; it is answered with yes."""
    questions = []

    def yes(_parent, title, *_):
        questions.append(title)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", yes)
    return questions


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def press_key(desk: Desk, key: Qt.Key, qtbot) -> None:
    """A key with Ctrl, in the desk's own window."""
    activate(desk.window(), qtbot)
    QTest.keyClick(desk.window(), key, Qt.KeyboardModifier.ControlModifier)


def choose(box, text: str) -> None:
    """Choose an entry as a person does; the list of an offscreen combo box cannot be clicked reliably."""
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex())


def answer_from_images(desk: Desk, reading: CentralReading, asked: list[str], qtbot) -> None:
    panel: CasePanel = desk.case
    code = panel.case.case.code
    assert desk.patient.words.text() == f"Case {code}"
    assert not desk.patient.name_button.isVisible()
    assert desk.session is None and desk.table.table.rowCount() == 0, "the automatic answers are shown"
    QTest.keyClick(desk.window(), Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    desk.score()
    assert not desk.scoring.busy and not desk.score_button.isEnabled()
    box = next(iter(panel.questions._choices.values()))
    QTest.mouseMove(box, QPoint(5, 5))
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert panel.questions.verdicts == {}
    press(panel.answer_button)
    assert "name and role" in panel.message.text() and asked == []
    panel.questions.name.setFocus()
    QTest.keyClicks(panel.questions.name, "Anna Abel")
    press(panel.answer_button)
    assert "at least one criterion" in panel.message.text() and asked == []
    choose(box, box.itemText(2))
    panel.questions.burden.setValue(20)
    assert not reading.state().answered(code, "A")
    with qtbot.waitSignal(desk.scored, timeout=PATIENCE_MS):
        press_key(desk, Qt.Key.Key_Return, qtbot)
    event = reading.state().of("answered", case=code, reader="A")[0].event
    assert event.answers["burden"] == "20 %" and len(event.answers) == 2


def test_a_blinded_case_is_answered_read_signed_and_the_next_one_opened(desk, reading, asked, masks_only, qtbot):
    with qtbot.waitSignal(desk.opened_study, timeout=PATIENCE_MS):
        desk.open_case(DeskCase.opened(reading, "A"))
    code = desk.case.case.case.code
    answer_from_images(desk, reading, asked, qtbot)
    panel: CasePanel = desk.case
    assert desk.patient.words.text() == f"Case {code}"
    assert desk.session.reader.name == "Anna Abel" and desk.session.signed
    assert "save it" in panel.line.text() and not panel.sign_button.isEnabled()
    press_key(desk, Qt.Key.Key_Return, qtbot)
    assert "save it" in panel.message.text() and asked == ["Lock first answers"], (
        "the key signs what the button may not"
    )
    with qtbot.waitSignal(desk.confirm.saved, timeout=PATIENCE_MS):
        desk.confirm.save()
    assert "not signed yet" in panel.line.text()
    assert reading.state().locked(code, "A") is None
    with qtbot.waitSignal(panel.signed, timeout=PATIENCE_MS):
        press_key(desk, Qt.Key.Key_Return, qtbot)
    locked = reading.state().locked(code, "A")
    assert locked.event.person.name == "Anna Abel"
    assert asked == ["Lock first answers", "Sign the case"]
    assert "and locked" in panel.line.text() and not panel.sign_button.isVisible()
    assert panel.next_button.text() == "Open the next case, 1 left (Ctrl+.)"
    with qtbot.waitSignal(desk.opened_study, timeout=PATIENCE_MS):
        press_key(desk, Qt.Key.Key_Period, qtbot)
    assert desk.case.case.case.code != code
    assert desk.session is None and desk.case.questions is not None
