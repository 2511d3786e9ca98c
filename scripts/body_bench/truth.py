"""What each hot part of a body phantom truly is."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.itk import resample_labels
from dotaliver.phantom.body import BodyPhantom, make_body
from dotaliver.phantom.body_lesions import PlacedLesion
from dotaliver.phantom.body_spec import BodySpec, draw_body
from dotaliver.segmentation.body.part_features import PlacedPart
from dotaliver.segmentation.body.parts import HotPart
from dotaliver.segmentation.body.physiology import explained, owned_large_organs
from dotaliver.segmentation.body.regions import region_of
from dotaliver.segmentation.body.search import Candidate, Candidates, find_candidates, judged_parts
from dotaliver.segmentation.coarse import coarse_of
from dotaliver.segmentation.lesions.basins import basin_boxes

# A part is a lesion where it fills so much of it, or so much of the part is lesion.
OVERLAP = 0.3

# What parts have without a CT.
_NO_CT = {"hu": None, "bone_share": 0.0, "bone_near": 0.0, "lung_share": 0.0, "fat_around": 0.0, "gas_near": 0.0}


@dataclass(frozen=True)
class Judged:
    """The candidates of one body: of each, the lesion that it is (0: none) and the organ at its peak."""

    seed: int
    spec: BodySpec
    placed: tuple[PlacedLesion, ...]
    candidates: tuple[Candidate, ...]
    lesions: tuple[int, ...]
    organs: tuple[str, ...]
    liver_uptake: float


def liver_on(body: BodyPhantom, grid) -> np.ndarray:
    """The true liver on a grid, where the PET shows it."""
    down = (0.0, 0.0, -body.spec.trunk.scanner.breathing_shift_mm)
    return resample_labels(body.liver.placed(body.liver.geometry.moved(down)), grid).mask


def true_lesions(body: BodyPhantom, found: Candidates) -> tuple[int, ...]:
    """Per candidate, the lesion outside the liver that it is; 0 for none."""
    on_grid = resample_labels(body.lesions, found.images.geometry).array
    outside = {p.label for p in body.placed if p.site != "liver"}
    sizes = np.bincount(on_grid.ravel(), minlength=len(body.placed) + 1)
    boxes = dict(basin_boxes(found.parts.owners))
    lesions = []
    for candidate in found.candidates:
        part = candidate.part
        box = boxes[part.label]
        own = found.parts.owners[box] == part.label
        own &= found.parts.smooth[box] > part.background + 0.5 * (part.peak - part.background)
        counts = np.bincount(on_grid[box][own], minlength=len(sizes)).astype(float)
        counts[0] = 0
        best = int(counts.argmax())
        enough = counts[best] >= OVERLAP * min(own.sum(), max(sizes[best], 1))
        lesions.append(best if counts[best] and enough and best in outside else 0)
    return tuple(lesions)


def judged_body(seed: int, config: ScoringConfig, *, clean: bool, cache: Path | None = None) -> Judged:
    """Make the body of a seed, search it, and say what each candidate truly is; kept in a folder where one is given."""
    path = None if cache is None else cache / f"{'clean' if clean else 'body'}-{seed}.pickle"
    if path is not None and path.is_file():
        return pickle.loads(path.read_bytes())
    body = make_body(draw_body(seed, clean=clean))
    images = coarse_of(body.volumes, config.liver.coarse_mm)
    liver = liver_on(body, images.geometry)
    uptake = float(np.median(images.uptake[liver]))
    found = find_candidates(images, body.volumes.acquisition, liver, uptake, config)
    organs = tuple(body.organ_at(images.geometry.index_to_lps(c.part.place)) for c in found.candidates)
    judged = Judged(seed, body.spec, body.placed, found.candidates, true_lesions(body, found), organs, uptake)
    if path is not None:
        path.write_bytes(pickle.dumps(judged))
    return judged


@dataclass(frozen=True)
class _Parts:
    """Hot parts without their images."""

    parts: tuple[HotPart, ...]


def placed_parts(judged: Judged, *, without_ct: bool = False) -> tuple[PlacedPart, ...]:
    """The hot parts with what today's rules make of them; rules of places need no images.

    With ``without_ct``, as if there were no CT.
    """
    has_ct = judged.spec.with_ct and not without_ct
    names = _names(judged, has_ct=has_ct)
    parts = _parts(judged, has_ct=has_ct)
    return tuple(PlacedPart(p, names.get(p.label), region_of(p, has_ct=has_ct)[1]) for p in parts)


def reasoned(judged: Judged) -> tuple[Candidate, ...]:
    """The candidates with what today's rules and the stored trees make of their parts."""
    has_ct = judged.spec.with_ct
    parts, names = _parts(judged, has_ct=has_ct), _names(judged, has_ct=has_ct)
    return judged_parts(parts, names, judged.liver_uptake, has_ct=has_ct)


def _parts(judged: Judged, *, has_ct: bool) -> tuple[HotPart, ...]:
    return tuple(c.part if has_ct else replace(c.part, **_NO_CT) for c in judged.candidates)


def _names(judged: Judged, *, has_ct: bool) -> dict[int, str]:
    """What may explain each part, by label."""
    parts = _Parts(_parts(judged, has_ct=has_ct))
    owned = owned_large_organs(parts, judged.liver_uptake, has_ct=has_ct)
    return explained(parts, owned, judged.liver_uptake, has_ct=has_ct)
