"""The step after every segmenter that looks for the lesions' borders on CT: the PET's own, or a diagnostic one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dotaliver.config import ScoringConfig
from dotaliver.errors import StudyError
from dotaliver.flags import Flag, raise_flag
from dotaliver.geometry import Box, Geometry
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
    """A CT, or a box of it, with the lesions' places and the liver brought to its grid."""

    ct: Volume
    placed: LabelMap
    liver: BoolArray
    box: Box
    flags: tuple[Flag, ...] = ()


def with_lesions_on_ct(volumes: StudyVolumes, found: Segmentations, config: ScoringConfig) -> Segmentations:
    """Add the outlines of lesions on the CT that diameters are measured on, and why others have none.

    Lesions that have an outline already, or a reason for none, keep it. Nothing is added where there is no CT, no
    liver, or where the lesions were drawn on that CT to begin with.

    Raises
    ------
    StudyError
        Where a diagnostic CT was named and cannot be registered.
    """
    lesions = found.lesions
    if lesions is None or found.liver is None or volumes.ct is None:
        return found
    if lesions.drawn_on == "ct" and volumes.recist_ct is None:
        return found
    wanted = _not_looked_for(found, lesions)
    if not wanted:
        return found
    view = _view(volumes, volumes.ct, found, (wanted, config.ct_lesions.surroundings_mm[1]))
    outlines = outline_lesions_on_ct(view.ct, view.placed, view.liver, config.ct_lesions, wanted)
    missing = {n: "its place lies outside the CT" for n in wanted - set(view.placed.labels)}
    whole = volumes.ct if volumes.recist_ct is None else volumes.recist_ct
    labels = _added(found.ct_lesions, outlines.labels, view.box, whole.geometry)
    layer = MaskLayer(labels, "ct", _NAME, config.lesions.border_uncertainty_mm)
    reasons = {unseen_key(label): why for label, why in (missing | outlines.unseen).items()}
    codes = {flag.code for flag in view.flags}
    flags = (*(flag for flag in found.flags if flag.code not in codes), *view.flags)
    return replace(found, ct_lesions=layer, reasons={**found.reasons, **reasons}, flags=flags)


def _not_looked_for(found: Segmentations, lesions: MaskLayer) -> frozenset[int]:
    """Lesions that neither have an outline on CT nor a reason for none."""
    every = frozenset(lesions.labels.labels)
    if found.ct_lesions is None:
        return every
    outlined = every & set(found.ct_lesions.labels.labels)
    return frozenset(label for label in every - outlined if unseen_key(label) not in found.reasons)


def _added(before: MaskLayer | None, new: LabelMap, box: Box, whole: Geometry) -> LabelMap:
    """New outlines beside those that stand, on the whole grid; a voxel stays with the first."""
    array = np.zeros(whole.shape, dtype=np.uint16) if before is None else before.labels.array.astype(np.uint16)
    part = array[box]
    np.copyto(part, new.array, where=part == 0, casting="same_kind")
    return LabelMap(array, whole)


def _view(volumes: StudyVolumes, ct: Volume, found: Segmentations, around: tuple[frozenset[int], float]) -> _View:
    """The CT that is looked at; of the PET's own only what lies within a distance of the lesions that are wanted."""
    assert found.lesions is not None
    assert found.liver is not None
    # From the position that each mask was drawn in to that of the PET's CT.
    moved = [_in_position_of_ct(layer, found) for layer in (found.lesions, found.liver)]
    if volumes.recist_ct is None:
        box = _box_around(moved[0], ct.geometry, *around)
        part = ct.crop(box)
        return _View(part, resample_labels(moved[0], part.geometry), _part_of(moved[1], ct.geometry, box), box)
    liver = resample_labels(moved[1], ct.geometry)
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
    whole = (slice(0, onto.geometry.shape[0]), slice(0, onto.geometry.shape[1]), slice(0, onto.geometry.shape[2]))
    return _View(onto, placed, there.mask, whole, (flag,))


def _box_around(labels: LabelMap, onto: Geometry, wanted: frozenset[int], margin_mm: float) -> Box:
    """The part of a grid that holds some labels and a margin around each, with room for rounding."""
    corners = [labels.geometry.crop(box).corners_lps_mm() for label, box in labels.boxes() if label in wanted]
    index = onto.lps_to_index(np.concatenate(corners))
    margin = np.ceil(margin_mm / np.asarray(onto.spacing_mm)) + 3
    size = np.asarray(onto.shape)
    low = np.clip(np.floor(index.min(axis=0) - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(index.max(axis=0) + margin), low + 1, size).astype(int)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return (k, j, i)


def _part_of(labels: LabelMap, grid: Geometry, box: Box) -> BoolArray:
    """A mask on a part of a grid."""
    if labels.geometry.is_close(grid):
        return np.asarray(labels.array[box] != 0)
    return resample_labels(labels, grid.crop(box)).mask


def _in_position_of_ct(layer: MaskLayer, found: Segmentations) -> LabelMap:
    shift = (0.0, 0.0, 0.0)
    if layer.drawn_on == "pet" and found.mismatch is not None:
        x, y, z = found.mismatch.shift_lps_mm
        shift = (-x, -y, -z)
    return LabelMap(layer.labels.array, layer.labels.geometry.moved(shift))
