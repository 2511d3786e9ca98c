"""The step after every segmenter that looks for the lesions' borders on CT: the PET's own, or a diagnostic one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.flags import Flag, raise_flag
from dotaliver.itkimage import resample_labels, resample_through
from dotaliver.records import MaskLayer, Segmentations, StudyVolumes, unseen_key
from dotaliver.registration import register_cts
from dotaliver.segmentation.ct_lesions import outline_lesions_on_ct
from dotaliver.volume import BoolArray, LabelMap, Volume

__all__ = ["with_lesions_on_ct"]

_NAME = "petct"
# Two CTs of one patient correlate above this near the liver, in whatever phase.
_LEAST_SIMILARITY = 0.6


@dataclass(frozen=True, eq=False)
class _View:
    """A CT with the lesions' places and the liver brought to its grid."""

    ct: Volume
    placed: LabelMap
    liver: BoolArray
    flags: tuple[Flag, ...] = ()


def with_lesions_on_ct(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add the outlines of lesions on the CT that diameters are measured on, and why others have none.

    Nothing is added where there is no CT, no liver, or where the lesions were drawn on that CT to begin with.

    Raises
    ------
    StudyError
        Where a diagnostic CT was named and cannot be registered.
    """
    lesions = found.lesions
    if found.ct_lesions is not None or lesions is None or found.liver is None or not lesions.labels.mask.any():
        return found
    if volumes.ct is None or (lesions.drawn_on == "ct" and volumes.recist_ct is None):
        return found
    view = _view(volumes, volumes.ct, found)
    outlines = outline_lesions_on_ct(view.ct, view.placed, view.liver, config.ct_lesions)
    missing = {n: "its place lies outside the CT" for n in set(lesions.labels.labels) - set(view.placed.labels)}
    layer = MaskLayer(outlines.labels, "ct", _NAME, config.lesions.border_uncertainty_mm)
    reasons = {unseen_key(label): why for label, why in (missing | outlines.unseen).items()}
    return replace(found, ct_lesions=layer, reasons={**found.reasons, **reasons}, flags=(*found.flags, *view.flags))


def _view(volumes: StudyVolumes, ct: Volume, found: Segmentations) -> _View:
    assert found.lesions is not None
    assert found.liver is not None
    # From the position that each mask was drawn in to that of the PET's CT.
    moved = [_in_position_of_ct(layer, found) for layer in (found.lesions, found.liver)]
    liver = resample_labels(moved[1], ct.geometry)
    if volumes.recist_ct is None:
        return _View(ct, resample_labels(moved[0], ct.geometry), liver.mask)
    onto = volumes.recist_ct
    pose = register_cts(onto, ct, liver.mask)
    series = volumes.identity.recist_ct
    name = "" if series is None else str(series.series_number or series.series_instance_uid)
    if pose.similarity < _LEAST_SIMILARITY:
        msg = (
            f"the diagnostic CT (series {name}) cannot be laid on the PET's CT (similarity {pose.similarity:.2f}); "
            "name a CT of the same patient that shows the whole liver with --recist-ct"
        )
        raise StudyError(msg)
    placed = resample_through(moved[0], onto.geometry, pose.transform)
    there = resample_through(LabelMap(liver.mask.astype(np.uint8), ct.geometry), onto.geometry, pose.transform)
    flag = raise_flag("RECIST_CT_REGISTERED", series=name, similarity=pose.similarity)
    return _View(onto, placed, there.mask, (flag,))


def _in_position_of_ct(layer: MaskLayer, found: Segmentations) -> LabelMap:
    shift = (0.0, 0.0, 0.0)
    if layer.drawn_on == "pet" and found.mismatch is not None:
        x, y, z = found.mismatch.shift_lps_mm
        shift = (-x, -y, -z)
    return LabelMap(layer.labels.array, layer.labels.geometry.moved(shift))
