"""Lesions that are one on PET and two on CT: outlined as two where the CT shows the border of both."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.geometry import Box
from dotaliver.image.itk import resample_labels
from dotaliver.image.morphology import box_around
from dotaliver.image.volume import BoolArray, LabelMap, Volume
from dotaliver.records.masks import BorderEvidence
from dotaliver.segmentation.lesions.bodies_on_ct import Bodies, bodies_on_ct
from dotaliver.segmentation.lesions.border_signs import where_neighbours_show
from dotaliver.segmentation.lesions.ct_outlines import CtOutlines, Divided, outline_lesions_on_ct, with_surroundings

__all__ = ["divided_like", "with_lesions_divided"]

# The border between two bodies counts as seen where the density of the body stands out this much from liver: then half
# of its surface may face the other one. Otherwise a border against another lesion is one that the CT does not show.
_STRONG_HU, _MOST_SHARED_SHARE = 12.0, 0.35


def with_lesions_divided(
    ct: Volume, placed: LabelMap, liver: BoolArray, found: CtOutlines, config: CtLesionConfig, next_label: int
) -> CtOutlines:
    """Outline lesions as two where the CT shows two bodies under one uptake and the border of both.

    Parameters
    ----------
    ct, placed, liver, config
        As in `outline_lesions_on_ct`.
    found : CtOutlines
        The outlines, or reasons for none, of the lesions that may be divided.
    next_label : int
        For the first further lesion.

    Returns
    -------
    CtOutlines
        With ``divided`` where any is; the larger part keeps the label.
    """
    uptake, boxes = placed.array, dict(placed.boxes())
    waiting = deque(label for label in sorted({*found.unseen, *found.borders}) if label in boxes)
    lesion_of: dict[int, int] = {}
    while waiting:
        label = waiting.popleft()
        box = with_surroundings(boxes[label], ct.geometry, config)
        part = ct.crop(box)
        if label in found.bodies and np.array_equal(uptake[box], placed.array[box]):
            bodies = found.bodies[label]
        else:
            bodies = bodies_on_ct(part, uptake[box], liver[box], label, config)
        if bodies is None:
            continue
        both = _outlines_of(bodies, part, uptake[box], liver[box], (label, next_label), config)
        if both is None:
            continue
        if not lesion_of:
            uptake = np.array(uptake)
        lesion_of[next_label] = lesion_of.get(label, label)
        uptake[box][bodies.smaller] = next_label
        boxes[next_label] = boxes[label]
        found = _with_both(found, both, box, label)
        waiting += (label, next_label)
        next_label += 1
    return replace(found, divided=Divided(LabelMap(uptake, placed.geometry), lesion_of)) if lesion_of else found


def _outlines_of(
    bodies: Bodies,
    ct: Volume,
    placed: npt.NDArray[np.integer],
    liver: BoolArray,
    labels: tuple[int, int],
    config: CtLesionConfig,
) -> tuple[CtOutlines, CtOutlines] | None:
    """The outlines of both bodies; None where the CT does not show both."""
    uptake = np.where(bodies.smaller, labels[1], placed).astype(placed.dtype)
    config = where_neighbours_show(config)
    sure = config.model_copy(update={"most_shared_share": max(config.most_shared_share, _MOST_SHARED_SHARE)})
    outlines = []
    for label, contrast_hu in zip(labels, bodies.contrast_hu, strict=True):
        settings = sure if abs(contrast_hu) >= _STRONG_HU else config
        found = outline_lesions_on_ct(ct, LabelMap(uptake, ct.geometry), liver, settings, frozenset({label}))
        if label not in found.borders:
            return None
        outlines.append(found)
    return outlines[0], outlines[1]


def _with_both(found: CtOutlines, both: tuple[CtOutlines, CtOutlines], box: Box, label: int) -> CtOutlines:
    """The outlines with those of two bodies in place of the one of their lesion."""
    array = found.labels.array.copy()
    view = array[box]
    view[view == label] = 0
    borders: dict[int, BorderEvidence] = dict(found.borders)
    for body in both:
        free = (body.labels.array != 0) & (view == 0)
        view[free] = body.labels.array[free]
        borders.update(body.borders)
    unseen = {key: reason for key, reason in found.unseen.items() if key != label}
    return replace(found, labels=LabelMap(array, found.labels.geometry), unseen=unseen, borders=borders)


def divided_like(lesions: LabelMap, divided: Divided) -> LabelMap:
    """The labels on PET, divided like those that were divided on CT.

    Parameters
    ----------
    lesions : LabelMap
        On the PET's grid, at their place on CT.
    divided : Divided
        The same on the CT's grid, some of them under several labels.

    Returns
    -------
    LabelMap
        On the PET's grid. Voxels of a divided lesion go to its nearest part.
    """
    grid = lesions.geometry
    there = resample_labels(divided.placed, grid).array
    array = lesions.array.copy()
    for lesion in sorted(set(divided.lesion_of.values())):
        own = lesions.array == lesion
        parts = [lesion, *(label for label, whole in divided.lesion_of.items() if whole == lesion)]
        box = box_around(own, grid, 0.0)
        own = own[box]
        known = own & np.isin(there[box], parts)
        nearest = distance_transform_edt(~known, sampling=grid.spacing_mm, return_distances=False, return_indices=True)
        array[box][own] = there[box][tuple(nearest)][own]
    return LabelMap(array, grid)
