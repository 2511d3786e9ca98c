"""The audit trail of a central reading in plain rows: who, what, when, from which value to which, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dotaliver.agreement.central import CentralReading
from dotaliver.agreement.log import Event, LoggedEvent
from dotaliver.records.differences import Change, compare_records
from dotaliver.records.score import StudyScore
from dotaliver.records.score_folder import ScoreFolder

__all__ = ["AuditRow", "audit_trail"]

_WORDS = {
    "planned": "plan fixed",
    "begun": "case opened",
    "answered": "first answers locked",
    "signed": "reading signed and locked",
    "unlocked": "reading unlocked",
    "agreed": "closed: the readers agree",
    "adjudicated": "adjudicated",
}


@dataclass(frozen=True)
class AuditRow:
    """One thing that happened, or one value that changed by it."""

    number: int
    at: str
    case: str
    reader: str
    name: str
    role: str
    act: str
    field: str
    before: str
    now: str
    reason: str
    sha256: str


def audit_trail(reading: CentralReading) -> Iterator[AuditRow]:
    """Every event of the log, and below each signature every value in which the record differs from the one before.

    The record before is the reader's own last signed one, or the automatic record that the reading started from.

    Raises
    ------
    StudyError
        Where the log or a signed record was changed.
    """
    before: dict[tuple[str, str], tuple[StudyScore, ...]] = {}
    for logged in reading.log().read():
        event = logged.event
        yield _row(logged, _WORDS[event.kind], *_decided(event))
        for question, answer in event.answers.items():
            yield _row(logged, "first answer", question, "", answer)
        if not event.files:
            continue
        key = (event.case or "", event.reader or "")
        records = reading.records_of(logged)
        earlier = before.get(key) or _automatic(reading, records)
        for old, new in zip(earlier, records, strict=False):
            found = compare_records(old, new)
            for change in (*found.causes, *found.effects):
                if change.kind in {"edit", "mask", "result", "verdict"}:
                    yield _changed(logged, new, change)
        before[key] = records


def _decided(event: Event) -> tuple[str, str, str]:
    if event.accepted is None:
        return "", "", ""
    return "final reading", "", event.accepted


def _automatic(reading: CentralReading, records: tuple[StudyScore, ...]) -> tuple[StudyScore, ...]:
    return tuple(ScoreFolder(reading.automatic(score.study.study_instance_uid)).record() for score in records)


def _changed(logged: LoggedEvent, score: StudyScore, change: Change) -> AuditRow:
    scan = score.study.study_date or score.study.study_instance_uid
    return _row(logged, f"changed ({change.kind})", f"{scan}: {change.field}", _text(change.before), _text(change.now))


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row(logged: LoggedEvent, act: str, field: str, before: str, now: str) -> AuditRow:
    event = logged.event
    return AuditRow(
        number=event.number,
        at=event.at.isoformat(),
        case=event.case or "",
        reader=event.reader or "",
        name="" if event.person is None else event.person.name,
        role="" if event.person is None else event.person.role,
        act=act,
        field=field,
        before=before,
        now=now,
        reason=event.reason or "",
        sha256=logged.sha256,
    )
