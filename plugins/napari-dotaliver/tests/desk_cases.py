"""Driving the desk as a person does, and looking at what the canvas shows."""

from __future__ import annotations

import gc
from unittest.mock import patch

import numpy as np
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.widgets.desk import Desk
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMessageBox

PATIENCE_MS = 240_000


def open_and_wait(desk: Desk, study, qtbot) -> None:
    """Open a folder and wait until its images stand."""
    with qtbot.waitSignal(desk.opened_study, timeout=PATIENCE_MS):
        desk.open(study)


def score_and_wait(desk: Desk, qtbot) -> None:
    """Press *Score* and wait for the reading."""
    with qtbot.waitSignal(desk.scored, timeout=PATIENCE_MS):
        desk.score_button.click()


def canvas(viewer) -> np.ndarray:
    """What the main canvas shows, RGB from 0 to 255, shape (rows, columns, 3)."""
    QApplication.processEvents()
    picture = viewer.screenshot(canvas_only=True, flash=False)
    return np.asarray(picture)[..., :3].astype(int)


def pixel_of(viewer, picture: np.ndarray, place_lps_mm) -> tuple[int, int]:
    """Row and column of the canvas at which a place of the patient is drawn; the plane goes through it."""
    camera = viewer.scene.camera
    world = lps_to_world(place_lps_mm)
    down, right = camera.orientation2d
    vertical, horizontal = viewer.dims.displayed
    rows, columns = picture.shape[:2]
    scale = camera.zoom * rows / viewer.canvas.size[0]
    y = (world[vertical] - camera.center[-2]) * (1 if down == "down" else -1)
    x = (world[horizontal] - camera.center[-1]) * (1 if right == "right" else -1)
    return round(rows / 2 + y * scale), round(columns / 2 + x * scale)


def close(viewer) -> None:
    """Close the window and let Qt delete what was in it, so that nothing outlives the test."""
    window = viewer.window._qt_window
    with patch.object(window, "_save_current_window_settings"), patch.object(QMessageBox, "question", _discard):
        viewer.close()
    del window
    for _ in range(10):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()


def _discard(*_args) -> QMessageBox.StandardButton:
    return QMessageBox.StandardButton.Discard
