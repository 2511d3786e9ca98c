"""A reader's answers to candidates outside the liver and of the FDG scan, as edits."""

from __future__ import annotations

from typing import Literal

from dotaliver.records.edits import BodyAnswer, BodyReading, FdgAnswer, FdgReading, ReaderEdits

__all__ = ["Answer", "with_all_read", "with_answer", "with_fdg_answer"]

Answer = Literal["accepted", "rejected"]


def with_answer(edits: ReaderEdits, label: int, answer: Answer | None) -> BodyReading | None:
    """The reading with one candidate answered; None takes an answer back, and with it that all was read."""
    reading = edits.body or BodyReading()
    before = reading.answer(label)
    others = tuple(each for each in reading.answers if each.label != label)
    changes: dict[str, object] = {}
    if answer is None:
        changes = {"answers": others, "all_read": False}
    else:
        same = before is not None and before.answer == answer
        given = before if same and before is not None else BodyAnswer(label=label, answer=answer)
        changes = {"answers": tuple(sorted((*others, given), key=lambda each: each.label))}
    return _or_none(reading.model_copy(update=changes))


def with_fdg_answer(edits: ReaderEdits, label: int, answer: Answer | None) -> FdgReading | None:
    """The reading of the FDG scan with one candidate answered; None takes an answer back."""
    reading = edits.fdg or FdgReading()
    before = reading.answer(label)
    others = tuple(each for each in reading.answers if each.label != label)
    if answer is not None:
        # A comment in a file of edits stays with the answer that it was written for.
        same = before is not None and before.answer == answer
        given = before if same and before is not None else FdgAnswer(label=label, answer=answer)
        others = tuple(sorted((*others, given), key=lambda each: each.label))
    return None if not others else reading.model_copy(update={"answers": others})


def with_all_read(edits: ReaderEdits, all_read: bool) -> BodyReading | None:
    """The reading with the statement that the whole body was read, or without it."""
    return _or_none((edits.body or BodyReading()).model_copy(update={"all_read": all_read}))


def _or_none(reading: BodyReading) -> BodyReading | None:
    return None if reading == BodyReading() else reading
