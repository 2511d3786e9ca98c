#!/usr/bin/env python3
"""The pictures of the manual, from phantoms: projections, liver outline, one lesion, a cold lesion on CT.

    python scripts/manual_pictures.py            # writes src/dotaliver/manual/pictures
    python scripts/manual_pictures.py --viewer   # those in OHIF (first: tests/viewer/install.sh)

Look at each before you keep it. Every file stays under 300 kB.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from dotaliver.export.report import pictures
from dotaliver.export.report.figures import Picture
from dotaliver.export.report.scene import scene_of
from dotaliver.phantom.presets import preset
from dotaliver.phantom.study import make_phantom
from dotaliver.phantom.writer import write_study
from dotaliver.pipeline import Outcome, OutputOptions, StudyInput, score_study
from dotaliver.pipeline import save as save_outcome

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


def save_screen(path: Path, out: Path, clip: tuple[int, int, int, int] | None = None) -> None:
    """A picture of a screen, or the part of it within left, top, right and bottom, in few colours."""
    image = Image.open(path).convert("RGB").crop(clip)
    image.quantize(96, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"{out.name}: {image.width} x {image.height}, {out.stat().st_size / 1000:.0f} kB")


def viewer_pictures(out: Path) -> None:
    """A phantom with its score in OHIF: outlines on PET, axes on the CT, and the TMTV mode."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from fixtures.ohif import shown_by_ohif, viewer_of

    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # That of the tests: few lesions, which the viewer draws without a graphics card
        spec = preset("moderate", 3, "small")
        write_study(make_phantom(spec.model_copy(update={"lesions": spec.lesions[2:10]})), folder / "made")
        study = folder / "made" / "study"
        outcome = score_study(StudyInput(study))
        save_outcome(outcome, folder / "score", OutputOptions(rtstruct=True))
        series = len({"PET", "CT"}) + len(list((folder / "score").glob("*.dcm")))
        job = {
            "study": outcome.score.study.study_instance_uid, "series": series, "segmentations": [9001],
            "report": 9003, "structures": None, "points": [outcome.score.lesions[0].centroid_lps_mm],
        }  # fmt: skip
        with viewer_of(folder, study, folder / "score") as address:
            shown = shown_by_ohif({**job, "url": address}, folder / "pictures")
        assert "stopped" not in shown, shown["stopped"]
        save_screen(folder / "pictures" / "segmentation-9001.png", out / "ohif_outlines.png")
        ct = outcome.score.study.ct
        on_ct = [m for m in shown["measurements"] if ct is not None and m["series"] == ct.series_instance_uid]
        longest = max(on_ct, key=lambda m: float(m["text"][0].split()[1]))
        save_screen(folder / "pictures" / f"measurement-{longest['uid']}.png", out / "ohif_axes.png")
        save_screen(folder / "pictures" / "tmtv.png", out / "ohif_tmtv.png")


def main() -> None:
    """Score phantoms and keep their pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--viewer", action="store_true", help="only the pictures in OHIF")
    given = parser.parse_args()
    out = given.out
    if given.viewer:
        viewer_pictures(out)
        return
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
