"""The caliper, worked with mouse and keys on the canvas."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.desk import canvas, drag, go_to, pixel_of
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def caliper(tools):
    """The caliper on the largest lesion that the CT shows, in the middle of the canvas."""
    seen = [lesion for lesion in tools._session.score.lesions if lesion.diameter_source == "ct"]
    largest = max(seen, key=lambda lesion: lesion.longest_diameter_mm)
    tools._viewer.window.resize(1366, 768)
    tools.lesion_chosen(largest.label)
    place = np.mean(largest.diameter.long_axis_lps_mm, axis=0)
    go_to(tools._viewer, place)
    camera = tools._viewer.scene.camera
    camera.center, camera.zoom = (place[2], place[1], place[0]), 3.0
    return tools.caliper


def key(qtbot, tools, letter, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    qtbot.keyClick(tools, letter, modifier)


def pull(tools, qtbot, start_lps_mm, end_lps_mm) -> None:
    """Drag the mouse from one place of the patient to another, in the slice that is shown."""
    viewer = tools._viewer
    picture = canvas(viewer)
    drag(viewer, qtbot, pixel_of(viewer, picture, start_lps_mm), pixel_of(viewer, picture, end_lps_mm))
    qtbot.wait(50)


def test_longest_diameter_and_short_axis_are_dragged_and_undone_one_by_one(tools, caliper, qtbot):
    session, lesion = tools._session, caliper.lesion
    (x, y, z) = tuple(float(v) for v in np.mean(session.caliper_of(lesion).long_axis_lps_mm, axis=0))
    center = tools._viewer.scene.camera.center
    caliper.snap.setChecked(False)
    key(qtbot, tools, Qt.Key.Key_D)
    assert caliper.button.isChecked()
    # Away from the ends that are there: a new longest diameter.
    pull(tools, qtbot, (x - 40.0, y + 30.0, z), (x + 40.0, y + 30.0, z))
    drawn = session.caliper_of(lesion)
    assert session.is_drawn(lesion)
    assert drawn.long_mm == pytest.approx(80.0, abs=1.5)
    assert drawn.short_mm is None
    assert f"Lesion {lesion}: {drawn.long_mm:.1f} mm (drawn)" in caliper.size_line.text()
    assert tuple(tools._viewer.scene.camera.center) == tuple(center), "the image was moved too"
    pull(tools, qtbot, (x - 5.0, y + 10.0, z), (x + 5.0, y + 50.0, z))
    both = session.caliper_of(lesion)
    assert both.short_mm == pytest.approx(40.0, abs=1.5)
    long, short = (np.subtract(*axis) for axis in (both.long_axis_lps_mm, both.short_axis_lps_mm))
    assert abs(long @ short) < 1e-6 * both.long_mm * both.short_mm
    # An end of the longest diameter is dragged, and the short axis follows.
    pull(tools, qtbot, both.long_axis_lps_mm[1], (x + 20.0, y + 60.0, z))
    turned = session.caliper_of(lesion)
    assert turned.long_mm == pytest.approx(np.hypot(60.0, 30.0), abs=1.5)
    assert turned.short_mm == pytest.approx(both.short_mm)
    layer = tools._viewer.layers["Caliper"]
    words = [word for word in layer.features["mm"] if word]
    assert words == [f"{turned.long_mm:.1f} mm", f"{turned.short_mm:.1f} mm"]
    for expected in (both, drawn):
        tools.undo()
        assert session.caliper_of(lesion) == expected
    qtbot.mouseClick(caliper.automatic_button, Qt.MouseButton.LeftButton)
    assert not session.is_drawn(lesion)
    key(qtbot, tools, Qt.Key.Key_D)
    assert not caliper.button.isChecked()
    before = session.state
    pull(tools, qtbot, (x - 40.0, y + 30.0, z), (x + 40.0, y + 30.0, z))
    assert session.state is before, "the caliper was put away"


def test_ends_snap_to_the_outline_and_the_short_axis_follows_it(tools, caliper, qtbot):
    session, lesion = tools._session, caliper.lesion
    found = session.caliper_of(lesion)
    first, second = (np.asarray(end) for end in found.long_axis_lps_mm)
    along = (second - first) / np.linalg.norm(second - first)
    key(qtbot, tools, Qt.Key.Key_D)
    # Drawn from 4 mm inside to 4 mm outside, away from the ends' own grips.
    pull(tools, qtbot, first + 4.0 * along, second + 4.0 * along)
    drawn = session.caliper_of(lesion)
    assert drawn.long_mm == pytest.approx(found.long_mm, abs=3.0)
    assert drawn.short_mm == pytest.approx(found.short_mm, abs=3.0)


def test_roles_by_one_key_each_and_the_sum_in_view(tools, caliper, qtbot):
    session, lesion = tools._session, caliper.lesion
    for letter, modifier, role in (
        (Qt.Key.Key_B, Qt.KeyboardModifier.NoModifier, "target"),
        (Qt.Key.Key_B, SHIFT, "non_target"),
    ):
        key(qtbot, tools, letter, modifier)
        assert session.roles_of(lesion) == (role,)
        assert caliper.roles[role].isChecked()
    assert f"{lesion} (" not in caliper.sum_line.text()
    key(qtbot, tools, Qt.Key.Key_B, SHIFT)
    assert session.roles_of(lesion) == ()
    assert caliper.sum_line.text().startswith(f"Sum of diameters {session.targets().sum_mm:.1f} mm: ")
    key(qtbot, tools, Qt.Key.Key_L)
    assert session.roles_of(lesion) == ("node",)


def test_wheel_focus_and_other_planes_draw_nothing(tools, caliper, qtbot):
    session = tools._session
    before = session.state
    for part in [caliper, *caliper.findChildren(QWidget)]:
        middle = QPointF(part.rect().center())
        event = QWheelEvent(
            middle, QPointF(part.mapToGlobal(part.rect().center())), QPoint(0, 0), QPoint(0, -120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(part, event)
        part.setFocus()
    assert session.state is before
    assert caliper.snap.isChecked()
    assert caliper.perpendicular.isChecked()
    key(qtbot, tools, Qt.Key.Key_D)
    tools._viewer.dims.order = (1, 0, 2)
    drag(tools._viewer, qtbot, (200, 200), (260, 300))
    assert session.state is before
    assert "axial" in tools.state.text()
