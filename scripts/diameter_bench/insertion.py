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

from dotaliver.image.distance import distance_inside_mm, distance_to_mm, signed_distance_mm
from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.geometry import Geometry
from dotaliver.image.itk import occupancy_on, resample_labels
from dotaliver.image.volume import BoolArray, LabelMap, Quantity, Volume
from dotaliver.phantom.physics import PetPhysics, simulate_pet
from dotaliver.segmentation.lesions.pet_lesions import find_lesions

FWHM = 2.3548
_WIDE_FWHM_MM = 6.0


@dataclass(frozen=True)
class Known:
    """One true lesion; density in HU against the liver around it."""

    label: int
    shape: str
    place: str
    contrast_hu: float
    uptake: float
    core_hu: float | None
    rim_hu: float | None
    """Of its border zone where that differs from the rest."""

    @property
    def border_contrast_hu(self) -> float:
        """Density of the border zone against liver."""
        return self.contrast_hu if self.rim_hu is None else self.rim_hu


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
            ripple = sum(np.cos(place @ w[:3] / norm + w[3]) for w in waves)
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


def _shares(level: npt.NDArray[np.float64], fine: tuple[int, int, int], limit: float) -> npt.NDArray[np.float64]:
    a, b, c = (n // f for n, f in zip(level.shape, fine, strict=True))
    inside = (level < limit).reshape(a, fine[0], b, fine[1], c, fine[2])
    return inside.mean(axis=(1, 3, 5))


def insert(base: Base, seed: int, count: int, *, extra_noise: bool = True) -> Scene:
    """Put some lesions into a study; the seed draws everything."""
    rng = np.random.default_rng([seed, 77])
    grid = base.ct.geometry
    hu = base.ct.array.astype(np.float32)
    kernel_mm = float(rng.uniform(0.7, 1.7))
    truth = base.lesions.array.astype(np.uint16).copy()
    liver = base.liver.mask
    depth = distance_inside_mm(liver, grid.spacing_mm)
    taken = distance_to_mm(truth > 0, grid.spacing_mm, within_mm=3.0) < 3.0
    excess = np.zeros(grid.shape, np.float32)
    smooth = ndimage.gaussian_filter(hu, [_WIDE_FWHM_MM / FWHM / s for s in grid.spacing_mm], truncate=2.0)
    median = float(np.median(hu[liver & ~taken & (depth > 5)]))
    known: list[Known] = []
    first = int(truth.max()) + 1
    wanted = [float(x) for x in np.exp(rng.uniform(np.log(8), np.log(48), count))]
    for diameter in sorted(wanted, reverse=True):
        made = _one(rng, grid, depth, taken, diameter, kernel_mm)
        if made is None:
            continue
        box, share, inside, level, shape, place = made
        inside &= liver[box] & ~(truth[box] > 0)
        if np.count_nonzero(inside) * grid.voxel_volume_ml < 0.15:
            continue
        number = first + len(known)
        contrast = float(rng.uniform(-40, 40))
        uptake = float(np.exp(rng.uniform(np.log(1.6), np.log(7.5))))
        core = rim = None
        target = np.full(share.shape, median + contrast, np.float32)
        kind = rng.random()
        if kind < 0.15 and diameter > 18:
            core = float(rng.uniform(-60, -20))
            rim = contrast
            size = float(rng.uniform(0.4, 0.65))
            target += np.float32(median + core - median - contrast) / (1 + np.exp((level - size) * 14))
        elif kind < 0.45:
            grain = ndimage.gaussian_filter(rng.standard_normal(share.shape), [5.0 / FWHM / s for s in grid.spacing_mm])
            target += (grain / grain.std() * rng.uniform(3, 9)).astype(np.float32)
        elif kind < 0.5:
            specks = ndimage.gaussian_filter(
                rng.standard_normal(share.shape), [2.5 / FWHM / s for s in grid.spacing_mm]
            )
            target += np.where(specks > 2.2 * specks.std(), rng.uniform(80, 300), 0).astype(np.float32)
        within = share * ndimage.gaussian_filter(liver[box].astype(np.float32), [0, 0.4, 0.4])
        hu[box] += (within * (target - smooth[box])).astype(np.float32)
        truth[box][inside] = number
        hot = inside & ~((core is not None) & (level < (size if core is not None else 0)))
        excess[box] += np.where(hot, uptake - 1, 0).astype(np.float32)
        if core is not None:
            excess[box] += np.where(inside & ~hot, -0.85, 0).astype(np.float32)
        taken[box] |= ndimage.binary_dilation(inside, iterations=1)
        known.append(Known(number, shape, place, contrast, uptake, core, rim))
    if extra_noise:
        grain = ndimage.gaussian_filter(
            rng.standard_normal(grid.shape, dtype=np.float32), (0, *(kernel_mm / FWHM / s for s in grid.spacing_mm[1:]))
        )
        hu += grain / grain.std() * float(rng.choice([0.0, 0.0, 5.0, 9.0]))
    middle = slice(grid.shape[0] // 2 - 4, grid.shape[0] // 2 + 4)
    calm = (liver & (truth == 0) & (depth > 4))[middle]
    residual = (
        hu[middle]
        - ndimage.gaussian_filter(hu[middle], [0, 6 / FWHM / grid.spacing_mm[1], 6 / FWHM / grid.spacing_mm[2]])
    )[calm]
    noise = float(1.4826 * np.median(np.abs(residual)))
    activity = np.where(liver, 1.0, 0.15).astype(np.float32) + excess
    for label in base.lesions.labels:
        activity[(truth == label)] = float(np.exp(rng.uniform(np.log(2.0), np.log(6.0))))
    placed = _placed(LabelMap(liver.astype(np.uint8), grid), activity, rng)
    ct = Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), grid, Quantity.HU)
    return Scene(ct, _redrawn(liver, grid, rng), placed, LabelMap(truth, grid), tuple(known), noise)


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


def _one(rng, grid: Geometry, depth, taken, diameter: float, kernel_mm: float):
    """Shape and place of one lesion: box, blurred share, true voxels, level, words for both; None without room."""
    shape = str(rng.choice(["plain", "plain", "lobulated", "lobulated", "spiculated"]))
    body = Shape(shape, diameter / 2, rng)
    place = str(rng.choice(["inside", "inside", "capsule", "touching"]))
    radius = diameter / 2
    if place == "capsule":
        room = (depth > 0.3 * radius) & (depth < 0.9 * radius)
    else:
        room = depth > radius * 1.15
    # Every second millimetre is near enough for a place.
    thin = tuple(max(round(2.0 / s), 1) for s in grid.spacing_mm)
    few = tuple(slice(None, None, n) for n in thin)
    near = distance_to_mm(taken[few], tuple(s * n for s, n in zip(grid.spacing_mm, thin, strict=True)))  # type: ignore[arg-type]
    free = room[few] & (near > radius * 1.3 + 3)
    if place == "touching" and taken.any():
        free = room[few] & (near > 0.85 * radius) & (near < radius * 1.1)
    places = np.argwhere(free) * thin
    if not len(places):
        return None
    centre = grid.index_to_lps(places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3))
    reach = np.ceil((radius * 2.2 + 3) / np.asarray(grid.spacing_mm)).astype(int)
    middle = np.rint(grid.lps_to_index(centre)).astype(int)
    box = tuple(slice(max(m - r, 0), min(m + r + 1, n)) for m, r, n in zip(middle, reach, grid.shape, strict=True))
    fine = (max(1, round(grid.spacing_mm[0] / 1.0)), 2, 2)
    level = body.level(_points(grid, box, centre, fine))
    share = _shares(level, fine, 1.0)
    sigma = [0.0, *(kernel_mm / FWHM / s for s in grid.spacing_mm[1:])]
    coarse = level.reshape(share.shape[0], fine[0], share.shape[1], fine[1], share.shape[2], fine[2]).mean(
        axis=(1, 3, 5)
    )
    return box, ndimage.gaussian_filter(share, sigma), share >= 0.5, coarse, shape, place
