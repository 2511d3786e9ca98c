"""Longest diameters drawn by hand: two buttons, and the lines in the image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dotaliver.errors import DotaliverError, MaskError
from dotaliver.image.geometry import Vector, as_vector
from napari_dotaliver.view.layers import line_of_shape
from napari_dotaliver.widgets.tool_context import SAME_PLACE_MM, ToolContext, push_button

if TYPE_CHECKING:
    from napari.layers import Shapes

__all__ = ["DiameterTool"]


class DiameterTool:
    """Draws a lesion's longest diameter, and follows lines whose ends are dragged.

    Parameters
    ----------
    context : ToolContext
        What it works with.
    """

    def __init__(self, context: ToolContext) -> None:
        self._context = context
        self.draw_button = push_button("Draw diameter (D)", self.draw)
        self.undraw_button = push_button("Automatic diameter", self.undraw)

    def renew(self, label: int | None, there: bool) -> None:
        """Enable what can be done with the selected lesion."""
        session = self._context.session
        self.draw_button.setEnabled(there)
        drawn = label is not None and session.edits.lesion(label).diameter is not None
        self.undraw_button.setEnabled(drawn or (label is not None and session.is_clicked(label)))

    def draw(self) -> None:
        """Take the line tool: the next line is the selected lesion's diameter."""
        context = self._context

        def act() -> None:
            label, layer = context.labels()[0], context.layers.diameters
            if label not in context.session.lesions.labels:
                msg = f"lesion {label} has no outline; choose a lesion of the PET"
                raise MaskError(msg)
            if layer is None:
                msg = "there is no layer of diameters; score the study again"
                raise MaskError(msg)
            layer.visible = True
            context.viewer.layers.selection.active = layer
            layer.mode = "add_line"
            on = "" if context.layers.mr_display is None else " on the MR"
            context.say(f"Draw the longest diameter of lesion {label}{on}: press, drag, release.")

        context.attempt(act)

    def undraw(self) -> None:
        """Let the automatic diameter count again, in place of one that was drawn or found from a click."""
        session = self._context.session

        def act() -> None:
            label = self._context.labels()[0]
            if session.edits.lesion(label).diameter is not None:
                session.redraw_diameter(label, None)
            else:
                session.forget_click(label)

        self._context.attempt(act)

    def live_length(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Show the length of a line while it is drawn or one of its ends is dragged."""
        yield
        while event.type == "mouse_move":
            chosen = sorted(layer.selected_data) or [len(layer.data) - 1]
            if layer.data and str(layer.mode) in {"direct", "select", "add_line"}:
                with contextlib.suppress(DotaliverError, IndexError):
                    first, second = line_of_shape(layer.data[chosen[-1]], layer)
                    self._context.say(f"{float(np.linalg.norm(np.subtract(first, second))):.1f} mm")
            yield

    def take_line(self, layer: Shapes) -> None:
        """Take lines that were drawn or dragged."""
        context = self._context
        session = context.session
        if layer is not context.layers.diameters or layer is None:
            return
        known = [int(n) for n in layer.features["lesion"].fillna(0)] if "lesion" in layer.features else []
        drawn = {label: session.diameter_of(label) for label in known if label}
        taken: set[int] = set()

        def act() -> None:
            for number, vertices in enumerate(layer.data):
                label = known[number] if number < len(known) else 0
                line = self._on_its_image(line_of_shape(vertices, layer))
                if not label or label in taken:
                    # A line that was added takes the features of the one before it.
                    session.redraw_diameter(context.labels()[0], line)
                    return
                taken.add(label)
                before = drawn.get(label)
                if before is None or float(np.abs(np.subtract(before, line)).max()) > SAME_PLACE_MM:
                    session.redraw_diameter(label, line)
                    return

        context.attempt_with_signs(act)

    def _on_its_image(self, line: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
        """A line in the coordinates of the image that diameters are measured on: an MR is shown away from its own."""
        display = self._context.layers.mr_display
        if display is None:
            return line
        first, second = display.to_mr(line)
        return as_vector(first), as_vector(second)
