"""The step after every segmenter that looks for the lesions' borders on CT: the PET's own, or a diagnostic one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config import CtLesionConfig, ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.flags import Flag, raise_flag
from dotaliver.geometry import Box, Geometry
from dotaliver.itkimage import resample_labels, resample_through
from dotaliver.records import MaskLayer, Segmentations, StudyVolumes, unseen_key
from dotaliver.registration import register_cts
from dotaliver.segmentation.ct_lesions import CtOutlines, outline_lesions_on_ct, with_surroundings
from dotaliver.volume import BoolArray, LabelMap, Volume

__all__ = ["CtView", "OutlinesJob", "view_of_lesions", "with_lesions_on_ct"]

_NAME = "petct"
# Two CTs of one patient correlate above this near the liver, in whatever phase.
_LEAST_SIMILARITY = 0.6


@dataclass(frozen=True, eq=False)
class OutlinesJob:
    """What the lesions' borders on CT are found from: the part of the CT around them, and the masks in it."""

    ct: Volume
    placed: LabelMap
    liver: BoolArray
    config: CtLesionConfig

    def run(self) -> CtOutlines:
        """Look for them."""
        return outline_lesions_on_ct(self.ct, self.placed, self.liver, self.config)


@dataclass(frozen=True, eq=False)
class CtView:
    """A CT's grid with the lesions' places and the liver brought to it, and the part of it that is looked at."""

    geometry: Geometry
    box: Box
    job: OutlinesJob
    flags: tuple[Flag, ...] = ()


def view_of_lesions(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> CtView | None:
    """Bring the lesions to the CT that diameters are measured on.

    Returns
    -------
    CtView or None
        None where there is no CT, no liver, where the lesions were drawn on that CT to begin with, or where their
        outlines on it stand already.

    Raises
    ------
    StudyError
        Where a diagnostic CT was named and cannot be registered.
    """
    lesions = found.lesions
    if found.ct_lesions is not None or lesions is None or found.liver is None or lesions.labels.used is None:
        return None
    if volumes.ct is None or (lesions.drawn_on == "ct" and volumes.recist_ct is None):
        return None
    # From the position that each mask was drawn in to that of the PET's CT.
    moved = [_in_position_of_ct(layer, found) for layer in (lesions, found.liver)]
    liver = resample_labels(moved[1], volumes.ct.geometry)
    if volumes.recist_ct is None:
        placed = resample_labels(moved[0], volumes.ct.geometry)
        return _view(volumes.ct, placed, liver.mask, config)
    onto = volumes.recist_ct
    pose = register_cts(onto, volumes.ct, liver.mask)
    series = volumes.identity.recist_ct
    name = "" if series is None else str(series.series_number or series.series_instance_uid)
    if pose.similarity < _LEAST_SIMILARITY:
        msg = (
            f"the diagnostic CT (series {name}) cannot be laid on the PET's CT (similarity {pose.similarity:.2f}); "
            "name a CT of the same patient that shows the whole liver with --recist-ct"
        )
        raise StudyError(msg)
    placed = resample_through(moved[0], onto.geometry, pose.transform)
    there = resample_through(LabelMap(liver.mask, liver.geometry), onto.geometry, pose.transform)
    flag = raise_flag("RECIST_CT_REGISTERED", series=name, similarity=pose.similarity)
    return replace(_view(onto, placed, there.mask, config), flags=(flag,))


def _view(ct: Volume, placed: LabelMap, liver: BoolArray, config: ScoringConfig) -> CtView:
    used = placed.used
    if used is None:
        box: Box = (slice(0, 0), slice(0, 0), slice(0, 0))
    else:
        box = with_surroundings(used, ct.geometry, config.ct_lesions)
    there = LabelMap(placed.array[box], ct.geometry.crop(box))
    return CtView(ct.geometry, box, OutlinesJob(ct.part(box), there, liver[box], config.ct_lesions))


def with_lesions_on_ct(
    found: Segmentations, view: CtView | None, outlines: CtOutlines | None, config: ScoringConfig
) -> Segmentations:
    """Add the outlines of lesions on the CT that diameters are measured on, and why others have none."""
    if view is None or outlines is None or found.lesions is None:
        return found
    labels = np.zeros(view.geometry.shape, dtype=np.uint16)
    labels[view.box] = outlines.labels.array
    layer = MaskLayer(LabelMap(labels, view.geometry), "ct", _NAME, config.lesions.border_uncertainty_mm)
    outside = set(found.lesions.labels.labels) - set(view.job.placed.labels)
    missing = dict.fromkeys(sorted(outside), "its place lies outside the CT")
    reasons = {unseen_key(label): why for label, why in (missing | outlines.unseen).items()}
    return replace(found, ct_lesions=layer, reasons={**found.reasons, **reasons}, flags=(*found.flags, *view.flags))


def _in_position_of_ct(layer: MaskLayer, found: Segmentations) -> LabelMap:
    shift = (0.0, 0.0, 0.0)
    if layer.drawn_on == "pet" and found.mismatch is not None:
        x, y, z = found.mismatch.shift_lps_mm
        shift = (-x, -y, -z)
    return LabelMap(layer.labels.array, layer.labels.geometry.moved(shift))
