"""The window in which two scans of a patient are compared: opened, read, saved, closed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QMainWindow, QShortcut, QVBoxLayout, QWidget

from dotaliver.config.criteria import RecistConfig
from dotaliver.errors import DotaliverError
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.scans import LoadedScan
from dotaliver.pipeline.visits import Visits, open_visits, response_folder, saved_decisions, showing
from dotaliver.records.study import StudyVolumes
from dotaliver.system.progress import Progress
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.busy_bar import BusyBar
from napari_dotaliver.widgets.keys import KEYS
from napari_dotaliver.widgets.shortcuts import take_key
from napari_dotaliver.widgets.unsaved import ask_about_unsaved
from napari_dotaliver.widgets.visit_comparison import VisitComparison

__all__ = ["VisitsGiven", "VisitsWindow"]

_FIRST_SIZE = (1500, 900)
# Keys of the reading workspace that the comparison has no use for.
_DESK_ALONE = frozenset({"open", "score", "projection", "planes", "fill", "slice_up", "slice_down", "next_tab"})


@dataclass(frozen=True, eq=False)
class VisitsGiven:
    """What is compared: folders of scores, or a scan that is being read and a folder.

    Parameters
    ----------
    scans : sequence of Path or LoadedScan
        In any order.
    images : sequence of StudyVolumes or None
        Images that are read already, one for each scan; none where it is empty.
    case : str, optional
        The code of a case of a blinded reading.
    folder : Path, optional
        Where the decisions are; beside the later scan where it is left out.
    """

    scans: Sequence[Path | LoadedScan]
    images: Sequence[StudyVolumes | None] = ()
    case: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class _Opened:
    visits: Visits
    folder: Path
    saved: bool
    note: str = ""


class VisitsWindow(QMainWindow):
    """A window for one comparison."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        self.setWindowTitle("dotaliver: time points")
        self.resize(*_FIRST_SIZE)
        self.work = Background(self)
        self.choosing = Background(self)
        self.choosing.done.connect(self._on_others)
        self.choosing.failed.connect(self._on_others_refused)
        self.comparison: VisitComparison | None = None
        self.waiting = QLabel()
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.waiting.setWordWrap(True)
        self.waiting.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = BusyBar()
        page = QWidget()
        column = QVBoxLayout(page)
        column.addStretch()
        column.addWidget(self.waiting)
        column.addWidget(self.progress)
        column.addStretch()
        self.setCentralWidget(page)
        self._bind_keys()

    # --- opening -----------------------------------------------------------------------------------------------------

    def open(self, given: VisitsGiven) -> None:
        """Read and compare two scans in the background; what was saved about them before is continued."""
        self.waiting.setText(f"Opening {len(given.scans)} scans …")
        self.work.stage.connect(lambda stage: self.waiting.setText(f"{stage[:1].upper()}{stage[1:]} …"))
        self.work.done.connect(lambda opened: self._on_opened(opened, given.case))
        self.work.failed.connect(self._on_failed)
        self.work.run(lambda tell: _opened(given, tell))

    def _on_failed(self, error: Exception) -> None:
        self.progress.hide()
        self.waiting.setText(sentence_of(error))

    def _on_opened(self, opened: _Opened, case: str | None) -> None:
        self.show_visits(opened.visits, case, opened.folder, saved=opened.saved).say(opened.note)

    def show_visits(
        self, visits: Visits, case: str | None = None, folder: Path | None = None, *, saved: bool = False
    ) -> VisitComparison:
        """Show two scans that were read; `saved`: with the decisions that are saved in the folder."""
        session = VisitSession(visits, case)
        session.saved_in = folder if saved else None
        self._show(session, folder)
        assert self.comparison is not None
        if case is not None:
            self.setWindowTitle(f"dotaliver: case {case}")
        if session.pair is not None:
            self.comparison.reader_box.name.setFocus()
        return self.comparison

    def _show(self, session: VisitSession, folder: Path | None) -> None:
        self.comparison = VisitComparison(session, folder)
        self.comparison.others_wanted.connect(self.show_others)
        self.setCentralWidget(self.comparison)

    def show_others(self, earlier: int, later: int) -> None:
        """Show two other scans of the course; what was decided stays, saved or not."""
        shown = self.comparison
        if shown is None or self.choosing.busy or shown.saving.busy:
            return
        visits = shown.session.visits
        shown.say("Reading the images …")
        self.choosing.run(lambda tell: showing(visits, earlier, later, tell))

    def _on_others(self, visits: Visits) -> None:
        before = self.comparison
        if before is None:
            return
        session, folder, plane, images = before.session, before.folder, before.views.plane, before.views.images
        before.close_down()
        session.show(visits)
        self._show(session, folder)
        QTimer.singleShot(0, _forget_canvases)
        assert self.comparison is not None
        self.comparison.bar.show_plane(plane)
        self.comparison.views.show_images(images)
        self.comparison.bar.renew()

    def _on_others_refused(self, error: Exception) -> None:
        if self.comparison is not None:
            self.comparison.say(sentence_of(error))

    # --- keys --------------------------------------------------------------------------------------------------------

    def _bind_keys(self) -> None:
        names = [name for name in KEYS if name not in _DESK_ALONE]
        for name in names:
            self._bind(KEYS[name].key, _bar_act(self, name))
        acts: dict[str, Callable[[VisitComparison], object]] = {
            "Ctrl+S": lambda shown: shown.save(),
            "Ctrl+Z": lambda shown: shown.undo(),
            "Ctrl+Shift+Z": lambda shown: shown.redo(),
            "Esc": lambda shown: shown.stop_measuring(),
        }
        for key, act in acts.items():
            self._bind(key, _act(self, act))

    def _bind(self, key: str, act: Callable[[], object]) -> None:
        take_key(key)
        shortcut = QShortcut(QKeySequence(key), self)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(act)

    # --- leaving -----------------------------------------------------------------------------------------------------

    def may_leave(self, leave: Callable[[], object] | None = None) -> bool:
        """Whether the comparison may be closed now: nothing is unsaved, or the reader discards it.

        Where the reader chooses to save first, `leave` is called once it is saved; closing where it is left out.
        """
        shown = self.comparison
        if shown is None or not shown.session.dirty:
            return True
        answer = ask_about_unsaved(self, "This comparison has decisions that are not saved.")
        if answer == "save":
            shown.save_then(leave or self.close)
        if answer != "discard":
            return False
        shown.session.discard()
        shown.recovery.discard()
        return True

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 -- Qt's name
        """Ask before the window closes over unsaved decisions."""
        if not self.may_leave():
            event.ignore()
            return
        self.work.cancel()
        self.choosing.cancel()
        if self.comparison is not None:
            self.comparison.close_down()
            self.comparison = None
            self.setCentralWidget(QWidget())
            QTimer.singleShot(0, _forget_canvases)
        super().closeEvent(event)


def _forget_canvases() -> None:
    """Destroy the canvases of a closed window now.

    What a canvas holds of the graphics card is given back where Python happens to collect it; in the midst of another
    canvas's drawing that ends the program.
    """
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()


def _opened(given: VisitsGiven, tell: Progress) -> _Opened:
    """The scans with the decisions that were saved about them, and a sentence about these."""
    config = RecistConfig()
    visits = open_visits(given.scans, CourseEdits(), config, tell, given.images)
    folder = given.folder or response_folder(visits.last_folder)
    if visits.pair is None:
        return _Opened(visits, folder, saved=False)
    try:
        edits = saved_decisions(folder, visits, checked=given.case is None)
        if edits is None:
            return _Opened(visits, folder, saved=False)
        pair = visits.pair.with_edits(edits)
    except DotaliverError as error:
        return _Opened(visits, folder, saved=False, note=sentence_of(error))
    note = "" if given.case is not None else f"Continues the decisions that are saved in {folder.name}."
    return _Opened(replace(visits, pair=pair), folder, saved=True, note=note)


def _bar_act(window: VisitsWindow, name: str) -> Callable[[], None]:
    """What a key for looking does while two scans are shown."""

    def act() -> None:
        shown = window.comparison
        if shown is None:
            return
        if name in {"next", "previous"}:
            shown.list.step(1 if name == "next" else -1)
        else:
            shown.bar.acts[name]()

    return act


def _act(window: VisitsWindow, act: Callable[[VisitComparison], object]) -> Callable[[], None]:
    def do() -> None:
        if window.comparison is not None:
            act(window.comparison)

    return do
