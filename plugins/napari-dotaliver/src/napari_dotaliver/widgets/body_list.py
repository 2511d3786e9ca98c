"""Candidates outside the liver: a list that is answered with one key each, and the statement that all was read."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError
from dotaliver.export.report.words import likely_words
from dotaliver.image.geometry import Vector
from dotaliver.records.body_record import BodyLesion
from napari_dotaliver.reading.body_answers import Answer
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.shortcuts import refusal_line

__all__ = ["BodyList"]

_HEADINGS = ("Lesion", "Region", "Likely", "State", "Size", "× liver")
_KEYS: dict[int, Answer | None] = {
    int(Qt.Key.Key_A): "accepted",
    int(Qt.Key.Key_R): "rejected",
    int(Qt.Key.Key_Backspace): None,
}


class _Rows(QTableWidget):
    """The rows, in which a key answers the current one."""

    answered = Signal(object)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 -- Qt's name
        """A accepts, R rejects, Backspace takes the answer back; other keys move as usual."""
        if int(event.key()) in _KEYS and not event.modifiers():
            self.answered.emit(_KEYS[int(event.key())])
            event.accept()
            return
        super().keyPressEvent(event)


class BodyList(QWidget):
    """What the search found outside the liver, for the reader to accept or reject."""

    place_chosen = Signal(object, float)
    """Where the current candidate lies (LPS, mm), and its extent in mm."""

    changed = Signal()
    """The answers changed, so that verdicts want to be measured again."""

    def __init__(self, session: ReadingSession, sign: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self._sign = session, sign
        self.rows = _Rows(0, len(_HEADINGS), self)
        self.rows.setHorizontalHeaderLabels(list(_HEADINGS))
        self.rows.setAccessibleName("Candidates outside the liver")
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.rows.verticalHeader().setVisible(False)
        self.why = QLabel(self)
        self.why.setWordWrap(True)
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.accept_button, self.reject_button = QPushButton("Accept (A)"), QPushButton("Reject (R)")
        self.all_read = QCheckBox("I have read the whole body on these images")
        self.message = refusal_line()
        buttons = QHBoxLayout()
        for button in (self.accept_button, self.reject_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        for part in (self.rows, self.why):
            layout.addWidget(part)
        layout.addLayout(buttons)
        layout.addWidget(self.all_read)
        layout.addWidget(self.message)
        self.rows.answered.connect(self.answer)
        self.rows.itemSelectionChanged.connect(self._on_row)
        self.accept_button.clicked.connect(lambda: self.answer("accepted"))
        self.reject_button.clicked.connect(lambda: self.answer("rejected"))
        self.all_read.clicked.connect(self._state_all_read)
        self.show_reading()

    def close_down(self) -> None:
        """Tell nobody any more; called before Qt destroys the widget, during which no Python may run."""
        for part in (self.rows, self.all_read, self):
            part.blockSignals(True)

    @property
    def lesions(self) -> tuple[BodyLesion, ...]:
        """What is listed, from the last measurement."""
        body = self.session.score.body
        return () if body is None else body.lesions

    @property
    def current(self) -> BodyLesion | None:
        """The candidate of the current row."""
        row = self.rows.currentRow()
        return self.lesions[row] if 0 <= row < len(self.lesions) else None

    def show_reading(self) -> None:
        """Fill the rows with the answers as they are now, measured or not."""
        row, reading = self.rows.currentRow(), self.session.edits.body
        self.rows.blockSignals(True)
        self.rows.setRowCount(len(self.lesions))
        for place, lesion in enumerate(self.lesions):
            answer = None if reading is None else reading.answer(lesion.label)
            state = lesion.state if lesion.state == "added" else "unanswered" if answer is None else answer.answer
            for column, text in enumerate(_cells(lesion, state)):
                self.rows.setItem(place, column, QTableWidgetItem(text))
        self.rows.resizeColumnsToContents()
        if self.lesions:
            self.rows.setCurrentCell(max(row, 0), 0)
        self.rows.blockSignals(False)
        self.all_read.setChecked(reading is not None and reading.all_read)

    def answer(self, answer: Answer | None) -> None:
        """Answer the current candidate, and go to the next that waits."""
        lesion = self.current
        if lesion is None or lesion.state == "added":
            return
        self._sign()
        if self._try(lambda: self.session.answer_candidate(lesion.label, answer)):
            self.show_reading()
            self._to_next()
            self.changed.emit()

    def _to_next(self) -> None:
        reading = self.session.edits.body
        answered = set() if reading is None else {each.label for each in reading.answers}
        first = self.rows.currentRow() + 1
        order = [*range(first, len(self.lesions)), *range(first)]
        for row in order:
            if self.lesions[row].open and self.lesions[row].label not in answered:
                self.rows.setCurrentCell(row, 0)
                return

    def _state_all_read(self) -> None:
        self._sign()
        stated = self._try(lambda: self.session.state_whole_body_read(self.all_read.isChecked()))
        self.show_reading()
        if stated:
            self.changed.emit()

    def _on_row(self) -> None:
        lesion = self.current
        if lesion is not None:
            self.why.setText(lesion.why_physiological or "")
            place: Vector = lesion.centroid_lps_mm
            self.place_chosen.emit(place, lesion.pet_extent_mm or 0.0)

    def _try(self, act: Callable[[], object]) -> bool:
        self.message.hide()
        try:
            act()
        except DotaliverError as error:
            self.message.setText(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            self.message.show()
            return False
        return True


def _cells(lesion: BodyLesion, state: str) -> tuple[str, ...]:
    size = lesion.longest_diameter_mm or lesion.pet_extent_mm
    return (
        lesion.name,
        lesion.region,
        likely_words(lesion),
        state,
        "–" if size is None else f"{size:.0f} mm",
        "–" if lesion.ratio_to_liver is None else f"{lesion.ratio_to_liver:.1f}",
    )
