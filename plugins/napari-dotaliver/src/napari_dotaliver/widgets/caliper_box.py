"""The caliper: longest diameter and short axis drawn and dragged on the image, the role, and the sum of targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QGroupBox, QLabel, QPushButton, QWidget

from dotaliver.errors import MaskError
from dotaliver.export.report.words import MARK_WORDS
from dotaliver.image.geometry import Vector
from dotaliver.measurement.caliper import (
    Caliper,
    CaliperEnd,
    with_end_moved,
    with_outline_short_axis,
    with_short_axis,
)
from dotaliver.records.edits import LesionMark
from napari_dotaliver.reading.calipers import ROLES
from napari_dotaliver.reading.lesion_cells import sum_words
from napari_dotaliver.view.caliper_on_image import CaliperOnImage
from napari_dotaliver.view.layers import anatomical_grid, lps_to_world, world_to_lps
from napari_dotaliver.view.measured_image import NOT_REGISTERED
from napari_dotaliver.view.mouse import clicks_of
from napari_dotaliver.widgets import caliper_keys
from napari_dotaliver.widgets.caliper_keys import CaliperKeys
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, soon
from napari_dotaliver.widgets.tool_context import ToolContext, push_button

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["KEYS", "ROLE_KEYS", "CaliperBox"]

KEYS: tuple[Key, ...] = (
    Key("D", "caliper: drag the selected lesion's longest diameter, then its short axis"),
    Key("B", "target lesion, on and off"),
    Key("Shift+B", "non-target lesion, on and off"),
    Key("L", "lymph node (its short axis counts), on and off"),
    *caliper_keys.KEYS,
)
ROLE_KEYS: dict[LesionMark, str] = {"target": "B", "non_target": "Shift+B", "node": "L"}
# An end is taken hold of from so near, in pixels of the screen, and a line begins to be drawn after so many mm.
_GRIP_PIXELS, _BEGINS_MM = 9.0, 1.0
# What the keys moved becomes one step when they rest for so long.
_REST_MS = 700
_AXIAL_ONLY = "Diameters are drawn on axial slices (F1)."


class CaliperBox(QGroupBox):
    """Draws and drags the diameters of the selected lesion.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    taken = Signal(bool)
    """Whether the caliper was taken in hand (True) or put away."""

    changed_outside = Signal()
    """Something was said of a lesion outside the liver."""

    def __init__(self, context: ToolContext, parent: QWidget | None = None) -> None:
        super().__init__("Caliper", parent)
        self._context = context
        self.lesion: str | None = None
        self._drawing: Caliper | None = None
        self._picked: CaliperEnd | None = None
        self._image = CaliperOnImage(context.session, context.viewer, context.layers, self)
        self._keys = CaliperKeys(context.viewer, self, self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._take)
        self.setStyleSheet(CHECKED_BUTTON)
        self._build()
        self._on_click = clicks_of(self)
        context.viewer.mouse_drag_callbacks.append(self._on_click)

    def _build(self) -> None:
        self.button = QPushButton("Caliper (D)")
        self.button.setCheckable(True)
        self.button.setToolTip("While this is on, a drag draws the longest diameter, the next one the short axis.")
        self.button.toggled.connect(self._on_tool)
        self.automatic_button = push_button("Automatic diameter", self.undraw)
        self.snap = QCheckBox("Snap to outline")
        self.snap.setToolTip("Ends near the lesion's outline go onto it; the short axis then follows the outline.")
        self.perpendicular = QCheckBox("Keep perpendicular")
        self.perpendicular.setToolTip("RECIST 1.1: the short axis is perpendicular to the longest diameter.")
        for box in (self.snap, self.perpendicular):
            box.setChecked(True)
        self.size_line, self.sum_line = QLabel(), QLabel()
        for line in (self.size_line, self.sum_line):
            line.setWordWrap(True)
        self.roles: dict[LesionMark, QPushButton] = {role: self._role_button(role) for role in ROLES}
        grid = QGridLayout(self)
        rows: tuple[tuple[tuple[QWidget, int], ...], ...] = (
            ((self.button, 3), (self.automatic_button, 3)),
            ((self.snap, 3), (self.perpendicular, 3)),
            ((self.size_line, 6),),
            tuple((button, 2) for button in self.roles.values()),
            ((self.sum_line, 6),),
        )
        for row, parts in enumerate(rows):
            column = 0
            for part, width in parts:
                grid.addWidget(part, row, column, 1, width)
                column += width

    def _role_button(self, role: LesionMark) -> QPushButton:
        words = {"target": "Target", "non_target": "Non-target", "node": "Node"}[role]
        button = push_button(f"{words} ({ROLE_KEYS[role]})", lambda: self.toggle_role(role))
        button.setCheckable(True)
        button.setToolTip(MARK_WORDS[role])
        return button

    def close_down(self) -> None:
        """Stop following the mouse, and take the caliper's layer from the viewer."""
        viewer = self._context.viewer
        self._rest.stop()
        self._keys.close_down()
        self._lock_camera(False)
        if self._on_click in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_click)
        self._image.close_down()

    # --- what it shows -----------------------------------------------------------------------------------------------

    def choose(self, name: str | None) -> None:
        """Work on a lesion: "2" in the liver's list, "B2" outside."""
        self.take_moved()
        self.lesion = name
        self._drawing = self._picked = None
        self.renew()

    def renew(self) -> None:
        """Show the lesion's diameter, role and the sum as the reading has them now."""
        session, name = self._context.session, self.lesion
        outside = session.score.body
        known = {str(label) for label in session.lesions.labels}
        known |= set() if outside is None else {lesion.name for lesion in outside.lesions}
        if name is not None and name not in known:
            self.lesion = name = None
        caliper = self._drawing if self._drawing is not None else None if name is None else session.caliper_of(name)
        self._image.show(caliper, self._picked)
        drawn = name is not None and session.is_drawn(name)
        clicked = name is not None and name.isdigit() and session.is_clicked(int(name))
        self.automatic_button.setEnabled(drawn or clicked)
        self.size_line.setText(
            _size_words(name, caliper, "drawn" if drawn else "by a click" if clicked else "automatic")
        )
        roles = () if name is None else session.roles_of(name)
        for role, button in self.roles.items():
            button.setChecked(role in roles)
            button.setEnabled(name is not None)
        self.sum_line.setText(sum_words(session.targets()))

    # --- buttons and keys --------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Take the caliper in hand, or put it away."""
        self.button.toggle()

    def _on_tool(self, on: bool) -> None:
        context = self._context
        if on and not context.attempt(self._require_lesion):
            self.button.setChecked(False)
            return
        if on and self._image.grid is None:
            self._context.say(NOT_REGISTERED)
            self.button.setChecked(False)
            return
        self._lock_camera(on)
        self.take_moved()
        self._picked = None
        self._keys.listen(on)
        if on:
            active = context.viewer.layers.selection.active
            if active is not None and str(active.mode) != "pan_zoom":
                # A brush in hand would paint.
                active.mode = "pan_zoom"
            context.say(f"Drag the longest diameter of lesion {self.lesion}, or one of its ends; Tab picks an end.")
        else:
            self.renew()
        self.taken.emit(on)

    def _require_lesion(self) -> str:
        if self.lesion is None:
            label = self._context.labels()[0]
            if label not in self._context.session.lesions.labels:
                msg = f"lesion {label} has no outline; choose a lesion of the PET"
                raise MaskError(msg)
            self.lesion = str(label)
        return self.lesion

    def _lock_camera(self, on: bool) -> None:
        """While the caliper is in hand, a drag draws and does not move the image."""
        self._context.viewer.scene.camera.mouse_pan = not on

    def undraw(self) -> None:
        """Let the automatic diameter count again, in place of one that was drawn or found from a click."""
        self._change(self._context.session.undraw_caliper)

    def toggle_role(self, role: LesionMark) -> None:
        """Mark the lesion as target, non-target or node, or take the mark back."""
        self._change(lambda name: self._context.session.toggle_role(name, role))

    def _change(self, act: Any) -> None:
        self._context.attempt_with_signs(lambda: act(self._require_lesion()))
        self.renew()
        if self.lesion is not None and not self.lesion.isdigit():
            self.changed_outside.emit()

    # --- the mouse ---------------------------------------------------------------------------------------------------

    def clicked(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """Draw a line or drag an end while the caliper is in hand; what is released becomes the lesion's diameter."""
        if not self.button.isChecked() or event.button != 1 or viewer.dims.ndisplay != 2 or self.lesion is None:
            return
        if tuple(viewer.dims.displayed) != (1, 2):
            self._context.say(_AXIAL_ONLY)
            return
        # Whatever moves layers while a line is drawn gives panning back.
        self._lock_camera(True)
        start = self._place(event.position)
        known = self._context.session.caliper_of(self.lesion)
        grip = self._grip(known, start, viewer)
        yield
        while event.type == "mouse_move":
            self._draw_to(self._place(event.position), known, grip, start)
            yield
        # The last move may have been left out: what counts is where the button was released.
        here = self._place(event.position)
        if self._drawing is not None or float(np.linalg.norm(np.subtract(here, start))) >= _BEGINS_MM:
            self._draw_to(here, known, grip, start)
            soon(self, self._take)

    def _draw_to(self, here: Vector, known: Caliper | None, grip: CaliperEnd | None, start: Vector) -> None:
        """Show the caliper with the mouse at a place."""
        if grip is not None or float(np.linalg.norm(np.subtract(here, start))) >= _BEGINS_MM:
            self._drawing = self._drawn(known, grip, start, here)
            self._image.show(self._drawing, self._picked)
            self.size_line.setText(_size_words(self.lesion, self._drawing, "drawing"))

    def _take(self) -> None:
        drawing, self._drawing = self._drawing, None
        if drawing is not None:
            self._change(lambda name: self._context.session.draw_caliper(name, drawing))
            if drawing.short_axis_lps_mm is None:
                self._context.say("Drag the short axis across it; it is kept perpendicular if that is ticked.")

    # --- the keyboard ------------------------------------------------------------------------------------------------

    def pick_end(self, ways: int) -> None:
        """Pick the next end of the axes, or the one before, on the slice that they are drawn on."""
        self.take_moved()
        caliper = None if self.lesion is None else self._context.session.caliper_of(self.lesion)
        if caliper is None:
            self._context.say("There is no diameter yet: M measures at the crosshair, or drag the longest diameter.")
            return
        ends = list(caliper.ends)
        number = ends.index(self._picked) + ways if self._picked in ends else min(ways, 0)
        self._picked = ends[number % len(ends)]
        viewer = self._context.viewer
        height = float(lps_to_world(self._image.as_shown(caliper).ends[self._picked])[0])
        if tuple(viewer.dims.displayed) == (1, 2) and viewer.dims.point[0] != height:
            viewer.dims.set_point(0, height)
        self._image.show(caliper, self._picked)
        self._context.say(
            "Arrows move the orange end by a pixel, with Shift by ten; Tab picks the next, Enter takes it."
        )

    def move_end(self, rows: int, columns: int) -> None:
        """Move the picked end by pixels of the image; the millimetres follow, and a rest of the keys takes them."""
        grid, name, session = self._image.grid, self.lesion, self._context.session
        if tuple(self._context.viewer.dims.displayed) != (1, 2):
            self._context.say(_AXIAL_ONLY)
            return
        known = self._drawing or (None if name is None else session.caliper_of(name))
        if self._picked is None or known is None or grid is None:
            self.pick_end(1)
            return
        turned = anatomical_grid(grid)
        index = np.add(turned.lps_to_index(self._image.as_shown(known).ends[self._picked]), (0, rows, columns))
        place = self._image.in_image(turned.index_to_lps(index))
        moved = with_end_moved(
            known, self._picked, place, session.slice_normal, perpendicular=self.perpendicular.isChecked()
        )
        self._drawing = self._on_outline(moved, known) if self._picked.startswith("long") else moved
        self._image.show(self._drawing, self._picked)
        self.size_line.setText(_size_words(name, self._drawing, "moving"))
        self._rest.start()

    def take_moved(self) -> None:
        """Take what the keys moved as the lesion's diameter."""
        if self._rest.isActive():
            self._rest.stop()
            self._take()

    def put_away(self) -> None:
        """Forget what the keys moved and nobody took, and put the caliper away."""
        if self._rest.isActive():
            self._rest.stop()
            self._drawing = None
        self.button.setChecked(False)

    # --- places ------------------------------------------------------------------------------------------------------

    def _place(self, position: Any) -> Vector:
        """A place under the mouse, on the nearest slice of the measured image and in its coordinates."""
        grid = self._image.grid
        assert grid is not None
        turned = anatomical_grid(grid)
        index = np.asarray(turned.lps_to_index(world_to_lps(np.asarray(position[-3:]))))
        index[0] = np.clip(np.rint(index[0]), 0, turned.shape[0] - 1)
        return self._image.in_image(turned.index_to_lps(index))

    def _grip(self, caliper: Caliper | None, place: Vector, viewer: ViewerModel) -> CaliperEnd | None:
        """The end that is taken hold of at a place."""
        if caliper is None:
            return None
        reach_mm = _GRIP_PIXELS / max(float(viewer.scene.camera.zoom), 1e-6)
        away = {end: float(np.linalg.norm(np.subtract(there, place))) for end, there in caliper.ends.items()}
        nearest = min(away, key=lambda end: away[end])
        return nearest if away[nearest] <= reach_mm else None

    def _drawn(self, known: Caliper | None, grip: CaliperEnd | None, start: Vector, here: Vector) -> Caliper:
        """What the caliper is with the mouse here."""
        session, name = self._context.session, self.lesion
        assert name is not None
        normal, square = session.slice_normal, self.perpendicular.isChecked()
        if self.snap.isChecked():
            start, here = session.snapped(name, start), session.snapped(name, here)
        if grip is not None and known is not None:
            moved = with_end_moved(known, grip, here, normal, perpendicular=square)
            return self._on_outline(moved, known) if grip.startswith("long") else moved
        if known is not None and known.short_axis_lps_mm is None and self._same_slice(known, here):
            return with_short_axis(known, (start, here), normal, perpendicular=square)
        return self._on_outline(Caliper((start, here)), None)

    def _on_outline(self, caliper: Caliper, before: Caliper | None) -> Caliper:
        """With the outline's short axis, unless the reader drew another one before."""
        if not self.snap.isChecked() or self.lesion is None:
            return caliper
        outline = self._context.session.outline_of(self.lesion)
        if before is not None and before.short_axis_lps_mm is not None:
            found = with_outline_short_axis(before, outline).short_axis_lps_mm
            if found is None or not np.allclose(found, before.short_axis_lps_mm, atol=0.1):
                return caliper
        return with_outline_short_axis(caliper, outline)

    def _same_slice(self, caliper: Caliper, place: Vector) -> bool:
        grid = self._context.session.measured_image.geometry
        return round(float(grid.lps_to_index(caliper.long_axis_lps_mm[0])[0])) == round(
            float(grid.lps_to_index(place)[0])
        )


def _size_words(name: str | None, caliper: Caliper | None, how: str) -> str:
    if name is None:
        return "Select a lesion in the table."
    if caliper is None:
        return f"Lesion {name}: no diameter yet."
    short = "" if caliper.short_mm is None else f" × {caliper.short_mm:.1f}"
    return f"Lesion {name}: {caliper.long_mm:.1f}{short} mm ({how})"
