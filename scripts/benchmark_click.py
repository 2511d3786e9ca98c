"""Measures what a click on CT or MR gives, and the processor time until diameter, interval or refusal is there.

    python scripts/benchmark_click.py FOLDER [--rounds 3] [--scored] [--elsewhere 40]

FOLDER is one of the hybrid studies: a ``study`` folder of DICOM, ``truth_liver.nii.gz`` and ``truth_lesions.nii.gz`` on
the grid of its CT. Each true lesion of at least 10 mm is pointed at in its deepest voxel, without knowing of the other
ones; with ``--scored`` as a reader does who has the study's own score open, with its lesions and their outlines on CT.
Then places all over the liver and its surroundings are pointed at, most of which are refused. The first click of all
brings liver and lesions to the image and loads what it needs: its time is given apart. The longest of all rounds
counts, against 0.5 s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from diameter_bench.table import caliper_mm

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.errors import ConfigError
from dotaliver.image.distance import depth_mm
from dotaliver.image.geometry import Vector, as_vector
from dotaliver.image.itk import labels_from_itk, resample_labels
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.pipeline import segment_study
from dotaliver.records.edits import LesionClick
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.records.measurements import Diameter
from dotaliver.records.study import StudyVolumes
from dotaliver.segmentation.clicked_lesions import ClickSite, click_site

LIMIT_S = 0.5
LEAST_MM = 10.0
# Places elsewhere lie up to so far beyond the liver.
BEYOND_MM = 30.0


@dataclass(frozen=True)
class Answer:
    """What one place gave, and the longest processor time that it took."""

    diameter: Diameter | None
    why: str
    seconds: float


def truth(folder: Path, name: str) -> LabelMap:
    """A mask of the study."""
    image = sitk.ReadImage(str(folder / f"truth_{name}.nii.gz"))
    return labels_from_itk(sitk.Cast(image, sitk.sitkUInt16))


def of_truth(volumes: StudyVolumes, liver: LabelMap, lesions: LabelMap) -> Segmentations:
    """The true liver, and no known lesion."""
    whole = liver.with_array((liver.mask | lesions.mask).astype(np.uint8))
    none = LabelMap(np.zeros(volumes.pet.geometry.shape, np.uint16), volumes.pet.geometry)
    return Segmentations("truth", MaskLayer(whole, "ct", "truth", 1.0), MaskLayer(none, "pet", "truth", 1.0))


def pointed_at(site: Callable[[], ClickSite], place: Vector, rounds: int) -> Answer:
    """Click at a place several times."""
    times, diameter, why = [], None, ""
    for _ in range(rounds):
        began = time.process_time()
        try:
            there = site()
            clicked = there.measure(LesionClick(place_lps_mm=place))
            found = longest_diameter(clicked.own(there), "click", clicked.outline.border)
            diameter = None if found is None else found.diameter
        except ConfigError as refusal:
            why = str(refusal).rsplit("(LPS, mm)", maxsplit=1)[-1].strip(": ").split(";", maxsplit=1)[0]
        times.append(time.process_time() - began)
    return Answer(diameter, why, max(times))


def inside(lesions: LabelMap) -> list[tuple[int, float, Vector]]:
    """Label, longest diameter and deepest place of each lesion that is large enough."""
    grid, found = lesions.geometry, []
    for label, box in lesions.boxes():
        own = lesions.array[box] == label
        size = caliper_mm(own, grid)
        if size >= LEAST_MM:
            depth = depth_mm(own, grid.spacing_mm)
            index = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) + [part.start for part in box]
            found.append((label, size, as_vector(grid.index_to_lps(index))))
    return found


def elsewhere(liver: LabelMap, lesions: LabelMap, count: int) -> list[Vector]:
    """Places in the liver outside the lesions, and a quarter of them anywhere around it."""
    grid, rng = liver.geometry, np.random.default_rng(0)
    plain = np.argwhere(liver.mask & ~lesions.mask)
    corners = np.asarray(grid.crop(dict(liver.boxes())[1]).corners_lps_mm())
    around = (corners.min(axis=0) - BEYOND_MM, corners.max(axis=0) + BEYOND_MM)
    places = [*grid.index_to_lps(plain[rng.choice(len(plain), count - count // 4)])]
    return [as_vector(place) for place in (*places, *rng.uniform(*around, (count // 4, 3)))]


def line_of(label: int, size: float, answer: Answer) -> str:
    """One lesion in the table."""
    found = answer.diameter
    words = f"{'–':>9} {'–':>15}"
    if found is not None and found.interval_mm is not None:
        words = f"{found.longest_mm:9.1f} {'{:.1f} to {:.1f}'.format(*found.interval_mm):>15}"
    return f"{label:7} {size:9.1f} {words} {answer.seconds:12.2f}  {'' if found is not None else answer.why}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scored", action="store_true", help="with what a score of the study finds")
    parser.add_argument("--elsewhere", type=int, default=40, help="places that hold no lesion, most of them")
    chosen = parser.parse_args()
    config = ScoringConfig()
    volumes = load_study(chosen.folder / "study", config)
    assert volumes.ct is not None
    lesions = resample_labels(truth(chosen.folder, "lesions"), volumes.ct.geometry)
    liver = resample_labels(truth(chosen.folder, "liver"), volumes.ct.geometry)
    found = segment_study(volumes, config) if chosen.scored else of_truth(volumes, liver, lesions)
    places = inside(lesions)
    first = pointed_at(lambda: click_site(volumes, found, config), places[0][2], 1)
    site = click_site(volumes, found, config)
    print(f"CT {' × '.join(map(str, volumes.ct.geometry.shape))}; first click of all {first.seconds:.2f} s")
    print(f"{'lesion':>7} {'truth mm':>9} {'click mm':>9} {'95 % interval':>15} {'processor s':>12}")
    answers = [(size, pointed_at(lambda: site, place, chosen.rounds)) for _, size, place in places]
    for (label, size, _), (_, answer) in zip(places, answers, strict=True):
        print(line_of(label, size, answer))
    intervals = [(size, a.diameter.interval_mm) for size, a in answers if a.diameter and a.diameter.interval_mm]
    held = sum(low <= size <= high for size, (low, high) in intervals)
    print(f"{len(intervals)} of {len(answers)} measured, {held} intervals hold the truth")
    other = [pointed_at(lambda: site, place, 1) for place in elsewhere(liver, lesions, chosen.elsewhere)]
    for name, group in (("in lesions", [a for _, a in answers]), ("elsewhere", other)):
        times, refused = [a.seconds for a in group], sum(a.diameter is None for a in group)
        print(
            f"{name}: {len(group)} clicks, {refused} refused; processor median {np.median(times):.2f} s, longest "
            f"{max(times):.2f} s, {sum(one <= LIMIT_S for one in times)} within {LIMIT_S} s"
        )


if __name__ == "__main__":
    main()
