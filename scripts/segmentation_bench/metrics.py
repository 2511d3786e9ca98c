"""What is measured on one study of the bench, and the textbook rules beside it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.pipeline import segment_study
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.segmentation.coarse import coarse_images
from dotaliver.segmentation.lesions.pet_lesions import find_lesions
from dotaliver.segmentation.lesions_and_reference import liver_share, normal_liver_within
from segmentation_bench.cohort import Case

Row = dict[str, Any]
BASELINES = ("fixed_suv10", "percent41", "percent50", "liver_2sd", "percist")
# A true lesion counts as found where a quarter of it is outlined; an outline as true where a quarter of it is tumour.
COVERED = 0.25
# The outline of a spot that no PET resolves (a ball of 13.5 mm, twice its FWHM) is larger than the lesion: it is true
# where it holds half of one.
UNRESOLVED_ML = 1.3
# A label holds a true lesion of which this share lies in it.
HELD = 0.5
# Liver in the first or last slice of the CT over this area is cut.
CUT_CM2 = 5.0


def dice(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float | None:
    """Overlap of two masks; None where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return None if total == 0 else 2.0 * int((a & b).sum()) / total


def run(case: Case, *, baselines: bool = True) -> tuple[Row, Segmentations, StudyScore]:
    """Score one study and hold the answers against the truth."""
    config = ScoringConfig()
    start = time.perf_counter()
    found = segment_study(case.volumes, config)
    score = score_labels(case.volumes, found, ReaderEdits(), config)
    seconds = time.perf_counter() - start
    row: Row = {"name": case.name, "family": case.family, "kind": case.kind, "seconds": seconds}
    row |= {"flags": sorted({flag.code for flag in score.flags}), "doubts": _doubts(case, found)}
    row |= _liver(case, found)
    row |= _lesions(case, found)
    row |= _answers(case, score)
    if baselines and found.liver is not None:
        row["baselines"] = _baselines(case, found, config)
    return row, found, score


def _doubts(case: Case, found: Segmentations) -> Row:
    """What is true of the things that flags warn of; None where it is not known."""
    ends_cm2 = [float(case.liver.mask[k].sum()) * case.liver.geometry.voxel_volume_ml for k in (0, -1)]
    thickness_cm = case.liver.geometry.spacing_mm[0] / 10.0
    return {
        "cut": max(ends_cm2) / thickness_cm > CUT_CM2,
        "shift_mm": case.shift_mm,
        "found_shift_mm": None if found.mismatch is None else found.mismatch.shift_lps_mm[2],
    }


def _liver(case: Case, found: Segmentations) -> Row:
    truth = case.liver
    if found.liver is None:
        return {"liver_found": False, "liver_dice": 0.0, "liver_error": -1.0, "liver_ml": truth.volume_ml()}
    mask = resample_labels(found.liver.labels, truth.geometry).mask
    true_ml = truth.volume_ml()
    return {
        "liver_found": True,
        "liver_dice": dice(mask, truth.mask),
        "liver_error": found.liver.labels.volume_ml() / true_ml - 1.0,
        "liver_ml": true_ml,
    }


def _lesions(case: Case, found: Segmentations) -> Row:
    truth = case.lesions_on_pet.array.astype(np.int64)
    if found.liver is None or found.lesions is None:
        labels = np.zeros(truth.shape, dtype=np.int64)
    else:
        labels = found.lesions.labels.array.astype(np.int64)
    pet = case.volumes.pet
    voxel_ml = pet.geometry.voxel_volume_ml
    avid = {x.label for x in case.lesions if x.contrast > 1.0}
    tumour = np.isin(truth, sorted(avid))
    known = [_true_lesion(x, truth == x.label, labels > 0) for x in case.lesions if x.label in avid]
    outlines = []
    for label in np.unique(labels[labels > 0]):
        own = labels == label
        volume_ml = float(own.sum()) * voxel_ml
        outlines.append(
            {
                "diameter_mm": float(np.cbrt(6000 * volume_ml / np.pi)),
                "contrast": float(pet.array[own].max() / case.liver_suv),
                "true": bool((own & tumour).sum() >= COVERED * own.sum())
                or (volume_ml <= UNRESOLVED_ML and _holds_one(truth * tumour, own)),
            }
        )
    return {
        "lesion_dice": dice(labels > 0, tumour),
        "known": [x for x in known if x is not None],
        "outlines": outlines,
        "volumes": _volume_errors(case, truth * tumour, labels, voxel_ml),
        "false_lesions": sum(not x["true"] for x in outlines),
        **_one_or_several(truth * tumour, labels),
    }


def _holds_one(truth: npt.NDArray[np.int64], own: npt.NDArray[np.bool_]) -> bool:
    """Whether half of some true lesion lies in an outline."""
    inside = np.bincount(truth[own])
    inside[0] = 0
    return any(inside[n] >= HELD * np.count_nonzero(truth == n) for n in np.flatnonzero(inside))


def _one_or_several(truth: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> Row:
    """How many true lesions lie in several labels, and how many labels hold several true lesions.

    A label lies in the true lesion that it holds most of; it holds a true lesion of which half lies in it. True lesions
    that touch count as several, also where no PET can tell.
    """
    both = np.zeros((int(truth.max(initial=0)) + 1, int(labels.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(both, (truth.ravel(), labels.ravel()), 1)
    whole = both.sum(axis=1)
    inner = both[1:, 1:]
    if not inner.size:
        return {"lesions_in_several_labels": 0, "labels_of_several_lesions": 0}
    owners = inner.argmax(axis=0)[inner.max(axis=0) > 0]
    held = (inner > 0) & (inner >= HELD * whole[1:, None])
    return {
        "lesions_in_several_labels": int((np.bincount(owners) > 1).sum()),
        "labels_of_several_lesions": int((held.sum(axis=0) > 1).sum()),
    }


def _true_lesion(lesion: Any, own: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> Row | None:
    if not own.any():  # smaller than a voxel, or outside the PET
        return None
    covered = bool((own & found).sum() >= COVERED * own.sum())
    return {"diameter_mm": lesion.diameter_mm, "contrast": lesion.contrast, "found": covered}


def _volume_errors(
    case: Case, truth: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], voxel_ml: float
) -> list[Row]:
    """Relative volume errors of lesions of 15 mm and more; lesions that were outlined as one (or in parts) together."""
    large = {x.label for x in case.lesions if x.diameter_mm >= 15 and x.contrast >= 1.5}
    both = (truth > 0) & (labels > 0)
    pairs = {(int(a), int(b)) for a, b in zip(truth[both], labels[both], strict=True)}
    # A few voxels of contact join nothing
    counts = {pair: int(((truth == pair[0]) & (labels == pair[1])).sum()) for pair in pairs}
    # A true lesion beyond the field of view has no voxel
    sizes_t = np.bincount(truth.ravel(), minlength=max(large, default=0) + 1)
    sizes_l = np.bincount(labels.ravel())
    pairs = {p for p in pairs if counts[p] >= 0.2 * min(sizes_t[p[0]], sizes_l[p[1]])}
    errors, seen = [], set()
    for first in sorted(large):
        if first in seen:
            continue
        mine, theirs, grown = {first}, set(), True
        while grown:
            before = (len(mine), len(theirs))
            theirs |= {b for a, b in pairs if a in mine}
            mine |= {a for a, b in pairs if b in theirs}
            grown = (len(mine), len(theirs)) != before
        seen |= mine
        true_ml = float(sum(sizes_t[n] for n in mine)) * voxel_ml
        found_ml = float(sum(sizes_l[n] for n in theirs)) * voxel_ml
        if theirs and true_ml > 0:
            errors.append({"true_ml": true_ml, "error": found_ml / true_ml - 1.0, "lesions": len(mine)})
    return errors


def _answers(case: Case, score: StudyScore) -> Row:
    liver = score.references["liver"]
    burden, exc4, inc7 = score.burden, score.criteria["EXC4"], score.criteria["INC7"]
    error = None if liver.suv_mean is None else liver.suv_mean / case.liver_suv - 1.0
    best = max(((x.contrast, x.diameter_mm) for x in case.lesions if x.diameter_mm >= 15), default=(0.0, 0.0))
    return {
        "reference": liver.method,
        "reference_error": error,
        "burden_true": case.burden,
        "burden_true_whole": case.burden_whole,
        "burden": burden.fraction,
        "low": burden.low,
        "high": burden.high,
        "exc4": exc4.liver_finding,
        "exc4_true": "met" if case.burden_whole > 0.8 else "not_met",
        "inc7": inc7.liver_finding,
        "inc7_true": case.inc7,
        "inc7_reason": inc7.reason,
        "exc4_reason": exc4.reason,
        **_answers_on_ct(case, score),
        "best_contrast": best[0],
    }


def _answers_on_ct(case: Case, score: StudyScore) -> Row:
    """The answers that rest on the CT, where their truth is known: nothing is measurable under 10 mm (RECIST 1.1)."""
    size = case.largest_mm
    return {
        "inc4": score.criteria["INC4"].liver_finding,
        "inc4_reason": score.criteria["INC4"].reason,
        "inc4_true": None if size is None else "met" if size >= 10.0 else "not_met",
        "exc6": score.criteria["EXC6"].liver_finding,
        "exc6_reason": score.criteria["EXC6"].reason,
        "exc6_true": case.exc6,
    }


def _baselines(case: Case, found: Segmentations, config: ScoringConfig) -> dict[str, Row]:
    """Textbook rules inside the same liver: a rule's burden is the volume of its lesions over that of the liver."""
    share = liver_share(case.volumes.pet, found, config)
    if share is None or found.liver is None:
        return {}
    pet = case.volumes.pet.crop(share.box)
    images = coarse_images(case.volumes.pet, case.volumes.ct, config.liver.coarse_mm)
    normal = normal_liver_within(images, found, config).uptake
    tumour = np.isin(case.lesions_on_pet.array, [x.label for x in case.lesions if x.contrast > 1.0])
    liver_ml = found.liver.labels.volume_ml()
    rows = {}
    for method in BASELINES:
        labels, _ = find_lesions(pet, share.part, normal, config.lesions.model_copy(update={"method": method}))
        mask = np.zeros(tumour.shape, dtype=bool)
        mask[share.box] = labels > 0
        tumour_ml = float(mask.sum()) * pet.geometry.voxel_volume_ml
        rows[method] = {"lesion_dice": dice(mask, tumour), "burden_error": tumour_ml / liver_ml - case.burden}
    return rows
