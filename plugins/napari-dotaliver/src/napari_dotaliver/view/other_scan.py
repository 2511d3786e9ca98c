"""Another scan of the patient in a canvas of its own, linked to the main one by the livers' registration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from dotaliver.image.geometry import FloatArray, Vector
from dotaliver.image.volume import LabelMap
from dotaliver.longitudinal.scans import LoadedScan
from dotaliver.records.study import StudyVolumes
from napari_dotaliver.view import layers
from napari_dotaliver.view.orientation import current_plane, jump, show_plane

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

__all__ = ["OtherScan", "Places"]

Places = Callable[[FloatArray], FloatArray]
"""From places on one scan to places on another, shape (n, 3), in mm."""
_ROUNDS = 4
_SAME_PLACE_MM = 0.5


class OtherScan(QWidget):
    """A second canvas: the other scan's CT, PET and lesions, in the plane and at the place of the main one.

    Parameters
    ----------
    main : ViewerModel
        The viewer that shows the scan that is read.
    scan : LoadedScan
        The other scan.
    volumes : StudyVolumes
        Its images.
    onto_other : callable
        From places on the main scan to places on the other.
    """

    def __init__(self, main: ViewerModel, scan: LoadedScan, volumes: StudyVolumes, onto_other: Places) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        super().__init__()
        self._main, self._onto_other, self._moving = main, onto_other, False
        self.scan = scan
        self.model = ViewerModel(title="other scan", ndisplay=2)
        self.canvas = QtViewer(self.model)
        self.canvas.dims.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setMinimumSize(320, 320)
        self._add_layers(volumes)
        self.lines: Shapes = self._add_lines(volumes)
        main.dims.events.point.connect(self.follow)
        main.dims.events.order.connect(self._turn)
        self.model.dims.events.point.connect(self._lead)
        self._turn()

    def _add_layers(self, volumes: StudyVolumes) -> None:
        from napari.layers import Layer

        made = [] if volumes.ct is None else [layers.ct_layer(volumes.ct)]
        made.append(layers.pet_layer(volumes.pet, volumes.acquisition, over_ct=volumes.ct is not None))
        made += [layers.lesions_layer(self._lesions()), layers.numbers_layer(self._lesions())]
        for data, look, kind in made:
            self.model.layers.append(Layer.create(data, look, kind))

    def _lesions(self) -> LabelMap:
        return self.scan.lesions

    def _add_lines(self, volumes: StudyVolumes) -> Shapes:
        from napari.layers import Layer

        image = volumes.ct or volumes.pet
        lines = {n.label: n.diameter.long_axis_lps_mm for n in self.scan.score.lesions if n.diameter is not None}
        layer = Layer.create(*layers.diameters_layer(lines, image.geometry))
        self.model.layers.append(layer)
        return layer

    # --- linked ------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        show_plane(self.model, current_plane(self._main).name)
        self.follow()

    def follow(self) -> None:
        """Go to the place that the main viewer shows."""
        if self._moving or len(self._main.dims.point) != 3:
            return
        self._moving = True
        try:
            self.model.dims.point = tuple(layers.lps_to_world(self._there(self._main_place())))
        finally:
            self._moving = False

    def _lead(self) -> None:
        """Take the main viewer along, where this one was moved."""
        if self._moving or len(self._main.dims.point) != 3:
            return
        self._moving = True
        try:
            wanted = layers.world_to_lps(self.model.dims.point)
            place = self._main_place()
            # The way back of a bent mapping is found by walking: each round takes off what is still missing.
            for _ in range(_ROUNDS):
                missing = wanted - self._there(place)
                place = place + missing
                if float(np.linalg.norm(missing)) < _SAME_PLACE_MM:
                    break
            self._main.dims.point = tuple(layers.lps_to_world(place))
        finally:
            self._moving = False

    def _main_place(self) -> FloatArray:
        return layers.world_to_lps(self._main.dims.point)

    def _there(self, place: FloatArray) -> FloatArray:
        return np.asarray(self._onto_other(np.atleast_2d(place))[0], dtype=np.float64)

    def jump_to(self, place_lps_mm: Vector, extent_mm: float) -> None:
        """Frame a lesion here, whatever the main viewer shows."""
        self._moving = True
        try:
            jump(self.model, place_lps_mm, extent_mm)
        finally:
            self._moving = False

    def close_down(self) -> None:
        """End the link and the canvas."""
        # Without layers a viewer has two axes: nothing is to follow it there.
        self._moving = True
        self.model.dims.events.point.disconnect(self._lead)
        self._main.dims.events.point.disconnect(self.follow)
        self._main.dims.events.order.disconnect(self._turn)
        self.model.layers.clear()
        self.canvas.close()
