"""Marking tools: strokes "more here, less there", splitting, merging, and a lesion outlined by a click on the PET."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QGridLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QShortcut,
    QTextEdit,
    QWidget,
)

from dotaliver.errors import MaskError
from dotaliver.image.geometry import Vector, as_vector
from napari_dotaliver.reading.marking import OutlinePreview
from napari_dotaliver.view.layers import world_to_lps
from napari_dotaliver.view.marking_mouse import MarkingMouse
from napari_dotaliver.view.marks import Look, Marks
from napari_dotaliver.widgets.keys import Key
from napari_dotaliver.widgets.shortcuts import CHECKED_BUTTON, soon, take_key
from napari_dotaliver.widgets.tool_context import ToolContext, push_button

if TYPE_CHECKING:
    from dotaliver.image.volume import LabelMap
    from dotaliver.segmentation.editing.scribbles import StrokeKind

__all__ = ["MARKING_KEYS", "MarkingBox"]

MARKING_KEYS: tuple[Key, ...] = (
    Key("A", "stroke: more here (selected lesion, or the liver)"),
    Key("R", "stroke: less here"),
    Key("I", "outline a lesion by a click on the PET; the wheel changes the level"),
    Key("S", "split the selected lesion by clicks, one in each part"),
    Key("X", "cut the selected lesion along a line"),
    Key("Y", "merge two lesions by clicking them"),
    Key("Enter, Esc", "accept or discard what a marking tool shows"),
)
_LONGEST_STROKE_POINTS = 300
_BESIDE_MM = 10.0


@dataclass(frozen=True)
class _Tool:
    key: str
    words: str
    look: Look
    help: str


_TOOLS: dict[str, _Tool] = {
    "more": _Tool("A", "More here", "more", "Draw over missing lesion; release the button to correct the outline."),
    "less": _Tool("R", "Less here", "less", "Draw over what is not lesion; release the button to correct the outline."),
    "outline": _Tool("I", "Outline", "click", "Click a focus of uptake on the PET."),
    "seeds": _Tool("S", "Split, clicks", "seed", "Click once in each part of the selected lesion."),
    "line": _Tool("X", "Split, line", "line", "Draw a line across the selected lesion, from border to border."),
    "merge": _Tool("Y", "Merge, clicks", "seed", "Click the first of two lesions."),
}


class MarkingBox(QGroupBox):
    """Tools that mark on the image; at most one is in hand, and nothing but its own act changes the reading.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    lesion_made = Signal(int)
    """A lesion was outlined, split or merged: the one to select."""
    renewed = Signal()
    """What is shown of the tool in hand changed."""
    taken = Signal()
    """A tool was taken in hand; others are put down."""

    def __init__(self, context: ToolContext, parent: QWidget | None = None) -> None:
        super().__init__("Mark on the image", parent)
        self._context = context
        self._marks = Marks(context.viewer)
        self._mouse = MarkingMouse(context.viewer, self._on_drawn)
        self._seeds: list[Vector] = []
        self._rests_on: LabelMap | None = None
        self.tool: str | None = None
        self.preview: OutlinePreview | None = None
        self._keys: list[QShortcut] = []
        self.setStyleSheet(CHECKED_BUTTON)
        self._build()
        self._end = context.session.on_change(self._on_change)

    def _build(self) -> None:
        grid = QGridLayout(self)
        self.on_lesion, self.on_liver = QRadioButton("Selected lesion"), QRadioButton("Liver")
        self.on_lesion.setChecked(True)
        grid.addWidget(QLabel("Strokes correct"), 0, 0)
        grid.addWidget(self.on_lesion, 0, 1)
        grid.addWidget(self.on_liver, 0, 2)
        self.buttons: dict[str, QPushButton] = {}
        for number, (name, tool) in enumerate(_TOOLS.items()):
            button = QPushButton(f"{tool.words} ({tool.key})")
            button.setCheckable(True)
            button.setToolTip(tool.help)
            button.clicked.connect(lambda _=False, name=name: self.toggle(name))
            self.buttons[name] = button
            grid.addWidget(button, 1 + number // 3, number % 3)
        self._build_in_hand()
        self._renew()

    def _build_in_hand(self) -> None:
        """What is shown of the tool in hand, wherever the panel is scrolled to: whoever mounts the box places it."""
        self.in_hand = QWidget()
        grid = QGridLayout(self.in_hand)
        grid.setContentsMargins(0, 0, 0, 0)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        # A layout does not count the lines of wrapped text.
        self.line.setMinimumHeight(2 * self.line.fontMetrics().lineSpacing())
        self.accept_button = push_button("Accept (Enter)", self.accept)
        self.discard_button = push_button("Discard (Esc)", self.discard)
        grid.addWidget(self.line, 0, 0, 1, 2)
        grid.addWidget(self.accept_button, 1, 0)
        grid.addWidget(self.discard_button, 1, 1)

    def bind_ending_keys(self, carrier: QWidget) -> None:
        """Let Enter and Esc accept and discard, while there is something to accept or discard."""
        for key, act in (("Return", self._enter), ("Enter", self._enter), ("Esc", self.discard)):
            shortcut = QShortcut(QKeySequence(key), carrier)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(act)
            shortcut.setEnabled(False)
            self._keys.append(shortcut)
            take_key(key)

    def close_down(self) -> None:
        """Give the mouse back and forget what was drawn."""
        self.put_down()
        for shortcut in self._keys:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._keys.clear()
        self._marks.remove()
        self._end()

    # --- tools in hand -----------------------------------------------------------------------------------------------

    def toggle(self, name: str) -> None:
        """Take a tool, or put it down where it is in hand."""
        if self.tool == name:
            self.put_down()
            return
        self._forget()
        self.tool = name
        self._mouse.take()
        self.taken.emit()
        self._renew()

    def put_down(self) -> None:
        """Put the tool down; what was drawn and not accepted is forgotten."""
        self._forget()
        self.tool = None
        self._mouse.give_back()
        self._renew()

    def _forget(self) -> None:
        self._seeds.clear()
        self.preview = None
        self._mouse.give_wheel_back()
        self._marks.clear()

    def _renew(self) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name == self.tool)
        pending = self.preview is not None or len(self._seeds) > 0
        self.accept_button.setEnabled(self.preview is not None or (self.tool == "seeds" and len(self._seeds) > 1))
        self.discard_button.setEnabled(pending or self.tool is not None)
        for shortcut in self._keys:
            is_enter = shortcut.key() != QKeySequence("Esc")
            shortcut.setEnabled(self.accept_button.isEnabled() if is_enter else self.tool is not None)
        self.line.setText(self._words())
        self.in_hand.setVisible(self.tool is not None)
        self.renewed.emit()

    def _words(self) -> str:
        if self.tool is None:
            return ""
        if self.preview is not None:
            volume = float(self.preview.mask.sum()) * self._context.session.lesions.geometry.voxel_volume_ml
            whose = "New lesion" if self.preview.is_new else f"Lesion {self.preview.label}"
            return f"{whose} at {self.preview.words}, {volume:.1f} ml. Wheel: level. Enter accepts, Esc discards."
        if self.tool == "seeds" and self._seeds:
            return f"{len(self._seeds)} parts marked. " + (
                "Enter splits." if len(self._seeds) > 1 else "Click the next."
            )
        if self.tool == "merge" and self._seeds:
            return f"Lesion {self._context.session.lesion_at(self._seeds[0])}: click the lesion to merge it with."
        return _TOOLS[self.tool].help

    # --- what the hand does ------------------------------------------------------------------------------------------

    def _on_drawn(self, places: list[Vector], released: bool) -> None:
        if self.tool is None:
            return
        if self.tool in {"more", "less", "line"}:
            shown = places if self.tool != "line" else [places[0], places[-1]]
            self._marks.show_path(shown, _TOOLS[self.tool].look)
        if released:
            # The canvas is changed only when its own event is over.
            soon(self, lambda: self._act(places))

    def _act(self, places: list[Vector]) -> None:
        tool = self.tool
        if tool is None:
            return
        if self._context.layers.pet.projection_mode != "none":
            self._context.attempt(_refuse_on_projection)
            self._forget()
        elif tool in {"more", "less"}:
            self._stroke(places, "more" if tool == "more" else "less")
        elif tool == "line":
            self._cut(places)
        elif tool == "outline":
            self._look_at(places[-1])
        elif tool == "seeds":
            self._add_seed(places[-1])
        else:
            self._merge_with(places[-1])
        self._renew()

    def _stroke(self, places: list[Vector], kind: StrokeKind) -> None:
        session, step = self._context.session, max(1, -(-len(places) // _LONGEST_STROKE_POINTS))
        points = [*places[::step], places[-1]] if len(places) > 1 else places
        if self.on_liver.isChecked():
            self._context.attempt(lambda: session.scribble_liver(points, kind))
        else:
            self._context.attempt(lambda: session.scribble(self._context.labels()[0], points, kind))
        self._marks.clear()

    def _cut(self, places: list[Vector]) -> None:
        session, axis = self._context.session, self._context.viewer.dims.order[0]
        view = as_vector(np.asarray(world_to_lps(np.eye(3)[axis])) - np.asarray(world_to_lps(np.zeros(3))))

        def act() -> None:
            session.cut_lesion(self._context.labels()[0], (places[0], places[-1]), view)

        self._context.attempt(act)
        self._marks.clear()

    def _look_at(self, place: Vector) -> None:
        self._forget()

        def act() -> None:
            self.preview = self._context.session.preview_outline(place)
            self._rests_on = self._context.session.lesions

        if self._context.attempt(act) and self.preview is not None:
            self._mouse.take_wheel(self._on_notches)
            self._show_preview()

    def _on_notches(self, notches: int) -> None:
        if self.preview is not None:
            self.preview = self.preview.turned(notches)
            self._show_preview()
            self._renew()

    def _show_preview(self) -> None:
        preview = self.preview
        if preview is None:
            return
        grid = self._context.session.lesions.geometry.crop(preview.place.box)
        self._marks.show_preview(preview.mask, grid)
        beside = list(preview.click_lps_mm)
        # Patient coordinates are x, y, z, the canvas' axes z, y, x.
        across = 2 - self._context.viewer.dims.displayed[-1]
        beside[across] = float(grid.index_to_lps(np.argwhere(preview.mask))[:, across].max()) + _BESIDE_MM
        self._marks.show_level(preview.click_lps_mm, as_vector(beside), f"{preview.percent:.0f} %")

    def _add_seed(self, place: Vector) -> None:
        session = self._context.session

        def act() -> None:
            label = self._context.labels()[0]
            if session.lesion_at(place) != label:
                msg = f"that place lies outside lesion {label}; click inside it, once in each part"
                raise MaskError(msg)
            self._seeds.append(place)
            self._rests_on = session.lesions

        self._context.attempt(act)
        self._marks.show(self._seeds, "seed", [str(n) for n in range(1, len(self._seeds) + 1)])

    def _merge_with(self, place: Vector) -> None:
        session = self._context.session

        def act() -> None:
            label = session.lesion_at(place)
            if label == 0:
                msg = "there is no lesion at that place; click inside an outline"
                raise MaskError(msg)
            if not self._seeds:
                self._seeds.append(place)
                self._rests_on = session.lesions
                return
            first = session.lesion_at(self._seeds[0])
            if label == first:
                msg = f"lesion {first} was clicked twice; click another one"
                raise MaskError(msg)
            session.merge_lesions((first, label))
            self._forget()
            self.lesion_made.emit(min(first, label))

        self._context.attempt(act)
        self._marks.show(self._seeds, "seed")

    # --- accepting ---------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        """Enter was pressed: it accepts, but not while a text is written or another button has the focus."""
        focus = QApplication.focusWidget()
        if isinstance(focus, QLineEdit | QAbstractSpinBox | QPlainTextEdit) or (
            isinstance(focus, QTextEdit) and not focus.isReadOnly()
        ):
            return
        if focus is self.discard_button:
            self.discard()
            return
        self.accept()

    def accept(self) -> None:
        """Take the previewed outline into the reading, or split at the seeds."""
        session, preview, seeds = self._context.session, self.preview, list(self._seeds)
        act: Callable[[], object]
        if preview is not None:
            label = preview.label

            def act() -> None:
                session.take_outline(preview)

        elif self.tool == "seeds" and len(seeds) > 1:
            label = self._seed_label()

            def act() -> None:
                session.split_at_seeds(label, seeds)

        else:
            return
        self._forget()
        if self._context.attempt(act):
            self.lesion_made.emit(label)
        self._renew()

    def _seed_label(self) -> int:
        return self._context.session.lesion_at(self._seeds[0])

    def discard(self) -> None:
        """Forget what is shown; where nothing is, put the tool down."""
        if self.preview is not None or self._seeds:
            self._forget()
            self._renew()
        else:
            self.put_down()

    def _on_change(self) -> None:
        """Forget what rests on lesions that have changed since."""
        if (self.preview is not None or self._seeds) and self._context.session.lesions is not self._rests_on:
            self._forget()
            self._renew()


def _refuse_on_projection() -> None:
    msg = "a projection has no depth to mark in; switch it off first (F4)"
    raise MaskError(msg)
