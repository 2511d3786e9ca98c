#!/usr/bin/env python3
"""Fit how suspicious a place on CT is, on phantoms drawn at random and on real CTs, all with lesions put into them.

    python scripts/fit_ct_suspicion.py --cache FOLDER [--phantoms 120] [--data FOLDER]

Writes src/dotaliver/segmentation/lesions/ct_suspicion_trees.npz; its card is ct_suspicion_trees.md. Every place that
relaxed rules let through is one case, whether it lies in a lesion the answer. First the trees are cross-validated: each
family of anatomies and each real CT is judged by trees that were fitted without it, by the rules as they are. The CT of
`KEPT_OUT` is never fitted on.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from body_bench.boosting import Boosting, fit_trees
from negative_bench.places import Places, held_out_places, phantom_places, real_places
from negative_bench.scenes import HELD_OUT, coarser, real_livers

from dotaliver.segmentation.lesions.ct_focus_features import FEATURES, RISING
from dotaliver.segmentation.trees import Trees, logits, trees_as_arrays

KEPT_OUT = ("hybrid_real_tumours",)
REAL = ("hybrid_moderate", "hybrid_real_tumours", "labelled")
REAL_SEEDS = 3
# Other anatomies than the benchmark's
HELD_OUT_SEEDS = (11,)
FOLDS = 5
HOW = Boosting(trees=120, depth=3, rate=0.08, ridge=6.0, least_hessian=3.0, share_of_features=0.2)
LIMITS = (0.15, 0.3, 0.4, 0.5, 0.6)
OUT = Path(__file__).parents[1] / "src" / "dotaliver" / "segmentation" / "lesions" / "ct_suspicion_trees.npz"


def fit(searches: list[Places]) -> Trees:
    x = np.vstack([s.features for s in searches])
    owners = np.concatenate([s.owners for s in searches])
    rising = tuple(FEATURES.index(name) for name in RISING)
    return fit_trees(x[owners >= 0], owners[owners >= 0] > 0, rising, HOW)


def fold_of(group: str) -> str:
    """Each real CT is a fold; families of anatomies share a few."""
    return group if group in REAL else f"phantoms {zlib.crc32(group.encode()) % FOLDS}"


def cross_validated(searches: list[Places]) -> list[np.ndarray]:
    """Suspicion of each place by trees that were fitted without its fold."""
    folds = {fold_of(s.group) for s in searches}
    trees = {f: fit([s for s in searches if fold_of(s.group) not in (f, *KEPT_OUT)]) for f in sorted(folds)}
    return [1 / (1 + np.exp(-logits(trees[fold_of(s.group)], s.features))) for s in searches]


def report(searches: list[Places], suspicions: list[np.ndarray]) -> None:
    """What the rules alone find, and with the limits of suspicion."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, s in enumerate(searches):
        kinds[s.group if fold_of(s.group) == s.group else "phantoms, avid" if s.avid else "phantoms"].append(number)
    for kind, numbers in kinds.items():
        print(f"\n{kind}: {len(numbers)} searches")
        for limit in (0.0, *LIMITS):
            false, found, put = (dict.fromkeys(("dark", "bright"), 0) for _ in range(3))
            for n in numbers:
                _count(searches[n], suspicions[n] >= limit, (false, found, put))
            words = (f"{side} {found[side]}/{put[side]} found, {false[side]} false" for side in false)
            print(f"  {'rules alone' if limit == 0 else f'from {limit:.2f}':>12}: {'; '.join(words)}")


def _count(search: Places, suspicious: np.ndarray, into: tuple[dict[str, int], dict[str, int], dict[str, int]]) -> None:
    false, found, put = into
    kept = search.passed & suspicious
    bright = search.features[:, FEATURES.index("bright")] > 0
    for side, own in (("dark", ~bright), ("bright", bright)):
        false[side] += int((kept & own & (search.owners == 0)).sum())
    hit = set(search.owners[kept].tolist())
    for number, _, contrast_hu, _ in search.lesions:
        side = "dark" if contrast_hu < 0 else "bright"
        put[side] += 1
        found[side] += int(number) in hit


def gathered(options: argparse.Namespace) -> list[Places]:
    searches = []
    for number in range(options.phantoms):
        searches += phantom_places(number, options.cache)
    if options.data is not None:
        for base in real_livers(options.data):
            for seed in range(REAL_SEEDS):
                searches += real_places(coarser(base), seed, options.cache)
    return searches


def held_out(options: argparse.Namespace) -> list[Places]:
    """Phantoms of families that nothing was fitted on, each without and with avid lesions."""
    searches = []
    for family in HELD_OUT:
        for seed in HELD_OUT_SEEDS:
            for avid in (False, True):
                searches += held_out_places(replace(family, avid=avid), seed, options.cache)
    return searches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--phantoms", type=int, default=120)
    parser.add_argument("--data", type=Path, help="folder of real CTs")
    parser.add_argument("--held-out", action="store_true", help="judge the trees on the benchmark's own families too")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    searches = gathered(options)
    owners = np.concatenate([s.owners for s in searches])
    print(f"{len(searches)} searches, {(owners > 0).sum()} places in lesions, {(owners == 0).sum()} others")
    report(searches, cross_validated(searches))
    trees = fit([s for s in searches if s.group not in KEPT_OUT])
    if options.held_out:
        print("\nfamilies that nothing was fitted on")
        others = held_out(options)
        report(others, [1 / (1 + np.exp(-logits(trees, s.features))) for s in others])
    np.savez_compressed(options.out, **trees_as_arrays("suspicion", trees))
    print(f"written: {options.out}, {options.out.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
