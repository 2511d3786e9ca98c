"""Masks drawn as smooth lines of one width on the screen, in whatever canvas the mask is shown.

napari draws the contour of a mask in the voxels of the image, as a staircase that grows with the zoom. Here a mask's
layer gets an overlay of its own, which napari draws with the layer, moves with it and hides with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

# napari has no public way to register an overlay of one's own.
from napari._vispy.overlays.base import LayerOverlayMixin, VispySceneOverlay
from napari._vispy.utils.visual import overlay_to_visual
from napari.components.overlays import SceneOverlay
from napari.components.overlays.base import Blending
from vispy.scene.visuals import Line

from napari_dotaliver.view.outlines import label_outlines

if TYPE_CHECKING:
    from napari.layers import Labels

__all__ = ["OUTLINES", "OutlineOverlay", "draw_outlines", "outlined"]

OUTLINES = "dotaliver_outlines"
_WIDTH_PX = 2.0


class OutlineOverlay(SceneOverlay):
    """The outlines of a layer of labels.

    Parameters
    ----------
    width_px : float
        Width of the lines on the screen, at any zoom.
    """

    width_px: float = _WIDTH_PX
    blending: Blending = Blending.TRANSLUCENT_NO_DEPTH


def draw_outlines(layer: Labels) -> None:
    """Draw a mask by its outlines; its voxels show as far as the layer's opacity lets them."""
    layer.contour = 0
    if OUTLINES not in layer._overlays:
        layer._overlays.update({OUTLINES: OutlineOverlay(visible=True)})


def outlined(layer: Any) -> bool:
    """Whether a layer is drawn by outlines."""
    return OUTLINES in getattr(layer, "_overlays", {})


class _VispyOutlines(LayerOverlayMixin, VispySceneOverlay):  # type: ignore[misc]  # napari is not typed
    """What a canvas draws of the overlay: renewed with each slice and each stroke of the brush."""

    layer: Labels
    overlay: OutlineOverlay

    def __init__(self, **given: Any) -> None:
        super().__init__(node=Line(connect="segments", method="gl", antialias=True), **given)
        for event in (self.layer.events.set_data, self.layer.events.labels_update, self.layer.events.colormap):
            event.connect(self._draw)
        self.overlay.events.width_px.connect(self._draw)
        self.reset()

    def _draw(self) -> None:
        layer = self.layer
        lines = {}
        if layer.visible and layer._slice_input.ndisplay == 2 and not layer._slice.empty:
            lines = label_outlines(np.asarray(layer._slice.image.raw))
        self._has_lines = bool(lines)
        if lines:
            corners, joined, labels = _joined(lines)
            colours = layer.colormap.map(labels).reshape(-1, 4)
            self.node.set_data(pos=corners, connect=joined, color=colours, width=self.overlay.width_px)
        self._on_visible_change()

    def _should_be_visible(self) -> bool:
        return bool(super()._should_be_visible() and getattr(self, "_has_lines", False))

    def reset(self) -> None:
        super().reset()
        self._draw()


def _joined(lines: dict[int, list[Any]]) -> tuple[Any, Any, Any]:
    """All lines as one: corners as (x, y), pairs of corners that are joined, and the label of each corner."""
    closed = [(label, line) for label, found in lines.items() for line in found]
    counts = np.array([len(line) for _, line in closed])
    corners = np.concatenate([line for _, line in closed])[:, ::-1]
    first = np.arange(len(corners), dtype=np.uint32)
    second = first + 1
    ends = np.cumsum(counts)
    second[ends - 1] = ends - counts
    labels = np.repeat([label for label, _ in closed], counts)
    return corners.astype(np.float32), np.column_stack((first, second.astype(np.uint32))), labels


overlay_to_visual[OutlineOverlay] = _VispyOutlines
