#!/usr/bin/env python3
"""How quickly simulated scribbles bring a lesion's mask to its true extent.

    .venv/bin/python scripts/benchmark_scribbles.py --out FOLDER [--cases NAME ...] [--phantoms 3] [--strokes 5]
        [--reader middle|hand|click] [--methods NAME ...] [--limits]

Hybrid studies (real CT, simulated PET; from DOTALIVER_DATA or ../shared/data) and generated phantoms. Each true lesion
starts from our own mask of it and from that mask made worse: dilated and eroded by 5 mm, half of it missing, merged
with its nearest neighbour, and replaced by the threshold of 41 % of the maximum. After each stroke the largest
connected error is looked for, and one stroke is drawn in it. Three readers draw: `middle` at most 15 voxels along its
middle in the slice where it is largest; `hand` 2 to 11 voxels of that way with a trembling hand, which slips over the
error's border, in one of its larger slices, and one time in four in the second largest error; `click` a single voxel
where it is widest. Nothing but the strokes looks at the truth. Voxels that our mask gives to another lesion are not
added, unless they are this lesion's in truth; nor is what lies more than 5 mm outside the true liver, unless a stroke
goes over it. ``--limits`` prints what a Dice of 0.95 asks for on these lesions: that of the best single threshold,
chosen with the truth, and that of true masks whose border lies too far out by little.

In the same run, with the same kind of strokes: `paint` only paints the stroke's own voxels; `level` estimates the
lesion's threshold anew from all strokes; `grow` grows a region from the stroke at half of the maximum, as textbooks
have it. Processor time is that of one correction, without the search for the error. Each case is appended to
FOLDER/rows-READER.jsonl when it is done; a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))

from segmentation_bench import cohort, real

from dotaliver.config.segmentation import LesionConfig
from dotaliver.errors import MaskError
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import grow_box
from dotaliver.image.itk import occupancy_on
from dotaliver.image.spheres import ball
from dotaliver.image.volume import LabelMap, Volume, used_box
from dotaliver.segmentation.editing.scribbles import Scribbles, StrokeKind, corrected_lesion
from dotaliver.segmentation.lesions.pet_lesions import find_lesions

Mask = npt.NDArray[np.bool_]
HYBRIDS = tuple(dict.fromkeys((*real.HYBRIDS, "hybrid_real_tumours")))
FAMILIES = ("burden_1_20", "touching", "rim")
MARGIN_MM, WORSE_MM, LONGEST_STROKE = 40.0, 5.0, 15
# A liver outline may be off by so much.
OUTLINE_ERROR_MM = 5.0
LEAST_VOXELS, LARGE_VOXELS, NEAR_MM, AIM = 8, 60, 15.0, 0.95
BORDER_ERRORS_MM, FINER = (0.5, 1.0, 2.0), 6
METHODS = ("scribbles", "paint", "level", "grow")
READERS = ("middle", "hand", "click")
TREMOR_VOXELS, TREMOR_MEMORY = 0.45, 0.6


@dataclass(frozen=True, eq=False)
class Lesion:
    """One true lesion in its surroundings, all on one part of the PET's grid."""

    name: str
    pet: Volume
    truth: Mask
    others_in_truth: npt.NDArray[np.int64]
    ours: Mask
    taken: Mask
    organ: Mask
    normal_uptake: float


def dice(one: Mask, other: Mask) -> float:
    """Overlap of two masks."""
    return 2.0 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


# --- cases -----------------------------------------------------------------------------------------------------------


def lesions_of(name: str, data: Path) -> Iterator[Lesion]:
    """The avid lesions of a study, with our own masks of them (in the true liver)."""
    if name in HYBRIDS:
        made = real._hybrid(data / name)
        pet, truth, liver, suv = made.volumes.pet, made.lesions_on_pet, made.liver, made.liver_suv
    else:
        family, seed = name.rsplit("-", 1)
        case = cohort.Entry(name, family, "phantom", int(seed)).make(None)
        pet, truth, liver, suv = case.volumes.pet, case.lesions_on_pet, case.liver, case.liver_suv
    # Breathing moves the liver on the PET; lesions tell where it is at least.
    share = np.maximum(occupancy_on(LabelMap(liver.mask, liver.geometry), pet.geometry), truth.array > 0)
    pet = pet.loaded()
    ours, parenchyma = find_lesions(pet, share.astype(np.float32), suv, LesionConfig())
    away = distance_to_mm(share > 0.5, pet.geometry.spacing_mm)
    for label in truth.labels:
        own = truth.array == label
        if own.sum() < LEAST_VOXELS or float(pet.array[own].mean()) < 1.3 * parenchyma.uptake:
            continue
        used = used_box(own)
        assert used is not None
        box = grow_box(used, np.ceil(MARGIN_MM / np.asarray(pet.geometry.spacing_mm)), pet.geometry.shape)
        found, true = ours[box], truth.array[box].astype(np.int64)
        overlaps = np.bincount(found[own[box]])
        overlaps[0] = 0
        mine = found == int(overlaps.argmax()) if overlaps.any() else own[box]
        taken = (found > 0) & ~mine & ~own[box]
        rest = np.where(own[box], 0, true)
        within = away[box] <= OUTLINE_ERROR_MM
        yield Lesion(f"{name}/{label}", pet.crop(box), own[box], rest, mine, taken, within, parenchyma.uptake)


def starts(lesion: Lesion) -> dict[str, Mask]:
    """Our mask, and what is made worse of it."""
    import cc3d
    from scipy.ndimage import binary_dilation, binary_erosion

    pet, own, spacing = lesion.pet, lesion.ours, lesion.pet.geometry.spacing_mm
    reach = ball(WORSE_MM, spacing)
    eroded = binary_erosion(own, reach)
    index = np.argwhere(own)
    axis = int(np.ptp(index * np.asarray(spacing), axis=0).argmax())
    half = own.copy()
    np.moveaxis(half, axis, 0)[int(index[:, axis].mean()) :] = False
    hottest = np.unravel_index(int(np.where(own, pet.array, -np.inf).argmax()), own.shape)
    parts = cc3d.connected_components(pet.array > 0.41 * pet.array[hottest], connectivity=26)
    found = {
        "ours": own,
        "dilated": binary_dilation(own, reach),
        "eroded": eroded if eroded.any() else own & (pet.array >= np.percentile(pet.array[own], 80)),
        "half missing": half,
        "41 %": np.asarray(parts == parts[hottest]),
    }
    merged = _merged(lesion, reach)
    return found if merged is None else {**found, "merged": merged}


def _merged(lesion: Lesion, reach: Mask) -> Mask | None:
    """Our mask with the nearest other true lesion, and the gap between them; None where none is near."""
    from edt import edt
    from scipy.ndimage import binary_closing

    labels = np.unique(lesion.others_in_truth[lesion.others_in_truth > 0])
    away = edt(np.ascontiguousarray(~lesion.ours).view(np.uint8), anisotropy=lesion.pet.geometry.spacing_mm)
    near = [(float(away[lesion.others_in_truth == n].min()), int(n)) for n in labels]
    if not near or min(near)[0] > NEAR_MM:
        return None
    both = lesion.ours | (lesion.others_in_truth == min(near)[1])
    return both | np.asarray(binary_closing(both, reach))


# --- the simulated reader ---------------------------------------------------------------------------------------------


def stroke_over(error: Mask, reader: str, rng: np.random.Generator) -> Mask:
    """A stroke in the largest connected error, as one of the readers draws it."""
    import cc3d
    from scipy.ndimage import distance_transform_edt

    parts = cc3d.connected_components(error, connectivity=6)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    ranked = np.argsort(-sizes, kind="stable")
    second = reader == "hand" and sizes[ranked[1]] > 0 and rng.random() < 0.25
    chosen = parts == int(ranked[1 if second else 0])
    areas = chosen.sum(axis=(1, 2))
    level = int(areas.argmax())
    if reader == "hand":
        level = int(rng.choice(np.flatnonzero(areas >= 0.6 * areas.max())))
    stroke = np.zeros_like(error)
    area = chosen[level]
    if reader == "click":
        depth = distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
        stroke[level][np.unravel_index(int(depth.argmax()), area.shape)] = True
        return stroke
    way = _middle_path(area)[:LONGEST_STROKE] if reader == "middle" else _by_hand(_middle_path(area), area.shape, rng)
    for row, column in way:
        stroke[level, row, column] = True
    return stroke


def _by_hand(way: list[tuple[int, int]], shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, int]]:
    """A part of a way, drawn with a trembling hand; the way's own voxel where the hand leaves the image."""
    length = int(rng.integers(2, 12))
    first = int(rng.integers(0, max(1, len(way) - length + 1)))
    off = np.zeros(2)
    drawn = []
    for place in way[first : first + length]:
        off = TREMOR_MEMORY * off + rng.normal(0.0, TREMOR_VOXELS, 2)
        row, column = (int(n) for n in np.rint(np.asarray(place) + off))
        drawn.append((row, column) if 0 <= row < shape[0] and 0 <= column < shape[1] else place)
    return drawn


def _middle_path(area: Mask) -> list[tuple[int, int]]:
    """The longest way along the skeleton of an area."""
    from skimage.graph import MCP_Geometric
    from skimage.morphology import skeletonize

    middle = skeletonize(area)
    if not middle.any():
        middle = area
    costs = np.where(middle, 0.3, np.where(area, 1.0, -1.0))
    end = tuple(int(n) for n in np.argwhere(middle)[0])
    for _ in range(2):
        ways = MCP_Geometric(costs)
        lengths, _ = ways.find_costs([end])
        reached = np.where(middle & np.isfinite(lengths), lengths, -1.0)
        end = tuple(int(n) for n in np.unravel_index(int(reached.argmax()), reached.shape))
    return [(int(row), int(column)) for row, column in ways.traceback(end)]


def run(lesion: Lesion, start: Mask, method: str, strokes: int, reader: str) -> tuple[list[float], list[float]]:
    """Dice before and after each stroke, and the processor time of each correction in s."""
    rng = np.random.default_rng(int(lesion.truth.sum()))
    mask, drawn = start.copy(), Scribbles.none(start.shape)
    lesion = replace(lesion, taken=lesion.taken & ~start)
    curve, seconds = [dice(mask, lesion.truth)], []
    act: Callable[..., Mask] = {
        "scribbles": _scribbled, "paint": _painted, "level": _levelled, "grow": _grown,
    }[method]  # fmt: skip
    for _ in range(strokes):
        error = mask ^ lesion.truth
        if not error.any():
            curve.append(1.0)
            continue
        stroke = stroke_over(error, reader, rng)
        missing = int((error & lesion.truth)[stroke].sum())
        kind: StrokeKind = "more" if 2 * missing >= int(error[stroke].sum()) and missing else "less"
        before = time.process_time()
        mask = act(lesion, mask, drawn, stroke, kind)
        seconds.append(time.process_time() - before)
        drawn = drawn.with_stroke(stroke, kind)
        curve.append(dice(mask, lesion.truth))
    return curve, seconds


def _scribbled(lesion: Lesion, mask: Mask, drawn: Scribbles, stroke: Mask, kind: StrokeKind) -> Mask:
    try:
        return corrected_lesion(
            lesion.pet, mask, drawn, stroke, kind,
            taken=lesion.taken, normal_uptake=lesion.normal_uptake, config=LesionConfig(), organ=lesion.organ,
        )  # fmt: skip
    except MaskError:
        return mask


def _painted(_lesion: Lesion, mask: Mask, _drawn: Scribbles, stroke: Mask, kind: StrokeKind) -> Mask:
    return mask | stroke if kind == "more" else mask & ~stroke


def _levelled(lesion: Lesion, mask: Mask, drawn: Scribbles, stroke: Mask, kind: StrokeKind) -> Mask:
    import cc3d

    uptake, drawn = lesion.pet.array, drawn.with_stroke(stroke, kind)
    level = 0.5 * float(uptake[mask | drawn.more].max() + lesion.normal_uptake)
    if drawn.more.any() and drawn.less.any():
        level = 0.5 * float(np.median(uptake[drawn.more]) + np.median(uptake[drawn.less]))
    elif drawn.more.any():
        level = min(level, float(uptake[drawn.more].min()))
    else:
        level = max(level, float(uptake[drawn.less].max()))
    hot = (uptake > level) & ~lesion.taken & ~drawn.less
    parts = cc3d.connected_components(np.ascontiguousarray(hot), connectivity=6)
    own = np.unique(parts[(mask & ~drawn.less) | drawn.more])
    return np.isin(parts, own[own > 0]) | drawn.more


def _grown(lesion: Lesion, mask: Mask, _drawn: Scribbles, stroke: Mask, kind: StrokeKind) -> Mask:
    import cc3d

    if kind == "less":
        return mask & ~stroke
    hot = (lesion.pet.array > 0.5 * float(lesion.pet.array[mask | stroke].max())) & ~lesion.taken
    parts = cc3d.connected_components(hot, connectivity=26)
    own = np.unique(parts[stroke])
    return mask | stroke | np.isin(parts, own[own > 0])


# --- what limits it ---------------------------------------------------------------------------------------------------


def limits(lesion: Lesion) -> dict[str, float]:
    """Dice of masks that no stroke can better much: the best threshold, and borders that are wrong by little."""
    from edt import edt

    near = distance_to_mm(lesion.truth, lesion.pet.geometry.spacing_mm) <= NEAR_MM
    near &= ~lesion.taken & (lesion.others_in_truth == 0)
    levels = np.quantile(lesion.pet.array[lesion.truth], np.linspace(0.0, 0.6, 61))
    best = max(dice(near & (lesion.pet.array >= level), lesion.truth) for level in levels)
    used = used_box(lesion.truth)
    assert used is not None
    own = lesion.truth[grow_box(used, (2, 2, 2), lesion.truth.shape)]
    fine = own.repeat(FINER, 0).repeat(FINER, 1).repeat(FINER, 2)
    spacing = tuple(s / FINER for s in lesion.pet.geometry.spacing_mm)
    # From the border, which lies half a voxel before the first voxel's centre.
    away = edt(np.ascontiguousarray(~fine).view(np.uint8), anisotropy=spacing) - 0.5 * min(spacing)
    found = {"best threshold": best}
    for error in BORDER_ERRORS_MM:
        found[f"border {error:g} mm too far out"] = dice(fine, away <= error)
    return found


def limits_table(rows: list[dict[str, float]]) -> list[str]:
    """Median over the lesions, and the share that reaches the aim."""
    lines = [f"{len(rows)} lesions{'':22s} median Dice  >= {AIM:g}"]
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows])
        lines.append(f"{name:34s} {np.median(values):.3f}        {(values >= AIM).mean():.0%}")
    return lines


# --- the table -------------------------------------------------------------------------------------------------------


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Median and mean Dice, and how many reach the aim, by method and start."""
    lines = []
    methods = dict.fromkeys(row["method"] for row in rows)
    for least, title in ((0, "all lesions"), (LARGE_VOXELS, f"lesions of {LARGE_VOXELS} voxels or more")):
        for method in methods:
            chosen = [row for row in rows if row["method"] == method and row["voxels"] >= least]
            lines.append(
                f"\n{method}, {title}\n{'start':14s} {'n':>4s}  median Dice by stroke" + " " * 26 + "mean   >= 0.95"
            )
            for start in (*dict.fromkeys(row["start"] for row in chosen), "all"):
                curves = np.array([row["dice"] for row in chosen if start in {row["start"], "all"}])
                if len(curves):
                    medians = " ".join(f"{value:.3f}" for value in np.median(curves, axis=0))
                    share = f"{curves[:, -1].mean():.3f}  {(curves[:, -1] >= AIM).mean():.0%}"
                    lines.append(f"{start:14s} {len(curves):4d}  {medians}   {share}")
    seconds = [s for row in rows if row["method"] == "scribbles" for s in row["seconds"]]
    if seconds:
        found = f"median {np.median(seconds):.3f} s, longest {max(seconds):.3f} s"
        lines.append(f"\nprocessor time of a stroke: {found} ({len(seconds)} strokes)")
    return lines


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", nargs="*", help="studies to run: hybrids by folder name, phantoms as FAMILY-SEED")
    parser.add_argument("--phantoms", type=int, default=len(FAMILIES), help="how many phantoms")
    parser.add_argument("--strokes", type=int, default=5)
    parser.add_argument("--reader", choices=READERS, default="middle")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--limits", action="store_true", help="only what limits any correction on these lesions")
    options = parser.parse_args()
    data = Path(os.environ.get("DOTALIVER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    names = options.cases
    if names is None:
        names = [name for name in HYBRIDS if (data / name).is_dir()]
        names += [f"{FAMILIES[n % len(FAMILIES)]}-{41 + n}" for n in range(options.phantoms)]
    if options.limits:
        for kind, some in (("hybrids", HYBRIDS), ("phantoms", [name for name in names if name not in HYBRIDS])):
            found = [limits(lesion) for name in names if name in some for lesion in lesions_of(name, data)]
            print(f"\n{kind}: " + "\n".join(limits_table(found)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"rows-{options.reader}.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {row["case"] for row in rows}
    for name in names:
        if name in done:
            continue
        new = []
        for lesion in lesions_of(name, data):
            for start, mask in starts(lesion).items():
                for method in options.methods:
                    curve, seconds = run(lesion, mask, method, options.strokes, options.reader)
                    row = {"case": name, "lesion": lesion.name, "voxels": int(lesion.truth.sum()), "start": start}
                    new.append({**row, "method": method, "dice": curve, "seconds": seconds})
        with file.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in new)
        rows += new
        print(f"{name}: {len(new)} runs", file=sys.stderr)
    print("\n".join(table([row for row in rows if row["case"] in names])))


if __name__ == "__main__":
    main()
