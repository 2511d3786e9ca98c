"""Keys of a tab that work while another tab is shown, and things that are done when the present event is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QScrollArea, QShortcut, QVBoxLayout, QWidget

from napari_dotaliver.widgets.deliberate import NumberBox

__all__ = [
    "CHECKED_BUTTON",
    "FOCUS_FRAME",
    "bind_key",
    "millimetres",
    "refusal_line",
    "scrolled",
    "soon",
    "tab_through",
    "take_key",
]

CHECKED_BUTTON = "QPushButton:checked { font-weight: bold; border: 2px solid #56B4E9; }"
"""Style of a panel in which a pressed button is recognised without colour, whatever the theme"""

_FOCUSED = "QPushButton QLineEdit QComboBox QAbstractSpinBox QTextBrowser QTableWidget QCheckBox QRadioButton"
FOCUS_FRAME = ", ".join(f"{kind}:focus" for kind in _FOCUSED.split()) + " { border: 2px solid #E69F00; }"
"""Style of a panel in which one sees where the keyboard's focus is; themes of napari show it nowhere"""


def bind_key(widget: QWidget, key: str, act: Callable[[], object]) -> None:
    """Let a key do something as long as the widget lives.

    Qt takes a shortcut only while its parent is visible, so it is the parent of the widget that carries it: the desk,
    which is there while the tab is hidden. It works in the carrier's window alone: another window may give the key
    another meaning.
    """
    carrier = widget.parentWidget() or widget
    shortcut = QShortcut(QKeySequence(key), carrier)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(act)
    take_key(key)
    if carrier is not widget:
        widget.destroyed.connect(shortcut.deleteLater)


def take_key(key: str) -> None:
    """Take a key from every menu action of the program for good: two owners of one key cancel each other.

    It is not given back when its widget goes: Python code that runs while Qt destroys a window ends the program.
    """
    sequence = QKeySequence(key)
    program = QApplication.instance()
    for action in [] if program is None else program.findChildren(QAction):
        if sequence in action.shortcuts():
            action.setShortcuts([other for other in action.shortcuts() if other != sequence])


def soon(owner: QObject, act: Callable[[], object]) -> None:
    """Do something when the present event is over, unless its owner is gone by then."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(act)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)


def tab_through(parts: Iterable[QWidget]) -> None:
    """Let Tab go through these widgets and what they hold, in this order.

    Qt leaves out what is put into a window that is shown already.
    """
    found = [
        each
        for part in parts
        for each in (part, *part.findChildren(QWidget))
        if each.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
        and each.focusProxy() is None
        and each.window() is part.window()
    ]
    for before, after in pairwise(found):
        QWidget.setTabOrder(before, after)


def refusal_line() -> QLabel:
    """A framed line for the sentence of a refusal, hidden until there is one."""
    line = QLabel()
    line.setWordWrap(True)
    line.setTextFormat(Qt.TextFormat.PlainText)
    line.setStyleSheet("QLabel { border: 1px solid #E69F00; padding: 4px; }")
    line.hide()
    return line


def scrolled(parts: Iterable[QWidget]) -> QScrollArea:
    """Parts below each other that are scrolled where the window is low."""
    inner = QWidget()
    column = QVBoxLayout(inner)
    column.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        column.addWidget(part)
    column.addStretch()
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setWidget(inner)
    return area


def millimetres(name: str, span_mm: tuple[float, float], value_mm: float) -> NumberBox:
    """A box for a length in whole millimetres; `name` is what a screen reader says."""
    box = NumberBox()
    box.setRange(*span_mm)
    box.setDecimals(0)
    box.setValue(value_mm)
    box.setSuffix(" mm")
    box.setAccessibleName(name)
    return box
