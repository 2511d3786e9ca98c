"""The tab *Correct* beside a viewer, without the rest of the desk."""

from collections.abc import Iterator

import pytest
from fixtures.desk import activate, go_to
from fixtures.kept_layers import KeptLayers
from napari_dotaliver.widgets.tools import ToolsWidget
from qtpy.QtWidgets import QApplication


@pytest.fixture(scope="module")
def kept_layers() -> Iterator[KeptLayers]:
    """A window for the tests of a file."""
    kept = KeptLayers()
    yield kept
    kept.close()


@pytest.fixture
def tools(kept_layers, qtbot, session) -> Iterator[ToolsWidget]:
    """The tab beside a viewer that shows the phantom, with its largest lesion chosen."""
    viewer, layers = kept_layers.give(session)
    showing = [lambda: layers.show(session)]
    session.on_change(lambda: [show() for show in showing])
    widget = ToolsWidget(session, viewer, layers)
    viewer.window.add_dock_widget(widget, name="Correct", area="right")
    largest = max(session.score.lesions, key=lambda lesion: lesion.volume_ml)
    widget.lesion_chosen(largest.label)
    go_to(viewer, largest.centroid_lps_mm)
    activate(viewer.window._qt_window, qtbot)
    yield widget
    # The layers are given to another reading.
    showing.clear()
    widget.close_down()
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    QApplication.processEvents()
