"""Measuring again beside the window: on request, or by itself once the reader's hand rests."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_dotaliver.reading.measuring import Measured
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.painting import PaintPanel

__all__ = ["Remeasuring"]

_EDITS_REST_MS = 400


class Remeasuring(QObject):
    """Measures the reading as it is now, and adopts the result where nothing was edited meanwhile.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    painting : PaintPanel
        Its strokes are taken in before the result is.
    """

    refused = Signal(str)
    changed = Signal()
    """Measuring began, ended or failed."""

    def __init__(self, session: ReadingSession, painting: PaintPanel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._painting = session, painting
        self._busy_elsewhere: Callable[[], bool] | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_EDITS_REST_MS)
        self._rest.timeout.connect(self._measure_after_rest)
        self.work = Background(self)
        self.work.done.connect(self._on_measured)
        self.work.failed.connect(self._on_not_measured)

    @property
    def by_itself(self) -> bool:
        """Whether every edit is measured without being asked for."""
        return self._busy_elsewhere is not None

    def close_down(self) -> None:
        """Stop what runs and what waits."""
        self._rest.stop()
        self.work.cancel()

    def measure_by_itself(self, busy_elsewhere: Callable[[], bool]) -> None:
        """Measure after every edit, once the reader's hand rests and nothing is measured or saved elsewhere."""
        self._busy_elsewhere = busy_elsewhere
        self.after_edit()

    def after_edit(self) -> None:
        """Measure soon, where that is done by itself."""
        if self.by_itself and self._session.stale:
            self._rest.start()

    def measure(self) -> None:
        """Measure and judge the reading as it is now, beside the window."""
        if self._session.stale:
            job, of = self._session.measuring(), self._session.state
            self.work.run(lambda tell: (job(tell), of))
        self.changed.emit()

    def _measure_after_rest(self) -> None:
        busy = self._busy_elsewhere
        if _hand_is_busy() or self._painting.pending or busy is None or busy():
            self._rest.start()
            return
        self.measure()

    def _on_not_measured(self, error: Exception) -> None:
        self.refused.emit(sentence_of(error))
        self.changed.emit()

    def _on_measured(self, result: tuple[Measured, object]) -> None:
        measured, of = result
        if _hand_is_busy():
            # What is being drawn must not be drawn anew under the reader's hand.
            QTimer.singleShot(_EDITS_REST_MS, self, lambda: self._on_measured(result))
            return
        self._painting.take_painted()
        if not self._session.adopt(measured, of):  # type: ignore[arg-type]
            # Something was edited meanwhile: that is what is to be measured.
            self.measure()
            return
        if measured.withdrawn:
            self.refused.emit(" ".join(measured.withdrawn))


def _hand_is_busy() -> bool:
    """Whether a mouse button is held: something is being painted, drawn or dragged."""
    return QApplication.mouseButtons() != Qt.MouseButton.NoButton
