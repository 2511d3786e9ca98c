"""A liver made of balls, as a PET shows it: known places, known uptake, known blur and noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from dotaliver.image.geometry import Geometry
from dotaliver.image.volume import Quantity, Volume

AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
GRID = Geometry((50, 56, 56), (0.0, 0.0, 0.0), (3.0, 3.5, 3.5), AXIAL)
MIDDLE = np.array(GRID.centre_lps_mm)
FWHM_MM = 6.0
NORMAL = 5.0


def ball(centre_lps_mm, radius_mm, subsamples: int = 3) -> np.ndarray:
    """Share of each voxel inside a ball."""
    fine = GRID.with_spacing(tuple(s / subsamples for s in GRID.spacing_mm))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in fine.shape), indexing="ij"), axis=-1)
    inside = np.linalg.norm(fine.index_to_lps(index) - np.asarray(centre_lps_mm), axis=-1) <= radius_mm
    shape = [part for n in GRID.shape for part in (n, subsamples)]
    return inside.reshape(shape).mean(axis=(1, 3, 5))


def liver(radius_mm: float = 62.0) -> np.ndarray:
    return ball(MIDDLE, radius_mm)


def pet(activity: np.ndarray, noise: float = 0.0, seed: int = 0) -> Volume:
    """Blur an activity by 6 mm and add noise of this share of normal liver, correlated as scanners' is."""
    sigma = [FWHM_MM / 2.3548 / s for s in GRID.spacing_mm]
    blurred = gaussian_filter(activity, sigma)
    if noise:
        rough = gaussian_filter(np.random.default_rng(seed).standard_normal(GRID.shape), 0.7)
        blurred = blurred + rough / rough.std() * noise * np.sqrt(np.maximum(blurred, 0) * NORMAL)
    return Volume(np.maximum(blurred, 0).astype(np.float32), GRID, Quantity.SUVBW)


def with_lesions(lesions, outside: float = 0.5) -> np.ndarray:
    """Activity of a liver at normal uptake with balls (centre offset in mm, radius in mm, uptake) in it."""
    share = liver()
    activity = outside + (NORMAL - outside) * share
    for offset, radius, uptake in lesions:
        part = ball(MIDDLE + np.asarray(offset, dtype=float), radius)
        activity = activity * (1 - part) + uptake * part
    return activity


def volume_ml(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0
