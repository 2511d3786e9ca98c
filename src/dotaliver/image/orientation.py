"""Images reoriented to the axes of the patient."""

from __future__ import annotations

from itertools import permutations
from typing import TypeVar

import numpy as np

from dotaliver.image.geometry import Geometry
from dotaliver.image.lazy import turned
from dotaliver.image.volume import LabelMap, Volume

__all__ = ["anatomical"]


AnyImage = TypeVar("AnyImage", Volume, LabelMap)


# Directions (LPS) of slices, rows and columns: towards the head, the back and the left.
_SENSES = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def anatomical(image: AnyImage) -> AnyImage:
    """Reorient an image: slices towards the head, rows to the back, columns to the left.

    Axes are swapped and flipped, never interpolated, so an oblique grid stays oblique; each axis takes
    the direction that fits best for the three together. The voxels are a view of the given ones.
    """
    cosines = np.asarray(image.geometry.directions) @ _SENSES.T
    order = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[axes[n], n]) for n in range(3)))
    flipped = [cosines[order[n], n] < 0 for n in range(3)]
    affine = np.array(image.geometry.affine)
    first = np.array([image.geometry.shape[order[n]] - 1 if flipped[n] else 0 for n in range(3)])
    start = np.zeros(3)
    start[list(order)] = first
    affine[:3, 3] = image.geometry.index_to_lps(start)
    affine[:3, :3] = affine[:3, list(order)] * np.where(flipped, -1.0, 1.0)
    shape = tuple(image.geometry.shape[axis] for axis in order)
    grid = Geometry.from_affine(shape, affine, image.geometry.frame_of_reference_uid)
    if isinstance(image, Volume):
        return turned(image, order, flipped, grid)
    if tuple(order) == (0, 1, 2) and not any(flipped):
        return image.placed(grid)
    array = image.array.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
    return LabelMap(array, grid)
