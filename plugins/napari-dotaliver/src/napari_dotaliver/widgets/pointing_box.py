"""Measuring a lesion on CT by a click, and dragging the border that was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Vector, as_vector
from napari_dotaliver.reading.pointing import Pointed
from napari_dotaliver.view.layers import world_to_lps
from napari_dotaliver.view.measured_image import NOT_REGISTERED
from napari_dotaliver.view.mouse import clicks_of, still_click
from napari_dotaliver.view.orientation import position_lps_mm
from napari_dotaliver.view.sign_layers import points_lps_mm
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, soon
from napari_dotaliver.widgets.tool_context import SAME_PLACE_MM, ToolContext, push_button

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Points

__all__ = ["PointingBox"]


class PointingBox(QGroupBox):
    """Measures the lesion that is clicked while its button is down.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    measured = Signal(int)

    def __init__(self, context: ToolContext, parent: QWidget | None = None) -> None:
        super().__init__("Measure a lesion by a click", parent)
        self._context = context
        self.setStyleSheet(CHECKED_BUTTON)
        column = QVBoxLayout(self)
        line = QHBoxLayout()
        self.click_button = QPushButton("Measure by a click")
        self.click_button.setCheckable(True)
        self.click_button.setToolTip("While this is on, a click inside a lesion on CT or MR measures it.")
        self.click_button.toggled.connect(self._on_tool)
        self.crosshair_button = push_button("At the crosshair (M)", self.measure_at_crosshair)
        line.addWidget(self.click_button)
        line.addWidget(self.crosshair_button)
        self.click_line = QLabel("Click inside a lesion on CT or MR: its border, diameter and interval are found.")
        self.click_line.setWordWrap(True)
        column.addLayout(line)
        column.addWidget(self.click_line)
        self._on_click = clicks_of(self)
        context.viewer.mouse_drag_callbacks.append(self._on_click)

    def close_down(self) -> None:
        """Stop following the mouse."""
        if self._on_click in self._context.viewer.mouse_drag_callbacks:
            self._context.viewer.mouse_drag_callbacks.remove(self._on_click)

    def _on_tool(self, on: bool) -> None:
        self.click_line.setText(
            "Click inside a lesion on the image."
            if on
            else "Click inside a lesion on CT or MR: its border, diameter and interval are found."
        )
        active = self._context.viewer.layers.selection.active
        if on and active is not None and str(active.mode) != "pan_zoom":
            # A brush in hand would paint.
            active.mode = "pan_zoom"

    def measure_at_crosshair(self) -> None:
        """Measure the lesion at the crosshair."""
        self.measure_at(position_lps_mm(self._context.viewer))

    def measure_at(self, place_lps_mm: Vector) -> None:
        """Measure the lesion at a place, or add one there; the border can then be dragged by its points."""
        self._point(lambda: self._context.session.point_at(self._on_its_image(place_lps_mm)))

    def _on_its_image(self, place_lps_mm: Vector) -> Vector:
        """A place in the coordinates of the image that diameters are measured on, which may be shown elsewhere."""
        display = self._context.layers.measured_display
        if display is None and self._context.session.volumes.recist_image is not None:
            raise MaskError(NOT_REGISTERED)
        return place_lps_mm if display is None else as_vector(display.to_image(place_lps_mm))

    def _point(self, act: Callable[[], Pointed]) -> None:
        def measured() -> None:
            found = act()
            self.click_line.setText(f"{found.words} Drag a border point or an end of the line to correct it.")
            self.measured.emit(found.label)

        self._context.attempt_with_signs(measured)

    def clicked(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Measure at a click while the tool is on; what drags the image measures nothing."""
        start = tuple(event.position)
        clicked = yield from still_click(viewer, event)
        if clicked and self.click_button.isChecked() and viewer.dims.ndisplay == 2:
            place = as_vector(world_to_lps(np.asarray(start[-3:])))
            soon(self, lambda: self.measure_at(place))

    def take_border(self, layer: Points) -> None:
        """Let the border pass through a point that was dragged."""
        context = self._context
        last = context.session.pointed
        places = points_lps_mm(layer)
        display = context.layers.measured_display
        if display is not None and len(places):
            places = display.to_image(places)
        if layer is not context.layers.border or last is None or len(places) != len(last.border_lps_mm):
            if layer is context.layers.border:
                context.layers.show(context.session)
            return
        moves = np.linalg.norm(places - np.asarray(last.border_lps_mm), axis=1)
        if float(moves.max()) > SAME_PLACE_MM:
            place = as_vector(places[int(moves.argmax())])
            self._point(lambda: context.session.drag_border(place))
