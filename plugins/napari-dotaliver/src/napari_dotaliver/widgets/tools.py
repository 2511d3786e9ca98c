"""The tab in which a reading is corrected: its tools, undo, and measuring again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError, MaskError
from dotaliver.records.score import StudyScore
from napari_dotaliver.reading.changes_html import changes_html
from napari_dotaliver.reading.session import ReadingSession
from napari_dotaliver.view.mouse import clicks_of
from napari_dotaliver.widgets import caliper_box
from napari_dotaliver.widgets.caliper_box import ROLE_KEYS, CaliperBox
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.lesion_box import MARK_KEYS, LesionBox
from napari_dotaliver.widgets.marking_box import MARKING_KEYS, MarkingBox
from napari_dotaliver.widgets.painting import PaintPanel
from napari_dotaliver.widgets.pointing_box import PointingBox
from napari_dotaliver.widgets.remeasuring import Remeasuring
from napari_dotaliver.widgets.shortcuts import bind_key, refusal_line, scrolled, soon
from napari_dotaliver.widgets.sphere_box import SphereBox
from napari_dotaliver.widgets.tool_context import ToolContext, push_button

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_dotaliver.view.study_layers import StudyLayers
    from napari_dotaliver.widgets.body_list import BodyList

__all__ = ["KEYS", "ToolsWidget"]

KEYS: tuple[Key, ...] = (
    Key("F10", "re-measure"),
    Key("Ctrl+Z", "undo"),
    Key("Ctrl+Shift+Z", "redo"),
    Key("Del", "delete the selected lesions"),
    Key("J", "join (merge) the selected lesions"),
    Key("K", "cut (split) the selected lesion"),
    Key("N", "not a lesion, on and off"),
    Key("T", "treated, on and off"),
    Key("G", "progressed since treatment, on and off"),
    Key("O", "outline by threshold in a sphere at the crosshair"),
    Key("W", "normal-liver sphere to the crosshair"),
    *caliper_box.KEYS,
    Key("M", "measure the lesion at the crosshair on CT"),
    *MARKING_KEYS,
)


class ToolsWidget(QWidget):
    """The tab in which a reading is corrected.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    viewer : ViewerModel
        Its mouse and crosshair.
    layers : StudyLayers
        What is painted on and dragged.
    """

    lesion_made = Signal(int)
    """A marking tool made or changed a lesion that is to be selected."""

    measured_wanted = Signal()
    """A tool was taken that works on the image that diameters are measured on."""

    def __init__(
        self, session: ReadingSession, viewer: ViewerModel, layers: StudyLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._viewer, self._layers = session, viewer, layers
        self._watched: list[object] = []
        self._shown: StudyScore | None = None
        self._are_changes = False
        self.chosen: Callable[[], tuple[int, ...]] = lambda: ()
        self._body_click: Any = None
        self.message, self.state = refusal_line(), QLabel()
        self.state.setWordWrap(True)
        context = ToolContext(session, viewer, layers, self._attempt, self._labels, self.state.setText)
        self.painting = PaintPanel(session, viewer, layers)
        self.painting.refused.connect(self._refuse)
        self.remeasuring = Remeasuring(session, self.painting, self)
        self.remeasuring.work.stage.connect(lambda stage: self.state.setText(stage[:1].upper() + stage[1:] + " …"))
        self.remeasuring.refused.connect(self._refuse)
        self.remeasuring.changed.connect(self._show_state)
        self.caliper = CaliperBox(context)
        self.lesion = LesionBox(context)
        self.sphere = SphereBox(context)
        self.pointing = PointingBox(context)
        self.pointing.measured.connect(self.lesion_chosen)
        self.marking = MarkingBox(context)
        self.marking.lesion_made.connect(self._on_lesion_made)
        self.marking.renewed.connect(self._show_changes)
        # One tool at a time has the mouse.
        self.marking.taken.connect(lambda: _release((self.pointing.click_button, self.caliper.button)))
        for begins in (self.caliper.taken, self.pointing.click_button.toggled):
            begins.connect(lambda on: self.measured_wanted.emit() if on else None)
        self.caliper.taken.connect(lambda on: self._leave_mouse_to(self.pointing.click_button) if on else None)
        self.pointing.click_button.toggled.connect(lambda on: self._leave_mouse_to(self.caliper.button) if on else None)
        self._build()
        self._bind_keys()
        self._end = session.on_change(self._on_change)
        self._on_change()

    def close_down(self) -> None:
        """Stop following reading and mouse; called before Qt destroys the widget, during which no Python may run."""
        self.painting.forget_painted()
        self.remeasuring.close_down()
        self.pointing.close_down()
        self.marking.close_down()
        self.caliper.close_down()
        if self._body_click in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._body_click)
        self._end()

    def _build(self) -> None:
        self.undo_button = push_button("Undo (Ctrl+Z)", self.undo)
        self.redo_button = push_button("Redo", self.redo)
        self.measure_button = push_button("Re-measure (F10)", self.remeasure)
        top = QHBoxLayout()
        for button in (self.measure_button, self.undo_button, self.redo_button):
            top.addWidget(button)
        self.changes = QTextBrowser()
        self.changes.setAccessibleName("Changes from the automatic result")
        self.changes.setMinimumHeight(64)
        area = scrolled((self.marking, self.caliper, self.lesion, self.pointing, self.painting, self.sphere))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(top)
        layout.addWidget(self.state)
        layout.addWidget(self.message)
        layout.addWidget(self.marking.in_hand)
        layout.addWidget(area, stretch=4)
        layout.addWidget(self.changes, stretch=1)

    def _bind_keys(self) -> None:
        acts: dict[str, Callable[[], None]] = {
            "F10": self.remeasure,
            "Ctrl+Z": self.undo,
            "Ctrl+Shift+Z": self.redo,
            "Del": self.lesion.delete,
            "J": self.lesion.merge,
            "K": self.lesion.split,
            "O": self.painting.outline_in_sphere,
            "W": self.sphere.to_crosshair,
            "D": self.caliper.toggle,
            "M": self.pointing.measure_at_crosshair,
        }
        for role, key in ROLE_KEYS.items():
            acts[key] = lambda role=role: self.caliper.toggle_role(role)
        for mark, key in MARK_KEYS.items():
            acts[key] = lambda mark=mark: self.lesion.toggle_mark(mark)
        for name, button in self.marking.buttons.items():
            acts[button.text()[-2]] = lambda name=name: self.marking.toggle(name)
        for key, act in acts.items():
            bind_key(self, key, act)
        self.marking.bind_ending_keys(self.parentWidget() or self)

    # --- what tools share ---------------------------------------------------------------------------------------------

    def _refuse(self, sentence: str) -> None:
        text = sentence[:1].upper() + sentence[1:]
        self.message.setText(text if text.endswith(".") else text + ".")
        self.message.show()

    def _attempt(self, act: Callable[[], object]) -> bool:
        """Do something once painted strokes are taken in; a refusal is shown, and nothing has changed."""
        self.message.hide()
        self.painting.take_painted()
        try:
            act()
        except DotaliverError as error:
            self._refuse(str(error))
            return False
        return True

    def _labels(self) -> tuple[int, ...]:
        chosen, current = self.chosen(), self.lesion.chosen_label
        if not chosen and current is not None:
            chosen = (current,)
        if not chosen:
            msg = "select a lesion in the table first"
            raise MaskError(msg)
        return chosen

    def lesion_chosen(self, label: int) -> None:
        """A lesion was selected, in the table or in the image."""
        self.lesion.choose(label)
        self.caliper.choose(str(label))

    def _leave_mouse_to(self, other: QPushButton) -> None:
        """Put the other tools of the mouse down."""
        _release((other,))
        self.marking.put_down()

    def work_outside_the_liver(self, body: BodyList) -> None:
        """Let the caliper work on the lesions of the tab *Body* too, and one tool at a time have the mouse."""
        body.chosen.connect(self.caliper.choose)
        body.caliper_wanted.connect(lambda: self.caliper.button.setChecked(True))
        self.caliper.changed_outside.connect(body.changed.emit)
        self._body_click = clicks_of(body)
        self._viewer.mouse_drag_callbacks.append(self._body_click)
        mouse = (self.caliper.button, self.pointing.click_button, body.add_button)
        for button in mouse:
            others = tuple(other for other in mouse if other is not button)
            button.toggled.connect(lambda on, others=others: _release(others) if on else None)
        body.adding.connect(lambda on: self.marking.put_down() if on else None)
        self.marking.taken.connect(lambda: _release((body.add_button,)))

    def _on_lesion_made(self, label: int) -> None:
        self.lesion_chosen(label)
        self.lesion_made.emit(label)

    # --- steps -------------------------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take the last step back; a stroke that was not taken in yet is one, and so is an end that a key moved."""
        self.caliper.take_moved()
        self._attempt(self._session.undo)

    def redo(self) -> None:
        """Take an undone step again."""
        self._attempt(self._session.redo)

    def remeasure(self) -> None:
        """Measure and judge the reading as it is now, beside the window."""
        self.message.hide()
        self.painting.take_painted()
        self.remeasuring.measure()

    def measure_by_itself(self, busy_elsewhere: Callable[[], bool]) -> None:
        """Measure after every edit, once the reader's hand rests and nothing is measured or saved elsewhere."""
        self.remeasuring.measure_by_itself(busy_elsewhere)
        self._on_change()

    # --- following the reading ---------------------------------------------------------------------------------------

    def _on_change(self) -> None:
        self.painting.watch()
        self._watch_signs()
        self.lesion.renew()
        self.caliper.renew()
        self.sphere.renew()
        self._show_state()
        self.remeasuring.after_edit()

    def _watch_signs(self) -> None:
        """Listen to the layers of sphere and border points that are there now."""
        reference, border = self._layers.reference, self._layers.border
        if self._watched == [reference, border]:
            return
        before, self._watched = self._watched, [reference, border]
        # A layer announces a change in the middle of its own work; it is changed only when that is done.
        if border is not None and border not in before:
            border.events.data.connect(lambda event: self._later(event, lambda: self.pointing.take_border(border)))
        if reference is not None and reference not in before:
            reference.events.data.connect(lambda event: self._later(event, lambda: self.sphere.take_dragged(reference)))

    def _later(self, event: object, act: Callable[[], None]) -> None:
        if str(getattr(event, "action", "")) in {"added", "changed", "removed"}:
            soon(self, act)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 -- Qt's name
        """Show what changed while the tab was hidden."""
        super().showEvent(event)
        self._show_state()

    def _show_state(self) -> None:
        session, measuring = self._session, self.remeasuring
        self.undo_button.setEnabled(session.can_undo)
        self.redo_button.setEnabled(session.can_redo)
        self.measure_button.setEnabled(session.stale and not measuring.work.busy)
        if measuring.work.busy:
            self.state.setText("Measuring …")
        elif session.stale and measuring.by_itself:
            self.state.setText("Edited: grey numbers are provisional and are measured again at once.")
        elif session.stale:
            self.state.setText("Edited: numbers and verdicts are out of date. Re-measure (F10).")
        else:
            self.state.setText("Measured: numbers and verdicts are up to date.")
        if session.score is not self._shown and self.isVisible():
            # Comparing two records takes as long as a frame: only where there is a new one.
            self._shown = session.score
            changes = session.changes()
            self.changes.setHtml(changes_html(changes, session.automatic, session.score))
            self._are_changes = bool(changes.effects)
            self._show_changes()

    def _show_changes(self) -> None:
        """Leave the room to the tools where nothing was changed, or one is in hand."""
        self.changes.setHidden(self.marking.tool is not None or not self._are_changes)


def _release(buttons: tuple[QPushButton, ...]) -> None:
    """Put tools away."""
    for button in buttons:
        button.setChecked(False)
