"""Outlines whose truth is known: natural ones, and true ones that are spoilt in the ways in which outlines fail."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.itk import occupancy_on
from dotaliver.image.volume import LabelMap
from dotaliver.phantom.families import FAMILIES, family_spec
from dotaliver.phantom.presets import base_spec, match_enhancement
from dotaliver.phantom.shapes import stream
from dotaliver.phantom.spec import PhantomSpec
from dotaliver.phantom.study import make_phantom, study_volumes
from dotaliver.phantom.tissues import Tissue
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.petct import segment

Mask = npt.NDArray[np.bool_]
_AXES = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
_FIRST_SEED = 6_100_000
# What makes an outline hard to find, whatever the patient
DIFFICULTIES = (
    "truncated",
    "pet_misses_top",
    "native",
    "low_counts",
    "streaks",
    "slices_thick",
    "heart_touching",
    "ascites",
    "cirrhosis",
    "spleen_hot",
    "hot_bowel",
    "kidney_indenting",
    "left_small",
)


@dataclass(frozen=True, eq=False)
class OutlineCase:
    """A study on the coarse grid with its true liver, its right kidney and the outline that the program finds."""

    name: str
    family: str
    geometry: Geometry
    hu: npt.NDArray[np.float32]
    uptake: npt.NDArray[np.float32]
    truth: Mask
    kidney: Mask
    natural: Mask


def cropped(case: OutlineCase, box: Box) -> OutlineCase:
    """A part of a case."""
    arrays = {name: getattr(case, name)[box] for name in ("hu", "uptake", "truth", "kidney", "natural")}
    return replace(case, geometry=case.geometry.crop(box), **arrays)


def seed_of(family: str, number: int) -> int:
    """A seed of its own for each study: the same seed in two families would be the same patient."""
    return _FIRST_SEED + zlib.crc32(f"{family} {number}".encode()) % 800_000


def study_spec(family: str, number: int, *, hard: bool = False) -> PhantomSpec:
    """One study of a family; a hard one has two more difficulties, on top of which the family puts its own."""
    if not hard:
        return family_spec(family, seed_of(family, number), "small")
    seed = seed_of(f"hard {family}", number)
    spec = base_spec(family, seed, "small")
    for name in map(str, stream(seed, "difficulties").choice(DIFFICULTIES, 2, replace=False)):
        spec = FAMILIES[name](spec, stream(seed, f"family {name}"))
    return match_enhancement(FAMILIES[family](spec, stream(seed, f"family {family}")))


def outline_case(family: str, number: int, cache: Path | None, *, hard: bool = False) -> OutlineCase:
    """Make a phantom and outline its liver; or take both from the cache."""
    spec = study_spec(family, number, hard=hard)
    name = f"{family}{'-hard' if hard else ''}-{spec.seed}"
    path = None if cache is None else cache / f"{name}.npz"
    if path is None or not path.exists():
        values = _made(spec)
        if path is None:
            return _case(name, family, values)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **values)  # type: ignore[arg-type]
    with np.load(path) as stored:
        return _case(name, family, {key: stored[key] for key in stored.files})


def _made(spec: PhantomSpec) -> dict[str, npt.NDArray[np.generic]]:
    study = make_phantom(spec)
    volumes, config = study_volumes(study), ScoringConfig()
    images = coarse_of(volumes, config.liver.coarse_mm)
    found = segment(volumes, config).liver
    grid = images.geometry
    kidneys = (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA, Tissue.RENAL_SINUS)
    renal = np.isin(study.organs.array, kidneys)
    renal[..., renal.shape[2] // 2 :] = False
    empty = np.zeros(grid.shape, dtype=bool)
    assert images.hu is not None
    return {
        "hu": images.hu,
        "uptake": images.uptake,
        "origin": np.asarray(grid.origin_lps_mm),
        "truth": occupancy_on(study.liver, grid) >= 0.5,
        "kidney": occupancy_on(LabelMap(renal.astype(np.uint8), study.organs.geometry), grid) >= 0.5,
        "natural": empty if found is None else occupancy_on(found.labels, grid) >= 0.5,
    }


def _case(name: str, family: str, values: dict[str, npt.NDArray[np.generic]]) -> OutlineCase:
    hu = values["hu"]
    x, y, z = (float(c) for c in values["origin"])
    geometry = Geometry((hu.shape[0], hu.shape[1], hu.shape[2]), (x, y, z), (4.0, 4.0, 4.0), _AXES)
    masks = {key: values[key].astype(bool) for key in ("truth", "kidney", "natural")}
    return OutlineCase(name, family, geometry, hu.astype(np.float32), values["uptake"].astype(np.float32), **masks)


def spoilt(case: OutlineCase) -> Iterator[tuple[str, Mask]]:
    """The true outline, within its border, and spoilt in various ways and degrees."""
    rng = np.random.default_rng([zlib.crc32(case.name.encode()), 4004])
    truth = case.truth
    yield "true", truth
    yield "true, border moved by 2 mm", _rippled(truth, 2.0, rng)
    columns = np.nonzero(truth)[2]
    for share in (0.75, 0.85):
        yield "left lobe dropped", truth & (np.arange(truth.shape[2]) < np.quantile(columns, share))
    yield "kidney added", truth | case.kidney
    upper = case.kidney.copy()
    heights = np.nonzero(case.kidney)[0]
    if heights.size:
        upper[: int(np.quantile(heights, 0.5))] = False
    yield "kidney added", truth | upper
    for share in (0.75, 0.88):
        yield "back left out", _without_back(truth, share)
    for mm in (4.0, 6.0, 8.0):
        yield "swollen on one side", _swollen(truth, mm, rng)


def _without_back(truth: Mask, share: float) -> Mask:
    """Without what lies behind, in the lower or the upper half of the right lobe."""
    slices, rows, columns = np.nonzero(truth)
    behind = np.arange(truth.shape[1]) > np.quantile(rows, share)
    right = np.arange(truth.shape[2]) < np.quantile(columns, 0.6)
    upper = np.arange(truth.shape[0]) > np.quantile(slices, 0.3)
    return np.asarray(truth & ~(upper[:, None, None] & behind[None, :, None] & right[None, None, :]))


def _rippled(truth: Mask, sd_mm: float, rng: np.random.Generator) -> Mask:
    """The border moved by smooth noise."""
    noise = ndimage.gaussian_filter(rng.standard_normal(truth.shape), 5.0)
    noise *= sd_mm / noise.std()
    return np.asarray(_signed_mm(truth) + noise > 0)


def _swollen(truth: Mask, mm: float, rng: np.random.Generator) -> Mask:
    """The border moved outwards over the half that looks in a random direction."""
    signed = _signed_mm(truth)
    slopes = np.stack(np.gradient(ndimage.gaussian_filter(signed, 2.0)))
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    outwards = -np.tensordot(direction, slopes, axes=1) / np.maximum(np.linalg.norm(slopes, axis=0), 1e-6)
    return np.asarray(truth | ((signed > -mm) & (outwards > 0.0)))


def _signed_mm(mask: Mask) -> npt.NDArray[np.float64]:
    inside = ndimage.distance_transform_edt(mask, sampling=4.0)
    outside = ndimage.distance_transform_edt(~mask, sampling=4.0)
    return np.asarray(np.where(mask, inside - 2.0, 2.0 - outside))
