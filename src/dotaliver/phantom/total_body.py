"""A patient from head to foot: a phantom's trunk with thorax, head, pelvis and legs added, slice by slice.

The added parts are simple (ellipses of muscle, fat and bone, lungs, brain, a full bladder, salivary glands), with the
densities and uptakes of a patient. The trunk is interpolated between its own slices; above and below, its last slices
are mirrored. Slices are made one at a time, so that a study may be larger than the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.image.geometry import Geometry
from dotaliver.image.lazy import lazy_planes
from dotaliver.image.volume import Quantity, Volume
from dotaliver.phantom.clock import timing
from dotaliver.phantom.physics import fwhm_to_sigma
from dotaliver.phantom.shapes import interpolate, stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.study import PhantomStudy, make_phantom

__all__ = ["TotalBody", "total_body"]

Plane = npt.NDArray[np.float32]
Distance = npt.NDArray[np.floating]

# Above and below these heights nothing of the liver or the kidneys lies, so slices may be mirrored (mm, head up).
_MIRROR_TOP_MM, _MIRROR_BOTTOM_MM = 122.0, -135.0
_THORAX_MM, _NECK_MM, _HEAD_MM, _PELVIS_MM, _FEET_MM = 300.0, 370.0, 590.0, -330.0, -1150.0
_AIR, _FAT, _MUSCLE, _BONE, _MARROW, _BRAIN = -1000.0, -100.0, 55.0, 700.0, 150.0, 36.0
_SUV = {_AIR: 0.0, _FAT: 0.25, _MUSCLE: 0.7, _BONE: 0.4, _MARROW: 0.9, _BRAIN: 0.1}
_EDGE_MM = 3.0
_PET_COV = 0.1


@dataclass(frozen=True)
class TotalBody:
    """Fields of view (mm, the liver's dome near +90) and grids of a total-body scanner; 2 m of 1 mm by default."""

    bottom_mm: float = -1250.0
    top_mm: float = 750.0
    ct_slice_mm: float = 1.0
    ct_matrix: int = 512
    ct_field_mm: float = 500.0
    pet_slice_mm: float = 2.5
    pet_matrix: int = 400
    pet_field_mm: float = 660.0


def total_body(spec: PhantomSpec, size: TotalBody = TotalBody()) -> PhantomStudy:
    """A phantom whose images reach from head to foot; slices are made when they are read."""
    trunk = make_phantom(spec)
    uid = trunk.ct.geometry.frame_of_reference_uid or ""
    ct_grid = _grid(size, size.ct_matrix, size.ct_field_mm, size.ct_slice_mm, uid)
    pet_grid = _grid(size, size.pet_matrix, size.pet_field_mm, size.pet_slice_mm, uid)
    body = _Body(spec, trunk.ct, trunk.pet, ct_grid, pet_grid)
    ct = lazy_planes(body.ct_plane, np.int16, ct_grid, Quantity.HU)
    pet = lazy_planes(body.pet_plane, np.float32, pet_grid, Quantity.BQML)
    # Another study than the trunk's: its identifiers follow from its name.
    named = spec.model_copy(update={"name": f"{spec.name}-total-body-{ct_grid.shape}-{pet_grid.shape}"})
    return replace(trunk, spec=named, ct=ct, pet=pet)


def _grid(size: TotalBody, matrix: int, field_mm: float, slice_mm: float, uid: str) -> Geometry:
    pixel_mm = field_mm / matrix
    corner = -(matrix - 1) / 2 * pixel_mm
    count = max(round((size.top_mm - size.bottom_mm) / slice_mm), 1)
    return Geometry(
        (count, matrix, matrix),
        (corner, corner, size.bottom_mm + slice_mm / 2),
        (slice_mm, pixel_mm, pixel_mm),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        uid,
    )


def _height_in_trunk(z: float, grid: Geometry) -> float:
    """The height inside a grid whose slice is shown at a height above or below it, by mirroring."""
    low, high = grid.origin_lps_mm[2], grid.origin_lps_mm[2] + (grid.shape[0] - 1) * grid.spacing_mm[0]
    for end, turn in ((high, _MIRROR_TOP_MM), (low, _MIRROR_BOTTOM_MM)):
        if (z - end) * (end - turn) > 0:
            depth = abs(end - turn)
            way = abs(z - end) % (2 * depth)
            return float(end + np.sign(turn - end) * min(way, 2 * depth - way))
    return z


def _share(distance_mm: Distance) -> Plane:
    """Fraction of a pixel inside a shape, from the distance to its border (negative inside)."""
    return np.asarray(np.clip(0.5 - distance_mm / _EDGE_MM, 0.0, 1.0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Body:
    """The trunk's images, and the grids of the whole body onto which they are continued."""

    spec: PhantomSpec
    ct: Volume
    pet: Volume
    ct_grid: Geometry
    pet_grid: Geometry

    @cached_property
    def _ct_of_trunk(self) -> Callable[[int], Plane]:
        return _planes_across(self.ct, self.ct_grid, _AIR)

    @cached_property
    def _pet_of_trunk(self) -> Callable[[int], Plane]:
        return _planes_across(self.pet, self.pet_grid, 0.0)

    @cached_property
    def _per_suv(self) -> float:
        return timing(self.spec).suv_to_bqml / self.spec.patient.weight_kg

    def ct_plane(self, k: int) -> npt.NDArray[np.int16]:
        """One slice of the CT, in HU."""
        grid = self.ct_grid
        z = float(grid.index_to_lps((k, 0, 0))[2])
        if _PELVIS_MM <= z <= _THORAX_MM:
            plane, share = _at_height(self._ct_of_trunk, self.ct.geometry, z)
        else:
            plane, share = _limbs(z, grid)[0], 0.0
        # Reading between two slices averages their noise: what it lacks is put back.
        sd = self.spec.scanner.ct_noise_hu * np.sqrt(max(1 - share**2 - (1 - share) ** 2, 0.0) if share else 1.0)
        inside = _PELVIS_MM <= z <= _THORAX_MM
        if not inside or share:
            grain = stream(self.spec.seed, f"ct {k}").standard_normal(plane.shape, dtype=np.float32)
            grain = ndimage.gaussian_filter(grain, 0.65 / grid.spacing_mm[1])
            plane = plane + np.where(plane < -900, 0.4, 1.0) * grain * np.float32(sd / grain.std())
        return np.asarray(np.clip(np.rint(plane), -1024, 3071), dtype=np.int16)

    def pet_plane(self, k: int) -> Plane:
        """One slice of the PET, in Bq/ml."""
        grid = self.pet_grid
        z = float(grid.index_to_lps((k, 0, 0))[2])
        if _PELVIS_MM <= z <= _THORAX_MM:
            plane = _at_height(self._pet_of_trunk, self.pet.geometry, z)[0] / np.float32(self._per_suv)
        else:
            plane = _limbs(z, grid)[1]
            grain = stream(self.spec.seed, f"pet {k}").standard_normal(plane.shape, dtype=np.float32)
            grain = ndimage.gaussian_filter(grain, fwhm_to_sigma(5.0) / grid.spacing_mm[1])
            plane = plane * np.exp(np.float32(2 * _PET_COV) * grain / grain.std())
        for height, (x, y), radius, uptake in _HOT:
            place = np.sqrt(_squares(grid, x, y) + (z - height) ** 2) - radius
            share = np.clip(0.5 - place / 8.0, 0.0, 1.0)
            plane = plane * (1 - share) + np.float32(uptake) * share
        return np.asarray(plane * self._per_suv, dtype=np.float32)


def _at_height(planes: Callable[[int], Plane], own: Geometry, z: float) -> tuple[Plane, float]:
    """The trunk at a height, and how far between two of its slices that lies, 0 to 1."""
    place = np.clip((_height_in_trunk(z, own) - own.origin_lps_mm[2]) / own.spacing_mm[0], 0, own.shape[0] - 1)
    lower = min(int(place), own.shape[0] - 2)
    share = float(place) - lower
    return planes(lower) * np.float32(1 - share) + planes(lower + 1) * np.float32(share), share % 1.0


# Height, place across (LPS), radius and SUV of what is hot outside the trunk: bladder, thyroid, glands, pituitary.
_HOT = (
    (-285.0, (0.0, -20.0), 38.0, 14.0),
    (335.0, (-18.0, -25.0), 9.0, 4.0),
    (335.0, (18.0, -25.0), 9.0, 4.0),
    (400.0, (-45.0, -10.0), 14.0, 5.0),
    (400.0, (45.0, -10.0), 14.0, 5.0),
    (480.0, (0.0, -10.0), 6.0, 9.0),
)


def _planes_across(image: Volume, grid: Geometry, outside: float) -> Callable[[int], Plane]:
    """Slices of an image on the pixels of another grid, by their number in the image; the last few are kept."""
    own = image.geometry
    places, seen = [], []
    for axis in (1, 2):
        line = grid.origin_lps_mm[2 - axis] + grid.spacing_mm[axis] * np.arange(grid.shape[axis])
        place = (line - own.origin_lps_mm[2 - axis]) / own.spacing_mm[axis]
        places.append(np.clip(place, 0, own.shape[axis] - 1))
        seen.append((place >= -0.5) & (place <= own.shape[axis] - 0.5))
    inside = seen[0][:, None] & seen[1][None, :]

    @lru_cache(maxsize=4)
    def plane_of(k: int) -> Plane:
        plane = interpolate(image.array[k][None].astype(np.float32), [np.zeros(1), *places])[0]
        return np.where(inside, plane, np.float32(outside))

    return plane_of


def _squares(grid: Geometry, x: float, y: float, aspect: float = 1.0) -> Plane:
    """Squared distance of every pixel from a point, across the body stretched by an aspect."""
    columns = grid.origin_lps_mm[0] + grid.spacing_mm[2] * np.arange(grid.shape[2]) - x
    rows = grid.origin_lps_mm[1] + grid.spacing_mm[1] * np.arange(grid.shape[1]) - y
    return np.asarray((columns[None, :] / aspect) ** 2 + rows[:, None] ** 2, dtype=np.float32)


def _limbs(z: float, grid: Geometry) -> tuple[Plane, Plane]:
    """Density and uptake of head, neck and legs at a height."""
    hu = np.full(grid.shape[1:], _AIR, dtype=np.float32)
    suv = np.zeros(grid.shape[1:], dtype=np.float32)
    for distance, tissue in _shapes(z, grid):
        share = _share(distance)
        hu += share * (np.float32(tissue) - hu)
        suv += share * (np.float32(_SUV[tissue]) - suv)
    return hu, suv


def _shapes(z: float, grid: Geometry) -> list[tuple[Distance, float]]:
    """What is painted at a height, in this order: distance to each border and the tissue's density."""
    shapes: list[tuple[Distance, float]] = []
    if _FEET_MM < z < _PELVIS_MM:
        along = (z - _FEET_MM) / (_PELVIS_MM - _FEET_MM)
        for side in (-1.0, 1.0):
            radius = 42.0 + 45.0 * along
            away = np.sqrt(_squares(grid, side * (60.0 + 35.0 * along), 0.0))
            shapes += [
                (away - radius, _FAT),
                (away - radius + 9.0, _MUSCLE),
                (away - 14.0, _BONE),
                (away - 8.0, _MARROW),
            ]
    elif _THORAX_MM < z < _NECK_MM:
        along = (z - _THORAX_MM) / (_NECK_MM - _THORAX_MM)
        radius = 85.0 - 30.0 * along
        body = np.sqrt(_squares(grid, 0.0, 0.0, 1.9 - 0.8 * along)) - radius
        spine = np.sqrt(_squares(grid, 0.0, 35.0)) - 17.0
        airway = np.sqrt(_squares(grid, 0.0, -20.0)) - 8.0
        shapes += [(body, _FAT), (body + 10.0, _MUSCLE), (spine, _BONE), (spine + 6.0, _MARROW), (airway, _AIR)]
    elif _NECK_MM <= z < _HEAD_MM:
        middle, half = 0.5 * (_NECK_MM + _HEAD_MM), 0.5 * (_HEAD_MM - _NECK_MM)
        level = np.sqrt(max(1.0 - ((z - middle) / half) ** 2, 0.0))
        head = np.sqrt(_squares(grid, 0.0, 0.0, 0.8)) - 95.0 * level
        shapes += [(head, _MUSCLE), (head + 5.0, _BONE), (head + 12.0, _BRAIN)]
    return shapes
