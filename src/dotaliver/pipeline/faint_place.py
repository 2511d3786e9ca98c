"""Whether a liver without lesions above normal uptake holds a place that may be a faint one."""

from __future__ import annotations

import numpy as np

from dotaliver.config.segmentation import LesionConfig
from dotaliver.image.volume import Volume
from dotaliver.measurement.placement import Placement
from dotaliver.measurement.uptake_place import UptakePlace
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.measurements import Lesion, Reference
from dotaliver.segmentation.lesions.faint_lesions import DOUBTFUL, faint_lesions

__all__ = ["find_faint_place"]


def find_faint_place(
    pet: Volume,
    placement: Placement,
    lesions: tuple[Lesion, ...],
    normal: Reference,
    edits: ReaderEdits,
    config: LesionConfig,
) -> UptakePlace | None:
    """The largest place of the liver that is too faint to outline and too broad for noise.

    None as well where a lesion of the liver exceeds normal uptake, since no answer depends on a faint one then; and
    where a reader states that every lesion is outlined.
    """
    if placement.liver is None or normal.suv_mean is None or edits.lesions_complete:
        return None
    if any(x.in_liver and x.tumour and (x.suv_peak or 0.0) > normal.suv_mean for x in lesions):
        return None
    part = pet.crop(placement.liver.box)
    outlined = placement.lesion_voxels(tuple(placement.lesions)).astype(np.int32)
    uptake = part.array.astype(np.float32)
    places = faint_lesions(uptake, placement.liver.inside, outlined, config, part.geometry, DOUBTFUL)
    sizes = np.bincount(places.ravel())
    sizes[0] = 0
    if not sizes.any():
        return None
    own = places == int(sizes.argmax())
    x, y, z = (float(c) for c in part.geometry.index_to_lps(np.argwhere(own).mean(axis=0)))
    return UptakePlace(float(sizes.max()) * part.geometry.voxel_volume_ml, float(uptake[own].mean()), (x, y, z))
