"""Lesions of scenes as measured, beside a textbook threshold, and the table of both against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from diameter_bench.insertion import Scene
from dotaliver.config.ct import CtLesionConfig
from dotaliver.image.distance import distance_to_mm
from dotaliver.image.geometry import Box, Geometry
from dotaliver.image.volume import BoolArray, LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.segmentation.lesions.ct_outlines import outline_lesions_on_ct, with_surroundings
from dotaliver.segmentation.lesions.divided_lesions import with_lesions_divided

_CONTRASTS_HU = ((0, 4), (4, 8), (8, 15), (15, 200))
_LEAST_MM = 10.0
# So far around the uptake the plain threshold looks.
_GROWN_MM = 5.0


@dataclass(frozen=True)
class Row:
    """One true lesion, found on PET or not: contrast None where it was in the study before."""

    base: str
    phase: str
    contrast_hu: float | None
    place: str
    shape: str
    truth_mm: float
    ours_mm: float | None
    interval_mm: tuple[float, float] | None
    peer_mm: float | None
    again: bool = False
    """A further outline of a lesion that has one already."""


def caliper_mm(mask: BoolArray, grid: Geometry) -> float:
    """Longest distance between corners of a mask's voxels in one slice."""
    best = 0.0
    for plane in mask[mask.any(axis=(1, 2))]:
        pixels = np.argwhere(plane).astype(float)
        steps = np.array([(a, b) for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
        corners = (pixels[:, None] + steps).reshape(-1, 2) * np.asarray(grid.spacing_mm[1:])
        best = max(best, float(pdist(corners[ConvexHull(corners).vertices]).max()))
    return best


def rows_of(scene: Scene, base: str, phase: str) -> list[Row]:
    """A row for each outline, on the true lesion that it holds most of, and one for each true lesion without any."""
    config, grid = CtLesionConfig(), scene.ct.geometry
    found = outline_lesions_on_ct(scene.ct, scene.placed, scene.liver, config)
    next_label = max(scene.placed.labels, default=0) + 1
    found = with_lesions_divided(scene.ct, scene.placed, scene.liver, found, config, next_label)
    placed = scene.placed if found.divided is None else found.divided.placed
    outlines, true_boxes = dict(found.labels.boxes()), dict(scene.truth.boxes())
    known = {lesion.label: lesion for lesion in scene.known}

    def row(number: int, label: int | None, *, again: bool = False) -> Row:
        true_box, lesion = true_boxes[number], known.get(number)
        truth = caliper_mm(scene.truth.array[true_box] == number, grid)
        peer = None
        if label is not None:
            peer = _threshold_mm(scene, placed.array, label, with_surroundings(places[label], grid, config))
        ours, interval = None, None
        if label in outlines:
            mask = LabelMap((found.labels.array[outlines[label]] == label).astype(np.uint8), grid.crop(outlines[label]))
            measured = longest_diameter(mask, "ct", found.borders[label])
            assert measured is not None
            ours, interval = measured.diameter.longest_mm, measured.diameter.interval_mm
        contrast = None if lesion is None else abs(lesion.contrast_hu)
        place, shape = ("", "") if lesion is None else (lesion.place, lesion.shape)
        return Row(base, phase, contrast, place, shape, truth, ours, interval, peer, again)

    places = dict(placed.boxes())
    rows: list[Row] = []
    measured_ones, under_uptake = set(), {}
    for label, own in places.items():
        under = most_of(scene.truth.array[own][placed.array[own] == label])
        if under is not None:
            under_uptake.setdefault(under, label)
        if label in outlines:
            box = outlines[label]
            number = most_of(scene.truth.array[box][found.labels.array[box] == label]) or under
            if number is not None:
                rows.append(row(number, label, again=number in measured_ones))
                measured_ones.add(number)
    wanted = {*under_uptake, *known} & set(true_boxes)
    rows += [row(number, _refused(under_uptake.get(number), outlines)) for number in sorted(wanted - measured_ones)]
    return rows


def most_of(numbers: np.ndarray) -> int | None:
    """The true lesion with most of some voxels; None where none holds any."""
    counts = np.bincount(numbers, minlength=2)
    counts[0] = 0
    return int(counts.argmax()) if counts.any() else None


def _refused(label: int | None, outlines: dict[int, Box]) -> int | None:
    """The label of an uptake without an outline."""
    return None if label in outlines else label


def _threshold_mm(scene: Scene, placed: np.ndarray, label: int, box: Box) -> float | None:
    """A textbook measure: threshold midway between the densities under the uptake and around it, near the uptake."""
    from skimage.measure import label as components
    from skimage.measure import regionprops

    grid = scene.ct.geometry.crop(box)
    hu = ndimage.gaussian_filter(scene.ct.array[box].astype(np.float32), [0, 1, 1])
    own, liver = placed[box] == label, scene.liver[box]
    around = liver & (placed[box] == 0)
    if not around.any():
        return None
    inside, outside = float(np.median(hu[own])), float(np.median(hu[around]))
    beyond = (hu - outside) / (inside - outside or 1.0) > 0.5
    near = distance_to_mm(own, grid.spacing_mm, within_mm=_GROWN_MM) <= _GROWN_MM
    parts = components(beyond & liver & near, connectivity=1)
    counts = np.bincount(parts[own], minlength=2)
    counts[0] = 0
    if not counts.any():
        return None
    mask = parts == counts.argmax()
    slices = [regionprops(plane.astype(np.uint8))[0].feret_diameter_max for plane in mask if plane.any()]
    return float(max(slices) * grid.spacing_mm[1])


def report(rows: list[Row]) -> None:
    """The table by contrast, size, place, shape and phase."""
    wanted = [row for row in rows if row.truth_mm >= _LEAST_MM]
    lesions = sum(not row.again for row in wanted)
    print(f"{lesions} lesions of at least {_LEAST_MM:g} mm; share: of all, found on PET or not")
    head = f"{'':24} {'n':>4} {'share':>6} {'median':>8} {'':>6} {'<=2mm,10%':>10} {'>25%':>5} {'in 95%':>7}"
    print(f"{head}   | {'threshold: share':>16} {'median':>8} {'<=2mm,10%':>10} {'ours/theirs':>11}")
    drawn = [row for row in wanted if row.contrast_hu is not None]
    for low, high in _CONTRASTS_HU:
        _line(
            f"{low} to {high} HU" if high < 200 else f"from {low} HU",
            drawn,
            lambda r, a=low, b=high: a <= r.contrast_hu < b,
        )
    clear = [row for row in drawn if row.contrast_hu is not None and row.contrast_hu >= 15]
    for low, high in ((10, 15), (15, 25), (25, 40), (40, 200)):
        _line(f"from 15 HU, {low}-{high} mm", clear, lambda r, a=low, b=high: a <= r.truth_mm < b)
    for name in ("place", "shape", "phase"):
        for value in sorted({getattr(row, name) for row in clear}):
            _line(f"from 15 HU, {value}", clear, lambda r, n=name, v=value: getattr(r, n) == v)
    _line("in the study before", [row for row in wanted if row.contrast_hu is None], lambda _: True)


def _line(name: str, rows: Iterable[Row], chosen: Callable[[Row], bool]) -> None:
    some = [row for row in rows if chosen(row)]
    if not some:
        return
    mine = [(row, row.ours_mm) for row in some if row.ours_mm is not None]
    theirs = [(row, row.peer_mm) for row in some if row.peer_mm is not None]
    total = sum(not row.again for row in some)
    text = f"{name:24} {total:4}"
    text += _figures(mine, total, wide=True)
    both = [(abs(r.ours_mm - r.truth_mm), abs(r.peer_mm - r.truth_mm)) for r in some if r.ours_mm and r.peer_mm]
    ratio = f"{np.median([a for a, _ in both]) / np.median([b for _, b in both]):11.2f}" if both else f"{'–':>11}"
    print(f"{text}   | {_figures(theirs, total, wide=False)} {ratio}")


def _figures(measured: list[tuple[Row, float]], total: int, *, wide: bool) -> str:
    if not measured:
        return f" {0:6.0%}" + " " * (40 if wide else 20)
    truth = np.array([row.truth_mm for row, _ in measured])
    error = np.abs(np.array([size for _, size in measured]) - truth)
    good = float(np.mean(error <= np.maximum(2, 0.1 * truth)))
    share = sum(not row.again for row, _ in measured) / total
    text = f" {share:6.0%} {np.median(error):5.1f} mm"
    if not wide:
        return f"{text} {good:10.0%}"
    held = [row.interval_mm[0] <= row.truth_mm <= row.interval_mm[1] for row, _ in measured if row.interval_mm]
    text += f" {np.median(error / truth):6.1%} {good:10.0%} {np.count_nonzero(error > 0.25 * truth):5}"
    return f"{text} {np.mean(held):7.0%}"
