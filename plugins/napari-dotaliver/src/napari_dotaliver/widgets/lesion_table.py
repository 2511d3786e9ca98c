"""The table of lesions: sortable by number, one row per lesion, a row chosen is a lesion shown."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QScrollArea,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dotaliver.export.report.tables import ct_focus_summary, lesion_summary
from dotaliver.longitudinal.baseline_targets import BaselineTargets, proposed_targets
from dotaliver.records.measurements import CtFocus, Lesion
from dotaliver.records.score import StudyScore
from napari_dotaliver.reading.lesion_cells import focus_cells, headings, lesion_cells, sum_words
from napari_dotaliver.view.layers import lesion_colour
from napari_dotaliver.view.sign_layers import CANDIDATE_COLOUR
from napari_dotaliver.widgets.deliberate import Rows

__all__ = ["LesionTable"]

_ROWS_SEEN, _ROW_PIXELS = 6, 22
_DETAIL_LINES = 3
# The style puts space around a text, and its lines come out a pixel taller than the font's metrics say.
_PADDING_PIXELS = 8
# Header and scroll bar
_AROUND_ROWS_PIXELS = 46
# Sorted hottest first until the reader sorts otherwise
_PEAK_COLUMN = 2
# Between the text and the background of the dark and of the light theme
_GREY = "#8A8F98"
_LABEL_ROLE = int(Qt.ItemDataRole.UserRole)


class _Item(QTableWidgetItem):
    """A cell that is sorted by its number where it has one."""

    def __init__(self, text: str, key: float | str, *, grey: bool = False) -> None:
        super().__init__(text)
        self._key, self._grey = key, grey
        if grey:
            self.setForeground(QColor(_GREY))
            self.setToolTip("Edited; being measured again")
        self.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)

    def shows(self, text: str, key: float | str | None, *, grey: bool) -> bool:
        """Whether it shows this already."""
        return (self.text(), self._key, self._grey) == (text, -1.0 if key is None else key, grey)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, theirs = self._key, getattr(other, "_key", "")
        return mine < theirs if isinstance(mine, type(theirs)) else self.text() < other.text()


class _FewLines(QScrollArea):
    """Wrapped text that has a few lines, and is scrolled where the window is too narrow for them."""

    def __init__(self, label: QLabel) -> None:
        super().__init__()
        self._label = label
        label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setWidget(label)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Tab goes from control to control.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 -- Qt's name
        """Take the height of the lines in the font that the style gave."""
        super().showEvent(event)
        self.setFixedHeight(_DETAIL_LINES * (self._label.fontMetrics().lineSpacing() + 1) + _PADDING_PIXELS)


class LesionTable(QWidget):
    """All lesions of a reading, and in words what is doubtful about the one that is chosen."""

    lesion_selected = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._score: StudyScore | None = None
        self._targets: BaselineTargets | None = None
        self._unmeasured: frozenset[int] = frozenset()
        self.table = Rows(0, 0, self)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.verticalHeader().setVisible(False)
        # Tab goes on to the next control; arrows move from row to row.
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self.table.setAccessibleName("Lesions")
        row = self.table.verticalHeader().defaultSectionSize()
        self.table.verticalHeader().setDefaultSectionSize(min(row, _ROW_PIXELS))
        self.table.setMinimumHeight(_ROWS_SEEN * _ROW_PIXELS + _AROUND_ROWS_PIXELS)
        self.details = QLabel("No study has been scored yet.", self)
        self.details.setWordWrap(True)
        self.details.setTextFormat(Qt.TextFormat.PlainText)
        # A layout does not count the lines of wrapped text, and would draw them over the table.
        area = _FewLines(self.details)
        self.sum_line = QLabel(self)
        self.sum_line.setToolTip("Targets of RECIST 1.1, if this scan is the baseline")
        # The style makes the font larger once the line is shown.
        self.sum_line.setFixedHeight(_ROW_PIXELS)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(2)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.sum_line)
        layout.addWidget(area)
        self.table.itemSelectionChanged.connect(self._on_selection)

    def show_score(
        self,
        score: StudyScore | None,
        unmeasured: frozenset[int] = frozenset(),
        targets: BaselineTargets | None = None,
    ) -> None:
        """Fill the table; the order and the chosen lesions stay as far as they are still there.

        Rows of lesions that were edited and not measured again yet are grey. ``targets`` are those of the score, where
        they are known already.
        """
        if score is self._score and unmeasured == self._unmeasured:
            return
        chosen = self.chosen
        before, self._score = self._score, score
        self._targets = None if score is None else targets or proposed_targets(score)
        self._show_sum()
        self._unmeasured = unmeasured
        if before is not None and score is not None and self._renew_rows(before, score):
            self._describe()
            return
        header = self.table.horizontalHeader()
        order = (header.sortIndicatorSection(), header.sortIndicatorOrder()) if self.table.columnCount() else None
        self.table.blockSignals(True)
        self.table.setSortingEnabled(False)
        self.table.clear()
        columns = [] if score is None else headings(score)
        self.table.setColumnCount(len(columns))
        self.table.setHorizontalHeaderLabels([name for name, _ in columns])
        for column, (_, explanation) in enumerate(columns):
            self.table.horizontalHeaderItem(column).setToolTip(explanation)
        rows = [] if score is None else [*score.lesions, *score.ct_foci]
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            self._fill(place, row)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.setSortingEnabled(True)
        if columns:
            self.table.sortItems(*(order or (_PEAK_COLUMN, Qt.SortOrder.DescendingOrder)))
        self.table.blockSignals(False)
        self.choose(chosen, tell=False)

    def _show_sum(self) -> None:
        """The sum of diameters, always in view; grey while a lesion is not measured again yet."""
        self.sum_line.setText("")
        if self._targets is not None:
            self.sum_line.setText(sum_words(self._targets))
            self.sum_line.setStyleSheet(f"color: {_GREY}" if self._unmeasured else "font-weight: bold")

    def _renew_rows(self, before: StudyScore, score: StudyScore) -> bool:
        """Change the rows that differ, where the lesions are the same as before; False where they are others."""
        rows = {row.label: row for row in (*score.lesions, *score.ct_foci)}
        there = {self._label(place): place for place in range(self.table.rowCount())}
        if set(rows) != set(there) or before.uptake_unit != score.uptake_unit:
            return False
        self.table.blockSignals(True)
        self.table.setSortingEnabled(False)
        for label, place in there.items():
            self._fill(place, rows[label])
        self.table.setSortingEnabled(True)
        self.table.blockSignals(False)
        return True

    @property
    def chosen(self) -> tuple[int, ...]:
        """Labels of the chosen rows, the current one first."""
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        current = self.table.currentRow()
        rows.sort(key=lambda row: row != current)
        return tuple(self._label(row) for row in rows)

    def choose(self, labels: Sequence[int], *, tell: bool = True) -> None:
        """Choose the rows of some lesions."""
        self.table.blockSignals(True)
        self.table.clearSelection()
        mode = self.table.selectionMode()
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        for row in range(self.table.rowCount()):
            if self._label(row) in labels:
                self.table.selectRow(row)
        self.table.setSelectionMode(mode)
        self.table.blockSignals(False)
        self._describe()
        if tell and self.chosen:
            self.lesion_selected.emit(self.chosen[0])

    def step(self, ways: int) -> None:
        """Choose the next row, or the one before."""
        count = self.table.rowCount()
        if count:
            chosen = self.table.selectedIndexes()
            row = self.table.currentRow() if chosen else (-1 if ways > 0 else 0)
            self.table.selectRow((row + ways) % count)

    def _label(self, row: int) -> int:
        return int(self.table.item(row, 0).data(_LABEL_ROLE))

    def _fill(self, place: int, row: Lesion | CtFocus) -> None:
        cells = lesion_cells(row, self._targets) if isinstance(row, Lesion) else focus_cells(row)
        grey = row.label in self._unmeasured
        for column, (text, key) in enumerate(cells):
            known = self.table.item(place, column)
            if isinstance(known, _Item) and known.shows(text, key, grey=grey):
                continue
            item = _Item(text, -1.0 if key is None else key, grey=grey)
            item.setData(_LABEL_ROLE, row.label)
            if not isinstance(key, str):
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(place, column, item)
        if not self.table.item(place, 0).icon().isNull():
            return
        swatch = QPixmap(12, 12)
        swatch.fill(QColor(lesion_colour(row.label) if isinstance(row, Lesion) else CANDIDATE_COLOUR))
        self.table.item(place, 0).setIcon(QIcon(swatch))

    def _why_target(self, lesion: Lesion) -> str:
        """Whether and why the lesion is proposed as a target, in a sentence; empty without a diameter."""
        targets = self._targets
        if targets is None or lesion.diameter_source in {None, "pet"}:
            return ""
        kind = "Proposed target" if lesion.name in targets.targets else "No target"
        return f"{kind}: {targets.reasons.get(lesion.name, '')}. "

    def _on_selection(self) -> None:
        self._describe()
        if self.chosen:
            self.lesion_selected.emit(self.chosen[0])

    def _describe(self) -> None:
        """Say in words what is known of the chosen lesion."""
        if self._score is None:
            self.details.setText("No study has been scored yet.")
            return
        chosen = self.chosen[0] if self.chosen else None
        for lesion in self._score.lesions:
            if lesion.label == chosen:
                known = ", ".join(f"{name} {value}" for name, value in lesion_summary(lesion, self._score.uptake_unit))
                doubts = " ".join(flag.sentence for flag in lesion.flags)
                self.details.setText(f"Lesion {chosen}: {known}. {self._why_target(lesion)}{doubts}")
                return
        for focus in self._score.ct_foci:
            if focus.label == chosen:
                known = ", ".join(f"{name} {value}" for name, value in ct_focus_summary(focus, self._score.uptake_unit))
                self.details.setText(f"Seen on CT only, for the reader to decide (SSTR-RADS 3D): {known}.")
                return
        count = len(self._score.lesions)
        self.details.setText("Select a row to see the lesion." if count else "No lesions found.")
