"""What may be signed or decided in a central reading, and what is locked."""

from __future__ import annotations

from collections.abc import Mapping

from dotaliver.agreement.log import EventKind, LoggedEvent
from dotaliver.agreement.state import ReadingState
from dotaliver.errors import ConfigError
from dotaliver.records.edits import Reader

__all__ = ["parents", "require_open", "require_possible", "require_read"]


def require_open(state: ReadingState, kind: EventKind, case: str, reader: str, person: Reader) -> None:
    """Refuse a signature on a case that is locked, closed, not answered yet, or somebody else's: `ConfigError`."""
    state.plan.case(case)
    if kind == "adjudicated":
        require_read(state.case(case).word, case)
    else:
        locked = state.locked(case, reader)
        if locked is not None:
            raise ConfigError(_locked_words(case, reader, locked))
        if state.plan.blind_to_automatic and not state.answered(case, reader):
            msg = (
                f"case {case}: this reading is blinded to the automatic answers, and the first answers of reader "
                f"{reader} are not locked; give them with 'dotaliver reading answer'"
            )
            raise ConfigError(msg)
    state.require_person(reader, person)


def require_possible(state: ReadingState, kind: EventKind, case: str, reader: str, person: Reader | None) -> None:
    """Refuse to begin, answer or unlock a reading in a state that does not allow it: `ConfigError`."""
    locked = state.locked(case, reader)
    if kind == "unlocked" and locked is None:
        msg = f"case {case} of reader {reader} is not locked; there is nothing to unlock"
        raise ConfigError(msg)
    if kind != "unlocked" and locked is not None:
        raise ConfigError(_locked_words(case, reader, locked))
    if kind == "answered" and state.answered(case, reader):
        msg = f"the first answers of reader {reader} to case {case} are locked already"
        raise ConfigError(msg)
    if kind != "unlocked" and person is not None:
        state.require_person(reader, person)


def parents(signed: Mapping[str, LoggedEvent]) -> tuple[str, ...]:
    """Hashes of the signatures that a decision rests on."""
    return tuple(logged.sha256 for logged in signed.values())


def _locked_words(case: str, reader: str, locked: LoggedEvent) -> str:
    at = locked.event.at.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"case {case} of reader {reader} was signed on {at} and is locked; unlock it first with "
        "'dotaliver reading unlock', which is recorded"
    )


def require_read(word: str, case: str) -> None:
    """Refuse a decision on a case that is not signed by every reader, or is closed: `ConfigError`."""
    if word == "open":
        msg = f"case {case} is not signed by every reader yet; it cannot be decided"
        raise ConfigError(msg)
    if word != "read":
        msg = f"case {case} is closed ({word}); unlock a reading of it first"
        raise ConfigError(msg)
