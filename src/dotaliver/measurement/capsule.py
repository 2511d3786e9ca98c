"""How far lesions lie from the liver's capsule."""

from __future__ import annotations

import numpy as np

from dotaliver.measurement.reference import depth_mm
from dotaliver.placement import Placement
from dotaliver.records import Lesion

__all__ = ["with_capsule_distances"]


def with_capsule_distances(lesions: tuple[Lesion, ...], placement: Placement) -> tuple[Lesion, ...]:
    """The lesions with the shortest way from their border to the liver's, in mm.

    On the PET's grid: the least depth, in the liver, of a lesion's voxel centres, less one voxel's mean edge (half for
    the lesion's border, half for the liver's), so good to about half a voxel. 0 where the lesion reaches the border;
    None for lesions outside the liver.
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
            distance = max(float(depth[own].min()) - float(np.mean(spacing)), 0.0) if own.any() else None
        measured.append(lesion.model_copy(update={"capsule_distance_mm": distance}))
    return tuple(measured)
