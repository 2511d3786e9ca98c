"""A case of a central reading at a viewer: which scan is read next, the first answers, and the signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dotaliver.agreement.central import CentralReading
from dotaliver.agreement.first_answers import first_answers
from dotaliver.agreement.log import LoggedEvent
from dotaliver.agreement.plan import PlannedCase
from dotaliver.config.criteria import RecistConfig
from dotaliver.config.protocol import Criterion
from dotaliver.errors import ConfigError
from dotaliver.longitudinal.edits import COURSE_EDITS
from dotaliver.pipeline.opening import StudyInput
from dotaliver.pipeline.reading_signatures import Signature, accept, adjudicate_anew, open_case, sign_case
from dotaliver.pipeline.stored_score import relocated
from dotaliver.records.edits import Reader
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder
from dotaliver.records.verdicts import VerdictWord
from dotaliver.system.progress import Progress, silent

__all__ = ["DeskCase"]


@dataclass(frozen=True)
class DeskCase:
    """A reader's case as it lies at a viewer.

    Parameters
    ----------
    reading : CentralReading
        The central reading.
    reader : str
        Short name of the reader in the plan.
    case : PlannedCase
        The case.
    folders : tuple of Path
        The reader's working folder of each scan, in time order.
    scan : int
        Which scan is shown, counted from 0.
    images_alone : bool
        Whether the automatic answers are hidden, because the reader's first answers are not locked.
    """

    reading: CentralReading
    reader: str
    case: PlannedCase
    folders: tuple[Path, ...]
    scan: int
    images_alone: bool

    @classmethod
    def opened(cls, reading: CentralReading, reader: str, code: str | None = None) -> DeskCase:
        """The next case of a reader, or a named one, at its first scan that is not read yet; this is recorded.

        Raises
        ------
        ConfigError
            Where the reader is not in the plan, has read every case, or has signed the named one.
        StudyError
            Where the automatic score is missing or not the planned one.
        """
        case, folders = open_case(reading, reader, code)
        state = reading.state()
        asked = state.plan.blind_to_automatic and reader in state.plan.readers
        made = cls(reading, reader, case, folders, 0, asked and not state.answered(case.code, reader))
        return replace(made, scan=next(iter(made.unread), 0))

    @property
    def title(self) -> str:
        """What a reader is shown of the case: its code alone, and the number of the scan."""
        number = "" if len(self.folders) == 1 else f", scan {self.scan + 1} of {len(self.folders)}"
        return f"Case {self.case.code}{number}"

    @property
    def study(self) -> StudyInput:
        """What a viewer opens: the reader's last revision of the scan, or the images alone."""
        folder = self.folders[self.scan]
        if self.images_alone:
            return relocated(folder, None, ScoreFolder(folder).record())
        return StudyInput(ScoreFolder(folder).latest().path)

    @property
    def unread(self) -> tuple[int, ...]:
        """The scans that nobody has saved a reading of."""
        return tuple(n for n in range(len(self.folders)) if self._latest(n).edits.reader is None)

    @property
    def adjudicates(self) -> bool:
        """Whether the case is at the adjudicator's."""
        return self.reader == self.reading.plan().adjudicator

    @property
    def others(self) -> tuple[str, ...]:
        """Readers whose readings the adjudicator may take."""
        return self.reading.plan().readers if self.adjudicates else ()

    @property
    def left(self) -> int:
        """How many cases the reader has not signed; 0 for the adjudicator, who opens cases by name."""
        state = self.reading.state()
        order = state.plan.order.get(self.reader, ())
        return sum(state.locked(code, self.reader) is None for code in order)

    @property
    def questions(self) -> tuple[Criterion, ...]:
        """The criteria that first answers are asked for, in the protocol's order."""
        record = ScoreFolder(self.folders[self.scan]).record()
        return tuple(criterion for criterion in record.config.protocol.criteria if criterion.id in record.criteria)

    @property
    def course_edits(self) -> Path:
        """The file with the reader's decisions on the scans together, where there are any."""
        return self.folders[0].parent / COURSE_EDITS

    def _latest(self, number: int) -> StudyScore:
        return ScoreFolder(self.folders[number]).latest().record()

    def at_scan(self, number: int) -> DeskCase:
        """The same case with another scan shown, counted from 0."""
        return replace(self, scan=number)

    def lock_first_answers(
        self, verdicts: Mapping[str, VerdictWord], burden_percent: float | None, person: Reader
    ) -> DeskCase:
        """Lock the answers that the reader gives from the images alone; the automatic ones may be shown then.

        Raises
        ------
        ConfigError
            Where no criterion is answered, they are locked already, or somebody else reads under this name.
        """
        if not verdicts:
            msg = f"case {self.case.code}: no criterion is answered; answer at least one before locking"
            raise ConfigError(msg)
        answers = first_answers([f"{name}={word}" for name, word in verdicts.items()], burden_percent)
        self.reading.note("answered", case=self.case.code, reader=self.reader, person=person, answers=answers)
        return replace(self, images_alone=False)

    def sign(self, person: Reader, reason: str = "", progress: Progress = silent) -> LoggedEvent:
        """Sign and lock the saved readings of all scans; for the adjudicator, as the final reading, with a reason.

        Raises
        ------
        ConfigError
            Where a scan is not read, the reading is not the signer's own, or it is locked; where an adjudicator gives
            no reason.
        """
        if self.unread:
            days = ", ".join(str(number + 1) for number in self.unread)
            msg = f"case {self.case.code}: no reading of scan {days} is saved; read and save every scan before signing"
            raise ConfigError(msg)
        signature = Signature(self.case.code, self.reader, person)
        if not self.adjudicates:
            return sign_case(self.reading, signature, RecistConfig(), progress)
        return adjudicate_anew(self.reading, signature, self._with_reason(reason), RecistConfig(), progress)

    def accept(self, reader: str, person: Reader, reason: str) -> LoggedEvent:
        """Take a reader's signed reading as the final one, as the adjudicator.

        Raises
        ------
        ConfigError
            Where the case cannot be decided, or no reason is given.
        """
        return accept(self.reading, self.case.code, reader, person, self._with_reason(reason))

    def _with_reason(self, reason: str) -> str:
        if not reason.strip():
            msg = f"case {self.case.code}: give a reason for the decision"
            raise ConfigError(msg)
        return reason.strip()
