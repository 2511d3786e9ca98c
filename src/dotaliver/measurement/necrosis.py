"""Necrosis: places without uptake that tumour encloses on all sides."""

from __future__ import annotations

import numpy as np

from dotaliver.image.arrays import Array
from dotaliver.image.morphology import filled
from dotaliver.image.volume import BoolArray

__all__ = ["cold_cores"]


def cold_cores(uptake: Array, tumour: BoolArray, normal_liver: float | None) -> BoolArray:
    """Holes of a tumour mask whose mean uptake lies below normal liver; shape of the mask.

    A hole is a part of the background that no path over voxel faces leads out of. Parenchyma that confluent
    tumours enclose shows normal uptake or, by spill-in, more, and stays parenchyma; a core that lies below normal
    liver in spite of spill-in is necrosis. Without a normal-liver value every hole counts as a core.
    """
    from scipy.ndimage import label, mean

    holes = filled(tumour) & ~tumour
    if normal_liver is None or not holes.any():
        return np.asarray(holes)
    numbered, count = label(holes)
    means = np.asarray(mean(uptake, numbered, np.arange(1, count + 1)))
    cold = np.concatenate([[False], means < normal_liver])
    return np.asarray(cold[numbered])
