"""One scan of a comparison in a canvas of its own: its images, its lesions under their names, a crosshair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from dotaliver.image.geometry import FloatArray, Geometry, as_vector
from dotaliver.image.itk import resample, resample_labels
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.pipeline.visits import Visit
from napari_dotaliver.view import layers, sign_layers
from napari_dotaliver.view.orientation import body_extent
from napari_dotaliver.view.planes import Crosshair

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Points, Shapes

__all__ = ["ScanView", "upright"]

# A grid that leaves the body's axes by less than this over its whole size is drawn as it is.
_UPRIGHT_MM = 0.5
_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_AIR_HU = -1024.0
_SMALLEST_PIXELS = 260


def upright(grid: Geometry) -> Geometry | None:
    """The grid along the body's axes on which an oblique image is drawn; None where it is drawn on its own.

    A canvas cuts along the body's axes only. The grid has the same spacing and covers all of the image.
    """
    turned = layers.anatomical_grid(grid)
    size = np.asarray(turned.shape) * np.asarray(turned.spacing_mm)
    astray = np.abs(np.asarray(turned.directions) - np.asarray(_AXES)) * size[:, None]
    if float(astray.max()) < _UPRIGHT_MM:
        return None
    corners = turned.corners_lps_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    spacing = np.asarray(turned.spacing_mm)
    counts = np.maximum(np.ceil((high - low)[::-1] / spacing), 1).astype(int)
    origin = low + spacing[::-1] / 2
    return Geometry((int(counts[0]), int(counts[1]), int(counts[2])), as_vector(origin), turned.spacing_mm, _AXES)


class ScanView(QWidget):
    """A canvas with one scan, its heading, and the values under the mouse.

    Parameters
    ----------
    visit : Visit
        The scan.
    heading : str
        What stands above it.
    """

    def __init__(self, visit: Visit, heading: str, parent: QWidget | None = None) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        super().__init__(parent)
        self.visit = visit
        volumes = visit.volumes
        self.body = body_extent(volumes.pet)
        self.unit = layers.uptake_unit(volumes.pet.quantity)
        self.is_suv = volumes.pet.quantity is not Quantity.RELATIVE
        self._names: dict[int, str] = {}
        self.model = ViewerModel(title=heading, ndisplay=2)
        self.canvas = QtViewer(self.model)
        self.canvas.dims.hide()
        self.canvas.setMinimumSize(_SMALLEST_PIXELS, _SMALLEST_PIXELS)
        self.heading, self.pointer = QLabel(heading), QLabel()
        for label, style in ((self.heading, "font-weight: bold;"), (self.pointer, "font-weight: 600;")):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setStyleSheet(f"QLabel {{ {style} }}")
        self.heading.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.heading.setAccessibleName(f"{heading}: scan")
        self.pointer.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.pointer.setAccessibleName(f"{heading}: under the mouse")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(self.canvas, stretch=1)
        column.addWidget(self.pointer)
        self.ct: Image | None = None if volumes.ct is None else self._add(layers.ct_layer(_shown(volumes.ct, _AIR_HU)))
        if self.ct is not None:
            self.ct.contrast_limits_range = layers.HU_RANGE
        over_ct = volumes.ct is not None
        self.pet: Image = self._add(layers.pet_layer(_shown(volumes.pet, 0.0), volumes.acquisition, over_ct=over_ct))
        self.pet.contrast_limits_range = (0.0, max(volumes.pet.max(), self.pet.contrast_limits[1]))
        self._lesions = visit.lesions if visit.lesions is None else _shown_labels(visit.lesions)
        self.outlines: Labels | None = None
        self.numbers: Points | None = None
        self.lines: Shapes = self._add_lines()
        self.crosshair = Crosshair(self.model)
        self.model.dims.axis_labels = ("z", "y", "x")
        self.model.canvas.overlays.scale_bar.visible = True

    def _add(self, made: layers.LayerData) -> Any:
        from napari.layers import Layer

        layer = Layer.create(*made)
        self.model.layers.append(layer)
        return layer

    def _add_lines(self) -> Shapes:
        """An empty layer for a diameter that is drawn, on the grid of the image that diameters are measured on."""
        image = self.visit.volumes.ct or self.visit.volumes.pet
        grid = upright(image.geometry) or image.geometry
        return self._add(sign_layers.diameters_layer({}, grid))  # type: ignore[no-any-return]

    # --- lesions -----------------------------------------------------------------------------------------------------

    def show_names(self, names: Mapping[int, str], colours: Mapping[str, int]) -> None:
        """Draw each lesion in the colour of its name and with its name; the rest stays as it is.

        Parameters
        ----------
        names : mapping
            The name of each label of this scan's mask.
        colours : mapping
            The number whose colour each name has, the same on both scans.
        """
        if self._lesions is None or (self.outlines is not None and dict(names) == self._names):
            return
        self._names = dict(names)
        table = np.zeros(max(int(self._lesions.array.max()), *names, 0) + 1, dtype=np.uint16)
        for label, name in names.items():
            table[label] = colours[name]
        labels = self._lesions.with_array(table[self._lesions.array])
        numbers = sign_layers.numbers_layer(labels)
        by_number = {str(colours[name]): name for name in names.values()}
        written = np.array([by_number.get(str(n), str(n)) for n in numbers[1]["features"]["number"]], dtype=object)
        numbers[1]["features"]["number"] = written
        made = layers.lesions_layer(labels)
        if self.outlines is None or self.numbers is None:
            from napari_dotaliver.view.outline_overlay import draw_outlines

            self.outlines, self.numbers = self._add(made), self._add(numbers)
            draw_outlines(self.outlines)
            self.outlines.opacity = 0.0
            self.outlines.editable = False
            self._put_marks_on_top()
            return
        self.outlines.data = made[0]
        sign_layers.renew_sign(self.numbers, numbers)

    def _put_marks_on_top(self) -> None:
        self.model.layers.move(self.model.layers.index(self.lines), len(self.model.layers))
        self.crosshair.show()
        self.model.layers.selection.clear()

    # --- places ------------------------------------------------------------------------------------------------------

    @property
    def place_lps_mm(self) -> FloatArray:
        """Where the crosshair is, in patient coordinates."""
        return layers.world_to_lps(self.model.dims.point)

    def go_to(self, place_lps_mm: npt.ArrayLike) -> None:
        """Put the crosshair on a place."""
        self.model.dims.point = tuple(float(v) for v in layers.lps_to_world(place_lps_mm))

    def show_values(self, place_lps_mm: npt.ArrayLike | None) -> None:
        """Write what lies at a place, from the voxels of the images themselves; None: nothing."""
        self.pointer.setText("" if place_lps_mm is None else self.words_at(place_lps_mm))

    def words_at(self, place_lps_mm: npt.ArrayLike) -> str:
        """Such as ``SUV 18.5 · 52 HU · L02``; empty outside the images."""
        parts = []
        uptake = _voxel(self.visit.volumes.pet, place_lps_mm)
        if uptake is not None:
            parts.append(f"{self.unit} {uptake:.1f}")
        density = None if self.visit.volumes.ct is None else _voxel(self.visit.volumes.ct, place_lps_mm)
        if density is not None:
            parts.append(f"{density:.0f} HU")
        label = None if self.visit.lesions is None else _voxel(self.visit.lesions, place_lps_mm)
        if label:
            parts.append(self._names.get(int(label), f"lesion {int(label)}"))
        return " · ".join(parts)

    def marks(self) -> Sequence[Any]:
        """Everything that is drawn over the images."""
        found = (self.outlines, self.numbers, self.lines, self.crosshair.layer)
        return [layer for layer in found if layer is not None]

    def close_down(self) -> None:
        """Close the canvas."""
        self.model.layers.clear()
        self.canvas.close()


def _voxel(image: Volume | LabelMap, place_lps_mm: npt.ArrayLike) -> float | None:
    """The voxel at a place, on the image's own grid; None outside of it."""
    index = np.rint(image.geometry.lps_to_index(np.asarray(place_lps_mm, dtype=np.float64))).astype(int)
    if (index < 0).any() or (index >= image.geometry.shape).any():
        return None
    k, j, i = (int(n) for n in index)
    if isinstance(image, LabelMap):
        return float(image.array[k, j, i])
    return float(image.crop((slice(k, k + 1), slice(j, j + 1), slice(i, i + 1))).array[0, 0, 0])


def _shown(volume: Volume, outside: float) -> Volume:
    """The image on the grid on which it is drawn; only what is shown is resampled, never what is read."""
    grid = upright(volume.geometry)
    return volume if grid is None else resample(volume, grid, outside=outside)


def _shown_labels(labels: LabelMap) -> LabelMap:
    grid = upright(labels.geometry)
    return anatomical(labels) if grid is None else resample_labels(labels, grid)
