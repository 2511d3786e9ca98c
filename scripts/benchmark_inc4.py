"""Counts how often Inclusion 4 is answered, and rightly, on phantoms whose true diameters are known.

    python scripts/benchmark_inc4.py --studies 6

A study should be met where a true lesion of the liver has a longest in-plane diameter of at least 10 mm on CT. Phantoms
come from several families and phases; for each study that is not answered, the reason is printed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from diameter_bench.table import caliper_mm

from dotaliver.image.volume import LabelMap
from dotaliver.phantom.families import family_spec
from dotaliver.phantom.presets import match_enhancement
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import StudyInput, score_study

# Family, phase, slice in mm and noise in HU: what clinics acquire.
STUDIES = (
    ("burden_1_20", "portal", 3.0, 10.0),
    ("burden_1_20", "arterial", 2.5, 10.0),
    ("burden_20_60", "late", 4.0, 12.0),
    ("left_over_spleen", "portal", 5.0, 9.0),
    ("hepatomegaly", "native", 3.0, 12.0),
    ("fatty", "portal", 3.0, 12.0),
)


def largest_mm(lesions: LabelMap) -> float:
    """Longest in-plane diameter of the largest true lesion."""
    sizes = [caliper_mm(np.asarray(lesions.array[box] == label), lesions.geometry) for label, box in lesions.boxes()]
    return max(sizes, default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=len(STUDIES))
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--matrix", default="small", choices=("small", "clinical"))
    chosen = parser.parse_args()
    counts: Counter[str] = Counter()
    for number in range(chosen.studies):
        family, phase, slice_mm, noise_hu = STUDIES[number % len(STUDIES)]
        spec = family_spec(family, chosen.seed + number, chosen.matrix)
        changed = {"contrast_phase": phase, "ct_slice_mm": slice_mm, "ct_noise_hu": noise_hu}
        spec = match_enhancement(spec.model_copy(update={"scanner": spec.scanner.model_copy(update=changed)}))
        study = make_phantom(spec)
        truth = largest_mm(study.lesions)
        with tempfile.TemporaryDirectory() as folder:
            write_study(study, Path(folder))
            verdict = score_study(StudyInput(Path(folder) / "study")).score.criteria["INC4"]
        should = "met" if truth >= 10.0 else "not met"
        if verdict.verdict in {"met", "not_met"}:
            answer = "right" if (verdict.verdict == "met") == (should == "met") else "WRONG"
        else:
            answer = verdict.verdict
        counts[f"should be {should}: {answer}"] += 1
        name = f"{family}, {phase}, seed {chosen.seed + number}"
        print(f"{name}: largest {truth:.1f} mm, {answer}: {verdict.reason}", flush=True)
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")


if __name__ == "__main__":
    main()
