"""Form controls change by deliberate acts alone: wheel, focus and stray keys enter nothing into a reading."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
from fixtures.accidents import STEPS, befall, changes, controls_of_qt, entered, turn_wheel, widgets_of_the_plugin
from fixtures.desk import activate
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.case_panel import CasePanel
from napari_dotaliver.widgets.deliberate import ChoiceBox, NumberBox, Rows, WholeNumberBox
from napari_dotaliver.widgets.desk import Desk
from napari_dotaliver.widgets.mip_canvas import MipCanvas
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox, QTableWidgetItem, QWidget

from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.pipeline.reading_plan import PlanOptions, plan_reading


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
def test_neither_wheel_nor_stepping_keys_change_a_number_and_digits_do(qtbot, kind):
    number = kind()
    qtbot.addWidget(number)
    number.setValue(12)
    number.show()
    number.setFocus()
    turn_wheel(number, 3)
    for key in STEPS:
        qtbot.keyClick(number, key)
    assert number.value() == 12
    number.selectAll()
    qtbot.keyClicks(number, "25")
    assert number.value() == 25


def test_a_letter_goes_to_no_row_and_arrows_do(qtbot):
    rows = Rows(3, 1)
    qtbot.addWidget(rows)
    for number, text in enumerate(("liver", "node", "pancreas")):
        rows.setItem(number, 0, QTableWidgetItem(text))
    rows.setCurrentCell(0, 0)
    rows.show()
    qtbot.keyClicks(rows, "pn")
    assert rows.currentRow() == 0
    qtbot.keyClick(rows, Qt.Key.Key_Down)
    assert rows.currentRow() == 1


@pytest.fixture
def desk(kept):
    """A reading in a window, with a name given."""
    kept.give()
    kept.desk.session.sign("A Reader", "radiologist")
    QApplication.processEvents()
    # A proxy: pytest holds what a test was given until everything is torn down, and with it the whole window.
    return weakref.proxy(kept.desk)


def shown_parts(desk: Desk, situation: str) -> list[QWidget]:
    """The panels that a situation is about, with what is hidden until it is needed."""
    if situation == "signed":
        # The bar and the banner of a recovered reading
        for part in (desk.progress, desk.banner, desk.relative_button, desk.message):
            part.show()
        parts = [desk, desk.table]
    elif situation == "who reads is asked":
        parts = [desk.reader_box]
    else:
        parts = [desk.fdg if situation == "FDG" else desk.body]
        desk.tabs.setCurrentWidget(parts[0])
    QApplication.processEvents()
    return parts


def suffered(parts: list[QWidget], session: ReadingSession | None) -> set[type[QWidget]]:
    """Let every accident befall some panels, and look that nothing is entered."""
    state, before = None if session is None else session.state, entered(parts)
    met = befall(parts)
    assert changes(before, entered(parts)) == []
    assert session is None or session.state is state
    return met


@pytest.fixture(scope="module")
def met() -> dict[str, set[type[QWidget]]]:
    """Kinds of widgets that accidents befell in each situation."""
    return {}


@pytest.mark.parametrize("situation", ["signed", "who reads is asked", "candidates outside the liver", "FDG"])
def test_no_accident_over_any_widget_enters_the_reading(kept, met, situation, request):
    kept.give()
    desk = kept.desk
    if situation == "candidates outside the liver":
        desk._begin(request.getfixturevalue("body"), None)
    elif situation == "FDG":
        desk._begin(request.getfixturevalue("two_tracers"), None)
    if situation != "who reads is asked":
        desk.session.sign("A Reader", "radiologist")
    met[situation] = suffered(shown_parts(desk, situation), desk.session)
    tab = desk.tabs.currentIndex()
    turn_wheel(desk.tabs.tabBar(), -1)
    assert desk.tabs.currentIndex() == tab


@pytest.mark.parametrize("reader", ["A", "C"])
def test_no_accident_answers_a_case_of_a_central_reading(scored, tmp_path, met, reader, qtbot):
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "one").symlink_to(scored, target_is_directory=True)
    options = PlanOptions(("A", "B"), "C", None, 7, True, 1)
    central = plan_reading(tmp_path / "cohort", tmp_path / "reading", options)
    case = replace(DeskCase.opened(central, "A"), reader=reader)
    assert case.adjudicates == (reader == "C")
    panel = CasePanel(case)
    qtbot.addWidget(panel)
    panel.show()
    met[f"case of {reader}"] = suffered([panel], None)
    panel.close_down()


def test_accidents_befell_every_kind_of_widget_of_the_panels(met):
    if len(met) < 6:
        pytest.skip("not every situation was made")
    of_two_scans = {each for each in widgets_of_the_plugin() if ".visit" in each.__module__}
    # The turning projection is an image, which wheel and keys turn.
    missed = widgets_of_the_plugin(without={*of_two_scans, MipCanvas}) - set().union(*met.values())
    assert not missed, "a widget of no situation here: make one in which it is shown"


def test_no_module_uses_a_control_that_wheel_or_letters_change():
    assert controls_of_qt() == []


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
