"""Lesions of known size and density, put into a liver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dotaliver.image.distance import distance_inside_mm, distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA
from negative_bench.scenes import Liver

SIZES_MM = (8, 10, 12, 15, 20, 30, 40)
CONTRASTS_HU = (8, 12, 16, 20, 30, 40)
_KERNEL_SIGMA_MM = {"soft": 0.8, "medium": 0.6, "sharp": 0.45}
_SUBSAMPLES = 3
_BESIDE_MM = 3.0
_STRUCTURE_FWHM_MM = 6.0


@dataclass(frozen=True)
class Inserted:
    """One lesion; its contrast is that to the liver around it, negative where it is darker."""

    number: int
    diameter_mm: float
    contrast_hu: float
    place: str
    centre: tuple[float, float, float]


@dataclass(frozen=True)
class Placing:
    """Where lesions are put: how far from avid ones and from each other, and how long they may be."""

    gap_mm: float = 8.0
    longest_ratio: float = 1.25
    capsule_every: int = 4
    """One in so many lies at the capsule."""
    beside_every: int = 0
    """One in so many lies next to an avid lesion, if it can."""


def insert(
    base: Liver,
    wanted: list[tuple[float, float]],
    seed: int,
    how: Placing = Placing(),
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16], list[Inserted]]:
    """Put lesions (diameter, contrast) in, as many as there is room for.

    A lesion replaces what lies there, vessels too. It is rough and up to ``how.longest_ratio`` times as long as wide,
    with the volume of a ball of its diameter.
    """
    rng = np.random.default_rng([seed, 7])
    grid, spacing = base.grid, np.asarray(base.grid.spacing_mm)
    hu, truth = base.hu.copy(), np.zeros(grid.shape, dtype=np.uint16)
    sigma = _STRUCTURE_FWHM_MM / FWHM_PER_SIGMA / spacing
    # Around a place, the liver without its vessels: a median over what looks like liver.
    hot = base.avid != 0
    core = base.liver & ~hot
    middle = float(np.median(hu[core]))
    normal = core & (np.abs(ndimage.gaussian_filter(hu, sigma) - middle) < 25)
    weight = ndimage.gaussian_filter(normal.astype(np.float32), 15 / spacing, truncate=2)
    level = ndimage.gaussian_filter(np.where(normal, hu, 0).astype(np.float32), 15 / spacing, truncate=2)
    level = np.where(weight > 0.02, level / np.maximum(weight, 1e-3), middle)
    own = hu if base.organs is not None else ndimage.gaussian_filter(hu, sigma, truncate=2)
    depth = distance_inside_mm(base.liver, grid.spacing_mm)
    free = distance_to_mm(hot, grid.spacing_mm) if hot.any() else np.full(grid.shape, 1e3, np.float32)
    made: list[Inserted] = []
    for number, (diameter, contrast) in enumerate(wanted, start=1):
        radius = diameter / 2
        capsule = number % how.capsule_every == 0
        room = (depth > 0.75 * radius) & (depth < radius) if capsule else depth > radius + 3
        room &= free > radius + how.gap_mm
        if how.beside_every and number % how.beside_every == 1:
            beside = room & (free < radius + how.gap_mm + _BESIDE_MM)
            room = beside if beside.any() else room
        choices = np.argwhere(room)
        if not choices.size:
            continue
        centre = choices[rng.integers(len(choices))] + rng.uniform(-0.5, 0.5, 3)
        share, box = _share(centre, radius, grid, how.longest_ratio, rng)
        share *= base.liver[box]
        inside = share > 0.5
        blur = _KERNEL_SIGMA_MM[base.kernel] / spacing
        seen = ndimage.gaussian_filter(share, [0.0, *blur[1:]])
        grain = ndimage.gaussian_filter(rng.standard_normal(share.shape), 2.5 / spacing)
        target = level[box] + contrast + 2.0 * grain / grain.std()
        hu[box] += (seen * (target - own[box])).astype(np.float32)
        truth[box][inside] = number
        away = [np.arange(n) * s - c * s for n, s, c in zip(grid.shape, spacing, centre, strict=True)]
        k, j, i = np.meshgrid(*away, indexing="ij", sparse=True)
        free = np.minimum(free, np.sqrt(k**2 + j**2 + i**2) - radius).astype(np.float32)
        place = "capsule" if capsule else "inside"
        made.append(Inserted(number, diameter, contrast, place, (centre[0], centre[1], centre[2])))
    return hu, truth, made


def _share(centre, radius, grid, longest_ratio, rng):
    spacing = np.asarray(grid.spacing_mm)
    reach = np.ceil(1.5 * radius / spacing) + 2
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, grid.shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    steps = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5
    lines = [
        ((np.arange(a, b)[:, None] + steps).ravel() - c) * s
        for a, b, c, s in zip(low, high, centre, spacing, strict=True)
    ]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    stretch = rng.uniform(1.0, longest_ratio)
    axes = np.array([stretch ** (2 / 3), stretch ** (-1 / 3), stretch ** (-1 / 3)]) * radius
    turn = Rotation.random(rng=rng).as_matrix()
    place = points @ turn
    norm = np.linalg.norm(place, axis=-1, keepdims=True) + 1e-6
    waves = np.cos((place / norm) @ rng.normal(0, 2.2, (3, 5)) + rng.uniform(0, 2 * np.pi, 5)).sum(axis=-1) / np.sqrt(
        2.5
    )
    inside = np.linalg.norm(place / axes, axis=-1) < 1 + 0.06 * waves
    n, s = [b - a for a, b in zip(low, high, strict=True)], _SUBSAMPLES
    return inside.reshape(n[0], s, n[1], s, n[2], s).mean(axis=(1, 3, 5)), box
