"""Uptake that the right kidney's cortex continues into: no lesion, where the liver's outline covers part of the kidney.

The kidneys are found on a coarse grid, and the liver's outline may cover a part of the right one that is not. There its
cortex, hot around a cold middle, looks like a tumour. It takes up as much as the rest of the cortex, and uptake runs on
into that without a valley; a tumour beside a kidney takes up less, or more than the hottest part of both kidneys, or
liver lies between. Where a tumour does none of that, it cannot be told apart on PET: it is left out as well, and uptake
outside the outlines then keeps the answers open.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.filters import FWHM_PER_SIGMA, gaussian
from dotaliver.image.volume import BoolArray, Volume
from dotaliver.segmentation.coarse import Float32Array
from dotaliver.segmentation.liver.parenchyma import Parenchyma

__all__ = ["without_kidney_cortex"]

# The cortex is the hottest tenth of a kidney on PET, whose middle is cold.
_CORTEX_PERCENTILE = 90
# A part of it exceeds normal liver by this much of what the cortex does: blur thins the thin cortex of a pole, and
# peaks of noise exceed it. Tumours of the phantoms' bed of the kidney lie below or above, but for 2 of 17.
_ALIKE = (0.55, 1.45)
# Uptake runs on where no saddle is lower than this share of the part's peak, both above normal liver: along the cortex
# of 21 parts it was 0.65 to 0.95, and to 15 of 17 tumours beside a kidney it was under 0.7 or they were not alike.
_LEAST_SADDLE_SHARE = 0.7
# A part of which so much is hotter than the hottest millilitre of both kidneys, and more than twice what its size makes
# probable, is no part of them: 0.7 to 4.8 ml of 4 tumours beside a kidney, as alike and joined as cortex is, and none
# of 3 parts of a cortex.
_HOTTEST_ML, _HOTTER_ML, _PROBABLE = 1.0, 0.5, 2.0
# So much of the kidney, of about that uptake, is reached.
_LEAST_REACHED_ML, _REACHED_SHARE = 0.5, 0.75
# A part lies no farther from what was found of the kidney, which is wide at its middle.
_NEAR_MM = 15.0


def without_kidney_cortex(
    labels: npt.NDArray[np.uint16], pet: Volume, kidneys: BoolArray, normal: Parenchyma, config: LesionConfig
) -> npt.NDArray[np.uint16]:
    """Drop the lesions that are parts of a kidney's cortex.

    Parameters
    ----------
    labels : ndarray of uint16
        Lesions on the PET's grid, by falling volume.
    pet : Volume
        Uptake.
    kidneys : ndarray of bool
        What was found of the kidneys.
    normal : Parenchyma
        Normal liver.
    config : LesionConfig
        The Gaussian on which peaks and saddles are read.

    Returns
    -------
    ndarray of uint16
        Those that are left, numbered from 1 on in the same order.
    """
    if not kidneys.any() or not labels.any():
        return labels
    near = distance_to_mm(kidneys, pet.geometry.spacing_mm, within_mm=_NEAR_MM) <= _NEAR_MM
    close = np.unique(labels[near & (labels > 0)])
    if not close.size:
        return labels
    smooth = gaussian(pet.array.astype(np.float32), config.smooth_fwhm_mm / FWHM_PER_SIGMA, pet.geometry)
    excess = smooth - np.float32(normal.uptake)
    cortex = float(np.percentile(excess[kidneys], _CORTEX_PERCENTILE))
    least_voxels = _LEAST_REACHED_ML / pet.geometry.voxel_volume_ml
    dropped = [
        int(n)
        for n in close
        if _is_cortex(labels == n, excess, kidneys, cortex, least_voxels)
        and not _is_hotter(excess[labels == n], excess[kidneys], pet.geometry.voxel_volume_ml)
    ]
    kept = [n for n in range(int(labels.max()) + 1) if n not in dropped]
    numbers = np.zeros(int(labels.max()) + 1, dtype=labels.dtype)
    numbers[kept] = np.arange(len(kept))
    return np.asarray(numbers[labels])


def _is_hotter(part: Float32Array, kidneys: Float32Array, voxel_ml: float) -> bool:
    """Whether more of a part is hotter than the hottest uptake of the kidneys than noise makes probable."""
    share = min(_HOTTEST_ML / (kidneys.size * voxel_ml), 1.0)
    hotter = int(np.count_nonzero(part > np.quantile(kidneys, 1.0 - share)))
    return hotter * voxel_ml > _HOTTER_ML + _PROBABLE * share * part.size * voxel_ml


def _is_cortex(own: BoolArray, excess: Float32Array, kidneys: BoolArray, cortex: float, least_voxels: float) -> bool:
    """Whether a lesion takes up what the cortex does and runs on into it."""
    import cc3d

    peak = float(excess[own].max())
    low, high = _ALIKE
    if not low * cortex <= peak <= high * cortex:
        return False
    joined = cc3d.connected_components(excess > _LEAST_SADDLE_SHARE * peak, connectivity=6)
    top = np.unravel_index(int(np.where(own, excess, -np.inf).argmax()), own.shape)
    reached = kidneys & (joined == joined[top]) & (excess > _REACHED_SHARE * min(peak, cortex))
    return int(np.count_nonzero(reached)) >= least_voxels
