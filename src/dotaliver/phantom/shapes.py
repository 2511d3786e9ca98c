"""Implicit shapes on a bent working grid: negative inside, positive outside, about in millimetres.

Anatomy is described in the coordinates of a standing patient of average build ("atlas"), and read on a regular
grid through a smooth random displacement; so every organ is bent, and neighbours are bent together.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dotaliver.image.geometry import Box, Vector, as_vector

__all__ = [
    "FAR_MM",
    "Field",
    "Path",
    "Space",
    "ellipsoid",
    "interpolate",
    "make_space",
    "smooth_max",
    "smooth_min",
    "stream",
    "tube",
]

Field = npt.NDArray[np.float32]
Path = npt.NDArray[np.float64] | Sequence[Sequence[float]] | Sequence[npt.NDArray[np.float64]]

FAR_MM = 200.0
_BEND_SCALE_MM = 90.0
_BEND_REACH_MM = 24.0


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream of its own for each named part, so that adding one part changes no other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


@dataclass(frozen=True, eq=False)
class Space:
    """The working grid ``[z, y, x]`` with the atlas coordinates of each of its voxels, in mm."""

    seed: int
    origin_mm: Vector
    step_mm: float
    x: Field
    y: Field
    z: Field
    scale: Vector

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y and x."""
        nz, ny, nx = self.x.shape
        return (nz, ny, nx)

    def axis_mm(self, axis: int) -> npt.NDArray[np.float64]:
        """Patient coordinates of the voxel centres along an array axis (0: z, 1: y, 2: x)."""
        return self.origin_mm[2 - axis] + self.step_mm * np.arange(self.shape[axis], dtype=np.float64)

    def empty(self) -> Field:
        """An empty shape."""
        return np.full(self.shape, FAR_MM, dtype=np.float32)

    def box(self, low_mm: npt.ArrayLike, high_mm: npt.ArrayLike) -> Box:
        """The voxels between two corners in patient coordinates (x, y, z), clipped to the grid."""
        low = (np.asarray(low_mm, dtype=np.float64) - self.origin_mm) / self.step_mm
        high = (np.asarray(high_mm, dtype=np.float64) - self.origin_mm) / self.step_mm
        parts = []
        for axis, size in zip((2, 1, 0), self.shape, strict=True):
            start = min(max(math.floor(low[axis]), 0), size)
            parts.append(slice(start, min(max(math.ceil(high[axis]) + 1, start), size)))
        return (parts[0], parts[1], parts[2])

    def to_patient(self, atlas_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Patient coordinates at which points of the atlas are found, (..., 3) in mm, to about 1 mm."""
        wanted = np.atleast_2d(np.asarray(atlas_mm, dtype=np.float64))
        first, last = np.asarray(self.origin_mm), np.asarray(self.shape)[::-1] - 1
        place = wanted * self.scale
        for _ in range(4):
            index = np.clip(np.rint((place - first) / self.step_mm).astype(int), 0, last)
            i, j, k = index.T
            found = np.stack([self.x[k, j, i], self.y[k, j, i], self.z[k, j, i]], axis=1)
            place = first + self.step_mm * index + (wanted - found) * self.scale
        return np.asarray(place.reshape(np.shape(atlas_mm)))

    def noise(self, name: str, scale_mm: float | Vector) -> Field:
        """Smooth random field of unit SD; `scale_mm` is about its correlation length along x, y and z."""
        return _smooth_noise(self, stream(self.seed, name), scale_mm)


def _interpolation(positions: npt.NDArray[np.float64], size: int) -> tuple[npt.NDArray[np.intp], Field]:
    lower = np.clip(np.floor(positions).astype(np.intp), 0, max(size - 2, 0))
    weight = np.clip(positions - lower, 0.0, 1.0).astype(np.float32)
    return lower, weight


def interpolate(field: Field, positions: Sequence[npt.NDArray[np.float64]]) -> Field:
    """Linear interpolation of a field at the crossings of fractional indices given along each axis."""
    result = field
    for axis, place in enumerate(positions):
        if result.shape[axis] == 1:
            result = np.repeat(result, len(place), axis=axis)
            continue
        lower, weight = _interpolation(place, result.shape[axis])
        shape = [1, 1, 1]
        shape[axis] = -1
        first = np.take(result, lower, axis=axis)
        second = np.take(result, lower + 1, axis=axis)
        second -= first
        second *= weight.reshape(shape)
        first += second
        result = first
    return result


def _smooth_noise(space: Space, rng: np.random.Generator, scale_mm: float | Vector) -> Field:
    scales = (scale_mm,) * 3 if isinstance(scale_mm, float | int) else scale_mm
    # A lattice of half the correlation length, fixed in millimetres: the same field whatever the working grid
    steps = [scales[2] / 2, scales[1] / 2, scales[0] / 2]
    lows = [-240.0, -165.0, -210.0]
    counts = [int(np.ceil(-2 * low / step)) + 2 for low, step in zip(lows, steps, strict=True)]
    lattice = ndimage.gaussian_filter(rng.standard_normal(counts, dtype=np.float32), 1.0, mode="wrap")
    lattice /= lattice.std()
    positions = [(space.axis_mm(axis) - lows[axis]) / steps[axis] for axis in range(3)]
    return interpolate(lattice, positions)


def make_space(seed: int, step_mm: float, scale: Vector, bend: tuple[float, tuple[float, float]]) -> Space:
    """The working grid of one patient, bent by a smooth displacement.

    Parameters
    ----------
    seed, step_mm, scale
        Source of the displacement, distance of the grid's points, and the patient's size over the atlas's.
    bend : tuple
        SD of the displacement in mm, and half the grid's extent along x and y; along z it reaches -235 to 195 mm.
    """
    bend_mm, (half_x, half_y) = bend
    low, high = np.array([-half_x, -half_y, -235.0]), np.array([half_x, half_y, 195.0])
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / step_mm) + 1)
    flat = np.zeros((nz, ny, nx), dtype=np.float32)
    start: Vector = as_vector(low)
    straight = Space(seed, start, step_mm, flat, flat, flat, scale)
    bent = []
    for axis, name in ((2, "x"), (1, "y"), (0, "z")):
        shape = [1, 1, 1]
        shape[axis] = -1
        line = (straight.axis_mm(axis) / scale[2 - axis]).astype(np.float32).reshape(shape)
        push = np.clip(straight.noise(f"bend {name}", _BEND_SCALE_MM), -2.5, 2.5) * np.float32(bend_mm)
        bent.append(np.clip(push, -_BEND_REACH_MM, _BEND_REACH_MM) + line)
    return Space(seed, start, step_mm, bent[0], bent[1], bent[2], scale)


def smooth_min(a: Field, b: Field, width_mm: float) -> Field:
    """Union of two shapes with a fillet of about `width_mm`."""
    blend = np.maximum(np.float32(width_mm) - np.abs(a - b), 0) / np.float32(width_mm)
    return np.asarray(np.minimum(a, b) - blend * blend * np.float32(width_mm / 4), dtype=np.float32)


def smooth_max(a: Field, b: Field, width_mm: float) -> Field:
    """Intersection of two shapes with a rounded edge of about `width_mm`."""
    return -smooth_min(-a, -b, width_mm)


def ellipsoid(space: Space, centre: Vector, radii: Vector, turn_deg: Vector = (0.0, 0.0, 0.0)) -> Field:
    """An ellipsoid in atlas coordinates; `turn_deg` are rotations about x, y and z, applied in this order."""
    field = space.empty()
    middle = space.to_patient(centre)
    reach = (max(radii) + _BEND_REACH_MM) * max(space.scale)
    box = space.box(middle - reach, middle + reach)
    matrix = Rotation.from_euler("xyz", turn_deg, degrees=True).inv().as_matrix().astype(np.float32)
    offset = [space.x[box] - centre[0], space.y[box] - centre[1], space.z[box] - centre[2]]
    total = np.zeros_like(offset[0])
    for row, radius in zip(matrix, radii, strict=True):
        along = (row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]) / np.float32(radius)
        total += along * along
    norm = np.sqrt(total)
    # Close to the distance near the surface for flat shapes too: between the mean and the smallest radius
    size = np.float32(float(np.cbrt(np.prod(radii))) * 0.5 + min(radii) * 0.5)
    field[box] = np.minimum((norm - 1) * size, FAR_MM)
    return field


def tube(space: Space, points: Path, radii: npt.ArrayLike, *, spacing_mm: float = 7.0) -> Field:
    """A tube along a smooth curve through `points`, shape (n, 3) in atlas coordinates, with a radius at each."""
    nodes = np.asarray(points, dtype=np.float64)
    widths = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(nodes))
    curve, thickness = _smooth_path(nodes, widths, spacing_mm)
    places = space.to_patient(curve)
    field = space.empty()
    for n in range(len(curve) - 1):
        pair = slice(n, n + 2)
        _add_capsule(space, field, (curve[pair], places[pair]), thickness[pair])
    return field


def _smooth_path(
    nodes: npt.NDArray[np.float64], widths: npt.NDArray[np.float64], spacing_mm: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points about `spacing_mm` apart on a Catmull-Rom curve through the nodes, with the radius at each."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1))])
    count = max(int(length[-1] / spacing_mm), 1) + 1
    along = np.linspace(0, length[-1], count)
    lower = np.clip(np.searchsorted(length, along, side="right") - 1, 0, len(nodes) - 2)
    t = ((along - length[lower]) / (length[lower + 1] - length[lower]))[:, None]
    ends = np.concatenate([2 * nodes[:1] - nodes[1:2], nodes, 2 * nodes[-1:] - nodes[-2:-1]])
    a, b, c, d = (ends[lower + n] for n in range(4))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return curve, np.interp(along, length, widths)


def _add_capsule(
    space: Space,
    field: Field,
    ends: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    radii: npt.NDArray[np.float64],
) -> None:
    """Lower a field to the distance from a rod between two points, given in atlas and in patient coordinates."""
    atlas, places = ends
    reach = float(radii.max()) * max(space.scale) + 9.0
    box = space.box(places.min(axis=0) - reach, places.max(axis=0) + reach)
    start, axis = atlas[0].astype(np.float32), (atlas[1] - atlas[0]).astype(np.float32)
    dx, dy, dz = space.x[box] - start[0], space.y[box] - start[1], space.z[box] - start[2]
    share = dx * axis[0]
    share += dy * axis[1]
    share += dz * axis[2]
    share /= np.float32(max(float(axis @ axis), 1e-6))
    np.maximum(share, 0, out=share)
    np.minimum(share, 1, out=share)
    gap = np.sqrt((dx - share * axis[0]) ** 2 + (dy - share * axis[1]) ** 2 + (dz - share * axis[2]) ** 2)
    gap -= np.float32(radii[0]) + share * np.float32(radii[1] - radii[0])
    np.minimum(field[box], gap, out=field[box])
