"""Lesions outside the liver: candidates answered with one key each, others added by a click, and what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError
from dotaliver.export.report.words import likely_words
from dotaliver.image.geometry import Vector, as_vector
from dotaliver.records.body import FocusOrgan
from dotaliver.records.body_record import BodyLesion
from dotaliver.records.edits import BodyPoint
from napari_dotaliver.reading.body_answers import Answer
from napari_dotaliver.reading.provisional import body_now
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.layers import world_to_lps
from napari_dotaliver.view.mouse import still_click
from napari_dotaliver.widgets.answer_rows import AnswerRows
from napari_dotaliver.widgets.deliberate import ChoiceBox
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, millimetres, refusal_line, scrolled, soon

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["KEYS", "BodyList"]

KEYS: tuple[Key, ...] = (
    Key("A, R, Backspace in the list of the tab Body", "accept, reject or remove, take the answer back"),
)

_HEADINGS = ("Lesion", "State", "Region", "Likely", "Size", "× liver")
_ORGANS: tuple[FocusOrgan, ...] = get_args(FocusOrgan)
_USUAL_MM = 15.0
_LEAST_ROWS_PIXELS = 96
# What mends a lesion without a border, in a file of edits and here.
_BY_KEY, _BY_BOX = "give its diameter as size_mm", "tick “No border shown” and give its diameter"


class BodyList(QWidget):
    """What the search found outside the liver, for the reader to accept or reject, and what he adds."""

    place_chosen = Signal(object, float)
    """Where the current candidate lies (LPS, mm), and its extent in mm."""

    chosen = Signal(str)
    """The current lesion, such as "B2"."""

    caliper_wanted = Signal()
    """Its diameter is to be drawn."""

    adding = Signal(bool)
    """Whether a click on the PET adds a lesion."""

    changed = Signal()
    """The answers changed, so that verdicts want to be measured again."""

    def __init__(self, session: ReadingSession, sign: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self._sign = session, sign
        self.rows = AnswerRows(_HEADINGS, "Candidates outside the liver", self)
        self.why = QLabel(self)
        self.why.setWordWrap(True)
        self.why.setTextFormat(Qt.TextFormat.PlainText)
        self.accept_button, self.reject_button = QPushButton("Accept (A)"), QPushButton("Reject (R)")
        self.all_read = QCheckBox("I have read the whole body on these images")
        self.message = refusal_line()
        self._build_tools()
        self._lay_out()
        self.rows.answered.connect(self.answer)
        self.rows.itemSelectionChanged.connect(self._on_row)
        self.accept_button.clicked.connect(lambda: self.answer("accepted"))
        self.reject_button.clicked.connect(lambda: self.answer("rejected"))
        self.all_read.clicked.connect(self._state_all_read)
        self.add_button.toggled.connect(self._on_adding)
        self.draw_button.clicked.connect(self._want_caliper)
        self.organ.activated.connect(self._on_organ)
        self.show_reading()

    def _build_tools(self) -> None:
        self.add_button = QPushButton("Add by a click on the PET")
        self.add_button.setCheckable(True)
        self.add_button.setStyleSheet(CHECKED_BUTTON)
        self.add_button.setToolTip("While this is on, a click on the PET adds a lesion outside the liver.")
        self.by_size = QCheckBox("No border shown: take a ball of")
        self.size_mm = millimetres("Diameter of a lesion without a border, in mm", (3.0, 200.0), _USUAL_MM)
        self.draw_button = QPushButton("Draw diameter (D)")
        self.organ = ChoiceBox(self)
        self.organ.setAccessibleName("Organ of the selected lesion")
        self.organ.addItems([organ.replace("_", " ") for organ in _ORGANS])

    def _lay_out(self) -> None:
        self.rows.setMinimumHeight(_LEAST_ROWS_PIXELS)
        tools = QWidget()
        column = QVBoxLayout(tools)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.why)
        lines: tuple[tuple[QWidget, ...], ...] = (
            (self.accept_button, self.reject_button, self.draw_button),
            (QLabel("Organ"), self.organ, self.add_button),
            (self.by_size, self.size_mm),
            (self.all_read,),
        )
        for parts in lines:
            line = QHBoxLayout()
            for part in parts:
                line.addWidget(part, stretch=0 if isinstance(part, QLabel) else 1)
            column.addLayout(line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.message)
        layout.addWidget(self.rows, stretch=1)
        # A low window scrolls the tools; the list keeps its rows.
        layout.addWidget(scrolled((tools,)), stretch=1)

    def close_down(self) -> None:
        """Tell nobody any more; called before Qt destroys the widget, during which no Python may run."""
        for part in (self.rows, self.all_read, self.add_button, self.organ, self):
            part.blockSignals(True)

    # --- what is listed ----------------------------------------------------------------------------------------------

    @property
    def lesions(self) -> tuple[BodyLesion, ...]:
        """What was measured, with the answers of now."""
        body = body_now(self.session)
        return () if body is None else body.lesions

    @property
    def waiting(self) -> tuple[tuple[int, BodyPoint], ...]:
        """Added lesions that are not measured yet, with their place among those that were added."""
        reading = self.session.edits.body
        measured = {self.session.added_number(lesion) for lesion in self.lesions}
        added = () if reading is None else reading.added
        return tuple((n, point) for n, point in enumerate(added) if n not in measured)

    @property
    def current(self) -> BodyLesion | None:
        """The measured lesion of the current row."""
        row, lesions = self.rows.currentRow(), self.lesions
        return lesions[row] if 0 <= row < len(lesions) else None

    def show_reading(self) -> None:
        """Fill the rows with the answers as they are now, measured or not."""
        reading, lesions = self.session.edits.body, self.lesions
        cells = [_cells(lesion) for lesion in lesions]
        cells += [("new", "added", point.region or point.organ, "–", "…", "…") for _, point in self.waiting]
        self.rows.show_cells(cells)
        self.all_read.setChecked(reading is not None and reading.all_read)
        self._show_current()

    def _show_current(self) -> None:
        lesion = self.current
        described = lesion is not None and lesion.confirmed
        self.organ.setEnabled(described)
        self.draw_button.setEnabled(described)
        self.accept_button.setEnabled(lesion is not None and lesion.state != "added")
        added = self.rows.currentRow() >= 0 and (lesion is None or lesion.state == "added")
        self.reject_button.setText("Remove (R)" if added else "Reject (R)")
        self.reject_button.setEnabled(self.rows.currentRow() >= 0)
        if lesion is None and not self.rows.rowCount():
            self.why.setText("The search found no candidate outside the liver. You can add what it missed.")
        if lesion is not None:
            self.organ.setCurrentIndex(_ORGANS.index(lesion.organ))
            self.why.setText(lesion.why_physiological or "")

    # --- answers -----------------------------------------------------------------------------------------------------

    def answer(self, answer: Answer | None) -> None:
        """Answer the current candidate, and go to the next that waits; an added lesion is removed or stays."""
        lesion, row = self.current, self.rows.currentRow()
        if lesion is not None and lesion.state != "added":
            self._sign()
            if self._try(lambda: self.session.answer_candidate(lesion.label, answer)):
                self.show_reading()
                self._to_next()
                self.changed.emit()
            return
        waiting = self.waiting
        number = self.session.added_number(lesion) if lesion is not None else None
        if lesion is None and 0 <= row - len(self.lesions) < len(waiting):
            number = waiting[row - len(self.lesions)][0]
        if answer != "accepted" and number is not None:
            self._sign()
            if self._try(lambda: self.session.remove_body_lesion(number)):
                self.show_reading()
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

    def _want_caliper(self) -> None:
        self.caliper_wanted.emit()

    def _on_organ(self, index: int) -> None:
        lesion = self.current
        if lesion is None or lesion.organ == _ORGANS[index]:
            return
        self._sign()
        self._try(lambda: self.session.name_organ(lesion, _ORGANS[index]))
        self.show_reading()
        self.changed.emit()

    def _on_row(self) -> None:
        lesion = self.current
        self._show_current()
        if lesion is not None:
            place: Vector = lesion.centroid_lps_mm
            self.place_chosen.emit(place, lesion.pet_extent_mm or 0.0)
            self.chosen.emit(lesion.name)

    # --- adding ------------------------------------------------------------------------------------------------------

    def _on_adding(self, on: bool) -> None:
        self.message.hide()
        self.adding.emit(on)

    def clicked(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Add a lesion at a click while that is asked for; what drags the image adds nothing."""
        start = tuple(event.position)
        clicked = yield from still_click(viewer, event)
        if clicked and self.add_button.isChecked() and viewer.dims.ndisplay == 2:
            place = as_vector(world_to_lps(np.asarray(start[-3:])))
            soon(self, lambda: self.add_at(place))

    def add_at(self, place_lps_mm: Vector) -> None:
        """Add a lesion at a place on the PET; it is listed at once, and measured beside the window."""
        self._sign()
        size_mm = self.size_mm.value() if self.by_size.isChecked() else None
        if self._try(lambda: self.session.add_body_lesion(place_lps_mm, size_mm)):
            self.add_button.setChecked(False)
            self.show_reading()
            self.changed.emit()

    def _try(self, act: Callable[[], object]) -> bool:
        self.message.hide()
        try:
            act()
        except DotaliverError as error:
            said = str(error).replace(_BY_KEY, _BY_BOX)
            self.message.setText(f"{said[:1].upper()}{said[1:]}.")
            self.message.show()
            return False
        return True


def _cells(lesion: BodyLesion) -> tuple[str, ...]:
    size = lesion.longest_diameter_mm or lesion.pet_extent_mm
    on_pet = " (PET)" if lesion.diameter_source == "pet" and lesion.confirmed else ""
    return (
        lesion.name,
        lesion.state,
        lesion.region,
        likely_words(lesion),
        "–" if size is None else f"{size:.0f} mm{on_pet}",
        "–" if lesion.ratio_to_liver is None else f"{lesion.ratio_to_liver:.1f}",
    )
