"""Answers to two scans that outlive a crash: kept in a private file with every answer, offered at the next opening.

The file holds decisions and the identifiers of the two records: no image, no patient's name.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from platformdirs import user_state_path
from pydantic import ValidationError
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError, FileFormatError
from dotaliver.frozen import FrozenModel
from dotaliver.longitudinal.edits import CourseEdits
from napari_dotaliver.reading.visit_session import VisitSession
from napari_dotaliver.widgets.recovery import when, write_private

__all__ = ["UnsavedAnswers", "VisitRecovery"]

_LARGEST_BYTES = 1 << 22


class UnsavedAnswers(FrozenModel):
    """Decisions that were not saved: about which two records, and since when."""

    schema_version: Literal["1"] = "1"
    record_ids: tuple[str, str]
    kept_at: datetime
    edits: CourseEdits


class VisitRecovery(QFrame):
    """Offers answers of an earlier run, and keeps those of this one.

    Parameters
    ----------
    session : VisitSession
        The comparison.
    folder : Path, optional
        Where such files lie; the user's folder of program state where it is left out.
    """

    def __init__(self, session: VisitSession, folder: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        earlier, later = (visit.score.record_id for visit in session.visits.both)
        self._ids = (earlier, later)
        name = hashlib.sha256("\n".join(self._ids).encode()).hexdigest()[:24]
        self.path = (folder or user_state_path("dotaliver", appauthor=False) / "unsaved") / f"visits-{name}.json"
        self._found: UnsavedAnswers | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.restore_button, self.discard_button = QPushButton("Restore"), QPushButton("Discard")
        self.restore_button.clicked.connect(lambda _=False: self._restore())
        self.discard_button.clicked.connect(lambda _=False: self.discard())
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore_button)
        buttons.addWidget(self.discard_button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(self.words)
        layout.addLayout(buttons)
        self._end = session.on_change(self._on_change)
        self._offer()

    def _offer(self) -> None:
        self.hide()
        if self._session.pair is None:
            return
        try:
            self._found = self._read()
        except FileFormatError as error:
            self._say(str(error))
            self.restore_button.hide()
            return
        if self._found is not None:
            self._say(f"answers of {when(self._found.kept_at)} were not saved. Restore them?")

    def _say(self, sentence: str) -> None:
        end = "" if sentence.endswith("?") else "."
        self.words.setText(f"{sentence[:1].upper()}{sentence[1:]}{end}")
        self.show()

    def _read(self) -> UnsavedAnswers | None:
        try:
            if self.path.stat().st_size > _LARGEST_BYTES:
                msg = "the answers that were kept are damaged; discard them"
                raise FileFormatError(msg)
            found = UnsavedAnswers.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except FileFormatError:
            raise
        except (OSError, ValidationError) as error:
            msg = "the answers that were kept are damaged; discard them"
            raise FileFormatError(msg) from error
        if found.record_ids != self._ids:
            msg = "the answers that were kept belong to other records; discard them"
            raise FileFormatError(msg)
        return found

    @property
    def offering(self) -> bool:
        """Whether answers of an earlier run wait for a decision."""
        return not self.isHidden()

    def _restore(self) -> None:
        found, self._found = self._found, None
        if found is None:
            return
        self.hide()
        try:
            self._session.resume(found.edits)
        except DotaliverError as error:
            self._found = found
            self._say(str(error))
            self.restore_button.hide()

    def discard(self) -> None:
        """Lose what was not saved."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self._found = None
        self.hide()

    def _on_change(self) -> None:
        """Keep every answer at once; nothing is kept of what is saved, and what waits is not written over."""
        if self.offering:
            return
        if not self._session.dirty:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            return
        kept = UnsavedAnswers(record_ids=self._ids, kept_at=datetime.now(UTC), edits=self._session.edits)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.path, kept.model_dump_json().encode())
        except OSError as error:
            self._say(f"unsaved answers cannot be backed up ({error.strerror or error}); save soon")
            self.restore_button.hide()

    def close_down(self) -> None:
        """Keep nothing more; what was kept stays for the next start."""
        self._end()
