"""Fit the confidence of candidates outside the liver on simulated bodies.

    python scripts/fit_body_confidence.py --cache /path/of/a/folder

Writes src/dotaliver/segmentation/body/confidence_trees.npz; its card is confidence_trees.md. Every hot part of every
body is one case, whether it is a metastasis the answer; parts of lesions smaller than 5 mm count as they are. The
second stage sees log odds of the first that was fitted without the body in question. It sees each body with lesions
once more with one or two of them only, for the simulated bodies with lesions have many.

Each range of seeds (``--seeds``) is given by its first seed, how many there are, and every how many are clean; 0: none.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from body_bench.boosting import Boosting, fit_trees
from body_bench.truth import Judged, judged_body, placed_parts

from dotaliver.config.scoring import ScoringConfig
from dotaliver.segmentation.body.confidence import LARGEST_LOGIT, RISING_IN_SECOND, second_features
from dotaliver.segmentation.body.part_features import FEATURES, PLACES, RISING, PlacedPart, features_of
from dotaliver.segmentation.trees import Trees, logits, trees_as_arrays

# First seed, bodies, and every how many are without metastases.
SEEDS = [[1000, 82, 4], [5000, 48, 2], [9000, 100, 0], [9500, 30, 1]]
AGAIN_EVERY = 3
# Where a PET of a part of the body ends, on the scale of `BodyAxes`.
LOWER_END_MM, UPPER_END_MM = (-450.0, -130.0), (110.0, 480.0)
FOLDS = 3
# Places are moved at random by this SD, because organs of patients vary more than those of the phantom.
MOVED_MM = 8.0
FIRST = Boosting(trees=240, depth=4, rate=0.09)
SECOND = Boosting(trees=60, depth=3, rate=0.06, ridge=5.0, least_hessian=2.0, share_of_features=0.6, seed=1)
OUT = Path(__file__).parents[1] / "src" / "dotaliver" / "segmentation" / "body" / "confidence_trees.npz"


@dataclass(frozen=True)
class Case:
    """The hot parts of one body with their features, and the lesion that each is (0: none)."""

    seed: int
    parts: tuple[PlacedPart, ...]
    features: np.ndarray
    lesions: np.ndarray

    def only(self, kept: np.ndarray) -> Case:
        parts = tuple(part for part, keep in zip(self.parts, kept, strict=True) if keep)
        return replace(self, parts=parts, features=self.features[kept], lesions=self.lesions[kept])


def cases_of(judged: list[Judged]) -> list[Case]:
    """Each body; of every three, one once more as if it had no CT, and one as if the PET showed a part of it alone."""
    cases = []
    for number, body in enumerate(judged):
        cases.append(case_of(body, placed_parts(body)))
        if number % AGAIN_EVERY == 0:
            cases.append(case_of(body, placed_parts(body, without_ct=True)))
        if number % AGAIN_EVERY == 1:
            cases.append(case_of(body, placed_parts(body), np.random.default_rng(body.seed)))
    return cases


def case_of(body: Judged, parts: tuple[PlacedPart, ...], rng: np.random.Generator | None = None) -> Case:
    """A body; with ``rng``, a range of it that has the liver."""
    low, high = (-np.inf, np.inf) if rng is None else (rng.uniform(*LOWER_END_MM), rng.uniform(*UPPER_END_MM))
    kept = np.array([low < p.part.height_mm < high for p in parts], dtype=bool)
    shown = tuple(part for part, keep in zip(parts, kept, strict=True) if keep)
    return Case(body.seed, shown, features_of(shown, body.liver_uptake), np.array(body.lesions, dtype=int)[kept])


def moved(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The features with their places moved at random."""
    features = features.copy()
    for name in PLACES:
        features[:, FEATURES.index(name)] += rng.normal(0, MOVED_MM, len(features))
    features[:, FEATURES.index("aside_mm")] = np.abs(features[:, FEATURES.index("lateral_mm")])
    return features


def fit_first(cases: list[Case], how: Boosting = FIRST) -> Trees:
    x = np.vstack([case.features for case in cases])
    y = np.concatenate([case.lesions for case in cases]) > 0
    rising = tuple(FEATURES.index(name) for name in RISING)
    return fit_trees(moved(x, np.random.default_rng(how.seed)), y, rising, how)


def folds_of(cases: list[Case]) -> np.ndarray:
    """The fold of each case; all cases of a body are in one."""
    seeds = sorted({case.seed for case in cases})
    order = dict(zip(np.random.default_rng(0).permutation(seeds).tolist(), range(len(seeds)), strict=True))
    return np.array([order[case.seed] % FOLDS for case in cases])


def with_held_out_odds(cases: list[Case]) -> list[tuple[Case, np.ndarray]]:
    """Each case with the log odds of trees that were fitted without its fold."""
    folds = folds_of(cases)
    first = [fit_first([c for c, f in zip(cases, folds, strict=True) if f != fold]) for fold in range(FOLDS)]
    return [(case, logits(first[fold], case.features)) for case, fold in zip(cases, folds, strict=True)]


def with_few_lesions(judged: list[tuple[Case, np.ndarray]]) -> list[tuple[Case, np.ndarray]]:
    """Each body with three lesions or more, with one or two of them only."""
    rng = np.random.default_rng(5)
    few = []
    for case, odds in judged:
        lesions = np.unique(case.lesions[case.lesions > 0])
        if len(lesions) < 3:
            continue
        kept = np.isin(case.lesions, [0, *rng.choice(lesions, rng.integers(1, 3), replace=False)])
        few.append((case.only(kept), odds[kept]))
    return few


def fit_second(judged: list[tuple[Case, np.ndarray]], how: Boosting = SECOND) -> Trees:
    seen = [*judged, *with_few_lesions(judged)]
    x = np.vstack([second_features(case.parts, case.features, odds) for case, odds in seen])
    y = np.concatenate([case.lesions for case, _ in seen]) > 0
    return fit_trees(x, y, RISING_IN_SECOND, how, np.clip(x[:, 0], -LARGEST_LOGIT, LARGEST_LOGIT))


def judged_bodies(seeds: list[list[int]], cache: Path | None) -> list[Judged]:
    config = ScoringConfig()
    bodies = []
    for first, count, every in seeds:
        for seed in range(first, first + count):
            clean = every > 0 and seed % every == every - 1
            bodies.append(judged_body(seed, config, clean=clean, cache=cache))
    return bodies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=3, action="append", metavar=("FIRST", "COUNT", "CLEAN_EVERY"))
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    cases = cases_of(judged_bodies(options.seeds or SEEDS, options.cache))
    parts = sum(len(case.parts) for case in cases)
    lesions = sum(int((case.lesions > 0).sum()) for case in cases)
    print(f"{len(cases)} cases, {parts} parts, {lesions} of lesions")
    first, second = fit_first(cases), fit_second(with_held_out_odds(cases))
    np.savez_compressed(options.out, **trees_as_arrays("first", first), **trees_as_arrays("second", second))
    print(f"written: {options.out}, {options.out.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
