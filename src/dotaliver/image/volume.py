"""Images: voxel values on a grid, with the physical quantity that they measure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dotaliver.errors import GeometryError, QuantityError
from dotaliver.image.arrays import Array, ArrayType, LabelArray
from dotaliver.image.backends import SLAB_SLICES, InMemory, LazyBoxes, VoxelBackend
from dotaliver.image.geometry import Box, FloatArray, Geometry, box_within
from dotaliver.image.sparse import sparse_zeros

__all__ = [
    "BoolArray",
    "LabelMap",
    "Quantity",
    "Volume",
    "array_sha256",
    "as_mask",
    "differing_box",
    "mean_index",
    "used_box",
]

BoolArray = npt.NDArray[np.bool_]
Made = TypeVar("Made")


class Quantity(StrEnum):
    """What a voxel value measures, and in which unit (UCUM where one exists)."""

    HU = "[hnsf'U]"
    MR_SIGNAL = "[arb'U]"
    LIVER_CONTRAST = "{liver contrast}"
    BQML = "Bq/ml"
    COUNTS = "{counts}"
    SUVBW = "g/ml{SUVbw}"
    SUVLBM = "g/ml{SUVlbm}"
    SUVBSA = "cm2/ml{SUVbsa}"
    SUVIBW = "g/ml{SUVibw}"
    RELATIVE = "1"
    PROBABILITY = "{probability}"


def array_sha256(array: Array) -> str:
    """SHA-256 of an array's values in C order, little endian, with its shape and type in front."""
    return _sha256_of([array], array.dtype, array.shape)


def _sha256_of(parts: Iterable[Array], dtype: ArrayType, shape: tuple[int, ...]) -> str:
    """The same of an array that comes in pieces along its first axis."""
    little = dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little.str}{shape}".encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part, dtype=little).data)
    return digest.hexdigest()


def used_box(array: Array | BoolArray) -> Box | None:
    """The smallest box around all voxels of a mask or of labels that are not zero; None if there are none."""
    # Bytes of truth are looked through several times as fast as numbers
    as_bytes = array.dtype.kind == "u" and array.strides[-1] == array.itemsize
    used = np.flatnonzero([(part.view(np.bool_) if as_bytes else part).any() for part in array])
    if not used.size:
        return None
    k = slice(int(used[0]), int(used[-1]) + 1)
    seen = np.bitwise_or.reduce(array[k], axis=0)
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(seen.any(axis=axis))
        spans.append(slice(int(used[0]), int(used[-1]) + 1))
    return (k, spans[0], spans[1])


def mean_index(mask: BoolArray) -> FloatArray:
    """The mean index of a mask's voxels, of shape (3,); the mask must not be empty.

    The same to the last bit as ``np.argwhere(mask).mean(axis=0)``, whose sums of whole numbers are exact too, without
    a list of all voxels.
    """
    counts = [np.count_nonzero(mask, axis=tuple(b for b in range(mask.ndim) if b != a)) for a in range(mask.ndim)]
    sums = [np.dot(np.arange(len(each)), each) for each in counts]
    return np.asarray(np.asarray(sums, dtype=np.float64) / counts[0].sum())


def as_mask(array: Array | BoolArray) -> BoolArray:
    """A mask of all labels; a view where they are stored as 0 and 1 already."""
    if array.dtype == np.uint8 and array.max(initial=0) <= 1:
        return array.view(np.bool_)
    return np.asarray(array != 0)


def _around_both(one: Box, other: Box) -> Box:
    """The smallest box that holds two boxes."""
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (k, j, i)


def _require_shape(shape: tuple[int, ...], geometry: Geometry) -> None:
    if shape != geometry.shape:
        msg = f"an array of shape {shape} does not fit a grid of shape {geometry.shape}"
        raise GeometryError(msg)


def _within(box: Box, shape: tuple[int, int, int]) -> Box:
    """A box with its start and stop counted from the first voxel."""
    k, j, i = (slice(*part.indices(size)[:2]) for part, size in zip(box, shape, strict=True))
    return (k, j, i)


@dataclass(frozen=True, eq=False, init=False)
class Volume:
    """An image: voxel values ``[slice, row, column]`` on a grid, read-only, with their physical quantity.

    Parameters
    ----------
    voxels : ndarray or VoxelBackend
        The voxels, or where they are read from.
    geometry : Geometry
        The grid, of their shape.
    quantity : Quantity
        What they measure.

    Raises
    ------
    GeometryError
        Where the voxels do not have the grid's shape.

    Examples
    --------
    >>> grid = Geometry((2, 3, 4), (0.0, 0.0, 0.0), (5.0, 4.0, 4.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    >>> pet = Volume(np.full((2, 3, 4), 5.0, np.float32), grid, Quantity.SUVBW)
    >>> pet.require(Quantity.SUVBW).max()
    5.0
    >>> pet.require(Quantity.HU)
    Traceback (most recent call last):
    dotaliver.errors.QuantityError: a volume in HU is needed here, not one in SUVBW
    """

    voxels: VoxelBackend = field(repr=False)
    geometry: Geometry
    quantity: Quantity

    def __init__(self, voxels: Array | VoxelBackend, geometry: Geometry, quantity: Quantity) -> None:
        _require_shape(voxels.shape, geometry)
        backend = InMemory(voxels) if isinstance(voxels, np.ndarray) else voxels
        for name, value in (("voxels", backend), ("geometry", geometry), ("quantity", quantity)):
            object.__setattr__(self, name, value)

    @property
    def in_memory(self) -> bool:
        """Whether all voxels are in memory."""
        return self.voxels.in_memory

    @property
    def array(self) -> Array:
        """All voxels of an image in memory.

        Raises
        ------
        RuntimeError
            Where the image is not in memory: `crop` and `slabs` read parts of it, `loaded` reads it whole.
        """
        if not self.in_memory:
            msg = "this image is not in memory; read parts of it (crop, slabs), or all of it on purpose (loaded)"
            raise RuntimeError(msg)
        return self.voxels.read_all()

    @property
    def dtype(self) -> ArrayType:
        """Type of the voxels."""
        return self.voxels.dtype

    def loaded(self) -> Volume:
        """The image in memory: itself, or a copy for which all voxels are read now."""
        return self if self.in_memory else self.with_array(self.voxels.read_all())

    def require(self, *quantities: Quantity) -> Volume:
        """Return this volume if it measures one of `quantities`, else raise `QuantityError`."""
        if self.quantity not in quantities:
            wanted = " or ".join(q.name for q in quantities)
            msg = f"a volume in {wanted} is needed here, not one in {self.quantity.name}"
            raise QuantityError(msg)
        return self

    def with_array(self, array: Array, quantity: Quantity | None = None) -> Volume:
        """A sibling image on the same grid, in memory."""
        return Volume(array, self.geometry, quantity or self.quantity)

    def placed(self, geometry: Geometry) -> Volume:
        """The same voxels on another grid of the same shape."""
        return Volume(self.voxels, geometry, self.quantity)

    def crop(self, box: Box) -> Volume:
        """The part of the image in a box of indices, in memory: a view, or read now."""
        grid = self.geometry.crop(box)
        return Volume(self.voxels.read(_within(box, self.geometry.shape)), grid, self.quantity)

    def part(self, box: Box) -> Volume:
        """The part of the image in a box of indices, read when it is asked for where the image is not in memory."""
        if self.in_memory:
            return self.crop(box)
        whole, starts = self.voxels, [part.start for part in _within(box, self.geometry.shape)]

        def read(inner: Box) -> Array:
            k, j, i = (slice(first + p.start, first + p.stop) for first, p in zip(starts, inner, strict=True))
            return whole.read((k, j, i))

        grid = self.geometry.crop(box)
        return Volume(LazyBoxes(read, grid.shape, self.dtype), grid, self.quantity)

    def slabs(self, box: Box | None = None) -> Iterator[Volume]:
        """The image, or a box of it, in pieces of a few slices, from the first to the last."""
        k, j, i = box or (slice(0, self.geometry.shape[0]), slice(None), slice(None))
        for first in range(k.start, k.stop, SLAB_SLICES):
            yield self.crop((slice(first, min(first + SLAB_SLICES, k.stop)), j, i))

    def max(self) -> float:
        """The highest voxel value."""
        return max(float(slab.array.max()) for slab in self.slabs())

    def sha256(self) -> str:
        """Hash of the voxel values; of an image that is not in memory they are read once for it."""
        return self._hash() if self.in_memory else self._hash_once

    def _hash(self) -> str:
        return _sha256_of((slab.array for slab in self.slabs()), self.dtype, self.geometry.shape)

    @cached_property
    def _hash_once(self) -> str:
        return self._hash()


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels ``[slice, row, column]`` on a grid, read-only; 0 is background, each label one object.

    Examples
    --------
    >>> grid = Geometry((2, 3, 4), (0.0, 0.0, 0.0), (5.0, 4.0, 4.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    >>> array = np.zeros((2, 3, 4), np.uint16)
    >>> array[0, :, 1] = 7
    >>> lesions = LabelMap(array, grid)
    >>> lesions.labels, round(lesions.volume_ml(7), 2)
    ((7,), 0.24)
    """

    array: LabelArray
    geometry: Geometry

    def __init__(self, array: LabelArray | BoolArray, geometry: Geometry) -> None:
        # Both are stored as bytes of 0 and 1
        labels = array.view(np.uint8) if array.dtype == np.bool_ else array.view()
        if labels.dtype.kind != "u":
            msg = f"labels must be unsigned whole numbers, not {labels.dtype}"
            raise QuantityError(msg)
        _require_shape(labels.shape, geometry)
        labels.setflags(write=False)
        object.__setattr__(self, "array", labels)
        object.__setattr__(self, "geometry", geometry)

    def placed(self, geometry: Geometry) -> LabelMap:
        """The same labels on another grid of the same shape; what was computed of them is kept."""
        there = LabelMap(self.array, geometry)
        known = ("used", "labels", "_boxes", "_sha256")
        there.__dict__.update({name: self.__dict__[name] for name in known if name in self.__dict__})
        return there

    @cached_property
    def used(self) -> Box | None:
        """The smallest box that holds every label; None where there is none."""
        return used_box(self.array)

    def __reduce__(self) -> tuple[Callable[..., LabelMap], tuple[object, ...]]:
        """Pickle the box that holds the labels only: most of a grid is background."""
        box = self.used or (slice(0, 0), slice(0, 0), slice(0, 0))
        bounds = tuple((part.start, part.stop) for part in box)
        return _labels_in_box, (self.geometry, self.array.dtype, bounds, np.ascontiguousarray(self.array[box]))

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The labels that occur, ascending, without the background."""
        if self.used is None:
            return ()
        part = self.array[self.used]
        counts = np.zeros(int(part.max()) + 1, dtype=np.int64)
        for plane in part:
            # Background is left out before counting, which takes eight bytes for each voxel.
            counts += np.bincount(plane[plane != 0], minlength=len(counts))
        return tuple(int(n) for n in np.flatnonzero(counts))

    @property
    def mask(self) -> BoolArray:
        """Where any label is."""
        return self._everywhere(lambda part: part != 0)

    def where(self, label: int) -> BoolArray:
        """Where one label is, not 0."""
        return self._everywhere(lambda part: part == label)

    def _everywhere(self, question: Callable[[LabelArray], BoolArray]) -> BoolArray:
        """A mask of the whole grid; memory outside the box of all labels is not touched."""
        answer = sparse_zeros(self.geometry.shape, np.bool_)
        if self.used is not None:
            answer[self.used] = question(self.array[self.used])
        return answer

    def crop(self, box: Box) -> LabelMap:
        """The part of the label map in a box of indices (a view, not a copy)."""
        return LabelMap(self.array[box], self.geometry.crop(box))

    def once(self, make: Callable[..., Made], *options: Hashable) -> Made:
        """Result of a function of these labels and some options: computed at the first call, kept as long as they are.

        Parameters
        ----------
        make : callable
            A function of a module, so that it is the same at every call; it is given the labels and the options.
        options : hashable
            All else that the result depends on.
        """
        key = (make, *options)
        if key not in self._made:
            self._made[key] = make(self, *options)
        made: Made = self._made[key]
        return made

    @cached_property
    def _made(self) -> dict[tuple[Hashable, ...], Any]:
        return {}

    def with_array(self, array: LabelArray | BoolArray) -> LabelMap:
        """Other labels on the same grid."""
        return LabelMap(array, self.geometry)

    def volume_ml(self, label: int | None = None) -> float:
        """Volume of one label, or of all, in millilitres, by counting voxels."""
        if self.used is None:
            return 0.0
        part = self.array[self.used]
        count = np.count_nonzero(part if label is None else part == label)
        return float(count) * self.geometry.voxel_volume_ml

    def boxes(self) -> Iterator[tuple[int, Box]]:
        """Each label with the smallest box that holds it."""
        return iter(self._boxes)

    @cached_property
    def _boxes(self) -> tuple[tuple[int, Box], ...]:
        return tuple(self._found_boxes())

    def _found_boxes(self) -> Iterator[tuple[int, Box]]:
        from scipy.ndimage import find_objects

        if self.used is None:
            return
        k, j, i = self.used
        found: dict[int, Box] = {}
        for first in range(k.start, k.stop, SLAB_SLICES):
            slab = (slice(first, min(first + SLAB_SLICES, k.stop)), j, i)
            for number, box in enumerate(find_objects(self.array[slab].astype(np.int32)), start=1):
                if box is not None:
                    own = box_within(slab, box)
                    found[number] = _around_both(found.get(number, own), own)
        yield from sorted(found.items())

    def sha256(self) -> str:
        """Hash of the labels; equal labels hash equally whatever their integer type."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        # Masks that a reader did not edit are hashed at every new measurement.
        planes = (plane.astype(np.uint16, copy=False) for plane in self.array)
        return _sha256_of(planes, np.dtype(np.uint16), self.geometry.shape)


def _labels_in_box(
    geometry: Geometry, dtype: np.dtype[np.unsignedinteger], bounds: tuple[tuple[int, int], ...], part: LabelArray
) -> LabelMap:
    """A label map with the labels of a part in a box, and background elsewhere."""
    array = sparse_zeros(geometry.shape, dtype)
    array[tuple(slice(start, stop) for start, stop in bounds)] = part
    return LabelMap(array, geometry)


def differing_box(one: LabelMap, other: LabelMap) -> Box | None:
    """The smallest box in which two label maps of one grid differ; None where they are equal."""
    used = [labels.used for labels in (one, other) if labels.used is not None]
    if not used:
        return None
    around = [slice(min(box[n].start for box in used), max(box[n].stop for box in used)) for n in range(3)]
    both = (around[0], around[1], around[2])
    inner = used_box(np.asarray(one.array[both] != other.array[both]))
    if inner is None:
        return None
    return box_within(both, inner)
