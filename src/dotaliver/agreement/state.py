"""Where each case of a central reading stands, worked out from the log alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dotaliver.agreement.log import Event, LoggedEvent
from dotaliver.agreement.plan import ReadingPlan
from dotaliver.errors import ConfigError
from dotaliver.records.edits import Reader

__all__ = ["CaseState", "ReadingState", "state_of"]

CaseWord = Literal["open", "read", "agreed", "adjudicated"]


@dataclass(frozen=True)
class CaseState:
    """One case: who has signed it, and how it was closed.

    Parameters
    ----------
    signed : dict of str to LoggedEvent
        The locked reading of each reader who has one.
    closed : LoggedEvent or None
        How the final record was found, as long as the readings that it rests on are still locked.
    """

    code: str
    signed: dict[str, LoggedEvent]
    closed: LoggedEvent | None
    readers: tuple[str, ...]

    @property
    def word(self) -> CaseWord:
        """Where the case stands."""
        if self.closed is not None:
            return "agreed" if self.closed.event.kind == "agreed" else "adjudicated"
        return "read" if all(reader in self.signed for reader in self.readers) else "open"


@dataclass(frozen=True)
class ReadingState:
    """Every case, and who the readers are."""

    plan: ReadingPlan
    events: tuple[LoggedEvent, ...]

    def of(self, kind: str, *, case: str | None = None, reader: str | None = None) -> list[LoggedEvent]:
        """Events of one kind, of a case and a reader where they are given."""
        return [
            logged
            for logged in self.events
            if logged.event.kind == kind and case in {None, logged.event.case} and reader in {None, logged.event.reader}
        ]

    def locked(self, case: str, reader: str) -> LoggedEvent | None:
        """A reader's signed reading of a case; None before the signature and after an unlocking."""
        for logged in reversed(self.events):
            if (logged.event.case, logged.event.reader) == (case, reader):
                if logged.event.kind in {"signed", "adjudicated"}:
                    return logged
                if logged.event.kind == "unlocked":
                    return None
        return None

    def case(self, code: str) -> CaseState:
        """Where one case stands."""
        signed = {reader: found for reader in self.plan.readers if (found := self.locked(code, reader)) is not None}
        hashes = {logged.sha256 for logged in signed.values()}
        closed = None
        for logged in self.events:
            event = logged.event
            if event.case != code:
                continue
            if event.kind in {"agreed", "adjudicated"} and set(event.parents) == hashes:
                closed = logged
            elif event.kind == "unlocked" and event.reader == self.plan.adjudicator:
                closed = None
        return CaseState(code, signed, closed, self.plan.readers)

    def answered(self, case: str, reader: str) -> bool:
        """Whether a reader's first answers, given without the automatic ones, are locked."""
        return bool(self.of("answered", case=case, reader=reader))

    def next_case(self, reader: str) -> str | None:
        """The first case in a reader's order that the reader has not signed."""
        return next((code for code in self.plan.order[reader] if self.locked(code, reader) is None), None)

    def person_of(self, reader: str) -> Reader | None:
        """Who has signed under a short name; None as long as nobody has."""
        return next((e.person for e in self._personal() if e.reader == reader and e.person is not None), None)

    def require_person(self, reader: str, person: Reader) -> None:
        """Refuse a signature by somebody else than before, or by one person in two parts.

        Raises
        ------
        ConfigError
            Says who had signed.
        """
        before = self.person_of(reader)
        if before is not None and _key(before) != _key(person):
            msg = f"reader {reader} is {before.name} in this reading, and {person.name} signs; sign under your own name"
            raise ConfigError(msg)
        other = next(
            (e for e in self._personal() if e.reader != reader and e.person and _key(e.person) == _key(person)), None
        )
        if other is not None:
            name = person.name if other.person is None else other.person.name
            msg = f"{name} reads as {other.reader} already; each part is read by a person of its own"
            raise ConfigError(msg)

    def _personal(self) -> Iterable[Event]:
        return (
            logged.event
            for logged in self.events
            if logged.event.kind in {"begun", "answered", "signed", "adjudicated"}
        )


def _key(person: Reader) -> str:
    return " ".join(person.name.split()).casefold()


def state_of(plan: ReadingPlan, events: Sequence[LoggedEvent]) -> ReadingState:
    """The state after some events."""
    return ReadingState(plan, tuple(events))
