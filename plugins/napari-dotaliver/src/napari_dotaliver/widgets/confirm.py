"""Confirming: who reads, the rest of the body, the checklist, each verdict accepted or overruled, and saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from dotaliver.config.protocol import CriterionId
from dotaliver.errors import DotaliverError
from dotaliver.export.report.words import answer_words, verdict_headline
from dotaliver.pipeline import default_folder
from dotaliver.records.edits import RestOfBody
from dotaliver.records.verdicts import Verdict, VerdictWord
from napari_dotaliver.reading.measuring import Measured, ReadingState
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.deliberate import ChoiceBox
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.reader_box import ReaderBox
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, bind_key, refusal_line, scrolled

__all__ = ["KEYS", "ConfirmWidget"]

KEYS: tuple[Key, ...] = (Key("Ctrl+S", "save the reading"),)
_VERDICTS: tuple[VerdictWord, ...] = ("met", "not_met", "indeterminate", "not_evaluable")
_OPEN = "open"
_TRISTATE = ("not stated", "no", "yes")
_REST: dict[str, str] = {
    "uptake_above_liver": "with uptake above normal liver",
    "measurable": "measurable by RECIST 1.1",
    "receptor_negative": "without receptor uptake",
}


def _bool_of(index: int) -> bool | None:
    return None if index == 0 else index == 2


def _index_of(value: bool | None) -> int:
    return 0 if value is None else 1 + int(value)


def _combo(words: tuple[str, ...], name: str, changed: Callable[[], None]) -> ChoiceBox:
    """A choice that tells of a person's choice only, not of a program's."""
    combo = ChoiceBox()
    combo.addItems(words)
    combo.setAccessibleName(name)
    combo.activated.connect(lambda _=0: changed())
    return combo


class _Answer:
    """The line of one criterion: the proposal, accept or another answer, and why."""

    def __init__(self, widget: ConfirmWidget, criterion: CriterionId, grid: QGridLayout, row: int) -> None:
        self.criterion = criterion
        protocol = widget.session.config.protocol.criterion(criterion)
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.headline.setToolTip(protocol.wording)
        self.accept_button = QPushButton("Accept")
        self.accept_button.setCheckable(True)
        self.accept_button.setStyleSheet(CHECKED_BUTTON)
        self.accept_button.setAccessibleName(f"Accept the proposal for {protocol.name}")
        self.accept_button.clicked.connect(lambda _=False: widget.accept(criterion))
        words = ("as proposed", *(answer_words(protocol, word) for word in _VERDICTS))
        self.other = _combo(words, f"Different answer for {protocol.name}", lambda: widget.overrule(criterion))
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("reason (required)")
        self.reason.setAccessibleName(f"Reason for overruling {protocol.name}")
        self.reason.editingFinished.connect(lambda: widget.overrule(criterion))
        grid.addWidget(self.headline, 2 * row, 0, 1, 3)
        grid.addWidget(self.accept_button, 2 * row + 1, 0)
        grid.addWidget(self.other, 2 * row + 1, 1)
        grid.addWidget(self.reason, 2 * row + 1, 2)
        grid.setColumnStretch(2, 1)

    def show(self, session: ReadingSession) -> None:
        """Show the criterion as the reading has it."""
        protocol = session.config.protocol.criterion(self.criterion)
        verdict: Verdict = session.score.criteria[self.criterion]
        given = next((a for a in session.edits.verdicts if a.criterion == self.criterion), None)
        proposed = session.proposed(self.criterion)
        text = verdict_headline(protocol, verdict)
        if verdict.status == "overruled":
            text += f" — overruled; the images propose: {answer_words(protocol, proposed)}"
        elif verdict.status == "confirmed":
            text += " — confirmed"
        else:
            text += " — proposed"
        self.headline.setText(text)
        overruled = given is not None and given.verdict != proposed
        self.accept_button.setChecked(given is not None and not overruled)
        self.accept_button.setText("✓ Accepted" if self.accept_button.isChecked() else "Accept")
        if given is None and self.other.currentIndex() > 0 and not self.reason.text().strip():
            # The answer was chosen and waits for its reason.
            return
        self.other.setCurrentIndex(0 if given is None or not overruled else 1 + _VERDICTS.index(given.verdict))
        if overruled and given is not None and not self.reason.hasFocus():
            self.reason.setText(given.reason or "")
        elif not overruled:
            self.reason.clear()
        self.reason.setEnabled(self.other.currentIndex() > 0)


class ConfirmWidget(QWidget):
    """The tab in which a reading is signed and saved.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    first_reader : ReaderBox
        Where the reader signs in first, outside this tab; here another reader can sign afterwards.
    """

    saved = Signal(object)

    def __init__(self, session: ReadingSession, first_reader: ReaderBox, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self._first_reader = session, first_reader
        self.folder = _unused_folder(session)
        self._chosen_folder = False
        self.measuring = Background(self)
        self.saving = Background(self)
        self._save_after = False
        self._after_saving: Callable[[], object] | None = None
        self._build()
        self._connect()
        self._end = session.on_change(self._on_change)
        self._on_change()

    def close_down(self) -> None:
        """Stop following the reading; called before Qt destroys the widget, during which no Python may run."""
        self.measuring.cancel()
        self.saving.cancel()
        self.reader_box.close_down()
        self._end()

    # --- what it is made of -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.message = refusal_line()
        boxes = (self._reader_box(), self._liver_box(), self._rest_box(), self._checklist_box(), self._answers_box())
        area = scrolled(boxes)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.save_button = QPushButton("Save the reading (Ctrl+S)")
        self.folder_button = QPushButton("Other folder…")
        self.folder_line = QLabel()
        self.folder_line.setWordWrap(True)
        self.folder_line.setTextFormat(Qt.TextFormat.PlainText)
        line = QHBoxLayout()
        line.addWidget(self.save_button, stretch=2)
        line.addWidget(self.folder_button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.message)
        layout.addWidget(area, stretch=1)
        layout.addLayout(line)
        layout.addWidget(self.folder_line)

    def _reader_box(self) -> QGroupBox:
        self.reader_box = ReaderBox(self.session, "Reader", shown="signed")
        for box in (self.reader_box, self._first_reader):
            box.refused.connect(self._refuse)
        return self.reader_box

    def _liver_box(self) -> QGroupBox:
        box = QGroupBox("Lesions of the liver")
        form = QFormLayout(box)
        self.complete = _combo(_TRISTATE, "Every lesion of the liver is outlined", self._state_completeness)
        self.complete.setToolTip("Whether the outlines include every lesion of the liver that the PET shows")
        form.addRow("All are outlined", self.complete)
        return box

    def _rest_box(self) -> QGroupBox:
        box = QGroupBox("Body outside the liver")
        form = QFormLayout(box)
        self.rest = _combo(("not stated", "no lesions", "lesions"), "Lesions outside the liver", self._state_rest)
        form.addRow("Tumour lesions", self.rest)
        self.rest_of = {name: _combo(_TRISTATE, words, self._state_rest) for name, words in _REST.items()}
        for name, combo in self.rest_of.items():
            form.addRow(_REST[name], combo)
        return box

    def _checklist_box(self) -> QGroupBox:
        box = QGroupBox("Checklist: image criteria that are not computed")
        form = QFormLayout(box)
        self.checklist: dict[str, ChoiceBox] = {}
        for item in self.session.config.protocol.checklist:
            words = (_OPEN, "absent", "present")
            self.checklist[item] = _combo(words, item, lambda item=item: self._check(item))
            form.addRow(item, self.checklist[item])
        return box

    def _answers_box(self) -> QGroupBox:
        box = QGroupBox("Criteria")
        grid = QGridLayout(box)
        shown = [name for name in self.session.config.protocol.ids if name in self.session.score.criteria]
        self.answers = {name: _Answer(self, name, grid, row) for row, name in enumerate(shown)}
        return box

    def _connect(self) -> None:
        self.save_button.clicked.connect(lambda _=False: self.save())
        self.folder_button.clicked.connect(lambda _=False: self._ask_for_folder())
        self.measuring.done.connect(self._on_measured)
        self.measuring.failed.connect(lambda error: self._refuse(sentence_of(error)))
        self.saving.stage.connect(self._say_stage)
        self.saving.done.connect(self._on_saved)
        self.saving.failed.connect(lambda error: self._refuse(sentence_of(error)))
        bind_key(self, "Ctrl+S", self.save)

    # --- telling ----------------------------------------------------------------------------------------------------

    def _refuse(self, sentence: str) -> None:
        self._after_saving = None
        text = sentence[:1].upper() + sentence[1:]
        self.message.setText(text if text.endswith(".") else text + ".")
        self.message.show()
        self._show_state()

    def _try(self, act: Callable[[], object]) -> bool:
        self.message.hide()
        try:
            act()
        except DotaliverError as error:
            self._refuse(str(error))
            return False
        return True

    def _say_stage(self, stage: str) -> None:
        self.folder_line.setText(stage[:1].upper() + stage[1:] + " …")

    # --- statements -------------------------------------------------------------------------------------------------

    def sign(self) -> bool:
        """Sign with the name and role that were entered; False where no name was."""
        return self._asked_reader.sign()

    @property
    def _asked_reader(self) -> ReaderBox:
        """Where the reader's name is entered now."""
        return self.reader_box if self.session.signed else self._first_reader

    def _state_completeness(self) -> None:
        complete = _bool_of(self.complete.currentIndex())
        if self._try(lambda: self.session.state_completeness(complete)):
            self.measure()

    def _state_rest(self) -> None:
        index = self.rest.currentIndex()
        statement = None
        if index == 1:
            statement = RestOfBody(lesions=False)
        elif index == 2:
            said = {name: _bool_of(combo.currentIndex()) for name, combo in self.rest_of.items()}
            statement = RestOfBody(lesions=True, **said)
        self.sign()
        if self._try(lambda: self.session.state_rest_of_body(statement)):
            self.measure()
        else:
            self._on_change()

    def _check(self, item: str) -> None:
        index = self.checklist[item].currentIndex()
        self.sign()
        if not self._try(lambda: self.session.check(item, None if index == 0 else index == 2)):
            self._on_change()

    def accept(self, criterion: CriterionId) -> None:
        """Confirm a proposal, or leave it open where it was confirmed."""
        line = self.answers[criterion]
        if line.accept_button.isChecked():
            self.sign()
            line.other.setCurrentIndex(0)
            self._try(lambda: self.session.answer(criterion, self.session.proposed(criterion)))
        else:
            self._try(lambda: self.session.answer(criterion, None))
        line.show(self.session)

    def overrule(self, criterion: CriterionId) -> None:
        """Answer otherwise than proposed, once there is a reason."""
        line = self.answers[criterion]
        index, reason = line.other.currentIndex(), line.reason.text()
        line.reason.setEnabled(index > 0)
        given = next((a for a in self.session.edits.verdicts if a.criterion == criterion), None)
        if index == 0:
            if given is not None and given.verdict != self.session.proposed(criterion):
                self._try(lambda: self.session.answer(criterion, None))
            return
        verdict = _VERDICTS[index - 1]
        if verdict == self.session.proposed(criterion):
            line.accept_button.setChecked(True)
            self.accept(criterion)
            return
        if not reason.strip():
            line.accept_button.setChecked(False)
            line.reason.setFocus()
            name = self.session.config.protocol.criterion(criterion).name
            self._refuse(f"{name}: give a reason for overruling the proposal")
            return
        if given is not None and (given.verdict, given.reason) == (verdict, reason.strip()):
            return
        self.sign()
        self._try(lambda: self.session.answer(criterion, verdict, reason))

    # --- measuring and saving ---------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure anew what was stated or edited, beside the window."""
        if not self.session.stale:
            return
        job, of = self.session.measuring(), self.session.state
        self.measuring.run(lambda tell: (job(tell), of))
        self._show_state()

    def _on_measured(self, result: tuple[Measured, ReadingState]) -> None:
        measured, of = result
        if not self.session.adopt(measured, of):
            self.measure()
            return
        if measured.withdrawn:
            self._save_after = False
            self._refuse(" ".join(measured.withdrawn))
        elif self._save_after:
            self._save_after = False
            self.save()

    def save_then(self, act: Callable[[], object]) -> None:
        """Save, and do something once that is done; nothing where the reading cannot be saved yet."""
        self._after_saving = act
        self.save()
        if not (self.measuring.busy or self.saving.busy):
            self._after_saving = None

    def save(self) -> None:
        """Write record, masks and report; what was edited and not measured is measured first."""
        self.message.hide()
        if not self.sign():
            self._refuse("give the reader's name and role before saving")
            self._asked_reader.name.setFocus()
            return
        waiting = [line for line in self.answers.values() if line.other.currentIndex() > 0]
        open_ones = [line for line in waiting if not line.reason.text().strip()]
        if open_ones:
            self.overrule(open_ones[0].criterion)
            return
        if self.session.stale:
            self._save_after = True
            self.measure()
            return
        try:
            write = self.session.saving(self.folder)
        except DotaliverError as error:
            self._refuse(str(error))
            return
        state, folder = self.session.state, self.folder

        def work(tell: Callable[[str], None]) -> tuple[Path, ReadingState]:
            write(tell)
            return folder, state

        self.saving.run(work)
        self._show_state()

    def _on_saved(self, result: tuple[Path, ReadingState]) -> None:
        folder, state = result
        self.session.saved(folder, state)
        self._show_state()
        self.saved.emit(folder)
        act, self._after_saving = self._after_saving, None
        if act is not None:
            act()

    def _ask_for_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the reading", str(self.folder.parent))
        if chosen:
            self.folder = Path(chosen)
            self._show_state()

    # --- following the reading ---------------------------------------------------------------------------------------

    def _on_change(self) -> None:
        session = self.session
        self.complete.setCurrentIndex(_index_of(session.edits.lesions_complete))
        rest = session.edits.rest_of_body
        self.rest.setCurrentIndex(0 if rest is None else 1 + int(rest.lesions))
        for name, combo in self.rest_of.items():
            combo.setEnabled(rest is not None and rest.lesions)
            combo.setCurrentIndex(_index_of(None if rest is None else getattr(rest, name)))
        for item, combo in self.checklist.items():
            combo.setCurrentIndex(_index_of(session.edits.checklist.get(item)))
        for line in self.answers.values():
            line.show(session)
        self._show_state()

    def _show_state(self) -> None:
        busy = self.measuring.busy or self.saving.busy
        self.save_button.setEnabled(not busy)
        if self.saving.busy:
            return
        if self.measuring.busy:
            self.folder_line.setText("Measuring …")
        elif not self.session.dirty and self.session.saved_in == self.folder:
            self.folder_line.setText(f"Saved in {self.folder}.")
        else:
            stale = " after measuring what was edited" if self.session.stale else ""
            self.folder_line.setText(f"Will be saved in {self.folder}{stale}.")


def _unused_folder(session: ReadingSession) -> Path:
    """Where a reading is saved unless told otherwise: beside the record that it revises, in a folder of its own."""
    base = session.folder or Path.home() / "dotaliver-out" / default_folder(session.automatic)
    number = 1
    while (base / f"revised-{number}").exists():
        number += 1
    return base / f"revised-{number}"
