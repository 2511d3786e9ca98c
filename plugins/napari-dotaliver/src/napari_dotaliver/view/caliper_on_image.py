"""Where the caliper of the selected lesion is drawn: on which image, in its own coordinates or as it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer

from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.measurement.caliper import Caliper, CaliperEnd
from napari_dotaliver.view.caliper_labels import label_centres
from napari_dotaliver.view.caliper_layer import ShownCaliper, caliper_layer, caliper_lines_mm, renew_caliper
from napari_dotaliver.view.layers import anatomical_grid, lps_to_world

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_dotaliver.reading.session import ReadingSession
    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["CaliperOnImage"]

_ZOOM_REST_MS = 150
_LEAST_ZOOM = 1e-6


class CaliperOnImage(QObject):
    """The layer in which one caliper is drawn.

    Parameters
    ----------
    session : ReadingSession
        Its images.
    viewer : ViewerModel
        Gets the layer.
    layers : StudyLayers
        How the image that is measured on is shown, and where the numbers of lesions are.
    """

    def __init__(
        self, session: ReadingSession, viewer: ViewerModel, layers: StudyLayers, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._viewer, self._layers = session, viewer, layers
        self._layer: Shapes | None = None
        self._shown: tuple[ShownCaliper, Geometry] | None = None
        # Lines and lengths are as large on the screen at any zoom.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_ZOOM_REST_MS)
        self._rest.timeout.connect(self._show_again)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def close_down(self) -> None:
        """Take the layer from the viewer."""
        self._rest.stop()
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None

    @property
    def grid(self) -> Geometry | None:
        """The grid of the image that is drawn on, where it is shown."""
        display, volumes = self._layers.measured_display, self._session.volumes
        if display is not None:
            return display.shown
        return None if volumes.recist_image is not None else (volumes.ct or volumes.pet).geometry

    def as_shown(self, caliper: Caliper) -> Caliper:
        """A caliper of the measured image where that image is shown."""
        display = self._layers.measured_display
        if display is None:
            return caliper
        lines = [
            tuple(as_vector(place) for place in display.to_shown(line))
            for line in (caliper.long_axis_lps_mm, caliper.short_axis_lps_mm)
            if line is not None
        ]
        return Caliper((lines[0][0], lines[0][1]), (lines[1][0], lines[1][1]) if len(lines) > 1 else None)

    def in_image(self, place_lps_mm: FloatArray) -> Vector:
        """A place as it is shown, in the coordinates of the image that is measured on."""
        display = self._layers.measured_display
        return as_vector(place_lps_mm if display is None else display.to_image(place_lps_mm))

    def show(self, caliper: Caliper | None, picked: CaliperEnd | None = None) -> None:
        """Draw a caliper of the measured image, or none; the picked end is orange."""
        grid = self.grid
        shown = None if caliper is None or grid is None else self.as_shown(caliper)
        if grid is not None and (shown is not None or self._layer is not None):
            self._show(self._drawn(shown, picked, grid), grid)

    def _show(self, shown: ShownCaliper, grid: Geometry) -> None:
        viewer = self._viewer
        there = self._layer is not None and self._layer in viewer.layers
        if there and self._shown == (shown, grid):
            # Most edits are of something else, and shapes are slow to make.
            return
        self._shown = (shown, grid)
        if there and self._layer is not None:
            renew_caliper(self._layer, shown, grid)
            return
        from napari.layers import Layer

        active = viewer.layers.selection.active
        self._layer = Layer.create(*caliper_layer(shown, grid))
        # Dragged by napari's own tools: it is drawn anew at the next change.
        self._layer.events.data.connect(self._forget_shown)
        viewer.add_layer(self._layer)
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active

    def _forget_shown(self) -> None:
        self._shown = None

    def _on_zoom(self) -> None:
        if self._layer is not None:
            self._rest.start()

    def _show_again(self) -> None:
        """Draw the lines as wide as before, and write the lengths where they have room, at the zoom of now."""
        if self._shown is not None and self._layer is not None and self._layer in self._viewer.layers:
            (shown, grid) = self._shown
            self._show(self._drawn(shown.caliper, shown.picked, grid), grid)

    def _drawn(self, shown: Caliper | None, picked: CaliperEnd | None, grid: Geometry) -> ShownCaliper:
        """With its lengths beside the numbers of lesions in the slice."""
        if shown is None:
            return ShownCaliper(None)
        height, lines = caliper_lines_mm(shown, grid)
        pixel_mm = 1.0 / max(float(self._viewer.scene.camera.zoom), _LEAST_ZOOM)
        return ShownCaliper(shown, picked, tuple(label_centres(lines, self._numbers_at(height), pixel_mm)), pixel_mm)

    def _numbers_at(self, height_mm: float) -> FloatArray:
        """Where the numbers of lesions stand in a slice, in mm (row, column)."""
        layer = self._layers.numbers
        if layer is None or not len(layer.data):
            return np.zeros((0, 2))
        turned = anatomical_grid(self._session.lesions.geometry)
        index = np.asarray(layer.data, dtype=np.float64)
        world = lps_to_world(turned.index_to_lps(index))
        return np.asarray(world[np.abs(world[:, 0] - height_mm) <= 0.5 * turned.spacing_mm[0]][:, 1:])
