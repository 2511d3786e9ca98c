"""Two scans compared: the images side by side, the list of lesions and the response beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError
from dotaliver.image.geometry import Vector
from dotaliver.longitudinal import pair_statements
from dotaliver.longitudinal.assembly import AssembledCourse
from dotaliver.longitudinal.compared_scans import EARLIER, LATER, ComparedScans
from dotaliver.longitudinal.edits import CourseEdits
from dotaliver.longitudinal.pair_rows import PairRow
from dotaliver.pipeline.visits import response_folder
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.reading.visit_words import colour_number, days, headings, lesion_names, link_words, whose
from napari_dotaliver.view.linked_views import LinkedViews
from napari_dotaliver.view.scan_view import ScanView
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.deliberate import Tabs
from napari_dotaliver.widgets.reader_box import ReaderBox
from napari_dotaliver.widgets.shortcuts import refusal_line, soon
from napari_dotaliver.widgets.visit_bar import VisitBar
from napari_dotaliver.widgets.visit_course import VisitCourse
from napari_dotaliver.widgets.visit_list import VisitList
from napari_dotaliver.widgets.visit_measuring import VisitMeasuring
from napari_dotaliver.widgets.visit_recovery import VisitRecovery
from napari_dotaliver.widgets.visit_response import VisitResponse

__all__ = ["VisitComparison"]

_PANEL_PIXELS = 490
_SIDES = (EARLIER, LATER)


class VisitComparison(QWidget):
    """Everything of one comparison.

    Parameters
    ----------
    session : VisitSession
        What is compared, and what the reader decides.
    folder : Path, optional
        Where it is saved; beside the score of the later scan where it is left out.
    """

    saved = Signal(object)
    """The folder that the response was written into."""

    others_wanted = Signal(int, int)
    """Two other scans of the course are to be shown."""

    def __init__(self, session: VisitSession, folder: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = folder or response_folder(session.visits.last_folder)
        self.saving = Background(self)
        self._after_saving: Callable[[], object] | None = None
        self.views = self._made_views()
        self.bar = VisitBar(self.views)
        self.measuring = VisitMeasuring(self.views, self)
        self.reader_box = ReaderBox(session, "Who reads these scans?")
        self.recovery = VisitRecovery(session)
        self.message = refusal_line()
        self.list = VisitList(session, days(session))
        self.response = VisitResponse(session)
        self.course = (
            VisitCourse(session) if session.pair is not None and len(session.pair.given) > len(_SIDES) else None
        )
        self._build()
        self._connect()
        self._end = session.on_change(self._renew)
        self._renew()
        self.views.show_images("fused")
        self._go_to_liver()

    # --- what it is made of ------------------------------------------------------------------------------------------

    def _made_views(self) -> LinkedViews:
        visits, pair = self.session.visits, self.session.pair
        earlier, later = (
            ScanView(visit, text) for visit, text in zip(visits.both, headings(self.session), strict=True)
        )
        linked = pair is not None and pair.why_not_linked is None
        return LinkedViews((earlier, later), (pair.to_later, pair.to_earlier) if pair is not None and linked else None)

    def _build(self) -> None:
        self.patient = QLabel(whose(self.session))
        self.patient.setTextFormat(Qt.TextFormat.PlainText)
        self.patient.setWordWrap(True)
        self.patient.setStyleSheet("QLabel { font-weight: bold; }")
        self.patient.setAccessibleName("Patient and scans")
        self.link_line = QLabel(link_words(self.session))
        self.link_line.setWordWrap(True)
        self.link_line.setTextFormat(Qt.TextFormat.PlainText)
        left, right = QWidget(), QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(4, 4, 0, 4)
        column.addWidget(self.bar)
        column.addWidget(self.views, stretch=1)
        column.addWidget(self.link_line)
        panel = QVBoxLayout(right)
        panel.setContentsMargins(4, 4, 6, 4)
        for part in (self.patient, self.recovery, self.reader_box, self.message):
            panel.addWidget(part)
        below = QSplitter(Qt.Orientation.Vertical)
        below.addWidget(self.list)
        below.addWidget(self._made_response())
        below.setStretchFactor(0, 3)
        below.setStretchFactor(1, 2)
        below.setChildrenCollapsible(False)
        panel.addWidget(below, stretch=1)
        panel.addLayout(self._made_buttons())
        self.folder_line = QLabel()
        self.folder_line.setTextFormat(Qt.TextFormat.PlainText)
        self.folder_line.setWordWrap(True)
        panel.addWidget(self.folder_line)
        halves = QSplitter(Qt.Orientation.Horizontal)
        halves.addWidget(left)
        halves.addWidget(right)
        halves.setStretchFactor(0, 1)
        halves.setStretchFactor(1, 0)
        halves.setChildrenCollapsible(False)
        right.setMinimumWidth(_PANEL_PIXELS)
        halves.setSizes([10_000, _PANEL_PIXELS])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(halves)

    def _made_response(self) -> QWidget:
        """The response; of a longer course beside a tab with all of its scans."""
        if self.course is None:
            return self.response
        tabs = Tabs()
        tabs.addTab(self.course, "Course")
        tabs.addTab(self.response, "Response")
        self.course.wanted.connect(self.others_wanted)
        return tabs

    def _made_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.undo_button = QPushButton("Undo (Ctrl+Z)")
        self.measure_button = QPushButton("Measure")
        self.measure_button.setToolTip("Draw the diameter of the selected lesion on one of the scans")
        self.more_button = QPushButton("More")
        self.save_button = QPushButton("Save (Ctrl+S)")
        menu = QMenu(self.measure_button)
        for scan, word in ((EARLIER, "earlier"), (LATER, "later")):
            act = menu.addAction(f"On the {word} scan ({'E' if scan == EARLIER else 'L'})")
            act.triggered.connect(lambda _=False, scan=scan: self.measure(scan))
        self.measure_button.setMenu(menu)
        self.more_button.setMenu(self._more_menu())
        for button in (self.undo_button, self.measure_button, self.more_button, self.save_button):
            row.addWidget(button)
        return row

    def _more_menu(self) -> QMenu:
        menu = QMenu(self.more_button)
        acts: tuple[tuple[str, Callable[[], object]], ...] = (
            ("It was there before, though not outlined", lambda: self._of_row(pair_statements.with_rejected)),
            ("It has progressed unequivocally (non-target)", self._progressed),
            ("It is a lymph node: the short axis counts", lambda: self._of_row(pair_statements.with_node, True)),
            ("It is not a lymph node", lambda: self._of_row(pair_statements.with_node, False)),
            ("Organ…", self._ask_organ),
            ("Diameters of the later scan count on another modality", lambda: self._comparable(True)),
            ("Diameters on another modality do not count", lambda: self._comparable(False)),
            ("Redo (Ctrl+Shift+Z)", self.redo),
            ("Save in…", self._ask_folder),
        )
        # The decisions of a case belong where its signature looks for them.
        for text, act in acts[: None if self.session.case is None else -1]:
            menu.addAction(text).triggered.connect(lambda _=False, act=act: act())
        return menu

    def _connect(self) -> None:
        self.undo_button.clicked.connect(lambda _=False: self.undo())
        self.save_button.clicked.connect(lambda _=False: self.save())
        self.list.row_chosen.connect(self._show_row)
        self.list.refused.connect(self.say)
        self.list.measure_asked.connect(self.measure)
        self.reader_box.refused.connect(self.say)
        self.saving.stage.connect(lambda stage: self.say(f"{stage[:1].upper()}{stage[1:]} …"))
        self.saving.done.connect(self._on_saved)
        self.saving.failed.connect(self._on_not_saved)
        self.measuring.measured.connect(self._take_size)
        self.measuring.refused.connect(self.say)

    def say(self, sentence: str) -> None:
        """Show a sentence, or none; in a blinded reading without dates."""
        self.message.setText(self.session.as_shown(sentence))
        self.message.setVisible(bool(sentence))

    def _renew(self) -> None:
        """Show names, buttons and where it will be saved as they are now."""
        pair, session = self.session.pair, self.session
        for number, view in enumerate(self.views.views):
            names = lesion_names(session, number)
            colours = {name: colour_number(name) for name in names.values()}
            view.show_names(names, colours)
        self.views.hide_marks(False)
        self.undo_button.setEnabled(session.can_undo)
        for button in (self.measure_button, self.more_button, self.save_button):
            button.setEnabled(pair is not None and not self.saving.busy)
        self.list.setVisible(pair is not None)
        self.reader_box.setVisible(pair is not None and not session.signed)
        where = "Saved in" if session.saved_in == self.folder and not session.dirty else "Will be saved in"
        self.folder_line.setText("" if pair is None else f"{where} {self.folder.name}.")
        self.folder_line.setToolTip(str(self.folder))

    # --- looking -----------------------------------------------------------------------------------------------------

    def _show_row(self, row: PairRow) -> None:
        """Go to a lesion in both scans."""
        found = [row.on(scan) for scan in (EARLIER, LATER)]
        extents = [0.0 if each is None else each.longest_mm or each.pet_extent_mm or 0.0 for each in found]
        places: list[Vector | None] = [None if each is None else each.centroid_lps_mm for each in found]
        self.views.go_to((places[0], places[1]), max(extents))

    def _go_to_liver(self) -> None:
        """Begin in the liver of the earlier scan, or else in the middle of each."""
        pair = self.session.pair
        if pair is None:
            for view in self.views.views:
                view.go_to(view.visit.volumes.pet.geometry.corners_lps_mm().mean(axis=0))
            return
        for view, scan in zip(self.views.views, pair.scans, strict=True):
            index = np.argwhere(scan.liver.mask).mean(axis=0)
            view.go_to(scan.liver.geometry.index_to_lps(index))
            if self.views.linked:
                break

    # --- deciding ----------------------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Go back one step."""
        self.say("")
        self.session.undo()

    def redo(self) -> None:
        """Take the step again that was undone."""
        self.say("")
        self.session.redo()

    def _decide(self, change: Callable[[ComparedScans], CourseEdits]) -> None:
        self.say("")
        try:
            self.session.decide(change)
        except DotaliverError as error:
            self.say(sentence_of(error))

    def _of_row(self, change: Callable[..., CourseEdits], *given: object) -> None:
        """Decide something about the current row."""
        row = self.list.current
        if row is None:
            self.say("Select a lesion in the list first.")
            return
        self._decide(lambda pair: change(pair, row.name, *given))

    def _progressed(self) -> None:
        self._of_row(pair_statements.with_state, "unequivocal_progression")

    def _comparable(self, on: bool) -> None:
        self._decide(lambda pair: pair_statements.with_comparable(pair, on))

    def _ask_organ(self) -> None:
        row = self.list.current
        if row is None:
            self.say("Select a lesion in the list first.")
            return
        text, taken = QInputDialog.getText(self, "Organ", f"Organ of {row.name} (CDISC term, such as LUNG):")
        if taken and text.strip():
            self._of_row(pair_statements.with_organ, text.strip())

    def measure(self, scan: int) -> None:
        """Take the line tool on a scan: the next line there is the diameter of the current lesion."""
        row = self.list.current
        if row is None:
            self.say("Select a lesion in the list first.")
        elif not self.session.signed:
            self.say("Sign in with your name and role first; every answer is signed.")
        else:
            self.measuring.begin(row.name, scan)
            word = "earlier" if scan == EARLIER else "later"
            self.say(f"Draw the longest diameter of {row.name} on the {word} scan: press, drag, release. Esc cancels.")

    def stop_measuring(self) -> None:
        """Put the line tool away."""
        self.measuring.end()
        self.say("")

    def _take_size(self, lesion: str, scan: int, size_mm: float) -> None:
        where = self.session.scan_of(scan)
        self._decide(lambda pair: pair_statements.with_size(pair, lesion, where, size_mm))

    # --- saving ------------------------------------------------------------------------------------------------------

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the response", str(self.folder.parent))
        if chosen:
            self.folder = Path(chosen)
            self._renew()
            self.save()

    def save_then(self, act: Callable[[], object]) -> None:
        """Save, and do something once that is done; nothing where it cannot be saved yet."""
        self._after_saving = act
        if not self.save():
            self._after_saving = None

    def save(self) -> bool:
        """Compute the course from the decisions and write both, in the background; False where it cannot be."""
        if self.saving.busy:
            return False
        folder, edits = self.folder, self.session.edits
        try:
            work = self.session.saving(folder)
        except DotaliverError as error:
            self.say(sentence_of(error))
            if not self.session.signed:
                self.reader_box.name.setFocus()
            return False
        self.saving.run(lambda tell: (folder, edits, work(tell)))
        self._renew()
        return True

    def _on_saved(self, result: tuple[Path, CourseEdits, AssembledCourse]) -> None:
        folder, edits, made = result
        act, self._after_saving = self._after_saving, None
        try:
            self.session.saved(folder, edits, made)
        except DotaliverError as error:
            self.say(sentence_of(error))
            return
        what = "the response, and the decisions" if self.session.case is None else "the decisions"
        self.say(f"Saved in {folder.name}: {what} in course_edits.json.")
        self._renew()
        self.saved.emit(folder)
        if act is not None:
            soon(self, act)

    def _on_not_saved(self, error: Exception) -> None:
        self._after_saving = None
        self._renew()
        self.say(sentence_of(error))

    def close_down(self) -> None:
        """End all that runs or follows; called before Qt destroys the widgets, during which no Python may run."""
        self.saving.cancel()
        self._end()
        for part in (self.recovery, self.reader_box, self.list, self.response, self.course, self.bar, self.views):
            if part is not None:
                part.close_down()
