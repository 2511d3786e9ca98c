#!/usr/bin/env python3
"""The pictures of the manual, from phantoms: projections, liver outline, one lesion, a cold lesion on CT.

    python scripts/manual_pictures.py          # writes src/dotaliver/manual/pictures

Look at each before you keep it. Every file stays under 300 kB.
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
from pathlib import Path

from PIL import Image

from dotaliver.export.report import pictures
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.scene import scene_of
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import Outcome, StudyInput, score_study

PICTURES = Path(__file__).resolve().parents[1] / "src" / "dotaliver" / "manual" / "pictures"
WIDTH = 860
MOST_BYTES = 300_000


def scored(name: str, seed: int) -> Outcome:
    """A phantom, scored."""
    with tempfile.TemporaryDirectory() as folder:
        write_study(make_phantom(preset(name, seed, "clinical")), Path(folder))
        return score_study(StudyInput(Path(folder) / "study"))


def save(shown: Picture, path: Path, width: int = WIDTH) -> None:
    """A picture of the report as a PNG of few colours."""
    data = base64.b64decode(shown.data_uri.split(",", 1)[1])
    image = Image.open(io.BytesIO(data)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {image.width} x {image.height}, {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path.name} is too large")


def main() -> None:
    """Score two phantoms and keep their pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PICTURES)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    outcome = scored("moderate", 1)
    scene = scene_of(outcome.score, outcome.opened.volumes, outcome.segmentations)
    save(pictures.mip(scene), out / "projections.png")
    levels = pictures.level_pictures(scene)
    save(levels[len(levels) // 2], out / "liver.png", 560)
    hottest = max(outcome.score.lesions, key=lambda lesion: lesion.total_uptake or 0.0)
    lesion = pictures.lesion_picture(scene, hottest.label)
    if lesion is not None:
        save(lesion, out / "lesion.png", 560)
    outcome = scored("cold", 1)
    scene = scene_of(outcome.score, outcome.opened.volumes, outcome.segmentations)
    if outcome.score.ct_foci:
        found = pictures.ct_focus_pictures(scene, outcome.score.ct_foci[0].label)
        if found is not None:
            for name, shown in zip(("cold_ct", "cold_pet"), found, strict=True):
                save(shown, out / f"{name}.png", 420)


if __name__ == "__main__":
    main()
