"""Candidates outside the liver on FDG scans of body phantoms: false ones, and avid lesions that are listed.

    python scripts/benchmark_fdg_body.py --bodies 8 --clean 8 --seed 9850

Every second body has active brown fat. Six in ten lesions take up FDG, three to fourteen times as much as water (SUV);
one counts when it measures 10 mm and takes up twice what surrounds it and 1.5 times as much as liver, the true one.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from body_bench.truth import true_lesions

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.phantom.body_spec import BodySpec, draw_body
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.two_tracers import fdg_body
from dotaliver.segmentation.body.search import find_candidates
from dotaliver.segmentation.coarse import coarse_of

LEAST_MM, LEAST_CONTRAST, AVID_SHARE = 10.0, 2.0, 0.6
# How far down the liver lies on the FDG scan (`fdg_body`).
BREATHING_MM = 2.0


def drawn(seed: int, *, clean: bool) -> BodySpec:
    """A patient whose lesions have an FDG uptake; every second one has active brown fat."""
    spec, rng = draw_body(seed, clean=clean), stream(seed, "fdg")
    lesions = tuple(
        n.model_copy(update={"fdg_suv": float(rng.uniform(3, 14)) if rng.random() < AVID_SHARE else 1.0})
        for n in spec.lesions
    )
    return spec.model_copy(update={"lesions": lesions, "brown_fat": seed % 2 == 1})


def counted(seed: int, config: ScoringConfig, *, clean: bool) -> tuple[int, int, int, Counter[str]]:
    """Avid lesions, those that are listed, listed lesions of any size, and the organs of false candidates."""
    body = fdg_body(drawn(seed, clean=clean))
    images = coarse_of(body.volumes, config.liver.coarse_mm)
    shown = body.liver.placed(body.liver.geometry.moved((0.0, 0.0, -BREATHING_MM)))
    liver = resample_labels(shown, images.geometry).mask
    uptake = float(np.median(images.uptake[liver]))
    found, rules = find_candidates(images, body.volumes.acquisition, liver, uptake, config), config.body
    listed, false = [], Counter()
    for candidate, lesion in zip(found.candidates, true_lesions(body, found), strict=True):
        sure = candidate.confidence >= rules.other_tracer_from
        hot = candidate.part.peak > rules.other_tracer_ratio * uptake
        if sure and hot and candidate.may_be not in rules.other_tracer_organs:
            if lesion:
                listed.append(lesion)
            else:
                false[body.organ_at(images.geometry.index_to_lps(candidate.part.place))] += 1
    avid = {
        p.label
        for p in body.placed
        if p.site != "liver"
        and p.diameter_mm >= LEAST_MM
        and p.contrast >= LEAST_CONTRAST
        and p.suv > rules.other_tracer_ratio * uptake
    }
    return len(avid), len(avid & set(listed)), len(listed), false


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=4)
    parser.add_argument("--clean", type=int, default=4)
    parser.add_argument("--seed", type=int, default=9850)
    options = parser.parse_args()
    config = ScoringConfig()
    for name, count, first in (
        ("clean", options.clean, options.seed + 1000),
        ("lesions", options.bodies, options.seed),
    ):
        avid, found, true, false = 0, 0, 0, Counter()
        for seed in range(first, first + count):
            a, b, c, wrong = counted(seed, config, clean=name == "clean")
            avid, found, true, false = avid + a, found + b, true + c, false + wrong
        print(
            f"{name}: {count} bodies, {found} of {avid} avid lesions listed; listed {true} lesions, false {dict(false)}"
        )


if __name__ == "__main__":
    main()
