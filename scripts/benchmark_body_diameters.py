"""Diameters on CT of lesions outside the liver, against the truth of body phantoms: error, yield, interval coverage.

    python scripts/benchmark_body_diameters.py --bodies 12 --seed 9600 --cache /path/of/a/folder

Each listed candidate that is a lesion is accepted, as a reader would, and measured on a CT of 1.5 mm pixels and 3 mm
slices. Nodes are measured by their short axis, others by the longest diameter. A lesion is an ellipsoid, so both
follow from the section through its middle. Bone is not measured.
"""

from __future__ import annotations

import argparse
import pickle
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from body_bench.truth import liver_on
from scipy.spatial.transform import Rotation

from dotaliver.config.scoring import ScoringConfig
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.phantom.body import make_body
from dotaliver.phantom.body_lesions import PlacedLesion
from dotaliver.phantom.body_spec import BodyLesionSpec, draw_body
from dotaliver.phantom.shapes import stream
from dotaliver.records.edits import BodyReading
from dotaliver.records.masks import MaskLayer, Mismatch, Segmentations
from dotaliver.segmentation.body.search import search_body
from dotaliver.segmentation.body_lesions_on_ct import with_body_lesions_on_ct
from dotaliver.segmentation.coarse import coarse_of

CT_MM = (3.0, 1.5)
SITES = ("node_mediastinal", "node_retroperitoneal", "node_mesenteric", "node_pelvic", "peritoneum", "lung", "pancreas")
LEAST_MM, MOST_MM = 8.0, 40.0


@dataclass(frozen=True)
class Row:
    """One accepted lesion, its true diameters and what was measured."""

    seed: int
    site: str
    true_mm: tuple[float, float]
    found_mm: tuple[float, float] | None
    error_mm: float
    reason: str

    @property
    def node(self) -> bool:
        return self.site.startswith("node")

    @property
    def axis(self) -> int:
        return 1 if self.node else 0


def true_axes(lesion: PlacedLesion) -> tuple[float, float]:
    """Longest diameter of the axial section through the middle, and the longest one at right angles to it."""
    turn = Rotation.from_euler("xyz", lesion.turn_deg, degrees=True).as_matrix()
    quadric = turn @ np.diag(1 / np.square(lesion.axes_mm)) @ turn.T
    low, high = np.linalg.eigvalsh(quadric[:2, :2])
    return 2 / np.sqrt(low), 2 / np.sqrt(high)


def with_lesions(seed: int):
    """The body of a seed with soft lesions of 8 to 40 mm in place of its own."""
    spec, rng = draw_body(seed), stream(seed, "lesions to measure")
    lesions = []
    for site in rng.permutation(SITES * 2):
        size = float(np.exp(rng.uniform(np.log(LEAST_MM), np.log(30.0 if site == "lung" else MOST_MM))))
        lesions.append(BodyLesionSpec(site=str(site), diameter_mm=size, suv=float(rng.uniform(8, 30))))
    return spec.model_copy(update={"lesions": tuple(lesions), "with_ct": True})


def scene_of(seed: int, config: ScoringConfig, cache: Path | None):
    """Images, masks with all true candidates, and which lesion each is."""
    path = None if cache is None else cache / f"diameters-{seed}.pickle"
    if path is not None and path.is_file():
        return pickle.loads(path.read_bytes())
    body = make_body(with_lesions(seed), CT_MM)
    images = coarse_of(body.volumes, config.liver.coarse_mm)
    liver = liver_on(body, images.geometry)
    found = search_body(body.volumes, liver, float(np.median(images.uptake[liver])), config)
    on_pet = body.lesions.array
    which = {}
    for label, box in found.mask.labels.boxes():
        own = on_pet[box][found.mask.labels.array[box] == label]
        best = int(np.bincount(own).argmax())
        if best and np.count_nonzero(own == best) >= 0.3 * min(own.size, np.count_nonzero(on_pet == best)):
            which[label] = best
    shift = (0.0, 0.0, -body.spec.trunk.scanner.breathing_shift_mm)
    masks = Segmentations(
        "phantom",
        MaskLayer(body.liver, "ct", "phantom", 2.0),
        None,
        mismatch=Mismatch(shift_lps_mm=shift, method="true"),
    )
    scene = (body.volumes, replace(masks, body=found), which, body.placed)
    if path is not None:
        path.write_bytes(pickle.dumps(scene))
    return scene


def rows_of(seed: int, config: ScoringConfig, cache: Path | None) -> list[Row]:
    volumes, masks, which, placed = scene_of(seed, config, cache)
    truth = {lesion.label: lesion for lesion in placed}
    first = {lesion: label for label, lesion in sorted(which.items(), reverse=True)}
    wanted = {label: truth[lesion] for lesion, label in first.items() if truth[lesion].site in SITES}
    foci = tuple(
        replace(f, organ="lymph_node" if wanted[f.label].site.startswith("node") else "soft_tissue")
        if f.label in wanted
        else f
        for f in masks.body.foci
    )
    masks = replace(masks, body=replace(masks.body, foci=foci))
    reading = BodyReading.model_validate({"answers": [{"label": n, "answer": "accepted"} for n in wanted]})
    found = with_body_lesions_on_ct(volumes, masks, reading, config)
    layer, rows = found.body_on_ct, []
    boxes = {} if layer is None else dict(layer.labels.boxes())
    for label, lesion in wanted.items():
        measured, error = None, 0.0
        if label in boxes:
            box = boxes[label]
            own = LabelMap((layer.labels.array[box] == label).astype(np.uint8), layer.labels.geometry.crop(box))
            diameter = longest_diameter(own, "ct").diameter
            measured, error = (diameter.longest_mm, diameter.short_mm), layer.borders[label].diameter_error_mm
        rows.append(Row(seed, lesion.site, true_axes(lesion), measured, error, found.body_unseen_on_ct.get(label, "")))
    return rows


def summary(name: str, rows: list[Row], threshold_mm: float) -> None:
    seen = [row for row in rows if row.found_mm is not None]
    if not seen:
        print(f"{name}: {len(rows)}, none measured")
        return
    errors = np.array([row.found_mm[row.axis] - row.true_mm[row.axis] for row in seen])
    held = sum(abs(e) <= row.error_mm for e, row in zip(errors, seen, strict=True))
    wrong = sum(
        ((row.found_mm[row.axis] - row.error_mm >= threshold_mm) and row.true_mm[row.axis] < threshold_mm)
        or ((row.found_mm[row.axis] + row.error_mm < threshold_mm) and row.true_mm[row.axis] >= threshold_mm)
        for row in seen
    )
    print(
        f"{name}: {len(seen)} of {len(rows)} measured ({len(seen) / len(rows):.2f}); "
        f"error median {np.median(errors):+.1f}, MAE {np.abs(errors).mean():.2f}, "
        f"95 % {np.quantile(np.abs(errors), 0.95):.1f}, worst {np.abs(errors).max():.1f} mm; "
        f"interval ± {np.median([row.error_mm for row in seen]):.1f} holds {held / len(seen):.2f}; "
        f"wrong side of {threshold_mm:g} mm for certain {wrong}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=4)
    parser.add_argument("--seed", type=int, default=9600)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    config, rows = ScoringConfig(), []
    started = time.process_time()
    for seed in range(options.seed, options.seed + options.bodies):
        rows += rows_of(seed, config, options.cache)
    nodes = [row for row in rows if row.node]
    summary("nodes, short axis", nodes, 15.0)
    summary("others, longest diameter", [row for row in rows if not row.node], 10.0)
    for low, high in ((0, 10), (10, 15), (15, 25), (25, 60)):
        part = [row for row in rows if low <= row.true_mm[row.axis] < high]
        if part:
            summary(f"  {low} to {high} mm", part, 10.0)
    for site in SITES:
        part = [row for row in rows if row.site == site]
        if part:
            summary(f"  {site}", part, 15.0 if site.startswith("node") else 10.0)
    if options.verbose:
        for row in rows:
            print(row)
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
