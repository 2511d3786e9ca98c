"""What a reader decides about a course: identities, targets, states, new lesions. Always outranks the proposal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel
from dotaliver.records.edits import Reader

__all__ = ["CourseEdits", "LesionCourseEdit", "LesionOnScan", "scan_index"]

LesionStateWord = Literal["present", "absent", "too_small", "unequivocal_progression", "not_evaluated"]


class LesionOnScan(FrozenModel):
    """What a reader says of a lesion on one scan."""

    scan: str = Field(min_length=1, description="StudyInstanceUID, or date of the scan as YYYY-MM-DD")
    labels: tuple[int, ...] = Field(default=(), description="Which lesions of that scan's record it is; several: parts")
    state: LesionStateWord | None = None
    size_mm: float | None = Field(default=None, ge=0, description="Decisive diameter, as the reader measured it")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.labels and self.state is None and self.size_mm is None:
            msg = "says nothing of the lesion; give 'labels', 'state' or 'size_mm'"
            raise ValueError(msg)
        if self.state in {"absent", "not_evaluated"} and self.size_mm is not None:
            msg = f"a lesion that is {self.state.replace('_', ' ')} has no size; leave 'size_mm' out"
            raise ValueError(msg)
        return self


class LesionCourseEdit(FrozenModel):
    """What a reader says of one lesion of the course."""

    lesion: str = Field(min_length=1, max_length=20)
    on: tuple[LesionOnScan, ...] = ()
    organ: str | None = Field(default=None, description="Where it lies, in CDISC's words, such as 'LUNG'")
    node: bool | None = None
    new: Literal["confirmed", "rejected"] | None = Field(default=None, description="Whether it is a new lesion")
    comment: str | None = None

    @field_validator("organ")
    @classmethod
    def _upper(cls, value: str | None) -> str | None:
        return None if value is None else value.strip().upper()


class CourseEdits(FrozenModel):
    """Everything that a reader decided about a course."""

    schema_version: Literal["1"] = "1"
    reader: Reader | None = None
    evaluator_id: str | None = Field(default=None, description="Whose course this is, where the manifest names several")
    lesions: tuple[LesionCourseEdit, ...] = ()
    targets: tuple[str, ...] | None = Field(default=None, description="Exactly these are the targets")

    @field_validator("lesions")
    @classmethod
    def _one_edit_per_lesion(cls, value: tuple[LesionCourseEdit, ...]) -> tuple[LesionCourseEdit, ...]:
        names = [edit.lesion for edit in value]
        if len(set(names)) != len(names):
            msg = "a lesion is edited twice; give each name once"
            raise ValueError(msg)
        return value

    def of(self, lesion: str) -> LesionCourseEdit:
        """What was said of one lesion; an edit without content where nothing was."""
        return next((edit for edit in self.lesions if edit.lesion == lesion), LesionCourseEdit(lesion=lesion))


def scan_index(named: str, scans: Sequence[tuple[str, str]]) -> int:
    """Which scan a reader means, from pairs of StudyInstanceUID and date.

    Raises
    ------
    ConfigError
        Where none or several fit.
    """
    found = [n for n, (uid, day) in enumerate(scans) if named in {uid, day}]
    if len(found) == 1:
        return found[0]
    there = ", ".join(day for _, day in scans)
    problem = "names several scans" if found else "names no scan of the course"
    msg = f"the reader's edits: '{named}' {problem} (scans of {there}); give its StudyInstanceUID or date"
    raise ConfigError(msg)
