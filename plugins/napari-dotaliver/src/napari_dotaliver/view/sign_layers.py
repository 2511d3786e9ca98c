"""Signs on the images as napari layers: sphere, candidates, border points, numbers and diameters. No Qt in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.image.geometry import FloatArray, Geometry, Vector, as_vector
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap
from dotaliver.records.measurements import CtFocus
from dotaliver.records.positions import own_labels
from napari_dotaliver.view.layers import MM, LayerData, anatomical_grid, lps_to_world, placed, world_to_lps

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = [
    "BORDER",
    "CANDIDATES",
    "CANDIDATE_COLOUR",
    "DIAMETERS",
    "NUMBERS",
    "REFERENCE",
    "Numbers",
    "border_layer",
    "candidates_layer",
    "diameters_layer",
    "line_of_shape",
    "middle_of",
    "numbers_layer",
    "points_lps_mm",
    "reference_layer",
    "renew_sign",
]

REFERENCE, DIAMETERS, NUMBERS = "Normal liver", "Diameters", "Lesion numbers"
CANDIDATES = "CT candidates"
BORDER = "Border points"
# Okabe and Ito's colours, as those of lesions and liver.
_REFERENCE_COLOUR, _DIAMETER_COLOUR, CANDIDATE_COLOUR = "#009E73", "#F0E442", "#E69F00"
_HANDLE_MM, _LINE_MM, _SHORTEST_LINE_MM = 4.0, 1.2, 1.0

Numbers = dict[int, tuple[bytes, npt.NDArray[np.int64], npt.NDArray[np.bool_]]]
"""Where each lesion's number stands, by what the lesion looked like then."""


def renew_sign(layer: Layer, made: LayerData) -> None:
    """Change a layer of points or lines to what another was made of; nobody dragged anything."""
    data, look, kind = made
    with layer.events.data.blocker():
        layer.selected_data = set()
        if kind == "shapes":
            layer.data = [(line, "line") for line in data]
            # Shapes keep what they look like, and are slow to be told again.
            if set(layer.edge_width) - {look["edge_width"]}:
                layer.edge_width = look["edge_width"]
            layer.edge_color = look["edge_color"]
        else:
            layer.data = data
            if len(data):
                layer.size = look["size"]
        if "features" in look:
            layer.features = look["features"]
    layer.refresh(extent=False, thumbnail=False)


def reference_layer(sphere: tuple[Vector, float] | None, grid: Geometry) -> LayerData:
    """The sphere in which normal liver is read (centre and diameter in mm), as a circle in every plane of a grid."""
    places, sizes = ([], []) if sphere is None else ([sphere[0]], [sphere[1]])
    return _rings(REFERENCE, places, sizes, _REFERENCE_COLOUR, grid)


def candidates_layer(foci: Sequence[CtFocus], grid: Geometry) -> LayerData:
    """Focal lesions that only the CT shows, as circles as large as they are, with their numbers."""
    sizes = [focus.longest_diameter_mm or _sphere_mm(focus.volume_ml) for focus in foci]
    places = [focus.centroid_lps_mm for focus in foci]
    data, look, kind = _rings(CANDIDATES, places, sizes, CANDIDATE_COLOUR, grid)
    names = np.array([f"CT {focus.label}" for focus in foci], dtype=object)
    return data, look | {"features": {"number": names}, "text": _number_text(CANDIDATE_COLOUR)}, kind


def border_layer(points_mm: Sequence[Vector], grid: Geometry) -> LayerData:
    """Points of the border of the lesion that was pointed at, to be dragged."""
    return _rings(BORDER, points_mm, [_HANDLE_MM] * len(points_mm), _DIAMETER_COLOUR, grid)


def _rings(
    name: str, places_lps_mm: Sequence[Vector], sizes_mm: Sequence[float], colour: str, grid: Geometry
) -> LayerData:
    """Spheres as points as large as they are, counted in mm from the image's first voxel."""
    # napari 0.9 draws a dot where a points layer begins while none of its points is on the slice: there, at the
    # image's corner, it is in nobody's way.
    start = lps_to_world(anatomical_grid(grid).origin_lps_mm)
    look: dict[str, Any] = {"name": name, "face_color": "#00000000", "border_color": colour}
    look |= {"size": np.array(sizes_mm, dtype=np.float64) if len(sizes_mm) else 30.0, "translate": start}
    look |= {"border_width": 1.5, "border_width_is_relative": False, "projection_mode": "rescale_spherical"}
    look |= {"units": MM, "axis_labels": ("z", "y", "x"), "ndim": 3}
    return lps_to_world(np.array(places_lps_mm).reshape(-1, 3)) - start, look, "points"


def points_lps_mm(layer: Layer) -> FloatArray:
    """Where a points layer's points lie, in patient coordinates, shape (points, 3)."""
    places = [world_to_lps(layer.data_to_world(point)) for point in layer.data]
    return np.array(places, dtype=np.float64).reshape(-1, 3)


def _number_text(colour: str) -> dict[str, Any]:
    return {"string": "{number}", "size": 11, "color": colour, "anchor": "center"}


def _sphere_mm(volume_ml: float) -> float:
    """Diameter of the sphere that is so large."""
    return float(np.cbrt(6.0 * 1000.0 * volume_ml / np.pi))


def middle_of(labels: LabelMap, label: int) -> Vector | None:
    """The voxel of a lesion that lies nearest its middle, in patient coordinates; None where it has none."""
    part = own_labels(labels, label)
    if part is None:
        return None
    index = np.argwhere(part.array)
    return as_vector(part.geometry.index_to_lps(_nearest_middle(index)))


def _nearest_middle(index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    chosen: npt.NDArray[np.int64] = index[np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()]
    return chosen


def numbers_layer(labels: LabelMap, known: Numbers | None = None) -> LayerData:
    """Each lesion's number, once on every axial slice of it, in indices of its image.

    The feature ``middle`` tells the one number of a lesion that stays where the slices are laid on each other. What
    is ``known`` of lesions that have not changed is used, and the rest is added to it.
    """
    turned = anatomical(labels)
    known = {} if known is None else known
    places, numbers, middles = [], [], []
    for label, box in turned.boxes():
        own = turned.array[box] == label
        look_of = repr(box).encode() + np.packbits(own).tobytes()
        if label not in known or known[label][0] != look_of:
            index = np.argwhere(own) + [part.start for part in box]
            levels = np.unique(index[:, 0])
            on_levels = np.array([_nearest_middle(index[index[:, 0] == level]) for level in levels])
            known[label] = (look_of, on_levels, np.asarray(levels == _nearest_middle(index)[0]))
        _, on_levels, is_middle = known[label]
        places.extend(on_levels)
        numbers.extend([str(label)] * len(on_levels))
        middles.extend(is_middle)
    look: dict[str, Any] = {
        "name": NUMBERS,
        "features": {"number": np.array(numbers, dtype=object), "middle": np.array(middles, dtype=bool)},
        "text": _number_text("white"),
        "size": 1.0,
        "projection_mode": "none",
        "face_color": "#00000000",
        "border_color": "#00000000",
        "ndim": 3,
    }
    return np.array(places, dtype=np.float64).reshape(-1, 3), look | placed(turned.geometry), "points"


def diameters_layer(lines_lps_mm: Mapping[int, tuple[Vector, Vector]], grid: Geometry) -> LayerData:
    """Longest diameters as lines, in indices of the image that they were measured on; a feature names the lesion."""
    turned = anatomical_grid(grid)
    lines = [turned.lps_to_index(line) for line in lines_lps_mm.values()]
    look: dict[str, Any] = {
        "name": DIAMETERS,
        "shape_type": "line",
        "edge_color": _DIAMETER_COLOUR,
        "edge_width": _LINE_MM / min(turned.spacing_mm),
        "features": {"lesion": np.array(list(lines_lps_mm), dtype=int)},
        "ndim": 3,
        **placed(turned),
    }
    return lines, look, "shapes"


def line_of_shape(vertices: npt.ArrayLike, layer: Layer) -> tuple[Vector, Vector]:
    """The two ends of a line in a shapes layer, in patient coordinates.

    Raises
    ------
    MaskError
        Where it has not two ends that lie apart.
    """
    points = np.asarray(vertices, dtype=np.float64)
    if points.shape != (2, 3):
        msg = "a diameter is a straight line with two ends; draw it with the line tool"
        raise MaskError(msg)
    p, q = (world_to_lps(layer.data_to_world(point)) for point in points)
    if float(np.linalg.norm(p - q)) < _SHORTEST_LINE_MM:
        msg = f"a diameter must be longer than {_SHORTEST_LINE_MM:g} mm; draw the line from border to border"
        raise MaskError(msg)
    return as_vector(p), as_vector(q)
