"""Painting: brush, eraser and fill for lesions and liver, threshold in a sphere, and the liver between slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError, MaskError
from napari_dotaliver.reading.label_tools import (
    between_slices,
    filled,
    highest_in_sphere,
    smoothed_slices,
    threshold_in_sphere,
)
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.layers import uptake_unit
from napari_dotaliver.view.orientation import position_lps_mm
from napari_dotaliver.widgets.deliberate import ChoiceBox, NumberBox, WholeNumberBox
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, millimetres

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["PaintPanel"]

_STROKES_END_MS = 250
_MODES = {"paint": "Brush (P)", "erase": "Eraser (E)", "fill": "Fill (F)", "pan_zoom": "Move (Z)"}


class PaintPanel(QWidget):
    """Tools that change masks; what is painted is taken into the reading when the brush rests.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    viewer : ViewerModel
        Where the crosshair stands.
    layers : StudyLayers
        What is painted on.
    """

    refused = Signal(str)

    def __init__(
        self, session: ReadingSession, viewer: ViewerModel, layers: StudyLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._viewer, self._layers = session, viewer, layers
        self._first_slice: int | None = None
        self._painted: set[str] = set()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_STROKES_END_MS)
        self._rest.timeout.connect(self.take_painted)
        self.setStyleSheet(CHECKED_BUTTON)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in (self._brushes(), self._sphere(), self._between_slices()):
            layout.addWidget(box)
        self.watch()

    # --- what it is made of -----------------------------------------------------------------------------------------

    def _brushes(self) -> QGroupBox:
        box = QGroupBox("Paint")
        grid = QGridLayout(box)
        self.on_lesions, self.on_liver = QRadioButton("Lesions"), QRadioButton("Liver")
        self.on_lesions.setChecked(True)
        self.on_lesions.toggled.connect(self._choose_layer)
        grid.addWidget(self.on_lesions, 0, 0)
        grid.addWidget(self.on_liver, 0, 1)
        self.new_button = QPushButton("New lesion")
        self.new_button.clicked.connect(self.begin_lesion)
        grid.addWidget(self.new_button, 0, 2)
        self.holes_button = QPushButton("Fill holes")
        self.holes_button.setToolTip("Of the lesion being painted, slice by slice")
        self.holes_button.clicked.connect(self.fill_holes)
        grid.addWidget(self.holes_button, 0, 3)
        self.modes: dict[str, QPushButton] = {}
        group = QButtonGroup(self)
        for column, (mode, words) in enumerate(_MODES.items()):
            button = QPushButton(words)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, mode=mode: self.choose_mode(mode))
            group.addButton(button)
            grid.addWidget(button, 1, column)
            self.modes[mode] = button
        self.modes["pan_zoom"].setChecked(True)
        self.brush_mm = millimetres("Brush diameter in mm", (1.0, 100.0), 12.0)
        self.brush_mm.valueChanged.connect(self._set_brush)
        grid.addWidget(QLabel("Brush diameter ([ ])"), 2, 0, 1, 2)
        grid.addWidget(self.brush_mm, 2, 2, 1, 2)
        return box

    def _sphere(self) -> QGroupBox:
        box = QGroupBox("Threshold in a sphere")
        grid = QGridLayout(box)
        self.sphere_mm = millimetres("Diameter of the sphere in mm", (4.0, 200.0), 40.0)
        self.level = NumberBox()
        self.level.setRange(0.1, 1000.0)
        self.level.setDecimals(1)
        self.level.setValue(50.0)
        self.level.setAccessibleName("Threshold")
        self.level_unit = ChoiceBox()
        self.level_unit.addItems(["% of its maximum", uptake_unit(self._session.volumes.pet.quantity)])
        self.level_unit.setAccessibleName("Unit of the threshold")
        self.sphere_button = QPushButton("Outline here (O)")
        self.sphere_button.clicked.connect(self.outline_in_sphere)
        for column, (words, part) in enumerate((("Diameter", self.sphere_mm), ("From", self.level))):
            label = QLabel(words)
            label.setBuddy(part)
            grid.addWidget(label, 0, 2 * column)
            grid.addWidget(part, 0, 2 * column + 1)
        grid.addWidget(self.level_unit, 1, 0, 1, 2)
        grid.addWidget(self.sphere_button, 1, 2, 1, 2)
        return box

    def _between_slices(self) -> QGroupBox:
        box = QGroupBox("Liver between slices")
        grid = QGridLayout(box)
        self.slices = WholeNumberBox()
        self.slices.setRange(0, 50)
        self.slices.setValue(2)
        self.slices.setPrefix("± ")
        self.slices.setSuffix(" slices")
        self.slices.setAccessibleName("Number of slices smoothed above and below")
        self.smooth_button = QPushButton("Smooth")
        self.smooth_button.clicked.connect(self.smooth_liver)
        self.from_button = QPushButton("From here")
        self.from_button.setToolTip("Start interpolating at the slice under the crosshair")
        self.from_button.clicked.connect(self.begin_between)
        self.to_button = QPushButton("Interpolate to here")
        self.to_button.setEnabled(False)
        self.to_button.clicked.connect(self.interpolate_liver)
        for number, part in enumerate((self.slices, self.smooth_button, self.from_button, self.to_button)):
            grid.addWidget(part, number // 2, number % 2)
        return box

    # --- what is painted on -----------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Follow the layers that are there now."""
        for name, layer in (("lesions", self._layers.lesions), ("liver", self._layers.liver)):
            if layer is not None and getattr(layer, "_dotaliver_watched", None) is not self:
                layer._dotaliver_watched = self
                layer.events.paint.connect(lambda _event, name=name: self._on_paint(name))
                layer.events.mode.connect(self._on_mode)
                layer.events.brush_size.connect(self._on_brush)

    @property
    def layer(self) -> Labels | None:
        """The layer that is painted on."""
        return self._layers.lesions if self.on_lesions.isChecked() else self._layers.liver

    def _voxel_mm(self) -> float:
        labels = self._session.lesions if self.on_lesions.isChecked() else self._session.liver
        grid = self._session.liver_grid if labels is None else labels.geometry
        return min(grid.spacing_mm)

    def _choose_layer(self) -> None:
        for layer in (self._layers.lesions, self._layers.liver):
            if layer is not None:
                layer.mode = "pan_zoom"
        if self.layer is not None:
            self._viewer.layers.selection.active = self.layer
            if self.on_liver.isChecked():
                self.layer.selected_label = 1

    def choose_mode(self, mode: str) -> None:
        """Take brush, eraser, bucket or hand."""
        layer = self.layer
        if layer is None:
            self.refused.emit("There is no mask to paint on yet; score the study first.")
            return
        self._viewer.layers.selection.active = layer
        if self.on_liver.isChecked():
            layer.selected_label = 1
        elif layer.selected_label == 0:
            layer.selected_label = self._free_label()
        self._set_brush()
        layer.mode = mode

    def _free_label(self) -> int:
        try:
            return self._session.next_label()
        except MaskError as error:
            self.refused.emit(str(error))
            return max(self._session.lesions.labels, default=1)

    def _set_brush(self) -> None:
        if self.layer is not None:
            self.layer.brush_size = max(1, round(self.brush_mm.value() / self._voxel_mm()))

    def _on_brush(self) -> None:
        layer = self.layer
        if layer is not None and abs(layer.brush_size - self.brush_mm.value() / self._voxel_mm()) > 1.0:
            self.brush_mm.blockSignals(True)
            self.brush_mm.setValue(layer.brush_size * self._voxel_mm())
            self.brush_mm.blockSignals(False)

    def _on_mode(self) -> None:
        if self.layer is not None and str(self.layer.mode) in self.modes:
            self.modes[str(self.layer.mode)].setChecked(True)

    def begin_lesion(self) -> None:
        """Paint a lesion that was not found, under a number of its own."""
        self.take_painted()
        self.on_lesions.setChecked(True)
        if self.layer is not None:
            self.layer.selected_label = self._free_label()
            self.choose_mode("paint")

    # --- taking it in ------------------------------------------------------------------------------------------------

    def _on_paint(self, name: str) -> None:
        self._painted.add(name)
        self._rest.start()

    def take_painted(self) -> None:
        """Take what was painted into the reading now; what cannot be measured is refused and taken back."""
        self._rest.stop()
        painted, self._painted = self._painted, set()
        try:
            if "lesions" in painted:
                self._session.set_lesions(self._layers.lesions_painted().array)
            stroke = self._layers.liver_stroke() if "liver" in painted else None
            if stroke is not None:
                self._session.paint_liver(*stroke)
        except DotaliverError as error:
            self.refused.emit(str(error))
            self._layers.show(self._session)

    @property
    def pending(self) -> bool:
        """Whether something was painted that the reading has not taken in yet."""
        return bool(self._painted)

    def forget_painted(self) -> None:
        """Leave out what was painted and not yet taken in."""
        self._rest.stop()
        self._painted.clear()

    # --- tools -------------------------------------------------------------------------------------------------------

    def _try(self, act: Callable[[], object]) -> None:
        self.take_painted()
        try:
            act()
        except DotaliverError as error:
            self.refused.emit(str(error))

    def outline_in_sphere(self) -> None:
        """Outline what reaches the threshold around the crosshair: the lesion that lies there, or a new one."""
        self._try(self._outline_in_sphere)

    def _outline_in_sphere(self) -> None:
        session, pet = self._session, self._session.volumes.pet
        centre = position_lps_mm(self._viewer)
        sphere = (centre, self.sphere_mm.value())
        level = self.level.value()
        if self.level_unit.currentIndex() == 0:
            level = level / 100.0 * highest_in_sphere(pet, sphere)
        label = self._label_at_crosshair() or session.next_label()
        session.set_lesions(threshold_in_sphere(pet, session.lesions, sphere, level, label))
        if self._layers.lesions is not None:
            self._layers.lesions.selected_label = label

    def _label_at_crosshair(self) -> int:
        labels = self._session.lesions
        index = np.rint(labels.geometry.lps_to_index(position_lps_mm(self._viewer))).astype(int)
        if (index < 0).any() or (index >= labels.geometry.shape).any():
            return 0
        return int(labels.array[tuple(index)])

    def fill_holes(self) -> None:
        """Fill the holes of the lesion that is painted."""
        self._try(self._fill_holes)

    def _fill_holes(self) -> None:
        labels = self._session.lesions
        label = 0 if self._layers.lesions is None else int(self._layers.lesions.selected_label)
        if label not in labels.labels:
            msg = "choose the lesion whose holes are to be filled in the table"
            raise MaskError(msg)
        axis, _ = labels.geometry.axis_towards((0.0, 0.0, 1.0))
        self._session.set_lesions(filled(labels, label, axis))

    def _liver_slice(self) -> int:
        """The slice of the liver's grid at the crosshair."""
        grid = self._session.liver_grid
        index = round(float(grid.lps_to_index(position_lps_mm(self._viewer))[0]))
        if not 0 <= index < grid.shape[0]:
            msg = "the crosshair lies outside the liver's image; move it onto the liver"
            raise MaskError(msg)
        return index

    def _liver_mask(self) -> np.ndarray:
        if self._session.liver is None:
            msg = "there is no liver outline yet; draw it with the brush"
            raise MaskError(msg)
        return self._session.liver.mask

    def smooth_liver(self) -> None:
        """Smooth the liver's border on the slice at the crosshair and those around it."""
        self._try(self._smooth_liver)

    def _smooth_liver(self) -> None:
        middle, reach, grid = self._liver_slice(), self.slices.value(), self._session.liver_grid
        first, last = max(middle - reach, 0), min(middle + reach, grid.shape[0] - 1)
        self._session.set_liver(smoothed_slices(self._liver_mask(), grid.spacing_mm, first, last))

    def begin_between(self) -> None:
        """Take the slice at the crosshair as one end of those that are interpolated."""
        self._try(self._begin_between)

    def _begin_between(self) -> None:
        self._first_slice = self._liver_slice()
        self.from_button.setText(f"From slice {self._first_slice + 1}")
        self.to_button.setEnabled(True)

    def interpolate_liver(self) -> None:
        """Interpolate the liver between the first slice and the one at the crosshair."""
        self._try(self._interpolate_liver)

    def _interpolate_liver(self) -> None:
        if self._first_slice is None:
            return
        spacing = self._session.liver_grid.spacing_mm
        mask = between_slices(self._liver_mask(), spacing, self._first_slice, self._liver_slice())
        self._session.set_liver(mask)
        self._first_slice = None
        self.from_button.setText("From here")
        self.to_button.setEnabled(False)
