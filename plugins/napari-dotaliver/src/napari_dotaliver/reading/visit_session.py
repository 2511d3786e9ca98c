"""One comparison of two scans, of a longer course too: what the reader answered, step by step, and what it gives.

Matching, response and the edits themselves are those of `dotaliver.longitudinal`; here are the steps, who reads, and
what is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dotaliver.errors import ConfigError, DotaliverError
from dotaliver.longitudinal import pair_answers
from dotaliver.longitudinal.assembly import AssembledCourse
from dotaliver.longitudinal.compared_scans import ComparedScans
from dotaliver.longitudinal.edits import COURSE_EDITS, CourseEdits
from dotaliver.longitudinal.pair_answers import IdentityAnswer
from dotaliver.longitudinal.pair_rows import PairRow
from dotaliver.longitudinal.records import Reading
from dotaliver.longitudinal.visit_pair import VisitPair
from dotaliver.pipeline.visits import Visits, save_decisions, save_visits
from dotaliver.records.edits import Reader
from dotaliver.system.progress import Progress

__all__ = ["VisitSession"]


class VisitSession:
    """The comparison of two scans by one reader.

    Parameters
    ----------
    visits : Visits
        Both scans with what a comparison gives; where they cannot be compared there is nothing to answer.
    case : str, optional
        The code of a case of a blinded reading, which alone is shown then.
    """

    def __init__(self, visits: Visits, case: str | None = None) -> None:
        self.visits, self.case = visits, case
        self.pair: VisitPair | None = visits.pair
        self._past: list[CourseEdits] = []
        self._future: list[CourseEdits] = []
        self._edits = CourseEdits() if self.pair is None else self.pair.edits.model_copy(update={"reader": None})
        self._saved = self._edits
        self.last_reader: Reader | None = None if self.pair is None else self.pair.edits.reader
        self._signed: Reader | None = None
        self.saved_in: Path | None = None
        self._told: list[Callable[[], None]] = []

    # --- what it is now ----------------------------------------------------------------------------------------------

    @property
    def reading(self) -> Reading | None:
        """The response with all answers; None where the scans cannot be compared."""
        return None if self.pair is None else self.pair.reading

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The lesions with their states."""
        rows = () if self.pair is None else self.pair.rows
        return rows if self.case is None else tuple(replace(row, why=self.as_shown(row.why)) for row in rows)

    def as_shown(self, text: str) -> str:
        """A text as the reader may see it: in a blinded reading the scans' numbers in place of their dates."""
        if self.case is None or self.pair is None:
            return text
        for number, key in enumerate(self.pair.reading.scans, start=1):
            text = text.replace(key.on.isoformat(), f"scan {number}")
        return text

    @property
    def compared(self) -> ComparedScans | None:
        """The two scans that are shown with the reading of the course; None where they cannot be compared."""
        return None if self.pair is None else self.pair.compared

    def scan_of(self, side: int) -> int:
        """Which scan of the course stands on the left (0) or the right (1), counted from 0 in time order."""
        return side if self.pair is None else self.pair.shown[side]

    def show(self, visits: Visits) -> None:
        """Go on with two other scans of the course; the decisions and their steps stay."""
        self.visits = visits
        if visits.pair is not None:
            self.pair = visits.pair.with_edits(self._edits.model_copy(update={"reader": self._signed}))

    @property
    def edits(self) -> CourseEdits:
        """What the reader decided, signed where somebody did."""
        return self._edits.model_copy(update={"reader": self._signed})

    @property
    def dirty(self) -> bool:
        """Whether something was decided that is not saved."""
        return self._edits != self._saved

    @property
    def provisional(self) -> bool:
        """Whether the response shown is not yet the one that was computed from the saved edits."""
        return self.dirty or self.saved_in is None

    @property
    def reader(self) -> Reader | None:
        """Who signed this reading, or else who signed the edits that it began with."""
        return self._signed or self.last_reader

    @property
    def signed(self) -> bool:
        """Whether somebody signed this reading."""
        return self._signed is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to go back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step that was undone."""
        return bool(self._future)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each change; what is returned ends that."""
        self._told.append(callback)

        def end() -> None:
            if callback in self._told:
                self._told.remove(callback)

        return end

    # --- deciding ----------------------------------------------------------------------------------------------------

    def sign(self, name: str, role: str) -> None:
        """Say who reads."""
        self._signed = Reader(name=name, role=role)
        self._go_to(self._edits)
        self._tell()

    def answer(self, lesion: str, answer: IdentityAnswer, partner: str | None = None) -> None:
        """Answer a lesion; refusals are those of `dotaliver.longitudinal.pair_answers`."""
        self.decide(lambda pair: pair_answers.answered(pair, lesion, answer, partner))

    def take_back(self, lesion: str) -> None:
        """Take the answer to a lesion back."""
        self.decide(lambda pair: pair_answers.taken_back(pair, lesion))

    def decide(self, change: Callable[[ComparedScans], CourseEdits]) -> None:
        """Change the edits by one step that can be undone.

        Raises
        ------
        ConfigError
            Where nobody signed in, or the decision does not fit the scans; then nothing changed.
        """
        if self.pair is None:
            msg = "these scans cannot be compared, so nothing is decided about them"
            raise ConfigError(msg)
        if not self.signed:
            msg = "sign in with your name and role first; every answer is signed"
            raise ConfigError(msg)
        edits = change(self.pair.compared).model_copy(update={"reader": None})
        if edits == self._edits:
            return
        before = self._edits
        self._go_to(edits)
        self._past.append(before)
        self._future.clear()
        self._tell()

    def undo(self) -> None:
        """Go back one step."""
        if self._past:
            self._future.append(self._edits)
            self._go_to(self._past.pop())
            self._tell()

    def redo(self) -> None:
        """Take the step again that was undone."""
        if self._future:
            self._past.append(self._edits)
            self._go_to(self._future.pop())
            self._tell()

    def resume(self, edits: CourseEdits) -> None:
        """Take over edits of an earlier run, as one step; `ConfigError` where they do not fit."""
        before = self._edits
        self._go_to(edits.model_copy(update={"reader": None}))
        self._past.append(before)
        self._future.clear()
        self._tell()

    def _go_to(self, edits: CourseEdits) -> None:
        if self.pair is not None:
            self.pair = self.pair.with_edits(edits.model_copy(update={"reader": self._signed}))
        self._edits = edits

    # --- saving ------------------------------------------------------------------------------------------------------

    def saving(self, folder: Path) -> Callable[[Progress], AssembledCourse]:
        """What is to be run, in whatever thread, to compute and write the course; then call `saved`.

        Raises
        ------
        ConfigError
            Where nobody signed, or there is nothing to save.
        """
        pair, edits = self.pair, self.edits
        if pair is None:
            msg = "these scans cannot be compared, so there is no response to save"
            raise ConfigError(msg)
        if not self.signed:
            msg = "sign in with your name and role before saving"
            raise ConfigError(msg)
        own = {scan.folder.resolve() for scan in pair.given}
        if folder.resolve() in own:
            msg = f"{folder.name}: the folder holds one of the scores that are compared; choose another"
            raise ConfigError(msg)
        if self.case is not None:
            # The scans of a case lie in one folder, of which only the decisions are part of the signature.
            return lambda progress: save_decisions(pair, edits, folder / COURSE_EDITS, progress)
        return lambda progress: save_visits(pair, edits, folder, progress)

    def saved(self, folder: Path, edits: CourseEdits, made: AssembledCourse) -> None:
        """Note what was written into a folder, and take the response that was computed for it.

        Raises
        ------
        DotaliverError
            Where that is not the response that was shown.
        """
        self._saved, self.saved_in = edits.model_copy(update={"reader": None}), folder
        shown, (computed,) = self.reading, made.course.readings
        differs = not self.dirty and shown is not None and shown.time_points != computed.time_points
        self._tell()
        if differs:
            msg = f"the response in {folder.name} differs from the one shown; open the comparison again"
            raise DotaliverError(msg)

    def discard(self) -> None:
        """Forget what is not saved."""
        self._saved = self._edits

    def _tell(self) -> None:
        for callback in tuple(self._told):
            callback()
