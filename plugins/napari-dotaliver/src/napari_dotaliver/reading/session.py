"""One reading of one study: what the reader changed, step by step, and what it gives. No window in it.

The record that is revised stays as it is. Every edit makes a new `ReadingState`; undo goes back to an older one.
Measuring is the pipeline's (`_measuring`); between an edit and the next measurement the session is `stale`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dotaliver.errors import ConfigError, OutputError
from dotaliver.pipeline import Outcome, OutputOptions, save
from dotaliver.records.differences import RecordDifference, compare_records
from dotaliver.records.score import StudyScore
from dotaliver.system.progress import silent
from napari_dotaliver.reading.calipers import Calipers
from napari_dotaliver.reading.editing import MARKS
from napari_dotaliver.reading.measuring import (
    Measured,
    Progress,
    ReadingState,
    answered,
    measure,
)
from napari_dotaliver.reading.steps import Step

__all__ = ["MARKS", "ReadingSession"]


class ReadingSession(Calipers):
    """A reading of one scored study.

    Parameters
    ----------
    outcome : Outcome
        The scored study; its record is the one that is revised.
    folder : Path, optional
        Where that record lies; where it lies nowhere yet, saving writes it too.
    """

    def changes(self) -> RecordDifference:
        """What differs between the record that is revised and the one that was measured last."""
        return compare_records(self.automatic, self.score)

    def measuring(self) -> Callable[[Progress], Measured]:
        """What is to be run, in whatever thread, to measure the step that stands now; then `adopt` the result."""
        outcome, step, before = self.outcome, self._step, self._measured
        return lambda progress: measure(outcome, step.state, step.standing, before, progress)

    def adopt(self, measured: Measured, of: ReadingState | None = None) -> bool:
        """Take a measurement; False, and nothing happens, where the reading has moved on since (from ``of``)."""
        now = self.state
        if of is not None and of is not now:
            return False
        if measured.state.liver is not now.liver or measured.state.lesions is not now.lesions:
            return False
        self._measured = measured
        self._step = Step(measured.state, self._step.standing)
        self._tell()
        return True

    def remeasure(self, progress: Progress = silent) -> Measured:
        """Measure the step that stands, in this thread."""
        measured = self.measuring()(progress)
        self.adopt(measured)
        return measured

    def saving(self, folder: Path, options: OutputOptions | None = None) -> Callable[[Progress], None]:
        """What is to be run, in whatever thread, to write the reading into a folder; then call `saved`.

        The record that is revised is written beside it, into ``automatic``, where it stands nowhere yet.

        Raises
        ------
        ConfigError
            Where nobody signed, or something was edited since the last measurement.
        OutputError
            Where the folder holds the record that this one revises.
        """
        if self.reader is None or not self.signed:
            msg = "give the reader's name and role before saving"
            raise ConfigError(msg)
        if self.stale:
            msg = "something was edited since the last measurement; re-measure before saving"
            raise ConfigError(msg)
        if self.folder is not None and folder.resolve() == self.folder.resolve():
            msg = f"{folder.name}: the folder holds the record that this one revises; choose another"
            raise OutputError(msg)
        score = answered(self._measured.proposed, self.edits.model_copy(update={"made_at": datetime.now(UTC)}))
        outcome, unwritten = self.revision(score), self.outcome if self.folder is None else None

        def write(progress: Progress) -> None:
            if unwritten is not None:
                save(unwritten, folder / "automatic", options, progress=progress)
            save(outcome, folder, options, progress=progress)

        return write

    def saved(self, folder: Path, state: ReadingState) -> None:
        """Note that a state was written into a folder."""
        if self.folder is None:
            self.folder = folder / "automatic"
        self.saved_in, self._saved = folder, state
        self._tell()

    def save(self, folder: Path, options: OutputOptions | None = None, progress: Progress = silent) -> None:
        """Measure if need be, and write record, masks and report into a folder, in this thread."""
        if self.stale:
            self.remeasure(progress)
        state = self.state
        self.saving(folder, options)(progress)
        self.saved(folder, state)

    def revision(self, score: StudyScore) -> Outcome:
        """A record of this reading with all that its files are made of; it names the record that it revises."""
        revises = score.provenance.model_copy(update={"revises": self.automatic.record_id})
        score = score.model_copy(update={"provenance": revises})
        of = self.outcome
        return Outcome(score, of.opened, self.segmentations, of.folder, of.part, of.fdg)
