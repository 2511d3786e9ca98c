"""Who reads: asked at the beginning of each reading, never taken from the reading before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError
from dotaliver.records.edits import Reader
from napari_dotaliver.widgets.deliberate import ChoiceBox

__all__ = ["ROLES", "ReaderBox"]

ROLES = ("radiologist", "nuclear-medicine physician", "reader")


class Signed(Protocol):
    """What somebody reads and signs: one study, or two scans together."""

    @property
    def reader(self) -> Reader | None:
        """Who signed it last."""

    @property
    def signed(self) -> bool:
        """Whether somebody signed it since it was opened."""

    def sign(self, name: str, role: str) -> object:
        """Say who reads."""

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each change; what is returned ends that."""


class ReaderBox(QGroupBox):
    """Name and role of the reader, and a button that signs with them, as Enter does; to leave the form signs nothing.

    Parameters
    ----------
    session : Signed
        The reading.
    title : str
        Heading of the box.
    shown : {"unsigned", "signed"}
        Whether the box asks who reads, until somebody signs, or afterwards lets another reader sign.
    """

    refused = Signal(str)

    def __init__(
        self,
        session: Signed,
        title: str,
        *,
        shown: Literal["unsigned", "signed"] = "unsigned",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(title, parent)
        self._session, self._shown = session, shown
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name (required)")
        self.name.setAccessibleName("Name of the reader")
        self.role = ChoiceBox()
        self.role.setEditable(True)
        self.role.addItems(ROLES)
        self.role.setAccessibleName("Role of the reader")
        self.sign_button = QPushButton("Sign in")
        self.previous = QLabel()
        self.previous.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.name, stretch=1)
        line.addWidget(self.role, stretch=1)
        line.addWidget(self.sign_button)
        column = QVBoxLayout(self)
        column.addWidget(self.previous)
        column.addLayout(line)
        self.name.returnPressed.connect(self.sign)
        self.name.textChanged.connect(lambda _="": self._offer())
        self.role.currentTextChanged.connect(lambda _="": self._offer())
        edit = self.role.lineEdit()
        if edit is not None:
            edit.returnPressed.connect(self.sign)
        self.sign_button.clicked.connect(lambda _=False: self._sign_or_ask())
        self._end = session.on_change(self._renew)
        self._renew()

    def close_down(self) -> None:
        """Stop following the reading; called before Qt destroys the widget, during which no Python may run."""
        self._end()

    def sign(self) -> bool:
        """Sign the reading with what is entered; False where no name is given or it was refused."""
        name, role = self.name.text().strip(), self.role.currentText().strip()
        if not name:
            return False
        if self._signed_with(name, role):
            return True
        try:
            self._session.sign(name, role)
        except DotaliverError as error:
            self.refused.emit(str(error))
            return False
        return True

    def _sign_or_ask(self) -> None:
        if not self.sign():
            self.name.setFocus()

    def _signed_with(self, name: str, role: str) -> bool:
        reader = self._session.reader
        return self._session.signed and reader is not None and (reader.name, reader.role) == (name, role)

    def _offer(self) -> None:
        """Let the button sign what is entered, unless that has signed already."""
        done = self._signed_with(self.name.text().strip(), self.role.currentText().strip())
        self.sign_button.setEnabled(not done)
        self.sign_button.setText("Signed in" if done else "Sign in")

    def _renew(self) -> None:
        reader, signed = self._session.reader, self._session.signed
        if signed and reader is not None and not self.name.hasFocus():
            self.name.setText(reader.name)
            self.role.setCurrentText(reader.role)
        earlier = "" if reader is None or signed else f"The record was last read by {reader.name}, {reader.role}."
        self.previous.setText(earlier)
        self.previous.setVisible(bool(earlier))
        self._offer()
        hidden = signed != (self._shown == "signed")
        # Without a parent it would be shown as a window of its own.
        if hidden or self.parentWidget() is not None:
            self.setVisible(not hidden)
