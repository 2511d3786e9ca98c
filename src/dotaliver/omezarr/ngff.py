"""Position of an OME-Zarr image, from its own metadata: NGFF 0.5 (Zarr v3) and 0.4 (Zarr v2).

Axes are called z, y and x by their place in the array, whatever they are in the patient. What they are says
``orientation`` (NGFF RFC-4): the anatomical direction in which an axis' coordinate grows. Coordinates are those of the
patient (DICOM LPS) where an axis grows towards left, back or head, and their negatives where it grows the other way.
NGFF has no rotations yet, so of an oblique grid only the spacings are stated.

After the "Next-generation file formats" specification (ngff.openmicroscopy.org), versions 0.4 and 0.5, sections
"axes" and "multiscales", and RFC-4 "axis orientation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from dotaliver.errors import FileFormatError, GeometryError
from dotaliver.image.geometry import Geometry
from dotaliver.omezarr.layout import json_of
from dotaliver.system.parsing import Json, as_list, as_object

__all__ = ["ImageMetadata", "attributes_of", "image_metadata", "multiscales_of", "placed_grid"]

# Direction in the patient (0: x, 1: y, 2: z; sign in LPS) of an axis that grows this way
_DIRECTIONS = {
    "right-to-left": (0, 1.0),
    "left-to-right": (0, -1.0),
    "anterior-to-posterior": (1, 1.0),
    "posterior-to-anterior": (1, -1.0),
    "inferior-to-superior": (2, 1.0),
    "superior-to-inferior": (2, -1.0),
}
_WORDS = {direction: word for word, direction in _DIRECTIONS.items()}
_MM = {"micrometer": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "meter": 1000.0}
# An axis that deviates from the patient's by more than this is oblique: 1 um over a metre.
_ALIGNED = 1e-6
_AXES = ("z", "y", "x")
_VERSIONS = {"0.4", "0.5"}


# --- writing ----------------------------------------------------------------------------------------------------------


def _direction(vector: tuple[float, float, float]) -> tuple[int, float] | None:
    """The patient axis that a direction follows, and its sign; None where it is oblique."""
    axis = int(np.abs(vector).argmax())
    rest = np.delete(np.asarray(vector), axis)
    return (axis, math.copysign(1.0, vector[axis])) if np.abs(rest).max() <= _ALIGNED else None


def multiscales_of(name: str, grid: Geometry, levels: int) -> dict[str, Json]:
    """The ``ome`` attributes (NGFF 0.5) of an image and its coarser levels.

    Parameters
    ----------
    name : str
        Of the image, as viewers show it.
    grid : Geometry
        Of level 0. Each further level has every second slice, and means of two by two voxels in the plane.
    levels : int
        How many there are.
    """
    turned = [_direction(vector) for vector in grid.directions]
    axes: list[dict[str, Json]] = [{"name": n, "type": "space", "unit": "millimeter"} for n in _AXES]
    start = None
    if all(found is not None for found in turned):
        words = [found for found in turned if found is not None]
        start = np.array([sign * grid.origin_lps_mm[axis] for axis, sign in words])
        for axis, found in zip(axes, words, strict=True):
            axis["orientation"] = {"type": "anatomical", "value": _WORDS[found]}
    datasets: list[Json] = []
    for level in range(levels):
        size = 2**level
        steps: list[Json] = [{"type": "scale", "scale": [float(s * size) for s in grid.spacing_mm]}]
        if start is not None:
            # The centre of averaged voxels is between their centres
            shift = np.array([0.0, 1.0, 1.0]) * (size - 1) / 2 * np.asarray(grid.spacing_mm)
            steps.append({"type": "translation", "translation": [float(v) for v in start + shift]})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    return {"version": "0.5", "multiscales": [{"name": name, "axes": [*axes], "datasets": datasets}]}


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImageMetadata:
    """What the metadata of an OME-Zarr image state about its finest level."""

    array: Path
    """Folder of the array"""
    axes: tuple[str, ...]
    types: tuple[str, ...]
    units: tuple[str, ...]
    """Empty where none is stated"""
    orientations: tuple[str, ...]
    """Empty where none is stated"""
    scale: tuple[float, ...]
    translation: tuple[float, ...] | None


def attributes_of(folder: Path) -> dict[str, Json]:
    """Attributes of a group, Zarr v3 or v2; empty where the folder is not a group."""
    three = json_of(folder / "zarr.json")
    if three:
        found = three.get("attributes")
        return found if isinstance(found, dict) and three.get("node_type") == "group" else {}
    return json_of(folder / ".zattrs")


def image_metadata(folder: Path) -> ImageMetadata:
    """Read the NGFF metadata of an image's group.

    Raises
    ------
    FileFormatError
        Where it is no OME-Zarr image, or its metadata are not understood; the text does not name the folder.
    """
    attributes = attributes_of(folder)
    try:
        ome = as_object(attributes.get("ome", attributes))
        image = as_object(as_list(ome["multiscales"])[0])
        version = str(ome.get("version", image.get("version")))
        if version not in _VERSIONS:
            msg = f"it is of NGFF version {version[:20]}; versions 0.4 and 0.5 are read"
            raise FileFormatError(msg)
        return _image(folder, image)
    except FileFormatError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        msg = "it holds no OME-Zarr image (no multiscales that are understood)"
        raise FileFormatError(msg) from error


def _image(folder: Path, image: dict[str, Json]) -> ImageMetadata:
    axes = [as_object(axis) for axis in as_list(image["axes"])]
    finest = as_object(as_list(image["datasets"])[0])
    path = PurePosixPath(str(finest["path"]))
    if path.is_absolute() or ".." in path.parts or "\\" in str(path) or "\0" in str(path):
        msg = "its metadata name an array outside of it"
        raise FileFormatError(msg)
    scale, translation = np.ones(len(axes)), None
    own, common = finest["coordinateTransformations"], image.get("coordinateTransformations") or []
    for step in map(as_object, [*as_list(own), *as_list(common)]):
        kind = step["type"]
        if not isinstance(kind, str) or kind not in {"scale", "translation", "identity"}:
            msg = f"its coordinates are given by a transformation of another kind ({str(kind)[:20]})"
            raise FileFormatError(msg)
        if kind == "identity":
            continue
        stated = step[kind]
        values = np.array(stated if isinstance(stated, list) else [], dtype=np.float64)
        if values.shape != scale.shape or not np.isfinite(values).all():
            msg = "its coordinates are not finite numbers, one for each axis"
            raise FileFormatError(msg)
        moved = np.zeros(len(axes)) if translation is None else translation
        if kind == "scale":
            scale, translation = scale * values, None if translation is None else moved * values
        else:
            translation = moved + values
    return ImageMetadata(
        folder.joinpath(*path.parts),
        tuple(str(axis["name"]) for axis in axes),
        tuple(str(axis.get("type", "")) for axis in axes),
        tuple(str(axis.get("unit") or "") for axis in axes),
        tuple(_orientation(axis) for axis in axes),
        tuple(float(v) for v in scale),
        None if translation is None else tuple(float(v) for v in translation),
    )


def _orientation(axis: dict[str, Json]) -> str:
    found = axis.get("orientation")
    return str(found["value"]) if isinstance(found, dict) and found.get("type") == "anatomical" else ""


def placed_grid(metadata: ImageMetadata, shape: tuple[int, ...]) -> tuple[Geometry, tuple[int, ...]]:
    """Geometry of an image in the patient.

    Parameters
    ----------
    metadata : ImageMetadata
    shape : tuple of int
        Of the array; a non-spatial axis must have length one.

    Returns
    -------
    grid : Geometry
        Of the three axes of space, in the array's order; millimetres, LPS.
    space : tuple of int
        Which axes these are.

    Raises
    ------
    FileFormatError
        Where the metadata leave open where that is; the text says what is missing.
    """
    space = tuple(n for n, kind in enumerate(metadata.types) if kind == "space")
    if (
        len(metadata.axes) != len(shape)
        or len(space) != 3
        or any(shape[n] != 1 for n in range(len(shape)) if n not in space)
    ):
        msg = f"its axes {', '.join(metadata.axes)[:40]} of {shape} voxels are not a volume with one value per voxel"
        raise FileFormatError(msg)
    if any(metadata.orientations[n] not in _DIRECTIONS for n in space):
        msg = (
            "its axes have no anatomical orientation (NGFF RFC-4), without which an OME-Zarr does not say which side "
            "is left"
        )
        raise FileFormatError(msg)
    if metadata.translation is None or any(metadata.units[n] not in _MM for n in space):
        msg = "its axes have no translation or no unit of length, so where it lies is unknown"
        raise FileFormatError(msg)
    origin, directions, spacing = [0.0, 0.0, 0.0], [], []
    for n in space:
        axis, sign = _DIRECTIONS[metadata.orientations[n]]
        unit_mm = _MM[metadata.units[n]]
        origin[axis] = sign * metadata.translation[n] * unit_mm
        directions.append(tuple(sign if axis == other else 0.0 for other in range(3)))
        spacing.append(metadata.scale[n] * unit_mm)
    try:
        z, y, x = (shape[n] for n in space)
        grid = Geometry((z, y, x), (origin[0], origin[1], origin[2]), tuple(spacing), tuple(directions))  # type: ignore[arg-type]
    except GeometryError as error:
        raise FileFormatError(str(error)) from error
    return grid, space
