"""Rows of candidates that are answered with one key each."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QTableWidgetItem, QWidget

from napari_dotaliver.reading.body_answers import Answer
from napari_dotaliver.widgets.deliberate import Rows

__all__ = ["AnswerRows"]

_KEYS: dict[int, Answer | None] = {
    int(Qt.Key.Key_A): "accepted",
    int(Qt.Key.Key_R): "rejected",
    int(Qt.Key.Key_Backspace): None,
}


class AnswerRows(Rows):
    """A table in which a key answers the current row."""

    answered = Signal(object)
    answer_keys = tuple(_KEYS)

    def __init__(self, headings: Sequence[str], name: str, parent: QWidget | None = None) -> None:
        super().__init__(0, len(headings), parent)
        self.setHorizontalHeaderLabels(list(headings))
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().setVisible(False)
        self.setTabKeyNavigation(False)

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the answers from the tools that have the same keys elsewhere."""
        kind = QEvent.Type.ShortcutOverride
        if (
            isinstance(event, QKeyEvent)
            and event.type() == kind
            and int(event.key()) in _KEYS
            and not event.modifiers()
        ):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """A accepts, R rejects, Backspace takes the answer back; arrows move from row to row."""
        if int(event.key()) in _KEYS and not event.modifiers():
            self.answered.emit(_KEYS[int(event.key())])
            event.accept()
            return
        super().keyPressEvent(event)

    def show_cells(self, rows: Sequence[Sequence[str]]) -> None:
        """Fill the table; the current row stays, and nobody is told."""
        row = self.currentRow()
        self.blockSignals(True)
        self.setRowCount(len(rows))
        for place, texts in enumerate(rows):
            for column, text in enumerate(texts):
                self.setItem(place, column, QTableWidgetItem(text))
        self.resizeColumnsToContents()
        if rows:
            self.setCurrentCell(min(max(row, 0), len(rows) - 1), 0)
        self.blockSignals(False)
