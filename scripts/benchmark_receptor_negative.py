#!/usr/bin/env python3
"""Finds lesions without uptake that are put into phantoms and real CTs, and counts what is found where nothing is.

    python scripts/benchmark_receptor_negative.py [--families held-out] [--noise 6 10 14] [--seeds 2] [--avid]
        [--rules-alone] [--data FOLDER]

Each phantom (anatomy, phase, slice thickness, kernel, fissures, spared fat) is searched once without lesions and once
with ten of 8 to 30 mm and 8 to 30 HU below or above liver. Beside ours stands scikit-image's Laplacian of Gaussians on
the same grid, at the threshold that gives it as many false finds. Nothing may be tuned on `held-out`. A study takes
10 to 20 s. With --avid, the phantoms have avid lesions too, whose outlines are too large, too small or displaced by a
millimetre or two. With --data, the same lesions are put into real CTs, whose own lesions are taken for avid ones.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from negative_bench.lesions import Inserted, insert
from negative_bench.scenes import HELD_OUT, TUNING, Liver, phantom_liver, real_livers

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.geometry import grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.segmentation.lesions.ct_foci import find_ct_foci
from dotaliver.segmentation.lesions.ct_focus_image import liver_image

CONFIG = CtFociConfig()
RULES = CtFociConfig(least_suspicion=0.0, least_suspicion_bright=0.0)
WANTED = (
    (8, 20), (10, 20), (10, 20), (10, 30), (12, 16), (15, 12), (15, 12), (15, 20), (20, 12), (30, 8),
)  # fmt: skip
# Share of a candidate's voxels in one lesion that makes it that lesion's.
HIT = 0.2
LOG_SIGMAS_MM = (3.0, 4.5, 6.5, 9.0)
# Where ours finds nothing false, the peer may still have so many false finds a study.
LEAST_FALSE = 0.3


@dataclass
class Tally:
    """What was counted, with which settings."""

    config: CtFociConfig = CONFIG
    hits: dict[tuple[int, int, str, str], list[bool]] = field(default_factory=lambda: defaultdict(list))
    false: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    visible: dict[float, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list)
    peer_hits: list[tuple[int, int, float]] = field(default_factory=list)
    peer_false: list[float] = field(default_factory=list)
    clean: int = 0


def studies(chosen: argparse.Namespace) -> Iterator[tuple[Liver, float, int]]:
    """Livers with the noise to add and a seed."""
    if chosen.data is not None:
        for liver in real_livers(chosen.data):
            yield from ((liver, 0.0, seed) for seed in range(chosen.seeds))
        return
    for family in TUNING if chosen.families == "tuning" else HELD_OUT:
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            liver = phantom_liver(replace(family, avid=chosen.avid), seed)
            yield from ((liver, noise, seed) for noise in chosen.noise)


def wanted(seed: int, noise: float) -> list[tuple[float, float]]:
    """Diameters and contrasts, two thirds of them darker than liver."""
    rng = np.random.default_rng([seed, int(noise), 5])
    lesions = [(float(d), float(rng.choice([-1, -1, 1])) * c) for d, c in WANTED]
    rng.shuffle(lesions)
    return [(d, c) for d, c in lesions]


def search(ct: Volume, base: Liver, tally: Tally) -> tuple[LabelMap, list[int]]:
    """Our candidates, and the sign of each."""
    avid = LabelMap(base.avid.astype(np.uint16), base.grid) if base.avid.any() else None
    start = time.process_time()
    labels, found = find_ct_foci(ct, LabelMap(base.liver.astype(np.uint8), base.grid), avid, tally.config)
    tally.seconds.append(time.process_time() - start)
    for size in found.detectable:
        tally.visible[size.diameter_mm].append(np.inf if size.below_liver_hu is None else size.below_liver_hu)
    return labels, [int(np.sign(found.foci[n].contrast_hu)) for n in labels.labels]


def log_blobs(ct: Volume, base: Liver, truth: np.ndarray) -> list[tuple[float, int]]:
    """Strength of every dark blob of scikit-image in the liver, and the lesion that it lies in (0: none)."""
    from skimage.feature import blob_log

    whole = LabelMap(base.liver.astype(np.uint8), base.grid)
    assert whole.used is not None
    box = grow_box(whole.used, np.ceil(6 / np.asarray(base.grid.spacing_mm)), base.grid.shape)
    avid = LabelMap(base.avid.astype(np.uint16), base.grid) if base.avid.any() else None
    image = liver_image(ct, box, whole.crop(box), avid, CONFIG)
    if image is None:
        return []
    owners = resample_labels(LabelMap(truth, base.grid), image.grid).array
    dark = np.where(image.inner, np.clip(image.typical_hu - image.hu, -30, 60), 0).astype(np.float64)
    sigmas = [[s / mm for mm in image.grid.spacing_mm] for s in LOG_SIGMAS_MM]
    found = []
    for sigma in sigmas:
        blobs = blob_log(dark, min_sigma=sigma, max_sigma=sigma, num_sigma=1, threshold=1.0, overlap=0.5)
        for k, j, i in blobs[:, :3].astype(int):
            around = owners[max(k - 1, 0) : k + 2, max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2]
            found.append((_strength(dark, (k, j, i), sigma), int(around.max())))
    return found


def _strength(dark: np.ndarray, place: tuple[int, int, int], sigma: list[float]) -> float:
    """Response of the filter at a place: the scale-normalised Laplacian of a Gaussian."""
    from scipy.ndimage import gaussian_laplace

    reach = [int(4 * s) + 2 for s in sigma]
    low = [max(p - r, 0) for p, r in zip(place, reach, strict=True)]
    part = dark[tuple(slice(a, p + r + 1) for a, p, r in zip(low, place, reach, strict=True))]
    own = tuple(p - a for p, a in zip(place, low, strict=True))
    return float(-gaussian_laplace(part, sigma)[own] * np.mean(sigma) ** 2)


def owners_of(labels: LabelMap, truth: np.ndarray) -> list[int]:
    """The lesion that each candidate lies in; 0 for none."""
    owners = []
    for label in labels.labels:
        counts = np.bincount(truth[labels.where(label)], minlength=2)
        best = int(counts[1:].argmax()) + 1
        owners.append(best if counts[best] > HIT * counts.sum() else 0)
    return owners


def one_study(base: Liver, noise: float, seed: int, tally: Tally, *, peer: bool) -> str:
    """Search a liver without and with lesions; a line to print."""
    nothing = np.zeros(base.grid.shape, dtype=np.uint16)
    clean = base.with_noise(noise, seed)
    if noise > 0 or seed == 0:
        _, signs = search(clean, base, tally)
        tally.clean += 1
        for name, sign in (("dark", -1), ("bright", 1)):
            tally.false[base.name, name].append(signs.count(sign))
        if peer:
            tally.peer_false += [strength for strength, _ in log_blobs(clean, base, nothing)]
    hu, truth, made = insert(base, wanted(seed, noise), 7 * seed + 50)
    ct = base.with_noise(noise, seed + 1, hu)
    labels, _ = search(ct, base, tally)
    found = set(owners_of(labels, truth))
    for lesion in made:
        side = "dark" if lesion.contrast_hu < 0 else "bright"
        tally.hits[int(lesion.diameter_mm), int(abs(lesion.contrast_hu)), side, lesion.place].append(
            lesion.number in found
        )
    if peer:
        tally.peer_hits += _of_peer(log_blobs(ct, base, truth), made)
    return f"{base.name}, noise {noise:g}: {sum(m.number in found for m in made)}/{len(made)} lesions"


def _of_peer(blobs: list[tuple[float, int]], made: list[Inserted]) -> list[tuple[int, int, float]]:
    """Of every dark lesion inside the liver, the strongest blob in it."""
    best: dict[int, float] = defaultdict(float)
    for strength, owner in blobs:
        best[owner] = max(best[owner], strength)
    return [
        (int(m.diameter_mm), int(-m.contrast_hu), best[m.number])
        for m in made
        if m.contrast_hu < 0 and m.place == "inside"
    ]


def report(tally: Tally) -> None:
    """Print the tables."""
    for side, place in (("dark", "inside"), ("dark", "capsule"), ("bright", "inside")):
        print(f"\n{side} lesions, {place}: found / put in")
        for size, contrast in sorted(set(WANTED)):
            cell = tally.hits.get((size, contrast, side, place), [])
            if cell:
                print(f"  {size:>2} mm {contrast:>2} HU: {sum(cell):>3}/{len(cell):<3} {np.mean(cell):.2f}")
    print("\nfalse candidates per study without lesions")
    for side in ("dark", "bright"):
        counts = {name: c for (name, s), c in tally.false.items() if s == side}
        mean = np.mean([x for c in counts.values() for x in c])
        print(f"  {side}: {mean:.2f}", {name: round(float(np.mean(c)), 2) for name, c in counts.items()})
    for diameter, values in sorted(tally.visible.items()):
        print(f"detectable at {diameter:g} mm from: median {np.median(values):g} HU, highest {max(values):g} HU")
    print(f"processor time of a search: median {np.median(tally.seconds):.1f} s, longest {max(tally.seconds):.1f} s")
    if tally.peer_hits:
        dark = sum(sum(c) for (_, side), c in tally.false.items() if side == "dark")
        allowed = max(dark, round(LEAST_FALSE * tally.clean))
        strengths = sorted(tally.peer_false, reverse=True)
        limit = strengths[allowed] if allowed < len(strengths) else 0.0
        theirs = np.mean([strength > limit for _, _, strength in tally.peer_hits])
        ours = np.mean([x for (_, _, s, p), c in tally.hits.items() if s == "dark" and p == "inside" for x in c])
        rate = allowed / tally.clean
        print(f"dark lesions inside: ours {ours:.2f}, blob_log {theirs:.2f} at {rate:.2f} false a study", end=", ")
        print(f"ratio {ours / max(theirs, 1e-9):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", choices=("tuning", "held-out"), default="held-out")
    parser.add_argument("--noise", type=float, nargs="+", default=[6.0, 10.0, 14.0], help="SD in HU of a CT voxel")
    parser.add_argument("--seeds", type=int, default=2, help="anatomies of each family")
    parser.add_argument("--first-seed", type=int, default=0, help="other anatomies of the same families")
    parser.add_argument("--avid", action="store_true", help="phantoms with avid lesions")
    parser.add_argument("--data", type=Path, help="folder of real CTs, in place of the phantoms")
    parser.add_argument("--rules-alone", action="store_true", help="without the trees that judge what the rules find")
    parser.add_argument("--no-peer", action="store_true", help="ours alone")
    chosen = parser.parse_args()
    tally = Tally(RULES if chosen.rules_alone else CONFIG)
    for base, noise, seed in studies(chosen):
        print(one_study(base, noise, seed, tally, peer=not chosen.no_peer), flush=True)
    report(tally)


if __name__ == "__main__":
    main()
