"""The whole flow as a reader goes through it: open, score, click a row, paint, re-measure, confirm, save, reopen."""

from __future__ import annotations

import weakref

import napari
import numpy as np
import pytest
from fixtures.desk import PATIENCE_MS, canvas, drag, open_and_wait, pixel_of, score_and_wait
from napari_dotaliver.widgets.start import desk_of
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from dotaliver.pipeline import StudyInput, read_record, rescore

LEFT = Qt.MouseButton.LeftButton


def click_row(desk, label: int) -> None:
    """Click the row of a lesion in the table."""
    table = desk.table.table
    row = next(r for r in range(table.rowCount()) if table.item(r, 0).text().split()[-1] == str(label))
    QTest.mouseClick(table.viewport(), LEFT, pos=table.visualItemRect(table.item(row, 0)).center())
    QApplication.processEvents()


@pytest.fixture
def viewer(qtbot):
    """A viewer that is closed again; what pytest still holds of this long test is no leak of the window's."""
    viewer = napari.Viewer(show=True)
    yield viewer
    viewer.close()
    qtbot.wait(100)


@pytest.mark.slow
def test_open_score_paint_measure_confirm_save_reopen(viewer, qtbot, study, scored, tmp_path, masks_only):
    viewer.window.resize(1500, 950)
    # Proxies: what a test holds, it holds the whole window with.
    desk = weakref.proxy(desk_of(viewer))
    open_and_wait(desk, StudyInput(study), qtbot)
    score_and_wait(desk, qtbot)
    session = weakref.proxy(desk.session)

    # Click a row, and paint across the lesion that it jumps to.
    lesion = max(session.score.lesions, key=lambda found: found.volume_ml)
    click_row(desk, lesion.label)
    assert desk.current_label() == lesion.label
    desk.tabs.setCurrentWidget(desk.tools)
    desk.tools.painting.modes["paint"].click()
    assert desk.layers.lesions.selected_label == lesion.label
    place = desk.layers.place_of(lesion)
    row, column = pixel_of(viewer, canvas(viewer), place)
    reach = round(0.5 * lesion.pet_extent_mm * viewer.scene.camera.zoom) + 12
    drag(viewer, qtbot, (row, column), (row, column + reach))
    qtbot.waitUntil(lambda: session.dirty, timeout=300_000)
    assert session.stale
    assert session.edits.lesions == ()

    # Re-measure: that lesion is larger, no other has changed.
    desk.tools.measure_button.click()
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    after = {found.label: found for found in session.score.lesions}
    assert after[lesion.label].volume_ml > lesion.volume_ml
    for found in session.automatic.lesions:
        if found.label != lesion.label:
            assert after[found.label].volume_ml == found.volume_ml
    assert f"Lesion {lesion.label}: volume" in desk.tools.changes.toPlainText()

    # Sign, state, accept, save.
    desk.tabs.setCurrentWidget(desk.confirm)
    qtbot.keyClicks(desk.reader_box.name, "A Reader")
    qtbot.keyClick(desk.reader_box.name, Qt.Key.Key_Return)
    desk.confirm.rest.setCurrentIndex(1)
    desk.confirm.rest.activated.emit(1)
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    desk.confirm.answers["INC7"].accept_button.click()
    desk.confirm.folder = tmp_path / "read"
    with qtbot.waitSignal(desk.confirm.saved, timeout=PATIENCE_MS):
        desk.confirm.save_button.click()
    assert desk.may_leave(lambda: None), "nothing is unsaved"

    # The record is the one that rescore makes, from its own masks and from the automatic record's folder.
    record = read_record(tmp_path / "read")
    assert record.record_id == session.score.record_id
    assert record.criteria["INC7"].status == "confirmed"
    assert rescore(tmp_path / "read").score.record_id == record.record_id
    named = StudyInput(scored, lesions=tmp_path / "read" / "segmentation.dcm")
    assert rescore(scored, study=named, edits=record.edits).score.record_id == record.record_id

    # Reopened, everything is as it was left.
    painted = session.lesions.array
    with qtbot.waitSignal(desk.scored, timeout=PATIENCE_MS):
        desk.open(StudyInput(tmp_path / "read"))
    assert desk.session.score.record_id == record.record_id
    assert desk.session.reader.name == "A Reader"
    assert (desk.session.signed, desk.reader_box.name.text()) == (False, "")
    assert desk.confirm.answers["INC7"].accept_button.isChecked()
    np.testing.assert_array_equal(desk.session.lesions.array, painted)
