"""Form controls that change only by a deliberate act: no wheel, no stray key.

Qt lets the mouse wheel turn a combo box or a spin box that merely lies under the cursor, and lets a letter choose an
entry of a combo box that has the focus. In a form whose answers enter a medical record both are accidents.
"""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QWheelEvent
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox, QTabBar, QTabWidget, QWidget

__all__ = ["ChoiceBox", "NumberBox", "Tabs", "WholeNumberBox"]

_OPENING_KEYS = frozenset({Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F4})
_LEAVING_KEYS = frozenset({Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Escape})
_STEPPING_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End}
)


class ChoiceBox(QComboBox):
    """A combo box whose entry is chosen from its opened list alone, by mouse or keyboard.

    Space, Enter, F4 and Alt+Down open the list; arrows and Enter choose in it; Escape closes it unchanged. An editable
    box takes text, and no steps.
    """

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on, so that the panel scrolls."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Open the list, or leave it closed and unchanged."""
        key = Qt.Key(event.key())
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if key in _LEAVING_KEYS:
            super().keyPressEvent(event)
        elif (alt and key == Qt.Key.Key_Down) or (not self.isEditable() and key in _OPENING_KEYS):
            self.showPopup()
        elif self.isEditable() and key not in _STEPPING_KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()


class NumberBox(QDoubleSpinBox):
    """A box for a number that the wheel does not change."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on, so that the panel scrolls."""
        event.ignore()


class WholeNumberBox(QSpinBox):
    """A box for a whole number that the wheel does not change."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on, so that the panel scrolls."""
        event.ignore()


class _TabBar(QTabBar):
    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        event.ignore()


class Tabs(QTabWidget):
    """Tabs that the wheel does not turn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabBar(_TabBar(self))

    def to_next(self) -> None:
        """Show the next tab, with the keyboard's focus on its name: Tab goes on to what it holds."""
        if self.count():
            self.setCurrentIndex((self.currentIndex() + 1) % self.count())
            self.tabBar().setFocus(Qt.FocusReason.TabFocusReason)
