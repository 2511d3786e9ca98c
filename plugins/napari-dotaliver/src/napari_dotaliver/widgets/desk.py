"""The desk: open a study, score it, look at each lesion, correct, sign. The panel beside the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from dotaliver import pipeline
from dotaliver.config.scoring import ScoringConfig
from dotaliver.errors import AcquisitionError, SuvError
from dotaliver.image.geometry import Vector
from dotaliver.pipeline import OpenStudy, Outcome, StoredScore, StudyInput
from dotaliver.pipeline.fdg_comparison import compare_with_fdg
from dotaliver.pipeline.reading_desk import DeskCase
from dotaliver.records.edits import Reader
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.reading.study_words import matrix_words, study_words
from napari_dotaliver.view.layers import lps_to_world
from napari_dotaliver.view.orientation import PlaneName, jump
from napari_dotaliver.view.sign_layers import middle_of
from napari_dotaliver.view.study_layers import StudyLayers
from napari_dotaliver.widgets import body_list, case_panel, confirm, fdg_list, tools
from napari_dotaliver.widgets.background import Background, Progress, load_units, open_folder, score_opened, sentence_of
from napari_dotaliver.widgets.body_list import BodyList
from napari_dotaliver.widgets.busy_bar import BusyBar
from napari_dotaliver.widgets.case_panel import CasePanel
from napari_dotaliver.widgets.confirm import ConfirmWidget
from napari_dotaliver.widgets.deliberate import Tabs
from napari_dotaliver.widgets.desk_keys import bind_keys
from napari_dotaliver.widgets.fdg_asking import FdgAsking
from napari_dotaliver.widgets.fdg_list import FdgList
from napari_dotaliver.widgets.keys import KEYS, keys_html
from napari_dotaliver.widgets.lesion_table import LesionTable
from napari_dotaliver.widgets.patient_banner import PatientBanner
from napari_dotaliver.widgets.reader_box import ReaderBox
from napari_dotaliver.widgets.recovery import RecoveryBanner
from napari_dotaliver.widgets.shortcuts import FOCUS_FRAME, tab_through, take_key
from napari_dotaliver.widgets.time_points import TimePointsWidget
from napari_dotaliver.widgets.tools import ToolsWidget
from napari_dotaliver.widgets.unsaved import ask_about_unsaved
from napari_dotaliver.widgets.verdict_panel import VerdictPanel
from napari_dotaliver.widgets.view_bar import ViewBar

if TYPE_CHECKING:
    from napari import Viewer

__all__ = ["Desk"]

Opening = tuple[StudyInput, OpenStudy | StoredScore]
"""What was asked for, and what it was: a study, or a score with its images."""

_WAITING = "Open a folder of DICOM files: a 68Ga-DOTATATE PET/CT, or the folder of a score."


_PANEL_PIXELS = 460


class Desk(QWidget):
    """The reading of one study.

    Parameters
    ----------
    napari_viewer : Viewer
        Its layers and camera are used; docks are added to its window.
    config : ScoringConfig, optional
        What changes the answer; the defaults where it is left out.
    """

    lesion_selected = Signal(int)
    scored = Signal()
    opened_study = Signal()

    def __init__(self, napari_viewer: Viewer, config: ScoringConfig | None = None) -> None:
        super().__init__()
        # Widgets get a proxy, whose layers are proxies too and would be no longer the ones that were added.
        napari_viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.viewer = napari_viewer
        self.config = config or ScoringConfig()
        self.opened: OpenStudy | None = None
        self.folder: Path | None = None
        self._study: StudyInput | None = None
        self._asked: StudyInput | None = None
        self._watched: QWidget | None = None
        self.layers: StudyLayers | None = None
        self.session: ReadingSession | None = None
        self.tools: ToolsWidget | None = None
        self.confirm: ConfirmWidget | None = None
        self.time_points: TimePointsWidget | None = None
        self.banner: RecoveryBanner | None = None
        self.reader_box: ReaderBox | None = None
        self.body: BodyList | None = None
        self.fdg: FdgList | FdgAsking | None = None
        self.case: CasePanel | None = None
        self._going_on: Reader | None = None
        self._case_asked: DeskCase | None = None
        self.reading = Background(self)
        # The images of a stored score are shown while its masks are read.
        self.masks = Background(self)
        self.scoring = Background(self)
        self.comparing = Background(self)
        self.table = LesionTable()
        self.view = ViewBar(napari_viewer)
        self.setMinimumWidth(400)
        self.setStyleSheet(FOCUS_FRAME)
        self._build()
        self._connect()
        self._add_docks()
        self._renew_buttons()

    # --- what it is made of ------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.patient = PatientBanner()
        self.study_line = QLabel(_WAITING)
        self.study_line.setWordWrap(True)
        self.study_line.setTextFormat(Qt.TextFormat.PlainText)
        self.open_button = QPushButton(f"Open… ({KEYS['open'].key})")
        self.score_button = QPushButton(f"Score ({KEYS['score'].key})")
        self.cancel_button = QPushButton("Cancel")
        self.relative_button = QPushButton("Open without SUV (ratios and burden only)")
        self.relative_button.hide()
        self.progress = BusyBar()
        self.progress.hide()
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        self.verdicts = VerdictPanel()
        self.keys = QTextBrowser()
        self.keys.setAccessibleName("Shortcuts")
        self.keys.setHtml(keys_html((*tools.KEYS, *confirm.KEYS, *body_list.KEYS, *fdg_list.KEYS, *case_panel.KEYS)))
        self.tabs = Tabs()
        self.tabs.addTab(self.verdicts, "Verdicts")
        self.tabs.addTab(self.keys, "Keys")
        buttons = QHBoxLayout()
        for button in (self.open_button, self.score_button, self.cancel_button):
            buttons.addWidget(button)
        self._column = layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for part in (self.patient, self.study_line, self.message, self.relative_button, self.progress):
            layout.addWidget(part)
        layout.insertLayout(2, buttons)
        layout.addWidget(self.view)
        layout.addWidget(self.tabs, stretch=1)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self.ask_for_folder)
        self.score_button.clicked.connect(self.score)
        self.cancel_button.clicked.connect(self.cancel)
        self.relative_button.clicked.connect(self._open_relative)
        self.reading.stage.connect(self._on_stage)
        self.reading.done.connect(self._on_opened)
        self.reading.failed.connect(self._on_not_opened)
        self.masks.stage.connect(self._on_stage)
        self.masks.done.connect(self._on_stored)
        self.masks.failed.connect(self._on_failed)
        self.scoring.stage.connect(self._on_stage)
        self.scoring.done.connect(self._on_scored)
        self.scoring.failed.connect(self._on_failed)
        self.comparing.stage.connect(self._on_stage)
        self.comparing.done.connect(self._on_compared)
        self.comparing.failed.connect(self._on_not_compared)
        self.table.lesion_selected.connect(self._on_row)

    def _add_docks(self) -> None:
        window = self.viewer.window
        self._table_dock = window.add_dock_widget(self.table, name="Lesions", area="bottom", tabify=False)
        # While there is nothing to list, the images get its room.
        self._table_dock.setVisible(False)
        # The images get the room of napari's own panels; its menu "Window" brings them back.
        for dock in (window._qt_viewer.dockLayerList, window._qt_viewer.dockLayerControls):
            dock.setVisible(False)
        # Its coordinates and hints on napari's own keys would stand beside uptake and density of the cursor.
        window._qt_window.statusBar().setVisible(False)
        self.view.add_planes(window)
        bind_keys(self)

    @property
    def _works(self) -> tuple[Background, ...]:
        return (self.reading, self.masks, self.scoring, self.comparing)

    @property
    def busy(self) -> bool:
        """Whether a study is being read, scored or compared."""
        return any(work.busy for work in self._works)

    # --- opening -----------------------------------------------------------------------------------------------------

    def ask_for_folder(self) -> None:
        """Let the reader choose a folder, and open it."""
        chosen = QFileDialog.getExistingDirectory(self, "A study, or the folder of a score")
        if chosen:
            self.open(StudyInput(Path(chosen)))

    def open(self, study: StudyInput) -> None:
        """Read a folder beside the window; a reading with unsaved edits is asked about first."""
        if self.open_made(lambda _tell: study):
            self._asked = study

    def open_case(self, case: DeskCase) -> None:
        """Open a scan of a reader's case in a central reading."""
        self.open_made(lambda _tell: case.study, case)

    def open_made(self, make: Callable[[Progress], StudyInput], case: DeskCase | None = None) -> bool:
        """Read the study that a function gives, which may take its time to make it; False: the reader stays."""
        if not self.may_leave(lambda: self.open_made(make, case)):
            return False
        self._case_asked, self._going_on = case, None
        self._tell(None)
        self.relative_button.hide()
        self.masks.cancel()
        self.scoring.cancel()
        self.comparing.cancel()
        config = self.config

        def work(tell: Progress) -> Opening:
            study = make(tell)
            return study, open_folder(study, config, tell)

        self.reading.run(work)
        QTimer.singleShot(0, load_units)
        self._renew_buttons()
        return True

    def _open_relative(self) -> None:
        assume = self.config.assume.model_copy(update={"relative": True})
        self.config = self.config.model_copy(update={"assume": assume})
        if self._asked is not None:
            self.open(self._asked)

    def _on_opened(self, read: Opening) -> None:
        study, result = read
        self.folder, self._study = study.folder, study
        stored = result if isinstance(result, StoredScore) else None
        self._show_images(result.opened if isinstance(result, StoredScore) else result)
        self.opened_study.emit()
        if stored is not None:
            self.masks.run(partial(pipeline.outcome_as_stored, stored))
            self._renew_buttons()

    def _show_images(self, opened: OpenStudy) -> None:
        """Put away what was shown before, and show the images of a study."""
        self.opened = opened
        self._leave()
        self.layers = StudyLayers(self.viewer, opened.volumes)
        self.view.show_study(self.layers)
        self._show_case(self._case_asked)
        self.patient.show_study(opened, None if self.case is None else self.case.case.title)
        self.study_line.setText(study_words(opened))
        self.study_line.setToolTip(matrix_words(opened))
        self._done()

    def _on_stored(self, outcome: Outcome) -> None:
        self._done()
        self._begin(outcome, self.folder)
        if outcome.remarks:
            self._tell(" ".join(outcome.remarks))

    def _show_case(self, case: DeskCase | None) -> None:
        """Put the tab of a central reading's case before the others."""
        if case is None:
            return
        self.case = CasePanel(case, self)
        self.case.wanted.connect(self.open_case)
        self.case.answered.connect(self._on_first_answers)
        self.tabs.insertTab(0, self.case, "Case")
        self.tabs.setCurrentWidget(self.case)

    def _on_first_answers(self, case: DeskCase, reader: Reader) -> None:
        """Show the automatic answers, now that the reader's own are locked; the same person goes on reading."""
        self.open_case(case)
        self._going_on = reader

    def _on_not_opened(self, error: Exception) -> None:
        self._on_failed(error)
        if isinstance(error, SuvError | AcquisitionError) and not self.config.assume.relative:
            self.relative_button.show()

    # --- scoring -----------------------------------------------------------------------------------------------------

    def score(self) -> None:
        """Outline, measure and judge beside the window."""
        busy = self.reading.busy or self.masks.busy or self.comparing.busy
        if self.opened is None or self._study is None or busy or self.case is not None:
            return
        if not self.may_leave(self.score):
            return
        self._tell(None)
        opened, study, config = self.opened, self._study, self.config
        self.scoring.run(lambda tell: score_opened(opened, study, config, tell))
        self._renew_buttons()

    def cancel(self) -> None:
        """Call off what runs; the window is as it was before."""
        for work in self._works:
            work.cancel()
        self._done()
        self._tell("Cancelled.")

    def _on_scored(self, outcome: Outcome) -> None:
        self._done()
        self._begin(outcome, None)

    def _begin(self, outcome: Outcome, record: Path | None) -> None:
        """Start a reading of what was scored; `record` is the folder where that score lies already."""
        if self.layers is None:
            return
        self._end_reading()
        self.session = session = ReadingSession(outcome, record)
        session.on_change(self._on_changed)
        self._table_dock.setVisible(True)
        self._on_changed()
        self._go_to_liver(session)
        self.tools = ToolsWidget(session, self.viewer, self.layers, self)
        self.tools.chosen = lambda: self.table.chosen
        self.tools.measured_wanted.connect(self.view.show_measured)
        self.tools.lesion_made.connect(lambda label: self.table.choose((label,), tell=False))
        self.reader_box = ReaderBox(session, "Who reads this study?")
        self.confirm = confirm = ConfirmWidget(session, self.reader_box, self)
        self.tools.measure_by_itself(lambda: confirm.measuring.busy or confirm.saving.busy)
        self.time_points = TimePointsWidget(session, None if self.case is None else self.case.case, self)
        self._show_body(session)
        self._show_fdg(session)
        after = self.tabs.indexOf(self.verdicts) + 1
        for tab, name in ((self.time_points, "Time points"), (self.confirm, "Confirm"), (self.tools, "Correct")):
            self.tabs.insertTab(after, tab, name)
        self.banner = RecoveryBanner(session)
        self._follow_case(session, confirm)
        for part in (self.reader_box, self.banner):
            self._column.insertWidget(3, part)
        self._order_focus()
        self.tabs.setCurrentWidget(self.verdicts)
        self.scored.emit()

    def _order_focus(self) -> None:
        """Let Tab go through the panel from top to bottom, and then through the tab that is shown."""
        pages = [self.tabs.widget(number) for number in range(self.tabs.count())]
        parts = (self.cancel_button, self.banner, self.reader_box, self.view, self.tabs.tabBar(), *pages)
        tab_through(part for part in parts if part is not None)

    def _follow_case(self, session: ReadingSession, confirm: ConfirmWidget) -> None:
        """Let the case know the reading of its scan; who gave its first answers a moment ago has signed in."""
        if self.case is None:
            return
        if self._going_on is not None:
            session.sign(self._going_on.name, self._going_on.role)
            self._going_on = None
        self.case.follow(session)
        confirm.saved.connect(self.case.note_saved)

    def _show_body(self, session: ReadingSession) -> None:
        """List what was found outside the liver, and let the reader add to it, where the body was searched."""
        if self.confirm is None or self.tools is None or session.score.body is None:
            return
        self.body = BodyList(session, self.confirm.sign, self)
        self.tools.work_outside_the_liver(self.body)
        self.body.place_chosen.connect(lambda place, extent_mm: jump(self.viewer, place, extent_mm))
        self.body.changed.connect(self.confirm.measure)
        self.tabs.insertTab(self.tabs.indexOf(self.verdicts) + 1, self.body, "Body")

    def _show_fdg(self, session: ReadingSession) -> None:
        """List the lesions on both tracers, or let the reader name an FDG scan; a case is read as it was planned."""
        if self.confirm is None:
            return
        if session.score.netpet is not None:
            self.fdg = FdgList(session, self.confirm.sign, self)
            self.fdg.place_chosen.connect(lambda place: jump(self.viewer, place, 0.0))
            self.fdg.changed.connect(self.confirm.measure)
        elif self.case is None:
            self.fdg = FdgAsking(session, self)
            self.fdg.chosen.connect(self.compare_fdg)
        else:
            return
        self.tabs.insertTab(self.tabs.indexOf(self.verdicts) + 1, self.fdg, "FDG")

    def compare_fdg(self, folder: Path) -> None:
        """Compare the reading, as it was saved, with the FDG scan in a folder."""
        session, asking = self.session, self.fdg
        if session is None or not isinstance(asking, FdgAsking) or self.busy:
            return
        outcome = session.revision(session.score)
        self._tell(None)
        self.comparing.run(lambda tell: compare_with_fdg(outcome, folder, tell))
        self._renew_buttons()

    def _on_compared(self, outcome: Outcome) -> None:
        """Go on with the comparison; who had signed in has signed in."""
        session = self.session
        reader = session.reader if session is not None and session.signed else None
        if self._study is not None:
            self._study = replace(self._study, fdg=outcome.fdg)
        self._show_images(outcome.opened)
        self._begin(outcome, None)
        if reader is not None and self.session is not None:
            self.session.sign(reader.name, reader.role)
        if self.fdg is not None:
            self.tabs.setCurrentWidget(self.fdg)

    def _on_not_compared(self, error: Exception) -> None:
        self._done()
        if isinstance(self.fdg, FdgAsking):
            self.fdg.refuse(error)

    def _go_to_liver(self, session: ReadingSession) -> None:
        """Begin where the reading is about; a scan of the whole body has its middle in the chest."""
        middle = None if session.liver is None else middle_of(session.liver, 1)
        if middle is not None:
            self.viewer.dims.point = tuple(float(v) for v in lps_to_world(middle))

    def _end_reading(self) -> None:
        """Put the widgets of a reading away; what it kept for recovery stays unless it was discarded."""
        for widget in (self.banner, self.tools, self.confirm, self.time_points, self.reader_box, self.body, self.fdg):
            if widget is not None:
                widget.close_down()
                self._put_away(widget)
        if self.case is not None:
            self.case.stop_following()
        self.tools = self.confirm = self.time_points = self.banner = self.reader_box = self.session = self.body = (
            self.fdg
        ) = None

    def _put_away(self, widget: QWidget) -> None:
        self.tabs.removeTab(self.tabs.indexOf(widget))
        widget.setParent(None)
        widget.deleteLater()

    def _leave(self) -> None:
        """Put away what was read before."""
        self._end_reading()
        if self.case is not None:
            self.case.close_down()
            self._put_away(self.case)
            self.case = None
        self.table.show_score(None)
        self._table_dock.setVisible(False)
        self.verdicts.show_score(None)
        self.patient.show_study(None)
        self.view.show_study(None)
        if self.layers is not None:
            self.layers.remove()
            self.layers = None

    def _on_changed(self) -> None:
        """Show the reading as it is now: layers, table, verdicts."""
        if self.session is None or self.layers is None:
            return
        made = self.layers.made
        self.layers.show(self.session)
        if self.layers.made != made:
            self.view.show_masks()
        now = self.session.now()
        self.table.show_score(now.score, now.unmeasured, self.session.targets())
        self.verdicts.show_score(self.session.score, provisional=self.session.stale)
        if self.body is not None:
            self.body.show_reading()
        if self.fdg is not None:
            self.fdg.show_reading()
        self._renew_buttons()

    # --- lesions -----------------------------------------------------------------------------------------------------

    def current_label(self) -> int | None:
        """The lesion of the current row, if one is chosen."""
        return self.table.chosen[0] if self.table.chosen else None

    def jump_to(self, label: int) -> None:
        """Put the crosshair on a lesion and frame it."""
        if self.session is None:
            return
        place, extent_mm = self._place_of(label)
        if place is not None:
            jump(self.viewer, place, extent_mm)
            if self.layers is not None and self.layers.lesions is not None:
                self.layers.lesions.selected_label = label

    def _place_of(self, label: int) -> tuple[Vector | None, float]:
        """Where a lesion is looked at, and how large it is there."""
        if self.session is None or self.layers is None:
            return None, 0.0
        for lesion in self.session.score.lesions:
            if lesion.label == label:
                size = lesion.longest_diameter_mm or lesion.pet_extent_mm or 0.0
                return self.layers.place_of(lesion), size
        for focus in self.session.score.ct_foci:
            if focus.label == label:
                return focus.centroid_lps_mm, focus.longest_diameter_mm or 0.0
        return None, 0.0

    def _on_row(self, label: int) -> None:
        self.jump_to(label)
        if self.tools is not None:
            self.tools.lesion_chosen(label)
        self.lesion_selected.emit(label)

    def step_lesion(self, ways: int) -> None:
        """Go to the next lesion of the table, or the one before."""
        self.table.step(ways)

    def show_plane(self, name: PlaneName) -> None:
        """Cut in one of the three planes."""
        self.view.show_plane(name)

    # --- what people are told ----------------------------------------------------------------------------------------

    def _on_stage(self, stage: str) -> None:
        self._tell(stage[:1].upper() + stage[1:] + " …")

    def _on_failed(self, error: Exception) -> None:
        self._done()
        self._tell(sentence_of(error))

    def _done(self) -> None:
        self._tell(None)
        self._renew_buttons()

    def _tell(self, sentence: str | None) -> None:
        self.message.setVisible(sentence is not None)
        self.message.setText(sentence or "")

    def _renew_buttons(self) -> None:
        busy = self.busy
        self.progress.setVisible(busy)
        self.cancel_button.setEnabled(busy)
        # Of a case in a central reading, the score of the plan is read.
        self.score_button.setEnabled(self.opened is not None and not busy and self.case is None)
        self.score_button.setText(f"{'Score' if self.session is None else 'Score again'} ({KEYS['score'].key})")

    # --- leaving -----------------------------------------------------------------------------------------------------

    def may_leave(self, leave: Callable[[], object]) -> bool:
        """Whether the reading may be left now: nothing is unsaved, or the reader discards it.

        Where the reader chooses to save first, `leave` is called again once the reading is saved. A comparison that was
        opened from here is asked about too.
        """
        if self.time_points is not None and not self.time_points.may_leave(leave):
            return False
        if self.session is None or not self.session.dirty:
            return True
        answer = ask_about_unsaved(self, "This reading has changes that are not saved.")
        if answer == "save" and self.confirm is not None:
            self.tabs.setCurrentWidget(self.confirm)
            self.confirm.save_then(leave)
        if answer != "discard":
            return False
        if self.banner is not None:
            self.banner.discard_reading()
        return True

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 -- Qt's name
        """Watch over the window that the desk was put into."""
        super().showEvent(event)
        window = self.window()
        if window is self._watched:
            return
        self._watched = window
        window.installEventFilter(self)
        for key in KEYS.values():
            take_key(key.key)
        if isinstance(window, QMainWindow):
            # The panel runs down the whole side; images have the rest, and the table what it needs.
            window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
            window.resizeDocks([self.parentWidget()], [_PANEL_PIXELS], Qt.Orientation.Horizontal)
            # Docks have their sizes once the window has its own.
            QTimer.singleShot(0, lambda: self.view.arrange(window))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 -- Qt's name
        """Ask before the window closes over unsaved edits."""
        if event.type() == QEvent.Type.Close and watched is self.window():
            window = self.window()
            if not self.may_leave(window.close):
                event.ignore()
                return True
            for work in self._works:
                work.cancel()
            if self.time_points is not None:
                self.time_points.close_down()
        return bool(super().eventFilter(watched, event))
