"""Replace masks by corrected ones: keep what still holds of the earlier result, and drop the rest.

A new liver invalidates everything that was found in it. New lesions in the same liver keep what does not depend on
them: spleen, blood pool and lobes; the normal-liver sphere as long as no lesion comes near it; candidates on CT that no
changed lesion covers; and the outlines on CT of unchanged lesions. A reader who corrects one lesion thus changes no
measurement of another, and the steps that follow look only for what is missing.

What depends on what, and so what is found or measured anew:

===================================  ===================================================================================
Depends on                           Result
===================================  ===================================================================================
Images alone                         Coarse images, second liver outline (`StudyVolumes.once`)
Height of the liver                  Blood pool (`StudyVolumes.recent`)
Liver mask                           Its place on PET, coarse and burden grid (`LabelMap.once`); candidates on CT with
                                     what is detectable, spleen, lobes, search outside the liver (kept until the liver
                                     changes)
Liver and lesions within the reach   Each lesion's outline on CT (kept by `with_masks` and `with_known_outlines`; the
of one lesion                        last ones found by `StudyVolumes.recent`)
Distance of lesions                  Normal-liver sphere
One lesion's outline                 Its diameters (`StudyVolumes.recent`)
Normal liver, any lesion             Ratios, burden, candidates' uptake, answers: always measured
===================================  ===================================================================================

`once` and `recent` give a function nothing but what its key holds. A test of the viewer compares random edits with
measuring everything (``test_measuring_again.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.sparse import sparse_zeros
from dotaliver.image.volume import LabelMap, differing_box, used_box
from dotaliver.records.masks import MaskLayer, ReferenceRegion, Segmentations
from dotaliver.records.positions import in_position_of
from dotaliver.segmentation.recist_mr import MR_FLAGS

__all__ = ["CANDIDATES_FLAG", "REGISTERED_FLAG", "Corrections", "with_known_outlines", "with_masks", "without"]

CANDIDATES_FLAG = "LESIONS_NOT_BOUND_BY_LIVER"
"""Foci listed without a liver are not its lesions: once a liver is given, lesions are searched for again."""
REGISTERED_FLAG = "RECIST_IMAGE_REGISTERED"
# Flags about a liver, which do not hold for the one that replaces it.
_OF_THE_LIVER = frozenset({"LIVER_NOT_FOUND", "LIVER_FROM_PET_ALONE", "LIVER_FROM_CT_ALONE"})
# Volumes on two grids differ by rounding at the border, by far less than this.
_CLEARLY_BELOW = 0.8
# Two ways to compute one distance differ by rounding.
_SAME_DISTANCE_MM = 1e-3


@dataclass(frozen=True)
class Corrections:
    """Masks that replace earlier ones; None keeps the earlier one."""

    liver: MaskLayer | None = None
    lesions: MaskLayer | None = None


def with_masks(base: Segmentations, other: Corrections, config: ScoringConfig) -> Segmentations:
    """Replace masks, and drop what no longer holds.

    Parameters
    ----------
    base : Segmentations
        What was found, complete or as it was stored.
    other : Corrections
        A liver, lesions, or both, imported or painted.
    config : ScoringConfig
        Which distance a reference keeps from lesions, and when a candidate on CT is part of one.

    Returns
    -------
    Segmentations
        To be completed by `dotaliver.pipeline.segment_study`.
    """
    if other.liver is not None:
        return _in_another_liver(base, other)
    if other.lesions is None:
        return base
    return _with_other_lesions(base, other.lesions, config)


def _in_another_liver(base: Segmentations, other: Corrections) -> Segmentations:
    codes = {flag.code for flag in base.flags}
    lesions = other.lesions or (None if CANDIDATES_FLAG in codes else base.lesions)
    overtaken = _OF_THE_LIVER | {CANDIDATES_FLAG, REGISTERED_FLAG} | MR_FLAGS
    return Segmentations(
        segmenter=base.segmenter,
        liver=other.liver,
        lesions=lesions,
        mismatch=base.mismatch,
        reasons={k: v for k, v in base.reasons.items() if k != "liver"},
        flags=tuple(flag for flag in base.flags if flag.code not in overtaken),
    )


def _with_other_lesions(base: Segmentations, lesions: MaskLayer, config: ScoringConfig) -> Segmentations:
    same = _unchanged(base.lesions, lesions)
    changed = replace(lesions, labels=_without(lesions.labels, same))
    outlines = base.ct_lesions
    if outlines is not None:
        gone = set(outlines.labels.labels) - same
        if gone:
            outlines = replace(outlines, labels=without(outlines.labels, gone))
    unseen = {} if outlines is None else {n: why for n, why in base.unseen_on_ct.items() if n in same}
    return replace(
        base,
        lesions=lesions,
        references=tuple(r for r in base.references if r.organ != "liver" or _still_clear(r, base, lesions, config)),
        flags=tuple(
            flag
            for flag in base.flags
            if flag.code != CANDIDATES_FLAG and (flag.code != REGISTERED_FLAG or outlines is not None)
        ),
        ct_foci=_uncovered(base, changed, config),
        ct_lesions=outlines,
        unseen_on_ct=unseen,
    )


def with_known_outlines(given: Segmentations, known: Segmentations, config: ScoringConfig) -> Segmentations:
    """Reuse outlines on CT from an earlier correction, where nothing near them has changed.

    An outline depends only on the lesion, the liver and the lesions around it, so a new search would find the same. In
    confluent disease it depends on how much of the liver is tumour, too; then only a liver that stayed counts.

    Parameters
    ----------
    given : Segmentations
        From `with_masks`, with outlines to be looked for.
    known : Segmentations
        Complete, with lesions and liver at the same place.
    config : ScoringConfig
        How far around a lesion is looked.
    """
    lesions, outlines = given.lesions, known.ct_lesions
    if lesions is None or known.lesions is None or outlines is None:
        return given
    stroke = _changed_of_liver(given, known, lesions, config)
    if stroke is None:
        return given
    standing = set() if given.ct_lesions is None else set(given.ct_lesions.labels.labels)
    wanted = {n for n in set(lesions.labels.labels) - standing if n not in given.unseen_on_ct}
    seen = set(outlines.labels.labels)
    known_labels = {n for n in wanted & _unchanged(known.lesions, lesions) if n in seen or n in known.unseen_on_ct}
    taken = known_labels & _undisturbed(
        known.lesions.labels, lesions.labels, (wanted, known_labels), _reach(lesions, outlines, config), stroke
    )
    if not taken:
        return given
    whole = outlines.labels.geometry
    array = sparse_zeros(whole.shape, np.uint16) if given.ct_lesions is None else given.ct_lesions.labels.array.copy()
    for label, box in outlines.labels.boxes():
        if label in taken:
            part = array[box]
            part[(outlines.labels.array[box] == label) & (part == 0)] = label
    unseen = {n: known.unseen_on_ct[n] for n in sorted(taken - seen)}
    # The border uncertainty stays that of the layer.
    standing_borders = {} if given.ct_lesions is None else given.ct_lesions.borders
    borders = {**outlines.borders, **standing_borders}
    layer = replace(outlines, labels=outlines.labels.with_array(array), borders=borders)
    return replace(given, ct_lesions=layer, unseen_on_ct={**given.unseen_on_ct, **unseen})


def _changed_of_liver(
    given: Segmentations, known: Segmentations, lesions: MaskLayer, config: ScoringConfig
) -> tuple[Box, ...] | None:
    """Where the liver changed, as a box of the lesions' grid, or nowhere; None where outlines may differ anywhere."""
    now, before = given.liver, known.liver
    if now is before or (now is not None and before is not None and now.labels is before.labels):
        return ()
    if now is None or before is None or now.drawn_on != before.drawn_on or given.mismatch != known.mismatch:
        return None
    # A diagnostic CT is laid on the PET's by the liver.
    if known.recist_registration is not None or not now.labels.geometry.is_close(before.labels.geometry):
        return None
    # How full of tumour the liver is decides whether lesions have borders of their own.
    filled = lesions.labels.volume_ml() / now.labels.volume_ml()
    if (
        max(filled, lesions.labels.volume_ml() / before.labels.volume_ml())
        > _CLEARLY_BELOW * config.ct_lesions.confluent_share
    ):
        return None
    box = differing_box(before.labels, now.labels)
    if box is None:
        return ()
    grid = in_position_of(lesions.drawn_on, now, given.mismatch).geometry.crop(box)
    there = lesions.labels.geometry.box_of(grid.corners_lps_mm(), 1)
    return () if there is None else (there,)


def _reach(lesions: MaskLayer, outlines: MaskLayer, config: ScoringConfig) -> npt.NDArray[np.int64]:
    """Voxels around a lesion that may affect its outline, for any angle between the two grids."""
    far_mm = config.ct_lesions.surroundings_mm[1] + 3 * max(outlines.labels.geometry.spacing_mm)
    voxels = np.ceil(np.sqrt(3) * far_mm / np.asarray(lesions.labels.geometry.spacing_mm)) + 2
    return np.asarray(voxels, dtype=np.int64)


def _undisturbed(
    old: LabelMap,
    new: LabelMap,
    labels: tuple[set[int], set[int]],
    reach: npt.NDArray[np.int64],
    stroke: tuple[Box, ...],
) -> set[int]:
    """Known lesions without a changed voxel or a new outline nearby; ``stroke`` is where the liver changed."""
    wanted, known = labels
    changed = used_box(np.asarray(old.array != new.array))
    boxes = dict(new.boxes())
    anew = [boxes[n] for n in wanted - known] + ([] if changed is None else [changed]) + list(stroke)
    undisturbed = set(known)
    while True:
        near = {n for n in undisturbed if any(_meet(grow_box(boxes[n], reach, new.array.shape), box) for box in anew)}
        if not near:
            return undisturbed
        undisturbed -= near
        anew = [boxes[n] for n in near]


def _meet(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _unchanged(before: MaskLayer | None, now: MaskLayer) -> set[int]:
    """Labels with the same voxels in both masks."""
    if before is None or before.drawn_on != now.drawn_on or not before.labels.geometry.is_close(now.labels.geometry):
        return set()
    old, new = before.labels, now.labels
    box = used_box(np.asarray(old.array != new.array))
    known = set(old.labels) & set(new.labels)
    if box is None:
        return known
    differ = old.array[box] != new.array[box]
    return known - {int(n) for part in (old, new) for n in np.unique(part.array[box][differ])}


def without(labels: LabelMap, some: set[int]) -> LabelMap:
    """A label map without some labels, on the same grid."""
    if not some & set(labels.labels):
        return labels
    array = labels.array.copy()
    for label, box in labels.boxes():
        if label in some:
            part = array[box]
            part[part == label] = 0
    return labels.with_array(array)


def _without(labels: LabelMap, some: set[int]) -> LabelMap:
    """A label map without some labels, cropped to the others; one voxel of background if none is left."""
    kept = np.zeros(int(labels.array.max(initial=0)) + 1, dtype=labels.array.dtype)
    for label in set(labels.labels) - some:
        kept[label] = label
    box = used_box(np.asarray(kept[labels.array] != 0)) or (slice(0, 1), slice(0, 1), slice(0, 1))
    return LabelMap(kept[labels.array[box]], labels.geometry.crop(box))


def _still_clear(region: ReferenceRegion, base: Segmentations, lesions: MaskLayer, config: ScoringConfig) -> bool:
    """Whether a normal-liver sphere of full size keeps its distance from lesions; smaller ones are placed again."""
    if region.method != "sphere" or region.centre_lps_mm is None or region.diameter_mm is None:
        return False
    grid = in_position_of("pet", lesions, base.mismatch).geometry
    margin_mm = region.diameter_mm / 2.0 + config.reference.lesion_margin_mm - _SAME_DISTANCE_MM
    for label, box in lesions.labels.boxes():
        places = grid.crop(box).index_to_lps(np.argwhere(lesions.labels.array[box] == label))
        if float(np.linalg.norm(places - np.asarray(region.centre_lps_mm), axis=1).min()) < margin_mm:
            return False
    return True


def _uncovered(base: Segmentations, changed: MaskLayer, config: ScoringConfig) -> MaskLayer | None:
    """The candidates on CT without those that a changed lesion covers."""
    layer = base.ct_foci
    if layer is None or not changed.labels.array.any():
        return layer
    hot = in_position_of(layer.drawn_on, changed, base.mismatch)
    covered: set[int] = set()
    for label, box in layer.labels.boxes():
        there = resample_labels(hot, layer.labels.geometry.crop(box)).mask[layer.labels.array[box] == label]
        if float(there.mean()) >= config.ct_foci.avid_share:
            covered.add(label)
    if not covered:
        return layer
    return replace(layer, labels=without(layer.labels, covered))
