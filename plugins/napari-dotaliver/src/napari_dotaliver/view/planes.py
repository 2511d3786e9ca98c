"""The two other planes beside the main one, linked by a crosshair."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from napari_dotaliver.view.leading import Leading
from napari_dotaliver.view.orientation import PLANES, Extent, Plane, crosshair_lines, current_plane, show_plane

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer, Vectors

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["Crosshair", "SidePlanes"]

_CROSSHAIR = "Crosshair"
_COLOUR = "#D55E00"
_REST_MS = 300
# An edit is felt on the main canvas; the small ones show it when no other follows for so long.
_REDRAW_REST_MS = 150
_LETTERS = 9
# Which planes stand beside which.
_BESIDE = {
    "axial": ("coronal", "sagittal"),
    "coronal": ("axial", "sagittal"),
    "sagittal": ("axial", "coronal"),
}


class Crosshair:
    """Lines through the place that a viewer shows, open around it."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.layer: Vectors | None = None
        viewer.dims.events.point.connect(self.draw)

    def show(self) -> None:
        """Put the crosshair on top of the images."""
        from napari.layers import Vectors

        layers = self._viewer.layers
        if self.layer is not None and self.layer in layers:
            if layers[-1] is not self.layer:
                layers.move(layers.index(self.layer), len(layers))
            self.draw()
            return
        active = self._viewer.layers.selection.active
        self.layer = Vectors(
            self._lines(),
            name=_CROSSHAIR,
            edge_color=_COLOUR,
            edge_width=0.5,
            vector_style="line",
            opacity=0.7,
            projection_mode="none",
            units=("mm", "mm", "mm"),
            axis_labels=("z", "y", "x"),
        )
        self._viewer.layers.append(self.layer)
        self._viewer.layers.selection.active = active

    def draw(self) -> None:
        """Move the lines to where the viewer is."""
        if self.layer is not None and self.layer.visible and self.layer in self._viewer.layers:
            self.layer.data = self._lines()

    def toggle(self) -> None:
        """Hide or show the lines."""
        if self.layer is not None:
            self.layer.visible = not self.layer.visible
            self.draw()

    def _lines(self) -> Any:
        ranges = self._viewer.dims.range
        return crosshair_lines(self._viewer.dims.point, [r.start for r in ranges], [r.stop for r in ranges])


class _SidePlane(QWidget):
    """One plane in a small canvas of its own, with layers that share their voxels with the main ones."""

    def __init__(self, main: ViewerModel, begin_rest: Callable[[], None]) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        super().__init__()
        self._main, self._begin_rest = main, begin_rest
        self._stale: list[Layer] = []
        self._links: list[Layer] = []
        self.model = ViewerModel(title="plane", ndisplay=2)
        self.canvas = QtViewer(self.model)
        self.canvas.dims.hide()
        self.crosshair = Crosshair(self.model)
        self.plane: Plane = PLANES["coronal"]
        self.body: Extent | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self._leading = Leading()
        self.model.dims.events.point.connect(self._to_main)

    def show_layers(self, layers: list[Layer]) -> None:
        """Show these layers of the main viewer here too."""
        # Layers that come and go move a viewer's place: here that leads nobody.
        with self._leading.paused():
            self.model.layers.clear()
            self._links.clear()
            self._stale.clear()
            self.crosshair.layer = None
            self.show_more(layers)
        if layers:
            self.show_plane(self.plane)
            self.crosshair.show()

    def show_more(self, layers: list[Layer]) -> None:
        """Show those of these layers that are not here yet, below the crosshair."""
        from napari_dotaliver.view.outline_overlay import draw_outlines, outlined

        place = 0
        for layer in layers:
            known = [id(link) for link in self._links]
            if id(layer) in known:
                place = known.index(id(layer)) + 1
            else:
                data, look, kind = layer.as_layer_data_tuple()
                copy = type(layer).create(data, look, kind)
                if outlined(layer):
                    draw_outlines(copy)
                _follow(copy, layer, self._changed)
                self.model.layers.insert(place, copy)
                self._links.insert(place, layer)
                place += 1
        self.model.layers.selection.clear()

    def redraw(self, layer: Layer) -> None:
        """Draw a layer anew, once the hand rests, whose voxels were changed in place."""
        for known, copy in zip(self._links, self.model.layers, strict=False):
            if known is layer:
                self._changed(copy, layer)

    def _changed(self, copy: Layer, layer: Layer) -> None:
        if copy.data is not layer.data:
            copy.data = layer.data
            return
        if copy not in self._stale:
            self._stale.append(copy)
        self._begin_rest()

    def redraw_changed(self) -> None:
        """Draw what changed since the last time."""
        stale, self._stale = self._stale, []
        for copy in stale:
            copy.refresh(extent=False, thumbnail=False)

    def show_plane(self, plane: Plane) -> None:
        """Cut in another plane."""
        self.plane = plane
        with self._leading.paused():
            show_plane(self.model, plane.name, self.body, _LETTERS)
        self.follow()

    def follow(self) -> None:
        """Go where the main viewer is; only a plane that changes is drawn anew."""
        point = self._main.dims.point
        if self.model.layers and tuple(point) != tuple(self.model.dims.point):
            with self._leading.paused():
                self.model.dims.point = tuple(point)

    def _to_main(self) -> None:
        if self._leading.leads and self.model.layers and tuple(self.model.dims.point) != tuple(self._main.dims.point):
            self._main.dims.point = tuple(self.model.dims.point)


def _follow(copy: Layer, layer: Layer, changed: Callable[[Layer, Layer], None]) -> None:
    """Let a layer look as another does, and show what is painted there."""

    def look() -> None:
        copy.visible = layer.visible
        copy.opacity = layer.opacity
        for name in ("contrast_limits", "colormap", "blending"):
            if hasattr(layer, name) and getattr(copy, name) is not getattr(layer, name):
                setattr(copy, name, getattr(layer, name))

    def voxels() -> None:
        changed(copy, layer)

    for name in ("visible", "opacity", "contrast_limits", "colormap", "blending"):
        if hasattr(layer.events, name):
            getattr(layer.events, name).connect(look)
    for name in ("data", "paint", "labels_update"):
        if hasattr(layer.events, name):
            getattr(layer.events, name).connect(voxels)


def _in_planes(layers: StudyLayers) -> tuple[Layer | None, ...]:
    """What of a study the small canvases show, from the lowest to the highest."""
    return (layers.ct, layers.measured, layers.pet, layers.fdg, layers.liver, layers.lesions)


class SidePlanes(QSplitter):
    """The two planes that the main canvas does not show; clicking or scrolling there moves the main one too."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._viewer = viewer
        self._redraw_rest = QTimer(self)
        self._redraw_rest.setSingleShot(True)
        self._redraw_rest.setInterval(_REDRAW_REST_MS)
        self._redraw_rest.timeout.connect(self._redraw_changed)
        self._planes = (_SidePlane(viewer, self._redraw_rest.start), _SidePlane(viewer, self._redraw_rest.start))
        for plane in self._planes:
            self.addWidget(plane)
            plane.setMinimumSize(140, 120)
        # While a reader scrolls, the main canvas has the machine to itself; the others follow when it rests.
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._follow)
        viewer.dims.events.point.connect(self._on_moved)
        viewer.dims.events.order.connect(self.arrange)

    @property
    def planes(self) -> tuple[_SidePlane, _SidePlane]:
        """The two canvases."""
        return self._planes

    def show_layers(self, layers: StudyLayers | None) -> None:
        """Show a study's images and masks."""
        for plane in self._planes:
            plane.body = None if layers is None else layers.body
        shown = [] if layers is None else [n for n in _in_planes(layers) if n]
        for plane in self._planes:
            plane.show_layers(list(shown))
        self.arrange()

    def show_masks(self, layers: StudyLayers) -> None:
        """Show the masks of a reading that began, or that were made anew."""
        for plane in self._planes:
            plane.show_more([layer for layer in _in_planes(layers) if layer is not None])

    def redraw(self, layer: Layer) -> None:
        """Draw a mask anew whose voxels were changed in place, once the hand rests."""
        for plane in self._planes:
            plane.redraw(layer)

    def _redraw_changed(self) -> None:
        for plane in self._planes:
            plane.redraw_changed()

    def follow(self) -> None:
        """Go where the main canvas is."""
        for plane in self._planes:
            plane.follow()

    def arrange(self) -> None:
        """Show the planes that the main canvas does not."""
        beside = _BESIDE[current_plane(self._viewer).name]
        for plane, name in zip(self._planes, beside, strict=True):
            if plane.model.layers and (plane.plane.name != name or tuple(plane.model.dims.order) != PLANES[name].order):
                plane.show_plane(PLANES[name])

    def _on_moved(self) -> None:
        self._rest.start()

    def _follow(self) -> None:
        if self.isVisible():
            self.follow()
