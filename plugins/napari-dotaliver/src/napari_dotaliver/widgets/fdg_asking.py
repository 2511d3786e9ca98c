"""The tab FDG of a study that was not compared with an FDG scan: the way to choose one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import sentence_of
from napari_dotaliver.widgets.shortcuts import refusal_line

__all__ = ["FdgAsking"]

_WHAT = (
    "An FDG PET/CT of the same patient shows lesions without receptor uptake. It is aligned by the livers, the lesions "
    "are listed on both tracers, and a NETPET grade is proposed."
)
_UNSAVED = "Save the reading on the tab Confirm first; the comparison begins with the saved record."


class FdgAsking(QWidget):
    """Asks for the folder of an FDG PET/CT.

    Parameters
    ----------
    session : ReadingSession
        The reading, which must be saved before.
    """

    chosen = Signal(object)
    """The folder of the FDG scan."""

    def __init__(self, session: ReadingSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.button = QPushButton("Compare with an FDG PET/CT…")
        self.button.setToolTip("The folder of its DICOM files")
        what = QLabel(_WHAT)
        what.setWordWrap(True)
        what.setTextFormat(Qt.TextFormat.PlainText)
        self.message = refusal_line()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for part in (self.button, what, self.message):
            layout.addWidget(part)
        layout.addStretch(1)
        self.button.clicked.connect(lambda _=False: self._ask())

    def close_down(self) -> None:
        """Tell nobody any more; called before Qt destroys the widget, during which no Python may run."""
        self.blockSignals(True)

    def show_reading(self) -> None:
        """Nothing here depends on the edits."""

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of an FDG PET/CT of this patient")
        if folder:
            self.choose(Path(folder))

    def choose(self, folder: Path) -> None:
        """Ask for the comparison with the scan in a folder."""
        if self._session.dirty or self._session.stale:
            self._say(_UNSAVED)
            return
        self.message.hide()
        self.chosen.emit(folder)

    def refuse(self, error: Exception) -> None:
        """Say why there is no comparison, without the name of the option on the command line."""
        text = sentence_of(error).removeprefix("--fdg: ")
        self._say(text[:1].upper() + text[1:])

    def _say(self, sentence: str) -> None:
        self.message.setText(sentence)
        self.message.show()
