"""The sphere in which normal liver is measured: dragged, put on the crosshair, or automatic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QWidget

from dotaliver.image.geometry import Vector, as_vector
from napari_dotaliver.view.orientation import position_lps_mm
from napari_dotaliver.view.sign_layers import points_lps_mm
from napari_dotaliver.widgets.shortcuts import millimetres
from napari_dotaliver.widgets.tool_context import SAME_PLACE_MM, ToolContext, push_button

if TYPE_CHECKING:
    from napari.layers import Points

__all__ = ["SphereBox"]


class SphereBox(QGroupBox):
    """Places the normal-liver sphere.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    def __init__(self, context: ToolContext, parent: QWidget | None = None) -> None:
        super().__init__("Normal-liver sphere (drag it or use the button)", parent)
        self._context = context
        line = QHBoxLayout(self)
        self.sphere_mm = millimetres("Diameter of the normal-liver sphere in mm", (5.0, 60.0), 30.0)
        self.sphere_mm.setKeyboardTracking(False)
        self.sphere_mm.valueChanged.connect(self._resize)
        self.sphere_button = push_button("To the crosshair (W)", self.to_crosshair)
        self.auto_button = push_button("Automatic", self.automatic)
        for part in (self.sphere_mm, self.sphere_button, self.auto_button):
            line.addWidget(part)

    def to_crosshair(self) -> None:
        """Put the sphere on the crosshair."""
        self._place(position_lps_mm(self._context.viewer), self.sphere_mm.value())

    def automatic(self) -> None:
        """Let the automatic sphere count again."""
        self._context.attempt(self._context.session.release_reference)

    def take_dragged(self, layer: Points) -> None:
        """Take the sphere from where it was dragged to."""
        context = self._context
        sphere = context.session.reference_sphere
        places = points_lps_mm(layer)
        if layer is not context.layers.reference or len(places) != 1:
            if layer is context.layers.reference:
                context.layers.show(context.session)
            return
        place = as_vector(places[0])
        if sphere is None or float(np.abs(np.subtract(sphere[0], place)).max()) > SAME_PLACE_MM:
            self._place(place, self.sphere_mm.value() if sphere is None else sphere[1])

    def renew(self) -> None:
        """Show the sphere as the reading has it now."""
        sphere = self._context.session.reference_sphere
        self.sphere_mm.blockSignals(True)
        if sphere is not None:
            self.sphere_mm.setValue(sphere[1])
        self.sphere_mm.blockSignals(False)
        self.auto_button.setEnabled(self._context.session.edits.reference("liver") is not None)

    def _resize(self) -> None:
        sphere = self._context.session.reference_sphere
        if sphere is not None and abs(sphere[1] - self.sphere_mm.value()) > 0.5:
            self._place(sphere[0], self.sphere_mm.value())

    def _place(self, centre: Vector, diameter_mm: float) -> None:
        if not self._context.attempt_with_signs(lambda: self._context.session.place_reference(centre, diameter_mm)):
            self.renew()
