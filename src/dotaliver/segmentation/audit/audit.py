"""Audit the liver outline of a study: find the liver a second time and compare."""

from __future__ import annotations

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.records.liver_audit import LiverComparison
from dotaliver.records.masks import Segmentations
from dotaliver.records.positions import own_labels, share_on, shift_between
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.audit.comparison import compare_outlines
from dotaliver.segmentation.audit.second_liver import GRID_MM, SecondOutline, second_outline
from dotaliver.segmentation.coarse import CoarseImages, coarse_of

__all__ = ["audit_liver"]

# The second answer looks this far above and below the middle of the outline: livers measure 250 mm at most.
_REACH_MM = 160.0


def audit_liver(volumes: StudyVolumes, segmentations: Segmentations, config: ScoringConfig) -> LiverComparison | None:
    """Compare the liver outline with a second one.

    None without a CT, a liver, or the grid that the second one needs; with a tracer on whose uptake it was not trained;
    and where the second answer is too small for a liver: then it is no answer.
    """
    if volumes.ct is None or segmentations.liver is None or config.liver.coarse_mm != GRID_MM:
        return None
    if volumes.acquisition.tracer_is_sstr is False:
        return None
    images = coarse_of(volumes, config.liver.coarse_mm)
    whole = own_labels(segmentations.liver.labels)
    if whole is None:
        return None
    shift = shift_between(segmentations.liver.drawn_on, "ct", segmentations.mismatch)
    share = share_on(whole, images.geometry, shift, 0.0)
    if share is None or not share.inside.any():
        return None
    outlined = np.zeros(images.geometry.shape, dtype=bool)
    outlined[share.box] = share.inside
    used = share.box
    reach = round(_REACH_MM / GRID_MM)
    middle = (used[0].start + used[0].stop) // 2
    first = max(min(used[0].start, middle - reach), 0)
    last = min(max(used[0].stop, middle + reach), images.geometry.shape[0])
    box = (slice(first, last), slice(0, outlined.shape[1]), slice(0, outlined.shape[2]))
    second = volumes.once(_second_outline_of, config.liver.coarse_mm, first, last)
    if np.count_nonzero(second.liver) * images.voxel_ml < config.liver.minimum_ml:
        return None
    lateral_mm = (np.arange(outlined.shape[2]) - second.middle_column) * GRID_MM
    return compare_outlines(outlined[box], second.liver, images.geometry.crop(box), lateral_mm, second.likely)


def _second_outline_of(volumes: StudyVolumes, spacing_mm: float, first: int, last: int) -> SecondOutline:
    images: CoarseImages = coarse_of(volumes, spacing_mm)
    if images.hu is None:
        msg = "the second outline needs a CT"
        raise ValueError(msg)
    return second_outline(images.hu[first:last], images.uptake[first:last])
