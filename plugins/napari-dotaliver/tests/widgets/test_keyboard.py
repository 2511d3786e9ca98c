"""A reading done with the keyboard alone: real key events, sent to whatever has the focus."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.desk import PATIENCE_MS, activate
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from dotaliver.pipeline import read_record
from dotaliver.records.score_folder import ScoreFolder

_MOST_TABS = 150
KEY, MOD = Qt.Key, Qt.KeyboardModifier


@pytest.fixture
def desk(kept, qtbot):
    viewer = kept.give()
    window = viewer.window._qt_window
    activate(window, qtbot)
    # Keys of the reading before are gone once Qt has deleted its tabs, which it does in a loop of events.
    qtbot.wait(1)
    return kept.desk


def press(key, modifier=MOD.NoModifier, times: int = 1) -> None:
    """A key, to whatever has the focus."""
    for _ in range(times):
        QTest.keyClick(QApplication.focusWidget() or QApplication.activeWindow(), key, modifier)
        QApplication.processEvents()


def write(text: str) -> None:
    QTest.keyClicks(QApplication.focusWidget(), text)


def tab_to(wanted: QWidget) -> None:
    """Press Tab until a widget has the focus: it is reached, so nothing on the way keeps the focus."""
    for _ in range(_MOST_TABS):
        if QApplication.focusWidget() is wanted:
            return
        press(KEY.Key_Tab)
    pytest.fail(f"{wanted.accessibleName() or wanted} is not reached by Tab from {QApplication.focusWidget()}")


def show_tab(desk, name: str) -> None:
    """Press Ctrl+Tab until a tab is shown."""
    for _ in range(desk.tabs.count()):
        if desk.tabs.tabText(desk.tabs.currentIndex()) == name:
            break
        press(KEY.Key_Tab, MOD.ControlModifier)
    assert desk.tabs.tabText(desk.tabs.currentIndex()) == name


def test_a_reading_is_done_with_the_keyboard_alone(desk, qtbot, tmp_path, masks_only):
    session, viewer = desk.session, desk.viewer
    desk.confirm.folder, desk.confirm._chosen_folder = tmp_path / "reading", True

    # Who reads
    tab_to(desk.reader_box.name)
    write("A. Reader")
    press(KEY.Key_Return)
    assert session.signed
    assert desk.reader_box.isHidden()

    # Lesions and slices, wherever the focus is
    press(KEY.Key_Period)
    first = desk.current_label()
    press(KEY.Key_Period)
    second = desk.current_label()
    assert None not in {first, second}
    assert first != second
    press(KEY.Key_Comma)
    assert desk.current_label() == first
    here = viewer.dims.current_step[0]
    press(KEY.Key_Right, MOD.AltModifier, times=3)
    press(KEY.Key_Left, MOD.AltModifier)
    assert viewer.dims.current_step[0] == here + 2

    # A mark, a caliper at the crosshair, and a lesion that is deleted; each is taken back by one key
    press(KEY.Key_N)
    assert session.marks_of(first) == ("not_a_lesion",)
    press(KEY.Key_Z, MOD.ControlModifier)
    assert session.marks_of(first) == ()
    measured = next(n for n in session.score.lesions if n.diameter_source == "ct")
    while desk.current_label() != measured.label:
        press(KEY.Key_Period)
    press(KEY.Key_M)
    QApplication.processEvents()
    assert session.is_clicked(measured.label), desk.tools.message.text()
    press(KEY.Key_Z, MOD.ControlModifier)
    press(KEY.Key_Delete)
    assert measured.label not in session.lesions.labels
    press(KEY.Key_Z, MOD.ControlModifier)
    assert measured.label in session.lesions.labels

    # The form: an answer from an opened list, and a verdict that is accepted
    show_tab(desk, "Confirm")
    criterion, row = next(iter(desk.confirm.answers.items()))
    tab_to(row.accept_button)
    press(KEY.Key_Space)
    assert [edit.criterion for edit in session.edits.verdicts] == [criterion]

    # Saved
    with qtbot.waitSignal(desk.confirm.saved, timeout=PATIENCE_MS):
        press(KEY.Key_S, MOD.ControlModifier)
    assert not session.dirty
    saved = read_record(ScoreFolder(session.saved_in).path)
    assert saved.criteria[criterion].status == "confirmed"
    assert saved.edits.reader.name == "A. Reader"


def test_every_key_is_listed_once_and_the_focus_is_seen(desk):
    listed = desk.keys.toPlainText()
    for name in ("Alt+Right", "Alt+Left", "Ctrl+Tab"):
        assert listed.count(name) == 1
    box = desk.reader_box.name
    before = box.grab().toImage()
    box.setFocus()
    QApplication.processEvents()
    assert box.grab().toImage() != before


def test_ends_of_the_caliper_are_moved_by_keys(desk, qtbot):
    session, caliper = desk.session, desk.tools.caliper
    session.sign("A. Reader", "radiologist")
    measured = next(n for n in session.score.lesions if n.diameter_source == "ct")
    while desk.current_label() != measured.label:
        press(KEY.Key_Period)
    caliper.snap.setChecked(False)
    # How quickly the keys rest is the machine's affair here.
    caliper._rest.setInterval(10 * PATIENCE_MS)
    name, found, state = str(measured.label), session.caliper_of(str(measured.label)), session.state
    # Away from the other end: the longest diameter must stay longer than the short axis.
    first, second = found.long_axis_lps_mm
    to_right, to_back = np.sign(np.subtract(first, second))[:2]
    sideways = KEY.Key_Right if to_right > 0 else KEY.Key_Left
    along = KEY.Key_Down if to_back > 0 else KEY.Key_Up
    press(KEY.Key_D)
    assert caliper.button.isChecked()
    assert QApplication.focusWidget() is desk.viewer.window._qt_viewer.canvas.native
    press(KEY.Key_Tab)
    press(sideways, times=2)
    press(along, MOD.ShiftModifier)
    assert session.state is state, "nothing is taken while it moves"
    assert "(moving)" in caliper.size_line.text()
    assert f"{caliper._drawing.long_mm:.1f}" in caliper.size_line.text()
    assert f"{caliper._drawing.long_mm:.1f} mm" in list(desk.viewer.layers["Caliper"].features["mm"])
    press(KEY.Key_Return)
    drawn = session.caliper_of(name)
    assert session.is_drawn(name), desk.tools.message.text()
    _, down_mm, right_mm = session.measured_image.geometry.spacing_mm
    # The patient's left is on the right of the screen, the back below.
    moved = np.subtract(drawn.long_axis_lps_mm[0], first)
    assert moved == pytest.approx((2 * to_right * right_mm, 10 * to_back * down_mm, 0.0), abs=1e-6)
    assert drawn.long_axis_lps_mm[1] == second
    press(KEY.Key_Z, MOD.ControlModifier)
    assert session.caliper_of(name) == found, "one step"

    # The other end; what nobody took is forgotten with Esc, and the caliper is put away.
    state = session.state
    press(KEY.Key_Tab)
    assert caliper._picked == "long_second"
    press(KEY.Key_Up)
    press(KEY.Key_Escape)
    assert session.state is state and not caliper.button.isChecked()

    # A rest takes it.
    caliper._rest.setInterval(1)
    press(KEY.Key_D)
    press(KEY.Key_Tab)
    press(sideways)
    qtbot.waitUntil(lambda: session.is_drawn(name), timeout=PATIENCE_MS)
