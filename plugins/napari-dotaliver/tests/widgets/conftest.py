"""The tab *Correct* beside a viewer, without the rest of the desk."""

import pytest
from fixtures.desk import go_to
from napari_dotaliver.view.study_layers import StudyLayers
from napari_dotaliver.widgets.tools import ToolsWidget


@pytest.fixture
def tools(make_napari_viewer, qtbot, session) -> ToolsWidget:
    """The tab beside a viewer that shows the phantom, with its largest lesion chosen."""
    viewer = make_napari_viewer(show=True)
    layers = StudyLayers(viewer, session.volumes)
    layers.show(session)
    session.on_change(lambda: layers.show(session))
    widget = ToolsWidget(session, viewer, layers)
    viewer.window.add_dock_widget(widget, name="Correct", area="right")
    largest = max(session.score.lesions, key=lambda lesion: lesion.volume_ml)
    widget.lesion_chosen(largest.label)
    go_to(viewer, largest.centroid_lps_mm)
    viewer.window._qt_window.activateWindow()
    qtbot.waitUntil(viewer.window._qt_window.isActiveWindow, timeout=300_000)
    return widget
