"""A course of more than two scans: every lesion on every visit, each visit's response, and which two are shown."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dotaliver.longitudinal.course_table import CourseTable, course_table
from dotaliver.longitudinal.records import Reading
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.reading.visit_words import nadir_of, scan_role
from napari_dotaliver.widgets.deliberate import ChoiceBox, Rows

__all__ = ["VisitCourse"]

_ROW_PIXELS = 24


class VisitCourse(QWidget):
    """The course as a table, with the choice of the two scans that are shown.

    Parameters
    ----------
    session : VisitSession
        The course and the reader's decisions.
    """

    wanted = Signal(int, int)
    """Two scans that are to be shown, the earlier first."""

    def __init__(self, session: VisitSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.left, self.right = ChoiceBox(), ChoiceBox()
        self.left.setAccessibleName("Scan on the left")
        self.right.setAccessibleName("Scan on the right")
        self.show_button = QPushButton("Show these two")
        self.nadir_button = QPushButton("Nadir and current")
        self.baseline_button = QPushButton("Baseline and current")
        self.refusal = QLabel()
        self.refusal.setTextFormat(Qt.TextFormat.PlainText)
        self.refusal.hide()
        self.table = Rows()
        self.table.setAccessibleName("Lesions over the course")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)
        self._build()
        self.show_button.clicked.connect(lambda _=False: self._ask(self.left.currentIndex(), self.right.currentIndex()))
        self.baseline_button.clicked.connect(lambda _=False: self._ask(self._baseline, self._last))
        self.nadir_button.clicked.connect(lambda _=False: self._ask(nadir_of(self._reading), self._last))
        self._end = session.on_change(self.renew)
        self.renew()

    def _build(self) -> None:
        grid = QGridLayout()
        grid.addWidget(self.baseline_button, 0, 0)
        grid.addWidget(self.nadir_button, 0, 1)
        grid.addWidget(self.left, 1, 0)
        grid.addWidget(self.right, 1, 1)
        grid.addWidget(self.show_button, 1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 4, 2, 2)
        column.addLayout(grid)
        column.addWidget(self.refusal)
        column.addWidget(self.table, stretch=1)

    @property
    def _reading(self) -> Reading:
        assert self.session.pair is not None
        return self.session.pair.reading

    @property
    def _baseline(self) -> int:
        return int(self._reading.baseline)

    @property
    def _last(self) -> int:
        return len(self._reading.scans) - 1

    def _ask(self, earlier: int | None, later: int) -> None:
        pair = self.session.pair
        if pair is None or earlier is None:
            self._say("No sum of diameters is known, so there is no nadir.")
        elif earlier >= later:
            self._say("Choose two scans, the earlier one on the left.")
        elif (earlier, later) != pair.shown:
            self._say("")
            self.wanted.emit(earlier, later)

    def _say(self, sentence: str) -> None:
        self.refusal.setText(sentence)
        self.refusal.setVisible(bool(sentence))

    def close_down(self) -> None:
        """Follow the comparison no more."""
        self._end()

    def renew(self) -> None:
        """Show the course as it is now."""
        pair = self.session.pair
        if pair is None:
            return
        words = [self._scan_words(scan) for scan in range(len(pair.given))]
        for box, side in ((self.left, 0), (self.right, 1)):
            box.clear()
            box.addItems(words)
            box.setCurrentIndex(pair.shown[side])
        nadir = nadir_of(pair.reading)
        self.nadir_button.setEnabled(nadir is not None and nadir != pair.reading.baseline)
        self._fill(course_table(pair.reading, pair.config))

    def _scan_words(self, scan: int) -> str:
        """Such as ``2 · 2024-07-01 · nadir``; in a blinded reading without the date."""
        key, role = self._reading.scans[scan], scan_role(self._reading, scan)
        parts = [f"{scan + 1}", *([] if self.session.case is not None else [str(key.on)]), *([role] if role else [])]
        return " · ".join(parts)

    def _fill(self, made: CourseTable) -> None:
        pair = self.session.pair
        assert pair is not None
        self.table.setColumnCount(1 + len(pair.given))
        self.table.setHorizontalHeaderLabels(
            ["", *(self._scan_words(scan).replace(" · ", "\n") for scan in range(len(pair.given)))]
        )
        self.table.setRowCount(len(made.rows))
        for number, row in enumerate(made.rows):
            for column, text in enumerate((row.heading, *row.cells)):
                item = QTableWidgetItem(text)
                font = item.font()
                font.setBold(row.is_response or (column - 1 in pair.shown and column > 0 and not row.is_lesion))
                item.setFont(font)
                if row.why and column > 0:
                    item.setToolTip(self.session.as_shown(row.why[column - 1]))
                self.table.setItem(number, column, item)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
