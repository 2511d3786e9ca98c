#!/usr/bin/env python3
"""Pictures of the comparison of two scans: a phantom before and after therapy, opened, answered, saved.

    xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/visit_pictures.py --out FOLDER [--keep FOLDER] [--manual]

Look at each before you keep it. Needs napari-dotaliver (plugins/napari-dotaliver) and a screen. With ``--keep`` the
scored phantoms are kept and used again; with ``--manual`` the picture of the manual is made anew.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from napari_screenshots import settle
from PIL import Image

SIZES = ((1366, 768), (1680, 1000))
MANUAL = Path(__file__).resolve().parents[1] / "src" / "dotaliver" / "manual" / "pictures" / "time_points.png"
LATER_UID = "1.2.826.0.1.3680043.8.498.77.2"
MOVED_MM = (12.0, -8.0, 20.0)


def make_scans(folder: Path) -> tuple[Path, Path]:
    """Scores of a phantom and of the same one half a year later: two lesions gone, one new, the patient moved.

    A lesion that takes up as much as liver and is as dense as it is not there; all others keep their places.
    """
    import pydicom

    from dotaliver.phantom.presets import preset
    from dotaliver.phantom.study import make_phantom
    from dotaliver.phantom.writer import write_study
    from dotaliver.pipeline import OutputOptions, StudyInput, save, score_study

    scores = (folder / "baseline", folder / "week24")
    if all((score / "score.json").is_file() for score in scores):
        return scores
    spec = preset("moderate", 3, "medium")
    lesions = spec.lesions[1:9]

    def without(*numbers: int) -> Any:
        gone = {"contrast": 1.0, "hu_difference": 0.0}
        return tuple(n.model_copy(update=gone) if k in numbers else n for k, n in enumerate(lesions))

    for score, shown in zip(scores, (without(6), without(1, 3)), strict=True):
        made = folder / f"made-{score.name}"
        shutil.rmtree(made, ignore_errors=True)
        write_study(make_phantom(spec.model_copy(update={"lesions": shown})), made)
        if score is scores[1]:
            for path in (made / "study").rglob("*.dcm"):
                header = pydicom.dcmread(path)
                header.StudyDate, header.StudyInstanceUID = "20241105", LATER_UID
                header.ImagePositionPatient = [
                    a + b for a, b in zip(header.ImagePositionPatient, MOVED_MM, strict=True)
                ]
                header.save_as(path)
        save(score_study(StudyInput(made / "study")), score, OutputOptions(report=False))
    return scores


def take(window: Any, path: Path) -> None:
    """Save a picture of the whole window."""
    settle()
    window.grab().save(str(path))
    print(path)


def pictures(scores: tuple[Path, Path], out: Path, size: tuple[int, int]) -> Path:
    """Open the comparison, answer by keys, and take a picture of each step; returns the one for the manual."""
    from napari_dotaliver.widgets.visits_window import VisitsGiven, VisitsWindow
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    name = f"{size[0]}x{size[1]}"
    window = VisitsWindow()
    window.resize(*size)
    window.show()
    window.open(VisitsGiven(scores))
    settle(lambda: window.work.busy)
    shown = window.comparison
    assert shown is not None, window.waiting.text()
    take(window, out / f"visits-{name}-opened.png")
    QTest.keyClicks(shown.reader_box.name, "A. Reader")
    shown.reader_box.sign_button.click()
    rows = shown.list.rows
    shown.list.choose(shown.list.shown[0].name)
    take(window, out / f"visits-{name}-lesion.png")
    for row in shown.list.shown:
        if row.is_open:
            shown.list.choose(row.name)
            QTest.keyClick(rows, {"gone": Qt.Key.Key_G, "new": Qt.Key.Key_N}.get(row.state, Qt.Key.Key_U))
    shown.list.choose(shown.list.shown[-1].name)
    take(window, out / f"visits-{name}-answered.png")
    shown.bar.show_plane("coronal")
    take(window, out / f"visits-{name}-coronal.png")
    shown.session.discard()
    shown.recovery.discard()
    window.close()
    return out / f"visits-{name}-answered.png"


def main() -> None:
    """Make the scans and the pictures in every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--keep", type=Path, help="where the scored phantoms are kept")
    parser.add_argument("--manual", action="store_true", help="make the picture of the manual anew")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    from napari.qt import get_qapp

    get_qapp()
    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        scores = make_scans(folder)
        for size in SIZES:
            answered = pictures(scores, given.out, size)
            if given.manual and size == SIZES[0]:
                Image.open(answered).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(MANUAL, optimize=True)
                print(MANUAL)


if __name__ == "__main__":
    main()
