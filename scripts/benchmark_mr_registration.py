"""Measures the error of the registration of MR to the liver on simulated pairs, and how wrong MRs are told apart.

    python scripts/benchmark_mr_registration.py                     # small phantoms, three sequences each
    python scripts/benchmark_mr_registration.py --matrix medium --seeds 20 30 --onto pet

Each pair is a phantom PET/CT and an MR made from the phantom's tissues: another couch, rotation and breath-hold (the
liver is displaced and deformed), oblique slices, coil sensitivity and noise. The liver mask is the true one. Errors
are distances between the registered and the true place of points of the liver. The best rigid transform of the true
displacement stands beside them: no rigid registration can do better. The wrong MRs are of another part of the body, too
few slices, slices in random order, and noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from dotaliver.image.itk import resample_labels
from dotaliver.image.mr_registration import register_mr
from dotaliver.image.volume import Quantity, Volume
from dotaliver.phantom.mr import MR_SEQUENCES, PhantomMr, draw_mr_spec, make_mr
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import PhantomStudy, make_phantom

PRESETS = ("moderate", "clean", "massive", "cold")
POINTS = 500


def rigid_residual_mm(points: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distances that remain after the best rigid transform (Kabsch 1976)."""
    centred, target = points - points.mean(axis=0), true - true.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ target)
    sign = np.sign(np.linalg.det(right.T @ left.T))
    turn = right.T @ np.diag([1.0, 1.0, sign]) @ left.T
    return np.linalg.norm(centred @ turn.T - target, axis=1)


def reference_of(study: PhantomStudy, onto: str) -> tuple[Volume, np.ndarray, np.ndarray]:
    """Image and liver mask to register to, and the shift from the CT's position to that image's."""
    if onto == "ct":
        return study.ct, study.liver.mask, np.zeros(3)
    shift = np.array([0.0, 0.0, -study.spec.scanner.breathing_shift_mm])
    pet = study.pet.with_array(study.pet.array, Quantity.RELATIVE)
    moved = study.liver.placed(study.liver.geometry.moved(shift))
    return pet, resample_labels(moved, pet.geometry).mask, shift


def pairs(args: argparse.Namespace) -> Iterator[tuple[str, PhantomStudy, PhantomMr]]:
    """Phantoms in turn, each with an MR of every sequence."""
    for seed in range(*args.seeds):
        name = PRESETS[seed % len(PRESETS)]
        study = make_phantom(preset(name, seed, args.matrix))
        for sequence in MR_SEQUENCES:
            yield f"{name} {seed}", study, make_mr(study, draw_mr_spec(study, sequence, seed))


def wrong(study: PhantomStudy, mr: PhantomMr) -> Iterator[tuple[str, Volume]]:
    """MRs that must not be accepted, made like one that is right."""
    rng = np.random.default_rng(5)
    yield "noise", mr.image.with_array(rng.normal(100, 10, mr.image.array.shape).astype(np.float32))
    yield "shuffled slices", mr.image.with_array(mr.image.array[rng.permutation(len(mr.image.array))])
    for name, centre_mm, length_mm in (("pelvis", -160.0, 150.0), ("chest", 190.0, 150.0), ("8 cm slab", None, 80.0)):
        changes: dict[str, object] = {"size_mm": (length_mm, 300.0, 380.0)}
        if centre_mm is not None:
            changes["centre_lps_mm"] = (0.0, 0.0, centre_mm)
        yield name, make_mr(study, mr.spec.model_copy(update=changes)).image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matrix", default="small", choices=("small", "medium", "clinical"))
    parser.add_argument("--seeds", nargs=2, type=int, default=(1, 9), metavar=("FIRST", "END"))
    parser.add_argument("--onto", default="ct", choices=("ct", "pet"))
    parser.add_argument("--no-wrong", action="store_true", help="Leave the wrong MRs out.")
    args = parser.parse_args()
    errors: dict[str, list[np.ndarray]] = {sequence: [] for sequence in MR_SEQUENCES}
    ideal: dict[str, list[np.ndarray]] = {sequence: [] for sequence in MR_SEQUENCES}
    right, false = [], []
    print(f"registered to the {args.onto.upper()}, {args.matrix} phantoms")
    for name, study, mr in pairs(args):
        reference, liver, shift = reference_of(study, args.onto)
        start = time.perf_counter()
        found = register_mr(mr.image, reference, liver)
        seconds = time.perf_counter() - start
        step = max(len(mr.liver_points_lps_mm) // POINTS, 1)
        points = mr.liver_points_lps_mm[::step]
        true = mr.to_ct(points) + shift
        if found is None:
            print(f"{name:14s} {mr.spec.sequence:17s} none found")
            continue
        error = np.linalg.norm(found.pose.places(points) - true, axis=1)
        rest = rigid_residual_mm(points, true)
        errors[mr.spec.sequence].append(error)
        ideal[mr.spec.sequence].append(rest)
        right.append((found.pose.similarity, found.spread_mm, found.liver_share))
        print(
            f"{name:13s} {mr.spec.sequence:16s} med. {np.median(error):4.1f} mm, 95 % {np.percentile(error, 95):4.1f} "
            f"(rigid at best {np.percentile(rest, 95):4.1f}); similarity {found.pose.similarity:.3f}, spread "
            f"{found.spread_mm:.1f} mm, {seconds:.1f} s",
            flush=True,
        )
        if not args.no_wrong and mr.spec.sequence == MR_SEQUENCES[mr.spec.seed % 3]:
            for kind, image in wrong(study, mr):
                bad = register_mr(image, reference, liver)
                values = (0.0, 99.0, 0.0) if bad is None else (bad.pose.similarity, bad.spread_mm, bad.liver_share)
                false.append(values)
                print(
                    f"    wrong: {kind:16s} similarity {values[0]:.3f}, spread {values[1]:.1f}, share {values[2]:.2f}"
                )
    print("\nsequence           pairs  median  95 %  worst   rigid at best, 95 % (mm)")
    every = [("all", [e for some in errors.values() for e in some], [e for some in ideal.values() for e in some])]
    for name, some, best in [*((s, errors[s], ideal[s]) for s in MR_SEQUENCES), *every]:
        if some:
            whole = np.concatenate(some)
            print(
                f"{name:18s} {len(some):5d}  {np.median(whole):6.1f}  {np.percentile(whole, 95):4.1f}"
                f"  {whole.max():5.1f}   {np.percentile(np.concatenate(best), 95):5.1f}"
            )
    if right:
        low, wide, share = (np.array(right)[:, n] for n in range(3))
        print(f"right: similarity from {low.min():.3f}, spread up to {wide.max():.1f} mm, share from {share.min():.2f}")
    if false:
        high, narrow, share = (np.array(false)[:, n] for n in range(3))
        print(
            f"wrong: similarity up to {high.max():.3f}, spread from {narrow.min():.1f} mm, share to {share.max():.2f}"
        )


if __name__ == "__main__":
    main()
