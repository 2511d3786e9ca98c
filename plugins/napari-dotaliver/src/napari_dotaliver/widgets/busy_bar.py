"""A bar that shows that work is under way whose end nobody can tell."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QProgressBar, QWidget

__all__ = ["BusyBar"]

_STEPS = 10
_EVERY_MS = 1000


class BusyBar(QProgressBar):
    """Fills by a step each second while it is seen, then begins again.

    Qt's own bar for this moves all the time. Each time it moves, Qt composes the whole window anew, with the images:
    without a graphics card, as on many remote desktops, that took more processor time than the scoring.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(0, _STEPS)
        self.setValue(1)
        self.setTextVisible(False)
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self._step)

    def _step(self) -> None:
        self.setValue(self.value() % _STEPS + 1)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 -- Qt's name
        """Begin to move."""
        super().showEvent(event)
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 -- Qt's name
        """Stop moving."""
        super().hideEvent(event)
        self._timer.stop()
