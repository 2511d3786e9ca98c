"""The caliper of the selected lesion as a napari layer: both axes with their lengths, and the ends that are dragged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.measurement.caliper import Caliper, CaliperEnd
from napari_dotaliver.view.layers import LayerData, anatomical_grid, lps_to_world, world_affine, world_to_lps

if TYPE_CHECKING:
    from napari.layers import Shapes

__all__ = ["CALIPER", "ShownCaliper", "caliper_layer", "caliper_lines_mm", "renew_caliper"]

CALIPER = "Caliper"
# Sky blue of Okabe and Ito, beside the yellow of the measured diameters; the short axis is drawn thinner.
_COLOUR, _PICKED = "#56B4E9", "#E69F00"
_CLEAR = "#00000000"
# As wide on the screen at any zoom, in pixels.
_LONG_PX, _SHORT_PX, _HANDLE_PX = 3.0, 2.0, 10.0


@dataclass(frozen=True)
class ShownCaliper:
    """A caliper as it is drawn.

    Attributes
    ----------
    caliper : Caliper, optional
        Where the image is shown.
    picked : CaliperEnd, optional
        The end that the keys move; it is orange.
    labels_mm : tuple
        The middles of the lengths in the world of the viewer (row, column).
    pixel_mm : float
        Size of a pixel of the screen.
    """

    caliper: Caliper | None
    picked: CaliperEnd | None = None
    labels_mm: tuple[tuple[float, float], ...] = ()
    pixel_mm: float = 0.4


def caliper_lines_mm(caliper: Caliper, grid: Geometry) -> tuple[float, list[Any]]:
    """Height of a caliper's slice and the ends of its axes in it (row, column), in the world of the viewer, in mm."""
    turned = anatomical_grid(grid)
    world = [lps_to_world(turned.index_to_lps(_index(line, turned))) for line in _lines(caliper)]
    return float(world[0][0, 0]), [line[:, 1:] for line in world]


def caliper_layer(shown: ShownCaliper, grid: Geometry) -> LayerData:
    """The layer, in indices of the image that the caliper is drawn on."""
    turned = anatomical_grid(grid)
    look: dict[str, Any] = {
        "name": CALIPER,
        "affine": world_affine(turned),
        "units": ("mm", "mm", "mm"),
        "axis_labels": ("z", "y", "x"),
        "ndim": 3,
        "opacity": 1.0,
    }
    shapes, features = _shapes(shown, turned)
    if shapes:
        look |= {
            "shape_type": [kind for _, kind in shapes],
            "features": features,
            "text": _text(),
            "edge_width": _widths(shown, shapes, turned),
            "edge_color": _colours(shown),
            "face_color": _CLEAR,
        }
    return [data for data, _ in shapes], look, "shapes"


def renew_caliper(layer: Shapes, shown: ShownCaliper, grid: Geometry) -> None:
    """Show another caliper in the layer."""
    turned = anatomical_grid(grid)
    shapes, features = _shapes(shown, turned)
    with layer.events.data.blocker():
        layer.selected_data = set()
        layer.data = shapes
        if shapes:
            layer.features = features
            layer.text = _text()
            layer.edge_width = _widths(shown, shapes, turned)
            layer.edge_color, layer.face_color = _colours(shown), _CLEAR
    layer.refresh(extent=False, thumbnail=False)


def _lines(caliper: Caliper) -> list[tuple[Vector, Vector]]:
    short = caliper.short_axis_lps_mm
    return [caliper.long_axis_lps_mm] if short is None else [caliper.long_axis_lps_mm, short]


def _shapes(shown: ShownCaliper, turned: Geometry) -> tuple[list[tuple[Any, str]], dict[str, Any]]:
    """The axes, their ends, and a point that is not seen for each length."""
    caliper = shown.caliper
    if caliper is None:
        return [], {}
    lines = _lines(caliper)
    indices = [_index(line, turned) for line in lines]
    size_mm = _HANDLE_PX * shown.pixel_mm
    shapes: list[tuple[Any, str]] = [(index, "line") for index in indices]
    shapes += [(_handle(end, turned, size_mm), "rectangle") for line in lines for end in line]
    words = [""] * len(shapes)
    height = lps_to_world(turned.index_to_lps(indices[0]))[0, 0]
    for place, length_mm in zip(shown.labels_mm, (caliper.long_mm, caliper.short_mm), strict=False):
        shapes.append((_handle(world_to_lps((height, *place)), turned, size_mm), "rectangle"))
        words.append(f"{length_mm:.1f} mm")
    return shapes, {"mm": np.array(words, dtype=object)}


def _colours(shown: ShownCaliper) -> list[str]:
    """Of the axes, their ends, and the lengths' places."""
    ends = () if shown.caliper is None else tuple(shown.caliper.ends)
    colours = [_COLOUR] * (len(ends) // 2) + [_PICKED if end == shown.picked else _COLOUR for end in ends]
    return [*colours, *([_CLEAR] * len(shown.labels_mm))]


def _index(line: tuple[Vector, Vector], turned: Geometry) -> Any:
    index = np.asarray(turned.lps_to_index(line), dtype=np.float64)
    # Ends in one slice are shown on it, whatever rounding did to them.
    index[:, 0] = np.rint(index[:, 0].mean())
    return index


def _handle(end: npt.ArrayLike, turned: Geometry, size_mm: float) -> Any:
    k, row, column = np.asarray(turned.lps_to_index(end), dtype=np.float64)
    down, across = 0.5 * size_mm / turned.spacing_mm[1], 0.5 * size_mm / turned.spacing_mm[2]
    corners = ((-down, -across), (-down, across), (down, across), (down, -across))
    return np.array([(np.rint(k), row + dy, column + dx) for dy, dx in corners])


def _widths(shown: ShownCaliper, shapes: list[tuple[Any, str]], turned: Geometry) -> list[float]:
    widths = [_LONG_PX, *([_SHORT_PX] * (len(shapes) - 1))][: len(shapes)]
    return [width * shown.pixel_mm / min(turned.spacing_mm) for width in widths]


def _text() -> dict[str, Any]:
    return {"string": "{mm}", "size": 11, "color": _COLOUR, "anchor": "center", "translation": [0, 0, 0]}
