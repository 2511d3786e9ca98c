"""Edits that outlive a crash: kept in a private file once a minute at most, offered when the study is read again.

The file holds masks and edits, no image and no patient name; the name of the reader is in it, so only the user may
read it. It is written whole or not at all, and goes when the reading is saved or left.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from platformdirs import user_state_path
from pydantic import ValidationError
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dotaliver.errors import DotaliverError, FileFormatError
from dotaliver.frozen import FrozenModel
from dotaliver.records.edits import ReaderEdits
from dotaliver.records.score import StudyScore
from dotaliver.records.study import StudyIdentity
from napari_dotaliver.reading.measuring import ReadingState
from napari_dotaliver.reading.packed import PackedLabels
from napari_dotaliver.reading.session import ReadingSession

__all__ = ["KEPT_EVERY_MS", "RecoveryBanner", "RecoveryFile", "Unsaved", "when", "write_private"]

KEPT_EVERY_MS = 20_000
"""At most so much of a reading is lost: well within the minute that is promised."""
_LARGEST_BYTES = 1 << 28


class _Mask(FrozenModel):
    shape: tuple[int, int, int]
    start: tuple[int, int, int]
    size: tuple[int, int, int]
    data: str


class Unsaved(FrozenModel):
    """A reading that was not saved: of which record, since when, and what was edited."""

    schema_version: Literal["1"] = "1"
    record_id: str
    pixels: tuple[str, ...]
    kept_at: datetime
    edits: ReaderEdits
    liver: _Mask | None = None
    lesions: _Mask | None = None

    def state(self) -> ReadingState:
        """The step at which the reading was left."""
        return ReadingState(_packed(self.liver), _packed(self.lesions), self.edits)


def _packed(mask: _Mask | None) -> PackedLabels | None:
    return None if mask is None else PackedLabels(mask.shape, mask.start, mask.size, base64.b64decode(mask.data))


def _mask(packed: PackedLabels | None) -> _Mask | None:
    if packed is None:
        return None
    text = base64.b64encode(packed.data).decode("ascii")
    return _Mask(shape=packed.shape, start=packed.start, size=packed.size, data=text)


def _pixels(identity: StudyIdentity) -> tuple[str, ...]:
    """What tells the images of a study from all others."""
    series = (identity.pet, identity.ct, identity.recist_image)
    return tuple("" if one is None else one.pixel_sha256 for one in series)


class RecoveryFile:
    """The file that holds the unsaved edits of one study.

    Parameters
    ----------
    record : StudyScore
        The record that is revised.
    folder : Path, optional
        Where such files lie; the user's folder of program state where it is left out.
    """

    def __init__(self, record: StudyScore, folder: Path | None = None) -> None:
        self._record = record
        self._pixels = _pixels(record.study)
        name = hashlib.sha256("\n".join(self._pixels).encode()).hexdigest()[:24]
        self.path = (folder or user_state_path("dotaliver", appauthor=False) / "unsaved") / f"{name}.json"

    def keep(self, state: ReadingState) -> None:
        """Write a step of the reading, whole or not at all.

        Raises
        ------
        FileFormatError
            Where it cannot be written.
        """
        unsaved = Unsaved(
            record_id=self._record.record_id,
            pixels=self._pixels,
            kept_at=datetime.now(UTC),
            edits=state.edits,
            liver=_mask(state.liver),
            lesions=_mask(state.lesions),
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.path, unsaved.model_dump_json().encode())
        except OSError as error:
            msg = (
                f"unsaved edits cannot be backed up ({error.strerror or error}); save soon, or free some space in "
                "your program state folder"
            )
            raise FileFormatError(msg) from error

    def find(self) -> Unsaved | None:
        """The unsaved edits of this study; None where there are none.

        Raises
        ------
        FileFormatError
            Where they cannot be read, or belong to other images or to another scoring of them.
        """
        try:
            if self.path.stat().st_size > _LARGEST_BYTES:
                msg = "the unsaved edits that were kept are damaged; discard them"
                raise FileFormatError(msg)
            unsaved = Unsaved.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except FileFormatError:
            raise
        except (OSError, ValidationError) as error:
            msg = "the unsaved edits that were kept are damaged; discard them"
            raise FileFormatError(msg) from error
        if unsaved.pixels != self._pixels:
            msg = "the unsaved edits that were kept belong to other images; discard them"
            raise FileFormatError(msg)
        if unsaved.record_id != self._record.record_id:
            msg = (
                f"unsaved edits of {when(unsaved.kept_at)} belong to another scoring of these images (other "
                "settings, masks or version) and cannot be restored; open that score, or discard them"
            )
            raise FileFormatError(msg)
        return unsaved

    def discard(self) -> None:
        """Take the file away."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Put a file that only the user may read in the place of another, or leave that as it is."""
    descriptor, name = tempfile.mkstemp(prefix=".unsaved-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def when(time: datetime) -> str:
    """A time as people write it, in their own time zone."""
    return time.astimezone().strftime("%d %b %Y, %H:%M")


class RecoveryBanner(QFrame):
    """Offers unsaved edits of an earlier run, and keeps those of this one.

    Parameters
    ----------
    session : ReadingSession
        The reading.
    folder : Path, optional
        Where files of recovery lie; the user's own where it is left out.
    """

    def __init__(self, session: ReadingSession, folder: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.file = RecoveryFile(session.automatic, folder)
        self._found: Unsaved | None = None
        self._kept: ReadingState | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.take_up_button = QPushButton("Restore")
        self.discard_button = QPushButton("Discard")
        self.take_up_button.clicked.connect(self._take_up)
        self.discard_button.clicked.connect(self.discard)
        buttons = QHBoxLayout()
        buttons.addWidget(self.take_up_button)
        buttons.addWidget(self.discard_button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(self.words)
        layout.addLayout(buttons)
        self._timer = QTimer(self)
        self._timer.setInterval(KEPT_EVERY_MS)
        self._timer.timeout.connect(self.keep)
        self._end = session.on_change(self._on_change)
        self._offer()
        self._timer.start()

    def _offer(self) -> None:
        """Show what was left unsaved, or hide."""
        try:
            self._found = self.file.find()
        except DotaliverError as error:
            text = str(error)
            self._say(text[:1].upper() + text[1:] + ".", can_be_taken=False)
            return
        if self._found is None or self._found.state() == self._session.state:
            self.hide()
            return
        self._say(f"Edits of {when(self._found.kept_at)} were not saved. Restore them?", can_be_taken=True)

    def _say(self, sentence: str, *, can_be_taken: bool) -> None:
        self.words.setText(sentence)
        self.take_up_button.setVisible(can_be_taken)
        self.discard_button.setVisible(True)
        self.show()

    @property
    def offering(self) -> bool:
        """Whether edits of an earlier run wait for an answer."""
        return not self.isHidden()

    def _take_up(self) -> None:
        if self._found is None:
            return
        try:
            self._session.resume(self._found.state())
        except DotaliverError as error:
            text = str(error)
            self._say(text[:1].upper() + text[1:] + ".", can_be_taken=False)
            return
        self._found = None
        self.hide()

    def keep(self) -> None:
        """Write what was edited since the last time; what waits for an answer is not written over."""
        state = self._session.state
        if self.offering or not self._session.dirty or state is self._kept:
            return
        try:
            self.file.keep(state)
        except FileFormatError as error:
            text = str(error)
            self._say(text[:1].upper() + text[1:] + ".", can_be_taken=False)
            self.discard_button.hide()
            return
        self._kept = state

    def discard(self) -> None:
        """Lose what was not saved."""
        self.file.discard()
        self._found = self._kept = None
        self.hide()

    def discard_reading(self) -> None:
        """Lose what this reading holds unsaved, for good: it is not kept again unless it is edited further."""
        self.discard()
        self._kept = self._session.state

    def _on_change(self) -> None:
        """Nothing unsaved is kept of a reading that was saved or undone to its start."""
        if not self._session.dirty and self._kept is not None:
            self.file.discard()
            self._kept = None

    def close_down(self) -> None:
        """Stop keeping; what was kept stays for the next start."""
        self._timer.stop()
        self._end()
