"""Records as napari layers, and layers as records again: pure functions, without Qt and without a viewer.

A layer's data have anatomical axes (slices towards the head, rows to the back, columns to the patient's left) and
an affine to napari's world, which is patient coordinates in millimetres (DICOM LPS) with the axes in the order
z, y, x. A view of z, y, x with rows downward is then what a radiologist expects of an axial slice. Nothing is
interpolated on the way, in either direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import MaskError
from dotaliver.export.views import anatomical
from dotaliver.geometry import FloatArray, Geometry, Vector
from dotaliver.records import Acquisition, CtFocus, Lesion, Reference
from dotaliver.volume import LabelMap, Quantity, Volume

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = [
    "CANDIDATES",
    "CANDIDATE_COLOUR",
    "CT",
    "DIAMETERS",
    "HU_RANGE",
    "LESIONS",
    "LIVER",
    "NUMBERS",
    "PET",
    "REFERENCE",
    "LayerData",
    "anatomical_grid",
    "candidates_layer",
    "ct_layer",
    "diameters_layer",
    "labels_of_layer",
    "lesion_colour",
    "lesions_layer",
    "line_of_shape",
    "liver_layer",
    "lps_to_world",
    "number_places",
    "numbers_layer",
    "pet_layer",
    "reference_layer",
    "uptake_unit",
    "world_affine",
    "world_to_lps",
]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari makes a layer from: data, keyword arguments and kind."""

CT, PET, LIVER, LESIONS = "CT", "PET", "Liver", "Lesions"
REFERENCE, DIAMETERS, NUMBERS = "Normal liver", "Diameters", "Lesion numbers"
CANDIDATES = "CT candidates"

SOFT_TISSUE_HU = (-160.0, 240.0)
"""The usual abdominal window: level 40, width 400 HU."""
HU_RANGE = (-1024.0, 3071.0)
"""What twelve bits of CT hold, over which the window can be set."""

# SUV up to which the PET is drawn: normal organs stay below 15 on receptor PET (DOMAIN.md's sources), below 7 on FDG.
_SSTR_SUV_SHOWN, _OTHER_SUV_SHOWN = 15.0, 7.0
_RELATIVE_SHARE_SHOWN = 99.5
_MM = ("mm", "mm", "mm")
# Okabe and Ito's colours, told apart by colour-blind readers; those that stand out from inferno come first.
_LESION_COLOURS = ("#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#E69F00", "#D55E00")
_LIVER_COLOUR, _REFERENCE_COLOUR, _DIAMETER_COLOUR, CANDIDATE_COLOUR = "#0072B2", "#009E73", "#F0E442", "#E69F00"
# Corners of an unmoved layer agree to rounding; a hundredth of a millimetre is a move.
_TOLERANCE_MM = 1e-2
_SHORTEST_LINE_MM = 1.0


# --- places ----------------------------------------------------------------------------------------------------------


def lps_to_world(points_lps_mm: npt.ArrayLike) -> FloatArray:
    """Patient coordinates (x, y, z) as napari's world (z, y, x), shape (..., 3), in mm."""
    return np.asarray(points_lps_mm, dtype=np.float64)[..., ::-1].copy()


def world_to_lps(points_mm: npt.ArrayLike) -> FloatArray:
    """napari's world (z, y, x) as patient coordinates (x, y, z), shape (..., 3), in mm."""
    return lps_to_world(points_mm)


def anatomical_grid(grid: Geometry) -> Geometry:
    """The grid that a layer of this image has: the same voxels, with anatomical axes."""
    # A view of one number, however large the grid is.
    return anatomical(LabelMap(np.broadcast_to(np.uint8(0), grid.shape), grid)).geometry


def world_affine(grid: Geometry) -> FloatArray:
    """4 x 4 matrix from the indices of a grid to napari's world, in mm."""
    matrix = np.array(grid.affine)
    matrix[:3] = matrix[2::-1]
    return matrix


def _placed(grid: Geometry) -> dict[str, Any]:
    return {"affine": world_affine(grid), "units": _MM, "axis_labels": ("z", "y", "x")}


# --- images ----------------------------------------------------------------------------------------------------------


def ct_layer(ct: Volume) -> LayerData:
    """A CT in the soft-tissue window."""
    turned = anatomical(ct.require(Quantity.HU))
    look = {"name": CT, "colormap": "gray", "contrast_limits": SOFT_TISSUE_HU}
    return turned.array, look | _placed(turned.geometry), "image"


def pet_layer(pet: Volume, acquisition: Acquisition, *, over_ct: bool) -> LayerData:
    """A PET from 0 to a sensible maximum: glowing over a CT, in inverted grey where it stands alone."""
    turned = anatomical(pet)
    shown = _pet_maximum(pet, acquisition)
    colours = {"colormap": "inferno", "blending": "additive"} if over_ct else {"colormap": "gray_r"}
    look = {"name": PET, "contrast_limits": (0.0, shown)}
    return turned.array, look | colours | _placed(turned.geometry), "image"


def _pet_maximum(pet: Volume, acquisition: Acquisition) -> float:
    if pet.quantity is Quantity.RELATIVE:
        # Air fills most of the image: a share of all voxels would be a share of air.
        warm = pet.array[pet.array > 0]
        return float(np.percentile(warm, _RELATIVE_SHARE_SHOWN)) if warm.size else 1.0
    return _SSTR_SUV_SHOWN if acquisition.tracer_is_sstr is not False else _OTHER_SUV_SHOWN


def uptake_unit(quantity: Quantity) -> str:
    """How people are shown the unit of a PET."""
    return {Quantity.SUVBW: "SUV", Quantity.RELATIVE: "relative uptake"}.get(quantity, quantity.name)


# --- masks -----------------------------------------------------------------------------------------------------------


def lesion_colour(label: int) -> str:
    """The colour of a lesion's label, as #RRGGBB."""
    return _LESION_COLOURS[(label - 1) % len(_LESION_COLOURS)]


def lesions_layer(labels: LabelMap) -> LayerData:
    """Lesions, each in the colour of its number, to be painted on."""
    from napari.utils.colormaps import CyclicLabelColormap

    colours = CyclicLabelColormap(colors=["#00000000", *_LESION_COLOURS])
    return _mask_layer(labels, LESIONS, {"colormap": colours, "opacity": 0.55})


def liver_layer(liver: LabelMap) -> LayerData:
    """The liver in its colour; whoever shows it makes an outline of it (`Labels.contour`)."""
    from napari.utils.colormaps import DirectLabelColormap

    colours = DirectLabelColormap(color_dict={0: "#00000000", 1: _LIVER_COLOUR, None: _LIVER_COLOUR})
    return _mask_layer(liver, LIVER, {"colormap": colours, "opacity": 0.9})


def _mask_layer(labels: LabelMap, name: str, look: dict[str, Any]) -> LayerData:
    turned = anatomical(labels)
    # Records are read-only and layers are painted on, so each has its own voxels.
    return np.array(turned.array), {"name": name, **look, **_placed(turned.geometry)}, "labels"


def labels_of_layer(layer: Layer, grid: Geometry) -> LabelMap:
    """What is painted in a labels layer, on the grid of the image that it was drawn on.

    Raises
    ------
    MaskError
        Where the layer is not one of labels, has another shape than the image, or does not lie where the image lies:
        what was moved or stretched is refused, never measured.
    """
    turned = anatomical_grid(grid)
    data = np.asarray(getattr(layer, "data", None))
    if data.dtype.kind not in "iub" or data.ndim != 3:
        msg = f"layer {layer.name!r} holds no labels; paint in a labels layer and measure again"
        raise MaskError(msg)
    if data.shape != turned.shape:
        msg = (
            f"layer {layer.name!r} has the shape {data.shape} and its image {turned.shape}; what it holds cannot be "
            "measured, undo or score again"
        )
        raise MaskError(msg)
    if _displacement_mm(layer, turned) > _TOLERANCE_MM:
        msg = (
            f"layer {layer.name!r} was moved or rescaled against its image by up to "
            f"{_displacement_mm(layer, turned):.1f} mm and is not measured; put it back (undo) or score again"
        )
        raise MaskError(msg)
    if data.size and data.dtype.kind == "i" and int(data.min()) < 0:
        msg = f"layer {layer.name!r} holds negative labels; lesions are numbered from 1"
        raise MaskError(msg)
    if data.size and int(data.max()) > np.iinfo(np.uint16).max:
        msg = f"layer {layer.name!r} holds the label {int(data.max())}; labels up to 65535 can be stored"
        raise MaskError(msg)
    stored = _turned_back(data, turned, grid)
    return LabelMap(np.ascontiguousarray(stored).astype(np.uint16, copy=True), grid)


def _displacement_mm(layer: Layer, grid: Geometry) -> float:
    """How far the layer's corners lie from those of its image; large where it has other axes or units."""
    size = np.asarray(grid.shape) - 0.5
    ends = [(-0.5, float(n)) for n in size]
    corners = np.array([(k, j, i) for k in ends[0] for j in ends[1] for i in ends[2]])
    placed = np.array([layer.data_to_world(corner) for corner in corners], dtype=np.float64)
    return float(np.linalg.norm(placed - lps_to_world(grid.index_to_lps(corners)), axis=1).max())


def _turned_back(data: npt.NDArray[Any], turned: Geometry, grid: Geometry) -> npt.NDArray[Any]:
    """Voxels with anatomical axes in the order in which the image stores them."""
    cosines = np.asarray(turned.directions) @ np.asarray(grid.directions).T
    order = np.abs(cosines).argmax(axis=1)
    flips = tuple(slice(None, None, -1 if cosines[n, a] < 0 else 1) for n, a in enumerate(order))
    return data[flips].transpose(np.argsort(order))


# --- signs -----------------------------------------------------------------------------------------------------------


def reference_layer(reference: Reference | None) -> LayerData:
    """The sphere in which normal liver is read, as a circle in every plane; empty where there is none."""
    places: FloatArray = np.empty((0, 3))
    size: Any = 30.0
    if reference is not None and reference.centre_lps_mm is not None and reference.diameter_mm is not None:
        places, size = lps_to_world([reference.centre_lps_mm]), np.array([reference.diameter_mm])
    return _rings(REFERENCE, places, size, _REFERENCE_COLOUR)


def candidates_layer(foci: Sequence[CtFocus]) -> LayerData:
    """Focal lesions that only the CT shows, as circles as large as they are, with their numbers."""
    sizes = [focus.longest_diameter_mm or _sphere_mm(focus.volume_ml) for focus in foci]
    places = lps_to_world(np.array([focus.centroid_lps_mm for focus in foci]).reshape(-1, 3))
    data, look, kind = _rings(CANDIDATES, places, np.array(sizes) if sizes else 10.0, CANDIDATE_COLOUR)
    names = np.array([f"CT {focus.label}" for focus in foci], dtype=object)
    return data, look | {"features": {"number": names}, "text": _number_text(CANDIDATE_COLOUR)}, kind


def _rings(name: str, places: FloatArray, sizes: Any, colour: str) -> LayerData:
    look: dict[str, Any] = {"name": name, "size": sizes, "face_color": "#00000000", "border_color": colour}
    look |= {"border_width": 1.5, "border_width_is_relative": False, "projection_mode": "rescale_spherical"}
    return places, look | {"units": _MM, "axis_labels": ("z", "y", "x"), "ndim": 3}, "points"


def _number_text(colour: str) -> dict[str, Any]:
    return {"string": "{number}", "size": 11, "color": colour, "anchor": "center"}


def _sphere_mm(volume_ml: float) -> float:
    """Diameter of the sphere that is so large."""
    return float(np.cbrt(6.0 * 1000.0 * volume_ml / np.pi))


def number_places(labels: LabelMap) -> dict[int, Vector]:
    """For each lesion, the voxel of it that lies nearest its middle, in patient coordinates."""
    places: dict[int, Vector] = {}
    for label, box in labels.boxes():
        index = np.argwhere(labels.array[box] == label)
        nearest = index[np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()]
        x, y, z = labels.geometry.crop(box).index_to_lps(nearest)
        places[label] = (float(x), float(y), float(z))
    return places


def numbers_layer(labels: LabelMap | None) -> LayerData:
    """The lesions' numbers, seen on the slices that show the lesion."""
    places = {} if labels is None else number_places(labels)
    extents = {} if labels is None else _extents_mm(labels)
    numbers = np.array([str(label) for label in places], dtype=object)
    look: dict[str, Any] = {
        "name": NUMBERS,
        "features": {"number": numbers},
        "text": _number_text("white"),
        "size": np.array([extents[label] for label in places]) if places else 10.0,
        "face_color": "#00000000",
        "border_color": "#00000000",
        "projection_mode": "rescale_linear",
        "units": _MM,
        "axis_labels": ("z", "y", "x"),
        "ndim": 3,
    }
    return lps_to_world(np.array(list(places.values())).reshape(-1, 3)), look, "points"


def _extents_mm(labels: LabelMap) -> dict[int, float]:
    """The longest side of each lesion's box, in mm."""
    spacing = labels.geometry.spacing_mm
    return {
        label: max((part.stop - part.start) * mm for part, mm in zip(box, spacing, strict=True))
        for label, box in labels.boxes()
    }


def diameters_layer(lesions: Sequence[Lesion], grid: Geometry) -> LayerData:
    """Longest diameters as lines, in indices of the image that they were measured on; a feature names the lesion."""
    turned = anatomical_grid(grid)
    drawn = [(lesion.label, lesion.diameter) for lesion in lesions if lesion.diameter is not None]
    lines = [turned.lps_to_index(diameter.long_axis_lps_mm) for _, diameter in drawn]
    look: dict[str, Any] = {
        "name": DIAMETERS,
        "shape_type": "line",
        "edge_color": _DIAMETER_COLOUR,
        "edge_width": 0.6,
        "features": {"lesion": np.array([label for label, _ in drawn], dtype=int)},
        "ndim": 3,
        **_placed(turned),
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
    return _vector(p), _vector(q)


def _vector(point: FloatArray) -> Vector:
    x, y, z = (float(v) for v in point)
    return (x, y, z)
