"""The desk in a real window: open, score, click a row, look, leave; what the canvas shows is looked at."""

from __future__ import annotations

import os
import shutil
import weakref
from html import escape

import numpy as np
import pytest
from fixtures.desk import PATIENCE_MS, canvas, close, open_and_wait, pixel_of, score_and_wait
from napari_dotaliver.reading.verdicts_html import verdicts_html
from napari_dotaliver.view import layers
from napari_dotaliver.view.outline_overlay import outlined
from napari_dotaliver.widgets.desk import Desk
from napari_dotaliver.widgets.start import desk_of
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox
from scipy.ndimage import distance_transform_edt

from dotaliver.config.scoring import ScoringConfig
from dotaliver.export.report.evidence import evidence_rows
from dotaliver.pipeline import StudyInput, read_record
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.flags import raise_flag


@pytest.fixture
def viewer(request, kept):
    """A new viewer, or the one that is kept for the tests of a score that is open."""
    assert not os.environ.get("QT_QPA_PLATFORM"), "leave QT_QPA_PLATFORM unset: offscreen draws nothing"
    if "read" in request.fixturenames:
        return kept.give()
    # Two desks would answer to the same keys.
    kept.close()
    viewer = request.getfixturevalue("make_napari_viewer")(show=True)
    viewer.window.resize(1500, 950)
    return viewer


@pytest.fixture
def desk(viewer):
    # A proxy: pytest holds what a test was given until everything is torn down, and with it the whole window.
    desk = weakref.proxy(desk_of(viewer))
    QApplication.processEvents()
    yield desk
    close(viewer)


@pytest.fixture
def read(viewer, kept) -> Desk:
    """A desk with a score open."""
    return weakref.proxy(kept.desk)


def only(desk: Desk, *names: str) -> None:
    """Show these layers alone, lesions filled."""
    desk.layers.fill_lesions(True)
    for layer in desk.viewer.layers:
        layer.visible = layer.name in names


def test_a_study_is_opened_and_scored_as_the_command_line_scores_it(desk, viewer, study, outcome, qtbot):
    assert not desk.score_button.isEnabled()
    open_and_wait(desk, StudyInput(study), qtbot)
    assert [layer.name for layer in viewer.layers][:2] == ["CT", "PET"]
    assert "68Ga-DOTATATE" in desk.patient.words.text()
    assert "min after injection" in desk.study_line.text()
    picture = canvas(viewer)
    assert picture.std() > 10, "the first picture is empty"
    score_and_wait(desk, qtbot)
    assert desk.session.score.record_id == outcome.score.record_id
    assert desk.table.table.rowCount() == len(outcome.score.lesions) + len(outcome.score.ct_foci)
    assert {"Liver", "Lesions", "Normal liver", "Diameters", "Lesion numbers", "Crosshair"} <= {
        layer.name for layer in viewer.layers
    }
    np.testing.assert_array_equal(desk.layers.lesions_painted().array, outcome.segmentations.lesions.labels.array)
    np.testing.assert_array_equal(desk.layers.liver_painted().mask, outcome.segmentations.liver.labels.mask)
    assert desk.verdicts.toPlainText().count("Inclusion") >= 3


def test_a_score_is_opened_with_its_images_first_then_its_masks_and_nothing_is_measured(
    desk, viewer, scored, outcome, qtbot, monkeypatch
):
    def never(*_given, **_options):
        raise AssertionError

    monkeypatch.setattr("dotaliver.pipeline.rescoring.score_labels", never)
    shown = []
    desk.opened_study.connect(lambda: shown.append(([layer.name for layer in viewer.layers][:2], desk.session)))
    with qtbot.waitSignal(desk.scored, timeout=PATIENCE_MS):
        desk.open(StudyInput(scored))
    assert shown == [(["CT", "PET"], None)]
    assert desk.session.automatic.record_id == outcome.score.record_id
    assert desk.session.score == read_record(scored)
    assert desk.session.folder == scored
    np.testing.assert_array_equal(desk.layers.lesions_painted().array, outcome.segmentations.lesions.labels.array)
    assert desk.table.table.rowCount() == len(outcome.score.lesions) + len(outcome.score.ct_foci)
    assert not desk.session.stale
    assert desk.score_button.isEnabled()


def test_a_mask_that_cannot_be_read_leaves_the_images_and_a_sentence(desk, viewer, scored, tmp_path, qtbot):
    folder = shutil.copytree(scored, tmp_path / "score")
    (folder / "segmentation_ct.dcm").unlink()
    with qtbot.waitSignal(desk.masks.failed, timeout=PATIENCE_MS):
        desk.open(StudyInput(folder))
    assert [layer.name for layer in viewer.layers][:2] == ["CT", "PET"]
    assert desk.session is None
    assert "segmentation_ct.dcm" in desk.message.text().lower()


def test_the_window_answers_while_a_study_is_scored_and_what_was_cancelled_never_arrives(desk, study, qtbot):
    answered = []
    open_and_wait(desk, StudyInput(study), qtbot)
    desk.score_button.click()
    assert desk.cancel_button.isEnabled()
    assert not desk.score_button.isEnabled()
    assert desk.progress.isVisible()
    stages = []
    desk.scoring.stage.connect(stages.append)
    qtbot.waitUntil(lambda: bool(stages), timeout=PATIENCE_MS)
    desk.view.buttons["coronal"].click()
    answered.append(desk.viewer.dims.order)
    assert desk.scoring.busy, "scoring was over before the window could be asked anything"
    assert answered == [(1, 0, 2)]
    desk.cancel_button.click()
    assert not desk.scoring.busy
    assert desk.session is None
    assert desk.score_button.isEnabled()
    assert "Cancelled" in desk.message.text()
    # Called off before its first stage, too
    desk.score()
    desk.cancel()
    # The threads end at their next stage; whatever they still tell is dropped.
    qtbot.wait(500)
    assert desk.session is None
    assert desk.table.table.rowCount() == 0


def test_a_folder_without_a_study_is_told_in_a_sentence(desk, viewer, tmp_path, qtbot):
    (tmp_path / "notes.txt").write_text("nothing")
    with qtbot.waitSignal(desk.reading.failed, timeout=PATIENCE_MS):
        desk.open(StudyInput(tmp_path))
    assert desk.message.isVisible()
    assert "DICOM" in desk.message.text()
    assert "Traceback" not in desk.message.text()
    assert len(viewer.layers) == 0
    assert not desk.score_button.isEnabled()


def test_a_reading_begins_in_the_liver(read, viewer):
    labels = read.session.liver
    index = np.rint(labels.geometry.lps_to_index(np.array(viewer.dims.point)[::-1])).astype(int)
    assert labels.array[tuple(index)] == 1


def test_a_row_shows_its_lesion_in_its_colour(read, viewer):
    desk = read
    only(desk, "Lesions")
    desk.layers.lesions.opacity = 1.0
    seen = 0
    for row in range(4):
        desk.table.table.selectRow(row)
        label = desk.current_label()
        lesion = next(lesion for lesion in desk.session.score.lesions if lesion.label == label)
        place = desk.layers.place_of(lesion)
        picture = canvas(viewer)
        y, x = pixel_of(viewer, picture, place)
        wanted = QColor(layers.lesion_colour(label))
        assert abs(picture[y, x] - [wanted.red(), wanted.green(), wanted.blue()]).max() <= 3, f"lesion {label}"
        rows, columns = picture.shape[:2]
        assert (abs(y - rows / 2), abs(x - columns / 2)) < (3, 3), "the lesion is not in the middle"
        seen += 1
    assert seen == 4


def test_outlines_run_along_the_border_in_lines_of_one_width(read, viewer):
    desk = read
    largest = max(desk.session.score.lesions, key=lambda lesion: lesion.volume_ml)
    desk.jump_to(largest.label)
    only(desk, "Lesions")
    viewer.canvas.overlays.scale_bar.visible = False
    for position in ("middle_left", "middle_right", "top_center", "bottom_center"):
        viewer.canvas.overlays[f"dotaliver_{position}"].visible = False
    voxel_mm = min(desk.session.lesions.geometry.spacing_mm)
    for _ in range(2):
        desk.layers.fill_lesions(False)
        lines = _coloured(canvas(viewer))
        desk.layers.fill_lesions(True)
        desk.layers.lesions.opacity = 1.0
        filled = canvas(viewer)
        # Lesions may touch: their border is where the colour changes.
        border = np.any([np.abs(filled - np.roll(filled, 1, axis)).max(axis=-1) > 40 for axis in (0, 1)], axis=0)
        half_voxel = 0.5 * voxel_mm * viewer.scene.camera.zoom * lines.shape[0] / viewer.canvas.size[0]
        assert lines.sum() > 100
        assert distance_transform_edt(~border)[lines].max() < half_voxel + 3
        assert distance_transform_edt(lines).max() <= 2.5, "as thin at any zoom"
        viewer.scene.camera.zoom *= 2
    planes = desk.view.planes.planes
    assert all(outlined(plane.model.layers["Lesions"]) for plane in planes)
    desk.layers.fill_lesions(False)
    desk.view.hide_marks(True)
    assert not _coloured(canvas(viewer)).any(), "hidden with the other marks"
    desk.view.hide_marks(False)


def _coloured(picture):
    return np.abs(picture - picture[1, 1]).max(axis=-1) > 40


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_lesion_voxel_lies_where_the_patient_has_it(read, viewer, plane):
    """Where the canvas shows lesion colour is where the record has lesion, to the side that radiologists expect."""
    desk = read
    desk.show_plane(plane)
    largest = max(desk.session.score.lesions, key=lambda lesion: lesion.volume_ml)
    desk.jump_to(largest.label)
    viewer.reset_view()
    only(desk, "Lesions")
    desk.layers.lesions.opacity = 1.0
    for position in ("middle_left", "middle_right", "top_center", "bottom_center"):
        viewer.canvas.overlays[f"dotaliver_{position}"].visible = False
    viewer.canvas.overlays.scale_bar.visible = False
    picture = canvas(viewer)
    background = picture[1, 1]
    coloured = np.argwhere(np.abs(picture - background).max(axis=-1) > 40)
    labels = desk.session.lesions
    grid = labels.geometry
    point = np.array(viewer.dims.point)[::-1]
    axis = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    places = grid.index_to_lps(np.argwhere(labels.array > 0))
    half = 0.5 * grid.spacing_mm[{2: 0, 1: 1, 0: 2}[axis]]
    cut = places[np.abs(places[:, axis] - point[axis]) <= half]
    expected = np.array([pixel_of(viewer, picture, place) for place in cut]).mean(axis=0)
    assert len(coloured) > 50
    assert np.abs(coloured.mean(axis=0) - expected).max() < 4
    if plane != "sagittal":
        # The phantom's liver, as everybody's, lies on the right: on the left of the picture.
        assert expected[1] < picture.shape[1] / 2


def test_liver_ct_and_pet_are_drawn_on_each_other(read, viewer):
    desk = read
    desk.jump_to(desk.session.score.lesions[0].label)
    viewer.reset_view()
    only(desk, "CT")
    ct = canvas(viewer)
    only(desk, "PET")
    pet = canvas(viewer)
    only(desk, "CT", "PET")
    both = canvas(viewer)
    assert ct.std() > 10
    assert pet.std() > 10
    assert (np.ptp(ct, axis=-1) > 10).mean() < 0.01, "only the letters at the edges are coloured on a grey CT"
    assert np.abs(both - ct).mean() > 1
    assert np.abs(both - pet).mean() > 1


def test_the_projection_shows_every_lesion_at_once_and_is_taken_back(read, viewer):
    desk = read
    desk.show_plane("coronal")
    slice_picture = canvas(viewer)
    desk.view.toggle_projection()
    assert desk.layers.pet.projection_mode == "max"
    picture = canvas(viewer)
    hottest = max(desk.session.score.lesions, key=lambda lesion: lesion.suv_max)
    only(desk, "PET")
    picture = canvas(viewer)
    y, x = pixel_of(viewer, picture, hottest.suv_peak_centre_lps_mm)
    assert picture[y, x].max() < 60, "a hot lesion is dark in inverted grey"
    assert picture[2, 2].min() > 200, "the canvas around it is white"
    desk.view.toggle_projection()
    desk.show_plane("coronal")
    assert desk.layers.pet.projection_mode == "none"
    assert slice_picture.std() > 10


def test_keys_do_what_the_panel_says(read, viewer, qtbot):
    desk = read
    window = desk.window()
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is not None, timeout=300_000)
    listed = desk.keys.toPlainText()
    for key, order in ((Qt.Key.Key_F2, (1, 0, 2)), (Qt.Key.Key_F3, (2, 0, 1)), (Qt.Key.Key_F1, (0, 1, 2))):
        QTest.keyClick(window, key)
        assert tuple(viewer.dims.order) == order
    QTest.keyClick(window, Qt.Key.Key_Period)
    first = desk.current_label()
    QTest.keyClick(window, Qt.Key.Key_Period)
    assert desk.current_label() != first
    QTest.keyClick(window, Qt.Key.Key_Comma)
    assert desk.current_label() == first
    QTest.keyClick(window, Qt.Key.Key_F6)
    assert not desk.layers.ct.visible
    assert desk.layers.pet.colormap.name == "gray_r"
    QTest.keyClick(window, Qt.Key.Key_F7)
    assert not desk.view.crosshair.layer.visible
    assert all(name in listed for name in ("F1", "F5", "F9", "crosshair", "next lesion"))


def test_the_other_planes_follow_and_lead(read, viewer, qtbot):
    desk = read
    desk.show_plane("axial")
    desk.table.table.selectRow(0)
    QApplication.processEvents()
    first, second = desk.view.planes.planes
    assert [first.plane.name, second.plane.name] == ["coronal", "sagittal"]
    qtbot.waitUntil(lambda: first.model.dims.point == viewer.dims.point == second.model.dims.point, timeout=300_000)
    first.model.dims.set_point(1, viewer.dims.point[1] + 10.0)
    assert viewer.dims.point[1] == first.model.dims.point[1]
    desk.show_plane("coronal")
    assert [first.plane.name, second.plane.name] == ["axial", "sagittal"]
    picture = np.asarray(first.canvas.screenshot(flash=False))[..., :3].astype(int)
    assert picture.std() > 10


def test_a_click_moves_the_crosshair_but_not_while_painting(read, viewer):
    from napari.utils._test_utils import read_only_mouse_event
    from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

    desk = read
    desk.show_plane("axial")
    here = tuple(viewer.dims.point)
    there = (here[0], here[1] + 20.0, here[2] - 15.0)

    def click() -> None:
        for act, kind in ((mouse_press_callbacks, "mouse_press"), (mouse_release_callbacks, "mouse_release")):
            act(viewer, read_only_mouse_event(type=kind, position=there, button=1, modifiers=[], is_dragging=False))

    viewer.layers.selection.active = desk.layers.lesions
    desk.layers.lesions.mode = "paint"
    click()
    assert viewer.dims.point == here
    desk.layers.lesions.mode = "pan_zoom"
    click()
    assert viewer.dims.point == there


def test_a_painted_voxel_is_seen_in_every_plane(read, viewer, qtbot):
    desk = read
    desk.table.table.selectRow(0)
    lesions = desk.layers.lesions
    planes = desk.view.planes.planes
    # The other planes follow when the main one rests.
    qtbot.waitUntil(lambda: all(plane.model.dims.point == viewer.dims.point for plane in planes), timeout=300_000)
    mirrored = [plane.model.layers["Lesions"] for plane in planes]
    index = tuple(np.round(lesions.world_to_data(viewer.dims.point)).astype(int))
    lesions.brush_size = 1
    lesions.paint(index, 77)
    QApplication.processEvents()
    assert lesions.data[index] == 77
    assert all(layer.data[index] == 77 for layer in mirrored)
    # They are drawn anew when the hand rests.
    qtbot.waitUntil(lambda: all(77 in layer._slice.image.raw for layer in mirrored), timeout=300_000)


def test_closing_over_unsaved_edits_asks(read, monkeypatch):
    desk = read
    desk.session.mark_lesion(desk.session.score.lesions[0].label, "treated")
    asked = []

    def question(*_args):
        asked.append(True)
        return QMessageBox.StandardButton.Cancel

    monkeypatch.setattr(QMessageBox, "question", question)
    assert desk.window().close() is False
    assert asked
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Discard)
    assert desk.may_leave(lambda: None)
    assert not desk.banner.file.path.exists()
    desk.banner.keep()
    assert not desk.banner.file.path.exists(), "what was discarded is not kept again"


def test_the_numbers_behind_a_verdict_fold_out(read):
    panel = read.verdicts
    assert "Highest 1 ml mean in liver (SUV)" not in panel.toPlainText()
    panel.fold("INC7")
    assert "Highest 1 ml mean in liver (SUV)" in panel.toPlainText()
    panel.fold("INC7")
    assert "Highest 1 ml mean in liver (SUV)" not in panel.toPlainText()


def test_a_layer_that_was_moved_is_not_measured(read):
    from dotaliver.errors import MaskError

    read.layers.lesions.translate = (5.0, 0.0, 0.0)
    with pytest.raises(MaskError, match="moved"):
        read.layers.lesions_painted()
    read.layers.lesions.translate = (0.0, 0.0, 0.0)
    assert read.layers.lesions_painted().labels
    read.viewer.layers.remove(read.layers.lesions)
    with pytest.raises(MaskError, match="not in the viewer"):
        read.layers.lesions_painted()


def test_another_study_takes_the_place_of_the_first(read, viewer, study, qtbot):
    before = len(viewer.layers)
    open_and_wait(read, StudyInput(study), qtbot)
    assert read.session is None
    assert read.table.table.rowCount() == 0
    names = [layer.name for layer in viewer.layers]
    assert names.count("CT") == names.count("PET") == 1
    assert len(viewer.layers) < before


def test_the_verdicts_panel_tells_every_answer_with_its_evidence(outcome):
    html = verdicts_html(outcome.score)
    for criterion in outcome.score.config.protocol.criteria:
        assert criterion.name in html
        assert outcome.score.criteria[criterion.id].reason[:30] in html.replace("&#x27;", "'")
    assert all(flag.sentence[:25] in html for flag in outcome.score.flags)


def test_evidence_is_named_as_in_the_report(outcome):
    html = verdicts_html(outcome.score, {"EXC4"})
    rows = evidence_rows(outcome.score.criteria["EXC4"])
    assert rows
    for name, value in rows:
        assert escape(name) in html
        assert escape(value) in html


def test_caveats_are_grouped_by_the_answers_that_they_limit(outcome):
    flag = raise_flag("LESION_AT_LIVER_BORDER")
    html = verdicts_html(outcome.score.model_copy(update={"flags": (flag,)}))
    assert "Caveats" in html
    assert "Limits Inclusion 7" in html
    assert escape(flag.sentence) in html


def test_text_of_a_record_cannot_become_markup(outcome):
    volumes, edits = outcome.opened.volumes, outcome.score.edits
    score = score_labels(volumes, outcome.segmentations, edits, ScoringConfig())
    verdict = score.criteria["INC7"].model_copy(update={"reason": "<img src='http://x'>"})
    html = verdicts_html(score.model_copy(update={"criteria": {**score.criteria, "INC7": verdict}}))
    assert "<img" not in html
    assert "&lt;img" in html
