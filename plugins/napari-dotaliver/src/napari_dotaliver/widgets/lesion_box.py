"""The selected lesion: delete, merge, split and marks."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QGroupBox, QLabel, QPushButton, QWidget

from dotaliver.export.report.words import MARK_WORDS
from dotaliver.records.edits import LesionMark
from napari_dotaliver.reading.calipers import ROLES
from napari_dotaliver.reading.session import MARKS
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON
from napari_dotaliver.widgets.tool_context import ToolContext, push_button

__all__ = ["MARK_KEYS", "LesionBox"]

MARK_KEYS: dict[LesionMark, str] = {"not_a_lesion": "N", "treated": "T", "progressed_since_treatment": "G"}


class LesionBox(QGroupBox):
    """What is done to the lesions that are selected in the table.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    def __init__(self, context: ToolContext, parent: QWidget | None = None) -> None:
        super().__init__("Selected lesion", parent)
        self._context = context
        self.chosen_label: int | None = None
        self.setStyleSheet(CHECKED_BUTTON)
        grid = QGridLayout(self)
        self.lesion_line = QLabel("Select a row in the table.")
        self.lesion_line.setWordWrap(True)
        grid.addWidget(self.lesion_line, 0, 0, 1, 6)
        self.delete_button = push_button("Delete (Del)", self.delete)
        self.merge_button = push_button("Merge (J)", self.merge)
        self.split_button = push_button("Split (K)", self.split)
        for column, button in enumerate((self.delete_button, self.merge_button, self.split_button)):
            grid.addWidget(button, 1, 2 * column, 1, 2)
        self.marks: dict[LesionMark, QPushButton] = {}
        for number, mark in enumerate(mark for mark in MARKS if mark not in ROLES):
            self.marks[mark] = self._mark_button(mark)
            grid.addWidget(self.marks[mark], 2 + number // 2, 3 * (number % 2), 1, 3)

    def _mark_button(self, mark: LesionMark) -> QPushButton:
        key = f" ({MARK_KEYS[mark]})" if mark in MARK_KEYS else ""
        words = "progressed since" if mark == "progressed_since_treatment" else MARK_WORDS[mark]
        button = push_button(words[:1].upper() + words[1:] + key, lambda: self.toggle_mark(mark))
        button.setCheckable(True)
        button.setToolTip(MARK_WORDS[mark])
        return button

    def choose(self, label: int) -> None:
        """Show a lesion as the selected one."""
        self.chosen_label = label
        self.renew()

    def delete(self) -> None:
        """Delete the selected lesions, as one step each."""

        def act() -> None:
            for label in self._context.labels():
                self._context.session.delete_lesion(label)

        self._context.attempt(act)

    def merge(self) -> None:
        """Make the selected lesions one."""
        self._context.attempt(lambda: self._context.session.merge_lesions(self._context.labels()))

    def split(self) -> None:
        """Split the selected lesion where its uptake has a valley."""
        self._context.attempt(lambda: self._context.session.split_lesion(self._context.labels()[0]))

    def toggle_mark(self, mark: LesionMark) -> None:
        """Mark the selected lesions, or take the mark from them where the first has it."""
        session = self._context.session

        def act() -> None:
            labels = self._context.labels()
            on = mark not in session.marks_of(labels[0])
            for label in labels:
                session.mark_lesion(label, mark, on)

        self._context.attempt(act)
        self.renew()

    def renew(self) -> None:
        """Show the selected lesion as the reading has it now."""
        session, label = self._context.session, self.chosen_label
        there = label is not None and (label in session.lesions.labels or self._is_candidate(label))
        marks = session.marks_of(label) if label is not None else ()
        for mark, button in self.marks.items():
            button.setChecked(mark in marks)
            button.setEnabled(there)
        self.split_button.setEnabled(there)
        self.delete_button.setEnabled(there)
        if not there or label is None:
            self.lesion_line.setText("Select a row in the table.")
            return
        name = f"CT candidate {label}" if self._is_candidate(label) else f"Lesion {label}"
        said = ", ".join(MARK_WORDS[m] for m in marks)
        self.lesion_line.setText(f"{name}: {said}" if said else name)

    def _is_candidate(self, label: int) -> bool:
        return label in {focus.label for focus in self._context.session.score.ct_foci}
