"""The caliper's ends by the keyboard, while it is in hand and the image has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_dotaliver.widgets.keys import Key

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["KEYS", "CaliperKeys"]

KEYS: tuple[Key, ...] = (
    Key("Tab, Shift+Tab with the caliper", "pick the next or the previous end of its axes"),
    Key("arrows with the caliper", "move the picked end by a pixel; with Shift by ten"),
    Key("Enter, Esc with the caliper", "take the line as it is; put the caliper away"),
)
_STEPS: dict[int, tuple[int, int]] = {
    int(Qt.Key.Key_Up): (-1, 0),
    int(Qt.Key.Key_Down): (1, 0),
    int(Qt.Key.Key_Left): (0, -1),
    int(Qt.Key.Key_Right): (0, 1),
}
_TAKES = {int(Qt.Key.Key_Return), int(Qt.Key.Key_Enter)}
_PICKS = {int(Qt.Key.Key_Tab): 1, int(Qt.Key.Key_Backtab): -1}
_FAST_PIXELS = 10
_KINDS = (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride)


class Moved(Protocol):
    """What the keys move."""

    def pick_end(self, ways: int) -> None:
        """Pick the next end, or the one before."""

    def move_end(self, rows: int, columns: int) -> None:
        """Move the picked end by pixels of the image."""

    def take_moved(self) -> None:
        """Take the line as it is."""

    def put_away(self) -> None:
        """Forget what is not taken, and put the caliper away."""


class CaliperKeys(QObject):
    """Gives the image the focus while the caliper is in hand, and its keys to the caliper.

    Parameters
    ----------
    viewer : ViewerModel
        Its window's canvas takes the keys; one without a window has none.
    caliper : Moved
        What they move.
    """

    def __init__(self, viewer: ViewerModel, caliper: Moved, parent: QObject) -> None:
        super().__init__(parent)
        self._caliper, self._on = caliper, False
        self._before: QWidget | None = None
        window: Any = getattr(viewer, "window", None)
        self._canvas: QWidget | None = None if window is None else window._qt_viewer.canvas.native
        if self._canvas is not None:
            self._canvas.installEventFilter(self)

    def listen(self, on: bool) -> None:
        """Take the keys, or give them back to what had them before."""
        if self._canvas is None or on == self._on:
            return
        self._on = on
        focused = QApplication.focusWidget()
        if on:
            self._before = focused
            self._canvas.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        before, self._before = self._before, None
        if before is not None and focused is self._canvas:
            before.setFocus(Qt.FocusReason.OtherFocusReason)

    def close_down(self) -> None:
        """Leave the canvas alone."""
        self._on, self._before = False, None
        if self._canvas is not None:
            self._canvas.removeEventFilter(self)
            self._canvas = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 -- Qt's name
        """Keys of the caliper move its ends; all others do what they do otherwise."""
        if self._on and isinstance(event, QKeyEvent) and event.type() in _KINDS and self._is_mine(event):
            event.accept()
            if event.type() == QEvent.Type.KeyPress:
                self._act(event)
            return True
        return bool(super().eventFilter(watched, event))

    @staticmethod
    def _is_mine(event: QKeyEvent) -> bool:
        key = int(event.key())
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        plain, shifted = modifiers == Qt.KeyboardModifier.NoModifier, modifiers == Qt.KeyboardModifier.ShiftModifier
        if key in _STEPS or key in _PICKS:
            return plain or shifted
        return plain and (key in _TAKES or key == int(Qt.Key.Key_Escape))

    def _act(self, event: QKeyEvent) -> None:
        key = int(event.key())
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if key in _STEPS:
            pixels = _FAST_PIXELS if shifted else 1
            rows, columns = _STEPS[key]
            self._caliper.move_end(rows * pixels, columns * pixels)
        elif key in _PICKS:
            self._caliper.pick_end(-1 if shifted else _PICKS[key])
        elif key in _TAKES:
            self._caliper.take_moved()
        else:
            self._caliper.put_away()
