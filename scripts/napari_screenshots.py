#!/usr/bin/env python3
"""Pictures of the desk with the sample phantom: open, scored, a lesion, every tab to its end, every plane, projected.

With ``--keep``, the score is then read as a case of a central reading: the tab *Case* before and after first answers.

    xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/napari_screenshots.py --out FOLDER --size 1366x768 1680x1000

``QT_SCALE_FACTOR=2`` before it (and a screen twice as wide) shows the desk at 200 %. With ``--keep`` the score is kept
and used again. A tab that is scrolled gives several pictures, from its top to its end. Look at each picture before you
keep it. Needs napari-dotaliver (plugins/napari-dotaliver) and a screen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = ((1366, 768), (1680, 1000))
THEMES = ("dark", "light")
_MOST_PAGES = 8


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


def take_tabs(desk: Any, folder: Path, name: str) -> None:
    """Every tab, each scrolled to its end."""
    for number in range(desk.tabs.count()):
        desk.tabs.setCurrentIndex(number)
        take_tab(desk, folder, name)


def take_tab(desk: Any, folder: Path, name: str) -> None:
    """The tab that is open, scrolled to its end."""
    from qtpy.QtWidgets import QScrollArea

    settle()
    page = desk.tabs.currentWidget()
    tab = desk.tabs.tabText(desk.tabs.currentIndex()).lower().replace(" ", "-")
    areas = [area for area in page.findChildren(QScrollArea) if area.verticalScrollBar().maximum() > 0]
    bar = areas[0].verticalScrollBar() if areas else None
    if bar is not None:
        bar.setValue(0)
    take(desk.viewer, folder / f"{name}-tab-{tab}.png")
    for page_number in range(2, _MOST_PAGES):
        if bar is None or bar.value() >= bar.maximum():
            break
        bar.setValue(bar.value() + bar.pageStep())
        take(desk.viewer, folder / f"{name}-tab-{tab}-{page_number}.png")


def take_planes(desk: Any, folder: Path, name: str) -> None:
    """The other planes, and the projection."""
    for plane in ("coronal", "sagittal"):
        desk.show_plane(plane)
        take(desk.viewer, folder / f"{name}-{plane}.png")
    desk.show_plane("coronal")
    desk.view.toggle_projection()
    take(desk.viewer, folder / f"{name}-projection.png")
    desk.view.toggle_projection()
    desk.show_plane("axial")


def take_case(desk: Any, score: Path, folder: Path, looks: list[tuple[str, tuple[int, int]]]) -> None:
    """The tab of a case of a central reading, before and after the first answers are locked."""
    from dotaliver.pipeline.reading_desk import DeskCase
    from dotaliver.pipeline.reading_plan import PlanOptions, plan_reading
    from dotaliver.records.edits import Reader

    def pictures(step: str) -> None:
        for theme, size in looks:
            desk.viewer.theme = theme
            desk.viewer.window.resize(*size)
            desk.tabs.setCurrentWidget(desk.case)
            take_tab(desk, folder, f"{size[0]}x{size[1]}-{theme}-{step}")

    with tempfile.TemporaryDirectory() as made:
        root = Path(made) / "cohort"
        root.mkdir()
        (root / "one").symlink_to(score.resolve(), target_is_directory=True)
        reading = plan_reading(root, Path(made) / "reading", PlanOptions(("A", "B"), "C", None, 7, True, 0))
        case = DeskCase.opened(reading, "A")
        desk.open_case(case)
        settle(lambda: desk.reading.busy or desk.masks.busy)
        pictures("first-answers")
        reader = Reader(name="A. Reader", role="radiologist")
        desk._on_first_answers(case.lock_first_answers({case.questions[0].id: "met"}, None, reader), reader)
        settle(lambda: desk.reading.busy or desk.masks.busy)
        pictures("answered")
        # Nothing to ask about when the window closes
        desk.session.undo()
        desk.banner.discard_reading()


def opened_sample(viewer: Any, keep: Path | None, picture: Path) -> Any:
    """The desk with the sample scored; a score that is kept is opened."""
    from napari_dotaliver._sample_data import sample_study
    from napari_dotaliver.widgets.start import desk_of

    from dotaliver.pipeline import OutputOptions, StudyInput, save

    desk = desk_of(viewer)
    if keep is not None and (keep / "score.json").is_file():
        desk.open(StudyInput(keep))
        settle(lambda: desk.reading.busy or desk.masks.busy)
        return desk
    desk.open_made(lambda tell: StudyInput(sample_study(tell)))
    settle(lambda: desk.reading.busy)
    take(viewer, picture)
    desk.score()
    settle(lambda: desk.scoring.busy)
    if keep is not None:
        save(desk.session.outcome, keep, OutputOptions(report=False))
    return desk


def main() -> None:
    """Read the sample as a person does, and take a picture of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--size", type=window_size, nargs="+", default=SIZES, help="of the window, such as 1366x768")
    parser.add_argument("--theme", choices=THEMES, nargs="+", default=THEMES, help="napari's themes")
    parser.add_argument("--keep", type=Path, help="folder of the sample's score, made where it is not there")
    parser.add_argument("--only-case", action="store_true", help="only the tab of a central reading")
    given = parser.parse_args()
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)

    import napari

    viewer = napari.Viewer(show=True)
    viewer.theme = given.theme[0]
    viewer.window.resize(*given.size[0])
    desk = opened_sample(viewer, given.keep, folder / "opened.png")
    for theme in () if given.only_case else given.theme:
        viewer.theme = theme
        for size in given.size:
            viewer.window.resize(*size)
            name = f"{size[0]}x{size[1]}-{theme}"
            desk.tabs.setCurrentWidget(desk.verdicts)
            take(viewer, folder / f"{name}-scored.png")
            desk.table.table.selectRow(0)
            if theme == given.theme[0]:
                take_planes(desk, folder, name)
            take_tabs(desk, folder, name)
    desk.session.sign("A. Reader", "radiologist")
    take_tabs(desk, folder, "signed-in")
    desk.session.undo()
    desk.banner.discard_reading()
    if given.keep is not None:
        take_case(desk, given.keep, folder, [(theme, size) for theme in given.theme for size in given.size])
    viewer.close()


if __name__ == "__main__":
    main()
