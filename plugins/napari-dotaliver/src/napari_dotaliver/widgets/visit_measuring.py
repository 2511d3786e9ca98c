"""A diameter drawn on one of two scans: the line tool, and what becomes of the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from dotaliver.errors import DotaliverError
from napari_dotaliver.view.linked_views import LinkedViews
from napari_dotaliver.view.sign_layers import line_of_shape
from napari_dotaliver.widgets.background import sentence_of
from napari_dotaliver.widgets.shortcuts import soon

__all__ = ["VisitMeasuring"]


class VisitMeasuring(QObject):
    """The line tool of both scans.

    Parameters
    ----------
    views : LinkedViews
        The scans, each with a layer for lines.
    """

    measured = Signal(str, int, float)
    """A lesion, the scan, and its diameter there in mm."""
    refused = Signal(str)

    def __init__(self, views: LinkedViews, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._views = views
        self._asked: tuple[str, int] | None = None
        for number, view in enumerate(views.views):
            view.lines.events.data.connect(self._when_drawn(number))

    def begin(self, lesion: str, scan: int) -> None:
        """Let the next line on a scan be a lesion's diameter."""
        self.end()
        view = self._views.views[scan]
        self._asked = (lesion, scan)
        view.model.layers.selection.active = view.lines
        view.lines.mode = "add_line"

    def end(self) -> None:
        """Put the line tool away."""
        self._asked = None
        for view in self._views.views:
            view.lines.mode = "pan_zoom"
            view.model.layers.selection.clear()

    def _when_drawn(self, number: int) -> Callable[[Any], None]:
        def drawn(event: Any) -> None:
            if str(getattr(event, "action", "")).endswith("added") and self._asked is not None:
                soon(self, lambda: self._take(number))

        return drawn

    def _take(self, number: int) -> None:
        """Measure the line that was drawn last, and take it away: the size is in the list."""
        lines = self._views.views[number].lines
        if self._asked is None or number != self._asked[1] or not lines.data:
            return
        lesion, scan = self._asked
        try:
            p, q = line_of_shape(lines.data[-1], lines)
        except DotaliverError as error:
            self.refused.emit(sentence_of(error))
        else:
            self.measured.emit(lesion, scan, round(float(np.linalg.norm(np.subtract(p, q))), 1))
        self.end()
        with lines.events.data.blocker():
            lines.data = []
