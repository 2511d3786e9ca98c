"""What a reader decides about a course: identities, targets, states, new lesions. It outranks the proposal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dotaliver.errors import ConfigError
from dotaliver.frozen import FrozenModel
from dotaliver.records.edits import Reader

__all__ = ["COURSE_EDITS", "LYMPH_NODE", "CourseEdits", "LesionCourseEdit", "LesionOnScan", "scan_index"]

LesionStateWord = Literal["present", "absent", "too_small", "unequivocal_progression", "not_evaluated", "merged"]
LYMPH_NODE = "LYMPH NODE"
COURSE_EDITS = "course_edits.json"
"""Name of the file of a course's edits beside the course."""
# States that contradict a size or the labels of a measured lesion
_WITHOUT_SIZE = {"absent", "not_evaluated", "merged"}
_WITHOUT_LABELS = {"absent", "merged"}


class LesionOnScan(FrozenModel):
    """A reader's statement on a lesion on one scan."""

    scan: str = Field(min_length=1, description="StudyInstanceUID, or date of the scan as YYYY-MM-DD")
    labels: tuple[int, ...] = Field(default=(), description="Which lesions of that scan's record it is; several: parts")
    state: LesionStateWord | None = None
    size_mm: float | None = Field(
        default=None, ge=0, le=1000, description="Decisive diameter, as the reader measured it"
    )
    merged_into: str | None = Field(
        default=None, min_length=1, max_length=20, description="With state 'merged': the lesion that now contains it"
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        word = (self.state or "").replace("_", " ")
        if not self.labels and self.state is None and self.size_mm is None and self.merged_into is None:
            msg = "the statement is empty; give 'labels', 'state' or 'size_mm'"
            raise ValueError(msg)
        if self.state in _WITHOUT_SIZE and self.size_mm is not None:
            msg = f"a lesion that is {word} has no size; leave out 'size_mm' or the state"
            raise ValueError(msg)
        if self.state is not None and self.size_mm == 0:
            msg = f"a lesion that is {word} has a size above 0; leave out 'size_mm', or state it absent"
            raise ValueError(msg)
        if self.state in _WITHOUT_LABELS and self.labels:
            msg = f"a lesion that is {word} has no labels of its own; leave out 'labels' or the state"
            raise ValueError(msg)
        if (self.state == "merged") != (self.merged_into is not None):
            msg = "state 'merged' and 'merged_into' belong together; give both or neither"
            raise ValueError(msg)
        if len(set(self.labels)) != len(self.labels):
            msg = "a label is given twice; give each once"
            raise ValueError(msg)
        return self

    @property
    def is_seen(self) -> bool | None:
        """Whether the reader says that the lesion is there as a lesion of its own; None where nothing is said."""
        if self.state is None:
            return None if self.size_mm is None else self.size_mm > 0
        return self.state not in {"absent", "not_evaluated", "merged"}

    @property
    def is_away(self) -> bool:
        """Whether the reader says that it is not there as a lesion of its own, so no outline of the scan is it."""
        return self.state in _WITHOUT_LABELS or self.size_mm == 0


class LesionCourseEdit(FrozenModel):
    """A reader's statements on one lesion of the course."""

    lesion: str = Field(min_length=1, max_length=20)
    on: tuple[LesionOnScan, ...] = ()
    organ: str | None = Field(
        default=None, max_length=200, description="Where it lies, in CDISC's terms (codelist LOC), such as 'LUNG'"
    )
    node: bool | None = None
    new: Literal["confirmed", "rejected", "equivocal"] | None = Field(
        default=None,
        description="Whether it is new since baseline; a rejected one was already there at baseline, an equivocal one "
        "cannot be decided on these scans",
    )
    comment: str | None = None

    @field_validator("organ")
    @classmethod
    def _upper(cls, value: str | None) -> str | None:
        if value is None:
            return None
        organ = value.strip().upper()
        if not organ or not organ.isascii():
            msg = "an organ is a term of CDISC's codelist LOC, such as LUNG; give it, or leave 'organ' out"
            raise ValueError(msg)
        return organ

    @model_validator(mode="after")
    def _nodes_are_one_organ(self) -> Self:
        if self.organ is not None and self.node is not None and self.node != (self.organ == LYMPH_NODE):
            msg = f"'node' contradicts the organ {self.organ}; the organ of a node is {LYMPH_NODE}"
            raise ValueError(msg)
        return self


class CourseEdits(FrozenModel):
    """All of a reader's decisions about a course."""

    schema_version: Literal["1"] = "1"
    reader: Reader | None = None
    evaluator_id: str | None = Field(default=None, description="Whose course this is, where the manifest names several")
    lesions: tuple[LesionCourseEdit, ...] = ()
    targets: tuple[str, ...] | None = Field(default=None, description="Exactly these are the targets")
    comparable: tuple[str, ...] = Field(
        default=(),
        description="Scans (StudyInstanceUID or date) whose diameters count although they were measured on another "
        "modality than at baseline",
    )

    @field_validator("lesions")
    @classmethod
    def _one_edit_per_lesion(cls, value: tuple[LesionCourseEdit, ...]) -> tuple[LesionCourseEdit, ...]:
        names = [edit.lesion for edit in value]
        if len(set(names)) != len(names):
            msg = "a lesion is edited twice; give each name once"
            raise ValueError(msg)
        return value

    def to_json(self) -> str:
        """The edits as indented JSON, as ``dotaliver recist --edits`` reads them; what is not stated is left out."""
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"

    def of(self, lesion: str) -> LesionCourseEdit:
        """The statements on one lesion; an empty edit where there are none."""
        return next((edit for edit in self.lesions if edit.lesion == lesion), LesionCourseEdit(lesion=lesion))


def scan_index(named: str, scans: Sequence[tuple[str, str]]) -> int:
    """Index of the scan that a reader names, from pairs of StudyInstanceUID and date.

    Raises
    ------
    ConfigError
        Where no scan or several scans fit.
    """
    found = [n for n, (uid, day) in enumerate(scans) if named in {uid, day}]
    if len(found) == 1:
        return found[0]
    there = ", ".join(day for _, day in scans)
    problem = "names several scans" if found else "names no scan of the course"
    msg = f"the reader's edits: '{named}' {problem} (scans of {there}); give the StudyInstanceUID or date of one"
    raise ConfigError(msg)
