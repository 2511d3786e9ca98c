"""Two time points side by side: matched lesions, RECIST targets chosen and measured, and the response."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError
from dotaliver.export.response.html import RESPONSE_WORDS
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.records import Reading, TrackedLesion
from dotaliver.measurement.measurability import ON_MEASURED_IMAGE
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.reading.two_scans import TwoScans, compare, scan_of_reading
from napari_dotaliver.view.layers import line_of_shape
from napari_dotaliver.view.orientation import jump
from napari_dotaliver.view.other_scan import OtherScan
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.shortcuts import soon

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["TimePointsWidget"]

_NARROWEST_PIXELS = 320

_ROLES = {"target": "target", "non_target": "non-target", "new": "new", "earlier": "earlier only"}
_FIRST_SIZE = 2


class TimePointsWidget(QWidget):
    """The tab in which another scan of the patient is laid beside the one that is read.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    viewer : Viewer
        Gets a second canvas beside its own.
    """

    def __init__(self, session: ReadingSession, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._viewer = session, getattr(viewer, "__wrapped__", viewer)
        self.scans: TwoScans | None = None
        self.other: OtherScan | None = None
        self._dock: QWidget | None = None
        self._folder: Path | None = None
        self._compared: object = None
        self._filling = False
        self.work = Background(self)
        self.saving = Background(self)
        self._build()
        self._end = session.on_change(self._on_change)

    # --- what it is made of ------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.choose_button = QPushButton("Compare with another scan…")
        self.choose_button.clicked.connect(lambda _=False: self._ask())
        self.measure_button = QPushButton("Measure on other scan")
        self.measure_button.setToolTip("Draw the diameter of the selected lesion on the other scan")
        self.measure_button.clicked.connect(lambda _=False: self.measure_other())
        self.measure_button.setEnabled(False)
        self.save_button = QPushButton("Save response…")
        self.save_button.clicked.connect(lambda _=False: self._ask_where())
        self.save_button.setEnabled(False)
        self.message = QLabel("Choose the score folder of another scan of this patient.")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.table = QTableWidget(0, 6)
        self.table.setAccessibleName("Lesions on both scans")
        self.table.verticalHeader().setVisible(False)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.itemChanged.connect(self._on_item)
        self.table.itemSelectionChanged.connect(self._on_row)
        self.response = QTextBrowser()
        self.response.setAccessibleName("Response by RECIST 1.1")
        # The panel is narrow: the longest label has a row to itself, and two buttons fit side by side.
        self.setMinimumWidth(_NARROWEST_PIXELS)
        buttons = QGridLayout()
        buttons.addWidget(self.choose_button, 0, 0, 1, 2)
        buttons.addWidget(self.measure_button, 1, 0)
        buttons.addWidget(self.save_button, 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(buttons)
        layout.addWidget(self.message)
        layout.addWidget(self.table, stretch=2)
        layout.addWidget(self.response, stretch=2)
        # Without a second scan there is nothing to tell.
        layout.addStretch(1)
        self.table.hide()
        self.response.hide()
        self.work.stage.connect(self._say)
        self.work.done.connect(self._on_compared)
        self.work.failed.connect(lambda error: self._say(sentence_of(error)))
        self.saving.stage.connect(self._say)
        self.saving.done.connect(lambda folder: self._say(f"The response is saved in {folder}."))
        self.saving.failed.connect(lambda error: self._say(sentence_of(error)))

    def _say(self, sentence: str) -> None:
        text = sentence[:1].upper() + sentence[1:]
        self.message.setText(text if text.endswith(".") else text + " …" if self.work.busy else text + ".")

    # --- comparing ---------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Score folder of another scan of this patient")
        if chosen:
            self.compare(Path(chosen))

    def compare(self, folder: Path) -> None:
        """Lay another scored scan beside this reading, in the background."""
        session = self._session
        edits = CourseEdits() if self.scans is None or folder != self._folder else self.scans.edits
        try:
            where = session.saved_in or session.folder or session.outcome.folder
            mine = scan_of_reading(session.score, session.segmentations, where, session.volumes.patient_id)
        except DotaliverError as error:
            self._say(sentence_of(error))
            return
        self._folder, self._compared = folder, session.score
        self.work.run(lambda tell: compare(mine, folder, edits, tell))
        self._say("Comparing")

    def _on_compared(self, scans: TwoScans) -> None:
        fresh = self.scans is None or self.other is None or scans.other.score != self.scans.other.score
        self.scans = scans
        if fresh:
            self._show_other(scans)
        self.message.setText(
            "Tick the targets and type or draw their sizes in mm. Lesions are matched after registering the livers."
        )
        self.measure_button.setEnabled(True)
        self.save_button.setEnabled(True)
        self._show()

    def _show_other(self, scans: TwoScans) -> None:
        self._close_other()
        self.other = OtherScan(self._viewer, scans.other, scans.images, self._onto_other)
        self.other.lines.events.data.connect(self._on_line)
        name = f"Scan of {scans.other.on.isoformat()}"
        window = self._viewer.window
        self._dock = window.add_dock_widget(self.other, name=name, area="left", tabify=False)
        # Side by side: the other scan gets as much room as the one that is read.
        main = window._qt_window
        room = max((main.width() - self.width()) // 2, self.other.minimumWidth())
        main.resizeDocks([self._dock], [room], Qt.Orientation.Horizontal)
        main.resizeDocks([self._dock], [main.height()], Qt.Orientation.Vertical)

    def _onto_other(self, places: np.ndarray) -> np.ndarray:
        return places if self.scans is None else self.scans.onto_other(places)

    def _close_other(self) -> None:
        if self.other is not None:
            self.other.close_down()
            self._viewer.window.remove_dock_widget(self._dock)
        self.other = self._dock = None

    def close_down(self) -> None:
        """Put the other scan away."""
        self.work.cancel()
        self.saving.cancel()
        self._close_other()
        self._end()

    def _on_change(self) -> None:
        """A new measurement of this scan changes the response."""
        if self._folder is not None and self.scans is not None and self._session.score is not self._compared:
            self.compare(self._folder)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _decide(self, decide: Callable[[TwoScans], TwoScans]) -> None:
        if self.scans is None:
            return
        try:
            self.scans = decide(self.scans)
        except DotaliverError as error:
            self._say(sentence_of(error))
        self._show()

    def _on_item(self, item: QTableWidgetItem) -> None:
        if self._filling or self.scans is None:
            return
        lesion = self.scans.reading.lesions[item.row()].lesion
        if item.column() == 1:
            on = item.checkState() == Qt.CheckState.Checked
            soon(self, lambda: self._decide(lambda scans: scans.with_target(lesion, on)))
        elif item.column() in {_FIRST_SIZE, _FIRST_SIZE + 1}:
            scan, text = item.column() - _FIRST_SIZE, item.text().strip(" –").removesuffix("mm").strip()
            try:
                size = float(text.replace(",", ".")) if text else None
            except ValueError:
                self._say(f"{text!r} is not a size; enter millimetres, or leave it empty to use the measured diameter")
                self._show()
                return
            soon(self, lambda: self._decide(lambda scans: scans.with_size(lesion, scan, size)))

    def chosen(self) -> TrackedLesion | None:
        """The lesion of the current row."""
        row = self.table.currentRow()
        return None if self.scans is None or row < 0 else self.scans.reading.lesions[row]

    def _on_row(self) -> None:
        lesion = self.chosen()
        if lesion is None or self.scans is None or self._filling:
            return
        for found in lesion.uptake:
            if found.centroid_lps_mm is None:
                continue
            extent = found.longest_mm or found.pet_extent_mm or 0.0
            if found.scan == self.scans.mine:
                jump(self._viewer, found.centroid_lps_mm, extent)
        for found in lesion.uptake:
            if found.scan != self.scans.mine and found.centroid_lps_mm is not None and self.other is not None:
                self.other.jump_to(found.centroid_lps_mm, found.longest_mm or found.pet_extent_mm or 0.0)

    def measure_other(self) -> None:
        """Take the line tool on the other scan: the next line there is the chosen lesion's size."""
        lesion = self.chosen()
        if lesion is None or self.other is None:
            self._say("Select a lesion in the list first")
            return
        self.other.model.layers.selection.active = self.other.lines
        self.other.lines.mode = "add_line"
        self.message.setText(f"Draw the longest diameter of {lesion.lesion} on the other scan: press, drag, release.")

    def _on_line(self, event: object) -> None:
        if str(getattr(event, "action", "")) == "added" and self.other is not None:
            soon(self, self._take_line)

    def _take_line(self) -> None:
        lesion = self.chosen()
        if lesion is None or self.other is None or self.scans is None:
            return
        other = 1 - self.scans.mine
        try:
            p, q = line_of_shape(self.other.lines.data[-1], self.other.lines)
        except DotaliverError as error:
            self._say(sentence_of(error))
            return
        size = float(np.linalg.norm(np.subtract(p, q)))
        self.other.lines.mode = "pan_zoom"
        self._decide(lambda scans: scans.with_size(lesion.lesion, other, round(size, 1)))

    # --- showing -----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if self.scans is None:
            return
        reading, row = self.scans.reading, self.table.currentRow()
        self._filling = True
        try:
            dates = [key.on.isoformat() for key in reading.scans]
            heads = ["Lesion", "Target", f"{dates[0]}, mm", f"{dates[1]}, mm", "Change", "SUVpeak"]
            self.table.setColumnCount(len(heads))
            self.table.setHorizontalHeaderLabels(heads)
            self.table.setRowCount(len(reading.lesions))
            for number, lesion in enumerate(reading.lesions):
                for column, item in enumerate(self._row(lesion)):
                    self.table.setItem(number, column, item)
            header = self.table.horizontalHeader()
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            if 0 <= row < len(reading.lesions):
                self.table.selectRow(row)
        finally:
            self._filling = False
        self.response.setHtml(_response_html(reading))
        self.table.show()
        self.response.show()

    def _row(self, lesion: TrackedLesion) -> list[QTableWidgetItem]:
        target = QTableWidgetItem(_ROLES[lesion.role])
        target.setCheckState(Qt.CheckState.Checked if lesion.role == "target" else Qt.CheckState.Unchecked)
        target.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
        sizes = [self._size(lesion, scan) for scan in range(2)]
        by_scan = {found.scan: found for found in lesion.uptake}
        peaks = [by_scan[n].suv_peak if n in by_scan else None for n in range(2)]
        change = "" if None in sizes or not sizes[0] else f"{100 * (sizes[1] - sizes[0]) / sizes[0]:+.0f} %"  # type: ignore[operator]
        uptake = " → ".join(map(_number, peaks))
        texts = [lesion.lesion, None, *map(_number, sizes), change, uptake]
        items = []
        for column, text in enumerate(texts):
            if text is None:
                items.append(target)
                continue
            item = QTableWidgetItem(text)
            if column not in {_FIRST_SIZE, _FIRST_SIZE + 1}:
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setToolTip(lesion.role_reason)
            items.append(item)
        return items

    def _size(self, lesion: TrackedLesion, scan: int) -> float | None:
        """What counts on a scan: as stated, else as measured on CT or by the reader."""
        if self.scans is None:
            return None
        uid = self.scans.scans[scan].score.study.study_instance_uid
        stated = next((on.size_mm for on in self.scans.edits.of(lesion.lesion).on if on.scan == uid), None)
        if stated is not None:
            return stated
        found = next((n for n in lesion.uptake if n.scan == scan), None)
        if found is None or found.source not in ON_MEASURED_IMAGE:
            return None
        return found.short_mm if lesion.node else found.longest_mm

    # --- saving ------------------------------------------------------------------------------------------------------

    def _ask_where(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the response")
        if chosen:
            self.save(Path(chosen))

    def save(self, folder: Path) -> None:
        """Write course, tables and report into a folder, in the background."""
        session, scans = self._session, self.scans
        if scans is None or session.reader is None or not session.signed:
            self._say("Enter the reader's name and role before saving")
            return
        if session.dirty or session.stale:
            self._say("Save the reading on the Confirm tab first; the response refers to the saved record")
            return
        reader = session.reader

        def work(tell: Callable[[str], None]) -> Path:
            scans.save(reader, folder, tell)
            return folder

        self.saving.run(work)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _response_html(reading: Reading) -> str:
    """Sums, changes, response and what is open, as of the later scan."""
    point = reading.time_points[-1]
    targets = point.targets
    parts = []
    if point.overall is not None:
        word = point.overall.response
        parts.append(f"<p><b>RECIST 1.1: {escape(word)}, {RESPONSE_WORDS.get(word, '')}</b></p>")
        parts.append(f"<p>{escape(point.overall.reason)}</p>")
    if targets.baseline_mm is not None and targets.sum_mm is not None:
        change = "" if targets.change_from_baseline is None else f" ({100 * targets.change_from_baseline:+.0f} %)"
        parts.append(f"<p>Sum of targets: {targets.baseline_mm:.0f} → {targets.sum_mm:.0f} mm{change}</p>")
    lines = [targets.reason, point.non_targets.reason, point.new_lesion_reason]
    if targets.within_noise:
        lines.append("The change is within the variability between readers.")
    parts += [f"<p>{escape(line)}</p>" for line in lines]
    open_ones = [*(question.sentence for question in reading.questions), *reading.warnings]
    if open_ones:
        parts.append("<p><b>Open</b></p><ul>" + "".join(f"<li>{escape(s)}</li>" for s in open_ones) + "</ul>")
    return "".join(parts)
