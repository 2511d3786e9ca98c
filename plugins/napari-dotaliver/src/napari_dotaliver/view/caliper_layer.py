"""The caliper of the selected lesion as a napari layer: both axes with their lengths, and the ends that are dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.image.geometry import Geometry, Vector
from dotaliver.measurement.caliper import Caliper, CaliperEnd
from napari_dotaliver.view.layers import LayerData, anatomical_grid, world_affine

if TYPE_CHECKING:
    from napari.layers import Shapes

__all__ = ["CALIPER", "caliper_layer", "renew_caliper"]

CALIPER = "Caliper"
# Sky blue of Okabe and Ito, beside the yellow of the measured diameters; the short axis is drawn thinner.
_COLOUR, _PICKED = "#56B4E9", "#E69F00"
_LONG_MM, _SHORT_MM, _HANDLE_MM = 1.2, 0.8, 3.0


def caliper_layer(caliper: Caliper | None, grid: Geometry, picked: CaliperEnd | None = None) -> LayerData:
    """The layer, in indices of the image that the caliper is drawn on; the end that the keys move is orange."""
    turned = anatomical_grid(grid)
    look: dict[str, Any] = {
        "name": CALIPER,
        "affine": world_affine(turned),
        "units": ("mm", "mm", "mm"),
        "axis_labels": ("z", "y", "x"),
        "ndim": 3,
    }
    shapes, features = _shapes(caliper, turned)
    if shapes:
        look |= {
            "shape_type": [kind for _, kind in shapes],
            "features": features,
            "text": _text(),
            "edge_width": _widths(shapes, turned),
            "edge_color": _colours(caliper, picked),
            "face_color": "#00000000",
        }
    return [data for data, _ in shapes], look, "shapes"


def renew_caliper(layer: Shapes, caliper: Caliper | None, grid: Geometry, picked: CaliperEnd | None = None) -> None:
    """Show another caliper in the layer."""
    turned = anatomical_grid(grid)
    shapes, features = _shapes(caliper, turned)
    with layer.events.data.blocker():
        layer.selected_data = set()
        layer.data = shapes
        if shapes:
            layer.features = features
            layer.text = _text()
            layer.edge_width = _widths(shapes, turned)
            layer.edge_color, layer.face_color = _colours(caliper, picked), "#00000000"
    layer.refresh(extent=False, thumbnail=False)


def _shapes(caliper: Caliper | None, turned: Geometry) -> tuple[list[tuple[Any, str]], dict[str, Any]]:
    if caliper is None:
        return [], {}
    lines = [caliper.long_axis_lps_mm]
    lengths = [caliper.long_mm]
    if caliper.short_axis_lps_mm is not None and caliper.short_mm is not None:
        lines.append(caliper.short_axis_lps_mm)
        lengths.append(caliper.short_mm)
    indices = [_index(line, turned) for line in lines]
    shapes: list[tuple[Any, str]] = [(index, "line") for index in indices]
    shapes += [(_handle(end, turned), "rectangle") for line in lines for end in line]
    words = [""] * len(shapes)
    for axis, (end, length_mm) in enumerate(zip(_named_ends(indices), lengths, strict=True)):
        words[len(lines) + 2 * axis + end] = f"{length_mm:.1f} mm"
    return shapes, {"mm": np.array(words, dtype=object)}


def _named_ends(indices: list[Any]) -> list[int]:
    """At which end of each axis its length is written: outside the lesion, and away from the other length."""
    long = int(indices[0][1, 2] >= indices[0][0, 2])
    away = [float(np.linalg.norm(end - indices[0][long])) for index in indices[1:] for end in index]
    return [long, int(np.argmax(away))] if away else [long]


def _colours(caliper: Caliper | None, picked: CaliperEnd | None) -> list[str]:
    """Of the axes, and then of their ends."""
    ends = () if caliper is None else tuple(caliper.ends)
    return [_COLOUR] * (len(ends) // 2) + [_PICKED if end == picked else _COLOUR for end in ends]


def _index(line: tuple[Vector, Vector], turned: Geometry) -> Any:
    index = np.asarray(turned.lps_to_index(line), dtype=np.float64)
    # Ends in one slice are shown on it, whatever rounding did to them.
    index[:, 0] = np.rint(index[:, 0].mean())
    return index


def _handle(end: Vector, turned: Geometry) -> Any:
    k, row, column = np.asarray(turned.lps_to_index(end), dtype=np.float64)
    down, across = 0.5 * _HANDLE_MM / turned.spacing_mm[1], 0.5 * _HANDLE_MM / turned.spacing_mm[2]
    corners = ((-down, -across), (-down, across), (down, across), (down, -across))
    return np.array([(np.rint(k), row + dy, column + dx) for dy, dx in corners])


def _widths(shapes: list[tuple[Any, str]], turned: Geometry) -> list[float]:
    widths = [_LONG_MM, *([_SHORT_MM] * (len(shapes) - 1))][: len(shapes)]
    return [width / min(turned.spacing_mm) for width in widths]


def _text() -> dict[str, Any]:
    return {"string": "{mm}", "size": 12, "color": _COLOUR, "anchor": "upper_left", "translation": [0, 0, 0]}
