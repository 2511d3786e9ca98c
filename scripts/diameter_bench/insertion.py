"""Lesions of known shape put into a study's CT and PET: into a phantom without lesions, or into a real CT.

The CT keeps its own vessels, fissures, noise and texture. A lesion replaces the local density by its own with the
blur of the reconstruction kernel and the partial volume of the slices; its uptake is added to the PET through the
simulated scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_inside_mm, distance_to_mm, signed_distance_mm
from dotaliver.image.filters import FWHM_PER_SIGMA
from dotaliver.image.geometry import Box, Geometry, grow_box
from dotaliver.image.itk import occupancy_on, resample_labels
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.phantom.physics import PetPhysics, simulate_pet
from dotaliver.segmentation.lesions.pet_lesions import find_lesions

_WIDE_FWHM_MM = 6.0


@dataclass(frozen=True)
class Known:
    """One true lesion; density in HU against the liver around it."""

    label: int
    shape: str
    place: str
    contrast_hu: float
    """Of the border zone, a rim included."""
    core_hu: float | None


@dataclass(frozen=True, eq=False)
class Base:
    """A study to put lesions into, with what is there already."""

    name: str
    phase: str
    ct: Volume
    """The liver and a margin around it."""
    liver: LabelMap
    lesions: LabelMap


@dataclass(frozen=True, eq=False)
class Scene:
    """A CT with known lesions, and where the PET shows them on the CT's grid."""

    ct: Volume
    liver: BoolArray
    placed: LabelMap
    truth: LabelMap
    known: tuple[Known, ...]
    noise_hu: float


class Shape:
    """A rough star, a lobulated body of several balls, or a spiculated one: under 1 inside."""

    def __init__(self, kind: str, radius_mm: float, rng: np.random.Generator) -> None:
        self.kind, self.radius_mm = kind, radius_mm
        count = 1 if kind != "lobulated" else int(rng.integers(2, 5))
        self.parts = []
        for n in range(count):
            stretch = float(rng.uniform(1.0, 1.45))
            axes = np.array([stretch ** (2 / 3), stretch ** (-1 / 3), stretch ** (-1 / 3)])
            turn = Rotation.random(rng=rng).as_matrix()
            direction = rng.standard_normal(3)
            offset = direction / np.linalg.norm(direction) * radius_mm * (0.0 if n == 0 else rng.uniform(0.5, 0.85))
            size = radius_mm * (1.0 if count == 1 else rng.uniform(0.55, 0.85))
            frequency, roughness = (5.0, 0.16) if kind == "spiculated" else (2.2, float(rng.uniform(0.04, 0.14)))
            waves = np.column_stack([rng.normal(0, frequency, (6, 3)), rng.uniform(0, 2 * np.pi, 6)])
            self.parts.append((offset, size, turn @ np.diag(1 / axes) @ turn.T, waves, roughness))

    def level(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Under 1 inside; points from the lesion's centre, shape (..., 3), in mm."""
        best = np.full(points.shape[:-1], np.inf)
        for offset, size, stretch, waves, roughness in self.parts:
            place = (points - offset) @ stretch.T
            norm = np.linalg.norm(place, axis=-1) + 1e-6
            ripple: npt.NDArray[np.float64] = sum(np.cos(place @ w[:3] / norm + w[3]) for w in waves)
            border = np.clip(1 + roughness * ripple / np.sqrt(3), 0.5, 1.7)
            best = np.minimum(best, norm / (border * size))
        return best


def _points(grid: Geometry, box: tuple[slice, ...], centre: npt.NDArray[np.float64], fine: tuple[int, int, int]):
    lines = []
    for part, times in zip(box, fine, strict=True):
        step = (np.arange(times) + 0.5) / times - 0.5
        lines.append((np.arange(part.start, part.stop)[:, None] + step).ravel())
    index = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    return grid.index_to_lps(index.reshape(-1, 3)).reshape(index.shape) - centre


def _means(fine_values: npt.NDArray[np.float64], fine: tuple[int, int, int]) -> npt.NDArray[np.float64]:
    """Means over the parts of each voxel."""
    a, b, c = (n // f for n, f in zip(fine_values.shape, fine, strict=True))
    return fine_values.reshape(a, fine[0], b, fine[1], c, fine[2]).mean(axis=(1, 3, 5))


class _Canvas:
    """A CT that lesions are put into one by one, and their uptake over that of normal liver."""

    def __init__(self, base: Base, kernel_mm: float) -> None:
        self.grid, self.kernel_mm = base.ct.geometry, kernel_mm
        spacing = self.grid.spacing_mm
        self.hu = base.ct.array.astype(np.float32)
        self.truth = base.lesions.array.astype(np.uint16).copy()
        self.liver = base.liver.mask
        self.depth = distance_inside_mm(self.liver, spacing)
        self.taken = distance_to_mm(self.truth > 0, spacing, within_mm=3.0) < 3.0
        self.excess = np.zeros(self.grid.shape, np.float32)
        self.smooth = ndimage.gaussian_filter(self.hu, _sigma(_WIDE_FWHM_MM, self.grid), truncate=2.0)
        self.median = float(np.median(self.hu[self.liver & ~self.taken & (self.depth > 5)]))

    def add(self, diameter_mm: float, number: int, rng: np.random.Generator) -> Known | None:
        """Put one lesion in; None without room."""
        made = _body(self, diameter_mm, rng)
        if made is None:
            return None
        inside = made.inside & self.liver[made.box] & ~(self.truth[made.box] > 0)
        if np.count_nonzero(inside) * self.grid.voxel_volume_ml < 0.15:
            return None
        contrast, uptake = float(rng.uniform(-40, 40)), float(np.exp(rng.uniform(np.log(1.6), np.log(7.5))))
        target = np.full(inside.shape, self.median + contrast, np.float32)
        core, cold = None, np.zeros_like(inside)
        kind = rng.random()
        if kind < 0.15 and diameter_mm > 18:
            core, size = float(rng.uniform(-60, -20)), float(rng.uniform(0.4, 0.65))
            target += np.float32(core - contrast) / (1 + np.exp((made.level - size) * 14))
            cold = inside & (made.level < size)
        elif kind < 0.5:
            grain = ndimage.gaussian_filter(rng.standard_normal(inside.shape), _sigma(5.0, self.grid))
            specks = rng.uniform(80, 300) * (grain > 2.2 * grain.std())
            target += (specks if kind > 0.45 else grain / grain.std() * rng.uniform(3, 9)).astype(np.float32)
        within = made.share * ndimage.gaussian_filter(self.liver[made.box].astype(np.float32), [0, 0.4, 0.4])
        self.hu[made.box] += (within * (target - self.smooth[made.box])).astype(np.float32)
        self.truth[made.box][inside] = number
        self.excess[made.box] += np.where(cold, -0.85, np.where(inside, uptake - 1, 0)).astype(np.float32)
        self.taken[made.box] |= ndimage.binary_dilation(inside)
        return Known(number, made.shape, made.place, contrast, core)

    def noise_hu(self) -> float:
        """SD of the CT's noise in the middle slices, by the median absolute deviation."""
        middle = slice(max(self.grid.shape[0] // 2 - 4, 0), self.grid.shape[0] // 2 + 4)
        calm = (self.liver & (self.truth == 0) & (self.depth > 4))[middle]
        broad = ndimage.gaussian_filter(self.hu[middle], [0, *_sigma(6.0, self.grid)[1:]])
        return float(1.4826 * np.median(np.abs(self.hu[middle] - broad)[calm]))


def _sigma(fwhm_mm: float, grid: Geometry) -> list[float]:
    return [fwhm_mm / FWHM_PER_SIGMA / s for s in grid.spacing_mm]


def insert(base: Base, seed: int, count: int, *, extra_noise: bool = True) -> Scene:
    """Put some lesions into a CT; the seed draws everything."""
    rng = np.random.default_rng([seed, 77])
    canvas = _Canvas(base, float(rng.uniform(0.7, 1.7)))
    grid = canvas.grid
    known: list[Known] = []
    first = int(canvas.truth.max()) + 1
    for diameter in sorted(np.exp(rng.uniform(np.log(8), np.log(48), count)), reverse=True):
        made = canvas.add(float(diameter), first + len(known), rng)
        known += [] if made is None else [made]
    if extra_noise:
        in_plane = [0.0, *_sigma(canvas.kernel_mm, grid)[1:]]
        grain = ndimage.gaussian_filter(rng.standard_normal(grid.shape, dtype=np.float32), in_plane)
        canvas.hu += grain / grain.std() * float(rng.choice([0.0, 0.0, 5.0, 9.0]))
    activity = np.where(canvas.liver, 1.0, 0.15).astype(np.float32) + canvas.excess
    for label in base.lesions.labels:
        activity[canvas.truth == label] = float(np.exp(rng.uniform(np.log(2.0), np.log(6.0))))
    placed = _placed(LabelMap(canvas.liver.astype(np.uint8), grid), activity, rng)
    ct = Volume(np.clip(np.rint(canvas.hu), -1024, 3071).astype(np.int16), grid, Quantity.HU)
    liver = _redrawn(canvas.liver, grid, rng)
    return Scene(ct, liver, placed, LabelMap(canvas.truth, grid), tuple(known), canvas.noise_hu())


def _placed(liver: LabelMap, activity: npt.NDArray[np.float32], rng: np.random.Generator) -> LabelMap:
    """The lesions as they are found on a simulated PET, brought to the CT with what is left of breathing."""
    grid = liver.geometry
    spacing = (3.0, 4.07, 4.07)
    counts = tuple(int(n * s / p) for n, s, p in zip(grid.shape, grid.spacing_mm, spacing, strict=True))
    pet_grid = replace(grid, shape=counts, spacing_mm=spacing)
    pet_grid = pet_grid.moved(np.asarray(grid.centre_lps_mm) - np.asarray(pet_grid.centre_lps_mm))
    physics = PetPhysics(float(rng.uniform(5.2, 6.8)), float(rng.uniform(0.1, 0.145)), 1.0, 5.0)
    pet = simulate_pet(Volume(activity, grid, Quantity.BQML), pet_grid, physics, rng)
    labels, _ = find_lesions(pet, occupancy_on(liver, pet_grid), 1.0, LesionConfig())
    left = rng.normal(0, 1, 3) * (0.8, 0.8, 1.8)
    return resample_labels(LabelMap(labels, pet_grid.moved(left)), grid)


def _redrawn(liver: BoolArray, grid: Geometry, rng: np.random.Generator) -> BoolArray:
    """The liver's outline as a segmenter draws it: off by a millimetre or two here and there."""
    waves = ndimage.gaussian_filter(
        rng.standard_normal([max(int(n * s / 8), 2) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]), 1.0
    )
    field = ndimage.zoom(waves / waves.std(), [n / m for n, m in zip(grid.shape, waves.shape, strict=True)], order=1)
    return np.asarray(
        signed_distance_mm(liver, grid.spacing_mm) > field[: grid.shape[0], : grid.shape[1], : grid.shape[2]] * 1.2
    )


@dataclass(frozen=True, eq=False)
class _Body:
    """A lesion's shape in a box of the CT: share of each voxel after the kernel's blur, true voxels, level."""

    box: Box
    share: npt.NDArray[np.float64]
    inside: BoolArray
    level: npt.NDArray[np.float64]
    shape: str
    place: str


def _body(canvas: _Canvas, diameter_mm: float, rng: np.random.Generator) -> _Body | None:
    grid, radius = canvas.grid, diameter_mm / 2
    shape = str(rng.choice(["plain", "plain", "lobulated", "lobulated", "spiculated"]))
    body = Shape(shape, radius, rng)
    place = str(rng.choice(["inside", "inside", "capsule", "touching"]))
    near_border = (canvas.depth > 0.3 * radius) & (canvas.depth < 0.9 * radius)
    room = near_border if place == "capsule" else canvas.depth > radius * 1.15
    # Every second millimetre is near enough for a place.
    thin = [max(round(2.0 / s), 1) for s in grid.spacing_mm]
    few = tuple(slice(None, None, n) for n in thin)
    steps = [s * n for s, n in zip(grid.spacing_mm, thin, strict=True)]
    near = distance_to_mm(canvas.taken[few], (steps[0], steps[1], steps[2]))
    free = room[few] & (near > radius * 1.3 + 3)
    if place == "touching" and canvas.taken.any():
        free = room[few] & (near > 0.85 * radius) & (near < radius * 1.1)
    places = np.argwhere(free) * thin
    if not len(places):
        return None
    centre = grid.index_to_lps(places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3))
    reach = np.ceil((radius * 2.2 + 3) / np.asarray(grid.spacing_mm))
    k, j, i = (int(n) for n in np.rint(grid.lps_to_index(centre)))
    box = grow_box((slice(k, k + 1), slice(j, j + 1), slice(i, i + 1)), reach, grid.shape)
    fine = (max(1, round(grid.spacing_mm[0])), 2, 2)
    level = body.level(_points(grid, box, centre, fine))
    share = _means((level < 1.0).astype(np.float64), fine)
    blurred = ndimage.gaussian_filter(share, [0.0, *_sigma(canvas.kernel_mm, grid)[1:]])
    return _Body(box, blurred, share >= 0.5, _means(level, fine), shape, place)
