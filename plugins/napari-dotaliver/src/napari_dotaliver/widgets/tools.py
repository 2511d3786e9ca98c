"""The reader's tools: painting, lesions, the normal-liver sphere, diameters, undo, and measuring again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from dotaliver.errors import DotaliverError, MaskError
from dotaliver.export.report.words import MARK_WORDS
from dotaliver.image.geometry import Vector, as_vector
from dotaliver.records.edits import LesionMark
from dotaliver.records.score import StudyScore
from napari_dotaliver.reading.changes_html import changes_html
from napari_dotaliver.reading.measuring import Measured
from napari_dotaliver.reading.pointing import Pointed
from napari_dotaliver.reading.session import MARKS, ReadingSession
from napari_dotaliver.view.layers import line_of_shape, points_lps_mm, world_to_lps
from napari_dotaliver.view.mouse import clicks_of
from napari_dotaliver.view.orientation import position_lps_mm
from napari_dotaliver.widgets.background import Background, sentence_of
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.painting import PaintPanel
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, bind_key, millimetres, refusal_line, scrolled, soon

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Points, Shapes

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["KEYS", "ToolsWidget"]

_MARK_KEYS: dict[LesionMark, str] = {"not_a_lesion": "N", "treated": "T", "progressed_since_treatment": "G"}
KEYS: tuple[Key, ...] = (
    Key("F10", "re-measure"),
    Key("Ctrl+Z", "undo"),
    Key("Ctrl+Shift+Z", "redo"),
    Key("Del", "delete the chosen lesions"),
    Key("J", "join (merge) the chosen lesions"),
    Key("K", "cut (split) the chosen lesion"),
    Key("N", "not a lesion, on and off"),
    Key("T", "treated, on and off"),
    Key("G", "progressed since treatment, on and off"),
    Key("O", "outline by threshold in a sphere at the crosshair"),
    Key("W", "normal-liver sphere to the crosshair"),
    Key("D", "draw the chosen lesion's diameter"),
    Key("M", "measure the lesion at the crosshair on CT"),
)
_SAME_PLACE_MM = 0.05
_EDITS_REST_MS = 400


class ToolsWidget(QWidget):
    """The tab in which a reading is corrected.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    viewer : ViewerModel
        Where the crosshair stands.
    layers : StudyLayers
        What is painted on and dragged.
    """

    def __init__(
        self, session: ReadingSession, viewer: ViewerModel, layers: StudyLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._viewer, self._layers = session, viewer, layers
        self._chosen_label: int | None = None
        self._watched: list[object] = []
        self._told: StudyScore | None = None
        self.chosen: Callable[[], tuple[int, ...]] = lambda: ()
        self._busy_elsewhere: Callable[[], bool] | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_EDITS_REST_MS)
        self._rest.timeout.connect(self._measure_after_rest)
        self.painting = PaintPanel(session, viewer, layers)
        self.painting.refused.connect(self._refuse)
        self.measuring = Background(self)
        self.measuring.stage.connect(self._on_stage)
        self.measuring.done.connect(self._on_measured)
        self.measuring.failed.connect(self._on_not_measured)
        self._build()
        self._bind_keys()
        self._on_click = clicks_of(self)
        viewer.mouse_drag_callbacks.append(self._on_click)
        self._end = session.on_change(self._on_change)
        self._on_change()

    def close_down(self) -> None:
        """Stop following reading and mouse; called before Qt destroys the widget, during which no Python may run."""
        self._rest.stop()
        self.painting.forget_painted()
        self.measuring.cancel()
        if self._on_click in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_click)
        self._end()

    # --- what it is made of -----------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.message = refusal_line()
        self.undo_button = self._button("Undo (Ctrl+Z)", self.undo)
        self.redo_button = self._button("Redo", self.redo)
        self.measure_button = self._button("Re-measure (F10)", self.remeasure)
        self.state = QLabel()
        top = QHBoxLayout()
        for button in (self.measure_button, self.undo_button, self.redo_button):
            top.addWidget(button)
        self.changes = QTextBrowser()
        self.changes.setAccessibleName("Changes from the automatic result")
        self.changes.setMinimumHeight(64)
        area = scrolled((self._pointing_box(), self._lesion_box(), self.painting, self._sphere_box()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(top)
        layout.addWidget(self.state)
        layout.addWidget(self.message)
        layout.addWidget(area, stretch=4)
        layout.addWidget(self.changes, stretch=1)

    def _button(self, words: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(words)
        button.clicked.connect(lambda _=False: act())
        return button

    def _pointing_box(self) -> QGroupBox:
        box = QGroupBox("Measure a lesion by a click")
        box.setStyleSheet("QPushButton:checked { font-weight: bold; border: 2px solid #56B4E9; }")
        column = QVBoxLayout(box)
        line = QHBoxLayout()
        self.click_button = QPushButton("Measure by a click")
        self.click_button.setCheckable(True)
        self.click_button.setToolTip("While this is on, a click inside a lesion on CT measures it.")
        self.click_button.toggled.connect(self._on_click_tool)
        self.crosshair_button = self._button("At the crosshair (M)", self.measure_at_crosshair)
        line.addWidget(self.click_button)
        line.addWidget(self.crosshair_button)
        self.click_line = QLabel("Click inside a lesion on CT: its border, diameter and interval are found.")
        self.click_line.setWordWrap(True)
        column.addLayout(line)
        column.addWidget(self.click_line)
        return box

    def _lesion_box(self) -> QGroupBox:
        box = QGroupBox("Selected lesion")
        box.setStyleSheet(CHECKED_BUTTON)
        grid = QGridLayout(box)
        self.lesion_line = QLabel("Select a row in the table.")
        self.lesion_line.setWordWrap(True)
        grid.addWidget(self.lesion_line, 0, 0, 1, 6)
        self.delete_button = self._button("Delete (Del)", self.delete_chosen)
        self.merge_button = self._button("Merge (J)", self.merge_chosen)
        self.split_button = self._button("Split (K)", self.split_chosen)
        for column, button in enumerate((self.delete_button, self.merge_button, self.split_button)):
            grid.addWidget(button, 1, 2 * column, 1, 2)
        self.marks: dict[LesionMark, QPushButton] = {}
        for number, mark in enumerate(MARKS):
            key = f" ({_MARK_KEYS[mark]})" if mark in _MARK_KEYS else ""
            words = "progressed since" if mark == "progressed_since_treatment" else MARK_WORDS[mark]
            button = QPushButton(words[:1].upper() + words[1:] + key)
            button.setCheckable(True)
            button.setToolTip(MARK_WORDS[mark])
            button.clicked.connect(lambda _=False, mark=mark: self.toggle_mark(mark))
            grid.addWidget(button, 2 + number // 2, 3 * (number % 2), 1, 3)
            self.marks[mark] = button
        self.draw_button = self._button("Draw diameter (D)", self.draw_diameter)
        self.undraw_button = self._button("Automatic diameter", self.undraw_diameter)
        row = 2 + (len(MARKS) + 1) // 2
        grid.addWidget(self.draw_button, row, 0, 1, 3)
        grid.addWidget(self.undraw_button, row, 3, 1, 3)
        return box

    def _sphere_box(self) -> QGroupBox:
        box = QGroupBox("Normal-liver sphere (drag it or use the button)")
        line = QHBoxLayout(box)
        self.sphere_mm = millimetres("Diameter of the normal-liver sphere in mm", (5.0, 60.0), 30.0)
        self.sphere_mm.setKeyboardTracking(False)
        self.sphere_mm.valueChanged.connect(self._resize_sphere)
        self.sphere_button = self._button("To the crosshair (W)", self.sphere_to_crosshair)
        self.auto_sphere_button = self._button("Automatic", self.automatic_sphere)
        for part in (self.sphere_mm, self.sphere_button, self.auto_sphere_button):
            line.addWidget(part)
        return box

    def _bind_keys(self) -> None:
        acts: dict[str, Callable[[], None]] = {
            "F10": self.remeasure,
            "Ctrl+Z": self.undo,
            "Ctrl+Shift+Z": self.redo,
            "Del": self.delete_chosen,
            "J": self.merge_chosen,
            "K": self.split_chosen,
            "O": self.painting.outline_in_sphere,
            "W": self.sphere_to_crosshair,
            "D": self.draw_diameter,
            "M": self.measure_at_crosshair,
        }
        for mark, key in _MARK_KEYS.items():
            acts[key] = lambda mark=mark: self.toggle_mark(mark)
        for key, act in acts.items():
            bind_key(self, key, act)

    # --- telling ----------------------------------------------------------------------------------------------------

    def _refuse(self, sentence: str) -> None:
        text = sentence[:1].upper() + sentence[1:]
        self.message.setText(text if text.endswith(".") else text + ".")
        self.message.show()

    def _try(self, act: Callable[[], object]) -> None:
        """Do something with what is painted taken in first; a refusal is shown, and nothing has changed."""
        self.message.hide()
        self.painting.take_painted()
        try:
            act()
        except DotaliverError as error:
            self._refuse(str(error))

    # --- lesions ----------------------------------------------------------------------------------------------------

    def lesion_chosen(self, label: int) -> None:
        """A row of the table was clicked."""
        self._chosen_label = label
        self._show_lesion()

    def _labels(self) -> tuple[int, ...]:
        """The chosen lesions, the current one first."""
        chosen = self.chosen()
        if not chosen and self._chosen_label is not None:
            chosen = (self._chosen_label,)
        if not chosen:
            msg = "choose a lesion in the table first"
            raise MaskError(msg)
        return chosen

    def delete_chosen(self) -> None:
        """Delete the chosen lesions, as one step each."""

        def act() -> None:
            for label in self._labels():
                self._session.delete_lesion(label)

        self._try(act)

    def merge_chosen(self) -> None:
        """Make the chosen lesions one."""
        self._try(lambda: self._session.merge_lesions(self._labels()))

    def split_chosen(self) -> None:
        """Split the chosen lesion where its uptake has a valley."""
        self._try(lambda: self._session.split_lesion(self._labels()[0]))

    def toggle_mark(self, mark: LesionMark) -> None:
        """Mark the chosen lesions, or take the mark from them where the first has it."""

        def act() -> None:
            labels = self._labels()
            on = mark not in self._session.marks_of(labels[0])
            for label in labels:
                self._session.mark_lesion(label, mark, on)

        self._try(act)
        self._show_lesion()

    def _show_lesion(self) -> None:
        label = self._chosen_label
        there = label is not None and (label in self._session.lesions.labels or self._is_candidate(label))
        marks = self._session.marks_of(label) if label is not None else ()
        for mark, button in self.marks.items():
            button.setChecked(mark in marks)
            button.setEnabled(there)
        self.split_button.setEnabled(there)
        self.delete_button.setEnabled(there)
        self.draw_button.setEnabled(there)
        drawn = label is not None and self._session.edits.lesion(label).diameter is not None
        self.undraw_button.setEnabled(drawn or (label is not None and self._session.is_clicked(label)))
        if not there or label is None:
            self.lesion_line.setText("Select a row in the table.")
            return
        name = f"CT candidate {label}" if self._is_candidate(label) else f"Lesion {label}"
        said = ", ".join(MARK_WORDS[m] for m in marks)
        self.lesion_line.setText(f"{name}: {said}" if said else name)

    def _is_candidate(self, label: int) -> bool:
        return label in {focus.label for focus in self._session.score.ct_foci}

    # --- pointing ----------------------------------------------------------------------------------------------------

    def _on_click_tool(self, on: bool) -> None:
        self.click_line.setText(
            "Click inside a lesion on the image."
            if on
            else "Click inside a lesion on CT: its border, diameter and interval are found."
        )
        active = self._viewer.layers.selection.active
        if on and active is not None and str(active.mode) != "pan_zoom":
            # A brush in hand would paint.
            active.mode = "pan_zoom"

    def measure_at_crosshair(self) -> None:
        """Measure the lesion at the crosshair."""
        self.measure_at(position_lps_mm(self._viewer))

    def measure_at(self, place_lps_mm: Vector) -> None:
        """Measure the lesion at a place, or add one there; the border can then be dragged by its points."""
        self._point(lambda: self._session.point_at(place_lps_mm))

    def _point(self, act: Callable[[], Pointed]) -> None:
        def measured() -> None:
            found = act()
            self.click_line.setText(f"{found.words} Drag a border point or an end of the line to correct it.")
            self.lesion_chosen(found.label)

        self._try(measured)
        if self.message.isVisibleTo(self):
            self._layers.show(self._session)

    def clicked(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """A click on the image while the tool is on; what drags the image measures nothing."""
        start = tuple(event.position)
        yield
        moved = False
        while event.type == "mouse_move":
            moved = moved or sum((a - b) ** 2 for a, b in zip(event.position, start, strict=True)) > 1.0
            yield
        active = self._viewer.layers.selection.active
        idle = active is None or str(active.mode) == "pan_zoom"
        if self.click_button.isChecked() and idle and not moved and event.button == 1 and viewer.dims.ndisplay == 2:
            place = as_vector(world_to_lps(np.asarray(start[-3:])))
            soon(self, lambda: self.measure_at(place))

    def _on_border(self, layer: Points) -> None:
        """A border point was dragged."""
        last = self._session.pointed
        places = points_lps_mm(layer)
        if layer is not self._layers.border or last is None or len(places) != len(last.border_lps_mm):
            if layer is self._layers.border:
                self._layers.show(self._session)
            return
        moves = np.linalg.norm(places - np.asarray(last.border_lps_mm), axis=1)
        if float(moves.max()) > _SAME_PLACE_MM:
            place = as_vector(places[int(moves.argmax())])
            self._point(lambda: self._session.drag_border(place))

    def _live_length(self, layer: Shapes, event: Any) -> Iterator[None]:
        """The length of a line while it is drawn or one of its ends is dragged."""
        yield
        while event.type == "mouse_move":
            chosen = sorted(layer.selected_data) or [len(layer.data) - 1]
            if layer.data and str(layer.mode) in {"direct", "select", "add_line"}:
                with contextlib.suppress(DotaliverError, IndexError):
                    first, second = line_of_shape(layer.data[chosen[-1]], layer)
                    self.state.setText(f"{float(np.linalg.norm(np.subtract(first, second))):.1f} mm")
            yield

    # --- diameters --------------------------------------------------------------------------------------------------

    def draw_diameter(self) -> None:
        """Take the line tool: the next line is the chosen lesion's diameter."""

        def act() -> None:
            label, layer = self._labels()[0], self._layers.diameters
            if label not in self._session.lesions.labels:
                msg = f"lesion {label} has no outline; choose a lesion of the PET"
                raise MaskError(msg)
            if layer is None:
                msg = "there is no layer of diameters; score the study again"
                raise MaskError(msg)
            layer.visible = True
            self._viewer.layers.selection.active = layer
            layer.mode = "add_line"
            on = "" if self._layers.mr_display is None else " on the MR"
            self.state.setText(f"Draw the longest diameter of lesion {label}{on}: press, drag, release.")

        self._try(act)

    def undraw_diameter(self) -> None:
        """Let the automatic diameter count again, in place of one that was drawn or found from a click."""

        def act() -> None:
            label = self._labels()[0]
            if self._session.edits.lesion(label).diameter is not None:
                self._session.redraw_diameter(label, None)
            else:
                self._session.forget_click(label)

        self._try(act)

    def _on_line(self, layer: Shapes) -> None:
        """Take lines that were drawn or dragged."""
        if layer is not self._layers.diameters or layer is None:
            return
        known = [int(n) for n in layer.features["lesion"].fillna(0)] if "lesion" in layer.features else []
        drawn = {label: self._session.diameter_of(label) for label in known if label}
        taken: set[int] = set()

        def act() -> None:
            for number, vertices in enumerate(layer.data):
                label = known[number] if number < len(known) else 0
                line = self._on_its_image(line_of_shape(vertices, layer))
                if not label or label in taken:
                    # A line that was added takes the features of the one before it.
                    self._session.redraw_diameter(self._labels()[0], line)
                    return
                taken.add(label)
                before = drawn.get(label)
                if before is None or float(np.abs(np.subtract(before, line)).max()) > _SAME_PLACE_MM:
                    self._session.redraw_diameter(label, line)
                    return

        self._try(act)
        if self.message.isVisibleTo(self):
            self._layers.show(self._session)

    def _on_its_image(self, line: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
        """A line in the coordinates of the image that diameters are measured on: an MR is shown away from its own."""
        display = self._layers.mr_display
        if display is None:
            return line
        first, second = display.to_mr(line)
        return as_vector(first), as_vector(second)

    # --- the sphere --------------------------------------------------------------------------------------------------

    def sphere_to_crosshair(self) -> None:
        """Put the normal-liver sphere on the crosshair."""
        self._place_sphere(position_lps_mm(self._viewer), self.sphere_mm.value())

    def automatic_sphere(self) -> None:
        """Let the automatic sphere count again."""
        self._try(self._session.release_reference)

    def _resize_sphere(self) -> None:
        sphere = self._session.reference_sphere
        if sphere is not None and abs(sphere[1] - self.sphere_mm.value()) > 0.5:
            self._place_sphere(sphere[0], self.sphere_mm.value())

    def _on_dragged(self, layer: Points) -> None:
        sphere = self._session.reference_sphere
        places = points_lps_mm(layer)
        if layer is not self._layers.reference or len(places) != 1:
            if layer is self._layers.reference:
                self._layers.show(self._session)
            return
        x, y, z = (float(v) for v in places[0])
        if sphere is None or float(np.abs(np.subtract(sphere[0], (x, y, z))).max()) > _SAME_PLACE_MM:
            self._place_sphere((x, y, z), self.sphere_mm.value() if sphere is None else sphere[1])

    def _place_sphere(self, centre: Vector, diameter_mm: float) -> None:
        self._try(lambda: self._session.place_reference(centre, diameter_mm))
        if self.message.isVisibleTo(self):
            self._layers.show(self._session)
            self._show_sphere()

    def _show_sphere(self) -> None:
        sphere = self._session.reference_sphere
        self.sphere_mm.blockSignals(True)
        if sphere is not None:
            self.sphere_mm.setValue(sphere[1])
        self.sphere_mm.blockSignals(False)
        self.auto_sphere_button.setEnabled(self._session.edits.reference("liver") is not None)

    # --- steps -------------------------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take the last step back; a stroke that was not taken in yet is one."""
        self._try(self._session.undo)

    def redo(self) -> None:
        """Take an undone step again."""
        self._try(self._session.redo)

    def remeasure(self) -> None:
        """Measure and judge what stands now, beside the window."""
        self.message.hide()
        self.painting.take_painted()
        self._measure()

    def measure_by_itself(self, busy_elsewhere: Callable[[], bool]) -> None:
        """Measure after every edit, once the reader's hand rests and nothing is measured or saved elsewhere."""
        self._busy_elsewhere = busy_elsewhere
        self._on_change()

    def _measure_after_rest(self) -> None:
        if _hand_is_busy() or self.painting.pending or self._busy_elsewhere is None or self._busy_elsewhere():
            self._rest.start()
            return
        self._measure()

    def _measure(self) -> None:
        if not self._session.stale:
            self._show_state()
            return
        job, of = self._session.measuring(), self._session.state
        self.measuring.run(lambda tell: (job(tell), of))
        self._show_state()

    def _on_stage(self, stage: str) -> None:
        self.state.setText(stage[:1].upper() + stage[1:] + " …")

    def _on_not_measured(self, error: Exception) -> None:
        self._refuse(sentence_of(error))
        self._show_state()

    def _on_measured(self, result: tuple[Measured, object]) -> None:
        measured, of = result
        if _hand_is_busy():
            # What is being drawn must not be drawn anew under the reader's hand.
            QTimer.singleShot(_EDITS_REST_MS, self, lambda: self._on_measured(result))
            return
        self.painting.take_painted()
        if not self._session.adopt(measured, of):  # type: ignore[arg-type]
            # Something was edited meanwhile: that is what is to be measured.
            self._measure()
            return
        if measured.withdrawn:
            self._refuse(" ".join(measured.withdrawn))

    # --- following the reading ---------------------------------------------------------------------------------------

    def _on_change(self) -> None:
        self.painting.watch()
        self._watch_signs()
        self._show_lesion()
        self._show_sphere()
        self._show_state()
        if self._busy_elsewhere is not None and self._session.stale:
            self._rest.start()

    def _watch_signs(self) -> None:
        """Listen to the layers of sphere, diameters and border points that are there now."""
        reference, diameters, border = self._layers.reference, self._layers.diameters, self._layers.border
        if self._watched == [reference, diameters, border]:
            return
        before, self._watched = self._watched, [reference, diameters, border]
        if border is not None and border not in before:
            border.events.data.connect(lambda event: self._later(event, lambda: self._on_border(border)))
        # The layer tells in the middle of its own work; it is changed only when that is done.
        if reference is not None and reference not in before:
            reference.events.data.connect(lambda event: self._later(event, lambda: self._on_dragged(reference)))
        if diameters is not None and diameters not in before:
            diameters.mouse_drag_callbacks.append(self._live_length)
            diameters.events.data.connect(lambda event: self._later(event, lambda: self._on_line(diameters)))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 -- Qt's name
        """Tell what changed while the tab was hidden."""
        super().showEvent(event)
        self._show_state()

    def _later(self, event: object, act: Callable[[], None]) -> None:
        if str(getattr(event, "action", "")) in {"added", "changed", "removed"}:
            soon(self, act)

    def _show_state(self) -> None:
        session = self._session
        self.undo_button.setEnabled(session.can_undo)
        self.redo_button.setEnabled(session.can_redo)
        self.measure_button.setEnabled(session.stale and not self.measuring.busy)
        if self.measuring.busy:
            self.state.setText("Measuring …")
        elif session.stale and self._busy_elsewhere is not None:
            self.state.setText("Edited: grey numbers are provisional and are measured again at once.")
        elif session.stale:
            self.state.setText("Edited: numbers and verdicts are out of date. Re-measure (F10).")
        else:
            self.state.setText("Measured: numbers and verdicts are up to date.")
        if session.score is not self._told and self.isVisible():
            # Comparing two records takes as long as a frame: only where there is a new one.
            self._told = session.score
            self.changes.setHtml(changes_html(session.changes(), session.automatic, session.score))


def _hand_is_busy() -> bool:
    """Whether a mouse button is held: something is being painted, drawn or dragged."""
    return QApplication.mouseButtons() != Qt.MouseButton.NoButton
