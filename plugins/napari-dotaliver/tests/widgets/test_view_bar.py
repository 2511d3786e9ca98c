"""Ways to look, with real wheel, buttons and keys over the canvas of a reading."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from fixtures.desk import activate
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication


@pytest.fixture
def desk(kept):
    """The desk that is kept for the tests of this file, as the first of them found it."""
    kept.give()
    return weakref.proxy(kept.desk)


def wheel(widget, notches: int, modifiers=Qt.KeyboardModifier.NoModifier) -> None:
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle, QPointF(widget.mapToGlobal(widget.rect().center())), QPoint(0, 0), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def test_the_desk_looks_as_a_workstation_does(desk, qtbot):
    view, viewer, layers = desk.view, desk.viewer, desk.layers
    native = viewer.window._qt_viewer.canvas.native

    # The wheel scrolls, and zooms with Ctrl.
    step, zoom = viewer.dims.current_step[0], viewer.scene.camera.zoom
    wheel(native, -1)
    assert (viewer.dims.current_step[0], viewer.scene.camera.zoom) == (step - 1, zoom)
    wheel(native, 1, Qt.KeyboardModifier.ControlModifier)
    assert (viewer.dims.current_step[0], viewer.scene.camera.zoom > zoom) == (step - 1, True)

    # Keys set windows, which the panel names.
    window = desk.window()
    activate(window, qtbot)
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    QTest.keyClick(window, Qt.Key.Key_5, Qt.KeyboardModifier.AltModifier)
    assert tuple(layers.pet.contrast_limits) == (0.0, 7.0)
    assert tuple(layers.ct.contrast_limits) == (-20.0, 140.0)
    assert view.window_line.text() == "PET SUV 0 to 7\nCT W 160 L 60 HU"

    # A drag of the right button windows the PET; with Shift the CT below it.
    QTest.mousePress(native, Qt.MouseButton.RightButton, pos=QPoint(200, 200))
    QTest.mouseMove(native, QPoint(200, 260))
    QTest.mouseRelease(native, Qt.MouseButton.RightButton, pos=QPoint(200, 260))
    assert tuple(layers.ct.contrast_limits) == (-20.0, 140.0)
    view.drag_window("begin", 0, 0, True)
    view.drag_window("move", 150, 0, True)
    view.drag_window("end", 0, 0, True)
    assert tuple(layers.ct.contrast_limits) == (-100.0, 220.0)

    # The slider blends, and the choice outlives a look at one image alone.
    view.blend.setValue(30)
    assert layers.pet.opacity == pytest.approx(0.3)
    view.next_images()
    assert (view.images, layers.pet.opacity, view.blend.isEnabled()) == ("PET", 1.0, False)
    view.next_images()
    view.next_images()
    assert (view.images, layers.pet.opacity) == ("fused", pytest.approx(0.3))

    # Lesions are outlines, filled on request, and hidden with all marks while a key is held.
    assert layers.lesions.opacity == 0.0
    QTest.keyClick(window, Qt.Key.Key_F12)
    assert layers.lesions.opacity > 0.5
    shown = [layer.name for layer in viewer.layers if layer.visible]
    layers.numbers.visible = False
    view.hide_marks(True)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["CT", "PET"]
    view.hide_marks(False)
    assert [layer.name for layer in viewer.layers if layer.visible] == [n for n in shown if n != layers.numbers.name]

    # What is under the mouse, on the main canvas and on the small ones.
    hottest = max(desk.session.score.lesions, key=lambda lesion: lesion.suv_peak)
    place = desk.layers.place_of(hottest)
    for model in (viewer, view.planes.planes[0].model):
        view.pointer.clear()
        model.cursor.position = (0.0, 0.0, 1e6)
        model.cursor.position = tuple(place[::-1])
        assert view.pointer.text().startswith("SUV ")
        assert view.pointer.text().endswith(f"HU · lesion {hottest.label}")
    model.cursor.position = (1e6, 0.0, 0.0)
    assert view.pointer.text() == ""


def test_the_turning_projection_leads_to_a_focus(desk, qtbot):
    mip, viewer = desk.view.mip, desk.viewer
    hottest = max(desk.session.score.lesions, key=lambda lesion: lesion.suv_max)
    place = np.array(desk.layers.place_of(hottest)[::-1])
    shown = mip.grab().toImage()
    QTest.keyClick(mip, Qt.Key.Key_Right)
    assert mip.angle_deg == 10
    assert mip.grab().toImage() != shown
    QTest.keyClick(mip, Qt.Key.Key_Left)
    # A drag turns and goes nowhere; a click goes to the focus.
    before = viewer.dims.point
    QTest.mousePress(mip, Qt.MouseButton.LeftButton, pos=QPoint(60, 60))
    QTest.mouseMove(mip, QPoint(30, 60))
    QTest.mouseRelease(mip, Qt.MouseButton.LeftButton, pos=QPoint(30, 60))
    assert mip.angle_deg == 50
    assert viewer.dims.point == before
    mip.turn(-5)
    area, made = mip._area(mip._made()), mip._made()
    row, column = made.pixel_of(0, place)
    scale = area.width() / made.voxels.shape[2]
    at = QPoint(round(area.left() + (column + 0.5) * scale), round(area.top() + (row + 0.5) * scale))
    QTest.mouseClick(mip, Qt.MouseButton.LeftButton, pos=at)
    assert np.linalg.norm(np.subtract(viewer.dims.point, place)[[0, 2]]) < 3 * made.spacing_mm


def test_the_table_begins_with_the_hottest_lesion(desk):
    hottest = max(desk.session.score.lesions, key=lambda lesion: lesion.suv_peak)
    assert desk.table._label(0) == hottest.label
