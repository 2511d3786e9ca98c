"""Keys of a tab that work while another tab is shown, and things that are done when the present event is over."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

__all__ = ["bind_key", "soon"]


def bind_key(widget: QWidget, key: str, act: Callable[[], object]) -> None:
    """Let a key do something as long as the widget lives.

    Qt takes a shortcut only while its parent is visible, so it is the parent of the widget that carries it: the desk,
    which is there while the tab is hidden.
    """
    carrier = widget.parentWidget() or widget
    shortcut = QShortcut(QKeySequence(key), carrier)
    shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
    shortcut.activated.connect(act)
    if carrier is not widget:
        widget.destroyed.connect(shortcut.deleteLater)


def soon(owner: QObject, act: Callable[[], object]) -> None:
    """Do something when the present event is over, unless its owner is gone by then."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(act)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)
