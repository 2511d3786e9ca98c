"""Measuring a lesion by a click on the image, dragging its border and the ends of its diameter."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.sign_layers import BORDER
from napari_dotaliver.view.study_layers import StudyLayers
from napari_dotaliver.widgets.tools import ToolsWidget
from qtpy.QtCore import Qt

from dotaliver.errors import ConfigError

PATIENCE_MS = 120_000


@pytest.fixture
def known(session):
    """The largest lesion that the CT shows, and a place inside it."""
    seen = [lesion for lesion in session.score.lesions if lesion.diameter_source == "ct"]
    largest = max(seen, key=lambda lesion: lesion.longest_diameter_mm)
    x, y, z = (float(v) for v in np.mean(largest.diameter.long_axis_lps_mm, axis=0))
    return largest, (x, y, z)


def lesion_of(session: ReadingSession, label: int):
    return next(lesion for lesion in session.score.lesions if lesion.label == label)


def test_click_measures_the_known_lesion_and_is_one_step(session, known):
    lesion, place = known
    start = time.process_time()
    found = session.point_at(place)
    assert time.process_time() - start < 2.0
    assert found.label == lesion.label
    assert found.diameter.longest_mm == pytest.approx(lesion.longest_diameter_mm, rel=0.15)
    low, high = found.diameter.interval_mm
    assert low < found.diameter.longest_mm < high
    assert session.diameter_of(lesion.label) == found.diameter.long_axis_lps_mm
    assert session.stale
    session.remeasure()
    now = lesion_of(session, lesion.label)
    assert now.diameter_source == "click"
    assert now.longest_diameter_mm == pytest.approx(found.diameter.longest_mm)
    assert now.short_axis_mm == pytest.approx(found.diameter.short_mm)
    session.undo()
    session.remeasure()
    assert lesion_of(session, lesion.label) == lesion
    assert session.score.criteria == session.automatic.criteria


def test_dragged_border_makes_the_diameter_follow(session, known):
    lesion, place = known
    found = session.point_at(place)
    first, second = (np.asarray(end) for end in found.diameter.long_axis_lps_mm)
    outwards = (second - first) / np.linalg.norm(second - first)
    longer = session.drag_border(tuple(float(v) for v in second + 6.0 * outwards))
    assert longer.diameter.longest_mm == pytest.approx(found.diameter.longest_mm + 6.0, abs=2.5)
    session.remeasure()
    assert lesion_of(session, lesion.label).longest_diameter_mm == pytest.approx(longer.diameter.longest_mm)


def test_drawn_diameter_gets_its_short_axis_from_the_outline(session, known):
    lesion, _ = known
    first, second = (np.asarray(end) for end in lesion.diameter.long_axis_lps_mm)
    shorter = tuple(float(v) for v in second + 0.1 * (first - second))
    session.redraw_diameter(lesion.label, (tuple(first), shorter))
    drawn = session.edits.lesion(lesion.label).diameter
    long, short = (np.subtract(*axis) for axis in (drawn.long_axis_lps_mm, drawn.short_axis_lps_mm))
    assert abs(long @ short) < 1e-6 * np.linalg.norm(long) * np.linalg.norm(short)
    assert np.linalg.norm(short) == pytest.approx(lesion.short_axis_mm, rel=0.1)


def test_what_cannot_be_measured_changes_nothing(session):
    before = session.state
    with pytest.raises(ConfigError, match="lies outside the"):
        session.point_at((0.0, 0.0, 9e4))
    assert session.state is before


def test_deleted_lesion_takes_its_click_with_it(session, known):
    lesion, place = known
    session.point_at(place)
    session.delete_lesion(lesion.label)
    assert not session.edits.clicks
    session.remeasure()
    assert lesion.label not in {n.label for n in session.score.lesions}


def test_click_on_the_canvas_measures_while_the_tool_is_on(make_napari_viewer, qtbot, session, known):
    lesion, place = known
    viewer = make_napari_viewer(show=True)
    layers = StudyLayers(viewer, session.volumes)
    layers.show(session)
    session.on_change(lambda: layers.show(session))
    tools = ToolsWidget(session, viewer, layers)
    viewer.window.add_dock_widget(tools, name="Correct", area="right")
    viewer.dims.point = tuple(lps_to_world(place))

    class Press:
        type, button = "mouse_press", 1
        position = tuple(float(v) for v in lps_to_world(place))

    def click() -> None:
        event = Press()
        for callback in [tools.pointing.clicked]:
            steps = callback(viewer, event)
            next(steps)
            event.type = "mouse_release"
            next(steps, None)

    click()
    qtbot.wait(50)
    assert not session.edits.clicks
    tools.pointing.click_button.click()
    click()
    qtbot.waitUntil(lambda: bool(session.edits.clicks), timeout=300_000)
    assert tools.pointing.click_line.text().startswith(f"Lesion {lesion.label}: ")
    assert "95 % interval" in tools.pointing.click_line.text()
    assert layers.border.name == BORDER
    # A border point is dragged.
    data = np.array(layers.border.data)
    data[0] += (0.0, 4.0, 4.0)
    before = session.pointed.diameter
    layers.border.data = data
    qtbot.waitUntil(lambda: bool(session.edits.clicks[0].border_lps_mm), timeout=300_000)
    assert session.pointed.diameter != before
    tools.remeasure()
    qtbot.waitUntil(lambda: not session.stale, timeout=PATIENCE_MS)
    assert lesion_of(session, lesion.label).diameter_source == "click"
    tools.lesion_chosen(lesion.label)
    assert tools.caliper.automatic_button.isEnabled()
    qtbot.mouseClick(tools.caliper.automatic_button, Qt.MouseButton.LeftButton)
    assert not session.edits.clicks


def test_refusal_is_shown_and_nothing_is_edited(make_napari_viewer, session):
    viewer = make_napari_viewer()
    layers = StudyLayers(viewer, session.volumes)
    layers.show(session)
    tools = ToolsWidget(session, viewer, layers)
    tools.pointing.measure_at((0.0, 0.0, 9e4))
    assert "lies outside the image" in tools.message.text()
    assert not session.edits.clicks
    tools.close()
