"""What a marking tool shows before it acts: strokes, seeds and lines as points, and the outline of a preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.image.volume import BoolArray, LabelMap
from napari_dotaliver.view.layers import liver_layer, lps_to_world

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Points

__all__ = ["MARKS_LAYER", "PREVIEW_LAYER", "Look", "Marks"]

MARKS_LAYER, PREVIEW_LAYER = "Marks", "Preview"
Look = Literal["more", "less", "seed", "line", "click"]

# Symbols differ as well as colours; these colours of Okabe and Ito's stand out from inferno, grey and inverted grey.
_LOOKS: dict[Look, tuple[str, str]] = {
    "more": ("cross", "#009E73"),
    "less": ("hbar", "#D55E00"),
    "seed": ("disc", "#56B4E9"),
    "line": ("disc", "#D55E00"),
    "click": ("x", "#FF4FD8"),
}
_PREVIEW_COLOUR = "#FF4FD8"
_POINT_MM, _APART_MM = 3.5, 2.5
# Words without a point to be seen
_NO_POINT_MM = 0.01


class Marks:
    """Two layers of a viewer, made when they are first needed and emptied rather than removed.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.points: Points | None = None
        self.preview: Labels | None = None

    def show(self, places_lps_mm: Sequence[Vector], look: Look, words: Sequence[str] = ()) -> None:
        """Show places in place of what was shown before; ``words`` stand beside them."""
        symbol, colour = _LOOKS[look]
        world = lps_to_world(np.asarray(places_lps_mm, dtype=np.float64).reshape(-1, 3))
        layer = self._points()
        texts = np.array([*words, *[""] * (len(world) - len(words))], dtype=object)
        layer.data = world
        layer.features = {"words": texts}
        if len(world):
            layer.symbol, layer.face_color, layer.border_color = symbol, colour, "black"
            layer.size = _POINT_MM if look in {"more", "less", "line"} else 1.6 * _POINT_MM
        layer.text.color = colour
        layer.selected_data = set()
        layer.refresh(extent=False, thumbnail=False)

    def show_level(self, click_lps_mm: Vector, beside_lps_mm: Vector, words: str) -> None:
        """Show where was clicked, and the level beside the outline."""
        self.show([click_lps_mm, beside_lps_mm], "click", ["", words])
        layer = self._points()
        layer.size = [1.6 * _POINT_MM, _NO_POINT_MM]
        layer.selected_data = set()

    def show_path(self, places_lps_mm: Sequence[Vector], look: Look) -> None:
        """Show a drawn path, as points a few mm apart."""
        self.show(_thinned(places_lps_mm), look)

    def show_preview(self, mask: BoolArray, grid: Geometry) -> None:
        """Show the contour of an outline that is not in the reading yet."""
        data, look, _ = liver_layer(LabelMap(mask.astype(np.uint8), grid))
        layer = self.preview
        if layer is not None and layer in self._viewer.layers and layer.data.shape == data.shape:
            layer.affine, layer.data = look["affine"], data
            layer.visible = True
            return
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        from napari.utils.colormaps import DirectLabelColormap

        from napari_dotaliver.view.outline_overlay import draw_outlines

        look |= {"name": PREVIEW_LAYER, "metadata": {}, "opacity": 0.0}
        look["colormap"] = DirectLabelColormap(color_dict={0: "#00000000", 1: _PREVIEW_COLOUR, None: _PREVIEW_COLOUR})
        self.preview = self._add(data, look, "labels", below=self._points())
        draw_outlines(self.preview)

    def clear(self) -> None:
        """Show nothing."""
        if self.points is not None and len(self.points.data):
            self.show((), "seed")
        if self.preview is not None:
            self.preview.visible = False

    def remove(self) -> None:
        """Take the layers from the viewer."""
        for layer in (self.points, self.preview):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self.points = self.preview = None

    def _points(self) -> Any:
        if self.points is None or self.points not in self._viewer.layers:
            look: dict[str, Any] = {"name": MARKS_LAYER, "ndim": 3, "size": _POINT_MM, "border_width": 0.1}
            look |= {"units": ("mm", "mm", "mm"), "axis_labels": ("z", "y", "x"), "out_of_slice_display": False}
            look |= {"features": {"words": np.array([], dtype=object)}}
            look |= {"text": {"string": "{words}", "size": 16, "anchor": "upper_left"}}
            self.points = self._add(np.zeros((0, 3)), look, "points")
        return self.points

    def _add(self, data: Any, look: dict[str, Any], kind: str, below: Any = None) -> Any:
        from napari.layers import Layer

        active = self._viewer.layers.selection.active
        layer = Layer.create(data, look, kind)
        place = len(self._viewer.layers) if below is None else self._viewer.layers.index(below)
        self._viewer.layers.insert(place, layer)
        if active is not None and active in self._viewer.layers:
            self._viewer.layers.selection.active = active
        if str(layer.mode) != "pan_zoom":
            layer.mode = "pan_zoom"
        return layer


def _thinned(places: Sequence[Vector]) -> list[Vector]:
    """Places a few mm apart along a path, its ends among them."""
    if len(places) < 2:
        return list(places)
    path = np.asarray(places, dtype=np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    stops = np.linspace(0.0, along[-1], max(int(along[-1] / _APART_MM), 1) + 1)
    return [tuple(float(np.interp(s, along, path[:, n])) for n in range(3)) for s in stops]  # type: ignore[misc]
