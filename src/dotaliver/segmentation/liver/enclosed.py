"""Cores of tumour without uptake, which the liver encloses on most sides.

A necrotic core is cold on the PET and dark on CT, so nothing in it looks like liver. Where its rim towards the capsule
is thinner than the PET's blur, it is a notch in the outline. Hot liver in nearly all directions tells it from
gallbladder, vena cava and bowel.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from dotaliver.image.volume import BoolArray, used_box
from dotaliver.segmentation.coarse import Float32Array

__all__ = ["enclosed_cores", "share_of_directions"]

# Liver is looked for this far in each of 26 directions: cores measure up to about 50 mm.
_REACH_MM = 40.0
# From the middle of a ball of which three quarters lie in the liver, a sixth of the directions lead outside. A
# gallbladder or a vena cava in its groove has liver in half of them. A core reaches from its middle a little outwards.
_CORE_SHARE, _RIM_SHARE = 0.8, 0.7


def share_of_directions(
    mask: BoolArray, spacing_mm: tuple[float, float, float], reach_mm: float = _REACH_MM
) -> Float32Array:
    """Share of the 26 directions of the grid in which a mask lies within reach of each voxel."""
    seen = np.zeros(mask.shape, dtype=np.uint8)
    for direction in (d for d in product((-1, 0, 1), repeat=3) if any(d)):
        hit = np.zeros_like(mask)
        for step in range(1, int(reach_mm / float(np.linalg.norm(np.multiply(direction, spacing_mm)))) + 1):
            here = tuple(slice(max(-n * step, 0), max(m - max(n * step, 0), 0)) for n, m in _axes(direction, mask))
            there = tuple(slice(max(n * step, 0), max(m - max(-n * step, 0), 0)) for n, m in _axes(direction, mask))
            hit[here] |= mask[there]
        seen += hit
    return np.asarray(seen / np.float32(26), dtype=np.float32)


def _axes(direction: tuple[int, ...], mask: BoolArray) -> list[tuple[int, int]]:
    return list(zip(direction, mask.shape, strict=True))


def enclosed_cores(
    liver: BoolArray, hot: BoolArray, possible: BoolArray, spacing_mm: tuple[float, float, float]
) -> BoolArray:
    """Places outside the liver that it encloses on most sides, and that its hot parts enclose too.

    Parameters
    ----------
    liver : ndarray of bool
        The liver found so far.
    hot : ndarray of bool
        Its parts of more than normal uptake.
    possible : ndarray of bool
        Tissue that a core may be.
    spacing_mm : tuple of float
        Of the grid.

    Returns
    -------
    ndarray of bool
        Connected places where hot liver lies in at least 0.7 of all directions, and somewhere in 0.8.
    """
    import cc3d

    cores = np.zeros_like(liver)
    box = used_box(liver)
    if box is None:
        return cores
    candidates = possible[box] & ~liver[box]
    share = share_of_directions(hot[box], spacing_mm)
    parts = cc3d.connected_components(candidates & (share >= _RIM_SHARE), connectivity=6)
    cores[box] = np.isin(parts, np.setdiff1d(parts[candidates & (share >= _CORE_SHARE)], [0]))
    return cores
