"""How far lesions lie from the liver's capsule."""

from __future__ import annotations

import numpy as np

from dotaliver.image.geometry import Vector
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.reference import depth_mm
from dotaliver.records.study import Lesion

__all__ = ["with_capsule_distances"]


def with_capsule_distances(lesions: tuple[Lesion, ...], placement: Placement) -> tuple[Lesion, ...]:
    """The lesions with the shortest way from their border to the liver's, in mm.

    On the PET's grid: the least distance from a lesion's voxel centres to those outside the liver, less half a
    voxel's mean edge (half on each side would be the truth for planes; of round borders the nearest corners are met
    already), so good to about half a voxel. 0 where a voxel of the lesion touches the border; None outside the liver.
    """
    if placement.liver is None:
        return lesions
    spacing = placement.liver.geometry.spacing_mm
    depth = depth_mm(placement.liver.inside, spacing)
    measured = []
    for lesion in lesions:
        distance = None
        if lesion.in_liver and lesion.label in placement.lesions:
            own = placement.lesions[lesion.label].within(placement.liver.box)
            distance = _distance_mm(float(depth[own].min()), spacing) if own.any() else None
        measured.append(lesion.model_copy(update={"capsule_distance_mm": distance}))
    return tuple(measured)


def _distance_mm(least_depth_mm: float, spacing_mm: Vector) -> float:
    if least_depth_mm <= max(spacing_mm):
        return 0.0
    return least_depth_mm - 0.5 * float(np.mean(spacing_mm))
