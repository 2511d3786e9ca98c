"""A case of a central reading: the first answers from the images alone, and signing what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QLabel, QLineEdit, QMessageBox, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError
from dotaliver.export.report.words import answer_words
from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.records.edits import Reader
from dotaliver.records.verdicts import VerdictWord
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import Background, Progress, sentence_of
from napari_dotaliver.widgets.deliberate import ChoiceBox, NumberBox
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.reader_box import ROLES
from napari_dotaliver.widgets.shortcuts import bind_key, refusal_line, scrolled

if TYPE_CHECKING:
    from dotaliver.agreement.log import LoggedEvent

__all__ = ["KEYS", "CasePanel"]

_SIGN_KEY, _NEXT_KEY = "Ctrl+Return", "Ctrl+."
KEYS: tuple[Key, ...] = (
    Key("Ctrl+Enter", "of a central reading's case: lock the first answers, then sign and lock the case"),
    Key(_NEXT_KEY, "of a central reading: open the next scan of the case, or the next case once it is signed"),
)

_VERDICTS: tuple[VerdictWord, ...] = ("met", "not_met", "indeterminate", "not_evaluable")
_NOT_ESTIMATED = -1.0


class CasePanel(QWidget):
    """The tab of a case: what the reader is asked before the automatic answers are shown, and the signature.

    Parameters
    ----------
    case : DeskCase
        The case, and the scan of it that is shown.
    """

    answered = Signal(object, object)
    """The first answers are locked: the case, and who gave them."""
    wanted = Signal(object)
    """A scan of this case or the next case is to be opened."""
    signed = Signal()

    def __init__(self, case: DeskCase, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.case = case
        self._session: ReadingSession | None = None
        self._end_following: Callable[[], None] | None = None
        self._locked: str | None = None
        self._unread = case.unread
        self.signing = Background(self)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setAccessibleName("State of the case")
        self.message = refusal_line()
        self.questions = _Questions(case) if case.images_alone else None
        self.decision = _Decision(case) if case.adjudicates else None
        self.answer_button = QPushButton("Lock first answers and show the score (Ctrl+Enter)")
        self.sign_button = QPushButton("Sign and lock the case (Ctrl+Enter)")
        self.next_button = QPushButton()
        parts = (self.line, self.questions, self.decision, self.message, self.answer_button, self.sign_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        area = scrolled([part for part in (*parts, self.next_button) if part is not None])
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column.addWidget(area)
        self.answer_button.setVisible(case.images_alone)
        self.answer_button.clicked.connect(lambda _=False: self.lock_answers())
        self.sign_button.clicked.connect(lambda _=False: self.sign())
        self.next_button.clicked.connect(lambda _=False: self._open_next())
        bind_key(self, _SIGN_KEY, self._sign_by_key)
        bind_key(self, _NEXT_KEY, self._next_by_key)
        self.signing.done.connect(self._on_signed)
        self.signing.failed.connect(lambda error: self._refuse(sentence_of(error)))
        self._renew()

    def follow(self, session: ReadingSession) -> None:
        """Show the state of the reading that has begun."""
        self.stop_following()
        self._session = session
        self._end_following = session.on_change(self._renew)
        self._renew()

    def note_saved(self) -> None:
        """Look again which scans are read, once one was saved."""
        self._unread = self.case.unread
        self._renew()

    def stop_following(self) -> None:
        """Forget the reading."""
        if self._end_following is not None:
            self._end_following()
        self._session = self._end_following = None

    def close_down(self) -> None:
        """Stop following the reading; called before Qt destroys the widget, during which no Python may run."""
        self.stop_following()
        self.signing.cancel()

    # --- acts -------------------------------------------------------------------------------------------------------

    def lock_answers(self) -> None:
        """Lock what the reader answers from the images alone, once the reader has confirmed it."""
        if self.questions is None or not self.case.images_alone:
            return
        self.message.hide()
        person = self.questions.person
        if person is None:
            self._refuse("give the reader's name and role before locking")
            self.questions.name.setFocus()
            return
        if not self.questions.verdicts:
            self._refuse("answer at least one criterion before locking")
            return
        words = "They cannot be changed once they are locked. Then the automatic answers are shown."
        if not self._sure("Lock first answers", f"Lock these answers as {person.name}, {person.role}?", words):
            return
        try:
            case = self.case.lock_first_answers(self.questions.verdicts, self.questions.burden_percent, person)
        except DotaliverError as error:
            self._refuse(str(error))
            return
        self.answered.emit(case, person)

    def sign(self) -> None:
        """Sign the saved readings of every scan of the case, or the adjudicator's decision, once it is confirmed."""
        person, decision = self._signer(), self.decision
        accepted = None if decision is None else decision.accepted
        if person is None or (accepted is None and not self._may_sign()) or self.signing.busy:
            return
        self.message.hide()
        what = "this reading" if accepted is None else f"the reading of {accepted} as the final one"
        words = "It is locked then; unlocking it is recorded."
        if not self._sure("Sign the case", f"Sign {what} as {person.name}, {person.role}?", words):
            return
        case, reason = self.case, "" if decision is None else decision.reason.text()

        def work(tell: Progress) -> LoggedEvent:
            if accepted is not None:
                return case.accept(accepted, person, reason)
            return case.sign(person, reason, tell)

        self.signing.run(work)
        self._renew()

    def _on_signed(self, logged: LoggedEvent) -> None:
        person = logged.event.person
        self._locked = f"Signed by {person.name if person else ''} and locked (event {logged.event.number})."
        self._renew()
        self.signed.emit()

    def _open_next(self) -> None:
        self.message.hide()
        case = self.case
        if self._locked is None:
            self.wanted.emit(case.at_scan(self._next_scan()))
            return
        try:
            self.wanted.emit(DeskCase.opened(case.reading, case.reader))
        except DotaliverError as error:
            self._refuse(str(error))

    # --- keys -------------------------------------------------------------------------------------------------------

    def _sign_by_key(self) -> None:
        """Lock the first answers, or sign the case; where that cannot be done yet, say what is missing."""
        if self.case.images_alone:
            self.lock_answers()
        elif self._locked is None and self.sign_button.isEnabled():
            self.sign()
        elif self._locked is None and not self.signing.busy:
            self._refuse(self._state_words() or "The score of the case is not read yet")

    def _next_by_key(self) -> None:
        if not self.next_button.isHidden():
            self._open_next()

    # --- what is shown ----------------------------------------------------------------------------------------------

    def _signer(self) -> Reader | None:
        session = self._session
        return None if session is None or not session.signed else session.reader

    def _may_sign(self) -> bool:
        session = self._session
        return session is not None and not session.dirty and not self._unread

    def _next_scan(self) -> int:
        """The next scan that is not read, else the one after this."""
        others = [n for n in self._unread if n != self.case.scan]
        return others[0] if others else (self.case.scan + 1) % len(self.case.folders)

    def _sure(self, title: str, question: str, words: str) -> bool:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(self, title, f"{question}\n{words}", buttons.Yes | buttons.No, buttons.No)
        return answer == buttons.Yes

    def _refuse(self, sentence: str) -> None:
        text = sentence[:1].upper() + sentence[1:]
        self.message.setText(text if text.endswith(".") else text + ".")
        self.message.show()
        self._renew()

    def _renew(self) -> None:
        case, open_ = self.case, self._locked is None
        self.line.setText(f"{case.title}, reader {case.reader}. {self._locked or self._state_words()}")
        ready = self._signer() is not None and (
            self._may_sign() or (self.decision is not None and self.decision.accepted is not None)
        )
        self.sign_button.setVisible(not case.images_alone and open_)
        self.sign_button.setEnabled(ready and not self.signing.busy)
        several = len(case.folders) > 1
        left = 0 if open_ else case.left
        self.next_button.setVisible(not case.images_alone and (several if open_ else left > 0))
        self.next_button.setText(
            f"Open scan {self._next_scan() + 1} ({_NEXT_KEY})"
            if open_
            else f"Open the next case, {left} left ({_NEXT_KEY})"
        )

    def _state_words(self) -> str:
        if self.case.images_alone:
            return "The images alone are shown: look at them, and give your answers first."
        if self.signing.busy:
            return "Signing …"
        return "" if self._session is None else self._reading_words(self._session)

    def _reading_words(self, session: ReadingSession) -> str:
        if session.dirty or self.case.scan in self._unread:
            return "Read this scan, and save it (tab Confirm) before signing."
        if self._unread:
            return f"This scan is saved. Scan {self._unread[0] + 1} is not read yet."
        if self._signer() is None:
            return "Every scan is saved. Sign in as the reader to sign the case."
        return "Every scan is saved; the case is not signed yet."


class _Questions(QGroupBox):
    """What is asked before the automatic answers are shown."""

    def __init__(self, case: DeskCase) -> None:
        super().__init__("Your answers from the images")
        form = QFormLayout(self)
        self._choices: dict[str, ChoiceBox] = {}
        for criterion in case.questions:
            box = ChoiceBox()
            box.addItems(("not answered", *(answer_words(criterion, word) for word in _VERDICTS)))
            box.setAccessibleName(criterion.name)
            box.setToolTip(criterion.wording)
            self._choices[criterion.id] = box
            words = QLabel(f"{criterion.name}: {criterion.topic}")
            words.setWordWrap(True)
            words.setToolTip(criterion.wording)
            form.addRow(words)
            form.addRow(box)
        self.burden = NumberBox()
        self.burden.setRange(_NOT_ESTIMATED, 100.0)
        self.burden.setDecimals(0)
        self.burden.setSuffix(" %")
        self.burden.setSpecialValueText("not estimated")
        self.burden.setValue(_NOT_ESTIMATED)
        self.burden.setAccessibleName("Share of the liver that is tumour, percent")
        form.addRow("Tumour share of the liver", self.burden)
        self.name = QLineEdit()
        self.name.setPlaceholderText("required")
        self.name.setAccessibleName("Name of the reader")
        self.role = ChoiceBox()
        self.role.addItems(ROLES)
        self.role.setAccessibleName("Role of the reader")
        form.addRow("Name", self.name)
        form.addRow("Role", self.role)

    @property
    def verdicts(self) -> dict[str, VerdictWord]:
        """The answer to each criterion that is answered."""
        chosen = {name: box.currentIndex() for name, box in self._choices.items()}
        return {name: _VERDICTS[index - 1] for name, index in chosen.items() if index > 0}

    @property
    def burden_percent(self) -> float | None:
        """The estimated tumour share."""
        value = self.burden.value()
        return None if value <= _NOT_ESTIMATED else value

    @property
    def person(self) -> Reader | None:
        """Who answers; None as long as no name is given."""
        name = self.name.text().strip()
        return Reader(name=name, role=self.role.currentText()) if name else None


class _Decision(QGroupBox):
    """What the adjudicator decides, and why."""

    def __init__(self, case: DeskCase) -> None:
        super().__init__("Decision")
        form = QFormLayout(self)
        self._readers = case.others
        self._choice = ChoiceBox()
        self._choice.addItems(("my own reading", *(f"the reading of {reader}" for reader in self._readers)))
        self._choice.setAccessibleName("Which reading is the final one")
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("required")
        self.reason.setAccessibleName("Reason for the decision")
        form.addRow("Final reading", self._choice)
        form.addRow("Reason", self.reason)

    @property
    def accepted(self) -> str | None:
        """The reader whose reading is taken; None: the adjudicator's own."""
        index = self._choice.currentIndex()
        return None if index == 0 else self._readers[index - 1]
