"""The right kidney as the mirror image of the left one.

The left kidney lies far from the liver: it shows what this patient's kidneys look like, whatever the phase of contrast
agent and however hot their cortex and cold their pelvis. Mirrored and moved over the right side, it fits best on the
right kidney, though that one lies against the liver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dotaliver.image.filters import box_mean
from dotaliver.image.morphology import dilated
from dotaliver.image.volume import BoolArray
from dotaliver.segmentation.coarse import CoarseImages, Float32Array
from dotaliver.segmentation.organs.surroundings import Surroundings

__all__ = ["MirrorImage", "mirror_image"]

# How far the right kidney lies from the mirror image of the left one at most: the liver pushes it down.
_ACROSS_MM, _TO_FRONT_OR_BACK_MM = 28.0, 28.0
_DOWN_MM, _UP_MM = 56.0, 32.0
# A right kidney higher than the left one is rare: each fit above it counts as worse, by this at 10 mm (by 9 times
# this at 30 mm). Liver of a kidney's density and uptake would otherwise fit as well.
_HIGHER_BY_10_MM = 0.01
# What surrounds a kidney tells its place as well: fat, muscle, the liver on the right alone.
_RIM_MM, _RIM_WEIGHT = 8.0, 0.5
# Differences in density and in log uptake that count 1; more than that counts no more (another organ next to it).
_SCALE_HU, _SCALE_LOG_UPTAKE = 100.0, 1.2
_JUDGED_HU = (-120.0, 250.0)
_LEAST_UPTAKE_RATIO = 0.1
# Voxels that the search compares, and the fewest that a fit needs (a pole that the field of view cuts).
_COMPARED, _LEAST_ML = 500, 10.0
_SEED = 0


@dataclass(frozen=True)
class MirrorImage:
    """The left kidney's mirror image where it fits best on the right.

    ``similar`` is the part of it where the images resemble those of the left kidney; ``difference`` is their mean
    difference within it, from 0 (equal) to 1 (unlike everywhere).
    """

    mask: BoolArray
    similar: BoolArray
    difference: float


def mirror_image(
    images: CoarseImages, around: Surroundings, uptake: Float32Array, left: BoolArray, liver_uptake: float
) -> MirrorImage | None:
    """Find where the left kidney's mirror image fits the right side best.

    Parameters
    ----------
    images : CoarseImages
        With a density.
    around : Surroundings
        For the midline.
    uptake : ndarray
        Uptake in the CT's position.
    left : ndarray of bool
        The left kidney, with its medulla and sinus.
    liver_uptake : float
        Uptake of normal liver.

    Returns
    -------
    MirrorImage or None
        None without a density, or where the mirror image lies outside the grid.
    """
    if images.hu is None or not left.any():
        return None
    steps = max(1, round(_RIM_MM / images.spacing_mm))
    rim = dilated(left, times=steps) & ~left
    points = np.concatenate([np.argwhere(left), np.argwhere(rim)])
    weights = np.concatenate([np.ones(int(left.sum())), np.full(int(rim.sum()), _RIM_WEIGHT)])
    features = np.stack(
        [
            box_mean(np.clip(images.hu, *_JUDGED_HU)) / np.float32(_SCALE_HU),
            np.log(np.maximum(box_mean(uptake) / liver_uptake, _LEAST_UPTAKE_RATIO)) / np.float32(_SCALE_LOG_UPTAKE),
        ]
    )
    middle = int(np.abs(around.lateral_mm).argmin())
    mirrored = points * [1, 1, -1] + [0, 0, 2 * middle]
    own = features[:, points[:, 0], points[:, 1], points[:, 2]]
    some = np.random.default_rng(_SEED).permutation(len(points))[:_COMPARED]
    least = _LEAST_ML / images.voxel_ml / max(int(left.sum()), 1)

    def unlike(shift: npt.NDArray[np.intp], chosen: npt.NDArray[np.intp]) -> float:
        places = mirrored[chosen] + shift
        held = ((places >= 0) & (places < left.shape)).all(axis=1)
        if weights[chosen][held].sum() < least * weights[chosen].sum():
            return np.inf
        z, y, x = places[held].T
        squares = ((features[:, z, y, x] - own[:, chosen[held]]) ** 2).sum(axis=0)
        return float(np.average(np.minimum(squares, 1.0), weights=weights[chosen[held]]))

    def judged(shift: npt.NDArray[np.intp]) -> float:
        higher_mm = max(float(shift[0]), 0.0) * images.spacing_mm
        return unlike(shift, some) + _HIGHER_BY_10_MM * (higher_mm / 10.0) ** 2

    best = _best_shift(judged, images.spacing_mm)
    inside = np.arange(int(left.sum()))
    difference = unlike(best, inside)
    if not np.isfinite(difference):
        return None
    places = mirrored[inside] + best
    held = ((places >= 0) & (places < left.shape)).all(axis=1)
    z, y, x = places[held].T
    mask, similar = np.zeros_like(left), np.zeros_like(left)
    mask[z, y, x] = True
    similar[z, y, x] = ((features[:, z, y, x] - own[:, inside[held]]) ** 2).sum(axis=0) < 1.0
    return MirrorImage(mask, similar, difference)


def _best_shift(unlike: Callable[[npt.NDArray[np.intp]], float], spacing_mm: float) -> npt.NDArray[np.intp]:
    """The shift with the least difference: every second voxel, then all around the best of them."""
    down, up, across, depth = (
        round(reach / spacing_mm) for reach in (_DOWN_MM, _UP_MM, _ACROSS_MM, _TO_FRONT_OR_BACK_MM)
    )
    coarse = np.stack(
        np.meshgrid(np.arange(-down, up + 1, 2), np.arange(-depth, depth + 1, 2), np.arange(-across, across + 1, 2)),
        axis=-1,
    ).reshape(-1, 3)
    found = coarse[int(np.argmin([unlike(shift) for shift in coarse]))]
    fine = found + np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(fine[int(np.argmin([unlike(shift) for shift in fine]))])
