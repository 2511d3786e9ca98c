"""Form controls that change only by a deliberate act: no wheel, no stray key.

Qt lets the mouse wheel turn a combo box, a spin box or a slider that merely lies under the cursor, and lets a letter
choose an entry of a combo box or a row of a table that has the focus. In a form whose answers enter a medical record
both are accidents. The panels are made of these controls alone; a test refuses Qt's own in any other module.
"""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QWheelEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QListWidget,
    QSlider,
    QSpinBox,
    QTabBar,
    QTableWidget,
    QTabWidget,
    QWidget,
)

__all__ = ["ChoiceBox", "Entries", "NumberBox", "PercentSlider", "Rows", "Tabs", "WholeNumberBox"]

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
    """A box for a number that is typed, or stepped by its arrows with the mouse: no wheel, no stepping keys."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on, so that the panel scrolls."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Take digits, and no steps."""
        if not _passed_on(event):
            super().keyPressEvent(event)


class WholeNumberBox(QSpinBox):
    """The same for a whole number."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on, so that the panel scrolls."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Take digits, and no steps."""
        if not _passed_on(event):
            super().keyPressEvent(event)


def _passed_on(event: QKeyEvent) -> bool:
    """Whether a key would step a number; it is left to the panel then. Home and End move the cursor in the text."""
    if Qt.Key(event.key()) not in _STEPPING_KEYS - {Qt.Key.Key_Home, Qt.Key.Key_End}:
        return False
    event.ignore()
    return True


class PercentSlider(QSlider):
    """A slider from 0 to 100 % that the wheel does not move; arrows move it while it has the focus."""

    def __init__(self, percent: int, name: str, explanation: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, 100)
        self.setValue(percent)
        self.setAccessibleName(name)
        self.setToolTip(explanation)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 -- Qt's name
        """Pass the wheel on."""
        event.ignore()


def _is_letter(event: QKeyEvent) -> bool:
    text = event.text()
    return bool(text.strip()) and text.isprintable()


class Rows(QTableWidget):
    """A table whose rows are chosen by mouse and arrows; a letter goes to no row that begins with it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Leave letters to the window's keys."""
        if _is_letter(event):
            event.ignore()
        else:
            super().keyPressEvent(event)


class Entries(QListWidget):
    """A list whose entries are chosen by mouse and arrows; a letter goes to no entry that begins with it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """Leave letters to the window's keys."""
        if _is_letter(event):
            event.ignore()
        else:
            super().keyPressEvent(event)


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
