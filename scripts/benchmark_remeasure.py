#!/usr/bin/env python3
"""Time of a re-measurement after an edit of one lesion or of the liver, beside scoring anew, on a clinical matrix.

    python scripts/benchmark_remeasure.py [--rounds 5] [--whole-body] [--study FOLDER]

Without --study a phantom of the liver with a CT of 512 x 512 x 130 is made; with --whole-body one of 512 x 512 x 350
with a PET of 200 x 200 x 350. Needs napari-dotaliver (plugins/napari-dotaliver) installed; no window is opened. The
score is read as a stored one is: nothing of its images is remembered. Each round paints another lesion one voxel
larger, takes it into the reading and measures; then the liver's front is painted on at two heights, the first time in
a reading of its own. Medians in seconds of the processor are printed, which other programs on the machine change less
than those of the clock, and the stages of the last lesion by their share.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari_dotaliver.reading import measuring
from napari_dotaliver.reading.session import ReadingSession

from dotaliver import pipeline
from dotaliver.config.scoring import ScoringConfig
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits

LIMIT_S, LIVER_LIMIT_S = 1.0, 3.0
_BRUSH_VOXELS = 8
LIVER = {"ct_slice_mm": 2.46}
FULL = {"ct_slice_mm": 2.0, "pet_slice_mm": 2.0, "ct_bottom_mm": -400.0, "ct_top_mm": 300.0}
FULL |= {"pet_bottom_mm": -400.0, "pet_top_mm": 300.0}


def clinical_phantom(folder: Path, *, whole_body: bool) -> Path:
    """A phantom on the matrix of a clinical scanner; returns the folder of its DICOM files."""
    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study

    spec = preset("moderate", 3, "clinical")
    scanner = spec.scanner.model_copy(update=FULL if whole_body else LIVER)
    write_study(make_phantom(spec.model_copy(update={"scanner": scanner})), folder)
    return folder / "study"


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


class Stages:
    """Seconds in the steps of a measurement, by replacing each by itself with a clock around it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def around(self, name: str, stage: str) -> None:
        function = getattr(measuring, name)

        def clocked(*arguments: Any, **options: Any) -> Any:
            spent, result = timed(lambda: function(*arguments, **options))
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
            return result

        setattr(measuring, name, clocked)


def grown(session: ReadingSession, label: int) -> np.ndarray:
    from scipy.ndimage import binary_dilation

    array = session.lesions.array.copy()
    array[binary_dilation(array == label) & (array == 0)] = label
    return array


def painted_on(session: ReadingSession, height: float) -> np.ndarray:
    """The liver with a stroke of a round brush at its front, over three slices at a share of its height."""
    mask = session.liver.mask.copy()
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    k = int(slices[int(height * len(slices))])
    places = np.argwhere(mask[k])
    row, column = places[places[:, 0].argmin()]
    rows, columns = np.ogrid[: mask.shape[1], : mask.shape[2]]
    mask[k - 1 : k + 2] |= (rows - row) ** 2 + (columns - column) ** 2 <= _BRUSH_VOXELS**2
    return mask


def measured(study: Path, rounds: int) -> None:
    config = ScoringConfig()
    opened = pipeline.open_study(pipeline.StudyInput(study), config)
    volumes = opened.volumes
    segmenting, found = timed(lambda: pipeline.segment_study(volumes, config))
    scoring, score = timed(lambda: score_labels(volumes, found, ReaderEdits(), config))

    def opened_again() -> ReadingSession:
        again = pipeline.open_study(pipeline.StudyInput(study), config)
        return ReadingSession(pipeline.Outcome(score, again, found, study))

    session = opened_again()
    ct = "none" if volumes.ct is None else "x".join(map(str, volumes.ct.geometry.shape))
    print(f"PET {'x'.join(map(str, volumes.pet.geometry.shape))}, CT {ct}, {len(score.lesions)} lesions")
    stages = Stages()
    for name, stage in (("with_masks", "what stays"), ("segment_study", "on CT"), ("score_labels", "score_labels")):
        stages.around(name, stage)
    taking, measuring, marking, strokes = [], [], [], []
    # Small, middling and large ones alike.
    ranked = sorted(score.lesions, key=lambda lesion: -lesion.volume_ml)
    labels = [ranked[n] for n in np.linspace(0, len(ranked) - 1, min(rounds, len(ranked))).round().astype(int)]
    for lesion in labels:
        stages.seconds.clear()
        array = grown(session, lesion.label)
        taking.append(timed(lambda painted=array: session.set_lesions(painted))[0])
        measuring.append(timed(session.remeasure)[0])
    shares = ", ".join(f"{stage} {spent:.2f} s" for stage, spent in stages.seconds.items())
    session = opened_again()
    for height in (0.4, 0.6):
        session.set_liver(painted_on(session, height))
        strokes.append(timed(session.remeasure)[0])
    for lesion in labels:
        session.mark_lesion(lesion.label, "treated")
        marking.append(timed(session.remeasure)[0])
    again = segmenting + scoring
    print(f"scoring anew                      {again:6.2f} s")
    for words, times in (
        ("taking a painted lesion in", taking),
        ("re-measuring after it", measuring),
        ("re-measuring after a mark", marking),
        ("first stroke on the liver", strokes[:1]),
        ("next stroke on the liver", strokes[1:]),
    ):
        middle = statistics.median(times)
        print(f"{words:32}  {middle:6.2f} s   {middle / again:6.3f} of scoring anew")
    print(f"last re-measurement: {shares}")
    for words, limit, times in (("a lesion", LIMIT_S, measuring), ("the liver", LIVER_LIMIT_S, strokes)):
        longest = max(times)
        print(f"longest for {words} {longest:.2f} s, limit {limit:.0f} s: {'met' if longest < limit else 'missed'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole-body", action="store_true", help="a phantom from head to thighs")
    parser.add_argument("--study", type=Path)
    arguments = parser.parse_args()
    if arguments.study is not None:
        measured(arguments.study, arguments.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        measured(clinical_phantom(Path(folder), whole_body=arguments.whole_body), arguments.rounds)


if __name__ == "__main__":
    main()
