"""Images: voxel values on a grid, with the physical quantity that they measure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.errors import GeometryError, QuantityError
from dotaliver.geometry import Box, Geometry

__all__ = ["BoolArray", "LabelMap", "Quantity", "Volume", "array_sha256", "used_box"]

BoolArray = npt.NDArray[np.bool_]


class Quantity(StrEnum):
    """What a voxel value measures, and in which unit (UCUM where one exists)."""

    HU = "[hnsf'U]"
    BQML = "Bq/ml"
    COUNTS = "{counts}"
    SUVBW = "g/ml{SUVbw}"
    SUVLBM = "g/ml{SUVlbm}"
    SUVBSA = "cm2/ml{SUVbsa}"
    SUVIBW = "g/ml{SUVibw}"
    RELATIVE = "1"
    PROBABILITY = "{probability}"


def array_sha256(array: npt.NDArray[Any]) -> str:
    """SHA-256 of an array's values in C order, little endian, with its shape and type in front."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.data)
    return digest.hexdigest()


def used_box(mask: BoolArray) -> Box | None:
    """The smallest box that holds a mask; None where it is empty."""
    spans = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not used.size:
            return None
        spans.append(slice(int(used[0]), int(used[-1]) + 1))
    return (spans[0], spans[1], spans[2])


def _frozen(array: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
    if array.shape != geometry.shape:
        msg = f"an array of shape {array.shape} does not fit a grid of shape {geometry.shape}"
        raise GeometryError(msg)
    view = array.view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values ``[slice, row, column]`` on a grid, read-only, with their physical quantity."""

    array: npt.NDArray[Any]
    geometry: Geometry
    quantity: Quantity

    def __post_init__(self) -> None:
        """Hold the array to the grid's shape and make it read-only."""
        object.__setattr__(self, "array", _frozen(self.array, self.geometry))

    def require(self, *quantities: Quantity) -> Volume:
        """Return this volume if it measures one of `quantities`, else raise `QuantityError`."""
        if self.quantity not in quantities:
            wanted = " or ".join(q.name for q in quantities)
            msg = f"a volume in {wanted} is needed here, not one in {self.quantity.name}"
            raise QuantityError(msg)
        return self

    def with_array(self, array: npt.NDArray[Any], quantity: Quantity | None = None) -> Volume:
        """A sibling image on the same grid."""
        return replace(self, array=array, quantity=quantity or self.quantity)

    def crop(self, box: Box) -> Volume:
        """The part of the image in a box of indices (a view, not a copy)."""
        return Volume(self.array[box], self.geometry.crop(box), self.quantity)

    def sha256(self) -> str:
        """Hash of the voxel values."""
        return array_sha256(self.array)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels ``[slice, row, column]`` on a grid, read-only; 0 is background, each label one object."""

    array: npt.NDArray[Any]
    geometry: Geometry

    def __post_init__(self) -> None:
        """Hold the array to the grid's shape, to whole numbers, and make it read-only."""
        array = self.array.astype(np.uint8) if self.array.dtype == np.bool_ else self.array
        if array.dtype.kind != "u":
            msg = f"labels must be unsigned whole numbers, not {array.dtype}"
            raise QuantityError(msg)
        object.__setattr__(self, "array", _frozen(array, self.geometry))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and sent as the box that holds the labels: most of a grid is background."""
        box = used_box(self.mask)
        bounds = None if box is None else tuple((part.start, part.stop) for part in box)
        part = None if box is None else np.ascontiguousarray(self.array[box])
        return _labels_in_box, (self.geometry, self.array.dtype, bounds, part)

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The labels that occur, ascending, without the background."""
        # Most of a label map is background: left out before counting, which works on eight bytes a voxel.
        return tuple(int(n) for n in np.flatnonzero(np.bincount(self.array[self.array != 0])))

    @property
    def mask(self) -> BoolArray:
        """Where any label is."""
        return np.asarray(self.array != 0)

    def where(self, label: int) -> BoolArray:
        """Where one label is."""
        return np.asarray(self.array == label)

    def with_array(self, array: npt.NDArray[Any]) -> LabelMap:
        """Other labels on the same grid."""
        return replace(self, array=array)

    def volume_ml(self, label: int | None = None) -> float:
        """Volume of one label, or of all, in millilitres, by counting voxels."""
        count = np.count_nonzero(self.array if label is None else self.array == label)
        return float(count) * self.geometry.voxel_volume_ml

    def boxes(self) -> Iterator[tuple[int, Box]]:
        """Each label with the smallest box that holds it."""
        return iter(self._boxes)

    @cached_property
    def _boxes(self) -> tuple[tuple[int, Box], ...]:
        return tuple(self._found_boxes())

    def _found_boxes(self) -> Iterator[tuple[int, Box]]:
        from scipy.ndimage import find_objects

        whole = used_box(self.mask)
        if whole is None:
            return
        for number, box in enumerate(find_objects(self.array[whole].astype(np.int32)), start=1):
            if box is not None:
                k, j, i = (slice(w.start + b.start, w.start + b.stop) for w, b in zip(whole, box, strict=True))
                yield number, (k, j, i)

    def sha256(self) -> str:
        """Hash of the labels; equal labels hash equally whatever their integer type."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        # Masks that a reader did not touch are measured again and again.
        return array_sha256(self.array.astype(np.uint16, copy=False))


def _labels_in_box(
    geometry: Geometry, dtype: Any, bounds: tuple[tuple[int, int], ...] | None, part: npt.NDArray[Any] | None
) -> LabelMap:
    """The label map that holds a part's labels in a box and nothing else."""
    array = np.zeros(geometry.shape, dtype=dtype)
    if bounds is not None:
        array[tuple(slice(start, stop) for start, stop in bounds)] = part
    return LabelMap(array, geometry)
