"""What a worker and its scoring process say to each other, one line of JSON at a time."""

from __future__ import annotations

from dotaliver.batch.records import StudyRecord, StudyTask
from dotaliver.frozen import FrozenModel

__all__ = ["Answer", "Order"]


class Order(FrozenModel):
    """A study to score, for one run."""

    out: str
    task: StudyTask
    run_id: str


class Answer(FrozenModel):
    """What a scoring process says: that it is ready, at which stage it is, that a study is done, or that it ends."""

    ready: int | None = None
    """Its process id"""
    stage: str | None = None
    done: bool = False
    record: StudyRecord | None = None
    """Of the study that is done; None where the run that asked for it is over"""
    idle: bool = False
    """It waited in vain, and ends"""
