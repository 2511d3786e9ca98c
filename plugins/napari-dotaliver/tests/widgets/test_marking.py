"""Marking tools worked by mouse, wheel and keys on one desk: strokes, splits, merges, and outlines by a click."""

from __future__ import annotations

import time
import weakref

import numpy as np
import pytest
from fixtures.desk import activate, pixel_of
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.orientation import jump
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from dotaliver.image.geometry import as_vector

LEFT = Qt.MouseButton.LeftButton
PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def shared(kept):
    """One desk for all tests of this file, which put back what they did."""
    kept.give()
    desk = kept.desk
    # Measuring is tested elsewhere, and would run between the events of a test.
    desk.tools.remeasuring._busy_elsewhere = None
    desk.tabs.setCurrentWidget(desk.tools)
    QApplication.processEvents()
    return weakref.proxy(desk)


@pytest.fixture
def desk(shared, qtbot):
    """The desk with the reading as it was opened and its largest lesion selected."""
    window = shared.window()
    activate(window, qtbot)
    lesion = largest(shared)
    shared.table.choose((lesion.label,))
    jump(shared.viewer, middle(shared, lesion.label), 60.0)
    QApplication.processEvents()
    yield shared
    shared.tools.marking.put_down()
    shared.tools.marking.on_lesion.setChecked(True)
    while shared.session.can_undo:
        shared.session.undo()
    assert shared.session.state.lesions is None


def largest(desk):
    return max(desk.session.automatic.lesions, key=lambda lesion: lesion.volume_ml)


def mask_of(desk, label) -> np.ndarray:
    return desk.session.lesions.array == label


def middle(desk, label):
    index = np.argwhere(mask_of(desk, label))
    nearest = index[np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()]
    return place(desk, nearest)


def place(desk, index):
    return as_vector(desk.session.lesions.geometry.index_to_lps(index))


def at(desk, place_lps_mm) -> QPoint:
    size = (*desk.viewer.canvas.size, 3)
    row, column = pixel_of(desk.viewer, np.zeros(size, dtype=np.uint8), place_lps_mm)
    return QPoint(column, row)


def native(desk):
    return desk.viewer.window._qt_viewer.canvas.native


def drag(desk, places) -> None:
    """Press at the first place, move through the others, release at the last."""
    points = [at(desk, place) for place in places]
    QTest.mouseMove(native(desk), points[0])
    QTest.mousePress(native(desk), LEFT, pos=points[0])
    for point in points[1:]:
        QTest.mouseMove(native(desk), point)
        # Qt puts moves together that come too fast.
        QTest.qWait(30)
    QTest.mouseRelease(native(desk), LEFT, pos=points[-1])
    for _ in range(3):
        QApplication.processEvents()


def click(desk, place_lps_mm) -> None:
    drag(desk, [place_lps_mm])


def turn_wheel(desk, notches, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    widget = native(desk)
    where = widget.rect().center()
    event = QWheelEvent(
        QPointF(where), QPointF(widget.mapToGlobal(where)), QPoint(0, 0), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, modifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()


def press(desk, key) -> None:
    QTest.keyClick(desk.window(), key)
    QApplication.processEvents()


def row_labels(desk) -> set[int]:
    return {desk.table._label(row) for row in range(desk.table.table.rowCount())}


def flat_row(desk, label):
    """Index of the voxels of a lesion's middle row, left to right as the image shows them."""
    grid = desk.session.lesions.geometry
    index = np.argwhere(mask_of(desk, label))
    centre = grid.lps_to_index(middle(desk, label)).round().astype(int)
    return index[(index[:, 0] == centre[0]) & (index[:, 1] == centre[1])]


def test_a_stroke_more_corrects_the_selected_lesion_and_undo_takes_it_back(desk):
    label = largest(desk).label
    own = mask_of(desk, label)
    row = flat_row(desk, label)
    missing = own.copy()
    missing[:, :, : row[len(row) // 2][2]] = False
    array = desk.session.lesions.array.copy()
    array[missing] = 0
    desk.session.set_lesions(array)
    before = desk.session.state
    press(desk, Qt.Key.Key_A)
    assert desk.tools.marking.buttons["more"].isChecked()
    camera = desk.viewer.scene.camera.center
    start = time.process_time()
    drag(desk, [place(desk, index) for index in row[-4:-1]])
    assert time.process_time() - start < 3.0, "drawing, correcting and showing, all threads"
    assert desk.viewer.scene.camera.center == camera, "a stroke does not move the image"
    now = mask_of(desk, label)
    assert 2 * (now & own).sum() / (now.sum() + own.sum()) > 0.9
    noted = desk.session.edits.mask_edits[-1]
    assert noted.tool == "scribble_more"
    assert len(noted.places_lps_mm) >= 3
    press(desk, Qt.Key.Key_Z)  # a letter that is no tool changes nothing
    QTest.keyClick(desk.window(), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.session.state == before


def test_a_stroke_less_and_the_liver_too(desk):
    label = largest(desk).label
    row = flat_row(desk, label)
    press(desk, Qt.Key.Key_R)
    click(desk, place(desk, row[-1]))
    assert not mask_of(desk, label)[tuple(row[-1])]
    desk.tools.marking.on_liver.setChecked(True)
    mask = desk.session.liver.mask
    drag(desk, [place(desk, index) for index in row[:2]])
    assert desk.session.edits.mask_edits[-1].mask == "liver"
    assert desk.session.liver.mask.sum() < mask.sum()


def test_a_refused_stroke_says_why_and_leaves_no_trace(desk):
    before = desk.session.state
    other = next(n for n in desk.session.lesions.labels if n != largest(desk).label)
    jump(desk.viewer, middle(desk, other), 40.0)
    QApplication.processEvents()
    press(desk, Qt.Key.Key_A)
    click(desk, middle(desk, other))
    assert "another lesion" in desk.tools.message.text()
    assert desk.session.state is before
    assert len(desk.tools.marking._marks.points.data) == 0


def test_clicks_split_the_lesion_on_enter_and_the_table_follows_at_once(desk):
    label = largest(desk).label
    before, rows = desk.session.state, row_labels(desk)
    row = flat_row(desk, label)
    press(desk, Qt.Key.Key_S)
    click(desk, place(desk, row[1]))
    assert not desk.tools.marking.accept_button.isEnabled(), "one seed makes no two parts"
    press(desk, Qt.Key.Key_Return)
    assert desk.session.state is before
    click(desk, place(desk, row[-2]))
    assert len(desk.tools.marking._marks.points.data) == 2
    assert desk.session.state is before, "nothing is split before Enter"
    press(desk, Qt.Key.Key_Return)
    new = set(desk.session.lesions.labels) - {n.label for n in desk.session.automatic.lesions}
    assert len(new) == 1
    assert row_labels(desk) == rows | new
    assert len(desk.tools.marking._marks.points.data) == 0
    desk.session.undo()
    assert row_labels(desk) == rows


def test_a_line_cuts_and_two_clicks_merge(desk):
    label = largest(desk).label
    own, rows = mask_of(desk, label), row_labels(desk)
    x, y, z = middle(desk, label)
    press(desk, Qt.Key.Key_X)
    drag(desk, [(x, y - 29.0, z), (x, y, z), (x, y + 29.0, z)])
    new = set(desk.session.lesions.labels) - {n.label for n in desk.session.automatic.lesions}
    assert len(new) == 1
    assert desk.session.edits.mask_edits[-1].tool == "split_line"
    press(desk, Qt.Key.Key_Y)
    row = np.argwhere(own)
    row = row[(row[:, 0] == np.argwhere(own)[len(row) // 2][0])]
    parts = desk.session.lesions.array
    places = [place(desk, next(n for n in row if parts[tuple(n)] == part)) for part in (label, next(iter(new)))]
    desk.viewer.dims.point = tuple(lps_to_world(places[0]))
    QApplication.processEvents()
    click(desk, places[0])
    assert "merge it with" in desk.tools.marking.line.text()
    click(desk, places[1])
    np.testing.assert_array_equal(mask_of(desk, label), own)
    assert row_labels(desk) == rows
    assert not (desk.layers.lesions.data == next(iter(new))).any()


def test_a_deleted_lesion_leaves_table_and_lines_at_once(desk):
    label = largest(desk).label
    press(desk, Qt.Key.Key_Delete)
    assert label not in row_labels(desk)
    assert label not in [int(n) for n in desk.layers.diameters.features["lesion"]]
    assert str(label) not in list(desk.layers.numbers.features["number"])


def test_a_click_on_the_pet_is_previewed_turned_and_accepted(desk):
    lesion = largest(desk)
    own = mask_of(desk, lesion.label)
    desk.session.delete_lesion(lesion.label)
    before, slice_before = desk.session.state, desk.viewer.dims.current_step
    jump(desk.viewer, lesion.suv_peak_centre_lps_mm, 60.0)
    QApplication.processEvents()
    slice_before = desk.viewer.dims.current_step
    press(desk, Qt.Key.Key_I)
    click(desk, lesion.suv_peak_centre_lps_mm)
    marking = desk.tools.marking
    assert "% of maximum (edge rule)" in marking.line.text()
    shown = marking._marks.preview
    assert shown.visible
    size, percent = int((shown.data > 0).sum()), marking.preview.words
    turn_wheel(desk, 3)
    assert int((shown.data > 0).sum()) < size
    assert marking.preview.words != percent
    assert marking.preview.words in marking.line.text()
    turn_wheel(desk, -3)
    assert int((shown.data > 0).sum()) == size
    assert desk.viewer.dims.current_step == slice_before, "the wheel changes the level and scrolls nothing"
    zoom = desk.viewer.scene.camera.zoom
    turn_wheel(desk, 1, Qt.KeyboardModifier.ControlModifier)
    assert desk.viewer.scene.camera.zoom > zoom
    assert desk.session.state is before, "nothing enters the reading before Enter"
    press(desk, Qt.Key.Key_Return)
    new = set(desk.session.lesions.labels) - {n.label for n in desk.session.automatic.lesions}
    assert len(new) == 1
    now = mask_of(desk, next(iter(new)))
    assert 2 * (now & own).sum() / (now.sum() + own.sum()) > 0.8
    assert not shown.visible
    assert desk.table.chosen == tuple(new)
    step = desk.viewer.dims.current_step[0]
    turn_wheel(desk, 1)
    assert desk.viewer.dims.current_step[0] == step + 1, "the wheel scrolls again"


def test_escape_discards_a_preview_and_then_puts_the_tool_down(desk):
    before = desk.session.state
    press(desk, Qt.Key.Key_I)
    click(desk, largest(desk).suv_peak_centre_lps_mm)
    assert desk.tools.marking.preview is not None
    press(desk, Qt.Key.Key_Escape)
    assert desk.tools.marking.preview is None
    assert desk.tools.marking.tool == "outline"
    press(desk, Qt.Key.Key_Escape)
    assert desk.tools.marking.tool is None
    assert desk.viewer.scene.camera.mouse_pan
    press(desk, Qt.Key.Key_Return)
    assert desk.session.state is before


def test_enter_in_a_text_field_accepts_nothing(desk):
    before = desk.session.state
    press(desk, Qt.Key.Key_I)
    click(desk, largest(desk).suv_peak_centre_lps_mm)
    desk.tools.sphere.sphere_mm.setFocus()
    QTest.keyClick(desk.tools.sphere.sphere_mm, Qt.Key.Key_Return)
    QApplication.processEvents()
    assert desk.session.state is before
    assert desk.tools.marking.preview is not None


def test_one_tool_at_a_time_and_a_brush_puts_marks_aside(desk):
    before = desk.session.state
    press(desk, Qt.Key.Key_A)
    press(desk, Qt.Key.Key_S)
    assert [name for name, button in desk.tools.marking.buttons.items() if button.isChecked()] == ["seeds"]
    desk.tools.pointing.click_button.click()
    assert desk.tools.marking.tool is None
    press(desk, Qt.Key.Key_S)
    assert not desk.tools.pointing.click_button.isChecked()
    press(desk, Qt.Key.Key_F4)
    click(desk, middle(desk, largest(desk).label))
    assert "projection has no depth" in desk.tools.message.text()
    press(desk, Qt.Key.Key_F4)
    assert desk.session.state is before


def test_marks_are_no_masks_of_the_reading(desk):
    press(desk, Qt.Key.Key_I)
    click(desk, largest(desk).suv_peak_centre_lps_mm)
    np.testing.assert_array_equal(desk.layers.lesions_painted().array, desk.session.lesions.array)
    assert desk.viewer.layers.selection.active not in {
        desk.tools.marking._marks.points,
        desk.tools.marking._marks.preview,
    }
