"""Lesions that run into a hot neighbour of the liver: kidney, spleen, adrenal or bowel.

Blur carries a lesion's uptake about one resolution over the capsule and no further. Where uptake as high as the
lesion's lies beyond that, and near the lesion, a hot neighbour lies there: part of the lesion may be its blur, or the
liver's outline may take in part of it.
"""

from __future__ import annotations

import numpy as np

from dotaliver.config.scoring import Inc7Config
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.volume import Volume
from dotaliver.measurement.placement import Placement
from dotaliver.records.flags import raise_flag
from dotaliver.records.study import Lesion

__all__ = ["with_merging_flags"]


def with_merging_flags(
    lesions: tuple[Lesion, ...], pet: Volume, placement: Placement, config: Inc7Config
) -> tuple[Lesion, ...]:
    """The lesions of the liver, flagged where a hot neighbour lies against them.

    Looked at are voxels farther than one resolution outside the liver and nearer than ``hot_neighbour_margin_mm`` to
    the lesion, within the liver's box (30 mm around it). A neighbour is hot where one of them
    exceeds the lesion's mean.
    """
    liver = placement.liver
    if liver is None:
        return lesions
    spacing, margin = liver.geometry.spacing_mm, config.hot_neighbour_margin_mm
    uptake = np.asarray(pet.crop(liver.box).array, dtype=np.float64)
    outside = distance_to_mm(liver.inside, spacing, within_mm=config.resolution_mm) > config.resolution_mm
    others = outside & ~placement.lesion_voxels(tuple(placement.lesions))
    flagged = []
    for lesion in lesions:
        if not lesion.in_liver or lesion.suv_mean is None or lesion.label not in placement.lesions:
            flagged.append(lesion)
            continue
        own = placement.lesions[lesion.label].within(liver.box)
        near = others & (distance_to_mm(own, spacing, within_mm=margin) < margin)
        if near.any() and float(uptake[near].max()) > lesion.suv_mean:
            flag = raise_flag("LESION_MERGES_WITH_NEIGHBOUR", label=str(lesion.label))
            lesion = lesion.model_copy(update={"flags": (*lesion.flags, flag)})  # noqa: PLW2901
        flagged.append(lesion)
    return tuple(flagged)
