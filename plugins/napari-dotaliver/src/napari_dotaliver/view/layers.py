"""Images and masks as napari layers, and layers as masks again: pure functions, without Qt and without a viewer.

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
from dotaliver.image.geometry import Box, FloatArray, Geometry
from dotaliver.image.orientation import anatomical
from dotaliver.image.volume import LabelMap, Quantity, Volume
from dotaliver.records.study import Acquisition

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = [
    "CT",
    "HU_RANGE",
    "LESIONS",
    "LIVER",
    "MM",
    "PET",
    "PET_ALONE",
    "PET_OVER_CT",
    "READING",
    "SOFT_TISSUE_HU",
    "LayerData",
    "anatomical_grid",
    "ct_layer",
    "labels_of_layer",
    "lesion_colour",
    "lesions_layer",
    "liver_layer",
    "lps_to_world",
    "pet_layer",
    "placed",
    "put_back",
    "require_in_place",
    "stored_view",
    "stroke_box",
    "uptake_unit",
    "world_affine",
    "world_to_lps",
]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari makes a layer from: data, keyword arguments and kind."""

CT, PET, LIVER, LESIONS = "CT", "PET", "Liver", "Lesions"
READING = "dotaliver reading"
"""Under which key of its metadata a mask layer names the reading that it belongs to."""

SOFT_TISSUE_HU = (-160.0, 240.0)
"""The usual abdominal window: level 40, width 400 HU."""
HU_RANGE = (-1024.0, 3071.0)
"""What twelve bits of CT hold, over which the window can be set."""

PET_OVER_CT: dict[str, Any] = {"colormap": "inferno", "opacity": 0.55}
PET_ALONE: dict[str, Any] = {"colormap": "gray_r", "opacity": 1.0}

# Between voxel centres the picture is smoothed; what is measured never is. One slice is shown, however thick the
# slab is in which spheres are looked for.
_SMOOTH = {"interpolation2d": "linear", "projection_mode": "none"}
# SUV up to which the PET is drawn: a normal liver is then a third of it on receptor PET, and on FDG.
_SSTR_SUV_SHOWN, _OTHER_SUV_SHOWN = 20.0, 7.0
_RELATIVE_SHARE_SHOWN = 99.5
MM = ("mm", "mm", "mm")
# Okabe and Ito's colours, told apart by colour-blind readers; those that stand out from inferno come first.
_LESION_COLOURS = ("#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#E69F00", "#D55E00")
_LIVER_COLOUR = "#0072B2"
# Corners of an unmoved layer agree to rounding; a hundredth of a millimetre is a move.
_TOLERANCE_MM = 1e-2


# --- places ----------------------------------------------------------------------------------------------------------


def lps_to_world(points_lps_mm: npt.ArrayLike) -> FloatArray:
    """Patient coordinates (x, y, z) as napari's world (z, y, x), shape (..., 3), in mm."""
    return np.asarray(points_lps_mm, dtype=np.float64)[..., ::-1].copy()


def world_to_lps(points_mm: npt.ArrayLike) -> FloatArray:
    """World coordinates of napari (z, y, x) as patient coordinates (x, y, z), shape (..., 3), in mm."""
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


def placed(grid: Geometry) -> dict[str, Any]:
    """What puts the voxels of a layer with anatomical axes where its image lies in the world."""
    return {"affine": world_affine(grid), "units": MM, "axis_labels": ("z", "y", "x")}


# --- images ----------------------------------------------------------------------------------------------------------


def ct_layer(ct: Volume) -> LayerData:
    """A CT in the soft-tissue window."""
    turned = anatomical(ct.require(Quantity.HU))
    look = {"name": CT, "colormap": "gray", "contrast_limits": SOFT_TISSUE_HU, **_SMOOTH}
    return turned.array, look | placed(turned.geometry), "image"


def pet_layer(pet: Volume, acquisition: Acquisition, *, over_ct: bool) -> LayerData:
    """A PET from 0 to a sensible maximum: half as thick over a CT, in inverted grey where it stands alone."""
    turned = anatomical(pet)
    shown = _pet_maximum(pet, acquisition)
    look = {"name": PET, "contrast_limits": (0.0, shown), "blending": "translucent_no_depth", **_SMOOTH}
    return turned.array, look | (PET_OVER_CT if over_ct else PET_ALONE) | placed(turned.geometry), "image"


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
    meta = {"name": name, "metadata": {"mask": name}}
    return np.array(turned.array), {**meta, **look, **placed(turned.geometry)}, "labels"


def labels_of_layer(layer: Layer, grid: Geometry) -> LabelMap:
    """What is painted in a labels layer, on the grid of the image that it was drawn on.

    Raises
    ------
    MaskError
        Where the layer is not one of labels, has another shape than the image, or does not lie where the image lies:
        what was moved or stretched is refused, never measured.
    """
    require_in_place(layer, grid)
    turned, data = anatomical_grid(grid), np.asarray(layer.data)
    if data.size and data.dtype.kind == "i" and int(data.min()) < 0:
        msg = f"layer {layer.name!r} holds negative labels; lesions are numbered from 1"
        raise MaskError(msg)
    if data.size and int(data.max()) > np.iinfo(np.uint16).max:
        msg = f"layer {layer.name!r} holds the label {int(data.max())}; labels up to 65535 can be stored"
        raise MaskError(msg)
    stored = _turned_back(data, turned, grid)
    return LabelMap(np.ascontiguousarray(stored).astype(np.uint16, copy=True), grid)


def require_in_place(layer: Layer, grid: Geometry) -> None:
    """Refuse a layer that does not hold labels of an image where that image lies; `MaskError` says why."""
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


def _displacement_mm(layer: Layer, grid: Geometry) -> float:
    """How far the layer's corners lie from those of its image; large where it has other axes or units."""
    size = np.asarray(grid.shape) - 0.5
    ends = [(-0.5, float(n)) for n in size]
    corners = np.array([(k, j, i) for k in ends[0] for j in ends[1] for i in ends[2]])
    placed = np.array([layer.data_to_world(corner) for corner in corners], dtype=np.float64)
    return float(np.linalg.norm(placed - lps_to_world(grid.index_to_lps(corners)), axis=1).max())


def _turned_back(data: npt.NDArray[Any], turned: Geometry, grid: Geometry) -> npt.NDArray[Any]:
    """Voxels with anatomical axes in the order in which the image stores them; a view."""
    order, flipped = _axes(turned, grid)
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in flipped)
    return data[flips].transpose(np.argsort(order))


def _axes(turned: Geometry, grid: Geometry) -> tuple[npt.NDArray[np.int64], tuple[bool, ...]]:
    """Which axis of the image each anatomical axis is, and whether it runs the other way."""
    cosines = np.asarray(turned.directions) @ np.asarray(grid.directions).T
    order = np.abs(cosines).argmax(axis=1)
    return order, tuple(bool(cosines[n, a] < 0) for n, a in enumerate(order))


def stored_view(layer: Layer, grid: Geometry) -> npt.NDArray[Any]:
    """The voxels of a mask layer in the order in which its image stores them: a view, to be written to."""
    return _turned_back(np.asarray(layer.data), anatomical_grid(grid), grid)


def stroke_box(stroke: Any, grid: Geometry) -> Box:
    """The box of an image that a stroke touched, from what napari tells of it; the whole image where it does not."""
    turned = anatomical_grid(grid)
    touched = [ends for atom in stroke or () if (ends := _ends_of(atom[0], turned.shape)) is not None]
    if not touched:
        return (slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    low, high = np.min([ends[0] for ends in touched], axis=0), np.max([ends[1] for ends in touched], axis=0)
    order, flipped = _axes(turned, grid)
    ends = [
        (n - int(b), n - int(a)) if flip else (int(a), int(b))
        for a, b, n, flip in zip(low, high, turned.shape, flipped, strict=True)
    ]
    k, j, i = (slice(*ends[axis]) for axis in np.argsort(order))
    return (k, j, i)


def _ends_of(where: Any, shape: Sequence[int]) -> tuple[list[int], list[int]] | None:
    """First index and first index beyond along each axis of one edit of napari: a box, or the voxels one by one."""
    if len(where) != len(shape):
        return None
    low, high = [], []
    for part, count in zip(where, shape, strict=True):
        if isinstance(part, slice):
            first, last, _ = part.indices(count)
        elif np.size(part):
            first, last = int(np.min(part)), int(np.max(part)) + 1
        else:
            return None
        low.append(first)
        high.append(last)
    return low, high


def put_back(layer: Layer, grid: Geometry) -> bool:
    """Put a layer where its image lies; False where it does not hold voxels of that image any more."""
    turned = anatomical_grid(grid)
    if np.shape(layer.data) != turned.shape:
        return False
    if _displacement_mm(layer, turned) > _TOLERANCE_MM:
        layer.scale, layer.translate, layer.rotate, layer.shear = (1.0,) * 3, (0.0,) * 3, np.eye(3), (0.0,) * 3
        layer.affine = world_affine(turned)
    return True
