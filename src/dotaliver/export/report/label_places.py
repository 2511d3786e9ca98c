"""Places for the labels of a figure, so that none covers another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def spread_apart(
    places: npt.NDArray[np.float64], fixed: npt.NDArray[np.float64], apart: float, bounds: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Push labels from each other and from marked points until none is nearer than a distance, or 60 times."""
    places = places.copy()
    for _ in range(60):
        others = np.concatenate([places, fixed])
        gap = places[:, None] - others[None]
        distance = np.linalg.norm(gap, axis=-1)
        np.fill_diagonal(distance, np.inf)
        push = np.clip(apart - distance, 0, None) / 2
        if not push.any():
            break
        places = places + (gap / np.maximum(distance, 1e-6)[..., None] * push[..., None]).sum(axis=1)
        places = np.clip(places, apart / 2, np.asarray(bounds) - apart / 2)
    return places
