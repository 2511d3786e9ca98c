#!/usr/bin/env python3
"""Pictures of the desk with the sample phantom: open, scored, a lesion, every tab, every plane, projected.

    xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/napari_screenshots.py --out FOLDER --size 1366x768

``QT_SCALE_FACTOR=2`` before it (and a screen twice as wide) shows the desk at 200 %. Look at each picture before you
keep it. Needs napari-dotaliver (plugins/napari-dotaliver) and a screen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def window_size(text: str) -> tuple[int, int]:
    """Width and height from ``1680x1000``."""
    width, height = (int(part) for part in text.split("x"))
    return width, height


def settle(busy: Callable[[], bool] = lambda: False) -> None:
    """Run the window until work is over and everything is drawn."""
    from qtpy.QtWidgets import QApplication

    while busy():
        QApplication.processEvents()
        time.sleep(0.005)
    for _ in range(20):
        QApplication.processEvents()


def take(viewer: Any, path: Path) -> None:
    """Save a picture of the whole window."""
    settle()
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
    print(path)


def main() -> None:
    """Read the sample as a person does, and take a picture of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--size", type=window_size, default=(1680, 1000), help="of the window, such as 1366x768")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark", help="napari's theme")
    given = parser.parse_args()
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)

    import napari
    from napari_dotaliver._sample_data import sample_study
    from napari_dotaliver.widgets.start import desk_of

    from dotaliver.pipeline import StudyInput

    viewer = napari.Viewer(show=True)
    viewer.theme = given.theme
    viewer.window.resize(*given.size)
    desk = desk_of(viewer)
    desk.open_made(lambda tell: StudyInput(sample_study(tell)))
    settle(lambda: desk.reading.busy)
    take(viewer, folder / "opened.png")
    desk.score()
    settle(lambda: desk.scoring.busy)
    take(viewer, folder / "scored.png")
    desk.table.table.selectRow(0)
    take(viewer, folder / "lesion.png")
    for number in range(1, desk.tabs.count()):
        desk.tabs.setCurrentIndex(number)
        take(viewer, folder / f"tab-{desk.tabs.tabText(number).lower().replace(' ', '-')}.png")
    desk.tabs.setCurrentIndex(0)
    for plane in ("coronal", "sagittal"):
        desk.show_plane(plane)
        take(viewer, folder / f"{plane}.png")
    desk.show_plane("coronal")
    desk.view.toggle_projection()
    take(viewer, folder / "projection.png")
    viewer.close()


if __name__ == "__main__":
    main()
