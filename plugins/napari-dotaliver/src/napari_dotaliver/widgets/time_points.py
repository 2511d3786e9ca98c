"""The tab from which other scans of the patient are compared with the one that is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError
from dotaliver.longitudinal.scans import scan_of_reading
from dotaliver.records.score_folder import ScoreFolder
from napari_dotaliver.reading.course_scans import CourseScan, course_of_reading, with_scans_of
from napari_dotaliver.reading.measuring import ReadingState
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.widgets.background import sentence_of
from napari_dotaliver.widgets.deliberate import Entries
from napari_dotaliver.widgets.visits_window import VisitsGiven, VisitsWindow

if TYPE_CHECKING:
    from dotaliver.pipeline.reading_desk import DeskCase

__all__ = ["TimePointsWidget"]

_WHAT = (
    "Add the scores of other scans of this patient: one is compared side by side, more make a course. The lesions are "
    "matched after the livers are registered, and you answer which are the same, new or gone."
)
_WHAT_OF_CASE = "Both scans of the case side by side: you answer which lesions are the same, new or gone."
_WHAT_OF_COURSE = (
    "The {scans} scans of the case as one course, two of them side by side: you answer which lesions are the same, new "
    "or gone."
)
_ONE_SCAN = "This case has a single scan, so there is nothing to compare."
_UNSAVED = "Save the reading on the tab Confirm first; the response refers to the saved record."
_CHANGED = (
    "The comparison shows this reading as it was saved before. Save it and compare again to include what changed."
)
_SCANS_SEEN = 4


class TimePointsWidget(QWidget):
    """The tab with the list of scans and the way into their comparison.

    The comparison has a window of its own, beside which the reading goes on; it shows the reading as it was saved.

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
        self._course: tuple[CourseScan, ...] = ()
        self._compared: ReadingState | None = None
        self.window_of_visits: VisitsWindow | None = None
        self._what = _WHAT if case is None else _words_of_case(len(case.folders))
        self._build()
        self._end = session.on_change(self._on_change)
        self._show_course()

    def _build(self) -> None:
        self.message = QLabel(self._what)
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.scans = Entries()
        self.scans.setAccessibleName("Scans that are compared, by date")
        self.scans.setMinimumHeight(_SCANS_SEEN * self.scans.fontMetrics().lineSpacing())
        self.add_button = QPushButton("Add scans…")
        self.add_button.setToolTip("The folder of a score, or a folder with several scores of this patient")
        self.remove_button = QPushButton("Remove")
        self.compare_button = QPushButton("Compare")
        buttons = QHBoxLayout()
        for button in (self.add_button, self.remove_button, self.compare_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        # Said first: without it, an empty list is a grey box
        layout.addWidget(self.message)
        layout.addWidget(self.scans, stretch=1)
        layout.addLayout(buttons)
        self.add_button.clicked.connect(lambda _=False: self._ask())
        self.remove_button.clicked.connect(lambda _=False: self._remove())
        self.compare_button.clicked.connect(lambda _=False: self._compare_shown())
        self.scans.itemSelectionChanged.connect(self._renew_buttons)
        for part in (self.scans, self.add_button, self.remove_button):
            part.setVisible(self._case is None)
        if self._case is not None:
            self.compare_button.setText(f"Compare with the other {'scans' if len(self._case.folders) > 2 else 'scan'}")
            layout.addStretch(1)

    # --- the list ----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Score of another scan, or a folder with several scores")
        if chosen:
            self.add(Path(chosen))

    def add(self, folder: Path) -> bool:
        """Add the score in a folder, or the scores directly below it; False where it was refused."""
        self._say(self._what)
        try:
            course = self._course or course_of_reading(self._session.score, self._session.volumes.patient_id)
            self._course = with_scans_of(course, folder)
        except (DotaliverError, OSError) as error:
            self._say(sentence_of(error))
            return False
        self._show_course()
        return True

    def _remove(self) -> None:
        """Take the selected scan off the list; the one that is read stays."""
        row = self.scans.currentRow()
        if 0 <= row < len(self._course) and self._course[row].folder is not None:
            self._course = (*self._course[:row], *self._course[row + 1 :])
            self._show_course()

    @property
    def folders(self) -> tuple[Path, ...]:
        """The other scans' folders, in the order of their dates."""
        return tuple(scan.folder for scan in self._course if scan.folder is not None)

    def _show_course(self) -> None:
        self.scans.clear()
        self.scans.addItems([scan.title for scan in self._course])
        self._renew_buttons()

    def _renew_buttons(self) -> None:
        row = self.scans.currentRow()
        chosen = self._course[row] if 0 <= row < len(self._course) else None
        self.remove_button.setEnabled(chosen is not None and chosen.folder is not None)
        several = bool(self.folders) if self._case is None else len(self._case.folders) > 1
        self.compare_button.setEnabled(several)

    # --- the comparison ----------------------------------------------------------------------------------------------

    def _compare_shown(self) -> None:
        if self._case is None:
            self.compare(self.folders)
            return
        case = self._case
        others = [number for number in range(len(case.folders)) if number != case.scan]
        unread = [str(number + 1) for number in others if number in case.unread]
        if unread:
            self._say(
                f"Read and save {'scan' if len(unread) == 1 else 'scans'} {' and '.join(unread)} of this case first."
            )
            return
        self.compare([ScoreFolder(case.folders[number]).latest().path for number in others])

    def compare(self, folders: Sequence[Path]) -> None:
        """Compare other scored scans with this reading in a window of their own."""
        session = self._session
        if session.dirty or session.stale or (session.saved_in or session.folder) is None:
            self._say(_UNSAVED)
            return
        where = session.saved_in or session.folder
        assert where is not None
        try:
            mine = scan_of_reading(session.score, session.segmentations, where, session.volumes.patient_id)
        except DotaliverError as error:
            self._say(sentence_of(error))
            return
        if not self.may_leave(lambda: self.compare(folders)):
            return
        self._say(self._what)
        self._close_window()
        self.window_of_visits = window = VisitsWindow()
        self._compared = session.state
        case = self._case
        code, decisions = (None, None) if case is None else (case.case.code, case.course_edits.parent)
        images = (session.volumes, *(None for _ in folders))
        window.open(VisitsGiven((mine, *folders), images, code, decisions))
        window.show()

    def _say(self, sentence: str) -> None:
        self.message.setText(sentence)

    def _on_change(self) -> None:
        """Say so where the reading is no longer the one that is compared."""
        window = self.window_of_visits
        if window is not None and window.isVisible() and self._session.state is not self._compared:
            self._say(_CHANGED)

    # --- leaving -----------------------------------------------------------------------------------------------------

    def may_leave(self, leave: Callable[[], object]) -> bool:
        """Whether the comparison may be closed now; where it is saved first, `leave` is called afterwards."""
        return self.window_of_visits is None or self.window_of_visits.may_leave(leave)

    def _close_window(self) -> None:
        if self.window_of_visits is not None:
            self.window_of_visits.close()
            self.window_of_visits.deleteLater()
            self.window_of_visits = None

    def close_down(self) -> None:
        """Close the comparison with the reading."""
        self._end()
        self._close_window()


def _words_of_case(scans: int) -> str:
    """What the comparison of a case's scans is."""
    if scans == 1:
        return _ONE_SCAN
    return _WHAT_OF_CASE if scans == 2 else _WHAT_OF_COURSE.format(scans=scans)
