"""Reading and scoring beside the window: one piece of work at a time, in a thread, with its stages told."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

from dotaliver import pipeline
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import DotaliverError
from dotaliver.pipeline import OpenStudy, Outcome, StoredScore, StudyInput
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.progress import Progress

if TYPE_CHECKING:
    from napari.qt.threading import FunctionWorker

__all__ = ["Background", "Cancelled", "Progress", "load_units", "open_folder", "score_opened", "sentence_of"]

_log = logging.getLogger(__name__)


_COLLECT_EVERY_MS = 500
_YOUNG, _MIDDLE = 0, 1


class _WindowThread(QObject):
    """The window's thread, as work in another one sees it; it lives as long as the program.

    While such work runs, only the window's thread collects garbage: Python collects in whichever thread happens to
    allocate, and whoever collects a Qt object destroys it, which outside the window's thread ends the program. And
    results are posted to this object, for the one that asked may be destroyed at the very moment.
    """

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__(QApplication.instance())
        self._running = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_COLLECT_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._posted.connect(self._do)

    def begin(self) -> None:
        """Called in the window's thread before work starts in another."""
        self._running += 1
        gc.disable()
        self._timer.start()

    def post(self, act: Callable[[], None]) -> None:
        """Have something done in the window's thread; called in any."""
        self._posted.emit(act)

    def end(self) -> None:
        """Called in the thread of the work as its last act."""
        self._posted.emit(self._on_ended)

    @staticmethod
    def _do(act: Callable[[], None]) -> None:
        act()

    def _on_ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._timer.stop()
            gc.enable()

    @staticmethod
    def _collect() -> None:
        """Collect what is young, as Python itself would have by now; a whole window is collected when work is over."""
        if gc.get_count()[_YOUNG] > gc.get_threshold()[_YOUNG]:
            gc.collect(_MIDDLE)


_window_thread: _WindowThread | None = None


def _the_window_thread() -> _WindowThread:
    global _window_thread  # noqa: PLW0603 -- one for the process, as its thread is
    if _window_thread is None:
        _window_thread = _WindowThread()
    return _window_thread


class Cancelled(Exception):  # noqa: N818 -- no error, a wish
    """The work was called off."""


class Background(QObject):
    """Work in a thread, of which only the newest counts.

    A stage of the pipeline cannot be broken off; work that was called off ends at its next stage, and whatever it
    still gives is dropped at once.
    """

    stage = Signal(str)
    done = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # Shared with the threads, which must not hold this object itself: who lets go of it last destroys it.
        self._latest = [0]
        self._busy = False
        self._worker: FunctionWorker[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way that still counts."""
        return self._busy

    def run(self, work: Callable[[Progress], object]) -> None:
        """Start work, which is given a function to tell its stages with; what ran before is called off."""
        from napari.qt.threading import create_worker

        self.cancel()
        self._latest[0] += 1
        self._busy = True
        number, latest = self._latest[0], self._latest
        thread, known = _the_window_thread(), weakref.ref(self)

        def post(name: str, what: object) -> None:
            thread.post(partial(_deliver, known, name, number, what))

        def tell(stage: str) -> None:
            if number != latest[0]:
                raise Cancelled
            post("_on_told", stage)

        def in_thread() -> None:
            try:
                post("_on_returned", work(tell))
            except Cancelled:
                _log.debug("work %d was called off", number)
            except Exception as error:
                post("_on_raised", error)
            finally:
                thread.end()

        thread.begin()
        self._worker = create_worker(in_thread, _start_thread=True)

    def cancel(self) -> None:
        """Call off what runs; nothing of it is told any more."""
        if self._busy:
            self._latest[0] += 1
            self._end()

    def _end(self) -> None:
        self._busy = False
        # A worker holds its work, and with it all that was read.
        self._worker = None

    def _on_told(self, number: int, stage: str) -> None:
        if number == self._latest[0]:
            self.stage.emit(stage)

    def _on_returned(self, number: int, result: object) -> None:
        if number == self._latest[0]:
            self._end()
            self.done.emit(result)

    def _on_raised(self, number: int, error: Exception) -> None:
        if number == self._latest[0]:
            self._end()
            self.failed.emit(error)


def _deliver(known: weakref.ref[Background], name: str, number: int, what: object) -> None:
    """Hand something to a `Background` that is still there; in the window's thread nothing destroys it meanwhile."""
    background = known()
    if background is not None and isalive(background):
        getattr(background, name)(number, what)


def open_folder(study: StudyInput, config: ScoringConfig, progress: Progress) -> OpenStudy | StoredScore:
    """Read the images of a study; of the folder of a score, its record and the images that it was made from.

    Raises
    ------
    DotaliverError
        Where it cannot be read.
    """
    _load_what_shows()
    if ScoreFolder(study.folder).is_there:
        return pipeline.open_score(study.folder, progress)
    return pipeline.open_study(study, config, progress)


def _load_what_shows() -> None:
    """Import what the layers stand on while the reader waits for the files anyway, not before the first picture."""
    import pandas as pd  # noqa: F401 -- napari keeps features of layers in tables of it
    from napari.components.overlays import TextOverlay  # noqa: F401
    from napari.layers import Image, Labels, Points, Shapes, Vectors  # noqa: F401


def load_units() -> None:
    """Load the table of units of napari's layers while the files are read, not before the first picture.

    Call it in the window's thread: the registry replaces itself when it is first used, and layers may need it any time.
    """
    import pint

    # The first unit that is asked for loads the table.
    _ = pint.get_application_registry().mm


def score_opened(opened: OpenStudy, study: StudyInput, config: ScoringConfig, progress: Progress) -> Outcome:
    """Outline and measure a study that was read, by the same two halves as the command line."""
    found = pipeline.segment_study(opened.volumes, config, progress=progress)
    progress("measuring and judging")
    score = score_labels(opened.volumes, found, ReaderEdits(), config)
    return Outcome(score, opened, found, study.folder, study.part, study.fdg)


def sentence_of(error: Exception) -> str:
    """What people are told of an error."""
    if isinstance(error, DotaliverError):
        text = str(error)
        return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    _log.error("a fault of the program", exc_info=error)
    return f"Internal error, not caused by your files: {type(error).__name__}: {error}. Please report it."
