"""Sensitivity, positive predictive value and calibration of the search outside the liver, on held-out bodies.

    python scripts/benchmark_body.py --bodies 100 --clean 30 --seed 41000 --cache /path/of/a/folder

A lesion counts when it measures at least 10 mm and takes up at least twice what surrounds it. It is listed when a
candidate of it is on the reader's list, and likely when that candidate is called a likely metastasis. The liver is
the true one. Bodies of the seeds from 1000, 5000, 9000 and 9500 were used for fitting: use others here.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from body_bench.truth import Judged, judged_body, reasoned

from dotaliver.config.scoring import ScoringConfig
from dotaliver.segmentation.body.search import is_likely

LEAST_MM, LEAST_CONTRAST = 10.0, 2.0
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
BINS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.01)


@dataclass
class Counts:
    """What is counted over bodies."""

    lesions: int = 0
    listed: int = 0
    likely: int = 0
    true_likely: int = 0
    false_likely: int = 0
    true_listed: int = 0
    false_listed: int = 0
    clean: int = 0
    false_in_clean: int = 0
    by_site: Counter[str] = field(default_factory=Counter)
    listed_by_site: Counter[str] = field(default_factory=Counter)
    false_organs: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    best: list[float] = field(default_factory=list)


def add(counts: Counts, judged: Judged, config: ScoringConfig) -> None:
    """Count one body."""
    body = config.body
    best: dict[int, float] = {}
    called: set[int] = set()
    length = 0
    for candidate, lesion, organ in zip(reasoned(judged), judged.lesions, judged.organs, strict=True):
        confidence = candidate.confidence
        counts.confidences.append((confidence, bool(lesion)))
        best[lesion] = max(best.get(lesion, 0.0), confidence)
        if confidence >= body.listed_from:
            length += 1
            counts.true_listed += bool(lesion)
            counts.false_listed += not lesion
        if is_likely(confidence, candidate.may_be, body):
            called.add(lesion)
            counts.true_likely += bool(lesion)
            counts.false_likely += not lesion
            if not lesion:
                counts.false_organs[organ] += 1
                counts.false_in_clean += not judged.placed
    counts.lengths.append(length)
    counts.clean += not judged.placed
    for lesion in judged.placed:
        if lesion.site == "liver" or lesion.diameter_mm < LEAST_MM or lesion.contrast < LEAST_CONTRAST:
            continue
        seen = best.get(lesion.label, 0.0) >= body.listed_from
        counts.lesions += 1
        counts.best.append(best.get(lesion.label, 0.0))
        counts.by_site[lesion.site] += 1
        counts.listed += seen
        counts.listed_by_site[lesion.site] += seen
        counts.likely += lesion.label in called


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.2f})" if whole else "none"


def report(counts: Counts) -> None:
    print(f"bodies {len(counts.lengths)}, of them clean {counts.clean}")
    print("sensitivity, listed:", share(counts.listed, counts.lesions))
    print("sensitivity, likely:", share(counts.likely, counts.lesions))
    print("PPV, likely:", share(counts.true_likely, counts.true_likely + counts.false_likely))
    for threshold in THRESHOLDS:
        found = sum(p >= threshold for p in counts.best)
        called = [true for p, true in counts.confidences if p >= threshold]
        pair = f"sensitivity {share(found, counts.lesions)}, PPV {share(sum(called), len(called))}"
        print(f"  called likely from {threshold:.1f} everywhere: {pair}")
    print("PPV, whole list:", share(counts.true_listed, counts.true_listed + counts.false_listed))
    print("organs called likely metastasis in clean bodies:", counts.false_in_clean, dict(counts.false_organs))
    lengths = sorted(counts.lengths)
    print("candidates of a list: median", lengths[len(lengths) // 2], "most", lengths[-1])
    for site, count in sorted(counts.by_site.items()):
        print(f"  {site}: {share(counts.listed_by_site[site], count)}")
    print("confidence: said and true")
    for low, high in pairwise(BINS):
        held = [(p, true) for p, true in counts.confidences if low <= p < high]
        if held:
            said, true = (sum(value[k] for value in held) / len(held) for k in (0, 1))
            print(f"  {low:.2f} to {min(high, 1):.2f}: n {len(held)}, said {said:.2f}, true {true:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=20)
    parser.add_argument("--clean", type=int, default=6)
    parser.add_argument("--seed", type=int, default=41000)
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    config, counts = ScoringConfig(), Counts()
    for number in range(options.bodies + options.clean):
        clean = number >= options.bodies
        add(counts, judged_body(options.seed + number, config, clean=clean, cache=options.cache), config)
    report(counts)


if __name__ == "__main__":
    main()
