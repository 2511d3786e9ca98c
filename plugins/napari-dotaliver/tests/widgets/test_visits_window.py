"""Two scans side by side, driven by real keys and mouse: linked, answered, undone, saved, closed."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.accidents import befall, changes, entered, turn_wheel, widgets_of_the_plugin
from fixtures.desk import activate, put_away
from fixtures.visits import MOVED_MM, two_visits
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.widgets.visit_course import VisitCourse
from napari_dotaliver.widgets.visit_recovery import UnsavedAnswers, VisitRecovery
from napari_dotaliver.widgets.visits_window import VisitsWindow
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QMessageBox

from dotaliver.config.criteria import RecistConfig
from dotaliver.config.files import read_edits
from dotaliver.longitudinal.assembly import assemble
from dotaliver.longitudinal.edits import CourseEdits

PATIENCE_MS = 600_000


@pytest.fixture(scope="session")
def visits(outcome, tmp_path_factory):
    """Two scans of the phantom, compared; not to be changed."""
    return two_visits(outcome, tmp_path_factory.mktemp("visits"))


@pytest.fixture(scope="module")
def window(qapp, visits):
    """One window for all tests of this module; `fresh` begins a reading in it."""
    window = VisitsWindow()
    window.resize(1366, 768)
    window.show()
    yield window
    put_away(window)


@pytest.fixture(scope="module")
def shown(window, visits):
    """The comparison in that window."""
    return window.show_visits(visits)


@pytest.fixture
def fresh(shown, window, tmp_path, qtbot):
    """Nothing answered, nobody signed in, nothing kept, in the active window."""
    activate(window, qtbot)
    session = shown.session
    while session.can_undo:
        session.undo()
    session._future.clear()
    session._signed, session.saved_in = None, None
    session._saved = session.edits
    shown.folder = tmp_path / "response"
    shown.recovery.discard()
    shown.reader_box.name.clear()
    shown.list.rows.clearSelection()
    shown.list.rows.setCurrentCell(-1, -1)
    shown.say("")
    session._tell()
    QApplication.processEvents()
    return shown


@pytest.fixture
def signed(fresh):
    """A reader who signed in by typing a name."""
    QTest.keyClicks(fresh.reader_box.name, "A Reader")
    QTest.mouseClick(fresh.reader_box.sign_button, Qt.MouseButton.LeftButton)
    assert fresh.session.signed
    return fresh


def states(shown) -> dict[str, tuple[str, str | None]]:
    return {row.name: (row.state, row.answer) for row in shown.list.shown}


def one(shown, state: str) -> str:
    """The first lesion in a state."""
    return next(row.name for row in shown.list.shown if row.state == state)


def press(shown, key: Qt.Key) -> None:
    QTest.keyClick(shown.list.rows, key)
    QApplication.processEvents()


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_both_views_have_one_size_and_the_earlier_is_on_the_left(fresh, visits):
    earlier, later = fresh.views.views
    assert earlier.width() == pytest.approx(later.width(), abs=2)
    assert earlier.height() == later.height()
    assert earlier.mapToGlobal(QPoint(0, 0)).x() < later.mapToGlobal(QPoint(0, 0)).x()
    assert str(visits.earlier.on) in earlier.heading.text()
    assert "182 days later" in later.heading.text()


def test_nothing_is_cut_at_the_smallest_size(fresh, window):
    buttons = [each for each in window.findChildren(QAbstractButton) if each.isVisible() and each.text()]
    assert len(buttons) > 12
    for button in buttons:
        assert button.width() >= button.sizeHint().width(), button.text()
        corner = button.mapTo(window, QPoint(button.width(), button.height()))
        assert corner.x() <= window.width() and corner.y() <= window.height(), button.text()
    assert min(view.canvas.width() for view in fresh.views.views) >= 400
    rows = fresh.list.rows
    assert rows.viewport().height() >= 6 * rows.rowHeight(0)


def test_the_list_says_what_each_lesion_is_and_why(fresh, outcome):
    found = states(fresh)
    assert sorted(state for state, _ in found.values()) == sorted(["gone", "new", *["same"] * (len(found) - 2)])
    assert fresh.list.waiting.text() == f"2 of {len(found)} lesions wait for an answer."
    fresh.list.choose(one(fresh, "gone"))
    assert "Not found on the later scan" in fresh.list.why.text()
    fresh.list.choose(one(fresh, "same"))
    assert "Overlap" in fresh.list.why.text() and "mm apart" in fresh.list.why.text()


def test_a_row_goes_to_the_lesion_in_both_views(fresh):
    for name in (one(fresh, "same"), one(fresh, "gone"), one(fresh, "new")):
        fresh.list.choose(name)
        row = fresh.list.current
        places = [row.on(scan) for scan in (0, 1)]
        known = next(np.asarray(each.centroid_lps_mm) - scan * MOVED_MM for scan, each in enumerate(places) if each)
        np.testing.assert_allclose(fresh.views.views[0].place_lps_mm, known, atol=4.0)
        np.testing.assert_allclose(fresh.views.views[1].place_lps_mm, known + MOVED_MM, atol=4.0)
    zooms = [view.model.scene.camera.zoom for view in fresh.views.views]
    assert zooms[0] == pytest.approx(zooms[1])


def test_scrolling_zooming_moving_and_windowing_one_view_does_it_in_the_other(fresh):
    fresh.bar.show_plane("axial")
    earlier, later = fresh.views.views
    for view, other, sign in ((earlier, later, 1.0), (later, earlier, -1.0)):
        step = view.model.dims.current_step[0]
        view.model.dims.set_current_step(0, step + 3)
        np.testing.assert_allclose(other.place_lps_mm, view.place_lps_mm + sign * MOVED_MM, atol=0.5)
        view.model.scene.camera.zoom = 2.5
        assert other.model.scene.camera.zoom == pytest.approx(2.5)
        centre = np.array(view.model.scene.camera.center) + np.array((0.0, 5.0, -7.0))
        view.model.scene.camera.center = tuple(centre)
        moved = lps_to_world(sign * MOVED_MM)
        np.testing.assert_allclose(np.array(other.model.scene.camera.center)[1:], (centre + moved)[1:], atol=0.5)
        view.pet.contrast_limits = (0.0, 11.0 + sign)
        assert tuple(other.pet.contrast_limits) == (0.0, 11.0 + sign)
        view.ct.contrast_limits = (-100.0, 150.0 + sign)
        assert tuple(other.ct.contrast_limits) == (-100.0, 150.0 + sign)


def test_both_show_their_own_values_under_the_mouse(fresh, visits):
    lesion = visits.earlier.score.lesions[1]
    place = np.asarray(lesion.centroid_lps_mm)
    earlier, later = fresh.views.views
    earlier.model.cursor.position = tuple(lps_to_world(place))
    # The voxels of both scans are the same, at places that differ by the patient's position.
    assert "SUV" in earlier.pointer.text() and "HU" in earlier.pointer.text()
    assert earlier.pointer.text() == earlier.words_at(place)
    assert later.pointer.text() == later.words_at(fresh.views.there(0, place))
    later.model.cursor.position = tuple(lps_to_world(place + MOVED_MM))
    assert later.pointer.text() == earlier.words_at(place)


def test_a_real_wheel_over_a_canvas_scrolls_both(fresh):
    fresh.bar.show_plane("axial")
    earlier, later = fresh.views.views
    before = earlier.place_lps_mm[2], later.place_lps_mm[2]
    turn_wheel(earlier.canvas.canvas.native, 1)
    QApplication.processEvents()
    assert earlier.place_lps_mm[2] != before[0]
    assert later.place_lps_mm[2] - before[1] == pytest.approx(earlier.place_lps_mm[2] - before[0], abs=0.5)


# --- answering -------------------------------------------------------------------------------------------------------


def test_nobody_answers_unsigned(fresh):
    fresh.list.choose(one(fresh, "gone"))
    press(fresh, Qt.Key.Key_G)
    assert "Sign in" in fresh.message.text()
    assert fresh.session.edits == CourseEdits()


def test_one_key_answers_shows_changes_the_response_and_goes_on(signed):
    gone, new = one(signed, "gone"), one(signed, "new")
    signed.list.choose(gone)
    before = signed.response.toPlainText()
    press(signed, Qt.Key.Key_G)
    assert states(signed)[gone] == ("gone", "gone")
    assert signed.response.toPlainText() != before
    assert signed.list.current.name == new  # the next that waits
    press(signed, Qt.Key.Key_N)
    assert states(signed)[new] == ("new", "new")
    assert "PD" in signed.response.toPlainText().splitlines()[0]
    assert "provisional until saved" in signed.response.toPlainText()
    assert signed.list.waiting.text() == "All are answered."


@pytest.mark.parametrize(
    ("key", "state", "answer"), [("S", "same", "same"), ("U", "same", "unsure"), ("U", "new", "unsure")]
)
def test_each_answer_has_its_key_and_its_button(signed, key, state, answer):
    lesion = one(signed, state)
    signed.list.choose(lesion)
    press(signed, getattr(Qt.Key, f"Key_{key}"))
    assert states(signed)[lesion][1] == answer
    by_key = signed.session.edits
    QTest.keyClick(signed, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert states(signed)[lesion][1] is None
    signed.list.choose(lesion)
    QTest.mouseClick(signed.list.buttons[{"S": "same", "U": "unsure"}[key]], Qt.MouseButton.LeftButton)
    assert signed.session.edits == by_key


def test_two_selected_rows_are_made_one_lesion(signed):
    gone, new = one(signed, "gone"), one(signed, "new")
    signed.list.choose(gone)
    number = [row.name for row in signed.list.shown].index(new)
    rect = signed.list.rows.visualItemRect(signed.list.rows.item(number, 0))
    signed.list.rows.scrollToItem(signed.list.rows.item(number, 0))
    rect = signed.list.rows.visualItemRect(signed.list.rows.item(number, 0))
    QTest.mouseClick(
        signed.list.rows.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, rect.center()
    )
    assert signed.list.buttons["same"].text() == f"Same as {gone} (S)"
    press(signed, Qt.Key.Key_S)
    assert new not in states(signed)
    assert states(signed)[gone] == ("same", "same")


def test_an_answer_that_does_not_fit_is_a_sentence_and_changes_nothing(signed):
    signed.list.choose(one(signed, "new"))
    press(signed, Qt.Key.Key_G)
    assert "so it is not gone" in signed.message.text()
    assert signed.session.edits.lesions == ()


def test_answers_are_undone_redone_and_taken_back(signed):
    lesion = one(signed, "same")
    signed.list.choose(lesion)
    press(signed, Qt.Key.Key_U)
    said = signed.session.edits
    signed.undo_button.click()
    assert signed.session.edits.lesions == ()
    signed.redo()
    assert signed.session.edits == said
    signed.list.choose(lesion)
    press(signed, Qt.Key.Key_Backspace)
    assert signed.session.edits.lesions == ()


def test_sizes_are_typed_and_targets_ticked_in_the_table(signed, qtbot):
    lesion = one(signed, "same")
    number = [row.name for row in signed.list.shown].index(lesion)
    signed.list.rows.item(number, 3).setText("40")
    qtbot.waitUntil(lambda: signed.session.edits.of(lesion).on != (), timeout=300_000)
    signed.list.rows.item(number, 4).setText("24,0 mm")
    qtbot.waitUntil(lambda: len(signed.session.edits.of(lesion).on) == 2, timeout=300_000)
    targets = [row.name for row in signed.list.shown if row.lesion.role == "target"]
    for name in dict.fromkeys([*targets, lesion]):
        wanted = Qt.CheckState.Checked if name == lesion else Qt.CheckState.Unchecked
        row = [each.name for each in signed.list.shown].index(name)
        if signed.list.rows.item(row, 2).checkState() != wanted:
            signed.list.rows.item(row, 2).setCheckState(wanted)
            qtbot.wait(20)
    text = signed.response.toPlainText()
    assert f"{lesion} 40.0 = 40.0 mm" in text
    assert "(24.0 − 40.0) / 40.0 = −40.0 % (−16.0 mm)" in text
    signed.list.rows.item(number, 4).setText("large")
    qtbot.waitUntil(lambda: "'large' is not a size" in signed.message.text(), timeout=300_000)
    assert signed.list.shown[number].sizes_mm == (40.0, 24.0)


def test_a_line_on_a_scan_is_the_size_there(signed, qtbot):
    lesion = one(signed, "same")
    signed.list.choose(lesion)
    press(signed, Qt.Key.Key_L)
    lines = signed.views.views[1].lines
    assert str(lines.mode) == "add_line"
    x, y, z = signed.list.current.on(1).centroid_lps_mm
    lines.add_lines([np.array([lines.world_to_data(lps_to_world((x + d, y, z))) for d in (-15.0, 15.0)])])
    qtbot.waitUntil(lambda: signed.session.edits.of(lesion).on != (), timeout=300_000)
    assert signed.session.edits.of(lesion).on[0].size_mm == pytest.approx(30.0)
    assert str(lines.mode) == "pan_zoom" and len(lines.data) == 0


# --- nothing by accident ---------------------------------------------------------------------------------------------


def test_wheel_focus_and_stray_keys_change_nothing(signed, window):
    signed.list.choose(one(signed, "same"))
    decided, before = signed.session.edits, entered([window])
    met = befall([window])
    assert signed.session.edits == decided
    assert changes(before, entered([window])) == []
    assert not signed.session.dirty
    of_two_scans = {each for each in widgets_of_the_plugin() if ".visit" in each.__module__}
    # The table of a course has a test of its own; nothing is recovered here.
    assert of_two_scans - met <= {VisitCourse, VisitRecovery}, "a widget that is not shown here: show it"


# --- saving, leaving, recovering -------------------------------------------------------------------------------------


def test_saved_decisions_give_the_same_course_by_the_command_lines_path(signed, qtbot, visits, tmp_path, monkeypatch):
    monkeypatch.setattr("dotaliver.pipeline.followup.response_html", lambda *_: "<html></html>")
    for state, key in (("gone", Qt.Key.Key_G), ("new", Qt.Key.Key_U), ("same", Qt.Key.Key_S)):
        signed.list.choose(one(signed, state))
        press(signed, key)
    QTest.keyClick(signed, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: signed.session.saved_in is not None or signed.saving.busy, timeout=300_000)
    qtbot.waitUntil(lambda: not signed.saving.busy, timeout=PATIENCE_MS)
    assert "Saved in response" in signed.message.text()
    assert "provisional" not in signed.response.toPlainText()
    edits = read_edits(tmp_path / "response" / "course_edits.json", CourseEdits)
    assert (edits.reader.name, edits.reader.role) == ("A Reader", "radiologist")
    made = assemble(visits.pair.given, None, (edits,), RecistConfig(), lambda _stage: None)
    assert made.course.readings[0].time_points == signed.session.reading.time_points
    assert made.course.course_id in (tmp_path / "response" / "course.json").read_text()
    assert not signed.session.dirty and not signed.recovery.path.exists()


def test_nothing_is_saved_unsigned(fresh):
    assert not fresh.save()
    assert "sign in" in fresh.message.text().lower()


@pytest.mark.parametrize("answer", ["Cancel", "Discard"])
def test_closing_asks_and_cancel_stays(signed, window, monkeypatch, answer):
    signed.list.choose(one(signed, "gone"))
    press(signed, Qt.Key.Key_G)
    assert signed.recovery.path.exists()
    asked = []

    def question(*what):
        asked.append(what[2])
        return getattr(QMessageBox.StandardButton, answer)

    monkeypatch.setattr(QMessageBox, "question", question)
    assert window.may_leave() is (answer == "Discard")
    assert asked == ["This comparison has decisions that are not saved."]
    assert signed.recovery.path.exists() is (answer == "Cancel")


def test_closing_with_save_saves_first(signed, window, monkeypatch):
    signed.list.choose(one(signed, "gone"))
    press(signed, Qt.Key.Key_G)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Save)
    saved = []
    monkeypatch.setattr(signed, "save_then", saved.append)
    assert not window.may_leave()
    assert saved == [window.close]


def test_answers_of_a_run_that_was_killed_are_offered_again(signed, visits, window):
    from napari_dotaliver.reading.visit_session import VisitSession
    from napari_dotaliver.widgets.visit_recovery import VisitRecovery

    gone = one(signed, "gone")
    signed.list.choose(gone)
    press(signed, Qt.Key.Key_G)
    kept = UnsavedAnswers.model_validate_json(signed.recovery.path.read_bytes())
    assert kept.edits.of(gone).on[0].state == "absent"
    assert signed.recovery.path.stat().st_mode & 0o077 == 0
    again = VisitSession(visits)
    banner = VisitRecovery(again)
    assert banner.offering and "were not saved. Restore them?" in banner.words.text()
    again._tell()  # what waits for a decision is not written over
    assert UnsavedAnswers.model_validate_json(banner.path.read_bytes()) == kept
    banner.restore_button.click()
    assert again.edits.of(gone) == kept.edits.of(gone)
    assert not again.signed
    banner.close_down()
    banner.deleteLater()
