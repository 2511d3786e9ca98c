"""Reading and scoring beside the window: one piece of work at a time, in a thread, with its stages told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from dotaliver import pipeline
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import DotaliverError
from dotaliver.pipeline import OpenStudy, Outcome, StudyInput
from dotaliver.pipeline.score_labels import score_labels
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.system.progress import Progress

if TYPE_CHECKING:
    from napari.qt.threading import FunctionWorker

__all__ = ["Background", "Cancelled", "Progress", "open_folder", "score_opened", "sentence_of"]

_log = logging.getLogger(__name__)


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
    _told = Signal(int, str)
    _returned = Signal(int, object)
    _raised = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._busy = False
        self._worker: FunctionWorker[Any] | None = None
        self._told.connect(self._on_told)
        self._returned.connect(self._on_returned)
        self._raised.connect(self._on_raised)

    @property
    def busy(self) -> bool:
        """Whether work is under way that still counts."""
        return self._busy

    def run(self, work: Callable[[Progress], object]) -> None:
        """Start work, which is given a function to tell its stages with; what ran before is called off."""
        from napari.qt.threading import create_worker

        self.cancel()
        self._number += 1
        self._busy = True
        number = self._number

        def tell(stage: str) -> None:
            if number != self._number:
                raise Cancelled
            self._told.emit(number, stage)

        def in_thread() -> None:
            try:
                self._returned.emit(number, work(tell))
            except Cancelled:
                _log.debug("work %d was called off", number)
            except Exception as error:
                self._raised.emit(number, error)

        self._worker = create_worker(in_thread, _start_thread=True)

    def cancel(self) -> None:
        """Call off what runs; nothing of it is told any more."""
        if self._busy:
            self._number += 1
            self._end()

    def _end(self) -> None:
        self._busy = False
        # A worker holds its work, and with it all that was read.
        self._worker = None

    def _on_told(self, number: int, stage: str) -> None:
        if number == self._number:
            self.stage.emit(stage)

    def _on_returned(self, number: int, result: object) -> None:
        if number == self._number:
            self._end()
            self.done.emit(result)

    def _on_raised(self, number: int, error: Exception) -> None:
        if number == self._number:
            self._end()
            self.failed.emit(error)


def open_folder(study: StudyInput, config: ScoringConfig, progress: Progress) -> OpenStudy | Outcome:
    """Read a study; the folder of a score is read with its images, masks and edits, and measured again.

    Raises
    ------
    DotaliverError
        Where it cannot be read.
    """
    _load_what_shows()
    if ScoreFolder(study.folder).is_there:
        return pipeline.rescore(study.folder, progress=progress)
    return pipeline.open_study(study, config, progress)


def _load_what_shows() -> None:
    """Import what the layers stand on while the reader waits for the files anyway, not before the first picture."""
    import pandas as pd  # noqa: F401 -- napari keeps features of layers in tables of it
    from napari.components.overlays import TextOverlay  # noqa: F401
    from napari.layers import Image, Labels, Points, Shapes, Vectors  # noqa: F401


def score_opened(opened: OpenStudy, folder: Path, config: ScoringConfig, progress: Progress) -> Outcome:
    """Outline and measure a study that was read, by the same two halves as the command line."""
    found = pipeline.segment_study(opened.volumes, config, progress=progress)
    progress("measuring and judging")
    score = score_labels(opened.volumes, found, ReaderEdits(), config)
    return Outcome(score, opened, found, folder)


def sentence_of(error: Exception) -> str:
    """What people are told of an error."""
    if isinstance(error, DotaliverError):
        text = str(error)
        return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    _log.error("a fault of the program", exc_info=error)
    return f"Internal error, not caused by your files: {type(error).__name__}: {error}. Please report it."
