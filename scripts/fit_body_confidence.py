"""Fit the confidence of candidates outside the liver on simulated bodies, and print the model for config/body.py.

Penalised logistic regression (ridge; the intercept is free) by Newton's method; every hot part of every body is one
case, whether it is a metastasis the answer. Parts that overlap a lesion smaller than 5 mm count as they are.

    python scripts/fit_body_confidence.py --seeds 1000 82 4 --seeds 5000 48 2 --cache /path/of/a/folder

Each range of seeds is given by its first seed, how many there are, and every how many are clean.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from body_bench.truth import Judged, judged_body, reasoned

from dotaliver.config.scoring import ScoringConfig

# First seed, bodies, and every how many are without metastases.
SEEDS = [[1000, 82, 4], [5000, 48, 2]]
RIDGE = 0.3
WITHOUT_CT_EVERY = 3


def fit(cases: list[tuple[dict[str, float], bool]], ridge: float = RIDGE) -> tuple[float, dict[str, float]]:
    """Intercept and weights."""
    names = sorted({name for features, _ in cases for name in features})
    x = np.array([[1.0, *(features.get(name, 0.0) for name in names)] for features, _ in cases])
    y = np.array([float(lesion) for _, lesion in cases])
    penalty = np.diag([1e-6, *[ridge] * len(names)])
    w = np.zeros(x.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (y - p) - penalty @ w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(hessian, gradient)
        w += step * min(1.0, 4.0 / max(np.abs(step).max(), 1e-9))
        if np.abs(step).max() < 1e-7:
            break
    return float(w[0]), dict(zip(names, w[1:].tolist(), strict=True))


def cases_of(judged: list[Judged]) -> list[tuple[dict[str, float], bool]]:
    """Features of each part, and whether it is a metastasis; of every third body once more as if it had no CT."""
    return [
        (candidate.features, bool(lesion))
        for number, body in enumerate(judged)
        for without_ct in ((False, True) if number % WITHOUT_CT_EVERY == 0 else (False,))
        for candidate, lesion in zip(reasoned(body, without_ct=without_ct), body.lesions, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=3, action="append", metavar=("FIRST", "COUNT", "CLEAN_EVERY"))
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    config = ScoringConfig()
    judged = []
    for first, count, every in options.seeds or SEEDS:
        for seed in range(first, first + count):
            clean = seed % every == every - 1
            judged.append(judged_body(seed, config, clean=clean, cache=options.cache))
    cases = cases_of(judged)
    intercept, weights = fit(cases)
    print(f"{len(judged)} bodies, {len(cases)} parts, {sum(lesion for _, lesion in cases)} of lesions")
    print(json.dumps({"intercept": round(intercept, 3), "weights": {k: round(v, 3) for k, v in weights.items()}}))


if __name__ == "__main__":
    main()
