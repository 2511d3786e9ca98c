"""The tab from which another scan of the patient is compared with the one that is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError
from dotaliver.longitudinal.scans import scan_of_reading
from dotaliver.records.score_folder import ScoreFolder
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import sentence_of
from napari_dotaliver.widgets.visits_window import VisitsGiven, VisitsWindow

if TYPE_CHECKING:
    from dotaliver.pipeline.reading_desk import DeskCase

__all__ = ["TimePointsWidget"]

_WHAT = (
    "Two scans side by side: choose the score folder of another scan of this patient. The lesions are matched after "
    "the livers are registered, and you answer which are the same, new or gone."
)


class TimePointsWidget(QWidget):
    """The tab with the way into the comparison.

    While the comparison is open, this reading waits: what is compared is the reading as it was saved.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    case : DeskCase, optional
        The case of a central reading that the study is a scan of: its own scans are compared then.
    """

    def __init__(self, session: ReadingSession, case: DeskCase | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._case = session, case
        self.window_of_visits: VisitsWindow | None = None
        self.choose_button = QPushButton(
            "Compare with another scan…" if case is None else "Compare with the other scan"
        )
        self.choose_button.clicked.connect(lambda _=False: self._ask())
        self.message = QLabel(_WHAT)
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.choose_button)
        layout.addWidget(self.message)
        layout.addStretch(1)

    def _ask(self) -> None:
        if self._case is not None:
            self._compare_case(self._case)
            return
        chosen = QFileDialog.getExistingDirectory(self, "Score folder of another scan of this patient")
        if chosen:
            self.compare(Path(chosen))

    def _compare_case(self, case: DeskCase) -> None:
        """Compare the two scans of a case, once both are read."""
        if len(case.folders) != 2:
            self.message.setText(f"This case has {len(case.folders)} scans; two are compared here.")
            return
        other = 1 - case.scan
        if other in case.unread:
            self.message.setText(f"Read and save scan {other + 1} of this case first.")
            return
        self.compare(ScoreFolder(case.folders[other]).latest().path)

    def compare(self, folder: Path) -> None:
        """Compare another scored scan with this reading in a window of its own."""
        session = self._session
        if session.dirty or session.stale or (session.saved_in or session.folder) is None:
            self.message.setText("Save the reading on the tab Confirm first; the response refers to the saved record.")
            return
        where = session.saved_in or session.folder
        assert where is not None
        try:
            mine = scan_of_reading(session.score, session.segmentations, where, session.volumes.patient_id)
        except DotaliverError as error:
            self.message.setText(sentence_of(error))
            return
        self.message.setText(_WHAT)
        self._close_window()
        window = VisitsWindow(self.window())
        window.setWindowModality(Qt.WindowModality.ApplicationModal)
        self.window_of_visits = window
        case = self._case
        code, decisions = (None, None) if case is None else (case.case.code, case.course_edits.parent)
        window.open(VisitsGiven((mine, folder), (session.volumes, None), code, decisions))
        window.show()

    def _close_window(self) -> None:
        if self.window_of_visits is not None:
            self.window_of_visits.close()
            self.window_of_visits.deleteLater()
            self.window_of_visits = None

    def close_down(self) -> None:
        """Close the comparison with the reading."""
        self._close_window()
