"""Places on CT with what the search measures of them and what they are, to fit and to judge the suspicion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from dotaliver.config.ct import CtFociConfig
from dotaliver.image.geometry import grow_box
from dotaliver.image.itk import resample_labels
from dotaliver.image.volume import LabelMap, Volume
from dotaliver.phantom.families import FAMILIES
from dotaliver.phantom.families import HELD_OUT as HELD_OUT_ANATOMIES
from dotaliver.segmentation.lesions.ct_foci import candidates_in
from dotaliver.segmentation.lesions.ct_focus_features import FEATURES, features_of
from dotaliver.segmentation.lesions.ct_focus_image import LiverImage, liver_image, scales_of
from dotaliver.segmentation.lesions.ct_focus_suspicion import opinion_on
from negative_bench.lesions import Placing, insert
from negative_bench.scenes import HELD_OUT, Clutter, Family, Liver, phantom_liver

# Anatomies to draw from: none that the benchmark or the phantoms hold out, nor those with lesions without uptake, with
# too little liver, or with dense lesions.
_LEFT_OUT = {"cold", "burden_60_80", "truncated", "calcified", "hemihepatectomy"}
ANATOMIES = tuple(sorted(set(FAMILIES) - HELD_OUT_ANATOMIES - {f.anatomy for f in HELD_OUT} - _LEFT_OUT))
_CLUTTER: tuple[Clutter, ...] = ("fissure", "sparing", "deposit", "perfusion", "streaks")
_PHASES = ("portal", "portal", "portal", "arterial", "late", "native")
SIZES_MM, CONTRASTS_HU, LESIONS = (7.5, 34.0), (8.0, 45.0), 10
# Share of a place's voxels in a lesion from which it is that lesion; between these it is neither.
HIT, MISS = 0.2, 0.02
CONFIG = CtFociConfig()
# The rules without a limit of suspicion
RULES = CtFociConfig(least_suspicion=0.0, least_suspicion_bright=0.0)
_HALF = 20
_LONGEST_RATIO = 1.8
# What is looked at to fit the suspicion: more than the rules let through.
RELAXED = RULES.model_copy(
    update={
        "least_form": 0.02,
        "border_share": 0.5,
        "small_border_share": 0.35,
        "fissure_share": 0.4,
        "cut_fissure_share": 3.0,
        "tube_share": 0.8,
        "least_cut_contrast_hu": 8.0,
        "longest_ratio": 2.3,
        "fill": 0.6,
    }
)


@dataclass(frozen=True, eq=False)
class Places:
    """Places of one search: features, the lesion of each (0: none, -1: neither), and which the rules let through."""

    group: str
    features: np.ndarray
    owners: np.ndarray
    passed: np.ndarray
    lesions: np.ndarray
    """Of each lesion that was put in: number, diameter, contrast, whether it lies inside."""
    centres: np.ndarray
    views: np.ndarray
    """Planes through each place, to look at: axial, coronal and sagittal, in HU, avid lesions raised by 2000."""
    avid: bool = False
    """Whether the phantom has avid lesions."""

    def save(self, path: Path) -> None:
        """Store it."""
        hidden = path.with_suffix(".part.npz")
        arrays = {name: value for name, value in self.__dict__.items() if name != "avid"}
        np.savez_compressed(hidden, **arrays)
        hidden.rename(path)


def read_places(path: Path, *, avid: bool = False) -> Places:
    """What `Places.save` stored."""
    with np.load(path) as stored:
        parts = ("features", "owners", "passed", "lesions", "centres", "views")
        return Places(str(stored["group"]), *(stored[name] for name in parts), avid)


def drawn_family(number: int) -> Family:
    """A scan with an anatomy, phase, slices, kernel and clutter drawn at random, most with avid lesions."""
    rng = np.random.default_rng([number, 41])
    anatomy = ANATOMIES[number % len(ANATOMIES)]
    clutter = tuple(kind for kind in _CLUTTER if rng.random() < 0.3)
    slice_mm = float(rng.choice([2.0, 2.5, 3.0, 3.0, 4.0, 5.0]))
    kernel = str(rng.choice(["soft", "medium", "sharp"]))
    avid = bool(rng.random() < 0.6)
    outline_mm = float(rng.choice([1.2, 2.0, 3.0]))
    phase = str(rng.choice(_PHASES))
    return Family(f"{anatomy}-{number}", anatomy, phase, slice_mm, kernel, clutter, avid, 1.4, outline_mm)  # type: ignore[arg-type]


def drawn_lesions(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Diameters and contrasts, two thirds of them darker than liver."""
    sizes = np.exp(rng.uniform(*np.log(SIZES_MM), LESIONS))
    contrasts = np.exp(rng.uniform(*np.log(CONTRASTS_HU), LESIONS)) * rng.choice([-1, -1, 1], LESIONS)
    return [(float(d), float(c)) for d, c in zip(sizes, contrasts, strict=True)]


def places_of(base: Liver, ct: Volume, truth: np.ndarray, made: list, group: str) -> Places:
    """All places of one CT that the relaxed rules let through."""
    whole = LabelMap(base.liver.astype(np.uint8), base.grid)
    assert whole.used is not None
    box = grow_box(whole.used, np.ceil(6 / np.asarray(base.grid.spacing_mm)), base.grid.shape)
    avid = LabelMap(base.avid.astype(np.uint16), base.grid) if base.avid.any() else None
    image = liver_image(ct, box, whole.crop(box), avid, CONFIG)
    rows, owners, passed, centres, views = [], [], [], [], []
    if image is not None:
        on_grid = resample_labels(LabelMap(truth, base.grid), image.grid).array
        for found in candidates_in(image, scales_of(image, CONFIG), RELAXED):
            shape = found.shape
            counts = np.bincount(on_grid[shape.box][shape.mask], minlength=2)
            best = int(counts[1:].argmax()) + 1
            share = counts[best] / counts.sum()
            rows.append(features_of(image, shape, CONFIG))
            owners.append(best if share > HIT else -1 if share > MISS else 0)
            passed.append(opinion_on(image, shape, RULES) == "candidate")
            centres.append(image.grid.index_to_lps(shape.centre))
            views.append(_views(image, shape.centre))
    known = [(m.number, m.diameter_mm, m.contrast_hu, m.place == "inside") for m in made]
    return Places(
        group,
        np.array(rows).reshape(len(rows), len(FEATURES)),
        np.array(owners, dtype=int),
        np.array(passed, dtype=bool),
        np.array(known).reshape(-1, 4),
        np.array(centres).reshape(-1, 3),
        np.array(views, dtype=np.int16).reshape(-1, 3, 2 * _HALF, 2 * _HALF),
    )


def _views(image: LiverImage, centre: tuple[float, float, float]) -> np.ndarray:
    """Three planes of 2 mm pixels through a place."""
    steps = (np.arange(2 * _HALF) - _HALF + 0.5) * 2.0
    zero = np.zeros((2 * _HALF, 2 * _HALF))
    down, across = np.meshgrid(steps, steps, indexing="ij")
    shown = image.hu if image.avid is None else image.hu + np.where(image.avid != 0, 2000.0, 0.0)
    offsets = [(zero, down, across), (-down, zero, across), (-down, across, zero)]
    spacing = np.asarray(image.grid.spacing_mm)[:, None, None]
    at = [np.asarray(centre)[:, None, None] + np.stack(o) / spacing for o in offsets]
    return np.stack([ndimage.map_coordinates(shown, a, order=0, mode="nearest") for a in at])


def searched(base: Liver, group: str, seed: int, noises_hu: tuple[float, float], times: int = 2) -> Iterator[Places]:
    """One liver without lesions, and several times with them."""
    rng = np.random.default_rng([seed, 43])
    for turn in range(times + 1):
        noise = float(rng.uniform(*noises_hu)) if noises_hu[1] > 0 else 0.0
        hu, truth, made = base.hu, np.zeros(base.grid.shape, np.uint16), []
        if turn > 0:
            how = Placing(float(rng.choice([0.0, 2.0, 5.0])), _LONGEST_RATIO, beside_every=3)
            hu, truth, made = insert(base, drawn_lesions(rng), 1000 * seed + turn, how)
        yield places_of(base, base.with_noise(noise, 10 * seed + turn, hu), truth, made, group)


def phantom_places(number: int, cache: Path) -> list[Places]:
    """Those of one drawn phantom, kept in a folder."""
    paths = [cache / f"phantom-{number:04}-{turn}.npz" for turn in range(3)]
    family = drawn_family(number)
    if not all(path.exists() for path in paths):
        base = phantom_liver(family, number)
        for path, places in zip(paths, searched(base, family.anatomy, number, (6.0, 15.0)), strict=True):
            places.save(path)
    return [read_places(path, avid=family.avid) for path in paths]


def held_out_places(family: Family, seed: int, cache: Path) -> list[Places]:
    """Those of a phantom that nothing was fitted on, from the same folder."""
    name = f"{family.name} {'avid' if family.avid else 'plain'}".replace(" ", "_")
    paths = [cache / f"held-out-{name}-{seed}-{turn}.npz" for turn in range(3)]
    if not all(path.exists() for path in paths):
        base = phantom_liver(family, seed)
        for path, places in zip(paths, searched(base, f"held-out {name}", seed, (6.0, 14.0)), strict=True):
            places.save(path)
    return [read_places(path, avid=family.avid) for path in paths]


def real_places(base: Liver, seed: int, cache: Path) -> list[Places]:
    """Those of a real CT with its own noise, or a little more, with other lesions for each seed."""
    paths = [cache / f"{base.name}-{seed}-{turn}.npz" for turn in range(3)]
    if not all(path.exists() for path in paths):
        for path, places in zip(paths, searched(base, base.name, seed, (0.0, 6.0 * (seed > 0))), strict=True):
            places.save(path)
    return [read_places(path) for path in paths]
