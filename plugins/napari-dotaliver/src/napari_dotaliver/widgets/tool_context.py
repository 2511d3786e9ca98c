"""What every tool of the *Correct* tab works with: reading, images, selection, and the line for refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_dotaliver.reading.session import ReadingSession

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_dotaliver.view.study_layers import StudyLayers

__all__ = ["SAME_PLACE_MM", "ToolContext", "push_button"]

SAME_PLACE_MM = 0.05
"""A sign that moved less was not dragged."""


@dataclass(frozen=True, eq=False)
class ToolContext:
    """What a tool works with.

    Attributes
    ----------
    session : ReadingSession
        The reading.
    viewer : ViewerModel
        Its mouse and crosshair.
    layers : StudyLayers
        What is painted on and dragged.
    attempt : callable
        Runs an edit after painted strokes are taken in; shows a refusal, and returns whether there was none.
    labels : callable
        The selected lesions, the current one first; raises `MaskError` where none is selected.
    say : callable
        Shows a line above the tools.
    """

    session: ReadingSession
    viewer: ViewerModel
    layers: StudyLayers
    attempt: Callable[[Callable[[], object]], bool]
    labels: Callable[[], tuple[int, ...]]
    say: Callable[[str], None]

    def attempt_with_signs(self, act: Callable[[], object]) -> bool:
        """Run an edit that began by dragging a sign; a refused one is drawn where it was."""
        done = self.attempt(act)
        if not done:
            self.layers.show(self.session)
        return done


def push_button(words: str, act: Callable[[], object]) -> QPushButton:
    """A button that does one thing."""
    button = QPushButton(words)
    button.clicked.connect(lambda _=False: act())
    return button
