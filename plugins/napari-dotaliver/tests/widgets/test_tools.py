"""The tools, worked as a reader works them: keys, clicks and strokes."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.desk import go_to
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.widgets.tools import KEYS, ToolsWidget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

PATIENCE_MS = 600_000


def press(qtbot, tools: ToolsWidget, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    qtbot.keyClick(tools, key, modifier)


def paint(tools: ToolsWidget, qtbot, place_lps_mm) -> None:
    """One dab of the brush, and the rest after it."""
    layer = tools._layers.lesions
    layer.paint(np.rint(layer.world_to_data(lps_to_world(place_lps_mm))).astype(int), layer.selected_label)
    before = tools._session.state
    qtbot.waitUntil(lambda: tools._session.state is not before, timeout=300_000)


def test_stroke_is_one_step_and_is_measured(tools, qtbot):
    session, label = tools._session, tools.lesion.chosen_label
    lesion = next(n for n in session.score.lesions if n.label == label)
    x, y, z = lesion.centroid_lps_mm
    tools._layers.lesions.selected_label = label
    tools.painting.brush_mm.setValue(60.0)
    tools.painting.modes["paint"].click()
    assert str(tools._layers.lesions.mode) == "paint"
    paint(tools, qtbot, (x, y, z))
    assert session.stale
    assert "Re-measure" in tools.state.text()
    press(qtbot, tools, Qt.Key.Key_F10)
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    after = next(n for n in session.score.lesions if n.label == label)
    assert after.volume_ml > lesion.volume_ml
    assert f"Lesion {label}: volume {lesion.volume_ml:.1f} → {after.volume_ml:.1f} ml" in tools.changes.toPlainText()
    press(qtbot, tools, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(tools._layers.lesions_painted().array, session.automatic_lesions.array)
    assert not session.can_undo


def test_moved_layer_is_refused_and_taken_back(tools, qtbot):
    session, layer = tools._session, tools._layers.lesions
    layer.translate = np.asarray(layer.translate) + 10.0
    layer.paint((0, 0, 0), 1)
    qtbot.waitUntil(tools.message.isVisible, timeout=300_000)
    assert "moved" in tools.message.text()
    assert not session.dirty


def test_delete_key_and_undo(tools, qtbot):
    session, label = tools._session, tools.lesion.chosen_label
    press(qtbot, tools, Qt.Key.Key_Delete)
    assert label not in session.lesions.labels
    assert not (tools._layers.lesions.data == label).any()
    assert not tools.lesion.delete_button.isEnabled()
    tools.undo_button.click()
    assert label in session.lesions.labels
    tools.redo_button.click()
    assert label not in session.lesions.labels


def test_marks_by_one_key_each(tools, qtbot):
    session, label = tools._session, tools.lesion.chosen_label
    for key, mark in (
        (Qt.Key.Key_N, "not_a_lesion"),
        (Qt.Key.Key_T, "treated"),
        (Qt.Key.Key_G, "progressed_since_treatment"),
    ):
        press(qtbot, tools, key)
        assert mark in session.marks_of(label)
        assert tools.lesion.marks[mark].isChecked()
        press(qtbot, tools, key)
        assert mark not in session.marks_of(label)
    tools.caliper.roles["node"].click()
    assert session.marks_of(label) == ("node",)
    assert "lymph node" in tools.lesion.lesion_line.text()


def test_join_and_cut(tools, qtbot):
    session = tools._session
    first, second = session.lesions.labels[:2]
    tools.chosen = lambda: (first, second)
    press(qtbot, tools, Qt.Key.Key_J)
    assert second not in session.lesions.labels
    tools.chosen = lambda: (first,)
    before = len(session.lesions.labels)
    press(qtbot, tools, Qt.Key.Key_K)
    assert len(session.lesions.labels) > before


def test_one_lesion_cannot_be_joined(tools, qtbot):
    press(qtbot, tools, Qt.Key.Key_J)
    assert tools.message.isVisible()
    assert "two lesions" in tools.message.text()
    assert not tools._session.dirty


def test_threshold_in_a_sphere_outlines_a_new_lesion(tools, qtbot):
    session = tools._session
    label = tools.lesion.chosen_label
    lesion = next(n for n in session.score.lesions if n.label == label)
    tools.lesion.delete_button.click()
    go_to(tools._viewer, lesion.suv_peak_centre_lps_mm)
    before = set(session.lesions.labels)
    press(qtbot, tools, Qt.Key.Key_O)
    new = set(session.lesions.labels) - before
    assert len(new) == 1
    assert new != {label}, "a number that was a lesion's is not given to another"
    grid = session.lesions.geometry
    index = tuple(np.rint(grid.lps_to_index(lesion.suv_peak_centre_lps_mm)).astype(int))
    assert int(session.lesions.array[index]) in new
    tools.painting.level.setValue(1000.0)
    tools.painting.level_unit.setCurrentIndex(1)
    tools.painting.sphere_button.click()
    assert "lower the threshold" in tools.message.text()


def test_new_lesion_has_a_number_of_its_own(tools, qtbot):
    tools.painting.new_button.click()
    layer = tools._layers.lesions
    assert layer.selected_label not in tools._session.lesions.labels
    assert str(layer.mode) == "paint"
    (x, y, z), _ = tools._session.reference_sphere
    paint(tools, qtbot, (x, y, z))
    assert layer.selected_label in tools._session.lesions.labels


def test_sphere_moves_to_the_crosshair_and_back(tools, qtbot):
    session = tools._session
    (x, y, z), diameter = session.reference_sphere
    go_to(tools._viewer, (x + 8.0, y, z))
    press(qtbot, tools, Qt.Key.Key_W)
    moved, _ = session.reference_sphere
    np.testing.assert_allclose(moved, (x + 8.0, y, z), atol=3.0)
    assert session.edits.references[0].diameter_mm == diameter
    tools.sphere.sphere_mm.setValue(20.0)
    assert session.reference_sphere[1] == 20.0
    tools.sphere.auto_button.click()
    assert session.reference_sphere == ((x, y, z), diameter)


def test_dragged_sphere_is_taken(tools, qtbot):
    from napari.utils.events import Event  # noqa: F401 -- the layer's own event is emitted below

    session, layer = tools._session, tools._layers.reference
    before = session.reference_sphere[0]
    data = np.array(layer.data)
    data[0, 2] += 6.0
    layer.data = data
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
    qtbot.waitUntil(lambda: bool(session.edits.references), timeout=300_000)
    moved = session.reference_sphere[0]
    assert np.linalg.norm(np.subtract(moved, before)) == pytest.approx(6.0)


def test_liver_is_smoothed_and_interpolated(tools, qtbot):
    session = tools._session
    grid = session.liver_grid
    mask = session.liver.mask.copy()
    areas = mask.sum(axis=(1, 2))
    middle = int(areas.argmax())
    mask[middle - 1 : middle + 2] = False
    session.set_liver(mask)
    for k, button in ((middle - 2, tools.painting.from_button), (middle + 2, tools.painting.to_button)):
        go_to(tools._viewer, grid.index_to_lps((k, grid.shape[1] // 2, grid.shape[2] // 2)))
        assert button.isEnabled()
        button.click()
    filled = session.liver.mask
    assert (filled[middle - 1 : middle + 2].sum(axis=(1, 2)) > 0.7 * areas[middle]).all()
    tools.painting.smooth_button.click()
    assert (session.liver.mask != filled).any()
    tools.painting.on_liver.setChecked(True)
    tools.painting.modes["paint"].click()
    assert tools._layers.liver.selected_label == 1


def test_every_key_is_listed_and_every_part_is_reached_by_tab(tools):
    assert {key.key for key in KEYS} >= {
        "F10",
        "Del",
        "J",
        "K",
        "N",
        "T",
        "G",
        "O",
        "W",
        "D",
        "B",
        "Shift+B",
        "L",
        "Ctrl+Z",
    }
    assert "H" not in {key.key for key in KEYS}, "held, it hides the outlines; it must not draw one"
    for part in tools.findChildren(QWidget):
        if part.metaObject().className() in {"QPushButton", "QDoubleSpinBox", "QComboBox"}:
            assert part.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_tools_that_were_closed_down_follow_neither_reading_nor_mouse(tools):
    session, clicks = tools._session, list(tools._viewer.mouse_drag_callbacks)
    tools.close_down()
    assert len(tools._viewer.mouse_drag_callbacks) == len(clicks) - 2
    shown = tools.lesion.lesion_line.text()
    session.mark_lesion(tools.lesion.chosen_label, "treated")
    assert tools.lesion.lesion_line.text() == shown
    tools.close_down()


def test_edits_change_layers_in_place_and_keep_what_the_reader_chose(tools, qtbot):
    """Taking layers out and putting them back costs seconds of garbage collection."""
    session, layers = tools._session, tools._layers
    before, active = list(layers.all), tools._viewer.layers.selection.active
    tools.lesion.delete()
    label = session.lesions.labels[0]
    session.mark_lesion(label, "treated")
    (x, y, z), diameter = session.reference_sphere
    session.place_reference((x + 5.0, y, z), diameter)
    np.testing.assert_allclose(
        layers.reference.data_to_world(layers.reference.data[0]), lps_to_world((x + 5.0, y, z)), atol=1e-3
    )
    x, y, z = next(n for n in session.score.lesions if n.label == label).centroid_lps_mm
    session.redraw_diameter(label, ((x - 10, y, z), (x + 10, y, z)))
    known = [int(n) for n in layers.diameters.features["lesion"]]
    drawn = layers.diameters.data[known.index(label)]
    np.testing.assert_allclose(
        [layers.diameters.data_to_world(end) for end in drawn],
        lps_to_world([(x - 10, y, z), (x + 10, y, z)]),
        atol=1e-3,
    )
    assert str(tools.lesion.chosen_label) not in list(layers.numbers.features["number"])
    tools.undo()
    assert layers.all == before
    assert tools._viewer.layers.selection.active is active
    np.testing.assert_array_equal(layers.lesions_painted().array, session.lesions.array)


def test_a_liver_stroke_is_taken_in_where_it_was_painted(tools, qtbot):
    session, layer = tools._session, tools._layers.liver
    inside = np.argwhere(np.asarray(layer.data) == 1)
    edge = inside[int(np.argmax(inside @ np.array([0, 0, 1])))]
    layer.selected_label, layer.brush_size = 1, 5
    layer.paint(tuple(int(n) for n in edge), 1)
    tools.painting.take_painted()
    np.testing.assert_array_equal(tools._layers.liver_painted().array, session.liver.array)
    assert int(session.liver.array.sum()) > len(inside)
    tools.undo()
    assert int(session.liver.array.sum()) == len(inside) == int((np.asarray(layer.data) == 1).sum())
    assert not session.dirty
