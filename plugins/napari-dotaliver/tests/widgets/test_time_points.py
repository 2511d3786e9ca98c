"""Two scans side by side: matched, linked, targets chosen and measured, response shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from napari_dotaliver.view.layers import lps_to_world, world_to_lps
from napari_dotaliver.view.study_layers import StudyLayers
from napari_dotaliver.widgets.time_points import TimePointsWidget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from dotaliver.pipeline import StudyInput, save, score_study

PATIENCE_MS = 90_000


@pytest.fixture(scope="session")
def scored_later(study, tmp_path_factory) -> Path:
    """The same patient, half a year later, scored."""
    folder = Path(shutil.copytree(study, tmp_path_factory.mktemp("later") / "study"))
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.StudyDate, dataset.StudyInstanceUID = "20990704", "1.2.826.0.1.3680043.8.498.77.2"
        dataset.save_as(path)
    out = folder.parent / "score"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dotaliver.export.outputs.report_html", lambda *_: "<html></html>")
        save(score_study(StudyInput(folder)), out)
    return out


@pytest.fixture
def compared(make_napari_viewer, qtbot, session, scored_later) -> TimePointsWidget:
    """The tab with both scans laid side by side."""
    viewer = make_napari_viewer(show=True)
    StudyLayers(viewer, session.volumes).show(session)
    widget = TimePointsWidget(session, viewer)
    viewer.window.add_dock_widget(widget, name="Time points", area="right")
    widget.compare(scored_later)
    qtbot.waitUntil(lambda: widget.other is not None, timeout=PATIENCE_MS)
    yield widget
    widget.close_down()


def row_of(widget, lesion: str) -> int:
    return [found.lesion for found in widget.scans.reading.lesions].index(lesion)


def type_size(widget, qtbot, lesion: str, scan: int, text: str) -> None:
    """Type a size into the table as a reader does."""
    widget.table.item(row_of(widget, lesion), 2 + scan).setText(text)
    qtbot.wait(50)


def test_nothing_is_shown_before_there_is_a_second_scan_and_no_button_is_cut(make_napari_viewer, session):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1366, 768)
    widget = TimePointsWidget(session, viewer)
    viewer.window.add_dock_widget(widget, name="Time points", area="right")
    QApplication.processEvents()
    assert not widget.table.isVisible() and not widget.response.isVisible()
    for button in (widget.choose_button, widget.measure_button, widget.save_button):
        assert button.width() >= button.sizeHint().width()
    widget.close_down()


def test_the_same_patient_twice_is_matched_lesion_by_lesion(compared, session):
    reading = compared.scans.reading
    assert compared.table.isVisible() and compared.response.isVisible()
    seen = [lesion for lesion in reading.lesions if len(lesion.track.appearances) == 2]
    assert len(seen) == len(session.score.lesions)
    for lesion in seen:
        first, second = lesion.track.appearances
        assert first.labels == second.labels
    assert compared.table.rowCount() == len(reading.lesions)


def test_targets_are_chosen_and_measured_and_the_response_follows(compared, qtbot):
    lesion = compared.scans.reading.lesions[0].lesion
    type_size(compared, qtbot, lesion, 0, "40")
    type_size(compared, qtbot, lesion, 1, "24 mm")
    item = compared.table.item(row_of(compared, lesion), 1)
    item.setCheckState(Qt.CheckState.Unchecked if item.checkState() == Qt.CheckState.Checked else Qt.CheckState.Checked)
    qtbot.wait(50)
    targets = [found.lesion for found in compared.scans.reading.role("target")]
    if lesion not in targets:
        compared.table.item(row_of(compared, lesion), 1).setCheckState(Qt.CheckState.Checked)
        qtbot.wait(50)
    for other in [n for n in targets if n != lesion]:
        compared.table.item(row_of(compared, other), 1).setCheckState(Qt.CheckState.Unchecked)
        qtbot.wait(50)
    point = compared.scans.reading.time_points[-1]
    assert [size.lesion for size in point.sizes] == [lesion]
    assert point.targets.response == "PR"
    assert point.targets.change_from_baseline == pytest.approx(-0.4)
    assert "40 → 24 mm (-40 %)" in compared.response.toPlainText()
    assert "-40 %" in compared.table.item(row_of(compared, lesion), 4).text()
    type_size(compared, qtbot, lesion, 1, "")
    assert compared.scans.edits.of(lesion).on[0].size_mm == 40.0
    assert len(compared.scans.edits.of(lesion).on) == 1


def test_what_is_no_size_is_refused(compared, qtbot):
    lesion = compared.scans.reading.lesions[0].lesion
    type_size(compared, qtbot, lesion, 0, "large")
    assert "'large' is not a size" in compared.message.text()
    type_size(compared, qtbot, lesion, 0, "-3")
    assert "-3 mm is not plausible for a lesion" in compared.message.text()
    assert compared.scans.edits.lesions == ()


def test_line_on_the_other_scan_is_a_size_there(compared, qtbot):
    lesion = compared.scans.reading.lesions[0]
    compared.table.selectRow(0)
    compared.measure_button.click()
    lines = compared.other.lines
    assert str(lines.mode) == "add_line"
    x, y, z = next(n.centroid_lps_mm for n in lesion.uptake if n.scan == 1)
    lines.add_lines([np.array([lines.world_to_data(lps_to_world((x + d, y, z))) for d in (-15.0, 15.0)])])
    qtbot.waitUntil(lambda: compared.scans.edits.lesions != (), timeout=5000)
    assert compared.scans.edits.of(lesion.lesion).on[0].size_mm == pytest.approx(30.0)


def test_both_canvases_go_together(compared, session):
    place = session.score.lesions[0].centroid_lps_mm
    compared._viewer.dims.point = tuple(lps_to_world(place))
    there = world_to_lps(compared.other.model.dims.point)
    np.testing.assert_allclose(there, place, atol=4.0)  # the same patient did not move
    x, y, z = session.score.lesions[1].centroid_lps_mm
    compared.other.model.dims.point = tuple(lps_to_world((x, y, z)))
    np.testing.assert_allclose(world_to_lps(compared._viewer.dims.point), (x, y, z), atol=4.0)


def test_row_frames_the_lesion_on_both(compared):
    compared.table.selectRow(1)
    lesion = compared.scans.reading.lesions[1]
    for found in lesion.uptake:
        model = compared._viewer if found.scan == compared.scans.mine else compared.other.model
        np.testing.assert_allclose(world_to_lps(model.dims.point), found.centroid_lps_mm, atol=6.0)


def test_the_same_study_is_no_second_time_point(make_napari_viewer, qtbot, session, scored):
    viewer = make_napari_viewer()
    widget = TimePointsWidget(session, viewer)
    qtbot.addWidget(widget)
    widget.compare(scored)
    qtbot.waitUntil(lambda: "another date" in widget.message.text(), timeout=PATIENCE_MS)
    assert widget.scans is None


def test_response_is_saved_once_the_reading_is(compared, qtbot, tmp_path, session, masks_only):
    compared.save(tmp_path / "response")
    assert "name and role" in compared.message.text()
    session.sign("A Reader", "radiologist")
    compared.save(tmp_path / "response")
    assert "Save the reading" in compared.message.text()
    session.save(tmp_path / "read")
    qtbot.waitUntil(lambda: not compared.work.busy, timeout=PATIENCE_MS)
    session._signed_in = None  # as in a record that somebody read before and that was opened again
    compared.save(tmp_path / "response")
    assert "name and role" in compared.message.text()
    assert not compared.saving.busy and not (tmp_path / "response").exists()
    session.sign("A Reader", "radiologist")
    compared.save(tmp_path / "response")
    qtbot.waitUntil((tmp_path / "response" / "course.json").exists, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: not compared.saving.busy, timeout=PATIENCE_MS)
    text = (tmp_path / "response" / "course.json").read_text()
    assert session.score.record_id in text
    assert "A Reader" in text
