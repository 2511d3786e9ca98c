"""The panel of verdicts, as they stand now; the numbers behind each fold out."""

from __future__ import annotations

from qtpy.QtCore import QUrl
from qtpy.QtWidgets import QGraphicsOpacityEffect, QTextBrowser, QWidget

from dotaliver.records.score import StudyScore
from napari_dotaliver.reading.verdicts_html import verdicts_html

__all__ = ["VerdictPanel"]


_FADED = 0.45


class VerdictPanel(QTextBrowser):
    """Verdicts with their reasons and doubts; Tab goes from fold to fold, Enter opens one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._score: StudyScore | None = None
        self._unfolded: frozenset[str] = frozenset()
        self._faded = QGraphicsOpacityEffect(self)
        self._faded.setOpacity(_FADED)
        self._faded.setEnabled(False)
        self.viewport().setGraphicsEffect(self._faded)
        self.setOpenLinks(False)
        self.setAccessibleName("Verdicts with their evidence")
        self.anchorClicked.connect(self._on_link)
        self.show_score(None)

    def show_score(self, score: StudyScore | None, *, provisional: bool = False) -> None:
        """Show a record's verdicts; what was read last stays in sight. What is to be measured again is faded."""
        self._faded.setEnabled(provisional)
        if score is not None and score is self._score:
            return
        self._score = score
        self._fill()

    def _fill(self) -> None:
        score = self._score
        place = self.verticalScrollBar().value()
        self.setHtml("<p>Not scored yet.</p>" if score is None else verdicts_html(score, self._unfolded))
        self.verticalScrollBar().setValue(place)

    def fold(self, criterion: str) -> None:
        """Fold the numbers of one criterion out, or in again."""
        self._unfolded ^= {criterion}
        self._fill()

    def _on_link(self, link: QUrl) -> None:
        self.fold(link.fragment())
