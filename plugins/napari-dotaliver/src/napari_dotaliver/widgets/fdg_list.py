"""Lesions on both tracers, the NETPET grade as a proposal, and the FDG scan's candidates for the reader to answer."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError
from dotaliver.image.geometry import Vector
from dotaliver.records.netpet import NetpetLesion, PatternState
from napari_dotaliver.reading.body_answers import Answer
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.answer_rows import AnswerRows
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.shortcuts import refusal_line

__all__ = ["KEYS", "FdgList"]

KEYS: tuple[Key, ...] = (Key("A, R, Backspace in the list of the tab FDG", "accept, reject, take the answer back"),)

_HEADINGS = ("Lesion", "State", "Region", "Pattern", "Grade", "FDG × liver", "Receptor × liver", "FDG SUVmax")
_STATES: dict[PatternState, str] = {
    "counted": "lesion",
    "unanswered": "candidate",
    "accepted": "accepted",
    "rejected": "rejected",
}


class FdgList(QWidget):
    """Lesions and candidates on both scans; those that the FDG scan alone shows are accepted or rejected by a key."""

    place_chosen = Signal(object)
    """Where the current lesion lies on the receptor PET (LPS, mm)."""

    changed = Signal()
    """The answers changed, so that verdicts want to be measured again."""

    def __init__(self, session: ReadingSession, sign: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self._sign = session, sign
        self.grade, self.why = QLabel(self), QLabel(self)
        for line in (self.grade, self.why):
            line.setWordWrap(True)
            line.setTextFormat(Qt.TextFormat.PlainText)
        self.message = refusal_line()
        self.rows = AnswerRows(_HEADINGS, "Lesions on both tracers", self)
        self.accept_button, self.reject_button = QPushButton("Accept (A)"), QPushButton("Reject (R)")
        self.accept_button.setToolTip(
            "A lesion without receptor uptake: it enters the grade and is offered to exclusion 6"
        )
        buttons = QHBoxLayout()
        for button in (self.accept_button, self.reject_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for part in (self.grade, self.message):
            layout.addWidget(part)
        layout.addWidget(self.rows, stretch=1)
        layout.addWidget(self.why)
        layout.addLayout(buttons)
        self.rows.answered.connect(self.answer)
        self.rows.itemSelectionChanged.connect(self._on_row)
        self.accept_button.clicked.connect(lambda: self.answer("accepted"))
        self.reject_button.clicked.connect(lambda: self.answer("rejected"))
        self.show_reading()

    def close_down(self) -> None:
        """Tell nobody any more; called before Qt destroys the widget, during which no Python may run."""
        for part in (self.rows, self):
            part.blockSignals(True)

    @property
    def lesions(self) -> tuple[NetpetLesion, ...]:
        """Lesions and candidates as they were measured last."""
        netpet = self.session.score.netpet
        return () if netpet is None else netpet.lesions

    @property
    def current(self) -> NetpetLesion | None:
        """The lesion of the current row."""
        row, lesions = self.rows.currentRow(), self.lesions
        return lesions[row] if 0 <= row < len(lesions) else None

    def show_reading(self) -> None:
        """Show grade and rows, with the answers as they are now."""
        netpet = self.session.score.netpet
        if netpet is not None:
            self.grade.setText(f"NETPET grade, proposed: {netpet.words}. {netpet.reason}")
        self.rows.show_cells([_cells(lesion, self._state_of(lesion)) for lesion in self.lesions])
        self._show_current()

    def _state_of(self, lesion: NetpetLesion) -> PatternState:
        """The answer of now, measured or not."""
        if not _is_offered(lesion):
            return lesion.state
        reading = self.session.edits.fdg
        answer = None if reading is None else reading.answer(_label(lesion))
        return "unanswered" if answer is None else answer.answer

    def _show_current(self) -> None:
        lesion = self.current
        for button in (self.accept_button, self.reject_button):
            button.setEnabled(lesion is not None and _is_offered(lesion))
        notes = [] if lesion is None or lesion.why_physiological is None else [lesion.why_physiological]
        if lesion is not None and lesion.why_unknown is not None:
            notes.append(f"Not assessed: {lesion.why_unknown}.")
        self.why.setText(" ".join(notes))

    def answer(self, answer: Answer | None) -> None:
        """Answer the current candidate, and go to the next that waits; lesions of the receptor scan have none."""
        lesion = self.current
        if lesion is None or not _is_offered(lesion):
            return
        self._sign()
        self.message.hide()
        try:
            self.session.answer_fdg_candidate(_label(lesion), answer)
        except DotaliverError as error:
            said = str(error)
            self.message.setText(f"{said[:1].upper()}{said[1:]}.")
            self.message.show()
            return
        self.show_reading()
        self._to_next()
        self.changed.emit()

    def _to_next(self) -> None:
        first = self.rows.currentRow() + 1
        for row in (*range(first, len(self.lesions)), *range(first)):
            lesion = self.lesions[row]
            if _is_offered(lesion) and self._state_of(lesion) == "unanswered":
                self.rows.setCurrentCell(row, 0)
                return

    def _on_row(self) -> None:
        self._show_current()
        if self.current is not None:
            place: Vector = self.current.centroid_lps_mm
            self.place_chosen.emit(place)


def _is_offered(lesion: NetpetLesion) -> bool:
    """Whether it is answered here; lesions of the receptor scan are answered where that scan's are listed."""
    return lesion.is_fdg_focus and lesion.sstr != "positive"


def _label(lesion: NetpetLesion) -> int:
    return int(lesion.name[1:])


def _cells(lesion: NetpetLesion, state: PatternState) -> tuple[str, ...]:
    numbers = (lesion.fdg_ratio_to_liver, lesion.sstr_ratio_to_liver, lesion.fdg_suv_max)
    return (
        lesion.name,
        _STATES[state],
        lesion.region,
        lesion.pattern,
        lesion.grade or "–",
        *("–" if value is None else f"{value:.1f}" for value in numbers),
    )
