"""Signing: name, rest of the body, checklist, answers with reasons, and saving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import napari
import pytest
from fixtures.kept_window import KeptWindow, rest
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.confirm import ConfirmWidget
from napari_dotaliver.widgets.reader_box import ReaderBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from dotaliver.pipeline import read_record, rescore

PATIENCE_MS = 600_000


@pytest.fixture(scope="module")
def viewer() -> Iterator[napari.Viewer]:
    """A window without layers, for the tests of this file."""
    window = KeptWindow()
    yield window.open_viewer()
    window.close()


@pytest.fixture
def confirm(viewer, qtbot, session, tmp_path) -> Iterator[ConfirmWidget]:
    """The tab in a viewer's window."""
    box = ReaderBox(session, "Who reads?")
    widget = ConfirmWidget(session, box)
    widget.folder = tmp_path / "read"
    both = QWidget()
    column = QVBoxLayout(both)
    column.addWidget(box)
    column.addWidget(widget)
    viewer.window.add_dock_widget(both, name="Confirm", area="right")
    yield widget
    for part in (widget, box):
        part.close_down()
    viewer.window.remove_dock_widget(both)
    both.deleteLater()
    rest()


def asked(session, qtbot) -> tuple[ReadingSession, ReaderBox]:
    """A reading, and where it is asked who reads it."""
    box = ReaderBox(session, "Who reads?")
    qtbot.addWidget(box)
    return session, box


def sign(confirm, qtbot, name="A Reader") -> None:
    """Type the name and press Enter."""
    box = confirm._asked_reader
    assert box.isVisible()
    box.name.clear()
    qtbot.keyClicks(box.name, name)
    qtbot.keyClick(box.name, Qt.Key.Key_Return)


def choose(combo, index: int) -> None:
    """Choose an entry as a click or the arrow keys do."""
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def test_name_is_typed_and_signed(confirm, qtbot, session):
    boxes = (confirm._first_reader, confirm.reader_box)
    assert [box.isVisible() for box in boxes] == [True, False], "one form asks who reads"
    sign(confirm, qtbot)
    assert session.reader.name == "A Reader"
    assert [box.isVisible() for box in boxes] == [False, True]
    role = confirm.reader_box.role
    role.setCurrentText("nuclear-medicine physician")
    qtbot.keyClick(role.lineEdit(), Qt.Key.Key_Return)
    assert session.reader.role == "nuclear-medicine physician"


def test_a_name_that_is_typed_signs_only_by_enter_or_the_button(confirm, qtbot, session):
    box = confirm._asked_reader
    qtbot.keyClicks(box.name, "A Reader")
    box.role.setFocus()
    choose(box.role, 1)
    confirm.setFocus()
    assert session.reader is None and not session.signed
    qtbot.mouseClick(box.sign_button, Qt.MouseButton.LeftButton)
    assert (session.reader.name, session.reader.role) == ("A Reader", "nuclear-medicine physician")
    later = confirm.reader_box
    assert not later.sign_button.isEnabled()
    later.name.setText("B Reader")
    confirm.setFocus()
    assert session.reader.name == "A Reader"
    assert later.sign_button.isEnabled(), "another reader can sign"
    qtbot.mouseClick(later.sign_button, Qt.MouseButton.LeftButton)
    assert session.reader.name == "B Reader"


def test_letters_in_a_name_are_no_shortcuts(confirm, qtbot, session):
    before = session.lesions
    sign(confirm, qtbot, "Ngoc Tan Hjk WD")
    assert session.reader.name == "Ngoc Tan Hjk WD"
    assert session.lesions is before
    assert session.edits.lesions == ()


def test_statement_on_the_body_is_measured_at_once(confirm, qtbot, session):
    choose(confirm.rest, 1)
    assert "name and role" in confirm.message.text()
    assert (confirm.rest.currentIndex(), session.edits.rest_of_body) == (0, None)
    sign(confirm, qtbot)
    assert not confirm.rest_of["measurable"].isEnabled()
    choose(confirm.rest, 2)
    assert confirm.rest_of["measurable"].isEnabled()
    choose(confirm.rest_of["measurable"], 2)
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    assert session.edits.rest_of_body.measurable is True
    assert session.edits.rest_of_body.receptor_negative is None
    assert session.score.criteria["INC4"].verdict == "met"
    choose(confirm.rest, 0)
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    assert session.edits.rest_of_body is None


def test_checklist_is_the_protocols(confirm, qtbot, session):
    sign(confirm, qtbot)
    assert list(confirm.checklist) == list(session.config.protocol.checklist)
    item = session.config.protocol.checklist[0]
    choose(confirm.checklist[item], 2)
    assert session.edits.checklist == {item: True}
    choose(confirm.checklist[item], 1)
    assert session.edits.checklist == {item: False}
    choose(confirm.checklist[item], 0)
    assert session.edits.checklist == {}


def test_verdicts_are_accepted_by_a_click(confirm, qtbot, session):
    line = confirm.answers["INC7"]
    line.accept_button.click()
    assert "name and role" in confirm.message.text()
    assert not line.accept_button.isChecked()
    sign(confirm, qtbot)
    line.accept_button.click()
    assert session.score.criteria["INC7"].status == "confirmed"
    assert "confirmed" in line.headline.text()
    line.accept_button.click()
    assert session.score.criteria["INC7"].status == "proposed"


def test_overruling_waits_for_its_reason(confirm, qtbot, session):
    sign(confirm, qtbot)
    line = confirm.answers["EXC4"]
    assert session.proposed("EXC4") == "not_met"
    choose(line.other, 1)
    assert "reason" in confirm.message.text()
    assert session.edits.verdicts == ()
    confirm.save_button.click()
    assert "reason" in confirm.message.text()
    assert not confirm.folder.exists()
    qtbot.keyClicks(line.reason, "Diffuse disease that the PET does not resolve")
    qtbot.keyClick(line.reason, Qt.Key.Key_Return)
    verdict = session.score.criteria["EXC4"]
    assert (verdict.verdict, verdict.status) == ("met", "overruled")
    assert verdict.decision.reason == "Diffuse disease that the PET does not resolve"
    assert "overruled; the images propose: does not apply" in line.headline.text()
    choose(line.other, 0)
    assert session.score.criteria["EXC4"].status == "proposed"


def test_choosing_the_proposal_is_accepting_it(confirm, qtbot, session):
    sign(confirm, qtbot)
    choose(confirm.answers["EXC4"].other, 2)
    assert session.score.criteria["EXC4"].status == "confirmed"


def test_saving_needs_a_name_and_measures_first(confirm, qtbot, session, no_pictures):
    qtbot.keyClick(confirm, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    confirm.save_button.click()
    assert "name and role" in confirm.message.text()
    session.delete_lesion(session.lesions.labels[0])
    assert "Will be saved in" in confirm.folder_line.text()
    confirm._first_reader.name.setText("A Reader")
    with qtbot.waitSignal(confirm.saved, timeout=PATIENCE_MS) as told:
        confirm.save_button.click()
    folder = told.args[0]
    record = read_record(folder)
    assert record.edits.reader.name == "A Reader"
    assert record.edits.made_at is not None
    assert record.provenance.revises == session.automatic.record_id
    assert not session.dirty
    assert "Saved in" in confirm.folder_line.text()
    names = {path.name for path in folder.iterdir()}
    assert names >= {"score.json", "segmentation.dcm", "segmentation_ct.dcm", "measurements.dcm", "report.html"}
    assert rescore(folder).score.record_id == record.record_id


def test_every_reading_asks_who_reads(confirm, qtbot, session, outcome):
    sign(confirm, qtbot, "B Reader")
    again = ConfirmWidget(*asked(ReadingSession(outcome), qtbot))
    qtbot.addWidget(again)
    assert again._asked_reader.name.text() == ""
    assert again.session.reader is None


def test_a_record_read_before_is_not_called_saved_in_the_new_folder(confirm, qtbot, session, outcome):
    sign(confirm, qtbot)
    read = replace(outcome, score=session.score.model_copy(update={"edits": session.edits}))
    again = ConfirmWidget(*asked(ReadingSession(read), qtbot))
    qtbot.addWidget(again)
    assert (again.session.reader.name, again.session.signed) == ("A Reader", False)
    assert again.folder_line.text().startswith("Will be saved in")


def test_another_reader_inherits_no_answer(confirm, qtbot, session):
    sign(confirm, qtbot, "A Reader")
    confirm.answers["INC7"].accept_button.click()
    choose(confirm.checklist[session.config.protocol.checklist[0]], 1)
    sign(confirm, qtbot, "B Reader")
    assert session.score.criteria["INC7"].status == "proposed"
    assert session.edits.checklist == {}
    assert confirm.checklist[session.config.protocol.checklist[0]].currentIndex() == 0
