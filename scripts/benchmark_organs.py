#!/usr/bin/env python3
"""Spleen, blood pool, lobes and receptor-negative candidates against phantoms whose truth is known.

    .venv/bin/python scripts/benchmark_organs.py [--studies 24] [--others 14] [--first-seed 7000]

Family `cold`: three receptor-negative lesions a study, 10 to 40 mm and 10 to 40 HU below the liver in turn, in every
second study beside avid ones. `clean`, `moderate` and `splenectomy` tell of false candidates and of what is found where
nothing is. The CT is 256² of 1.8 mm, the PET 104² of 4.07 mm; a study takes 10 to 30 s. Prints one line a study and the
tables at the end.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.phantom.presets import preset
from dotaliver.phantom.spec import LesionSpec, PhantomSpec
from dotaliver.phantom.study import PhantomStudy, make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.masks import Segmentations
from dotaliver.records.score import StudyScore
from dotaliver.segmentation.lesions_and_reference import add_lesions_and_reference
from dotaliver.segmentation.organs_and_ct_foci import with_other_organs
from dotaliver.segmentation.petct import segment

SIZES_MM = (10, 12, 15, 20, 25, 30, 40)
CONTRASTS_HU = (10, 20, 30, 40)
GRIDS = {"ct_matrix": 256, "ct_pixel_mm": 1.8, "pet_matrix": 104, "pet_pixel_mm": 4.07}
# Share of a candidate's voxels in one lesion that makes it that lesion's.
HIT = 0.2


@dataclass
class Tally:
    """What was counted over all studies."""

    hits: dict[tuple[int, int], list[bool]] = field(default_factory=lambda: defaultdict(list))
    false: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    spleen: list[float] = field(default_factory=list)
    blood: list[float] = field(default_factory=list)
    left_share: list[float] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def specification(family: str, seed: int) -> PhantomSpec:
    """One study of a family."""
    spec = preset("moderate" if family in {"moderate", "splenectomy"} else "clean", seed)
    changes: dict[str, object] = {"scanner": spec.scanner.model_copy(update=GRIDS)}
    if family == "splenectomy":
        changes["neighbours"] = spec.neighbours.model_copy(update={"spleen": False})
    if family == "cold":
        rng = np.random.default_rng(seed)
        pairs = [(d, h) for d in SIZES_MM for h in CONTRASTS_HU]
        chosen = [pairs[(3 * seed + k * 11) % len(pairs)] for k in range(3)]
        lesions = [
            LesionSpec(
                diameter_mm=d,
                contrast=float(rng.uniform(0.25, 0.8)),
                hu_difference=-float(h),
                roughness=0.08,
                elongation=float(rng.uniform(1, 1.3)),
            )
            for d, h in chosen
        ]
        if seed % 2:
            sizes = rng.uniform(8, 28, 3)
            lesions += [LesionSpec(diameter_mm=float(d), hu_difference=float(rng.uniform(-45, 8))) for d in sizes]
        changes["lesions"] = tuple(lesions)
    return spec.model_copy(update=changes)


def count(tally: Tally, family: str, study: PhantomStudy, found: Segmentations, score: StudyScore) -> str:
    """Hold one score against the truth; a line to print."""
    truth, cold = study.truth, {n.label for n in study.truth.lesions if n.cold}
    owners = []
    for focus in (x for x in score.ct_foci if x.candidate):
        inside = study.lesions.array[found.ct_foci.labels.array == focus.label] if found.ct_foci else np.zeros(1, int)
        counts = np.bincount(inside, minlength=2)
        owner = int(counts[1:].argmax()) + 1
        owners.append(owner if counts[owner] > HIT * inside.size else 0)
    for lesion in (n for n in truth.lesions if n.cold):
        size = min(SIZES_MM, key=lambda d: abs(d - lesion.diameter_mm))
        below = min(CONTRASTS_HU, key=lambda h: abs(h - (truth.liver_hu - lesion.hu)))
        tally.hits[size, below].append(lesion.label in owners)
    false = sum(1 for owner in owners if owner not in cold)
    tally.false[family].append(false)
    for organ, errors, known in (("spleen", tally.spleen, "spleen"), ("blood_pool", tally.blood, "aorta")):
        value = score.references[organ].suv_mean
        if value is None:
            tally.missing[f"{organ} ({family})"] += 1
        else:
            errors.append(value / truth.organ_suv[known] - 1)
    if found.lobes is not None:
        tally.left_share.append(left_share_error(study, found))
    word = score.criteria["EXC6"].liver_finding
    return f"{family} {study.spec.seed}: EXC6 in the liver {word}, {len(owners)} candidates, {false} false"


def left_share_error(study: PhantomStudy, found: Segmentations) -> float:
    """Share of the true liver left of the plane, less that left of the plane through the true landmarks."""
    organs, grid = study.organs.array[::2, ::3, ::3], study.organs.geometry

    def places(mask: np.ndarray) -> np.ndarray:
        return grid.index_to_lps(np.argwhere(mask) * [2, 3, 3])

    bladder = organs == Tissue.GALLBLADDER
    if not bladder.any() or found.lobes is None:
        return float("nan")
    liver = places(study.liver.array[::2, ::3, ::3] > 0)
    cava = places(organs == Tissue.VENA_CAVA)
    low, high = np.percentile(liver[:, 2], [33, 95])
    middle = cava[(cava[:, 2] > low) & (cava[:, 2] < high)].mean(axis=0)
    fossa = places(bladder).mean(axis=0)
    normal = np.array([fossa[1] - middle[1], middle[0] - fossa[0], 0.0])
    normal *= np.sign(normal[0])
    true = float(((liver - fossa) @ normal > 0).mean())
    return float(((liver - found.lobes.point_lps_mm) @ np.asarray(found.lobes.normal_lps) > 0).mean()) - true


def tables(tally: Tally) -> None:
    """Print what was counted."""
    print("\nSensitivity: found / drawn, by size (mm) and HU below the liver")
    print("HU   " + "".join(f"{d:>8}" for d in SIZES_MM))
    for below in CONTRASTS_HU:
        cells = [tally.hits[d, below] for d in SIZES_MM]
        print(f"-{below}  " + "".join(f"{f'{sum(c)}/{len(c)}':>8}" for c in cells))
    for family, counts in tally.false.items():
        print(f"false candidates per study, {family}: {np.mean(counts):.2f} ({len(counts)} studies)")
    for name, errors in (("spleen SUVmean", tally.spleen), ("blood SUVmean", tally.blood)):
        if errors:
            away = np.abs(errors)
            print(f"{name}: error median {np.median(away):.1%}, worst {away.max():.1%}, of {len(errors)}")
    known = np.abs([x for x in tally.left_share if np.isfinite(x)])
    if known.size:
        print(f"left lobe's share: off by median {np.median(known):.1%}, worst {known.max():.1%}, of {known.size}")
    print("no region:", dict(tally.missing) or "none", "| planes without a gallbladder:", end=" ")
    print(sum(1 for x in tally.left_share if not np.isfinite(x)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=24, help="of the family cold")
    parser.add_argument("--others", type=int, default=14, help="of clean and moderate each; half of it splenectomy")
    parser.add_argument("--first-seed", type=int, default=7000)
    chosen = parser.parse_args()
    counts = {"cold": chosen.studies, "clean": chosen.others, "moderate": chosen.others}
    counts["splenectomy"] = chosen.others // 2
    tally, config = Tally(), ScoringConfig()
    for family, number in counts.items():
        for seed in range(chosen.first_seed, chosen.first_seed + number):
            study = make_phantom(specification(family, seed))
            volumes = study_volumes(study)
            with_lesions = add_lesions_and_reference(volumes, segment(volumes, config), config)
            found = with_other_organs(volumes, with_lesions, config)
            score = score_labels(volumes, found, ReaderEdits(), config)
            print(count(tally, family, study, found, score), flush=True)
    tables(tally)


if __name__ == "__main__":
    main()
