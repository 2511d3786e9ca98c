"""How a physician looks: axial, coronal or sagittal, patient's right on the left, head or front up, edges labelled.

Only the viewer's model is touched, so nothing here needs Qt or a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import Volume
from napari_dotaliver.view.layers import lps_to_world, world_to_lps

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

__all__ = [
    "PLANES",
    "Extent",
    "Plane",
    "PlaneName",
    "body_extent",
    "crosshair_lines",
    "current_plane",
    "frame_of",
    "jump",
    "position_lps_mm",
    "show_on_white",
    "show_plane",
    "show_slab",
]

Extent = tuple[tuple[float, ...], tuple[float, ...]]
"""Lowest and highest corner of a box in napari's world, in mm."""

PlaneName = Literal["axial", "coronal", "sagittal"]

# The least that is framed around a lesion: less would show it without what lies around it.
_SMALLEST_FRAME_MM = 120.0
# A sphere is drawn on every slice that it reaches: half of the largest that a reader can place.
_LARGEST_RADIUS_MM = 50.0
_FILLED = 0.96
_BODY_SHARE, _SKIN_MM = 0.01, 25.0
_CROSSHAIR_GAP_MM = 12.0
_LETTERS = 14
_ON_DARK, _ON_WHITE = "#F0E442", "#0072B2"


@dataclass(frozen=True)
class Plane:
    """One way to cut the world's axes z, y, x: which is scrolled, how the others run, what stands at the edges."""

    name: PlaneName
    order: tuple[int, int, int]
    orientation: tuple[Literal["up", "down"], Literal["left", "right"]]
    edges: dict[str, str]

    @property
    def through(self) -> int:
        """The world axis that is scrolled along."""
        return self.order[0]


_LEFT_RIGHT = {"middle_left": "R", "middle_right": "L"}
PLANES: dict[PlaneName, Plane] = {
    "axial": Plane("axial", (0, 1, 2), ("down", "right"), {**_LEFT_RIGHT, "top_center": "A", "bottom_center": "P"}),
    "coronal": Plane("coronal", (1, 0, 2), ("up", "right"), {**_LEFT_RIGHT, "top_center": "H", "bottom_center": "F"}),
    "sagittal": Plane(
        "sagittal",
        (2, 0, 1),
        ("up", "right"),
        {"middle_left": "A", "middle_right": "P", "top_center": "H", "bottom_center": "F"},
    ),
}
_EDGES = ("middle_left", "middle_right", "top_center", "bottom_center")


def show_plane(viewer: ViewerModel, name: PlaneName, body: Extent | None = None, letters: int = _LETTERS) -> None:
    """Cut the images in one of the three planes, in radiological convention, with its edges labelled.

    The patient fills the canvas where `body` says where in the world the patient is, else the images do. `letters` is
    the size of those at the edges.
    """
    plane = PLANES[name]
    viewer.dims.ndisplay = 2
    viewer.scene.camera.orientation2d = plane.orientation
    viewer.dims.order = plane.order
    label_edges(viewer, plane, letters)
    viewer.dims.margin_left = viewer.dims.margin_right = (_LARGEST_RADIUS_MM,) * 3
    viewer.reset_view()
    if body is not None:
        fit(viewer, body)


def fit(viewer: ViewerModel, body: Extent) -> None:
    """Fill the canvas with a part of the world."""
    low, high = body
    size = [max(high[axis] - low[axis], 1.0) for axis in viewer.dims.displayed]
    canvas = viewer.canvas.size
    camera = viewer.scene.camera
    camera.center = tuple((low[axis] + high[axis]) / 2 for axis in viewer.dims.order)
    camera.zoom = _FILLED * min(canvas[0] / size[0], canvas[1] / size[1])


def body_extent(pet: Volume) -> Extent:
    """Where in the world the patient is: all that takes up clearly more than the air, its sparse outliers left out."""
    turned = anatomical(pet)
    step = tuple(max(n // 100, 1) for n in turned.array.shape)
    some = turned.array[tuple(slice(None, None, s) for s in step)]
    places = np.argwhere(some > _BODY_SHARE * float(some.max()))
    if not len(places):
        places = np.array([(0, 0, 0), some.shape])
    ends = np.percentile(places, [0.5, 99.5], axis=0) * step
    # The body's own uptake is low: its skin lies a little outside of what is seen.
    ends[0, 1:] -= _SKIN_MM / np.asarray(turned.geometry.spacing_mm)[1:]
    ends[1, 1:] += _SKIN_MM / np.asarray(turned.geometry.spacing_mm)[1:]
    ends[:, 0] = (-0.5, turned.array.shape[0] - 0.5)
    world = lps_to_world(turned.geometry.index_to_lps(ends))
    low, high = world.min(axis=0), world.max(axis=0)
    return tuple(float(v) for v in low), tuple(float(v) for v in high)


def label_edges(viewer: ViewerModel, plane: Plane, letters: int = _LETTERS) -> None:
    """Write at the picture's edges which side of the patient lies there."""
    from napari.components.overlays import TextOverlay

    overlays = viewer.canvas.overlays
    for position in _EDGES:
        name = f"dotaliver_{position}"
        if name not in overlays:
            overlays[name] = TextOverlay(position=position, font_size=letters, color=_ON_DARK, box=False, visible=True)
        overlays[name].text = plane.edges[position]


def show_on_white(viewer: ViewerModel, *, white: bool) -> None:
    """The canvas white, as inverted grey needs it, or black whatever the theme; the edges' letters stay readable."""
    viewer.canvas.background_color_override = "white" if white else "black"
    for position in _EDGES:
        if (name := f"dotaliver_{position}") in viewer.canvas.overlays:
            viewer.canvas.overlays[name].color = _ON_WHITE if white else _ON_DARK


def current_plane(viewer: ViewerModel) -> Plane:
    """The plane that is shown; the axial one where the axes were rolled by hand."""
    return next((p for p in PLANES.values() if p.order == tuple(viewer.dims.order)), PLANES["axial"])


def position_lps_mm(viewer: ViewerModel) -> Vector:
    """Where the crosshair stands, in patient coordinates (mm)."""
    x, y, z = (float(v) for v in world_to_lps(viewer.dims.point))
    return (x, y, z)


def jump(viewer: ViewerModel, place_lps_mm: Sequence[float], extent_mm: float) -> None:
    """Put the crosshair on a place and frame what is so large there."""
    viewer.dims.point = tuple(float(v) for v in lps_to_world(place_lps_mm))
    frame_of(viewer, place_lps_mm, extent_mm, min(viewer.canvas.size))


def frame_of(viewer: ViewerModel, place_lps_mm: Sequence[float], extent_mm: float, side_px: int) -> None:
    """Frame what is so large at a place, on a canvas whose smaller side has so many pixels."""
    point = lps_to_world(place_lps_mm)
    frame_mm = max(_SMALLEST_FRAME_MM, 3.0 * extent_mm)
    camera = viewer.scene.camera
    camera.center = tuple(float(point[axis]) for axis in viewer.dims.order)
    camera.zoom = max(side_px, 1) / frame_mm


def show_slab(viewer: ViewerModel, image: Image, *, whole: bool) -> None:
    """Show an image's highest values along the line of sight (a maximum-intensity projection), or one slice again."""
    axis = viewer.dims.order[0]
    low, high, _ = viewer.dims.range[axis]
    margins = [_LARGEST_RADIUS_MM] * 3
    if whole:
        margins[axis] = float(high - low)
    image.projection_mode = "max" if whole else "none"
    viewer.dims.margin_left = viewer.dims.margin_right = tuple(margins)


def crosshair_lines(point: Sequence[float], low: Sequence[float], high: Sequence[float]) -> npt.NDArray[np.float64]:
    """Lines through a point along the world's axes, open around it; starts and extents, shape (6, 2, 3), in mm."""
    lines = np.zeros((6, 2, 3))
    lines[:, 0] = point
    for axis in range(3):
        for number, end in enumerate((low[axis], high[axis])):
            way = end - point[axis]
            gap = np.sign(way) * min(_CROSSHAIR_GAP_MM, abs(way))
            lines[2 * axis + number, 0, axis] += gap
            lines[2 * axis + number, 1, axis] = way - gap
    return lines
