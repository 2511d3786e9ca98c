"""Measures what a click on CT gives, and how long it takes until diameter and interval are there, against 0.5 s.

    python scripts/benchmark_click.py FOLDER [--rounds 3] [--scored]

FOLDER is one of the hybrid studies: a ``study`` folder of DICOM, ``truth_liver.nii.gz`` and ``truth_lesions.nii.gz`` on
the grid of its CT. Each true lesion of at least 10 mm is pointed at in its deepest voxel, without knowing of the other
ones; with ``--scored`` as a reader does who has the study's own score open, with its lesions and their outlines on CT.
Time is that of the wall and of the processor; compare the first on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from diameter_bench.table import caliper_mm

from dotaliver.config.scoring import ScoringConfig
from dotaliver.dicom.study import load_study
from dotaliver.errors import ConfigError
from dotaliver.image.distance import depth_mm
from dotaliver.image.itk import labels_from_itk, resample_labels
from dotaliver.image.volume import LabelMap
from dotaliver.measurement.diameters import longest_diameter
from dotaliver.pipeline import segment_study
from dotaliver.records.edits import LesionClick
from dotaliver.records.masks import MaskLayer, Segmentations
from dotaliver.segmentation.clicked_lesions import click_site

LIMIT_S = 0.5
LEAST_MM = 10.0


def truth(folder: Path, name: str) -> LabelMap:
    """A mask of the study."""
    image = sitk.ReadImage(str(folder / f"truth_{name}.nii.gz"))
    return labels_from_itk(sitk.Cast(image, sitk.sitkUInt16))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scored", action="store_true", help="with what a score of the study finds")
    chosen = parser.parse_args()
    config = ScoringConfig()
    volumes = load_study(chosen.folder / "study", config)
    assert volumes.ct is not None
    grid = volumes.ct.geometry
    lesions = resample_labels(truth(chosen.folder, "lesions"), grid)
    liver = resample_labels(truth(chosen.folder, "liver"), grid)
    whole = LabelMap((liver.mask | lesions.mask).astype(np.uint8), grid)
    none = LabelMap(np.zeros(volumes.pet.geometry.shape, np.uint16), volumes.pet.geometry)
    found = Segmentations("truth", MaskLayer(whole, "ct", "truth", 1.0), MaskLayer(none, "pet", "truth", 1.0))
    if chosen.scored:
        found = segment_study(volumes, config)
    start = time.perf_counter()
    site = click_site(volumes, found, config)
    print(f"CT {' × '.join(map(str, grid.shape))}; brought to it once in {time.perf_counter() - start:.2f} s")
    print(f"{'lesion':>7} {'truth mm':>9} {'click mm':>9} {'95 % interval':>15} {'wall s':>8} {'processor s':>12}")
    times_s, measured, held = [], 0, 0
    for label, box in lesions.boxes():
        own = lesions.array[box] == label
        size = caliper_mm(own, grid)
        if size < LEAST_MM:
            continue
        depth = depth_mm(own, grid.spacing_mm)
        index = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) + [part.start for part in box]
        x, y, z = (float(v) for v in grid.index_to_lps(index))
        times, why = [], ""
        for _ in range(chosen.rounds):
            began = time.perf_counter(), time.process_time()
            try:
                clicked = site.measure(LesionClick(place_lps_mm=(x, y, z)))
                measured = longest_diameter(clicked.own(site), "click", clicked.outline.border)
                diameter = None if measured is None else measured.diameter
            except ConfigError as refusal:
                diameter, why = None, str(refusal)
            times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
        wall, processor = (float(np.median(column)) for column in zip(*times, strict=True))
        times_s.append(processor)
        words = f"{'–':>9} {'–':>15}" if diameter is None else f"{diameter.longest_mm:9.1f} "
        if diameter is not None and diameter.interval_mm is not None:
            words += f"{'{:.1f} to {:.1f}'.format(*diameter.interval_mm):>15}"
            measured += 1
            held += diameter.interval_mm[0] <= size <= diameter.interval_mm[1]
        tail = (
            "" if diameter is not None else "  " + why.rsplit("(LPS, mm): ", maxsplit=1)[-1].split(";", maxsplit=1)[0]
        )
        print(f"{label:7} {size:9.1f} {words} {wall:8.2f} {processor:12.2f}{tail}")
    within = sum(one <= LIMIT_S for one in times_s)
    print(f"{measured} of {len(times_s)} measured, {held} intervals hold the truth; processor: median", end=" ")
    print(f"{np.median(times_s):.2f} s, longest {max(times_s):.2f} s, {within} of {len(times_s)} within {LIMIT_S} s")


if __name__ == "__main__":
    main()
